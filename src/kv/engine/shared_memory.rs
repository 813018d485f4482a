//! A shared storage in memory, for tests of several nodes: they can make it fail, change its rows, and forget
//! its past.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::kv::engine::memory::{Fault, failed, range};
use crate::kv::engine::shared_storage::{
    CommitLimits, CommitOutcome, Expectation, Revision, RevisionSnapshot, RowChange, SharedStorage,
    Watch, WatchError,
};
use crate::kv::engine::storage::{
    Change, Changes, Row, Snapshot, Storage, StorageAccess, StorageError, StorageSize, Table,
};

/// Keeps rows until it is dropped. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct SharedMemory(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    revision: Revision,
    rows: Arc<Rows>,
    /// The rows after each commit, and its changes; the oldest first.
    past: VecDeque<PastCommit>,
    fault: Option<Fault>,
}

#[derive(Debug)]
struct PastCommit {
    revision: Revision,
    rows: Arc<Rows>,
    changes: Vec<RowChange>,
}

/// Rows, each with the revision that wrote it.
type Rows = BTreeMap<(Table, Vec<u8>), (Revision, Vec<u8>)>;

impl Inner {
    /// Makes the changes in one commit.
    fn apply(&mut self, changes: Vec<Change>) {
        let revision = Revision(self.revision.0 + 1);
        let mut rows = (*self.rows).clone();
        let mut made = Vec::new();
        let mut set = |rows: &mut Rows, table, key: Vec<u8>, after: Option<Vec<u8>>| {
            let before = match after.clone() {
                Some(row) => rows.insert((table, key.clone()), (revision, row)),
                None => rows.remove(&(table, key.clone())),
            };
            let before = before.map(|(_, row)| row);
            if table != Table::Values && (before.is_some() || after.is_some()) {
                made.push(RowChange { revision, table, key, before, after });
            }
        };
        for change in changes {
            match change {
                Change::Put(table, key, row) => set(&mut rows, table, key, Some(row)),
                Change::Delete(table, key) => set(&mut rows, table, key, None),
                Change::Clear(table, prefix) => {
                    let keys =
                        rows.keys().filter(|(at, key)| *at == table && key.starts_with(&prefix));
                    for (_, key) in keys.cloned().collect::<Vec<_>>() {
                        set(&mut rows, table, key, None);
                    }
                }
            }
        }
        (self.revision, self.rows) = (revision, Arc::new(rows));
        let rows = Arc::clone(&self.rows);
        self.past.push_back(PastCommit { revision, rows, changes: made });
    }

    fn write(&mut self, changes: Vec<Change>) -> Result<(), StorageError> {
        match self.fault {
            Some(Fault::Write) => Err(failed(StorageAccess::Write)),
            fault => {
                self.apply(changes);
                if fault == Some(Fault::LateWrite) {
                    Err(failed(StorageAccess::Write))
                } else {
                    Ok(())
                }
            }
        }
    }
}

impl SharedMemory {
    /// Makes it fail, or work again.
    pub fn fail(&self, fault: Option<Fault>) {
        self.0.lock().fault = fault;
    }

    /// All rows, as a reader of the disk sees them.
    #[must_use]
    pub fn rows(&self) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
        let inner = self.0.lock();
        let rows = inner.rows.iter();
        rows.map(|((table, key), (_, row))| (*table, key.clone(), row.clone())).collect()
    }

    /// Makes changes in one commit, as another writer of the storage can.
    pub fn change(&self, changes: Vec<Change>) {
        self.0.lock().apply(changes);
    }

    /// Forgets all revisions but the last one.
    pub fn forget_past(&self) {
        self.0.lock().past.clear();
    }

    fn reading(&self) -> Result<MutexGuard<'_, Inner>, StorageError> {
        let inner = self.0.lock();
        if inner.fault == Some(Fault::Read) { Err(failed(StorageAccess::Read)) } else { Ok(inner) }
    }
}

