//! Rows in memory: for tests, which can make it fail and change what it holds.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::kv::engine::{Access, Change, Changes, Row, Storage, StorageError, Table};

/// Keeps rows until it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStorage(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    fault: Option<Fault>,
}

/// What goes wrong from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing can be read.
    Read,
    /// Nothing can be written, as on a full disk.
    Write,
    /// What is written is there, and it is said that it is not.
    LateWrite,
}

impl MemoryStorage {
    /// Makes it fail, or work again.
    pub fn fail(&self, fault: Option<Fault>) {
        self.lock().fault = fault;
    }

    /// All rows, as whoever holds the disk sees them.
    pub fn rows(&self) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
        let inner = self.lock();
        let rows = inner.rows.iter();
        rows.map(|((table, key), row)| (*table, key.clone(), row.clone())).collect()
    }

    /// Replaces all rows, as whoever holds the disk can.
    pub fn set_rows(&self, rows: Vec<(Table, Vec<u8>, Vec<u8>)>) {
        let rows = rows.into_iter().map(|(table, key, row)| ((table, key), row));
        self.lock().rows = rows.collect();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> Result<MutexGuard<'_, Inner>, StorageError> {
        let inner = self.lock();
        if inner.fault == Some(Fault::Read) {
            return Err(StorageError { what: Access::Read, reason: "a test says so".to_owned() });
        }
        Ok(inner)
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
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded((table, after.to_vec())),
            _ => Bound::Included((table, prefix.to_vec())),
        };
        let rows = inner
            .rows
            .range((from, Bound::Unbounded))
            .take_while(|((at, key), _)| *at == table && key.starts_with(prefix))
            .take(limit);
        Ok(rows.map(|((_, key), row)| (key.clone(), row.clone())).collect())
    }

    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError> {
        let batch = batch.collect::<Result<Vec<_>, _>>()?;
        let mut inner = self.lock();
        let failed = || StorageError { what: Access::Write, reason: "a test says so".to_owned() };
        if inner.fault == Some(Fault::Write) {
            return Err(failed());
        }
        for change in batch {
            match change {
                Change::Put(table, key, row) => {
                    inner.rows.insert((table, key), row);
                }
                Change::Delete(table, key) => {
                    inner.rows.remove(&(table, key));
                }
                Change::Clear(table, prefix) => {
                    inner.rows.retain(|(at, key), _| *at != table || !key.starts_with(&prefix));
                }
            }
        }
        if inner.fault == Some(Fault::LateWrite) { Err(failed()) } else { Ok(()) }
    }
}
