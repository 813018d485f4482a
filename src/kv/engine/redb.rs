//! Rows in one file, by redb: copy-on-write trees, one writer, a flush at the end of each batch.

mod file_format;
mod flushed_file;
mod live_bytes;
mod panics;
mod read_only_file;
mod read_transaction;
mod tables;

use std::cell::RefCell;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ::redb::{Builder, Database, ReadableDatabase, WriteTransaction};
use parking_lot::{RwLock, RwLockReadGuard};

use crate::durable;
use crate::kv::engine::storage::{
    Change, Changes, Row, Snapshot, Storage, StorageAccess, StorageError, StorageSize, Table,
};
use flushed_file::FlushedFile;
use live_bytes::LiveBytes;
use panics::contained;
use read_only_file::ReadOnlyFile;
use read_transaction::OpenTransaction;
use tables::{definition, end_bound, end_of};

/// Keeps rows in a file that only its owner may read.
///
/// After a failure of the disk, redb refuses everything until the file is reopened; the next call reopens it,
/// so that a disk that was full for a while needs no restart. While the disk refuses writes, the file is
/// read all the same; each write tries it again.
///
/// On damaged pages redb panics in some places; the panic is caught and returned as an error.
pub struct RedbStorage {
    path: PathBuf,
    cache_bytes: usize,
    /// `None` after a failure.
    opened: RwLock<Option<OpenDatabase>>,
}

/// The open file.
struct OpenDatabase {
    database: Database,
    /// Bytes of all rows; `None` when they were never counted.
    live_bytes: Option<AtomicU64>,
    /// Why it is read-only, if it is.
    refused: Option<String>,
}

impl OpenDatabase {
    fn of(database: Database, refused: Option<String>) -> Self {
        // Without the count, rows are read all the same.
        let live_bytes = contained(|| live_bytes::read(&database)).ok().flatten();
        Self { database, live_bytes: live_bytes.map(AtomicU64::new), refused }
    }

    fn is_refused(opened: Option<&Self>) -> bool {
        opened.is_some_and(|opened| opened.refused.is_some())
    }
}

impl RedbStorage {
    /// Keeps rows in the file at `path`, which is opened, or made, at the first use. After a crash that reads
    /// the whole file.
    #[must_use]
    pub fn at(path: &Path, cache_bytes: usize) -> Self {
        Self { path: path.to_owned(), cache_bytes, opened: RwLock::new(None) }
    }

