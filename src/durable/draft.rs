//! Drafts: a file is written beside its place, flushed, and then renamed in one step.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use crate::durable::flush::flush_name;
use crate::durable::plain::{open, private};

/// A file in the making, readable by its owner alone. Dropped before it is finished, it leaves nothing.
pub(crate) struct Draft {
    file: File,
    /// Where it is now.
    now_at: PathBuf,
    /// Where it will be.
    path: PathBuf,
    is_finished: bool,
}

impl Draft {
    /// Starts the file that will be at `path`, as `path.new`. Takes over a draft that a crash left: one
    /// writer at a time is the caller's to ensure.
    ///
    /// # Errors
    /// The system's error, or that the draft is not a plain file of this service.
    pub(crate) fn reuse(path: &Path) -> io::Result<Self> {
        let draft = named(path, ".new");
        // Truncated once it is known to be ours.
        let opened = open(&draft, private().write(true)).and_then(|file| {
            file.set_len(0)?;
            Ok(file)
        });
        let file = opened.inspect_err(|_| {
            // Best effort: the next try must not find it.
            let _ = std::fs::remove_file(&draft);
        })?;
        Ok(Self { file, now_at: draft, path: path.to_owned(), is_finished: false })
    }

    /// As [`Draft::reuse`], under a name that belongs to this process alone, `path.PID.new`: an export goes
    /// to any folder, where several may be written at once.
    ///
    /// # Errors
    /// The system's error.
    #[cfg(any(test, feature = "export"))]
    pub(crate) fn exclusive(path: &Path) -> io::Result<Self> {
        let draft = named(path, &format!(".{}.new", std::process::id()));
        let file = private().write(true).create_new(true).open(&draft)?;
        Ok(Self { file, now_at: draft, path: path.to_owned(), is_finished: false })
    }

    /// Flushes the file, renames it to its place and flushes its name. An existing file is replaced only
    /// with `replace`.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::AlreadyExists`] when there is a file and `replace` is false.
    /// Unless the last step failed, the old content remains.
    pub(crate) fn finish(mut self, replace: bool) -> io::Result<()> {
        self.file.sync_all()?;
        let flags = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        rustix::fs::renameat_with(CWD, &self.now_at, CWD, &self.path, flags)?;
        self.is_finished = true;
        flush_name(&self.path)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_finished {
            // Best effort: a file that cannot be written may not be removable either.
            let _ = std::fs::remove_file(&self.now_at);
        }
    }
}

/// Replaces the file at `path` in one step; it is readable by its owner alone. When this returns, the new
/// content and its name are on the disk.
///
/// # Errors
/// The system's error. Unless the last step failed, the old content remains.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut draft = Draft::reuse(path)?;
    draft.write_all(content)?;
    draft.finish(true)
}

/// Whether [`replace`] could write a file at `path`: the folder takes a draft, and `path` is not a folder.
///
/// # Errors
/// The system's error.
pub(crate) fn check_can_replace(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Draft::reuse(path).map(drop)
}

/// In the same folder: a rename works only within one file system.
fn named(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
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
        // A draft that cannot be opened simulates a disk that is full or read-only.
        std::fs::create_dir(named(&path, ".new")).expect("a directory in the way");
        assert!(replace(&path, b"new").is_err());
        assert_eq!(std::fs::read(&path).expect("there"), b"old");
    }

    #[test]
    fn a_file_is_there_once_it_is_whole_and_replaces_nothing_unasked() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("file");
        let files = || std::fs::read_dir(folder.path()).expect("a directory").count();
        let begin = |text: &[u8]| {
            let mut draft = Draft::exclusive(&path).expect("begun");
            draft.write_all(text).expect("written");
            draft
        };
        drop(begin(b"half"));
        assert_eq!(files(), 0);
        begin(b"one").finish(false).expect("nothing is there");
        let error = begin(b"two").finish(false).expect_err("something is there");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).expect("there"), b"one");
        begin(b"three").finish(true).expect("replaced");
        assert_eq!(std::fs::read(&path).expect("there"), b"three");
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(files(), 1);
    }
}
