//! The contract of a storage that several nodes share: commits under expectations, reads at a revision, and a
//! watch of what others commit.

use crate::kv::engine::storage::{Change, Row, Snapshot, Storage, StorageError, Table};

/// The number of a commit of a shared storage. Each commit has a higher one than those before it, whoever made
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// The most that one commit of a shared storage may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitLimits {
    /// Records, of two rows each.
    pub records: usize,
    /// Bytes of rows.
    pub bytes: usize,
}

/// What a commit expects of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The table.
    pub table: Table,
    /// The key.
    pub key: Vec<u8>,
    /// The row is there, and no commit after this revision wrote it; with `None`, it is not there.
    pub unchanged_since: Option<Revision>,
}

/// What became of a commit under expectations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// All changes were made, at this revision.
    Committed(Revision),
    /// A row is not as expected, and no change was made. The revision is one at which it shows.
    Conflict(Revision),
}

/// The change of one row by a commit, whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// The commit.
    pub revision: Revision,
    /// The table.
    pub table: Table,
    /// The key.
    pub key: Vec<u8>,
    /// The row before it; `None` when there was none.
    pub before: Option<Vec<u8>>,
    /// The row after it; `None` when it was deleted.
    pub after: Option<Vec<u8>>,
}

/// A storage that several nodes write.
///
/// Commits are strictly serializable: they take place one after the other, each between its call and its
/// return, and a revision that is read has every commit that was acknowledged before. An error of a commit says
/// nothing: it may take place later, and its expectations are checked then.
pub trait SharedStorage: Storage {
    /// The most that one commit may hold.
    fn limits(&self) -> CommitLimits;

    /// The revision of the last commit.
    ///
    /// # Errors
    /// When it cannot be read from a quorum.
    fn revision(&self) -> Result<Revision, StorageError>;

    /// Makes all changes, if every row is as expected. No row may be changed twice.
    ///
    /// # Errors
    /// When it is not known whether the commit took place.
    fn commit_expecting(
        &self,
        changes: Vec<Change>,
        expected: &[Expectation],
    ) -> Result<CommitOutcome, StorageError>;

    /// All rows as they were after the commit of this revision, or after the last one before it.
    ///
    /// # Errors
    /// When the storage no longer keeps them, or cannot be read.
    fn snapshot_at(
        &self,
        revision: Revision,
    ) -> Result<Box<dyn RevisionSnapshot + '_>, StorageError>;

    /// Watches all commits after this revision.
    ///
    /// # Errors
    /// When the storage no longer keeps them, or cannot be read.
    fn watch(&self, after: Revision) -> Result<Box<dyn Watch>, StorageError>;
}

/// All rows at one revision.
pub trait RevisionSnapshot: Snapshot {
    /// As [`Storage::scan`].
    ///
    /// # Errors
    /// When the rows cannot be read.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError>;
}

/// A watch of a shared storage.
pub trait Watch: Send {
    /// The changes of all tables but [`Table::Values`] that it has not returned yet, in the order of their
    /// commits: at least those up to `revision`, for which it waits, and each commit whole.
    ///
    /// # Errors
    /// When they do not come in time, and when some are lost.
    fn until(&mut self, revision: Revision) -> Result<Vec<RowChange>, WatchError>;
}

/// A watch has not all changes that were asked for.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// They do not come in time. None is lost: a later call has them.
    #[error(transparent)]
    Away(StorageError),
    /// The storage no longer keeps some of them. The watch is over.
    #[error(transparent)]
    Lost(StorageError),
}
