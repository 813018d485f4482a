//! The bytes of all rows, counted with each commit.

use ::redb::{Database, ReadableDatabase, ReadableTable, Table, TableError, WriteTransaction};

use super::tables::{FIGURES, LIVE_BYTES};

/// The count within a transaction.
pub(crate) struct LiveBytes<'a> {
    figures: Table<'a, &'static str, u64>,
    /// `None` when the rows were never counted.
    bytes: Option<u64>,
}

/// The count; `None` when there is none.
pub(crate) fn read(database: &Database) -> Result<Option<u64>, ::redb::Error> {
    match database.begin_read()?.open_table(FIGURES) {
        Ok(figures) => Ok(figures.get(LIVE_BYTES)?.map(|bytes| bytes.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Counts all rows, once, in a store that was made without the count. That reads the whole store.
pub(crate) fn count(transaction: &WriteTransaction) -> Result<(), ::redb::Error> {
    let is_counted = transaction.open_table(FIGURES)?.get(LIVE_BYTES)?.is_some();
    if !is_counted {
        let bytes = transaction.stats()?.stored_bytes();
        transaction.open_table(FIGURES)?.insert(LIVE_BYTES, bytes)?;
    }
    Ok(())
}

impl<'a> LiveBytes<'a> {
    /// The count before the changes of this transaction.
    pub(crate) fn of(transaction: &'a WriteTransaction) -> Result<Self, ::redb::Error> {
        let figures = transaction.open_table(FIGURES)?;
        let bytes = figures.get(LIVE_BYTES)?.map(|bytes| bytes.value());
        Ok(Self { figures, bytes })
    }

    /// Counts a row of this many bytes that is written.
    pub(crate) fn add(&mut self, key: &[u8], row: usize) {
        let row = (key.len() + row) as u64;
        self.bytes = self.bytes.map(|bytes| bytes.saturating_add(row));
    }

    /// Counts a row of this many bytes that is replaced or deleted, if there is one.
    pub(crate) fn subtract(&mut self, key: &[u8], row: Option<usize>) {
        let row = row.map_or(0, |row| key.len() + row) as u64;
        self.bytes = self.bytes.map(|bytes| bytes.saturating_sub(row));
    }

    /// Writes the count; returns it.
    pub(crate) fn write(mut self) -> Result<Option<u64>, ::redb::Error> {
        if let Some(bytes) = self.bytes {
            self.figures.insert(LIVE_BYTES, bytes)?;
        }
        Ok(self.bytes)
    }
}
