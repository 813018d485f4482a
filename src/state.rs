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
use rustix::io::Errno;

use crate::durable;

/// The file of key operations, in the state directory.
pub(crate) const AUDIT_LOG: &str = "audit.log";

/// The operator's socket, in the state directory.
pub(crate) const ADMIN_SOCKET: &str = "admin.sock";

/// The administrator's token, in the state directory.
pub(crate) const ADMIN_TOKEN: &str = "admin.token";

/// The lock's file, in the state directory.
pub(crate) const LOCK: &str = "lock";

/// A state directory, locked against other services while this lives.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    /// Locked by this process, like the directory itself: the file can be removed and made again.
    lock: File,
    _directory: File,
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
    /// It is another user's.
    #[error("state directory {path} is of user {owner}, and this is user {user}: chown it")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        user: u32,
    },
    /// Others may list, read or write it.
    #[error("state directory {path} has mode {mode:03o}: others can use it; chmod 700 {path}")]
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
            // A relative path is invalid and ignored (XDG Base Directory Specification 0.8).
            .filter(|base| base.is_absolute())
            .or_else(|| named("HOME").map(|home| PathBuf::from(home).join(".local/state")))
            .map(|base| base.join("lavawall"))
            .ok_or(StateDirError::Nowhere)
    }

    /// Creates the directory if it is missing (mode 0700) and locks it for this process. Root may use
    /// the directory of another user.
    ///
    /// # Errors
    /// When it cannot be created, is another user's or open to others, or is in use.
    pub(crate) fn open(path: &Path) -> Result<Self, StateDirError> {
        let unusable = |error| StateDirError::Unusable { path: path.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let metadata = path.metadata().map_err(unusable)?;
        let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if user != 0 && owner != user {
            return Err(StateDirError::Foreign { path: path.to_owned(), owner, user });
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(StateDirError::Exposed { path: path.to_owned(), mode });
        }
        let in_use = || StateDirError::InUse { path: path.to_owned() };
        let is_locked = |file: &File| match lock_alone(file) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(in_use()),
            Err(error) => Err(unusable(error)),
        };
        let directory = File::open(path).map_err(unusable)?;
        is_locked(&directory)?;
        let lock =
            durable::open(&path.join(LOCK), durable::private().write(true)).map_err(unusable)?;
        is_locked(&lock)?;
        let state_dir = Self { path: path.to_owned(), lock, _directory: directory };
        // Another process may have removed the file since it was opened.
        if state_dir.has_lock() { Ok(state_dir) } else { Err(in_use()) }
    }

    /// Whether the lock's file is still the one that this process has locked.
    pub(crate) fn has_lock(&self) -> bool {
        let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let ours = self.lock.metadata().map(id).ok();
        ours.is_some() && ours == self.file(LOCK).symlink_metadata().map(id).ok()
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

/// Takes the lock of a file or directory, or fails at once.
fn lock_alone(file: &File) -> io::Result<()> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        // NFS locks no directory: there the lock's file must do.
        Err(Errno::BADF) => Ok(()),
        result => Ok(result?),
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
    fn a_removed_lock_lets_no_second_process_in_and_is_noticed() {
        let base = tempfile::tempdir().expect("a directory");
        let path = base.path().join("state");
        let first = StateDir::open(&path).expect("a state directory");
        assert!(first.has_lock());
        std::fs::remove_file(first.file(LOCK)).expect("it was there");
        assert!(!first.has_lock());
        assert!(matches!(StateDir::open(&path), Err(StateDirError::InUse { .. })));
        std::fs::write(first.file(LOCK), "").expect("written");
        assert!(!first.has_lock(), "another file of the same name");
    }

    #[test]
    fn a_directory_that_others_can_use_is_refused() {
        let base = tempfile::tempdir().expect("a directory");
        let set = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(base.path(), mode).expect("own directory");
        };
        for mode in [0o777, 0o755, 0o750, 0o710, 0o701, 0o704] {
            set(mode);
            let error = StateDir::open(base.path()).expect_err("others can use it");
            assert!(matches!(error, StateDirError::Exposed { .. }), "{mode:o}");
            assert!(error.to_string().contains("chmod 700"), "{error}");
        }
        set(0o700);
        StateDir::open(base.path()).expect("its owner's alone");
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
