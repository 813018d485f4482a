//! The bytes of a seal file: one secret, or two while one replaces the other.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::fgetxattr;
use rustix::process::geteuid;
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

/// The attribute with a file's access list (acl(5)).
const ACCESS_LIST: &str = "system.posix_acl_access";

/// The most bytes of an access list that is read: 30 entries.
const ACCESS_LIST_LIMIT: usize = 4 + 30 * 8;

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
    if mode & 0o077 != 0 && !is_shared_by_list(&file, mode) {
        return Err(SealError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| file_error(path, error))?;
    Ok(bytes)
}

/// Whether bits of the group are the mask of an access list that gives this process alone access, as
/// systemd makes it for a credential of another user than root.
fn is_shared_by_list(file: &File, mode: u32) -> bool {
    let mut list = [0; ACCESS_LIST_LIMIT];
    let others = mode & 0o007;
    others == 0
        && fgetxattr(file, ACCESS_LIST, list.as_mut_slice())
            .is_ok_and(|length| gives_only(&list[..length], geteuid().as_raw()))
}

/// Whether an access list gives nothing to others than its owner, root and `user`.
///
/// ```text
/// version: 2 as u32 │ (tag: u16 │ permissions: u16 │ id: u32)*     little-endian
/// ```
/// (Linux, `posix_acl_xattr.h`.) The mask restricts what others get, and gives nothing.
fn gives_only(list: &[u8], user: u32) -> bool {
    const VERSION: [u8; 4] = 2_u32.to_le_bytes();
    const OWNER: u16 = 0x01;
    const USER: u16 = 0x02;
    const MASK: u16 = 0x10;
    let Some(entries) = list.strip_prefix(&VERSION).filter(|entries| entries.len() % 8 == 0) else {
        return false;
    };
    entries.chunks_exact(8).all(|entry| {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        match tag {
            OWNER | MASK => true,
            USER if id == user || id == 0 => true,
            _ => entry[2..4] == [0, 0],
        }
    })
}

/// The error about the file at `path`.
pub(crate) fn file_error(path: &Path, error: io::Error) -> SealError {
    SealError::File { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_gives_access_to_anybody_else_is_told_from_one_of_a_credential() {
        let list = |entries: &[(u16, u16, u32)]| {
            let bytes = entries.iter().flat_map(|(tag, permissions, id)| {
                [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
            });
            [2, 0, 0, 0].into_iter().chain(bytes).collect::<Vec<u8>>()
        };
        let (owner, mask) = ((0x01, 4, u32::MAX), (0x10, 4, u32::MAX));
        let [group, others] = [0x04, 0x20].map(|tag| (tag, 0, u32::MAX));
        let credential = [owner, (0x02, 4, 7), group, mask, others];
        assert!(gives_only(&list(&credential), 7));
        assert!(gives_only(&list(&[owner, (0x02, 6, 0), group, mask, others]), 7));
        for entry in [(0x02, 4, 8), (0x02, 1, 8), (0x08, 4, 7), (0x04, 4, u32::MAX), (0x20, 4, 7)] {
            assert!(!gives_only(&list(&[&credential[..], &[entry]].concat()), 7), "{entry:?}");
        }
        let whole = list(&credential);
        assert!(!gives_only(&whole[..whole.len() - 1], 7) && !gives_only(&[], 7));
        assert!(!gives_only(&[&[3], &whole[1..]].concat(), 7), "another version");
    }
}