    /// As [`RedbStorage::at`], and opens the file now.
    ///
    /// # Errors
    /// When the file cannot be opened, is not a store, or is damaged.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        let storage = Self::at(path, cache_bytes);
        drop(storage.opened(StorageAccess::Open)?);
        Ok(storage)
    }

    /// The file, opened if necessary.
    fn opened(
        &self,
        what: StorageAccess,
    ) -> Result<RwLockReadGuard<'_, Option<OpenDatabase>>, StorageError> {
        loop {
            let guard = self.opened.read();
            if guard.is_some() {
                return Ok(guard);
            }
            drop(guard);
            let mut guard = self.opened.write();
            if guard.is_none() {
                *guard =
                    Some(self.open_or_read_only().map_err(|reason| StorageError { what, reason })?);
            }
        }
    }

    /// Opens the file, read-only when the disk refuses writes.
    fn open_or_read_only(&self) -> Result<OpenDatabase, String> {
        let refused = match self.try_open()? {
            Ok(database) => return Ok(OpenDatabase::of(database, None)),
            Err(error) => error.to_string(),
        };
        let read = contained(|| {
            let file = ReadOnlyFile::open(&self.path)?;
            Ok(Builder::new().set_cache_size(self.cache_bytes).create_with_backend(file)?)
        });
        match read {
            Ok(database) => Ok(OpenDatabase::of(database, Some(refused))),
            // The first reason is the one to fix.
            Err(_) => Err(refused),
        }
    }

    /// Opens the file for writing; the inner error is the system's.
    fn try_open(&self) -> Result<io::Result<Database>, String> {
        if let Some(refusal) = file_format::refusal(&self.path) {
            return Err(refusal);
        }
        // Counting reads every page; where one is damaged, the others are read without the count.
        if let Ok(database) = contained(|| self.open_file(live_bytes::count)) {
            return Ok(Ok(database));
        }
        contained(|| match self.open_file(|_| Ok(())) {
            Err(::redb::Error::Io(error)) => Ok(Err(error)),
            opened => opened.map(Ok),
        })
    }

    fn open_file(
        &self,
        count: impl FnOnce(&WriteTransaction) -> Result<(), ::redb::Error>,
    ) -> Result<Database, ::redb::Error> {
        // Made here, since redb would make it readable by others.
        let file = durable::open(&self.path, durable::private().read(true).write(true))?;
        let file = FlushedFile::of(file)?;
        let database = Builder::new().set_cache_size(self.cache_bytes).create_with_backend(file)?;
        // Makes all tables: reading one that is absent would be an error.
        let transaction = database.begin_write()?;
        count(&transaction)?;
        for table in Table::ALL {
            transaction.open_table(definition(table))?;
        }
        transaction.commit()?;
        Ok(database)
    }

    /// Closes the file, so that the next call reopens it.
    fn abandon(&self) {
        let opened = self.opened.write().take();
        // Closing writes, and may fail for the same reason.
        let _ = contained(|| {
            drop(opened);
            Ok(())
        });
    }

    fn with<T>(
        &self,
        what: StorageAccess,
        work: impl FnOnce(&OpenDatabase) -> Result<T, ::redb::Error>,
    ) -> Result<T, StorageError> {
        let guard = self.opened(what)?;
        let opened = guard.as_ref().expect("it has just been opened");
        if let Some(reason) = opened.refused.as_ref().filter(|_| what == StorageAccess::Write) {
            // The write would stay in memory.
            return Err(StorageError { what, reason: reason.clone() });
        }
        let result = contained(|| work(opened));
        drop(guard);
        result.map_err(|reason| self.failed(what, reason))
    }

    /// Closes the file after a failure; the caller has no guard of it.
    fn failed(&self, what: StorageAccess, reason: String) -> StorageError {
        self.abandon();
        StorageError { what, reason }
    }
}

impl Drop for RedbStorage {
    fn drop(&mut self) {
        // Closing writes; on a damaged file redb can panic there too.
        self.abandon();
    }
}

impl Storage for RedbStorage {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.with(StorageAccess::Read, |opened| {
            let table = opened.database.begin_read()?.open_table(definition(table))?;
            Ok(table.get(key)?.map(|row| row.value().to_vec()))
        })
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.with(StorageAccess::Read, |opened| {
            let table = opened.database.begin_read()?.open_table(definition(table))?;
            let mut rows = Vec::new();
            for row in table.range::<&[u8]>((from, Bound::Unbounded))?.take(limit) {
                let (key, row) = row?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                rows.push((key.value().to_vec(), row.value().to_vec()));
            }
            Ok(rows)
        })
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StorageError> {
        let opened = self.opened(StorageAccess::Read)?;
        let database = &opened.as_ref().expect("it has just been opened").database;
        match contained(|| OpenTransaction::begin(database)) {
            Ok(transaction) => {
                let open = RefCell::new(Some((transaction, opened)));
                Ok(Box::new(RedbSnapshot { storage: self, open }))
            }
            Err(reason) => {
                drop(opened);
                Err(self.failed(StorageAccess::Read, reason))
            }
        }
    }

    fn size(&self) -> Option<StorageSize> {
        // Opening and compaction take long; a caller that asks for the size does not wait for them.
        let opened = self.opened.try_read()?;
        let live_bytes = opened.as_ref()?.live_bytes.as_ref()?.load(Ordering::Relaxed);
        let file_bytes = self.path.metadata().ok()?.len();
        Some(StorageSize { live_bytes, file_bytes })
    }

