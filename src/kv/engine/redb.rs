//! Rows in one file, by redb: copy-on-write trees, one writer, a flush at the end of each batch.

mod reading;
mod writing;

use std::any::Any;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use ::redb::{Builder, Database, ReadableDatabase, TableDefinition};

use crate::durable;
use crate::kv::engine::{Access, Change, Changes, Row, Storage, StorageError, Table};
use reading::Reading;
use writing::Writing;

/// Rows of one kind.
type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Keeps rows in a file that only its owner may read.
///
/// After the disk has failed it once, redb refuses everything until the file is opened anew; that is
/// done at the next call, so that a disk that was full for a while is no reason for a restart. While the
/// disk takes nothing the file is read all the same; each call that writes tries it again.
///
/// On pages that are not what it wrote redb panics here and there; that is caught, and is an error like
/// any other.
pub struct RedbStorage {
    path: PathBuf,
    cache_bytes: usize,
    /// `None` after a failure.
    opened: RwLock<Option<Opened>>,
}

/// The file, opened.
struct Opened {
    database: Database,
    /// Why it is only read, if it is.
    refused: Option<String>,
}

impl Opened {
    fn is_refused(opened: Option<&Self>) -> bool {
        opened.is_some_and(|opened| opened.refused.is_some())
    }
}

impl RedbStorage {
    /// Keeps rows in the file at `path`, which is opened, or made, when it is first needed. After a
    /// crash that goes through the whole file.
    #[must_use]
    pub fn at(path: &Path, cache_bytes: usize) -> Self {
        Self { path: path.to_owned(), cache_bytes, opened: RwLock::new(None) }
    }

    /// As [`RedbStorage::at`], and opens the file now.
    ///
    /// # Errors
    /// When the system does not allow it, or the file is no store, or damaged.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        let storage = Self::at(path, cache_bytes);
        drop(storage.opened(Access::Open)?);
        Ok(storage)
    }

    /// The file, opened if it has to be.
    fn opened(&self, what: Access) -> Result<RwLockReadGuard<'_, Option<Opened>>, StorageError> {
        loop {
            let guard = self.opened.read().unwrap_or_else(PoisonError::into_inner);
            if guard.is_some() {
                return Ok(guard);
            }
            drop(guard);
            let mut guard = self.opened.write().unwrap_or_else(PoisonError::into_inner);
            if guard.is_none() {
                *guard = Some(self.open_somehow().map_err(|reason| StorageError { what, reason })?);
            }
        }
    }

    /// Opens the file, to be read alone when the disk does not let it be written.
    fn open_somehow(&self) -> Result<Opened, String> {
        let refused = match self.try_open()? {
            Ok(database) => return Ok(Opened { database, refused: None }),
            Err(error) => error.to_string(),
        };
        let read = contained(|| {
            let file = Reading::open(&self.path)?;
            Ok(Builder::new().set_cache_size(self.cache_bytes).create_with_backend(file)?)
        });
        match read {
            Ok(database) => Ok(Opened { database, refused: Some(refused) }),
            // The first reason is the one to mend.
            Err(_) => Err(refused),
        }
    }

    /// Opens the file to be written; within, what the system said against it.
    fn try_open(&self) -> Result<io::Result<Database>, String> {
        contained(|| match self.open_file() {
            Err(::redb::Error::Io(error)) => Ok(Err(error)),
            opened => opened.map(Ok),
        })
    }

    fn open_file(&self) -> Result<Database, ::redb::Error> {
        // Made here, since redb would make it readable by others.
        let file = durable::open(&self.path, durable::private().read(true).write(true))?;
        let file = Writing::of(file)?;
        let database = Builder::new().set_cache_size(self.cache_bytes).create_with_backend(file)?;
        // All tables are there from the start: reading one that is not would be an error.
        let transaction = database.begin_write()?;
        for table in Table::ALL {
            transaction.open_table(definition(table))?;
        }
        transaction.commit()?;
        Ok(database)
    }

    /// Closes the file, so that it is opened anew.
    fn abandon(&self) {
        let opened = self.opened.write().unwrap_or_else(PoisonError::into_inner).take();
        // Closing writes, and may fail for the same reason.
        let _ = contained(|| {
            drop(opened);
            Ok(())
        });
    }

    fn with<T>(
        &self,
        what: Access,
        work: impl FnOnce(&Database) -> Result<T, ::redb::Error>,
    ) -> Result<T, StorageError> {
        let guard = self.opened(what)?;
        let opened = guard.as_ref().expect("it has just been opened");
        if let Some(reason) = opened.refused.as_ref().filter(|_| what == Access::Write) {
            // It would stay in memory.
            return Err(StorageError { what, reason: reason.clone() });
        }
        let result = contained(|| work(&opened.database));
        drop(guard);
        result.map_err(|reason| {
            self.abandon();
            StorageError { what, reason }
        })
    }
}

