//! Keys: their type, how one is drawn, and how one is derived from another.

use hkdf::Hkdf;
use sha2::Sha256;

use lavawall_entropy::{Generator, NotReady, Secret, on_scrubbed_stack};

/// The size of every key in bytes.
pub const KEY_BYTES: usize = 32;

/// One key.
pub type Key = Secret<KEY_BYTES>;

/// Draws a key.
///
/// # Errors
/// When the generator refuses.
pub fn draw_key(generator: &Generator) -> Result<Key, NotReady> {
    let mut drawn = Ok(());
    let key = Secret::filled_by(|key| drawn = generator.fill(key));
    drawn.map(|()| key)
}

/// Draws public bytes: an identifier or a salt.
///
/// # Errors
/// When the generator refuses.
pub fn draw<const N: usize>(generator: &Generator) -> Result<[u8; N], NotReady> {
    let mut bytes = [0; N];
    generator.fill(&mut bytes)?;
    Ok(bytes)
}

/// Derives the key of `label` from `key`: HKDF over SHA-256 without a salt (RFC 5869).
#[must_use]
pub fn derive(key: &Key, label: &str) -> Key {
    Secret::filled_by(|derived: &mut [u8; KEY_BYTES]| {
        on_scrubbed_stack(|| {
            Hkdf::<Sha256>::new(None, key.expose())
                .expand(label.as_bytes(), derived)
                .expect("32 bytes are within HKDF's limit");
        });
    })
}
