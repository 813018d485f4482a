//! Fingerprints of a camera's pictures, kept across restarts to detect a recording that is played
//! later.
//!
//! ```text
//! frames-<source>.seen               "frames/2", then 8 bytes a frame, little-endian, oldest first; at
//!                                    most KEPT of them
//! frames-<source>.seen.old           the same, full: those before
//! frames-<source>.seen….set-aside    a file of another version, which is not read
//! ```
//! Files of version 1 had no tag, and fingerprints of whole pictures, which match no picture today. The
//! odds that such a file begins with the tag are 2⁻⁶⁴.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::durable;
use crate::durable::private;
use crate::state::StateDir;

/// Fingerprints in one file: 29 hours at 10 frames a second, 8 MiB. Two files are kept.
const KEPT: usize = 1 << 20;

const ENTRY_BYTES: usize = size_of::<u64>();

/// What a file of this version begins with; the version is that of the fingerprints' formula.
const TAG: [u8; ENTRY_BYTES] = *b"frames/2";

/// Appends fingerprints to a file, and starts another when it is full.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: Option<File>,
    written: usize,
    kept: usize,
}

impl Journal {
    /// Opens the journal of the source of this name. Gives its fingerprints, oldest first.
    ///
    /// # Errors
    /// When it cannot be read or created.
    pub(crate) fn open(dir: &StateDir, id: &str) -> io::Result<(Self, Vec<u64>)> {
        Self::open_with(dir, id, KEPT)
    }

    fn open_with(dir: &StateDir, id: &str, kept: usize) -> io::Result<(Self, Vec<u64>)> {
        let path = dir.file(&format!("frames-{id}.seen"));
        let mut seen = entries(&old(&path))?;
        let current = entries(&path)?;
        let written = current.len();
        seen.extend(current);
        let file = tagged(&path)?;
        // A crash can leave part of an entry at the end.
        file.set_len(((1 + written) * ENTRY_BYTES) as u64)?;
        Ok((Self { path, file: Some(file), written, kept }, seen))
    }

    /// Appends one fingerprint. A failure closes the journal, with one warning; the source keeps
    /// running.
    pub(crate) fn append(&mut self, fingerprint: u64) {
        if let Err(error) = self.try_append(fingerprint) {
            tracing::warn!(
                "{}: {error}; pictures from here on are not remembered across a restart",
                self.path.display()
            );
            self.file = None;
        }
    }

    fn try_append(&mut self, fingerprint: u64) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if self.written >= self.kept {
            std::fs::rename(&self.path, old(&self.path))?;
            *file = tagged(&self.path)?;
            self.written = 0;
        }
        file.write_all(&fingerprint.to_le_bytes())?;
        self.written += 1;
        Ok(())
    }
}

fn old(path: &Path) -> PathBuf {
    path.with_extension("seen.old")
}

/// The file, to be appended to, with its tag.
fn tagged(path: &Path) -> io::Result<File> {
    let mut file = durable::open(path, private().append(true))?;
    // A crash can leave part of the tag.
    if file.metadata()?.len() < ENTRY_BYTES as u64 {
        file.set_len(0)?;
        file.write_all(&TAG)?;
    }
    Ok(file)
}

/// The whole entries of a file that may not be there. One of another version has none, and is set aside.
fn entries(path: &Path) -> io::Result<Vec<u64>> {
    let bytes = match durable::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    match bytes.as_chunks().0 {
        [] => Ok(Vec::new()),
        [TAG, entries @ ..] => Ok(entries.iter().map(|entry| u64::from_le_bytes(*entry)).collect()),
        _ => {
            let mut aside = path.as_os_str().to_owned();
            aside.push(".set-aside");
            std::fs::rename(path, &aside)?;
            tracing::warn!(
                "{}: fingerprints of another version, set aside; recordings made before are not \
                 detected",
                path.display()
            );
            Ok(Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> (tempfile::TempDir, StateDir) {
        let base = tempfile::tempdir().expect("a directory");
        let dir = StateDir::open(&base.path().join("state")).expect("a state directory");
        (base, dir)
    }

    #[test]
    fn what_was_appended_is_there_after_a_restart_even_with_a_torn_end() {
        let (_base, dir) = dir();
        let (mut journal, seen) = Journal::open(&dir, "camera").expect("made");
        assert!(seen.is_empty());
        for fingerprint in [1, 2, u64::MAX] {
            journal.append(fingerprint);
        }
        drop(journal);
        let path = dir.file("frames-camera.seen");
        let mut torn = std::fs::read(&path).expect("there");
        torn.extend([9; 5]);
        std::fs::write(&path, torn).expect("writable");
        let (mut journal, seen) = Journal::open(&dir, "camera").expect("readable");
        assert_eq!(seen, [1, 2, u64::MAX]);
        journal.append(4);
        let (_, seen) = Journal::open(&dir, "camera").expect("readable");
        assert_eq!(seen, [1, 2, u64::MAX, 4]);
    }

    #[test]
    fn files_of_version_1_are_set_aside_and_never_read() {
        let (_base, dir) = dir();
        let path = dir.file("frames-camera.seen");
        for (path, entry) in [(&path, 7_u64), (&old(&path), 8)] {
            std::fs::write(path, entry.to_le_bytes()).expect("writable");
        }
        let (mut journal, seen) = Journal::open(&dir, "camera").expect("made");
        assert!(seen.is_empty());
        for (name, entry) in
            [("frames-camera.seen.set-aside", 7_u64), ("frames-camera.seen.old.set-aside", 8)]
        {
            let aside = std::fs::read(dir.file(name)).expect(name);
            assert_eq!(aside, entry.to_le_bytes(), "{name}");
        }
        journal.append(9);
        let (_, seen) = Journal::open(&dir, "camera").expect("readable");
        assert_eq!(seen, [9]);
    }

    #[test]
    fn a_torn_tag_is_written_again() {
        let (_base, dir) = dir();
        std::fs::write(dir.file("frames-camera.seen"), &TAG[..5]).expect("writable");
        Journal::open(&dir, "camera").expect("made").0.append(9);
        let (_, seen) = Journal::open(&dir, "camera").expect("readable");
        assert_eq!(seen, [9]);
    }

    #[test]
    fn it_keeps_the_last_ones_and_does_not_grow_for_ever() {
        let (_base, dir) = dir();
        let (mut journal, _) = Journal::open_with(&dir, "camera", 10).expect("made");
        (0..95).for_each(|fingerprint| journal.append(fingerprint));
        let (_, seen) = Journal::open_with(&dir, "camera", 10).expect("readable");
        assert_eq!(seen, (80..95).collect::<Vec<_>>());
    }
}
