//! A read transaction of redb, with its tables.

use std::cell::OnceCell;

use ::redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase};

use super::tables::definition;
use crate::kv::engine::storage::{RowWithin, Table};

/// All rows as they were after one commit.
pub(crate) struct OpenTransaction {
    /// Opened at their first use.
    tables: [OnceCell<ReadOnlyTable<&'static [u8], &'static [u8]>>; Table::ALL.len()],
    transaction: ReadTransaction,
}

impl OpenTransaction {
    pub(crate) fn begin(database: &Database) -> Result<Self, ::redb::Error> {
        Ok(Self { tables: Default::default(), transaction: database.begin_read()? })
    }

    pub(crate) fn get_within(
        &self,
        table: Table,
        key: &[u8],
        most: usize,
    ) -> Result<Option<RowWithin>, ::redb::Error> {
        let place = &self.tables[table as usize];
        let table = if let Some(table) = place.get() {
            table
        } else {
            let opened = self.transaction.open_table(definition(table))?;
            place.get_or_init(|| opened)
        };
        Ok(table.get(key)?.map(|row| RowWithin::copied(row.value(), most)))
    }
}