fn scan(rows: &Rows, table: Table, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Row> {
    let rows = range(rows, table, prefix, after).take(limit);
    rows.map(|(key, (_, row))| (key.clone(), row.clone())).collect()
}

impl Storage for SharedMemory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let inner = self.reading()?;
        Ok(inner.rows.get(&(table, key.to_vec())).map(|(_, row)| row.clone()))
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        Ok(scan(&self.reading()?.rows, table, prefix, after, limit))
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StorageError> {
        Ok(Box::new(PastRows(Arc::clone(&self.reading()?.rows))))
    }

    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError> {
        let changes = batch.collect::<Result<Vec<_>, _>>()?;
        self.0.lock().write(changes)
    }

    fn size(&self) -> Option<StorageSize> {
        let inner = self.0.lock();
        let bytes = inner.rows.iter().map(|((_, key), (_, row))| (key.len() + row.len()) as u64);
        let live_bytes = bytes.sum();
        Some(StorageSize { live_bytes, file_bytes: live_bytes })
    }

    fn compact(&self) -> Result<(), StorageError> {
        if self.0.lock().fault == Some(Fault::Write) {
            return Err(failed(StorageAccess::Compact));
        }
        Ok(())
    }
}

impl SharedStorage for SharedMemory {
    fn limits(&self) -> CommitLimits {
        CommitLimits { records: 4, bytes: 1 << 20 }
    }

    fn revision(&self) -> Result<Revision, StorageError> {
        Ok(self.reading()?.revision)
    }

    fn commit_expecting(
        &self,
        changes: Vec<Change>,
        expected: &[Expectation],
    ) -> Result<CommitOutcome, StorageError> {
        let mut inner = self.0.lock();
        let is_met = |it: &Expectation| match inner.rows.get(&(it.table, it.key.clone())) {
            Some((written, _)) => it.unchanged_since.is_some_and(|since| *written <= since),
            None => it.unchanged_since.is_none(),
        };
        if !expected.iter().all(is_met) {
            return Ok(CommitOutcome::Conflict(inner.revision));
        }
        inner.write(changes)?;
        Ok(CommitOutcome::Committed(inner.revision))
    }

    fn snapshot_at(
        &self,
        revision: Revision,
    ) -> Result<Box<dyn RevisionSnapshot + '_>, StorageError> {
        let inner = self.reading()?;
        if revision >= inner.revision {
            return Ok(Box::new(PastRows(Arc::clone(&inner.rows))));
        }
        let past = inner.past.iter().rev().find(|past| past.revision <= revision);
        let past = past.ok_or_else(|| StorageError {
            what: StorageAccess::Read,
            reason: "this revision is no longer kept".to_owned(),
        })?;
        Ok(Box::new(PastRows(Arc::clone(&past.rows))))
    }

    fn watch(&self, after: Revision) -> Result<Box<dyn Watch>, StorageError> {
        Ok(Box::new(MemoryWatch { memory: self.clone(), after }))
    }
}

/// The rows after one commit.
struct PastRows(Arc<Rows>);

impl Snapshot for PastRows {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.get(&(table, key.to_vec())).map(|(_, row)| row.clone()))
    }
}

impl RevisionSnapshot for PastRows {
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        Ok(scan(&self.0, table, prefix, after, limit))
    }
}

struct MemoryWatch {
    memory: SharedMemory,
    after: Revision,
}

impl Watch for MemoryWatch {
    fn until(&mut self, _: Revision) -> Result<Vec<RowChange>, WatchError> {
        let inner = self.memory.reading().map_err(WatchError::Away)?;
        let kept = inner.past.front().map_or(inner.revision.0 + 1, |first| first.revision.0);
        if kept > self.after.0 + 1 {
            let reason = "the changes are no longer kept".to_owned();
            return Err(WatchError::Lost(StorageError { what: StorageAccess::Read, reason }));
        }
        let new = inner.past.iter().filter(|past| past.revision > self.after);
        let changes = new.flat_map(|past| past.changes.iter().cloned()).collect();
        self.after = inner.revision;
        Ok(changes)
    }
}
