//! The encrypted key-value store: namespaces of records of which nothing is readable at rest.
//!
//! ```text
//! name ── HMAC ──► record id ──► value row: record key under the key version, value under the record key
//!   │                      └───► entry row: name, metadata, expiry, sealed
//!   └► index in memory, loaded when the store is opened: prefix listing, versions, expiries
//! ```
//! Every row is bound to its namespace, its record and the commit that wrote it, and the index knows
//! that commit: a row that was changed, moved, renamed or put back does not open, and is named by
//! its record's id. A sum over all records of a namespace, sealed beside them, tells at the next
//! opening when rows were put back together, taken away or added.

pub(crate) mod cache;
pub mod engine;
pub(crate) mod group_commit;
pub(crate) mod multiset_hash;
pub(crate) mod namespace;
pub(crate) mod pipeline;

pub mod config;
pub(crate) mod error;
pub(crate) mod index;
pub(crate) mod name;
pub(crate) mod namespaces;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::audit::Event;
use crate::crypto::aead as formula;
use crate::crypto::aead::{Bound, label};
use crate::keyring::seal::Choice;
use crate::keyring::seal::shares::Share;
use crate::keyring::{Condition, Keyring, KeyringError, NamespaceId};
use crate::kv::cache::Opened;
use crate::kv::engine::{Change, Storage, Table};
use crate::kv::group_commit::Queue;
use crate::kv::multiset_hash::Sum;
use crate::kv::namespace::{Space, SpaceKeys};
use lavawall_entropy::Generator;

pub use error::KvError;
pub use name::NAME_LIMIT;
pub use name::RecordId;
pub use namespaces::NamespaceReport;
pub use read::Listed;
pub use read::Metadata;
pub use read::Page;
pub use read::Value;
pub use write::Put;

/// The largest value in bytes: 25 MiB, as the dialect's own service has it.
pub const VALUE_LIMIT: usize = 25 << 20;

/// The most metadata in bytes of JSON, as the dialect's own service has it.
pub const METADATA_LIMIT: usize = 1024;

/// The row in which the store says how often it was written.
const COMMITS_KEY: &[u8] = b"commits";

/// Keeps records. Open only while the keyring is.
///
/// # Security
/// Whoever reads the disk learns how many namespaces and records there are, how long names with
/// metadata, and values, are to the byte, and which rows change when. Whoever also changes it can
/// make records unreadable, and with a record already damaged can take others of its namespace away
/// unnoticed. A store that is put back whole is noticed only by the keyring's anchor.
pub struct Store {
    generator: Arc<Generator>,
    keyring: Arc<Keyring>,
    storage: Box<dyn Storage>,
    accept: BTreeSet<NamespaceId>,
    /// `None` while closed.
    spaces: RwLock<Option<Spaces>>,
    /// Emptied whenever `spaces` is replaced, by who holds it.
    opened: Opened,
    /// What memory knows may be older than what is in the storage.
    stale: AtomicBool,
    queue: Queue,
    writer: Mutex<Writer>,
}

type Spaces = BTreeMap<NamespaceId, Arc<Space>>;

/// What the one who writes at a time knows.
#[derive(Default)]
struct Writer {
    /// How often the store has been written.
    commits: u64,
    /// What an operator should look at, found at the last opening.
    findings: Vec<String>,
}

impl Store {
    /// A store that is closed. Namespaces in `accept` are opened as they are found.
    pub fn new(
        keyring: Arc<Keyring>,
        generator: Arc<Generator>,
        storage: Box<dyn Storage>,
        accept: BTreeSet<NamespaceId>,
    ) -> Self {
        Self {
            generator,
            keyring,
            storage,
            accept,
            spaces: RwLock::new(None),
            opened: Opened::of(0),
            stale: AtomicBool::new(false),
            queue: Queue::default(),
            writer: Mutex::default(),
        }
    }

    /// The same store, which holds values that were read lately opened, up to so many bytes of them.
    #[must_use]
    pub fn holding_opened(self, bytes: usize) -> Self {
        Self { opened: Opened::of(bytes), ..self }
    }

    /// Loads the index of every namespace: every entry is opened, and every name kept in memory. What
    /// is left of deleted namespaces is removed.
    ///
    /// # Errors
    /// When the keyring is not open, the storage cannot be read, or the store is older than its
    /// anchor says.
    pub fn open(&self) -> Result<(), KvError> {
        let mut writer = self.writer();
        self.load(&mut writer)
    }