    fn compact(&self) -> Result<(), StorageError> {
        let failed = |reason| StorageError { what: StorageAccess::Compact, reason };
        self.check_writable().map_err(|error| failed(error.reason))?;
        // No transaction is open while this is held.
        let mut guard = self.opened.write();
        let Some(opened) = guard.as_mut().filter(|opened| opened.refused.is_none()) else {
            return Err(failed("the disk refuses writes".to_owned()));
        };
        let compacted = contained(|| Ok(opened.database.compact()?));
        drop(guard);
        compacted.map(drop).map_err(|reason| self.failed(StorageAccess::Compact, reason))
    }

    fn check_writable(&self) -> Result<(), StorageError> {
        if !OpenDatabase::is_refused(self.opened(StorageAccess::Write)?.as_ref()) {
            if durable::check_writable(&self.path).is_ok() {
                return Ok(());
            }
            // Writes to a file that was open before would be lost.
            self.abandon();
            drop(self.opened(StorageAccess::Write)?);
        }
        let mut guard = self.opened.write();
        // Another call may have reopened it.
        if OpenDatabase::is_refused(guard.as_ref()) {
            let refuse = |reason| StorageError { what: StorageAccess::Write, reason };
            let database = self.try_open().map_err(refuse)?.map_err(|it| refuse(it.to_string()))?;
            *guard = Some(OpenDatabase::of(database, None));
        }
        Ok(())
    }

    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError> {
        self.check_writable()?;
        let mut stopped = None;
        self.with(StorageAccess::Write, |opened| {
            let database = &opened.database;
            // Immediate durability is redb's default: `commit` returns after the flush.
            let transaction = database.begin_write()?;
            let mut tables = Vec::with_capacity(Table::ALL.len());
            for table in Table::ALL {
                tables.push(transaction.open_table(definition(table))?);
            }
            let mut live_bytes = LiveBytes::of(&transaction)?;
            for change in batch {
                match change {
                    Ok(Change::Put(table, key, row)) => {
                        let before =
                            tables[table as usize].insert(key.as_slice(), row.as_slice())?;
                        live_bytes.subtract(&key, before.map(|row| row.value().len()));
                        live_bytes.add(&key, row.len());
                    }
                    Ok(Change::Delete(table, key)) => {
                        let before = tables[table as usize].remove(key.as_slice())?;
                        live_bytes.subtract(&key, before.map(|row| row.value().len()));
                    }
                    Ok(Change::Clear(table, prefix)) => {
                        let end = end_of(&prefix);
                        let rows = (Bound::Included(prefix.as_slice()), end_bound(end.as_deref()));
                        tables[table as usize].retain_in::<&[u8], _>(rows, |key, row| {
                            live_bytes.subtract(key, Some(row.len()));
                            false
                        })?;
                    }
                    Err(error) => {
                        // A dropped transaction leaves nothing.
                        stopped = Some(error);
                        return Ok(());
                    }
                }
            }
            drop(tables);
            let live_bytes = live_bytes.write()?;
            transaction.commit()?;
            if let (Some(counted), Some(bytes)) = (&opened.live_bytes, live_bytes) {
                counted.store(bytes, Ordering::Relaxed);
            }
            Ok(())
        })?;
        stopped.map_or(Ok(()), Err)
    }
}

/// A read transaction of the file, which stays open until it ends.
struct RedbSnapshot<'a> {
    storage: &'a RedbStorage,
    /// The transaction ends before the file is released. `None` after a failure.
    open: RefCell<Option<(OpenTransaction, RwLockReadGuard<'a, Option<OpenDatabase>>)>>,
}

impl Snapshot for RedbSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let mut open = self.open.borrow_mut();
        let row = match &*open {
            Some((transaction, _)) => contained(|| transaction.get(table, key)),
            None => Err("the snapshot has failed before".to_owned()),
        };
        row.map_err(|reason| {
            let failed = open.take();
            // Ending it may fail for the same reason.
            let _ = contained(|| {
                drop(failed);
                Ok(())
            });
            self.storage.failed(StorageAccess::Read, reason)
        })
    }
}

#[cfg(test)]
mod tests;
