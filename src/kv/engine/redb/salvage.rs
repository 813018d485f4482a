//! Salvage: the rows of a damaged file that are certain to be those of its last commit.
//!
//! redb opens no file in which one page of a tree does not match its checksum. The salvage walks the same trees
//! by itself, from the root of a commit, and follows a child only when it matches the checksum that its parent
//! has: every row that it finds is the last one of its key, and none is a leftover. A page of which one
//! byte was changed is restored. Rows below other damaged pages are searched for in the rest of the file, where the
//! other table of records tells those of the last commit from old ones. What is not found is lost, and its keys,
//! or the ranges of them, are known.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::{Bound, Range};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::durable;
use crate::kv::engine::redb::leaf_scan::{LeafScan, PlacedRows};
use crate::kv::engine::redb::page_format::{
    CommitSlot, Node, PAGE_BYTES, PageRef, RowPlace, TableRoot, doubtful_last_slot, slots,
};
use crate::kv::engine::redb::tables::definition;
use crate::kv::engine::storage::{LostRange, Row, Salvage, Table};
use ::redb::TableHandle;

/// Levels of a tree. A branch has at least two children, and a file at most 2^40 pages.
const DEPTH_MOST: usize = 40;

/// The bytes that are hashed at most in search of changed bytes: some seconds. A page of 4 KiB takes 4 GiB when
/// more than one byte of it was changed.
const SEARCH_BYTES: u64 = 20 << 30;

/// The rows of a damaged file, which is read and not written.
pub(crate) struct SalvagedRows {
    file: File,
    /// Restored pages, by their first byte.
    restored: BTreeMap<u64, Vec<u8>>,
    /// For each table, the place of each row.
    rows: [PlacedRows; Table::ALL.len()],
    salvage: Arc<Salvage>,
}

/// One walk through the trees of a commit.
struct Walk<'a> {
    file: &'a File,
    budget: u64,
    restored: BTreeMap<u64, Vec<u8>>,
    lost_pages: usize,
    lost: Vec<LostRange>,
}

/// Takes a row: its page, the page's place in the file, and the places of key and value in the page.
type Visitor<'a> = dyn FnMut(&[u8], u64, Range<usize>, Range<usize>) + 'a;

/// Keys after the first and up to the second.
type KeyRange = (Option<Vec<u8>>, Option<Vec<u8>>);

impl SalvagedRows {
    /// Reads what is certain of the file at `path`, of which `reason` says what is wrong.
    ///
    /// # Errors
    /// The system's error, or that no root is left.
    pub(crate) fn read(path: &Path, reason: &str) -> io::Result<Self> {
        let (file, header) = open(path)?;
        let mut best: Option<Self> = None;
        for slot in slots(&header) {
            let found = Self::of_commit(file.try_clone()?, slot, reason, true);
            let is_better = best.as_ref().is_none_or(|best| found.loss() < best.loss());
            if is_better {
                best = Some(found);
            }
            if best.as_ref().is_some_and(|best| best.loss() == 0) {
                break;
            }
        }
        best.ok_or_else(|| io::Error::other("no root is left in it"))
    }

    /// Reads the last commit of the file at `path`, when all of it is there and redb would take the one before:
    /// a byte of it was changed, or of the head. After a crash that reads the whole file.
    pub(crate) fn of_last_commit(path: &Path) -> Option<Self> {
        let (file, header) = open(path).ok()?;
        let (slot, is_head_damaged) = doubtful_last_slot(&header)?;
        let reason = "bytes of its last commit were changed";
        let found = Self::of_commit(file.try_clone().ok()?, slot, reason, false);
        let Salvage { lost_pages, restored_pages, .. } = &*found.salvage;
        let is_damaged = is_head_damaged || *restored_pages > 0 || *lost_pages > 0;
        // Of a commit that the crash cut short rows are missing as well: redb takes the one before.
        let found = is_damaged.then(|| Self::of_commit(file, slot, reason, true));
        let mut found = found.filter(|found| found.salvage.is_complete())?;
        Arc::make_mut(&mut found.salvage).may_be_cut_short =
            found.salvage.lost_pages > 0 && !is_head_damaged;
        Some(found)
    }