    /// Makes the keyring, unless there are rows already: their keyring may only have been taken away.
    ///
    /// # Errors
    /// As for [`Keyring::init`], or [`KvError::Orphaned`].
    pub fn init(&self, choice: &Choice) -> Result<Vec<Share>, KvError> {
        if self.keyring.condition() == Condition::Absent && self.has_rows()? {
            let event = Event::new("init").detail(choice);
            self.keyring.audit().refused(&event, &KvError::Orphaned).map_err(KeyringError::from)?;
            return Err(KvError::Orphaned);
        }
        Ok(self.keyring.init(choice)?)
    }

    /// Seals the keyring, and forgets the index and all keys.
    ///
    /// # Errors
    /// As for [`Keyring::seal`]. Everything is forgotten all the same.
    pub fn seal(&self) -> Result<(), KvError> {
        // In this order: an opening that is under way holds the writer, and none can begin any more.
        let sealed = self.keyring.seal();
        self.close();
        Ok(sealed?)
    }

    /// Forgets the index and all keys, once nobody writes or opens.
    pub fn close(&self) {
        let _writer = self.writer();
        self.replace_spaces(None);
    }

    /// The keyring it uses.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Whether records can be read and written.
    pub fn is_open(&self) -> bool {
        self.spaces.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// How often the store has been written.
    pub fn commits(&self) -> u64 {
        self.writer().commits
    }

    /// Writes down in the keyring's anchor how often the store has been written.
    ///
    /// # Errors
    /// When the anchor cannot be written, or the keyring is not open.
    pub fn mark(&self) -> Result<(), KvError> {
        let commits = self.commits();
        Ok(self.keyring.mark_store(commits)?)
    }

    /// After the disk has refused to be written: tries whether it still does.
    ///
    /// # Errors
    /// Why nothing can be written. What is there can be read all the same, if the disk can.
    pub fn check_writable(&self) -> Result<(), KvError> {
        Ok(self.storage.check_writable()?)
    }

    /// What an operator should look at. Holds ids only.
    pub fn findings(&self) -> Vec<String> {
        self.writer().findings.clone()
    }

    fn load(&self, writer: &mut Writer) -> Result<(), KvError> {
        let mut findings = Vec::new();
        let mut spaces = Spaces::new();
        let mut accepted = Vec::new();
        let mut latest = 0;
        for info in self.keyring.namespaces()? {
            let keys = SpaceKeys::new(&self.keyring.namespace_keys(info.id)?);
            let mut loaded = Space::load(&*self.storage, info.id, keys)?;
            findings.extend(loaded.space.findings());
            latest = latest.max(loaded.commits);
            let is_accepted = !loaded.space.agrees && self.accept.contains(&info.id);
            loaded.space.agrees |= is_accepted;
            let space = Arc::new(loaded.space);
            accepted.extend(is_accepted.then(|| Arc::clone(&space)));
            spaces.insert(info.id, space);
        }
        let told = self.read_commits()?;
        // When nothing in it opens it is not that of this keyring, which would take all of it for what is
        // left of deleted namespaces, and remove it.
        let is_ours = told.is_some() || latest > 0 || !accepted.is_empty();
        if !is_ours && self.has_rows()? {
            return Err(KvError::Foreign);
        }
        if told.is_none() && !spaces.is_empty() {
            findings.push("the store's count of commits is missing or damaged".to_owned());
        }
        // A count that was put back alone is less than that of a namespace.
        let mut commits = told.unwrap_or_default().max(latest);
        self.keyring.check_store(commits)?;
        findings.extend(self.forget_deleted(&spaces)?);
        findings.extend(self.accept_as_found(&accepted, &mut commits));
        *writer = Writer { commits, findings };
        self.replace_spaces(Some(spaces));
        self.stale.store(false, Ordering::Release);
        Ok(())
    }

    /// Removes the rows of namespaces that the keyring knows no more: nobody can open them. Says why they
    /// cannot be removed; that keeps nobody from the others.
    fn forget_deleted(&self, spaces: &Spaces) -> Result<Option<String>, KvError> {
        for (key, _) in self.storage.scan(Table::Sums, b"", None, usize::MAX)? {
            let id = key.as_slice().try_into().ok().map(NamespaceId);
            if id.is_some_and(|id| spaces.contains_key(&id)) {
                continue;
            }
            if let Err(error) = self.storage.commit(&mut clearing(&key).into_iter().map(Ok)) {
                return Ok(Some(format!("what is left of deleted namespaces stays: {error}")));
            }
        }
        Ok(None)
    }

    /// Writes the sums of namespaces that are accepted as they are found, so that they are so from now on.
    /// Says why not.
    fn accept_as_found(&self, accepted: &[Arc<Space>], commits: &mut u64) -> Option<String> {
        let written = accepted.iter().try_for_each(|space| -> Result<(), KvError> {
            let (next, sum) = (*commits + 1, space.index().sum);
            let changes = self.sums(&space.keys(), space.id, next, sum)?;
            self.storage.commit(&mut changes.into_iter().map(Ok))?;
            *commits = next;
            Ok(())
        });
        written.err().map(|error| format!("what kv.accept names is accepted for now: {error}"))
    }

    /// Whether anything is in the storage.
    fn has_rows(&self) -> Result<bool, KvError> {
        for table in Table::ALL {
            if !self.storage.scan(table, b"", None, 1)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How often the store says it was written; `None` when it does not say, or cannot be believed.
    fn read_commits(&self) -> Result<Option<u64>, KvError> {
        let key = self.keyring.store_key()?;
        let Some(row) = self.storage.get(Table::Store, COMMITS_KEY)? else { return Ok(None) };
        let text = formula::open(&key, &Bound::to(label::COMMITS), &row).ok();
        Ok(text.and_then(|text| text.as_slice().try_into().ok().map(u64::from_be_bytes)))
    }

    /// What belongs to every commit of a namespace: the sum over its records, and how often the store was
    /// written with this one.
    fn sums(
        &self,
        keys: &SpaceKeys,
        id: NamespaceId,
        commits: u64,
        sum: Sum,
    ) -> Result<[Change; 2], KvError> {
        let sum = keys.seal_sum(&self.generator, id, commits, sum)?;
        let (key, bound) = (self.keyring.store_key()?, Bound::to(label::COMMITS));
        let count = formula::seal(&self.generator, &key, &bound, &commits.to_be_bytes())?;
        Ok([
            Change::Put(Table::Sums, id.0.to_vec(), sum),
            Change::Put(Table::Store, COMMITS_KEY.to_vec(), count),
        ])
    }

    /// An open namespace, up to date.
    fn space(&self, id: NamespaceId) -> Result<Arc<Space>, KvError> {
        if self.stale.load(Ordering::Acquire) {
            self.load(&mut self.writer())?;
        }
        self.space_as_known(id)
    }

    /// The right to write, and the namespace as it is then.
    fn writing(&self, id: NamespaceId) -> Result<(MutexGuard<'_, Writer>, Arc<Space>), KvError> {
        let mut writer = self.writer();
        if self.stale.load(Ordering::Acquire) {
            self.load(&mut writer)?;
        }
        let space = self.space_as_known(id)?;
        Ok((writer, space))
    }

    /// As `space`, for who holds the writer.
    fn space_as_known(&self, id: NamespaceId) -> Result<Arc<Space>, KvError> {
        let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
        let Some(spaces) = &*spaces else {
            // The keyring knows better why.
            self.keyring.store_key()?;
            return Err(KvError::Closed);
        };
        let space = spaces.get(&id).ok_or(KvError::UnknownNamespace(id))?;
        if space.agrees { Ok(Arc::clone(space)) } else { Err(KvError::Disagrees(id)) }
    }

    fn replace_spaces(&self, with: Option<Spaces>) {
        let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
        *spaces = with;
        self.opened.clear();
    }

    fn change_spaces<T>(&self, change: impl FnOnce(&mut Spaces) -> T) -> Result<T, KvError> {
        let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
        spaces.as_mut().map(change).ok_or(KvError::Closed)
    }

    /// A writer that panicked has told nobody that anything was written.
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The changes that remove all rows of a namespace.
fn clearing(prefix: &[u8]) -> [Change; 3] {
    [Table::Values, Table::Entries, Table::Sums].map(|table| Change::Clear(table, prefix.to_vec()))
}

#[cfg(test)]
mod tests;
