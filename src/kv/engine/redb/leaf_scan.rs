//! Scan for leaf pages whose parents are destroyed, and the proof that their rows are those of the last commit.
//!
//! The checksum of a page stands in its parent alone, and freed pages stay in the file: a leaf without a parent
//! may be an old one. The other table of records decides. Both tables have the same keys, and both rows of a
//! record begin with the same [`PAIR_BYTES`] bytes, which are of one write. A leaf is taken when its keys are
//! consecutive keys of the other table, whose pages match their checksums, and each of its rows begins as the
//! row there: then no row of it was written, removed or added since.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::kv::engine::redb::page_format::{Node, PAGE_BYTES, RowPlace, leaf_length};
use crate::kv::engine::storage::{LostRange, PAIR_BYTES, ROW_MOST};

/// The longest leaf that is read, in bytes: one row of the largest size, and its key.
const LEAF_MOST: usize = ROW_MOST + PAGE_BYTES;

/// Rows by their keys.
pub(crate) type PlacedRows = BTreeMap<Vec<u8>, RowPlace>;

/// One scan for the rows of a table.
pub(crate) struct LeafScan<'a> {
    pub(crate) file: &'a File,
    /// Pages that are known and are not as they stand in the file, by their first byte.
    pub(crate) restored: &'a BTreeMap<u64, Vec<u8>>,
    /// The keys that lost rows of the table may have.
    pub(crate) lost: &'a [LostRange],
    /// The keys of which the other table proves nothing.
    pub(crate) unproven: &'a [LostRange],
    /// The rows of the other table.
    pub(crate) other: &'a PlacedRows,
}

impl LeafScan<'_> {
    /// The lost rows that are found and proven. Two rows of one write that differ, of which one can be that of a
    /// commit that a crash cut short, prove neither.
    ///
    /// # Errors
    /// When the length of the file cannot be read.
    pub(crate) fn rows(&self) -> io::Result<PlacedRows> {
        let length = self.file.metadata()?.len();
        let mut found = PlacedRows::new();
        let mut ambiguous = BTreeSet::new();
        for start in (PAGE_BYTES as u64..length).step_by(PAGE_BYTES) {
            let rows = self.leaf(start, length).and_then(|leaf| self.proven(start, &leaf));
            for (key, place) in rows.unwrap_or_default() {
                match found.entry(key) {
                    btree_map::Entry::Vacant(entry) => {
                        entry.insert(place);
                    }
                    btree_map::Entry::Occupied(entry) if self.are_equal(*entry.get(), place) => {}
                    btree_map::Entry::Occupied(entry) => {
                        ambiguous.insert(entry.key().clone());
                    }
                }
            }
        }
        found.retain(|key, _| !ambiguous.contains(key));
        Ok(found)
    }

    /// The leaf that begins at this byte, if there may be one; all of its rows have to be proven.
    fn leaf(&self, start: u64, length: u64) -> Option<Vec<u8>> {
        if self.restored.contains_key(&start) {
            return None;
        }
        let mut page = vec![0; PAGE_BYTES];
        self.file.read_exact_at(&mut page, start).ok()?;
        let leaf = leaf_length(&page).filter(|leaf| *leaf <= LEAF_MOST)?;
        if start.checked_add(leaf as u64)? > length {
            return None;
        }
        if leaf > PAGE_BYTES {
            page.resize(leaf, 0);
            self.file.read_exact_at(&mut page, start).ok()?;
        }
        Some(page)
    }

    /// The rows of a leaf that the other table proves; `None` when it does not prove all of them.
    fn proven(&self, start: u64, leaf: &[u8]) -> Option<Vec<(Vec<u8>, RowPlace)>> {
        let Node::Leaf(pairs) = Node::read(leaf)? else { return None };
        let first = leaf.get(pairs.first()?.0.clone())?;
        let last = leaf.get(pairs.last()?.0.clone())?;
        if !self.lost.iter().any(|range| range.contains(first) && range.contains(last))
            || self.unproven.iter().any(|range| range.meets_any_of(first, last))
        {
            return None;
        }
        let mut others = self.other.range(first.to_vec()..);
        pairs
            .into_iter()
            .map(|(key, row)| {
                let (other_key, other) = others.next()?;
                let is_pair =
                    leaf.get(key)? == other_key && self.is_pair(leaf.get(row.clone())?, *other);
                let place = RowPlace { page: start, at: row.start, len: row.len() };
                is_pair.then(|| (other_key.clone(), place))
            })
            .collect()
    }

    /// Whether a row is of the same write as the other table's, and not a copy of that.
    fn is_pair(&self, row: &[u8], other: RowPlace) -> bool {
        let begins_as = other.beginning(PAIR_BYTES).read(self.file, self.restored);
        begins_as.is_ok_and(|other| other.len() == PAIR_BYTES && row.starts_with(&other))
            && (row.len() != other.len
                || other.read(self.file, self.restored).is_ok_and(|other| row != other))
    }

    fn are_equal(&self, one: RowPlace, other: RowPlace) -> bool {
        let read = |place: RowPlace| place.read(self.file, self.restored);
        one.len == other.len
            && read(one).is_ok_and(|one| read(other).is_ok_and(|other| one == other))
    }
}
