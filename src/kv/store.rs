//! The store as its callers hold it: its parts, their locks, and access to namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::keyring::{Keyring, NamespaceId};
use crate::kv::cache::ValueCache;
use crate::kv::clock_watch::ClockWatch;
use crate::kv::commit_mark::CommitMark;
use crate::kv::engine::{Revision, SharedStorage, Storage};
use crate::kv::error::KvError;
use crate::kv::follower::Follower;
use crate::kv::group_commit::CommitQueue;
use crate::kv::namespace::Namespace;
use crate::kv::node_number::NodeNumber;
use crate::kv::quota::RecordQuotas;
use crate::kv::read_only::ReadOnlyReason;
use crate::kv::scrub_progress::ScrubProgress;
use lavawall_entropy::Generator;

/// Keeps records. Open only while the keyring is unsealed.
///
/// # Security
/// A reader of the disk learns the numbers of namespaces and records, the lengths of names with metadata and
/// of values to the byte, and which rows change when. A writer of the disk can also make records unreadable,
/// and, with a record that is already damaged, can remove others of its namespace undetected. A store that is
/// rolled back whole is detected only by the keyring's anchor.
pub struct Store {
    pub(crate) generator: Arc<Generator>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) accept: BTreeSet<NamespaceId>,
    /// `None` while closed.
    pub(crate) namespaces: RwLock<Option<Namespaces>>,
    /// Cleared under the write lock of `namespaces` whenever they are replaced.
    pub(crate) cache: ValueCache,
    /// Memory may be older than the storage.
    pub(crate) is_stale: AtomicBool,
    pub(crate) queue: CommitQueue,
    /// Why nothing is written, from the last opening.
    pub(crate) read_only: RwLock<Option<ReadOnlyReason>>,
    pub(crate) mark: Option<CommitMark>,
    pub(crate) scrub: Mutex<ScrubProgress>,
    pub(crate) clock: Mutex<ClockWatch>,
    /// Whose namespaces are, and what their owners may keep.
    pub(crate) quotas: Option<Arc<dyn RecordQuotas>>,
    /// Follows the other nodes, when the storage is shared.
    pub(crate) follower: Option<Follower>,
    writer: Mutex<WriterState>,
}

/// The namespaces of an open store.
pub(crate) type Namespaces = BTreeMap<NamespaceId, Arc<Namespace>>;

/// The state of the one writer at a time.
#[derive(Default)]
pub(crate) struct WriterState {
    /// The number of commits of the store; in a shared storage, of attempts of this node.
    pub(crate) commits: u64,
    /// This node's commit count in a shared storage; `None` before its first commit.
    pub(crate) counted: Option<u64>,
    /// A revision at which the storage has that count.
    pub(crate) counted_at: Revision,
    /// The first of the commits since then of which it is not known whether they took place.
    pub(crate) in_doubt: Option<u64>,
    /// Findings for the operator, from the last opening.
    pub(crate) findings: Vec<String>,
}

impl Store {
    /// A store that is closed. Namespaces in `accept` are opened as they are found.
    pub fn new(
        keyring: Arc<Keyring>,
        generator: Arc<Generator>,
        storage: Box<dyn Storage>,
        accept: BTreeSet<NamespaceId>,
    ) -> Self {
        Self::over(keyring, generator, storage.into(), None, accept)
    }

    /// The store of one node over a storage that other nodes write, too; closed.
    pub fn shared(
        keyring: Arc<Keyring>,
        generator: Arc<Generator>,
        storage: Arc<dyn SharedStorage>,
        node: NodeNumber,
        accept: BTreeSet<NamespaceId>,
    ) -> Self {
        let follower = Follower::of(Arc::clone(&storage), node);
        Self::over(keyring, generator, storage, Some(follower), accept)
    }

    fn over(
        keyring: Arc<Keyring>,
        generator: Arc<Generator>,
        storage: Arc<dyn Storage>,
        follower: Option<Follower>,
        accept: BTreeSet<NamespaceId>,
    ) -> Self {
        Self {
            generator,
            keyring,
            storage,
            accept,
            namespaces: RwLock::new(None),
            cache: ValueCache::of(0),
            is_stale: AtomicBool::new(false),
            queue: CommitQueue::default(),
            read_only: RwLock::new(None),
            mark: None,
            scrub: Mutex::default(),
            clock: Mutex::default(),
            quotas: None,
            follower,
            writer: Mutex::default(),
        }
    }

    /// Enables the cache of decrypted values, up to `bytes` bytes.
    #[must_use]
    pub fn with_value_cache(self, bytes: usize) -> Self {
        Self { cache: ValueCache::of(bytes), ..self }
    }

    /// Lets owners of namespaces keep no more than these quotas say.
    #[must_use]
    pub(crate) fn with_quotas(self, quotas: Arc<dyn RecordQuotas>) -> Self {
        Self { quotas: Some(quotas), ..self }
    }

