//! The names of redb's tables, and bounds of ranges of keys.

use std::ops::Bound;

use ::redb::TableDefinition;

use crate::kv::engine::storage::Table;

/// A table of redb.
type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

pub(crate) fn end_bound(end: Option<&[u8]>) -> Bound<&[u8]> {
    end.map_or(Bound::Unbounded, Bound::Excluded)
}

pub(crate) fn definition(table: Table) -> Definition {
    TableDefinition::new(match table {
        Table::Values => "values",
        Table::Entries => "entries",
        Table::Sums => "sums",
        Table::Store => "store",
    })
}

/// Figures about the rows.
pub(crate) const FIGURES: TableDefinition<'static, &'static str, u64> =
    TableDefinition::new("figures");

/// The figure of the bytes of all rows, keys included.
pub(crate) const LIVE_BYTES: &str = "live-bytes";
