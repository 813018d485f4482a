//! Every label and every formula by which something is sealed, in one place.
//!
//! ```text
//! sealed = nonce ‖ AES-256-GCM-SIV(key, nonce, bound, text)      RFC 8452; 12 + len(text) + 16 bytes
//! bound  = label ‖ (len(field) ‖ field) for every field          lengths in four bytes, big-endian
//!
//! what          key          label                     fields
//! root key      seal secret  "lavawall v1 root"        keyring id, seal
//! keyring body  root key     "lavawall v1 keyring"     every byte of the file before it
//! record key    version key  "lavawall v1 record key"  namespace, record id, key version, record version
//! value         record key   "lavawall v1 value"       namespace, name, record version, expiry
//! entry         entry key    "lavawall v1 entry"       namespace, record id, key version, record version
//! sum           sum key      "lavawall v1 sum"         namespace
//! commits       store key    "lavawall v1 commits"     none
//!
//! entry key  = HKDF(version key, "lavawall v1 entry key")        RFC 5869 over SHA-256, no salt
//! id key     = HKDF(index key, "lavawall v1 id key")
//! sum key    = HKDF(index key, "lavawall v1 sum key")
//! term key   = HKDF(index key, "lavawall v1 term key")
//! record id  = HMAC-SHA-256(id key, name)[..16]
//! sum        = Σ HMAC-SHA-256(term key, record id ‖ record version ‖ expiry) over all records, mod 2²⁵⁶
//! share check = SHA-256("lavawall v1 share check" ‖ keyring id ‖ set ‖ number ‖ share)[..16]
//! ```
//! Numbers are big-endian. The label carries the format's version, so nothing of another version
//! opens. Every key and every nonce is drawn from the generator: no argument here chooses one.

use aes_gcm_siv::{AeadInOut, Aes256GcmSiv, KeyInit};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::crypto::key_material::Draws;
use lavawall_entropy::{Generator, NotReady, Secret};

/// The size of every key in bytes.
pub const KEY_BYTES: usize = 32;

/// The size of a nonce in bytes (RFC 8452 §4).
pub const NONCE_BYTES: usize = 12;

/// The size of a tag in bytes (RFC 8452 §4).
pub const TAG_BYTES: usize = 16;

/// What sealing adds to a text, in bytes.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// The size of a sealed key in bytes.
pub const SEALED_KEY_BYTES: usize = KEY_BYTES + OVERHEAD_BYTES;

/// One key.
pub type Key = Secret<KEY_BYTES>;

/// Labels of what is sealed, and of keys that are derived.
pub mod label {
    /// The root key, under the secret that its seal keeps.
    pub const ROOT: &str = "lavawall v1 root";
    /// The content of the keyring file, under the root key.
    pub const BODY: &str = "lavawall v1 keyring";
    /// A record's key, under a key version of its namespace.
    pub const RECORD_KEY: &str = "lavawall v1 record key";
    /// A record's value, under the record's key.
    pub const VALUE: &str = "lavawall v1 value";
    /// A record's name, metadata and expiry, under the entry key of a key version.
    pub const ENTRY: &str = "lavawall v1 entry";
    /// A namespace's sum over its records, under its sum key.
    pub const SUM: &str = "lavawall v1 sum";
    /// Derives the key that entries are sealed under from a key version.
    pub const ENTRY_KEY: &str = "lavawall v1 entry key";
    /// Derives the key of record ids from a namespace's index key.
    pub const ID_KEY: &str = "lavawall v1 id key";
    /// How often the store was written, under the store key.
    pub const COMMITS: &str = "lavawall v1 commits";
    /// Derives the key that seals sums from a namespace's index key.
    pub const SUM_KEY: &str = "lavawall v1 sum key";
    /// Derives the key of a sum's terms from a namespace's index key.
    pub const TERM_KEY: &str = "lavawall v1 term key";
    /// Tells one holder's false share from the others' true ones.
    pub const SHARE_CHECK: &str = "lavawall v1 share check";
    /// Tells a mistyped share.
    pub const SHARE_SUM: &str = "lavawall v1 share";
}

