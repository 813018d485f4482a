//! Compaction: the space of deleted and replaced records goes back to the disk.

use crate::audit::{Actor, AuditEvent};
use crate::keyring::KeyringError;
use crate::kv::engine::StorageSize;
use crate::kv::error::KvError;
use crate::kv::store::Store;

/// Smaller files, in bytes, are compacted by the operator only: they take little of a disk.
const LEAST_FILE_BYTES: u64 = 64 << 20;

/// The share of a file that its rows take at least, one in so many: pages of redb are between half full and
/// full, and a row of more than a page takes up to twice its size.
const LEAST_SHARE: u64 = 4;

/// The sizes of the store around a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// Before it.
    pub before: StorageSize,
    /// After it.
    pub after: StorageSize,
}

impl Store {
    /// The size of the store; `None` while its file is not open, or is being opened or compacted.
    pub fn size(&self) -> Option<StorageSize> {
        self.storage.size()
    }

    /// Compacts the store, as `actor` asks. Reads and writes wait for it.
    ///
    /// # Errors
    /// When the store is not open or is read-only, the audit log cannot be written, or the disk refuses. No record
    /// is lost.
    pub fn compact(&self, actor: &Actor) -> Result<Compaction, KvError> {
        // Writers wait here, where they have no other lock.
        let _writer = self.writer();
        self.refuse_if_read_only()?;
        let before = self.size_while_open()?;
        let (audit, event) = (self.keyring.audit(), AuditEvent::new(actor, "compact"));
        audit.done(&event).map_err(KeyringError::from)?;
        if let Err(error) = self.storage.compact() {
            audit.refused(&event, &error).map_err(KeyringError::from)?;
            return Err(error.into());
        }
        Ok(Compaction { before, after: self.size_while_open()? })
    }

    /// Compacts the store if its file has 64 MiB or more and less than a quarter of them are rows.
    ///
    /// # Errors
    /// When the store is not open, or the disk refuses. No record is lost.
    pub fn compact_if_mostly_free(&self) -> Result<Option<Compaction>, KvError> {
        let _writer = self.writer();
        if self.read_only().is_some() {
            return Ok(None);
        }
        let before = self.size_while_open()?;
        if !is_mostly_free(before) {
            return Ok(None);
        }
        self.storage.compact()?;
        Ok(Some(Compaction { before, after: self.size_while_open()? }))
    }

    /// The size of a store that was opened: one that was refused is left as it is.
    fn size_while_open(&self) -> Result<StorageSize, KvError> {
        self.keyring.store_key()?;
        self.size().filter(|_| self.is_open()).ok_or(KvError::Closed)
    }
}

fn is_mostly_free(size: StorageSize) -> bool {
    let StorageSize { live_bytes, file_bytes } = size;
    file_bytes >= LEAST_FILE_BYTES && live_bytes < file_bytes / LEAST_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_large_file_of_which_little_is_used_is_mostly_free() {
        const MIB: u64 = 1 << 20;
        for (live_bytes, file_bytes, expected) in [
            (0, 64 * MIB - 1, false),
            (0, 64 * MIB, true),
            (16 * MIB - 1, 64 * MIB, true),
            (16 * MIB, 64 * MIB, false),
            (63 * MIB, 64 * MIB, false),
            (u64::MAX, u64::MAX, false),
        ] {
            let size = StorageSize { live_bytes, file_bytes };
            assert_eq!(is_mostly_free(size), expected, "{size:?}");
        }
    }
}
