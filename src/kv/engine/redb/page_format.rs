//! redb's file format, version 3, as the salvage reads it (redb's `docs/design.md`).
//!
//! ```text
//! bytes 64 and 192 of the file: two slots of 128 bytes
//!   8  root page · checksum · length      104  transaction       112  checksum of the 112 bytes before
//! leaf:   1 · 0 · pairs:2 · ends of keys:4 each · ends of values:4 each · keys · values
//! branch: 2 · 0 · keys:2 · 0:4 · checksum:16 per child · page:8 per child · ends of keys:4 each · keys
//! page:   index:20 · region:20 · unused · order:5 bits; a page has 4096 << order bytes
//! ```
//! A checksum is XXH3-128 over a page's content. Each stands in the page's parent, so that a page which
//! matches is exactly the one that was committed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use twox_hash::XxHash3_128;

/// The size of a page of order 0 in bytes, and of the file's header.
pub(crate) const PAGE_BYTES: usize = 4096;

/// The pages of a region: 4 GiB, redb's default for files that it makes.
const REGION_PAGES: u64 = 1 << 20;

/// The largest order: a region of 2^20 pages.
const ORDER_MOST: u32 = 20;

/// The slots of the header.
const SLOTS: [Range<usize>; 2] = [64..192, 192..320];

/// The format that is read. A later one is refused, as redb refuses it.
const FORMAT: u8 = 3;

/// The place of redb's flags.
const FLAGS_AT: usize = 9;

/// The number of the slot that redb takes.
const PRIMARY: u8 = 1;

/// The file was not closed.
const UNCLEAN: u8 = 2;

/// The commit that the head names was flushed before it was named: redb takes no other one.
const TWO_PHASE: u8 = 4;

/// The part of a slot that its checksum covers, in bytes.
const SLOT_BYTES: usize = 112;

/// A page, and the checksum that its parent has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRef {
    /// Its first byte in the file.
    pub(crate) start: u64,
    /// Its length in bytes.
    pub(crate) len: usize,
    checksum: u128,
}

impl PageRef {
    /// The page of a number of eight bytes and a checksum of sixteen.
    fn read(number: &[u8], checksum: &[u8]) -> Option<Self> {
        let number = u64::from_le_bytes(number.try_into().ok()?);
        let order = u32::try_from(number >> 59).ok().filter(|order| *order <= ORDER_MOST)?;
        let index = number & ((REGION_PAGES - 1) >> order);
        let region = (number >> 20) & (REGION_PAGES - 1);
        let page = PAGE_BYTES as u64;
        let start = page + region * REGION_PAGES * page + (index << order) * page;
        let checksum = u128::from_le_bytes(checksum.try_into().ok()?);
        Some(Self { start, len: PAGE_BYTES << order, checksum })
    }

    /// The page and the checksum of a tree's root.
    fn of_root(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes.get(..8)?, bytes.get(8..24)?)
    }

    /// Whether these bytes are the page's.
    pub(crate) fn matches(&self, page: &[u8]) -> bool {
        content(page).is_some_and(|content| XxHash3_128::oneshot(content) == self.checksum)
    }

    /// The page without the one byte that was changed, if that is all that happened to it. The checksum of 128
    /// bits leaves no room for chance. `budget` is the number of bytes that may still be hashed.
    pub(crate) fn restored(&self, page: &[u8], budget: &mut u64) -> Option<Vec<u8>> {
        let mut page = page.to_vec();
        let bits = (0..8).map(|bit| 1_u8 << bit);
        let others = (1..=u8::MAX).filter(|change| !change.is_power_of_two());
        // A changed bit is the likely damage.
        for changes in [bits.collect::<Vec<_>>(), others.collect()] {
            for at in 0..page.len() {
                for change in &changes {
                    page[at] ^= change;
                    if let Some(content) = content(&page).filter(|content| content.len() > at) {
                        *budget = budget.checked_sub(content.len() as u64)?;
                        if XxHash3_128::oneshot(content) == self.checksum {
                            return Some(page);
                        }
                    }
                    page[at] ^= change;
                }
            }
        }
        None
    }
}

/// A state of the whole store: one of the two last commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommitSlot {
    /// The root of the tree of tables.
    pub(crate) root: PageRef,
    /// Grows with every commit.
    pub(crate) transaction: u64,
    /// One of its bytes was changed.
    is_restored: bool,
}

/// The slots that are sound, or are after one byte of them is restored; newest first.
pub(crate) fn slots(header: &[u8]) -> Vec<CommitSlot> {
    let slots = SLOTS.into_iter().filter_map(|place| slot(header.get(place)?));
    let mut slots: Vec<_> = slots.collect();
    slots.sort_by_key(|slot| std::cmp::Reverse(slot.transaction));
    slots
}

/// The slot of the last commit, when redb may not take it: after a crash, or when a byte of the slot was changed,
/// or the bit that names it.
///
/// A commit writes the head twice: its slot, then the bit that names it. A crash in between leaves a newer slot
/// that is not named. Either it was not acknowledged, and redb takes it unless the one before has two phases;
/// or it changes no row, as those of redb's own at each opening and closing, when the file counts as closed.
pub(crate) fn doubtful_last_slot(header: &[u8]) -> Option<(CommitSlot, IsHeadDamaged)> {
    let flags = header.get(FLAGS_AT)?;
    let named = slot(header.get(SLOTS[usize::from(flags & PRIMARY)].clone())?);
    let last = slots(header).into_iter().next()?;
    let is_crashed = flags & UNCLEAN != 0;
    let (taken, is_damaged) = match named {
        Some(named) if named.transaction == last.transaction => (last, last.is_restored),
        Some(named) if is_crashed && flags & TWO_PHASE != 0 => (named, named.is_restored),
        Some(named) if named.root == last.root => (named, named.is_restored),
        Some(_) => (last, !is_crashed || last.is_restored),
        None => (last, true),
    };
    (is_damaged || is_crashed).then_some((taken, is_damaged))
}

