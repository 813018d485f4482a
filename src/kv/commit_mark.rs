//! The mark: the store's commit count in a small file of its own, written before a commit is acknowledged.
//!
//! ```text
//! two pages of 4096 bytes, written in turn: the count, sealed under the store key; zeros
//! earlier: two slots of 512 bytes, both in what is now the first page
//! ```
//! A crash can leave the store's file with two commits, of which its engine takes the older when the newer is
//! damaged. The mark tells. It is written in place, so that it needs no space on a full disk; a write that a
//! crash cuts short leaves the other page.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::crypto::aead;
use crate::crypto::aead::AssociatedData;
use crate::crypto::key::Key;
use crate::crypto::label;
use crate::durable;
use crate::kv::engine::{StorageAccess, StorageError};
use crate::kv::error::KvError;
use lavawall_entropy::Generator;

/// What disks and the page cache write at once.
const PAGE_BYTES: usize = 4096;

/// The length of the file.
const FILE_BYTES: usize = 2 * PAGE_BYTES;

/// The place of the second slot of an earlier file. A page that was written since has zeros there.
const EARLIER_SLOT: usize = 512;

/// The bytes of a sealed count: 8, a nonce of 12 and a tag of 16.
const SEALED_BYTES: usize = 36;

/// The mark in its file.
pub(crate) struct CommitMark {
    path: PathBuf,
    /// The last commit that was made.
    latest: AtomicU64,
    state: Mutex<MarkState>,
}

#[derive(Default)]
struct MarkState {
    /// Opened at the first use.
    file: Option<File>,
    /// The count in the file.
    marked: u64,
    /// The page that is written next: the older one.
    next: usize,
}

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkFound {
    /// There is none yet.
    Missing,
    /// None of its pages opens.
    Damaged,
    /// The count.
    Commits(u64),
}

