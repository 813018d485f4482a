//! Rows in memory, for tests: they can make it fail and change its rows.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::kv::engine::storage::{
    Change, Changes, Row, Snapshot, Storage, StorageAccess, StorageError, StorageSize, Table,
};

/// Keeps rows until it is dropped. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// Copied by the first change after a snapshot.
    rows: Arc<Rows>,
    fault: Option<Fault>,
}

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// A failure from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing can be read.
    Read,
    /// Nothing can be written, as on a full disk.
    Write,
    /// Writes succeed, and are reported as failed.
    LateWrite,
}

impl MemoryStorage {
    /// Makes it fail, or work again.
    pub fn fail(&self, fault: Option<Fault>) {
        self.0.lock().fault = fault;
    }

    /// All rows, as a reader of the disk sees them.
    #[must_use]
    pub fn rows(&self) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
        let inner = self.0.lock();
        let rows = inner.rows.iter();
        rows.map(|((table, key), row)| (*table, key.clone(), row.clone())).collect()
    }

    /// Replaces all rows, as a writer of the disk can.
    pub fn set_rows(&self, rows: Vec<(Table, Vec<u8>, Vec<u8>)>) {
        let rows = rows.into_iter().map(|(table, key, row)| ((table, key), row));
        self.0.lock().rows = Arc::new(rows.collect());
    }

    fn reading(&self) -> Result<MutexGuard<'_, Inner>, StorageError> {
        let inner = self.0.lock();
        if inner.fault == Some(Fault::Read) { Err(failed(StorageAccess::Read)) } else { Ok(inner) }
    }
}

impl Storage for MemoryStorage {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.reading()?.rows.get(&(table, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let inner = self.reading()?;
        let rows = range(&inner.rows, table, prefix, after).take(limit);
        Ok(rows.map(|(key, row)| (key.clone(), row.clone())).collect())
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StorageError> {
        Ok(Box::new(MemorySnapshot(Arc::clone(&self.reading()?.rows))))
    }

    fn size(&self) -> Option<StorageSize> {
        let bytes = |((_, key), row): (&(Table, Vec<u8>), &Vec<u8>)| (key.len() + row.len()) as u64;
        let live_bytes = self.0.lock().rows.iter().map(bytes).sum();
        Some(StorageSize { live_bytes, file_bytes: live_bytes })
    }

    fn compact(&self) -> Result<(), StorageError> {
        if self.0.lock().fault == Some(Fault::Write) {
            return Err(failed(StorageAccess::Compact));
        }
        Ok(())
    }

    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError> {
        let batch = batch.collect::<Result<Vec<_>, _>>()?;
        let mut inner = self.0.lock();
        if inner.fault == Some(Fault::Write) {
            return Err(failed(StorageAccess::Write));
        }
        let rows = Arc::make_mut(&mut inner.rows);
        for change in batch {
            match change {
                Change::Put(table, key, row) => {
                    rows.insert((table, key), row);
                }
                Change::Delete(table, key) => {
                    rows.remove(&(table, key));
                }
                Change::Clear(table, prefix) => {
                    rows.retain(|(at, key), _| *at != table || !key.starts_with(&prefix));
                }
            }
        }
        if inner.fault == Some(Fault::LateWrite) {
            return Err(failed(StorageAccess::Write));
        }
        Ok(())
    }
}

/// The keys of a table that begin with `prefix` and come after `after`, in order, and what is kept of their rows.
pub(super) fn range<'r, R>(
    rows: &'r BTreeMap<(Table, Vec<u8>), R>,
    table: Table,
    prefix: &[u8],
    after: Option<&[u8]>,
) -> impl Iterator<Item = (&'r Vec<u8>, &'r R)> {
    let from = match after {
        Some(after) if after >= prefix => Bound::Excluded((table, after.to_vec())),
        _ => Bound::Included((table, prefix.to_vec())),
    };
    let rows = rows.range((from, Bound::Unbounded)).map(|((at, key), row)| (*at, key, row));
    rows.take_while(move |(at, key, _)| *at == table && key.starts_with(prefix))
        .map(|(_, key, row)| (key, row))
}

/// The error of a storage that a test makes fail.
pub(super) fn failed(what: StorageAccess) -> StorageError {
    StorageError { what, reason: "a test says so".to_owned() }
}

/// The rows after one commit.
struct MemorySnapshot(Arc<Rows>);

impl Snapshot for MemorySnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }
}
