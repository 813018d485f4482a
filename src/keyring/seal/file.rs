//! The file seal: the secret in a file of its own. Whoever can read both files can open the keyring;
//! it protects a copy of one without the other, and is named in `/status` as what it is.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::crypto::aead as formula;
use crate::crypto::aead::{KEY_BYTES, Key};
use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::durable;
use crate::keyring::seal::{ID_BYTES, Made, Offered, Seal, SealError, SealKind, Surroundings};
use lavawall_entropy::Secret;

/// How the file begins.
const MAGIC: &[u8; 8] = b"lavaseal";

/// Tells one secret in the file from another.
const TAG_BYTES: usize = 8;

/// A file holds one secret, and two for the moment in which one replaces the other.
const FILE_LIMIT: u64 = (MAGIC.len() + ID_BYTES + 2 * (TAG_BYTES + KEY_BYTES)) as u64;

/// The file seal. Parameters: the tag.
///
/// Where no file is there yet, a new secret is kept beside its place, as `seal-key.next`, until the keyring
/// names it. Only then, or at the next opening, does it get its name: so the file itself always opens some
/// keyring and is never replaced for lack of one, and what was left beside it by a crash never does, or
/// only one that was never used.
///
/// ```text
/// 8   "lavaseal"
/// 16  keyring id
/// 8   tag            ┐ once, or twice while the seal is being changed:
/// 32  seal secret    ┘ the keyring's file says which
/// ```
pub struct FileSeal {
    id: [u8; ID_BYTES],
    tag: [u8; TAG_BYTES],
    path: PathBuf,
}

/// One secret of the file.
type Entry = ([u8; TAG_BYTES], Key);

/// Makes a secret and adds it to the file; the one that is there still opens the keyring as it is.
///
/// # Errors
/// What the system said, or that the file is of another keyring.
pub(crate) fn make(around: &Surroundings<'_>) -> Result<Made, SealError> {
    let tag = formula::draw(around.generator)?;
    let seal = FileSeal { id: *around.id, tag, path: around.seal_file.to_owned() };
    let (path, mut entries) = match seal.entries_at(&seal.path) {
        Ok(entries) => (seal.path.clone(), entries),
        Err(error) if is_absent(&error) => (seal.next(), Vec::new()),
        Err(error) => return Err(error),
    };
    // A change of seal that was cut short may have left one that no keyring names.
    entries.retain(|(tag, _)| around.in_use == Some(tag.as_slice()));
    let secret = formula::draw_key(around.generator)?;
    entries.push((tag, Secret::take(&mut secret.expose().clone())));
    seal.write(&path, &entries).map_err(|error| file_error(&path, error))?;
    Ok(Made { seal: Box::new(seal), secret, shares: Vec::new() })
}

impl FileSeal {
    pub(crate) fn read(
        from: &mut Reader<'_>,
        id: &[u8; ID_BYTES],
        path: &Path,
    ) -> Result<Self, Malformed> {
        Ok(Self { id: *id, tag: from.array()?, path: path.to_owned() })
    }

    fn secret(&self) -> Result<Key, SealError> {
        let entries = match self.entries_at(&self.path) {
            Err(error) if is_absent(&error) && self.name_next()? => self.entries_at(&self.path),
            entries => entries,
        }?;
        let entry = entries.into_iter().find(|(tag, _)| *tag == self.tag);
        entry
            .map(|(_, secret)| secret)
            .ok_or_else(|| SealError::Foreign { path: self.path.clone() })
    }

    /// Where a secret waits until the keyring names it.
    fn next(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".next");
        self.path.with_file_name(name)
    }

    /// Gives the file its name, if it waits beside its place and is that of this seal; whether it did.
    fn name_next(&self) -> Result<bool, SealError> {
        let next = self.next();
        let entries = match self.entries_at(&next) {
            // Of the seal that is looked for there is nothing at all.
            Err(SealError::File { .. } | SealError::Foreign { .. }) => return Ok(false),
            entries => entries?,
        };
        if !entries.iter().any(|(tag, _)| *tag == self.tag) {
            return Ok(false);
        }
        std::fs::rename(&next, &self.path)
            .and_then(|()| durable::flush_name(&self.path))
            .map_err(|error| file_error(&self.path, error))?;
        Ok(true)
    }

    fn entries_at(&self, path: &Path) -> Result<Vec<Entry>, SealError> {
        let foreign = |_| SealError::Foreign { path: path.to_owned() };
        let bytes = content(path)?;
        let mut from = Reader::of(&bytes);
        let is_ours = from.array() == Ok(*MAGIC) && from.array() == Ok(self.id);
        if !is_ours {
            return Err(foreign(Malformed));
        }
        let mut entries = Vec::new();
        while !from.rest().is_empty() {
            let tag = from.array().map_err(foreign)?;
            let mut secret = Zeroizing::new(from.array().map_err(foreign)?);
            entries.push((tag, Secret::take(&mut secret)));
        }
        Ok(entries)
    }

    fn write(&self, path: &Path, entries: &[Entry]) -> io::Result<()> {
        let mut writer = Writer::default();
        writer.bytes(MAGIC).bytes(&self.id);
        for (tag, secret) in entries {
            writer.bytes(tag).bytes(secret.expose());
        }
        durable::replace(path, &writer.finish())
    }
}

