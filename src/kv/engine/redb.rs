//! Rows in one file, by redb: copy-on-write trees, one writer, a flush at the end of each batch.

mod file_format;
mod flushed_file;
mod leaf_scan;
mod live_bytes;
mod page_format;
mod panics;
mod read_only_file;
mod read_transaction;
mod read_turns;
mod salvage;
mod tables;

use std::cell::RefCell;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::redb::{Builder, Database, ReadableDatabase};
use parking_lot::{RwLock, RwLockReadGuard};

use crate::durable;
use crate::kv::engine::prefix_end::end_of;
use crate::kv::engine::storage::{
    Change, Changes, Row, RowWithin, Salvage, Snapshot, Storage, StorageAccess, StorageError,
    StorageSize, Table,
};
use flushed_file::FlushedFile;
use live_bytes::LiveBytes;
use panics::contained;
use read_only_file::ReadOnlyFile;
use read_transaction::OpenTransaction;
use read_turns::ReadTurns;
use salvage::SalvagedRows;
use tables::{definition, end_bound};

/// The suffix of the new file while it is written.
const DRAFT: &str = ".new";

/// Longer rows, in bytes, have a page of their own, which may be as long as the largest row.
const LARGE_ROW: usize = 1 << 20;

/// Keeps rows in a file that only its owner may read.
///
/// After a failure of the disk, redb refuses everything until the file is reopened; the next call reopens it,
/// so that a disk that was full for a while needs no restart. While the disk refuses writes, the file is
/// read all the same; each write tries it again.
///
/// Each time the file is opened, redb verifies the checksum of every page of its trees, and rebuilds the record
/// of free pages. A file that fails is salvaged, and can be read and not written until it is rebuilt. On pages
/// that are damaged later redb panics in some places; the panic is caught and returned as an error.
pub struct RedbStorage {
    path: PathBuf,
    cache_bytes: usize,
    /// `None` after a failure.
    opened: RwLock<Option<OpenFile>>,
    read_turns: ReadTurns,
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
}

/// The open file, or what is left of it.
enum OpenFile {
    /// redb has opened it.
    Sound(OpenDatabase),
    /// redb refuses it.
    Damaged(SalvagedRows),
}

impl OpenFile {
    /// Whether the disk refuses writes.
    fn is_refused(opened: Option<&Self>) -> bool {
        matches!(opened, Some(Self::Sound(OpenDatabase { refused: Some(_), .. })))
    }
}

/// Why redb does not open the file.
enum OpenFailure {
    /// The system's error.
    Io(io::Error),
    /// Another process has it.
    Locked(String),
    /// It is not as it was written.
    Damaged(String),
}

impl OpenFailure {
    fn reason(self) -> String {
        match self {
            Self::Io(error) => error.to_string(),
            Self::Locked(reason) | Self::Damaged(reason) => reason,
        }
    }
}

