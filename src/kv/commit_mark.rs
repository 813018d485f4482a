//! The commit mark: the store's commit count once more, in a file that the engine cannot take back.
//!
//! ```text
//! 0     the count and its slot, sealed under the store key; zeros up to
//! 4096  the same, of the write before or after
//! ```
//! After a crash the engine falls back to an earlier commit when the head of its file does not verify, whether
//! the last commit was torn or a bit was flipped. The mark tells the two apart: it is flushed after the commit and
//! before the commit is acknowledged. The slots are written in turn, so that a torn write leaves the other.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use parking_lot::Mutex;

use crate::crypto::aead;
use crate::crypto::aead::AssociatedData;
use crate::crypto::key::Key;
use crate::crypto::label;
use crate::durable;
use crate::kv::engine::{StorageAccess, StorageError};
use crate::kv::error::KvError;
use lavawall_entropy::Generator;

/// A slot has a block of its own, which a disk writes whole or not at all.
const SLOT_BYTES: usize = 4096;

/// The number of slots.
const SLOTS: usize = 2;

/// The size of a sealed count: 8 bytes, and nonce and tag.
const SEALED_BYTES: usize = 8 + 28;

/// The file of the mark.
pub(crate) struct CommitMark {
    path: PathBuf,
    open: Mutex<Option<OpenMark>>,
}

struct OpenMark {
    file: File,
    /// The count on the disk.
    marked: u64,
    /// The slot of the next write.
    next: usize,
}

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FoundMark {
    /// There is none yet.
    Missing,
    /// No slot opens: it is damaged, or another keyring's.
    Unreadable,
    /// The least number of commits of the store.
    Count(u64),
}

impl CommitMark {
    /// The mark in the file at `path`, which is made by the first write.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, open: Mutex::new(None) }
    }

    /// Reads the mark.
    pub(crate) fn read(&self, key: &Key) -> Result<FoundMark, KvError> {
        let mut open = self.open.lock();
        let bytes = match durable::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                *open = None;
                return Ok(FoundMark::Missing);
            }
            Err(error) => return Err(self.failed(StorageAccess::Read, &error)),
        };
        let counts = (0..SLOTS).filter_map(|slot| Some((slot, open_slot(key, slot, &bytes)?)));
        let Some((slot, marked)) = counts.max_by_key(|(_, count)| *count) else {
            *open = None;
            return Ok(FoundMark::Unreadable);
        };
        let file = durable::open(&self.path, File::options().read(true).write(true))
            .map_err(|error| self.failed(StorageAccess::Open, &error));
        // On a disk that is read-only, the mark can be read and nothing is committed.
        *open = file.ok().map(|file| OpenMark { file, marked, next: (slot + 1) % SLOTS });
        Ok(FoundMark::Count(marked))
    }

    /// Raises the mark to `least` or more: to the count that `latest` gives, so that callers who wait for each
    /// other share a flush. When this returns, the mark is on the disk.
    ///
    /// # Errors
    /// When it cannot be written, or the generator refuses.
    pub(crate) fn raise(
        &self,
        least: u64,
        latest: impl FnOnce() -> u64,
        generator: &Generator,
        key: &Key,
    ) -> Result<(), KvError> {
        let mut open = self.open.lock();
        if open.as_ref().is_some_and(|open| open.marked >= least) {
            return Ok(());
        }
        let failed = |error: io::Error| self.failed(StorageAccess::Write, &error);
        if open.is_none() {
            let file = durable::open(&self.path, durable::private().read(true).write(true))
                .map_err(failed)?;
            file.set_len((SLOTS * SLOT_BYTES) as u64).map_err(failed)?;
            durable::flush_name(&self.path).map_err(failed)?;
            *open = Some(OpenMark { file, marked: 0, next: 0 });
        }
        let open = open.as_mut().expect("it was opened above");
        let count = latest().max(least);
        let data = data_of(open.next);
        let sealed = aead::seal(generator, key, &data, &count.to_be_bytes())?;
        let mut block = [0; SLOT_BYTES];
        block[..sealed.len()].copy_from_slice(&sealed);
        let written = open.file.write_all_at(&block, (open.next * SLOT_BYTES) as u64);
        written.and_then(|()| durable::flush(&open.file)).map_err(failed)?;
        (open.marked, open.next) = (count, (open.next + 1) % SLOTS);
        Ok(())
    }

    fn failed(&self, what: StorageAccess, error: &io::Error) -> KvError {
        let reason = format!("commit mark {}: {error}", self.path.display());
        StorageError { what, reason }.into()
    }
}

fn open_slot(key: &Key, slot: usize, bytes: &[u8]) -> Option<u64> {
    let sealed = bytes.get(slot * SLOT_BYTES..)?.get(..SEALED_BYTES)?;
    let count = aead::open(key, &data_of(slot), sealed).ok()?;
    Some(u64::from_be_bytes(count.as_slice().try_into().ok()?))
}

fn data_of(slot: usize) -> AssociatedData {
    AssociatedData::of(label::COMMIT_MARK).and(&[u8::try_from(slot).expect("one of two")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test_support::generator;
    use lavawall_entropy::Secret;

    fn key(byte: u8) -> Key {
        Secret::take(&mut [byte; 32])
    }

    fn raise(mark: &CommitMark, to: u64) {
        mark.raise(to, || to, &generator(), &key(1)).expect("written");
    }

    #[test]
    fn the_mark_is_read_back_under_its_own_key_alone_and_never_goes_down() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("mark");
        let mark = CommitMark::at(path.clone());
        assert_eq!(mark.read(&key(1)).expect("read"), FoundMark::Missing);
        for count in [1, 2, 7] {
            raise(&mark, count);
            let again = CommitMark::at(path.clone());
            assert_eq!(again.read(&key(1)).expect("read"), FoundMark::Count(count));
            assert_eq!(again.read(&key(2)).expect("read"), FoundMark::Unreadable);
            raise(&again, count + 1);
            assert_eq!(mark.read(&key(1)).expect("read"), FoundMark::Count(count + 1));
        }
        raise(&mark, 3);
        assert_eq!(mark.read(&key(1)).expect("read"), FoundMark::Count(8));
        mark.raise(9, || 20, &generator(), &key(1)).expect("written");
        assert_eq!(mark.read(&key(1)).expect("read"), FoundMark::Count(20), "the latest of all");
        assert_eq!(path.metadata().expect("there").len(), 8192);
    }

    #[test]
    fn a_torn_write_leaves_the_mark_before_it_and_slots_cannot_be_exchanged() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("mark");
        let mark = CommitMark::at(path.clone());
        for count in 1..=4 {
            raise(&mark, count);
        }
        let whole = std::fs::read(&path).expect("there");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("written");
            mark.read(&key(1)).expect("read")
        };
        // The fourth write went to the second slot.
        for at in SLOT_BYTES..SLOT_BYTES + SEALED_BYTES {
            let mut torn = whole.clone();
            torn[at] ^= 1;
            assert_eq!(read(&torn), FoundMark::Count(3), "byte {at}");
        }
        assert_eq!(read(&whole[..SLOT_BYTES + SEALED_BYTES - 1]), FoundMark::Count(3));
        assert_eq!(read(&[]), FoundMark::Unreadable);
        let exchanged = [&whole[SLOT_BYTES..], &whole[..SLOT_BYTES]].concat();
        assert_eq!(read(&exchanged), FoundMark::Unreadable);
    }
}