/// Why something sealed does not open: it is not what was sealed, or not in its place, or not
/// under this key. Which of them cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("does not open: changed, moved, or sealed under another key")]
pub struct Unopened;

/// What a sealed text is bound to: it opens only where all of this is the same.
#[derive(Debug, Clone)]
pub struct Bound(Vec<u8>);

impl Bound {
    /// Bound to what `label` stands for, and to nothing else yet.
    #[must_use]
    pub fn to(label: &str) -> Self {
        let mut bound = Vec::with_capacity(192);
        bound.extend_from_slice(label.as_bytes());
        Self(bound)
    }

    /// And to this field.
    #[must_use]
    pub fn and(mut self, field: &[u8]) -> Self {
        let len = u32::try_from(field.len()).expect("fields are shorter than 4 GiB");
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(field);
        self
    }

    /// And to this number.
    #[must_use]
    pub fn and_number(self, number: u64) -> Self {
        self.and(&number.to_be_bytes())
    }
}

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

/// Seals `text`.
///
/// # Errors
/// When the generator refuses to give a nonce.
pub fn seal(
    generator: &Generator,
    key: &Key,
    bound: &Bound,
    text: &[u8],
) -> Result<Vec<u8>, NotReady> {
    let mut sealed = Vec::with_capacity(text.len() + OVERHEAD_BYTES);
    seal_onto(&mut Draws::of(generator, NONCE_BYTES), key, bound, text, &mut sealed)?;
    Ok(sealed)
}

/// Seals `text` with a nonce of `draws` and appends it to `out`.
///
/// # Errors
/// When the generator refuses to give a nonce; then `out` is as it was.
pub fn seal_onto(
    draws: &mut Draws<'_>,
    key: &Key,
    bound: &Bound,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), NotReady> {
    let nonce = draws.nonce()?;
    // Room first: a vector that grows while it holds the text would leave an unwiped copy.
    out.reserve(text.len() + OVERHEAD_BYTES);
    seal_with(nonce, key, bound, text, out);
    Ok(())
}

fn seal_with(nonce: [u8; NONCE_BYTES], key: &Key, bound: &Bound, text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(text);
    let tag = Aes256GcmSiv::new(key.expose().into())
        .encrypt_inout_detached(&nonce.into(), &bound.0, (&mut out[start..]).into())
        .expect("texts are shorter than 64 GiB (RFC 8452 §6)");
    out.extend_from_slice(&tag);
}

/// Opens what was sealed under the same key and bound to the same.
///
/// # Errors
/// [`Unopened`]; then nothing of the text is given.
pub fn open(key: &Key, bound: &Bound, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(Unopened)?;
    let (text, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(Unopened)?;
    let mut text = Zeroizing::new(text.to_vec());
    Aes256GcmSiv::new(key.expose().into())
        .decrypt_inout_detached(nonce.into(), &bound.0, text.as_mut_slice().into(), tag.into())
        .map_err(|_| Unopened)?;
    Ok(text)
}

/// Opens a sealed key.
///
/// # Errors
/// [`Unopened`], also when it is not a key.
pub fn open_key(key: &Key, bound: &Bound, sealed: &[u8]) -> Result<Key, Unopened> {
    let mut text = open(key, bound, sealed)?;
    let text: &mut [u8; KEY_BYTES] = text.as_mut_slice().try_into().map_err(|_| Unopened)?;
    Ok(Secret::take(text))
}

/// The key that `label` names below `key`.
#[must_use]
pub fn derive(key: &Key, label: &str) -> Key {
    let expand = Hkdf::<Sha256>::new(None, key.expose());
    Secret::filled_by(|derived: &mut [u8; KEY_BYTES]| {
        expand.expand(label.as_bytes(), derived).expect("32 bytes are within HKDF's limit");
    })
}

#[cfg(test)]
mod tests;
