//! Storage engines. Each is a folder with an implementation of [`Storage`] and a line in [`ENGINES`].

#[cfg(feature = "etcd")]
mod etcd;
#[cfg(any(test, feature = "test-support"))]
mod memory;
mod prefix_end;
mod redb;
#[cfg(any(test, feature = "test-support"))]
mod shared_memory;
mod shared_storage;
mod storage;

use std::path::Path;

#[cfg(feature = "etcd")]
pub(crate) use etcd::EtcdStorage;
#[cfg(any(test, feature = "test-support"))]
pub use memory::{Fault, MemoryStorage};
pub use redb::RedbStorage;
#[cfg(any(test, feature = "test-support"))]
pub use shared_memory::SharedMemory;
pub use shared_storage::{
    CommitLimits, CommitOutcome, Expectation, Revision, RevisionSnapshot, RowChange, SharedStorage,
    Watch, WatchError,
};
pub(crate) use storage::StorageAccess;
pub use storage::{
    Change, Changes, Row, RowWithin, Snapshot, Storage, StorageError, StorageSize, Table,
};
pub(crate) use storage::{LostRange, PAIR_BYTES, Salvage};

/// One kind of storage.
pub(crate) struct Engine {
    /// Its name.
    pub name: &'static str,
    /// The storage in the file or folder at a path, with a page cache of a number of bytes. It is opened, or
    /// made, at its first use.
    pub at: fn(&Path, usize) -> Box<dyn Storage>,
}

/// Every engine; the store uses the first.
pub(crate) const ENGINES: &[Engine] =
    &[Engine { name: "redb", at: |path, cache| Box::new(RedbStorage::at(path, cache)) }];

#[cfg(all(test, feature = "etcd"))]
pub(crate) mod etcd_server;
#[cfg(test)]
mod shared_tests;
#[cfg(test)]
mod tests;