impl Storage for RedbStorage {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.with(Access::Read, |database| {
            let table = database.begin_read()?.open_table(definition(table))?;
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
        self.with(Access::Read, |database| {
            let table = database.begin_read()?.open_table(definition(table))?;
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

    fn check_writable(&self) -> Result<(), StorageError> {
        if !Opened::is_refused(self.opened(Access::Write)?.as_ref()) {
            if durable::check_writable(&self.path).is_ok() {
                return Ok(());
            }
            // Files that were open before take what is written, and it goes nowhere.
            self.abandon();
            drop(self.opened(Access::Write)?);
        }
        let mut guard = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        // Another call may have been first.
        if Opened::is_refused(guard.as_ref()) {
            let refuse = |reason| StorageError { what: Access::Write, reason };
            let database = self.try_open().map_err(refuse)?.map_err(|it| refuse(it.to_string()))?;
            *guard = Some(Opened { database, refused: None });
        }
        Ok(())
    }

    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError> {
        self.check_writable()?;
        let mut stopped = None;
        self.with(Access::Write, |database| {
            // Immediate durability is redb's default: `commit` returns after the flush.
            let transaction = database.begin_write()?;
            let mut tables = Vec::with_capacity(Table::ALL.len());
            for table in Table::ALL {
                tables.push(transaction.open_table(definition(table))?);
            }
            for change in batch {
                match change {
                    Ok(Change::Put(table, key, row)) => {
                        tables[table as usize].insert(key.as_slice(), row.as_slice())?;
                    }
                    Ok(Change::Delete(table, key)) => {
                        tables[table as usize].remove(key.as_slice())?;
                    }
                    Ok(Change::Clear(table, prefix)) => {
                        let end = end_of(&prefix);
                        let rows = (Bound::Included(prefix.as_slice()), bound(end.as_deref()));
                        tables[table as usize].retain_in::<&[u8], _>(rows, |_, _| false)?;
                    }
                    Err(error) => {
                        // A transaction that is dropped leaves nothing.
                        stopped = Some(error);
                        return Ok(());
                    }
                }
            }
            drop(tables);
            transaction.commit()?;
            Ok(())
        })?;
        stopped.map_or(Ok(()), Err)
    }
}

/// The first key after all that begin with `prefix`; `None` when there is none.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end)
}

fn bound(end: Option<&[u8]>) -> Bound<&[u8]> {
    end.map_or(Bound::Unbounded, Bound::Excluded)
}

fn definition(table: Table) -> Definition {
    TableDefinition::new(match table {
        Table::Values => "values",
        Table::Entries => "entries",
        Table::Sums => "sums",
        Table::Store => "store",
    })
}

/// Does `work`; gives why it failed. Whatever a panic leaves behind must be thrown away.
fn contained<T>(work: impl FnOnce() -> Result<T, ::redb::Error>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("its file is damaged: {}", message(&*panic))),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_file_belongs_to_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("store");
        RedbStorage::open(&path, 1 << 20).expect("opened");
        let mode = path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }

    #[test]
    fn a_file_that_may_not_be_written_is_read_and_is_written_again_once_it_may() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("store");
        let put = |row: &str| {
            std::iter::once(Ok(Change::Put(Table::Values, b"key".to_vec(), row.into())))
        };
        let storage = RedbStorage::open(&path, 1 << 20).expect("opened");
        storage.commit(&mut put("first")).expect("written");
        let read = |storage: &RedbStorage| storage.get(Table::Values, b"key").expect("readable");
        // As after a crash: closing would tidy up, and it may not.
        let crashed = std::fs::read(&path).expect("there");
        drop(storage);
        std::fs::write(&path, &crashed).expect("written");
        // As after a write that a read-only disk refused, which tests/disk has the system do.
        let storage = RedbStorage::at(&path, 1 << 20);
        *storage.opened.write().expect("alone") = Some(Opened {
            database: Builder::new()
                .create_with_backend(Reading::open(&path).expect("readable"))
                .expect("mended in memory"),
            refused: Some("a test says so".to_owned()),
        });
        assert_eq!(read(&storage).as_deref(), Some(b"first".as_slice()));
        let refused = storage.with(Access::Write, |_| Ok(())).expect_err("it would stay in memory");
        assert_eq!(refused.to_string(), "the store cannot write: a test says so");
        assert_eq!(std::fs::read(&path).expect("there"), crashed, "nothing was written");
        storage.commit(&mut put("second")).expect("it may be written again");
        drop(storage);
        let again = RedbStorage::open(&path, 1 << 20).expect("opened");
        assert_eq!(read(&again).as_deref(), Some(b"second".as_slice()));
    }

    #[test]
    fn what_is_no_store_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("store");
        std::fs::write(&path, "something else entirely").expect("written");
        assert!(RedbStorage::open(&path, 1 << 20).is_err());
        assert_eq!(std::fs::read(&path).expect("there"), b"something else entirely");
    }

    #[test]
    fn the_end_of_a_prefix_is_the_first_key_without_it() {
        assert_eq!(end_of(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(end_of(&[1, 0xff]), Some(vec![2]));
        assert_eq!(end_of(&[0xff, 0xff]), None);
        assert_eq!(end_of(b""), None);
    }
}
