//! The mark: the store's commit count in a small file of its own, written before a commit is acknowledged.
//!
//! ```text
//! two slots of 512 bytes, written in turn: the count, sealed under the store key; zeros
//! ```
//! A crash can leave the store's file with two commits, of which its engine takes the older when the newer is
//! damaged. The mark tells. It is written in place, so that it needs no space on a full disk; a write that a
//! crash cuts short leaves the other slot.

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

/// A slot: the least that a disk writes at once.
const SLOT_BYTES: usize = 512;

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
    /// The slot that is written next: the older one.
    next: usize,
}

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkFound {
    /// There is none yet.
    Missing,
    /// None of its slots opens.
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
        let counts = [0, 1].map(|slot| {
            let sealed = bytes.get(slot * SLOT_BYTES..)?.get(..SEALED_BYTES)?;
            let text = aead::open(key, &AssociatedData::of(label::MARK), sealed).ok()?;
            text.as_slice().try_into().ok().map(u64::from_be_bytes)
        });
        let Some(marked) = counts.into_iter().flatten().max() else {
            return Ok(MarkFound::Damaged);
        };
        state.marked = marked;
        state.next = usize::from(counts[0] == Some(marked));
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
        let mut slot = [0; SLOT_BYTES];
        slot[..sealed.len()].copy_from_slice(&sealed);
        let next = state.next;
        let written = self.write(&mut state, next * SLOT_BYTES, &slot);
        written.map_err(|error| {
            // Reopened at the next write.
            state.file = None;
            self.failed(StorageAccess::Write, &error)
        })?;
        (state.marked, state.next) = (latest, 1 - next);
        Ok(())
    }

    fn write(&self, state: &mut MarkState, at: usize, slot: &[u8]) -> io::Result<()> {
        let file = match &mut state.file {
            Some(file) => file,
            none => {
                let file = durable::open(&self.path, durable::private().read(true).write(true))?;
                let length = 2 * SLOT_BYTES as u64;
                if file.metadata()?.len() != length {
                    // Blocks for both slots, and the file's name, before either counts.
                    file.set_len(0)?;
                    file.write_all_at(&[0; 2 * SLOT_BYTES], 0)?;
                    file.sync_all()?;
                    durable::flush_name(&self.path)?;
                }
                none.insert(file)
            }
        };
        file.write_all_at(slot, at as u64)?;
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
    fn the_last_count_is_read_back_and_a_slot_that_is_cut_short_leaves_the_one_before() {
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
        assert_eq!(good.len(), 2 * SLOT_BYTES);
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("written");
            mark.read(&key).expect("read")
        };
        let found: Vec<_> = [0, SLOT_BYTES]
            .map(|at| {
                let mut bad = good.clone();
                bad[at] ^= 1;
                read(&bad)
            })
            .into();
        assert_eq!(found, [MarkFound::Commits(2), MarkFound::Commits(5)]);
        assert_eq!(read(&[0; 2 * SLOT_BYTES]), MarkFound::Damaged);
        assert_eq!(read(&good[..10]), MarkFound::Damaged);
        let other = KeyMaterial::of(&generator, 32).key().expect("a key");
        std::fs::write(&path, &good).expect("written");
        assert_eq!(mark.read(&other).expect("read"), MarkFound::Damaged, "another store's");
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
