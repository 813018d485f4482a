//! Where rows are kept: what the store asks of whatever keeps them.

#[cfg(test)]
pub(crate) mod contract;
pub(crate) mod memory;
pub(crate) mod redb;

use std::fmt;
use std::sync::Arc;

pub use memory::Fault;
pub use memory::MemoryStorage;
pub use redb::RedbStorage;

/// A sorted map from bytes to bytes, several times over.
///
/// An implementation MUST apply a batch whole or not at all, and MUST NOT return from `commit`
/// before the batch would survive a crash of the machine. Rows are up to 512 bytes by 26 MiB. It
/// never sees a name, a value or a key in clear.
pub trait Storage: Send + Sync {
    /// The row at `key`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

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

    /// Makes all changes of the batch, in its order. It may still be in the making meanwhile.
    ///
    /// # Errors
    /// When it is not whole; then none of them are made. When they could not all be made durable; then
    /// either none or all of them are there, and reading tells which.
    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError>;

    /// After a disk has refused to be written: tries whether it still does.
    ///
    /// # Errors
    /// Why nothing can be written. It may be possible to read all the same.
    fn check_writable(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// Shared with who looks at the rows beside the store.
impl<S: Storage> Storage for Arc<S> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        (**self).get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        (**self).scan(table, prefix, after, limit)
    }

    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError> {
        (**self).commit(batch)
    }

    fn check_writable(&self) -> Result<(), StorageError> {
        (**self).check_writable()
    }
}

/// One row: its key and what is there.
pub type Row = (Vec<u8>, Vec<u8>);

/// What kinds of rows there are. Their numbers are their places in [`Table::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Values, by namespace and record id.
    Values,
    /// Names, metadata and expiries, by namespace and record id.
    Entries,
    /// One sum a namespace.
    Sums,
    /// What the store says of itself.
    Store,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Values, Self::Entries, Self::Sums, Self::Store];
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// This row is there from now on.
    Put(Table, Vec<u8>, Vec<u8>),
    /// No row is at this key.
    Delete(Table, Vec<u8>),
    /// No row's key begins so.
    Clear(Table, Vec<u8>),
}

/// The changes of a batch, as they are made. An error among them means that there will be no more, and
/// that nothing of the batch may be kept.
pub type Changes<'a> = dyn Iterator<Item = Result<Change, StorageError>> + 'a;

/// What a storage was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Begin to be used.
    Open,
    /// Give rows.
    Read,
    /// Keep a batch.
    Write,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// Rows cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot {what}: {reason}")]
pub struct StorageError {
    /// What cannot be done.
    pub what: Access,
    /// What the engine or the system said.
    pub reason: String,
}