    /// The lost pages, unless every row is there.
    fn loss(&self) -> usize {
        if self.salvage.is_complete() { 0 } else { self.salvage.lost_pages }
    }

    /// Walks the trees of a commit. Without `keeps_rows` only the damage is found, in memory of a fixed size.
    fn of_commit(file: File, slot: CommitSlot, reason: &str, keeps_rows: bool) -> Self {
        let mut walk = Walk {
            file: &file,
            budget: SEARCH_BYTES,
            restored: BTreeMap::new(),
            lost_pages: 0,
            lost: Vec::new(),
        };
        let mut roots = BTreeMap::new();
        let all = walk.visit(slot.root, (None, None), 0, &mut |page, _, key, value| {
            roots.insert(page[key].to_vec(), TableRoot::read(&page[value]));
        });
        let mut rows: [PlacedRows; Table::ALL.len()] = Default::default();
        for table in Table::ALL {
            let name = definition(table).name().as_bytes().to_vec();
            let root = roots.get(&name).copied().flatten();
            let is_lost = all.iter().any(|range| is_within(&name, range));
            let lost = match root {
                Some(TableRoot::Page(root)) => {
                    let rows = &mut rows[table as usize];
                    walk.visit(root, (None, None), 0, &mut |page, start, key, value| {
                        if !keeps_rows {
                            return;
                        }
                        let place = RowPlace { page: start, at: value.start, len: value.len() };
                        rows.insert(page[key].to_vec(), place);
                    })
                }
                Some(TableRoot::Empty) => Vec::new(),
                // A table that the commit does not have yet is empty.
                None if !is_lost && !roots.contains_key(&name) => Vec::new(),
                None => vec![(None, None)],
            };
            let ranges = lost.into_iter();
            walk.lost.extend(ranges.map(|(after, until)| LostRange { table, after, until }));
        }
        let Walk { restored, lost_pages, lost, .. } = walk;
        let found_rows = if keeps_rows { add_found(&file, &restored, &mut rows, &lost) } else { 0 };
        let values = &rows[Table::Values as usize];
        let entries = &rows[Table::Entries as usize];
        let unpaired = values.keys().filter(|key| !entries.contains_key(*key));
        let unpaired = unpaired.chain(entries.keys().filter(|key| !values.contains_key(*key)));
        let unpaired = unpaired.cloned().collect();
        let salvage = Salvage {
            reason: reason.to_owned(),
            restored_pages: restored.len(),
            lost_pages,
            may_be_cut_short: false,
            found_rows,
            lost: unknown(&lost),
            unpaired,
        };
        Self { file, restored, rows, salvage: Arc::new(salvage) }
    }

    /// The extent of the damage.
    pub(crate) fn salvage(&self) -> Arc<Salvage> {
        Arc::clone(&self.salvage)
    }

    /// The row at a key.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.rows[table as usize].get(key).map(|place| self.row(*place)).transpose()
    }

    /// Rows in the order of their keys, from this bound on.
    pub(crate) fn scan(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        prefix: &[u8],
        limit: usize,
    ) -> io::Result<Vec<Row>> {
        let rows = self.rows[table as usize].range::<[u8], _>((from, Bound::Unbounded));
        let rows = rows.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        rows.map(|(key, place)| Ok((key.clone(), self.row(*place)?))).collect()
    }

    fn row(&self, place: RowPlace) -> io::Result<Vec<u8>> {
        place.read(&self.file, &self.restored)
    }
}

/// The two tables that have the same keys: those of all records.
const PAIRED: [Table; 2] = [Table::Values, Table::Entries];

