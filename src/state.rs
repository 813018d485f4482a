//! The directory in which the service keeps its state between runs.

pub(crate) mod boot_seed;
pub(crate) mod fingerprints;
pub(crate) mod identity;
pub(crate) mod ready_file;

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::durable;

/// The file of key operations, in the state directory.
pub(crate) const AUDIT_LOG: &str = "audit.log";

/// The operator's socket, in the state directory.
pub(crate) const ADMIN_SOCKET: &str = "admin.sock";

/// The administrator's token, in the state directory.
pub(crate) const ADMIN_TOKEN: &str = "admin.token";

/// A state directory, locked against other services while this lives.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    _lock: File,
}

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StateDirError {
    /// None is configured, and there is no home directory for the default.
    #[error("no state directory: set --state-dir, XDG_STATE_HOME or HOME")]
    Nowhere,
    /// It cannot be created or written.
    #[error("state directory {path}: {error}")]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Another service holds its lock.
    #[error("state directory {path} is in use by another lavawall")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Others may read or write it.
    #[error("state directory {path} has mode {mode:03o}: others can use it; chmod 700 it")]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl StateDir {
    /// `$XDG_STATE_HOME/lavawall`, or `~/.local/state/lavawall`.
    ///
    /// # Errors
    /// [`StateDirError::Nowhere`].
    pub(crate) fn default_path() -> Result<PathBuf, StateDirError> {
        let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        named("XDG_STATE_HOME")
            .map(PathBuf::from)
            .or_else(|| named("HOME").map(|home| PathBuf::from(home).join(".local/state")))
            .map(|base| base.join("lavawall"))
            .ok_or(StateDirError::Nowhere)
    }

    /// Creates the directory if it is missing (mode 0700) and locks it for this process.
    ///
    /// # Errors
    /// When it cannot be created, is open to others, or is in use.
    pub(crate) fn open(path: &Path) -> Result<Self, StateDirError> {
        let unusable = |error| StateDirError::Unusable { path: path.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let mode = path.metadata().map_err(unusable)?.mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(StateDirError::Exposed { path: path.to_owned(), mode });
        }
        let lock =
            durable::open(&path.join("lock"), durable::private().write(true)).map_err(unusable)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(StateDirError::InUse { path: path.to_owned() })
            }
            Err(error) => Err(unusable(error.into())),
        }
    }

    /// The directory itself.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Replaces a file atomically: a crash leaves the old content or the new, never a part.
    ///
    /// # Errors
    /// The system's error; the old content is kept.
    pub(crate) fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        durable::replace(&self.file(name), content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_directory_serves_one_process() {
        let base = tempfile::tempdir().expect("a directory");
        let path = base.path().join("deep/state");
        let first = StateDir::open(&path).expect("made on demand");
        assert!(matches!(StateDir::open(&path), Err(StateDirError::InUse { .. })));
        drop(first);
        StateDir::open(&path).expect("free again");
    }

    #[test]
    fn a_directory_others_can_write_is_refused() {
        let base = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(base.path(), std::fs::Permissions::from_mode(0o777))
            .expect("own directory");
        assert!(matches!(StateDir::open(base.path()), Err(StateDirError::Exposed { .. })));
    }

    #[test]
    fn files_are_replaced_whole_and_readable_by_their_owner_alone() {
        let base = tempfile::tempdir().expect("a directory");
        let dir = StateDir::open(&base.path().join("state")).expect("a state directory");
        dir.replace("seed", b"one").expect("written");
        dir.replace("seed", b"two").expect("written");
        assert_eq!(std::fs::read(dir.file("seed")).expect("there"), b"two");
        let mode = dir.file("seed").metadata().expect("there").mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
