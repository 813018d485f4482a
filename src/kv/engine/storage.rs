//! The contract of a storage engine: it keeps the rows of the store.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The bytes at the beginning of both rows of a record, in [`Table::Values`] and in [`Table::Entries`]. Both rows
/// have the same, and each write of the record has others.
pub(crate) const PAIR_BYTES: usize = 13;

/// The most bytes of a row: 26 MiB.
pub(crate) const ROW_MOST: usize = 26 << 20;

/// One sorted map from bytes to bytes for each table.
///
/// An implementation MUST apply a batch whole or not at all, and MUST NOT return from `commit`
/// before the batch would survive a crash of the machine. Keys of rows have up to 512 bytes, rows up to 26
/// MiB. An implementation never gets a name, a value or a key in clear.
pub trait Storage: Send + Sync {
    /// The row at `key`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// The row at `key`, or its length if that is above `most` bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get_within(
        &self,
        table: Table,
        key: &[u8],
        most: usize,
    ) -> Result<Option<RowWithin>, StorageError> {
        Ok(self.get(table, key)?.map(|row| RowWithin::checked(row, most)))
    }

    /// The first `limit` rows whose keys begin with `prefix` and come after `after`, in the order of
    /// their keys.
    ///
    /// # Errors
    /// When they cannot be read.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError>;

    /// The rows as they are after the last commit. A writer does not wait for a snapshot, and does not change
    /// it. The caller drops it soon, and reads nothing else of this storage while it has it.
    ///
    /// # Errors
    /// When nothing can be read.
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StorageError>;

    /// Makes all changes of the batch, in its order. Later changes may still be produced while earlier ones are
    /// written.
    ///
    /// # Errors
    /// When the batch is incomplete; then none of its changes are made. When they could not be made durable;
    /// then either none or all of them are there, and reading shows which.
    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError>;

    /// Its size; `None` while it is not open.
    fn size(&self) -> Option<StorageSize>;

    /// Gives the space of deleted rows back to the disk. Reads and writes wait for it. After a crash at any
    /// moment all rows are there.
    ///
    /// # Errors
    /// When the disk refuses it. All rows are there, and the size may be as before.
    fn compact(&self) -> Result<(), StorageError>;

    /// After the disk has refused a write: tries whether it still does.
    ///
    /// # Errors
    /// Why nothing can be written. Rows may be readable all the same.
    fn check_writable(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// The extent of the damage, when the rows were salvaged from damaged storage; then nothing can be written.
    fn salvaged(&self) -> Option<Arc<Salvage>> {
        None
    }

    /// Has the storage verify itself before it is used again: a row that was written is missing.
    fn check_at_next_use(&self) {}

    /// Salvages the rows, because reading them failed for this reason.
    ///
    /// # Errors
    /// When the storage is not damaged, or nothing of it can be salvaged.
    fn salvage(&self, reason: &str) -> Result<(), StorageError> {
        Err(StorageError { what: StorageAccess::Read, reason: reason.to_owned() })
    }

    /// Gives up the last commit, which was salvaged, for the one before.
    ///
    /// # Errors
    /// When that one cannot be read: everything is as before.
    fn take_commit_before(&self) -> Result<(), StorageError> {
        let reason = "this storage keeps one commit".to_owned();
        Err(StorageError { what: StorageAccess::Open, reason })
    }

    /// Replaces salvaged rows by those of the batch, and can be written from then on. The damaged storage is kept
    /// under a name that ends in `suffix`; returns its path.
    ///
    /// # Errors
    /// When the new rows could not be made durable: everything is as before.
    fn rebuild(&self, _batch: &mut Changes<'_>, _suffix: &str) -> Result<PathBuf, StorageError> {
        let reason = "this storage cannot be rebuilt".to_owned();
        Err(StorageError { what: StorageAccess::Write, reason })
    }
}

/// The extent of the damage to salvaged storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvage {
    /// The error that made it necessary.
    pub reason: String,
    /// Pages of which one byte was changed, and could be restored.
    pub restored_pages: usize,
    /// Pages that could not. Their rows are lost, unless those below them were found.
    pub lost_pages: usize,
    /// A crash may have cut the last commit short, so that some of its pages were never written.
    pub may_be_cut_short: bool,
    /// Rows below lost pages that were found, and are certain to be those of the last commit.
    pub found_rows: usize,
    /// The keys that lost rows may have had, where no table of records is left that has all of them.
    pub lost: Vec<LostRange>,
    /// Keys that have a row in one of the two tables of records alone.
    pub unpaired: Vec<Vec<u8>>,
}