    /// Keeps the commit count in the file at `path` too, and acknowledges no commit before it is there.
    #[must_use]
    pub fn with_commit_mark(self, path: PathBuf) -> Self {
        Self { mark: Some(CommitMark::at(path)), ..self }
    }

    /// Its keyring.
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Whether records can be read and written.
    pub fn is_open(&self) -> bool {
        self.namespaces.read().is_some()
    }

    /// The number of commits of the store; of this node, when others write it, too.
    pub fn commits(&self) -> u64 {
        let writer = self.writer();
        // Numbers of attempts are not numbers of commits.
        if self.follower.is_some() { writer.counted.unwrap_or_default() } else { writer.commits }
    }

    /// Records the number of commits in the keyring's anchor.
    ///
    /// # Errors
    /// When the anchor cannot be written, or the keyring is not unsealed.
    pub fn anchor_commits(&self) -> Result<(), KvError> {
        let commits = self.commits();
        Ok(self.keyring.anchor_commits(commits)?)
    }

    /// After the disk has refused a write: tries whether it still does.
    ///
    /// # Errors
    /// Why nothing can be written. Records can be read all the same, if the disk can.
    pub fn check_writable(&self) -> Result<(), KvError> {
        Ok(self.storage.check_writable()?)
    }

    /// Findings for the operator, of openings since the last call. They contain ids only.
    pub fn take_findings(&self) -> Vec<String> {
        mem::take(&mut self.writer().findings)
    }

    /// Why nothing is written, if the store is read-only.
    pub fn read_only(&self) -> Option<ReadOnlyReason> {
        self.read_only.read().clone()
    }

    /// Refuses a write to a read-only store.
    ///
    /// # Errors
    /// [`KvError::ReadOnly`].
    pub(crate) fn refuse_if_read_only(&self) -> Result<(), KvError> {
        self.read_only
            .read()
            .as_ref()
            .map_or(Ok(()), |reason| Err(KvError::ReadOnly(reason.to_string())))
    }

    /// The right to write.
    pub(crate) fn writer(&self) -> MutexGuard<'_, WriterState> {
        self.writer.lock()
    }

    /// A namespace, up to date: with all that was acknowledged before the call, by any node.
    pub(crate) fn namespace(&self, id: NamespaceId) -> Result<Arc<Namespace>, KvError> {
        self.reload_if_stale(None)?;
        self.follow()?;
        self.reload_if_stale(None)?;
        self.known_namespace(id)
    }

    /// The right to write, and the namespace as it is then.
    pub(crate) fn writing(
        &self,
        id: NamespaceId,
    ) -> Result<(MutexGuard<'_, WriterState>, Arc<Namespace>), KvError> {
        let mut writer = self.writer();
        self.reload_if_stale(Some(&mut writer))?;
        self.follow_keyring()?;
        let namespace = self.known_namespace(id)?;
        Ok((writer, namespace))
    }

    fn reload_if_stale(&self, writer: Option<&mut WriterState>) -> Result<(), KvError> {
        if !self.is_stale.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(writer) = writer {
            return self.load(writer);
        }
        let mut writer = self.writer();
        // Another call may have loaded it meanwhile.
        if self.is_stale.load(Ordering::Acquire) { self.load(&mut writer) } else { Ok(()) }
    }

    /// As `namespace`, for a caller that has the writer.
    pub(crate) fn known_namespace(&self, id: NamespaceId) -> Result<Arc<Namespace>, KvError> {
        let namespaces = self.namespaces.read();
        let Some(namespaces) = &*namespaces else {
            // The keyring's error is more precise.
            self.keyring.store_key()?;
            return Err(KvError::Closed);
        };
        let namespace = namespaces.get(&id).ok_or(KvError::UnknownNamespace(id))?;
        if namespace.agrees { Ok(Arc::clone(namespace)) } else { Err(KvError::Disagrees(id)) }
    }

    /// Every namespace.
    pub(crate) fn known_namespaces(&self) -> Result<Vec<Arc<Namespace>>, KvError> {
        let namespaces = self.namespaces.read();
        let namespaces = namespaces.as_ref().ok_or(KvError::Closed)?;
        Ok(namespaces.values().map(Arc::clone).collect())
    }

    pub(crate) fn replace_namespaces(&self, with: Option<Namespaces>) {
        let mut namespaces = self.namespaces.write();
        *namespaces = with;
        self.cache.clear();
    }

    pub(crate) fn change_namespaces<T>(
        &self,
        change: impl FnOnce(&mut Namespaces) -> T,
    ) -> Result<T, KvError> {
        self.namespaces.write().as_mut().map(change).ok_or(KvError::Closed)
    }
}
