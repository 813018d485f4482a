//! The file seal: the secret in a file of its own. Anyone who can read both files can unseal the keyring; it
//! protects a copy of one without the other, and `/status` names it.

mod secret_file;

use std::io;
use std::path::{Path, PathBuf};

use crate::crypto::codec::{Malformed, Reader};
use crate::crypto::key::{self, Key};
use crate::durable;
use crate::keyring::id::KEYRING_ID_BYTES;
use crate::keyring::seal::contract::{NewSeal, Offered, Seal, SealContext, SealKind};
use crate::keyring::seal::error::SealError;
use lavawall_entropy::Secret;
use secret_file::{TAG_BYTES, file_error};

/// The file seal. Parameters: the tag.
///
/// While the file is absent, a new secret is kept beside its place, as `seal-key.next`, until the keyring
/// names it. It gets its final name then, or at the next unsealing. So the file itself always belongs to some
/// keyring and is never replaced by the secret of none, and a `.next` file that a crash left behind belongs to
/// no keyring, or to one that was never used.
///
/// ```text
/// 8   "lavaseal"
/// 16  keyring id
/// 8   tag            ┐ once, or twice while the seal is being changed:
/// 32  seal secret    ┘ the keyring's file says which
/// ```
pub(crate) struct FileSeal {
    id: [u8; KEYRING_ID_BYTES],
    tag: [u8; TAG_BYTES],
    path: PathBuf,
}

/// Makes a secret and adds it to the file; the secret that is there still opens the keyring.
///
/// # Errors
/// The system's error, or that the file belongs to another keyring.
pub(crate) fn make(context: &SealContext<'_>) -> Result<NewSeal, SealError> {
    let tag = key::draw(context.generator)?;
    let seal = FileSeal { id: *context.id, tag, path: context.seal_file.to_owned() };
    let (path, mut secrets) = match secret_file::read(&seal.id, &seal.path) {
        Ok(secrets) => (seal.path.clone(), secrets),
        Err(error) if is_absent(&error) => (seal.next(), Vec::new()),
        Err(error) => return Err(error),
    };
    // An interrupted change of the seal may have left a secret that no keyring names.
    secrets.retain(|(tag, _)| context.in_use == Some(tag.as_slice()));
    let secret = key::draw_key(context.generator)?;
    secrets.push((tag, Secret::take(&mut secret.expose().clone())));
    secret_file::write(&seal.id, &path, &secrets).map_err(|error| file_error(&path, error))?;
    Ok(NewSeal { seal: Box::new(seal), secret, shares: Vec::new() })
}

impl FileSeal {
    pub(crate) fn read(
        from: &mut Reader<'_>,
        id: &[u8; KEYRING_ID_BYTES],
        path: &Path,
    ) -> Result<Self, Malformed> {
        Ok(Self { id: *id, tag: from.array()?, path: path.to_owned() })
    }

    fn secret(&self) -> Result<Key, SealError> {
        let secrets = match secret_file::read(&self.id, &self.path) {
            Err(error) if is_absent(&error) && self.name_next()? => {
                secret_file::read(&self.id, &self.path)
            }
            secrets => secrets,
        }?;
        let found = secrets.into_iter().find(|(tag, _)| *tag == self.tag);
        found
            .map(|(_, secret)| secret)
            .ok_or_else(|| SealError::Foreign { path: self.path.clone() })
    }

    /// The path of a secret that the keyring does not name yet.
    fn next(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".next");
        self.path.with_file_name(name)
    }

    /// Renames the `.next` file to its final name, if it has this seal's secret; whether it did.
    fn name_next(&self) -> Result<bool, SealError> {
        let next = self.next();
        let secrets = match secret_file::read(&self.id, &next) {
            // This seal has no file at all.
            Err(SealError::File { .. } | SealError::Foreign { .. }) => return Ok(false),
            secrets => secrets?,
        };
        if !secrets.iter().any(|(tag, _)| *tag == self.tag) {
            return Ok(false);
        }
        std::fs::rename(&next, &self.path)
            .and_then(|()| durable::flush_name(&self.path))
            .map_err(|error| file_error(&self.path, error))?;
        Ok(true)
    }
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

    fn stored_secret(&self) -> Result<Option<Key>, SealError> {
        self.secret().map(Some)
    }

    fn offer(&mut self, _: &[u8]) -> Result<Offered, SealError> {
        Err(SealError::NothingToEnter)
    }

    fn settle(&self) -> io::Result<()> {
        let secret = self.secret().map_err(io::Error::other)?;
        secret_file::write(&self.id, &self.path, &[(self.tag, secret)])
    }

    fn retire(&self) -> io::Result<()> {
        let removed = std::fs::remove_file(self.next());
        match std::fs::remove_file(&self.path) {
            // It did not have its final name yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => removed,
            gone => gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test_support::generator;
    use crate::keyring::seal::{SealChoice, make, read};
    use std::os::unix::fs::PermissionsExt;

    const ID: [u8; KEYRING_ID_BYTES] = [7; KEYRING_ID_BYTES];

    fn made(path: &Path, in_use: Option<&[u8]>) -> NewSeal {
        let generator = generator();
        let context = SealContext { generator: &generator, id: &ID, seal_file: path, in_use };
        let made = make(&SealChoice::File, &context).expect("made");
        if in_use.is_none() {
            made.seal.settle().expect("named");
        }
        made
    }

    fn reread(
        seal: &dyn Seal,
        id: &[u8; KEYRING_ID_BYTES],
        path: &Path,
    ) -> Result<Option<Key>, SealError> {
        read(SealKind::File as u8, &seal.parameters(), id, path)
            .expect("parameters")
            .stored_secret()
    }

    #[test]
    fn the_file_opens_alone_and_only_its_own_keyring() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("seal-key");
        let built = made(&path, None);
        assert_eq!(reread(&*built.seal, &ID, &path).expect("opens"), Some(built.secret));
        let mode = path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let other = reread(&*built.seal, &[8; KEYRING_ID_BYTES], &path);
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