impl CommitMark {
    /// The mark in the file at `path`, which is made at its first write.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, latest: AtomicU64::new(0), state: Mutex::default() }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn read(&self, key: &Key) -> Result<MarkFound, KvError> {
        let mut state = self.state.lock();
        *state = MarkState::default();
        let bytes = match durable::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(MarkFound::Missing),
            Err(error) => return Err(self.failed(StorageAccess::Read, &error)),
        };
        let count = |at: usize| -> Option<u64> {
            let sealed = bytes.get(at..)?.get(..SEALED_BYTES)?;
            let text = aead::open(key, &AssociatedData::of(label::MARK), sealed).ok()?;
            text.as_slice().try_into().ok().map(u64::from_be_bytes)
        };
        let first = count(0).max(count(EARLIER_SLOT));
        let Some(marked) = first.max(count(PAGE_BYTES)) else {
            return Ok(MarkFound::Damaged);
        };
        state.marked = marked;
        state.next = usize::from(first == Some(marked));
        Ok(MarkFound::Commits(marked))
    }

    /// Takes note of a commit that was made; it is not acknowledged before [`CommitMark::ensure`].
    pub(crate) fn committed(&self, commits: u64) {
        self.latest.fetch_max(commits, Ordering::AcqRel);
    }

    /// The last commit that was made.
    pub(crate) fn latest(&self) -> u64 {
        self.latest.load(Ordering::Acquire)
    }

    /// Returns once the file has at least this count. Callers that wait share one flush.
    ///
    /// # Errors
    /// When the file cannot be written or flushed, or the generator refuses.
    pub(crate) fn ensure(
        &self,
        generator: &Generator,
        key: &Key,
        commits: u64,
    ) -> Result<(), KvError> {
        let mut state = self.state.lock();
        if state.marked >= commits {
            return Ok(());
        }
        let latest = self.latest().max(commits);
        let data = AssociatedData::of(label::MARK);
        let sealed = aead::seal(generator, key, &data, &latest.to_be_bytes())?;
        let mut page = [0; PAGE_BYTES];
        page[..sealed.len()].copy_from_slice(&sealed);
        let next = state.next;
        let written = self.write(&mut state, next * PAGE_BYTES, &page);
        written.map_err(|error| {
            // Reopened at the next write.
            state.file = None;
            self.failed(StorageAccess::Write, &error)
        })?;
        (state.marked, state.next) = (latest, 1 - next);
        Ok(())
    }

    fn write(&self, state: &mut MarkState, at: usize, page: &[u8]) -> io::Result<()> {
        let file = match &mut state.file {
            Some(file) => file,
            none => {
                let file = durable::open(&self.path, durable::private().read(true).write(true))?;
                let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
                if length < FILE_BYTES {
                    // Blocks for both pages, and the file's name, before either counts. What an earlier file
                    // has stays until both pages were written.
                    file.write_all_at(&[0; FILE_BYTES][length..], length as u64)?;
                    file.sync_all()?;
                    durable::flush_name(&self.path)?;
                }
                none.insert(file)
            }
        };
        file.write_all_at(page, at as u64)?;
        durable::flush(file)
    }

    fn failed(&self, what: StorageAccess, error: &io::Error) -> KvError {
        StorageError { what, reason: format!("{}: {error}", self.path.display()) }.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::key_material::KeyMaterial;
    use crate::crypto::test_support::generator;

    #[test]
    fn the_last_count_is_read_back_and_a_page_that_is_damaged_leaves_the_one_before() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("mark");
        let generator = generator();
        let key = KeyMaterial::of(&generator, 32).key().expect("a key");
        let mark = CommitMark::at(path.clone());
        assert_eq!(mark.read(&key).expect("read"), MarkFound::Missing);
        for commits in [1, 2, 5] {
            mark.ensure(&generator, &key, commits).expect("written");
            mark.ensure(&generator, &key, commits - 1).expect("it has more");
            assert_eq!(mark.read(&key).expect("read"), MarkFound::Commits(commits));
        }
        let good = std::fs::read(&path).expect("there");
        assert_eq!(good.len(), FILE_BYTES);
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("written");
            mark.read(&key).expect("read")
        };
        for fill in [0, 0xff] {
            let found = [0, PAGE_BYTES].map(|at| {
                let mut bad = good.clone();
                bad[at..at + PAGE_BYTES].fill(fill);
                read(&bad)
            });
            assert_eq!(found, [MarkFound::Commits(2), MarkFound::Commits(5)]);
        }
        assert_eq!(read(&[0; FILE_BYTES]), MarkFound::Damaged);
        assert_eq!(read(&good[..10]), MarkFound::Damaged);
        let other = KeyMaterial::of(&generator, 32).key().expect("a key");
        std::fs::write(&path, &good).expect("written");
        assert_eq!(mark.read(&other).expect("read"), MarkFound::Damaged, "another store's");
    }

    #[test]
    fn an_earlier_file_is_read_and_keeps_its_counts_until_both_pages_are_written() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("mark");
        let generator = generator();
        let key = KeyMaterial::of(&generator, 32).key().expect("a key");
        let slot = |commits: u64| {
            let data = AssociatedData::of(label::MARK);
            let mut slot =
                aead::seal(&generator, &key, &data, &commits.to_be_bytes()).expect("sealed");
            slot.resize(512, 0);
            slot
        };
        for earlier in [[slot(6), slot(7)], [slot(7), slot(6)], [slot(7), vec![0; 512]]] {
            std::fs::write(&path, earlier.concat()).expect("written");
            let mark = CommitMark::at(path.clone());
            assert_eq!(mark.read(&key).expect("read"), MarkFound::Commits(7));
            mark.ensure(&generator, &key, 8).expect("written");
            let bytes = std::fs::read(&path).expect("there");
            assert_eq!((bytes.len(), &bytes[..1024]), (FILE_BYTES, &*earlier.concat()));
            assert_eq!(mark.read(&key).expect("read"), MarkFound::Commits(8));
            mark.ensure(&generator, &key, 9).expect("written");
            let bytes = std::fs::read(&path).expect("there");
            assert_eq!(bytes[512..PAGE_BYTES], [0; PAGE_BYTES - 512], "nothing earlier is left");
            assert_eq!(mark.read(&key).expect("read"), MarkFound::Commits(9));
        }
    }

    #[test]
    fn a_count_includes_the_commits_that_others_made_since() {
        let folder = tempfile::tempdir().expect("a directory");
        let generator = generator();
        let key = KeyMaterial::of(&generator, 32).key().expect("a key");
        let mark = CommitMark::at(folder.path().join("mark"));
        mark.committed(9);
        mark.ensure(&generator, &key, 3).expect("written");
        assert_eq!(mark.read(&key).expect("read"), MarkFound::Commits(9));
    }
}