impl Salvage {
    /// Whether every row is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && self.unpaired.is_empty()
    }

    /// Whether a row of this key may be lost.
    #[must_use]
    pub fn is_lost(&self, table: Table, key: &[u8]) -> bool {
        self.lost.iter().any(|range| range.table == table && range.contains(key))
    }
}

/// A range of keys whose rows are lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRange {
    /// The table.
    pub table: Table,
    /// The range begins after this key; at the first without one.
    pub after: Option<Vec<u8>>,
    /// The range ends with this key; with the last without one.
    pub until: Option<Vec<u8>>,
}

impl LostRange {
    /// Whether a row of this key may be lost.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.after.as_deref().is_none_or(|after| key > after)
            && self.until.as_deref().is_none_or(|until| key <= until)
    }

    /// Whether a row of a key from the first to the last one may be lost.
    #[must_use]
    pub fn meets_any_of(&self, first: &[u8], last: &[u8]) -> bool {
        self.after.as_deref().is_none_or(|after| after < last)
            && self.until.as_deref().is_none_or(|until| until >= first)
    }

    /// Whether a key may be in both ranges.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let ends_before = |one: &Self, other: &Self| {
            one.until
                .as_ref()
                .zip(other.after.as_ref())
                .is_some_and(|(until, after)| until <= after)
        };
        !ends_before(self, other) && !ends_before(other, self)
    }

    /// Whether a row of a key with this prefix may be lost.
    #[must_use]
    pub fn meets(&self, prefix: &[u8]) -> bool {
        let is_before = self.until.as_deref().is_some_and(|until| until < prefix);
        let is_behind =
            self.after.as_deref().is_some_and(|after| after > prefix && !after.starts_with(prefix));
        !is_before && !is_behind
    }
}

/// All rows as they were after one commit.
pub trait Snapshot {
    /// The row at `key`.
    ///
    /// # Errors
    /// When it cannot be read; then nothing more is read from this snapshot.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// The row at `key`, or its length if that is above `most` bytes.
    ///
    /// # Errors
    /// As for [`Snapshot::get`].
    fn get_within(
        &self,
        table: Table,
        key: &[u8],
        most: usize,
    ) -> Result<Option<RowWithin>, StorageError> {
        Ok(self.get(table, key)?.map(|row| RowWithin::checked(row, most)))
    }
}

/// A row, or the length of one that is longer than asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowWithin {
    /// The row.
    Row(Vec<u8>),
    /// It has this many bytes.
    Longer(usize),
}

impl RowWithin {
    /// A copy of the row, if it has up to `most` bytes.
    #[must_use]
    pub fn copied(row: &[u8], most: usize) -> Self {
        if row.len() > most { Self::Longer(row.len()) } else { Self::Row(row.to_vec()) }
    }

    /// The row, unless it is longer.
    #[must_use]
    pub fn row(self) -> Option<Vec<u8>> {
        if let Self::Row(row) = self { Some(row) } else { None }
    }

    /// The row, if it has up to `most` bytes.
    #[must_use]
    pub fn checked(row: Vec<u8>, most: usize) -> Self {
        if row.len() > most { Self::Longer(row.len()) } else { Self::Row(row) }
    }
}

/// The size of a storage, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageSize {
    /// Keys and contents of all rows.
    pub live_bytes: u64,
    /// The file that has them.
    pub file_bytes: u64,
}

/// One row: its key and its content.
pub type Row = (Vec<u8>, Vec<u8>);

/// The tables. Their numbers are their indices in [`Table::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Values, by namespace and record id.
    Values,
    /// Names, metadata and expiries, by namespace and record id.
    Entries,
    /// Multiset hashes, by namespace.
    Sums,
    /// The store's commit count and format.
    Store,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 4] = [Self::Values, Self::Entries, Self::Sums, Self::Store];
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Writes a row.
    Put(Table, Vec<u8>, Vec<u8>),
    /// Deletes the row at this key.
    Delete(Table, Vec<u8>),
    /// Deletes all rows whose keys begin with this prefix.
    Clear(Table, Vec<u8>),
}

/// The changes of a batch, as they are produced. An error among them is the last item, and means that the
/// batch is incomplete and must be discarded.
pub type Changes<'a> = dyn Iterator<Item = Result<Change, StorageError>> + 'a;

/// The operation of a storage that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageAccess {
    /// Opening the storage.
    Open,
    /// Reading rows.
    Read,
    /// Writing a batch.
    Write,
    /// Giving space back.
    Compact,
}

impl fmt::Display for StorageAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Compact => "be compacted",
        })
    }
}

/// A storage failed.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot {what}: {reason}")]
pub struct StorageError {
    /// The operation.
    pub what: StorageAccess,
    /// The engine's or the system's error.
    pub reason: String,
}