/// The file's bytes, if nobody else can read them.
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

fn file_error(path: &Path, error: io::Error) -> SealError {
    SealError::File { path: path.to_owned(), error }
}

fn is_absent(error: &SealError) -> bool {
    matches!(error, SealError::File { error, .. } if error.kind() == io::ErrorKind::NotFound)
}

impl Seal for FileSeal {
    fn kind(&self) -> SealKind {
        SealKind::File
    }

    fn pieces(&self) -> (u8, u8) {
        (0, 0)
    }

    fn parameters(&self) -> Vec<u8> {
        self.tag.to_vec()
    }

    fn open_alone(&self) -> Result<Option<Key>, SealError> {
        self.secret().map(Some)
    }

    fn offer(&mut self, _: &[u8]) -> Result<Offered, SealError> {
        Err(SealError::NothingToEnter)
    }

    fn settle(&self) -> io::Result<()> {
        let secret = self.secret().map_err(io::Error::other)?;
        self.write(&self.path, &[(self.tag, secret)])
    }

    fn retire(&self) -> io::Result<()> {
        let removed = std::fs::remove_file(self.next());
        match std::fs::remove_file(&self.path) {
            // It had not got its name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => removed,
            gone => gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::seal::{Choice, make, read};
    use crate::keyring::test_support::generator;
    use std::os::unix::fs::PermissionsExt;

    const ID: [u8; ID_BYTES] = [7; ID_BYTES];

    fn made(path: &Path, in_use: Option<&[u8]>) -> Made {
        let generator = generator();
        let around = Surroundings { generator: &generator, id: &ID, seal_file: path, in_use };
        let made = make(&Choice::File, &around).expect("made");
        if in_use.is_none() {
            made.seal.settle().expect("named");
        }
        made
    }

    fn reread(seal: &dyn Seal, id: &[u8; ID_BYTES], path: &Path) -> Result<Option<Key>, SealError> {
        read(SealKind::File as u8, &seal.parameters(), id, path).expect("parameters").open_alone()
    }

    #[test]
    fn the_file_opens_alone_and_only_its_own_keyring() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("seal-key");
        let built = made(&path, None);
        assert_eq!(reread(&*built.seal, &ID, &path).expect("opens"), Some(built.secret));
        let mode = path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let other = reread(&*built.seal, &[8; ID_BYTES], &path);
        assert!(matches!(other, Err(SealError::Foreign { .. })));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("seal-key");
        let built = made(&path, None);
        for mode in [0o640, 0o604, 0o620, 0o601] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("changed");
            let error = reread(&*built.seal, &ID, &path).expect_err("exposed");
            assert!(matches!(error, SealError::Exposed { mode: found, .. } if found == mode));
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).expect("changed");
        assert!(reread(&*built.seal, &ID, &path).is_ok());
    }

    #[test]
    fn while_one_secret_replaces_another_both_open() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("seal-key");
        let old = made(&path, None);
        let new = made(&path, Some(&old.seal.parameters()));
        assert_eq!(reread(&*old.seal, &ID, &path).expect("still"), Some(old.secret));
        new.seal.settle().expect("written");
        assert_eq!(reread(&*new.seal, &ID, &path).expect("opens"), Some(new.secret));
        assert!(reread(&*old.seal, &ID, &path).is_err(), "the old one is gone");
        new.seal.retire().expect("removed");
        assert!(!path.exists());
    }

    #[test]
    fn what_no_keyring_names_is_dropped_at_the_next_change() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("seal-key");
        let old = made(&path, None);
        let never_named = made(&path, Some(&old.seal.parameters()));
        let new = made(&path, Some(&old.seal.parameters()));
        assert!(reread(&*never_named.seal, &ID, &path).is_err());
        assert!(reread(&*old.seal, &ID, &path).is_ok() && reread(&*new.seal, &ID, &path).is_ok());
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("seal-key");
        let built = made(&path, None);
        let good = std::fs::read(&path).expect("there");
        for len in 0..good.len() {
            durable::replace(&path, &good[..len]).expect("written");
            assert!(reread(&*built.seal, &ID, &path).is_err(), "{len} bytes");
        }
    }
}
