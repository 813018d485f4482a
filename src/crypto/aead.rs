//! Sealing and opening: AES-256-GCM-SIV (RFC 8452) with associated data in labelled fields.

use aes_gcm_siv::{AeadInOut, Aes256GcmSiv, KeyInit};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::key::{KEY_BYTES, Key};
use crate::crypto::key_material::{KeyMaterial, NONCE_BYTES};
use lavawall_entropy::{Generator, NotReady, Secret, append_secret, on_scrubbed_stack};

/// The size of a tag in bytes (RFC 8452 §4).
pub const TAG_BYTES: usize = 16;

/// The bytes that sealing adds to a text.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// The size of a sealed key in bytes.
pub const SEALED_KEY_BYTES: usize = KEY_BYTES + OVERHEAD_BYTES;

/// A sealed text does not open: it was changed, moved, or sealed under another key. The cipher cannot
/// distinguish these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("does not open: changed, moved, or sealed under another key")]
pub struct OpenError;

/// The associated data of a sealed text: it opens only with the same label and fields. Zeroized, since a field
/// can be the name of a record.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq))]
pub struct AssociatedData(Zeroizing<Vec<u8>>);

impl AssociatedData {
    /// The label alone, without fields.
    #[must_use]
    pub fn of(label: &str) -> Self {
        let mut data = Zeroizing::new(Vec::with_capacity(192));
        append_secret(&mut data, label.as_bytes());
        Self(data)
    }

    /// Adds a field.
    #[must_use]
    pub fn and(mut self, field: &[u8]) -> Self {
        let len = u32::try_from(field.len()).expect("fields are shorter than 4 GiB");
        append_secret(&mut self.0, &len.to_be_bytes());
        append_secret(&mut self.0, field);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn and_number(self, number: u64) -> Self {
        self.and(&number.to_be_bytes())
    }
}

/// Seals `text`.
///
/// # Errors
/// When the generator refuses to give a nonce.
pub fn seal(
    generator: &Generator,
    key: &Key,
    data: &AssociatedData,
    text: &[u8],
) -> Result<Vec<u8>, NotReady> {
    let mut sealed = Vec::with_capacity(text.len() + OVERHEAD_BYTES);
    seal_onto(&mut KeyMaterial::of(generator, NONCE_BYTES), key, data, text, &mut sealed)?;
    Ok(sealed)
}

/// Seals `text` with a nonce of `material` and appends it to `out`.
///
/// # Errors
/// When the generator refuses to give a nonce; then `out` is as it was.
pub fn seal_onto(
    material: &mut KeyMaterial<'_>,
    key: &Key,
    data: &AssociatedData,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), NotReady> {
    let nonce = material.nonce()?;
    // Room first: a vector that grows while it holds the text would leave a copy that is not zeroized.
    out.reserve(text.len() + OVERHEAD_BYTES);
    seal_with(nonce, key, data, text, out);
    Ok(())
}

fn seal_with(
    nonce: [u8; NONCE_BYTES],
    key: &Key,
    data: &AssociatedData,
    text: &[u8],
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(text);
    let tag = on_scrubbed_stack(|| {
        Aes256GcmSiv::new(key.expose().into())
            .encrypt_inout_detached(&nonce.into(), &data.0, (&mut out[start..]).into())
            .expect("texts are shorter than 64 GiB (RFC 8452 §6)")
    });
    out.extend_from_slice(&tag);
}

/// Opens a text that was sealed under the same key with the same associated data.
///
/// # Errors
/// [`OpenError`]; then nothing of the text is given.
pub fn open(
    key: &Key,
    data: &AssociatedData,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut text = Zeroizing::new(sealed.to_vec());
    let len = open_in_place(key, data, &mut text)?.len();
    text.copy_within(NONCE_BYTES..NONCE_BYTES + len, 0);
    text.truncate(len);
    Ok(text)
}

/// As [`open`], in place: returns the text, a part of `sealed`.
///
/// # Errors
/// [`OpenError`]; then `sealed` holds nothing of the text.
pub fn open_in_place<'a>(
    key: &Key,
    data: &AssociatedData,
    sealed: &'a mut [u8],
) -> Result<&'a mut [u8], OpenError> {
    let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE_BYTES>().ok_or(OpenError)?;
    let (text, tag) = rest.split_last_chunk_mut::<TAG_BYTES>().ok_or(OpenError)?;
    let opened = on_scrubbed_stack(|| {
        Aes256GcmSiv::new(key.expose().into()).decrypt_inout_detached(
            (&*nonce).into(),
            &data.0,
            (&mut *text).into(),
            (&*tag).into(),
        )
    });
    if opened.is_err() {
        text.zeroize();
        return Err(OpenError);
    }
    Ok(text)
}

/// Opens a sealed key.
///
/// # Errors
/// [`OpenError`], also when it is not a key.
pub fn open_key(key: &Key, data: &AssociatedData, sealed: &[u8]) -> Result<Key, OpenError> {
    let mut text = open(key, data, sealed)?;
    let text: &mut [u8; KEY_BYTES] = text.as_mut_slice().try_into().map_err(|_| OpenError)?;
    Ok(Secret::take(text))
}

#[cfg(test)]
mod tests;
