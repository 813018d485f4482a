//! The names of redb's tables, and ranges of keys with a prefix.

use std::ops::Bound;

use ::redb::TableDefinition;

use crate::kv::engine::storage::Table;

/// A table of redb.
type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// The first key after all that begin with `prefix`; `None` when there is none.
pub(crate) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_first_key_without_it() {
        assert_eq!(end_of(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(end_of(&[1, 0xff]), Some(vec![2]));
        assert_eq!(end_of(&[0xff, 0xff]), None);
        assert_eq!(end_of(b""), None);
    }
}