impl RedbStorage {
    /// Keeps rows in the file at `path`, which is opened, or made, at the first use. That reads the whole file.
    #[must_use]
    pub fn at(path: &Path, cache_bytes: usize) -> Self {
        Self {
            path: path.to_owned(),
            cache_bytes,
            opened: RwLock::new(None),
            read_turns: ReadTurns::default(),
        }
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
    ) -> Result<RwLockReadGuard<'_, Option<OpenFile>>, StorageError> {
        loop {
            let guard = self.opened.read();
            if guard.is_some() {
                return Ok(guard);
            }
            drop(guard);
            let mut guard = self.opened.write();
            if guard.is_none() {
                *guard =
                    Some(self.open_or_salvage().map_err(|reason| StorageError { what, reason })?);
            }
        }
    }

    /// Opens the file: read-only when the disk refuses writes, salvaged when it is damaged.
    fn open_or_salvage(&self) -> Result<OpenFile, String> {
        if let Some(refusal) = file_format::refusal(&self.path) {
            return Err(refusal);
        }
        // A crash during a repair may have left one; a disk that refuses that keeps it.
        let _ = durable::remove(&self.named(DRAFT));
        // redb would overwrite the last commit. On a read-only disk a refused write may have left pages in memory.
        if durable::check_writable(&self.path).is_ok()
            && let Some(rows) = SalvagedRows::of_last_commit(&self.path)
        {
            return Ok(OpenFile::Damaged(rows));
        }
        if !self.path.exists() {
            self.make()?;
        }
        let sound = |database, refused| Ok(OpenFile::Sound(OpenDatabase::of(database, refused)));
        let reason = match self.try_open() {
            Ok(database) => return sound(database, None),
            Err(OpenFailure::Locked(reason)) => return Err(reason),
            Err(OpenFailure::Damaged(reason)) => reason,
            Err(OpenFailure::Io(error)) => {
                let refused = error.to_string();
                let read = contained(|| {
                    let file = ReadOnlyFile::open(&self.path)?;
                    Ok(self.builder().create_with_backend(file)?)
                });
                if let Ok(database) = read {
                    return sound(database, Some(refused));
                }
                refused
            }
        };
        // When nothing can be salvaged, the first reason is the one to fix.
        SalvagedRows::read(&self.path, &reason).map(OpenFile::Damaged).map_err(|_| reason)
    }

    /// Makes the file, under another name first: a crash leaves none, or all of it.
    fn make(&self) -> Result<(), String> {
        let draft = self.named(DRAFT);
        contained(|| {
            drop(self.open_at(&draft)?);
            Ok(())
        })?;
        let named = std::fs::rename(&draft, &self.path);
        named.and_then(|()| durable::flush_name(&self.path)).map_err(|error| error.to_string())
    }

    /// Opens the file for writing.
    fn try_open(&self) -> Result<Database, OpenFailure> {
        let opened = contained(|| match self.open_at(&self.path) {
            Err(::redb::Error::Io(error)) => Ok(Err(OpenFailure::Io(error))),
            Err(error @ ::redb::Error::DatabaseAlreadyOpen) => {
                Ok(Err(OpenFailure::Locked(error.to_string())))
            }
            opened => opened.map(Ok),
        });
        opened.unwrap_or_else(|reason| Err(OpenFailure::Damaged(reason)))
    }

    fn builder(&self) -> Builder {
        let mut builder = Builder::new();
        // Else a write goes into a damaged tree, and the new checksums cover the damage.
        builder.set_check_integrity_on_open(true).set_cache_size(self.cache_bytes);
        builder
    }

    fn open_at(&self, path: &Path) -> Result<Database, ::redb::Error> {
        // Made here, since redb would make it readable by others.
        let file = durable::open(path, durable::private().read(true).write(true))?;
        let file = FlushedFile::of(file)?;
        let database = self.builder().create_with_backend(file)?;
        // Makes all tables: reading one that is absent would be an error.
        let transaction = database.begin_write()?;
        live_bytes::count(&transaction)?;
        for table in Table::ALL {
            transaction.open_table(definition(table))?;
        }
        transaction.commit()?;
        Ok(database)
    }

    /// Closes the file, so that the next call reopens it. That call waits: closing may still write, and must not
    /// change pages under a file that was reopened.
    fn abandon(&self) {
        let mut guard = self.opened.write();
        let opened = guard.take();
        // Closing may fail for the same reason.
        let _ = contained(|| {
            drop(opened);
            Ok(())
        });
    }

    /// Works on the file: with redb, or on the rows that were salvaged.
    fn with<T>(
        &self,
        what: StorageAccess,
        work: impl FnOnce(&OpenDatabase) -> Result<T, ::redb::Error>,
        salvaged: impl FnOnce(&SalvagedRows) -> io::Result<T>,
    ) -> Result<T, StorageError> {
        let failed = |reason| StorageError { what, reason };
        let guard = self.opened(what)?;
        let opened = match guard.as_ref().expect("it has just been opened") {
            OpenFile::Damaged(rows) => {
                return salvaged(rows).map_err(|error| failed(error.to_string()));
            }
            // The write would stay in memory.
            OpenFile::Sound(OpenDatabase { refused: Some(reason), .. })
                if what == StorageAccess::Write =>
            {
                return Err(failed(reason.clone()));
            }
            OpenFile::Sound(opened) => opened,
        };
        let result = contained(|| work(opened));
        drop(guard);
        result.map_err(|reason| self.failed(what, reason))
    }

    /// Closes the file after a failure; the caller has no guard of it.
    fn failed(&self, what: StorageAccess, reason: String) -> StorageError {
        self.abandon();
        StorageError { what, reason }
    }

    /// Makes the changes in one transaction; none when one of them is an error.
    fn apply(
        &self,
        opened: &OpenDatabase,
        batch: &mut Changes<'_>,
    ) -> Result<Option<StorageError>, ::redb::Error> {
        // Immediate durability is redb's default: `commit` returns after the flush.
        let transaction = opened.database.begin_write()?;
        let mut tables = Vec::with_capacity(Table::ALL.len());
        for table in Table::ALL {
            tables.push(transaction.open_table(definition(table))?);
        }
        let mut live_bytes = LiveBytes::of(&transaction)?;
        let mut turn = None;
        for change in batch {
            match change {
                Ok(Change::Put(table, key, row)) => {
                    if row.len() > LARGE_ROW {
                        // Its page is in memory again at the commit. The other turn is left to readers.
                        turn.get_or_insert_with(|| self.read_turns.take());
                        // Else the pages of the old row and of the new one are in memory.
                        let before = tables[table as usize].remove(key.as_slice())?;
                        live_bytes.subtract(&key, before.map(|row| row.value().len()));
                    }
                    let before = tables[table as usize].insert(key.as_slice(), row.as_slice())?;
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
                // A dropped transaction leaves nothing.
                Err(error) => return Ok(Some(error)),
            }
        }
        drop(tables);
        let live_bytes = live_bytes.write()?;
        transaction.commit()?;
        if let (Some(counted), Some(bytes)) = (&opened.live_bytes, live_bytes) {
            counted.store(bytes, Ordering::Relaxed);
        }
        Ok(None)
    }

    /// A path beside the file: its name with this suffix.
    fn named(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(suffix);
        self.path.with_file_name(name)
    }

    /// Writes the rows of a batch to a new file in place of the damaged one, which keeps another name.
    fn replace_file(&self, batch: &mut Changes<'_>, suffix: &str) -> Result<PathBuf, String> {
        let (draft, kept) = (self.named(DRAFT), self.named(suffix));
        let text = |error: io::Error| error.to_string();
        // Another repair may have left one.
        durable::remove(&draft).map_err(text)?;
        let made = contained(|| {
            let database = self.open_at(&draft)?;
            self.apply(&OpenDatabase::of(database, None), batch)
        });
        let made = match made {
            Ok(None) => std::fs::hard_link(&self.path, &kept).and_then(|()| {
                // The old name first: a crash leaves the damaged file, the new one, or both of its names.
                durable::flush_name(&kept)?;
                std::fs::rename(&draft, &self.path)?;
                durable::flush_name(&self.path)
            }),
            Ok(Some(error)) => Err(io::Error::other(error.reason)),
            Err(reason) => Err(io::Error::other(reason)),
        };
        made.map(|()| kept).map_err(|error| {
            // Best effort: the next repair removes it, too.
            let _ = durable::remove(&draft);
            error.to_string()
        })
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
        Ok(self.get_within(table, key, usize::MAX)?.and_then(RowWithin::row))
    }

    fn get_within(
        &self,
        table: Table,
        key: &[u8],
        most: usize,
    ) -> Result<Option<RowWithin>, StorageError> {
        self.with(
            StorageAccess::Read,
            |opened| {
                let _turn = self.read_turns.take();
                let table = opened.database.begin_read()?.open_table(definition(table))?;
                Ok(table.get(key)?.map(|row| RowWithin::copied(row.value(), most)))
            },
            |rows| Ok(rows.get(table, key)?.map(|row| RowWithin::checked(row, most))),
        )
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
        self.with(
            StorageAccess::Read,
            |opened| {
                let table = opened.database.begin_read()?.open_table(definition(table))?;
                let mut rows = Vec::new();
                let end = end_of(prefix);
                let range = (from, end_bound(end.as_deref()));
                for row in table.range::<&[u8]>(range)?.take(limit) {
                    let (key, row) = row?;
                    if !key.value().starts_with(prefix) {
                        return Err(out_of_place());
                    }
                    rows.push((key.value().to_vec(), row.value().to_vec()));
                }
                Ok(rows)
            },
            |rows| rows.scan(table, from, prefix, limit),
        )
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StorageError> {
        let opened = self.opened(StorageAccess::Read)?;
        let begun = match opened.as_ref().expect("it has just been opened") {
            // What was salvaged does not change.
            OpenFile::Damaged(_) => Ok(None),
            OpenFile::Sound(opened) => {
                contained(|| OpenTransaction::begin(&opened.database).map(Some))
            }
        };
        match begun {
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
        let OpenFile::Sound(OpenDatabase { live_bytes: Some(live_bytes), .. }) = opened.as_ref()?
        else {
            return None;
        };
        let live_bytes = live_bytes.load(Ordering::Relaxed);
        let file_bytes = self.path.metadata().ok()?.len();
        Some(StorageSize { live_bytes, file_bytes })
    }

    fn compact(&self) -> Result<(), StorageError> {
        let failed = |reason| StorageError { what: StorageAccess::Compact, reason };
        self.check_writable().map_err(|error| failed(error.reason))?;
        // No transaction is open while this is held.
        let mut guard = self.opened.write();
        let Some(OpenFile::Sound(opened @ OpenDatabase { refused: None, .. })) = guard.as_mut()
        else {
            return Err(failed("the disk refuses writes, or the file is damaged".to_owned()));
        };
        let compacted = contained(|| Ok(opened.database.compact()?));
        drop(guard);
        compacted.map(drop).map_err(|reason| self.failed(StorageAccess::Compact, reason))
    }

    fn check_writable(&self) -> Result<(), StorageError> {
        let refuse = |reason| StorageError { what: StorageAccess::Write, reason };
        if let Some(OpenFile::Damaged(rows)) = self.opened(StorageAccess::Write)?.as_ref() {
            return Err(refuse(rows.salvage().reason.clone()));
        }
        if !OpenFile::is_refused(self.opened(StorageAccess::Write)?.as_ref()) {
            if durable::check_writable(&self.path).is_ok() {
                return Ok(());
            }
            // Writes to a file that was open before would be lost.
            self.abandon();
            drop(self.opened(StorageAccess::Write)?);
        }
        let mut guard = self.opened.write();
        // Another call may have reopened it.
        if OpenFile::is_refused(guard.as_ref()) {
            durable::check_writable(&self.path).map_err(|it| refuse(it.to_string()))?;
            // An attempt that fails may have changed pages below the read-only view.
            *guard = None;
            let database = self.try_open().map_err(|failure| refuse(failure.reason()))?;
            *guard = Some(OpenFile::Sound(OpenDatabase::of(database, None)));
        }
        Ok(())
    }

    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError> {
        self.check_writable()?;
        let refuse = |rows: &SalvagedRows| Err(io::Error::other(rows.salvage().reason.clone()));
        let apply = |opened: &OpenDatabase| self.apply(opened, batch);
        let stopped = self.with(StorageAccess::Write, apply, refuse)?;
        stopped.map_or(Ok(()), Err)
    }

    fn salvaged(&self) -> Option<Arc<Salvage>> {
        match self.opened.read().as_ref() {
            Some(OpenFile::Damaged(rows)) => Some(rows.salvage()),
            _ => None,
        }
    }

    fn check_at_next_use(&self) {
        self.abandon();
    }

    fn salvage(&self, reason: &str) -> Result<(), StorageError> {
        let failed = |reason: &str| {
            let reason = reason.to_owned();
            StorageError { what: StorageAccess::Read, reason }
        };
        if self.salvaged().is_some() {
            return Err(failed(reason));
        }
        // Closed first: what is in memory alone is written.
        self.abandon();
        let mut guard = self.opened.write();
        let rows = SalvagedRows::read(&self.path, reason).map_err(|_| failed(reason))?;
        let salvage = rows.salvage();
        if salvage.lost_pages == 0 && salvage.restored_pages == 0 {
            return Err(failed(reason));
        }
        *guard = Some(OpenFile::Damaged(rows));
        Ok(())
    }

    fn take_commit_before(&self) -> Result<(), StorageError> {
        let mut guard = self.opened.write();
        let failed = |reason| StorageError { what: StorageAccess::Open, reason };
        let database = self.try_open().map_err(|failure| failed(failure.reason()))?;
        *guard = Some(OpenFile::Sound(OpenDatabase::of(database, None)));
        Ok(())
    }

    fn rebuild(&self, batch: &mut Changes<'_>, suffix: &str) -> Result<PathBuf, StorageError> {
        let failed = |reason| StorageError { what: StorageAccess::Write, reason };
        let kept = self.replace_file(batch, suffix).map_err(failed)?;
        // The next call opens the new file.
        self.abandon();
        drop(self.opened(StorageAccess::Open)?);
        Ok(kept)
    }
}

/// A tree has a key outside the range of keys that was asked for.
fn out_of_place() -> ::redb::Error {
    ::redb::Error::Corrupted("a key is out of place".to_owned())
}

/// The file, kept open while it is held.
type OpenFileGuard<'a> = RwLockReadGuard<'a, Option<OpenFile>>;

/// A read transaction of the file, which stays open until it ends.
struct RedbSnapshot<'a> {
    storage: &'a RedbStorage,
    /// The transaction, which ends before the file is released; none over salvaged rows. `None` after a failure.
    open: RefCell<Option<(Option<OpenTransaction>, OpenFileGuard<'a>)>>,
}

impl Snapshot for RedbSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.get_within(table, key, usize::MAX)?.and_then(RowWithin::row))
    }

    fn get_within(
        &self,
        table: Table,
        key: &[u8],
        most: usize,
    ) -> Result<Option<RowWithin>, StorageError> {
        let mut open = self.open.borrow_mut();
        let row = match &*open {
            Some((Some(transaction), _)) => {
                let _turn = self.storage.read_turns.take();
                contained(|| transaction.get_within(table, key, most))
            }
            Some((None, opened)) => match opened.as_ref() {
                Some(OpenFile::Damaged(rows)) => {
                    // The file stays as it is: what another page has can be read.
                    let row = rows.get(table, key).map_err(|error| StorageError {
                        what: StorageAccess::Read,
                        reason: error.to_string(),
                    })?;
                    return Ok(row.map(|row| RowWithin::checked(row, most)));
                }
                _ => Err("the snapshot has no transaction".to_owned()),
            },
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
