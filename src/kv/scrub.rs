//! The scrub: reads all records round and round, at a bounded rate, so that damage is known before they are
//! needed.

use std::time::SystemTime;

use crate::keyring::NamespaceId;
use crate::kv::engine::{StorageError, Table};
use crate::kv::error::KvError;
use crate::kv::index::Slot;
use crate::kv::name::RecordName;
use crate::kv::namespace::{Namespace, open_entry_row};
use crate::kv::record;
use crate::kv::record::{RecordAddress, RowHeader};
use crate::kv::scrub_progress::ScrubProgress;
use crate::kv::snapshot::SlotWithRows;
use crate::kv::store::Store;

/// The most bytes of rows of one turn, except its last record: it is short, and the disk is left to others.
const TURN_BYTES: usize = 16 << 20;

/// The most names of a turn that are copied at once.
const NAMES_MOST: usize = 1000;

/// What a check of a record found.
pub(crate) enum Checked {
    /// Both rows open and belong to the slot; their bytes.
    Sound(usize),
    /// They do not, or one is missing.
    Damaged,
}

/// Reads a row of the storage, or of a snapshot of it.
type GetRow<'a> = dyn Fn(Table, &[u8]) -> Result<Option<Vec<u8>>, StorageError> + 'a;

impl Store {
    /// Reads the next `records` records, up to 16 MiB of them. Damaged ones are counted and reported as if a
    /// caller had read them.
    ///
    /// # Errors
    /// When the store is closed.
    pub fn scrub(&self, records: usize, now: SystemTime) -> Result<(), KvError> {
        let namespaces = self.known_namespaces()?;
        let mut progress = self.scrub_progress();
        let (mut left, mut bytes) = (records.min(NAMES_MOST), 0);
        while left > 0 && bytes < TURN_BYTES {
            let after = progress.after.take();
            let is_ahead = |id: NamespaceId| match &after {
                None => true,
                Some((last, Some(_))) => id >= *last,
                Some((last, None)) => id > *last,
            };
            let Some(namespace) = namespaces.iter().find(|it| is_ahead(it.id)) else {
                progress = ScrubProgress { completed: Some(now), ..ScrubProgress::default() };
                break;
            };
            // The namespace of the last record may be deleted.
            let name = after.filter(|(id, _)| *id == namespace.id).and_then(|(_, name)| name);
            let name = name.as_ref().map(RecordName::as_str);
            let names: Vec<_> = {
                let index = namespace.index();
                let after = index.after("", name, 0).take(left);
                after.map(|(name, _)| RecordName::of(name)).collect()
            };
            let is_last = names.len() < left;
            let mut read = 0;
            for name in &names {
                bytes += self.scrub_one(namespace, name.as_str());
                read += 1;
                if bytes >= TURN_BYTES {
                    break;
                }
            }
            left -= read;
            progress.checked += u64::try_from(read).unwrap_or(u64::MAX);
            progress.after = if is_last && read == names.len() {
                Some((namespace.id, None))
            } else {
                names.into_iter().nth(read.saturating_sub(1)).map(|name| (namespace.id, Some(name)))
            };
        }
        *self.scrub.lock() = progress;
        Ok(())
    }

    /// The progress of the scrub.
    pub fn scrub_progress(&self) -> ScrubProgress {
        self.scrub.lock().clone()
    }

    /// Reads one record; returns the bytes of its rows.
    fn scrub_one(&self, namespace: &Namespace, name: &str) -> usize {
        let id = namespace.keys().record_id(name);
        let checked = {
            // A write would change the rows, and would have others of the largest size in memory.
            let _no_writer = self.writer();
            match self.slot_with_rows(namespace, name) {
                Ok(Some(SlotWithRows { slot, rows })) => {
                    let row = |table, key: &[u8]| match &rows {
                        Some(rows) => rows.get(table, key),
                        None => self.storage.get(table, key),
                    };
                    Self::check(&row, namespace, name, slot)
                }
                // It is gone; or a shared storage is away, or forgets faster than this node reads.
                Ok(None) | Err(_) => return 0,
            }
        };
        if let Ok(Checked::Sound(bytes)) = checked {
            namespace.damage.remove(id);
            return bytes;
        }
        if checked.is_ok() || self.follower.is_none() {
            self.add_damage(namespace, id);
        }
        0
    }

    /// Whether both rows of a record open and belong to its slot, under any key version.
    pub(crate) fn check(
        row: &GetRow<'_>,
        namespace: &Namespace,
        name: &str,
        slot: Slot,
    ) -> Result<Checked, StorageError> {
        let keys = namespace.keys();
        let address = RecordAddress { namespace: namespace.id, id: keys.record_id(name) };
        let key = address.key();
        let (Some(value), Some(entry)) = (row(Table::Values, &key)?, row(Table::Entries, &key)?)
        else {
            return Ok(Checked::Damaged);
        };
        let bytes = value.len() + entry.len();
        let Ok((head, _)) = RowHeader::read(&value) else { return Ok(Checked::Damaged) };
        // The version of a head that was changed is unknown, too.
        let Some(version) = keys.get(head.key_version) else { return Ok(Checked::Damaged) };
        let is_entry = open_entry_row(&keys, address, &entry)
            .is_ok_and(|(entry_head, _)| entry_head.version == slot.version);
        let opened = record::open_value(&version.key, address, head, name, slot.expiry, value);
        let is_sound = is_entry && head.version == slot.version && opened.is_ok();
        Ok(if is_sound { Checked::Sound(bytes) } else { Checked::Damaged })
    }
}
