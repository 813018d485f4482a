//! The bytes of a seal file: one secret, or two while one replaces the other.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::crypto::key::{KEY_BYTES, Key};
use crate::durable;
use crate::keyring::id::KEYRING_ID_BYTES;
use crate::keyring::seal::error::SealError;
use lavawall_entropy::Secret;

/// How the file begins.
const MAGIC: &[u8; 8] = b"lavaseal";

/// The size of a tag, which identifies a secret in the file, in bytes.
pub(crate) const TAG_BYTES: usize = 8;

/// A file contains one secret, or two while one replaces the other.
const FILE_LIMIT: u64 = (MAGIC.len() + KEYRING_ID_BYTES + 2 * (TAG_BYTES + KEY_BYTES)) as u64;

/// One secret of the file.
pub(crate) type TaggedSecret = ([u8; TAG_BYTES], Key);

/// The secrets in the file at `path`, which must belong to the keyring `id`.
pub(crate) fn read(
    id: &[u8; KEYRING_ID_BYTES],
    path: &Path,
) -> Result<Vec<TaggedSecret>, SealError> {
    let foreign = |_| SealError::Foreign { path: path.to_owned() };
    let bytes = content(path)?;
    let mut from = Reader::of(&bytes);
    let is_ours = from.array() == Ok(*MAGIC) && from.array() == Ok(*id);
    if !is_ours {
        return Err(foreign(Malformed));
    }
    let mut secrets = Vec::new();
    while !from.rest().is_empty() {
        let tag = from.array().map_err(foreign)?;
        let mut secret = Zeroizing::new(from.array().map_err(foreign)?);
        secrets.push((tag, Secret::take(&mut secret)));
    }
    Ok(secrets)
}

/// Replaces the file at `path`.
pub(crate) fn write(
    id: &[u8; KEYRING_ID_BYTES],
    path: &Path,
    secrets: &[TaggedSecret],
) -> io::Result<()> {
    let mut writer = Writer::default();
    writer.bytes(MAGIC).bytes(id);
    for (tag, secret) in secrets {
        writer.bytes(tag).bytes(secret.expose());
    }
    durable::replace(path, &writer.finish())
}

/// The file's bytes, if only its owner can read it.
fn content(path: &Path) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let file = durable::open(path, OpenOptions::new().read(true));
    let file = file.map_err(|error| file_error(path, error))?;
    let mode = file.metadata().map_err(|error| file_error(path, error))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SealError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| file_error(path, error))?;
    Ok(bytes)
}

/// The error about the file at `path`.
pub(crate) fn file_error(path: &Path, error: io::Error) -> SealError {
    SealError::File { path: path.to_owned(), error }
}