/// Adds the lost rows that are found elsewhere in the file and that the other table of records proves. Returns
/// their number.
fn add_found(
    file: &File,
    restored: &BTreeMap<u64, Vec<u8>>,
    rows: &mut [PlacedRows; Table::ALL.len()],
    lost: &[LostRange],
) -> usize {
    let of = |table| -> Vec<_> { lost.iter().filter(|it| it.table == table).cloned().collect() };
    let [values, entries] = PAIRED.map(of);
    let scans = [
        (Table::Values, &values, Table::Entries, &entries),
        (Table::Entries, &entries, Table::Values, &values),
    ];
    let found = scans.map(|(table, lost, other, unproven)| {
        let other = &rows[other as usize];
        let scan = LeafScan { file, restored, lost, unproven, other };
        // A file whose length cannot be read gives nothing more.
        let found = if lost.is_empty() { Ok(PlacedRows::new()) } else { scan.rows() };
        (table, found.unwrap_or_default())
    });
    let number = found.iter().map(|(_, found)| found.len()).sum();
    for (table, found) in found {
        rows[table as usize].extend(found);
    }
    number
}

/// The lost ranges without those of one table of records over which the other is whole: that one has every key.
fn unknown(lost: &[LostRange]) -> Vec<LostRange> {
    let is_known = |range: &LostRange| {
        PAIRED.contains(&range.table)
            && !lost.iter().any(|other| {
                PAIRED.contains(&other.table) && other.table != range.table && other.overlaps(range)
            })
    };
    lost.iter().filter(|range| !is_known(range)).cloned().collect()
}

fn open(path: &Path) -> io::Result<(File, [u8; PAGE_BYTES])> {
    let file = durable::open(path, OpenOptions::new().read(true))?;
    let mut header = [0; PAGE_BYTES];
    file.read_exact_at(&mut header, 0)?;
    Ok((file, header))
}

/// Whether a key is after the one and not after the other.
fn is_within(key: &[u8], (after, until): &KeyRange) -> bool {
    after.as_deref().is_none_or(|after| key > after)
        && until.as_deref().is_none_or(|until| key <= until)
}

impl Walk<'_> {
    /// Visits the rows of a subtree, whose keys are in this range. Returns the ranges that are lost.
    fn visit(
        &mut self,
        page: PageRef,
        range: KeyRange,
        depth: usize,
        visitor: &mut Visitor<'_>,
    ) -> Vec<KeyRange> {
        let bytes = self.page(page);
        let node = bytes.as_deref().filter(|_| depth < DEPTH_MOST).and_then(Node::read);
        match (bytes, node) {
            (Some(bytes), Some(Node::Leaf(pairs))) => {
                for (key, value) in pairs {
                    visitor(&bytes, page.start, key, value);
                }
                Vec::new()
            }
            (_, Some(Node::Branch(children))) => {
                let (mut after, end) = range;
                let mut lost = Vec::new();
                for (child, until) in children {
                    let until = until.or_else(|| end.clone());
                    lost.extend(self.visit(child, (after, until.clone()), depth + 1, visitor));
                    after = until;
                }
                lost
            }
            _ => {
                self.lost_pages += 1;
                vec![range]
            }
        }
    }

    /// A page as it was committed; `None` when it cannot be read or restored.
    fn page(&mut self, page: PageRef) -> Option<Vec<u8>> {
        let length = self.file.metadata().ok()?.len();
        // A file that was cut short is not read into memory of any size.
        if page.start.checked_add(page.len as u64)? > length {
            return None;
        }
        let mut bytes = vec![0; page.len];
        self.file.read_exact_at(&mut bytes, page.start).ok()?;
        if page.matches(&bytes) {
            return Some(bytes);
        }
        let restored = page.restored(&bytes, &mut self.budget)?;
        self.restored.insert(page.start, restored.clone());
        Some(restored)
    }
}
