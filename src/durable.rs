//! Files that survive a crash whole: the old content or the new, never a part.

mod plain;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfs, StatVfsMountFlags, fstatvfs, statvfs};
use rustix::io::Errno;

pub use plain::open;
pub use plain::read;
pub use plain::read_given;

/// Options for a file that only its owner may read.
#[must_use]
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

/// Replaces the file at `path` in one step; it is readable by its owner alone.
///
/// When this returns, the new content is on the disk and so is its name: written to a draft
/// beside it, flushed, renamed, and the directory flushed.
///
/// # Errors
/// What the system said. Unless it was the last step that failed, the old content stands.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = draft_of(path);
    // Emptied once it is known to be ours: a crash may have left one.
    let written = open(&draft, private().write(true)).and_then(|mut file| {
        file.set_len(0)?;
        file.write_all(content)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| std::fs::rename(&draft, path));
    if let Err(error) = renamed {
        // Best effort: what could not be written may not be removable either.
        let _ = std::fs::remove_file(&draft);
        return Err(error);
    }
    flush_name(path)
}

/// Removes a file, if it is there.
///
/// # Errors
/// What the system said.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes sure that what was written to a file survives a crash.
///
/// A flush alone does not: once Linux has made a file system read-only in an emergency, files that were
/// open before still take what is written, and ext4 says of it that it is flushed, while it is in memory
/// alone (fsync(2) answers 0; seen with Linux 6.1).
///
/// # Errors
/// What the system said, or that the disk has turned read-only.
pub fn flush(file: &File) -> io::Result<()> {
    file.sync_data()?;
    refuse_read_only(&fstatvfs(file)?)
}

/// Whether the disk below this file can be written.
///
/// # Errors
/// What the system said, or that the disk is read-only.
pub fn check_writable(path: &Path) -> io::Result<()> {
    refuse_read_only(&statvfs(path)?)
}

fn refuse_read_only(disk: &StatVfs) -> io::Result<()> {
    let is_read_only = disk.f_flag.contains(StatVfsMountFlags::RDONLY);
    if is_read_only { Err(Errno::ROFS.into()) } else { Ok(()) }
}

/// Makes sure that the name of a new file survives a crash too.
///
/// # Errors
/// What the system said.
pub fn flush_name(path: &Path) -> io::Result<()> {
    let folder = File::open(folder_of(path))?;
    folder.sync_all()?;
    refuse_read_only(&fstatvfs(&folder)?)
}

/// `keyring` becomes `keyring.new`, in the same folder: a rename works only within one disk.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_whole_and_belongs_to_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("file");
        for content in [b"first".as_slice(), b"", b"second"] {
            replace(&path, content).expect("written");
            assert_eq!(std::fs::read(&path).expect("there"), content);
        }
        let mode = path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a directory").count(), 1, "no draft");
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_content() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("file");
        replace(&path, b"old").expect("written");
        // A draft that cannot be opened stands in for a disk that is full or read-only.
        std::fs::create_dir(draft_of(&path)).expect("a directory in the way");
        assert!(replace(&path, b"new").is_err());
        assert_eq!(std::fs::read(&path).expect("there"), b"old");
    }
}
