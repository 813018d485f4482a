//! What a node knows of the commits of the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::keyring::NamespaceId;
use crate::kv::engine::{
    Expectation, Revision, SharedStorage, StorageAccess, StorageError, Table, Watch,
};
use crate::kv::index::Index;
use crate::kv::node_number::NodeNumber;

/// The longest wait of a call for its turn to take in changes.
const WAIT: Duration = Duration::from_secs(2);

/// Follows a shared storage. The index of every namespace is changed by the watch alone, also for commits of this
/// node: in one order, that of the commits.
pub(crate) struct Follower {
    pub(crate) storage: Arc<dyn SharedStorage>,
    pub(crate) node: NodeNumber,
    /// `None` before the store is opened, and after changes were lost.
    watch: Mutex<Option<Box<dyn Watch>>>,
    /// Every index has the commits up to this revision.
    followed: AtomicU64,
    /// The counter of the keyring whose keys the namespaces have.
    keyring: AtomicU64,
}

/// The right to change the indices.
pub(crate) type WatchGuard<'a> = MutexGuard<'a, Option<Box<dyn Watch>>>;

impl Follower {
    pub(crate) fn of(storage: Arc<dyn SharedStorage>, node: NodeNumber) -> Self {
        Self {
            storage,
            node,
            watch: Mutex::default(),
            followed: AtomicU64::new(0),
            keyring: AtomicU64::new(0),
        }
    }

    /// The revision that every index has at least.
    pub(crate) fn followed(&self) -> Revision {
        Revision(self.followed.load(Ordering::Acquire))
    }

    /// The revision that an index has, which is locked: until then it gets no commit that is followed.
    pub(crate) fn revision_of(&self, index: &Index) -> Revision {
        index.revision.max(self.followed())
    }

    /// That this node's part of a multiset hash is as an index had it at a revision.
    pub(crate) fn expected_sum(
        &self,
        index: &Index,
        namespace: NamespaceId,
        since: Revision,
    ) -> Expectation {
        let unchanged_since = index.sums.has(self.node).then_some(since);
        Expectation { table: Table::Sums, key: self.node.key(&namespace.0), unchanged_since }
    }

    /// The right to change the indices.
    pub(crate) fn watch(&self) -> WatchGuard<'_> {
        self.watch.lock()
    }

    /// The same, within the longest wait of a call: others may wait for a storage that is away.
    pub(crate) fn watch_in_time(&self) -> Result<WatchGuard<'_>, StorageError> {
        self.watch.try_lock_for(WAIT).ok_or_else(|| StorageError {
            what: StorageAccess::Read,
            reason: "the changes of other nodes do not come".to_owned(),
        })
    }

    /// Every index has the commits up to this revision. The caller has the right to change them.
    pub(crate) fn set_followed(&self, revision: Revision) {
        self.followed.store(revision.0, Ordering::Release);
    }

    /// The counter of the keyring whose keys the namespaces have.
    pub(crate) fn keyring(&self) -> u64 {
        self.keyring.load(Ordering::Acquire)
    }

    /// The namespaces have the keys of the keyring with this counter. The caller has the right to change the
    /// indices.
    pub(crate) fn set_keyring(&self, counter: u64) {
        self.keyring.store(counter, Ordering::Release);
    }
}
