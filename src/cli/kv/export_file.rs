//! A file that appears once it is whole: written beside its place, then renamed. Only its owner can
//! read it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use crate::durable;

/// A file that is being written. Dropped before [`Self::finish`], it is removed.
pub(crate) struct ExportFile {
    file: File,
    /// The path while it is written.
    temporary: PathBuf,
    /// The final path.
    path: PathBuf,
    is_finished: bool,
}

impl ExportFile {
    /// Creates the file under a temporary name beside `path`.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = durable::private().write(true).create_new(true).open(&temporary)?;
        Ok(Self { file, temporary, path: path.to_owned(), is_finished: false })
    }

    /// Syncs the file and renames it to its path; replaces a file there only with `replace`.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AlreadyExists`] for a file that may not be replaced.
    pub(crate) fn finish(mut self, replace: bool) -> io::Result<()> {
        self.file.sync_all()?;
        let flags = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        rustix::fs::renameat_with(CWD, &self.temporary, CWD, &self.path, flags)?;
        self.is_finished = true;
        durable::flush_name(&self.path)
    }
}

impl Write for ExportFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for ExportFile {
    fn drop(&mut self) {
        if !self.is_finished {
            // Best effort: its content is encrypted.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_there_once_it_is_whole_and_replaces_nothing_unasked() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("file");
        let files = || std::fs::read_dir(folder.path()).expect("a directory").count();
        let begin = |text: &[u8]| {
            let mut draft = ExportFile::begin(&path).expect("begun");
            draft.write_all(text).expect("written");
            draft
        };
        drop(begin(b"half"));
        assert_eq!(files(), 0);
        begin(b"one").finish(false).expect("nothing is there");
        let error = begin(b"two").finish(false).expect_err("something is there");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).expect("there"), b"one");
        begin(b"three").finish(true).expect("told to");
        assert_eq!(std::fs::read(&path).expect("there"), b"three");
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(files(), 1);
    }
}