/// The head does not name the last commit, or a byte of its slot was restored.
type IsHeadDamaged = bool;

fn slot(bytes: &[u8]) -> Option<CommitSlot> {
    let mut bytes = bytes.to_vec();
    let stored = u128::from_le_bytes(bytes[SLOT_BYTES..].try_into().ok()?);
    let differs = |bytes: &[u8]| XxHash3_128::oneshot(&bytes[..SLOT_BYTES]) ^ stored;
    // The changed byte may be one of the checksum.
    let in_checksum = differs(&bytes).to_le_bytes().iter().filter(|byte| **byte != 0).count();
    if in_checksum > 1 {
        let is_restored = (0..SLOT_BYTES).any(|at| {
            let before = bytes[at];
            (0..=u8::MAX).any(|value| {
                bytes[at] = value;
                differs(&bytes) == 0
            }) || {
                bytes[at] = before;
                false
            }
        });
        if !is_restored {
            return None;
        }
    }
    if bytes[0] != FORMAT {
        return None;
    }
    // Without a root there are no tables, and nothing to salvage.
    let root = (bytes[1] != 0).then(|| PageRef::of_root(&bytes[8..])).flatten()?;
    let transaction = u64::from_le_bytes(bytes[104..112].try_into().ok()?);
    Some(CommitSlot { root, transaction, is_restored: in_checksum > 0 })
}

/// The root of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableRoot {
    /// The table is empty.
    Empty,
    /// The page.
    Page(PageRef),
}

impl TableRoot {
    /// Reads the table's row in the tree of tables; `None` when it is malformed.
    pub(crate) fn read(row: &[u8]) -> Option<Self> {
        match row.get(9)? {
            0 => Some(Self::Empty),
            _ => PageRef::of_root(row.get(10..)?).map(Self::Page),
        }
    }
}

/// The place of a row in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowPlace {
    /// The first byte of its page.
    pub(crate) page: u64,
    /// Its first byte in the page.
    pub(crate) at: usize,
    /// Its length in bytes.
    pub(crate) len: usize,
}

impl RowPlace {
    /// Its first bytes, up to `most`.
    pub(crate) fn beginning(self, most: usize) -> Self {
        Self { len: self.len.min(most), ..self }
    }

    /// The row, from the file or from a page that was restored.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn read(
        self,
        file: &File,
        restored: &BTreeMap<u64, Vec<u8>>,
    ) -> io::Result<Vec<u8>> {
        let Self { page, at, len } = self;
        if let Some(restored) = restored.get(&page) {
            return Ok(restored[at..at + len].to_vec());
        }
        let mut row = vec![0; len];
        file.read_exact_at(&mut row, page + at as u64)?;
        Ok(row)
    }
}

/// The content of a page.
pub(crate) enum Node {
    /// The places of keys and values in the page.
    Leaf(Vec<(Range<usize>, Range<usize>)>),
    /// The children in order, each with the last key that it may have; the last child has none.
    Branch(Vec<(PageRef, Option<Vec<u8>>)>),
}

impl Node {
    /// Reads a page that matches its checksum; `None` when it is malformed all the same.
    pub(crate) fn read(page: &[u8]) -> Option<Self> {
        let count = count(page)?;
        match page.first()? {
            1 => {
                let mut from = 4 + 8 * count;
                let mut next = |number: usize| {
                    let end = offset(page, 4 + 4 * number)?;
                    let place = from..end;
                    from = end;
                    page.get(place.clone()).map(|_| place)
                };
                let places: Option<Vec<_>> = (0..2 * count).map(&mut next).collect();
                let mut keys = places?;
                let values = keys.split_off(count);
                Some(Self::Leaf(keys.into_iter().zip(values).collect()))
            }
            2 => {
                let (pages, ends) = (8 + 16 * (count + 1), 8 + 24 * (count + 1));
                let mut from = ends + 4 * count;
                let children = (0..=count).map(|number| {
                    let checksum = page.get(8 + 16 * number..)?.get(..16)?;
                    let child = PageRef::read(page.get(pages + 8 * number..)?.get(..8)?, checksum)?;
                    if number == count {
                        return Some((child, None));
                    }
                    let end = offset(page, ends + 4 * number)?;
                    let key = page.get(from..end)?.to_vec();
                    from = end;
                    Some((child, Some(key)))
                });
                Some(Self::Branch(children.collect::<Option<_>>()?))
            }
            _ => None,
        }
    }
}

/// The part of a page that its checksum covers.
fn content(page: &[u8]) -> Option<&[u8]> {
    let end = match page.first()? {
        1 => leaf_length(page)?,
        2 => {
            let count = count(page)?;
            offset(page, 8 + 24 * (count + 1) + 4 * (count - 1))?
        }
        _ => return None,
    };
    page.get(..end)
}

/// The length in bytes of a leaf that begins with these; `None` when they are not those of a leaf.
pub(crate) fn leaf_length(page: &[u8]) -> Option<usize> {
    let count = count(page).filter(|_| page.first() == Some(&1))?;
    offset(page, 4 + 4 * (2 * count - 1))
}

/// The number of pairs or keys, at least 1.
fn count(page: &[u8]) -> Option<usize> {
    let count = u16::from_le_bytes(page.get(2..4)?.try_into().ok()?);
    (count > 0).then_some(usize::from(count))
}

fn offset(page: &[u8], at: usize) -> Option<usize> {
    let bytes = page.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}
