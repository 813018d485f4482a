//! Where rows are in etcd.

use crate::kv::engine::prefix_end;
use crate::kv::engine::storage::Table;

/// The keys below one prefix.
#[derive(Debug, Clone)]
pub(super) struct Layout(Vec<u8>);

impl Layout {
    pub(super) fn below(prefix: &str) -> Self {
        Self(prefix.as_bytes().to_vec())
    }

    fn at(&self, parts: &[&[u8]]) -> Vec<u8> {
        [self.0.as_slice(), &parts.concat()].concat()
    }

    /// The key of a row.
    pub(super) fn row(&self, table: Table, key: &[u8]) -> Vec<u8> {
        self.at(&[of_table(table), key])
    }

    /// The key of the row that is at a place of etcd.
    pub(super) fn key<'a>(&self, table: Table, place: &'a [u8]) -> &'a [u8] {
        place.get(self.0.len() + of_table(table).len()..).unwrap_or_default()
    }

    /// The table and the key of a row that is watched; `None` for what is no row.
    pub(super) fn watched_row<'a>(&self, place: &'a [u8]) -> Option<(Table, &'a [u8])> {
        let below = place.strip_prefix(self.0.as_slice())?;
        [Table::Entries, Table::Sums, Table::Store]
            .into_iter()
            .find_map(|table| Some((table, below.strip_prefix(of_table(table))?)))
    }

    /// The prefix of all that is watched.
    pub(super) fn watched(&self) -> Vec<u8> {
        self.at(&[b"i/"])
    }

    /// The prefix of the keys that commits of the nodes write.
    pub(super) fn nodes(&self) -> Vec<u8> {
        self.at(&[b"i/c"])
    }

    /// The key that commits of a node write.
    pub(super) fn node(&self, number: u16) -> Vec<u8> {
        self.at(&[b"i/c", &number.to_be_bytes()])
    }

    /// The prefix of the pieces of all rows whose keys begin so.
    pub(super) fn pieces_below(&self, prefix: &[u8]) -> Vec<u8> {
        self.at(&[b"p/", prefix])
    }

    /// The prefix of the pieces of a row.
    pub(super) fn pieces(&self, key: &[u8]) -> Vec<u8> {
        self.at(&[b"p/", key, b"/"])
    }

    /// The key of one piece.
    pub(super) fn piece(&self, key: &[u8], id: &[u8], number: u32) -> Vec<u8> {
        self.at(&[b"p/", key, b"/", id, &number.to_be_bytes()])
    }

    /// The two ranges of the pieces of a row that do not have this id.
    pub(super) fn other_pieces(&self, key: &[u8], id: &[u8]) -> [(Vec<u8>, Vec<u8>); 2] {
        let (all, own) = (self.pieces(key), self.at(&[b"p/", key, b"/", id]));
        [(all.clone(), own.clone()), (end_of(&own), end_of(&all))]
    }
}

fn of_table(table: Table) -> &'static [u8] {
    match table {
        Table::Values => b"v/",
        Table::Entries => b"i/e",
        Table::Sums => b"i/s",
        Table::Store => b"i/m",
    }
}

/// The next key after a key.
pub(super) fn next(place: &[u8]) -> Vec<u8> {
    [place, &[0]].concat()
}

/// The first key after all that begin with a prefix.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    prefix_end::end_of(prefix).expect("a part of each prefix is a letter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_row_is_found_at_its_place() {
        let layout = Layout::below("lavawall/");
        for table in [Table::Entries, Table::Sums, Table::Store] {
            let place = layout.row(table, b"key");
            assert!(place.starts_with(&layout.watched()));
            assert_eq!(layout.watched_row(&place), Some((table, b"key".as_slice())));
            assert_eq!(layout.key(table, &place), b"key");
        }
        assert!(!layout.row(Table::Values, b"key").starts_with(&layout.watched()));
        for place in [layout.node(1), layout.row(Table::Values, b"key"), b"other/i/ekey".to_vec()] {
            assert_eq!(layout.watched_row(&place), None);
        }
        assert!(layout.node(1).starts_with(&layout.nodes()));
    }

    #[test]
    fn other_pieces_of_a_row_are_all_but_those_of_one_id() {
        let layout = Layout::below("");
        let ranges = layout.other_pieces(b"key", &[7, 255]);
        let is_other = |key: &[u8], id: &[u8]| {
            let place = layout.piece(key, id, 3);
            ranges.iter().any(|(from, end)| (from..end).contains(&&place))
        };
        assert!(!is_other(b"key", &[7, 255]));
        for id in [[0, 0], [7, 254], [8, 0], [255, 255]] {
            assert!(is_other(b"key", &id), "{id:?}");
            assert!(!is_other(b"kex", &id) && !is_other(b"key1", &id), "{id:?}");
        }
    }
}
