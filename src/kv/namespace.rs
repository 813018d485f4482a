//! One namespace that is open: its keys, and what is known of its records.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hkdf::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::crypto::aead as formula;
use crate::crypto::aead::{Bound, Key, Unopened, label};
use crate::crypto::codec::Reader;
use crate::keyring::{NamespaceId, NamespaceKeys, VersionState};
use crate::kv::KvError;
use crate::kv::engine::{Access, Storage, StorageError, Table};
use crate::kv::index::{Fault, Index, Slot};
use crate::kv::multiset_hash::Sum;
use crate::kv::name::RecordId;
use crate::kv::record;
use crate::kv::record::{Entry, Head, Place};
use lavawall_entropy::{Generator, NotReady};

/// Rows that are read at a time while loading.
const PAGE: usize = 4096;

/// An open namespace.
pub(crate) struct Space {
    pub(crate) id: NamespaceId,
    keys: RwLock<Arc<SpaceKeys>>,
    index: RwLock<Index>,
    /// Records sealed anew since the active key version became that.
    resealed: AtomicUsize,
    /// The records are those that were written last, as far as can be told.
    pub(crate) agrees: bool,
}

/// A namespace's keys, as they are used here.
pub(crate) struct SpaceKeys {
    pub(crate) active: u32,
    id_key: Hmac<Sha256>,
    term_key: Hmac<Sha256>,
    sum_key: Key,
    versions: Vec<VersionKeys>,
}

/// One key version.
pub(crate) struct VersionKeys {
    number: u32,
    pub(crate) state: VersionState,
    pub(crate) key: Arc<Key>,
    pub(crate) entry_key: Key,
}

impl SpaceKeys {
    pub(crate) fn new(keys: &NamespaceKeys) -> Self {
        let mac = |label| {
            let key = formula::derive(&keys.index_key, label);
            Hmac::new_from_slice(key.expose()).expect("HMAC takes keys of any length")
        };
        let versions = keys.versions.iter().map(|(number, state, key)| VersionKeys {
            number: *number,
            state: *state,
            key: Arc::clone(key),
            entry_key: formula::derive(key, label::ENTRY_KEY),
        });
        Self {
            active: keys.active,
            id_key: mac(label::ID_KEY),
            term_key: mac(label::TERM_KEY),
            sum_key: formula::derive(&keys.index_key, label::SUM_KEY),
            versions: versions.collect(),
        }
    }

    /// What seals.
    pub(crate) fn active(&self) -> &VersionKeys {
        self.get(self.active).expect("the active version is there")
    }

    /// A key version that is not destroyed.
    pub(crate) fn get(&self, number: u32) -> Option<&VersionKeys> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// `HMAC-SHA-256(id key, name)[..16]`
    pub(crate) fn record_id(&self, name: &str) -> RecordId {
        let mac = self.id_key.clone().chain_update(name.as_bytes()).finalize().into_bytes();
        RecordId(*mac.first_chunk().expect("SHA-256 gives 32 bytes"))
    }

    /// `HMAC-SHA-256(term key, record id ‖ record version ‖ expiry)`
    pub(crate) fn term(&self, id: RecordId, version: u64, expiry: u64) -> [u8; 32] {
        let mac = self.term_key.clone().chain_update(id.0);
        let mac = mac.chain_update(version.to_be_bytes()).chain_update(expiry.to_be_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The sum's row: eight bytes of commits and the sum, sealed.
    pub(crate) fn seal_sum(
        &self,
        generator: &Generator,
        id: NamespaceId,
        commits: u64,
        sum: Sum,
    ) -> Result<Vec<u8>, NotReady> {
        let text = [commits.to_be_bytes().as_slice(), &sum.to_bytes()].concat();
        formula::seal(generator, &self.sum_key, &Bound::to(label::SUM).and(&id.0), &text)
    }

    /// The commits and the sum of a row.
    fn open_sum(&self, id: NamespaceId, row: &[u8]) -> Result<(u64, [u8; 32]), Unopened> {
        let text = formula::open(&self.sum_key, &Bound::to(label::SUM).and(&id.0), row)?;
        let mut from = Reader::of(&text);
        let read = from.u64().and_then(|commits| Ok((commits, from.array()?)));
        read.map_err(|_| Unopened)
    }
}

/// A namespace as it was found in the storage.
pub(crate) struct Loaded {
    pub(crate) space: Space,
    /// How often the store had been written when it was last changed.
    pub(crate) commits: u64,
}

impl Space {
    /// A namespace without records.
    pub(crate) fn empty(id: NamespaceId, keys: SpaceKeys) -> Self {
        Self {
            id,
            keys: RwLock::new(Arc::new(keys)),
            index: RwLock::default(),
            resealed: AtomicUsize::new(0),
            agrees: true,
        }
    }

    /// Reads every entry of the namespace. What does not open is remembered as such.
    pub(crate) fn load(
        storage: &dyn Storage,
        id: NamespaceId,
        keys: SpaceKeys,
    ) -> Result<Loaded, KvError> {
        let mut index = Index::default();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = storage.scan(Table::Entries, &id.0, after.as_deref(), PAGE)?;
            for (key, row) in &rows {
                take_in(&mut index, &keys, id, key, row);
            }
            let Some((last, _)) = rows.into_iter().last() else { break };
            // A damaged tree can lead round in a circle.
            if after.is_some_and(|after| last <= after) {
                let reason = "its rows are out of order: its file is damaged".to_owned();
                return Err(StorageError { what: Access::Read, reason }.into());
            }
            after = Some(last);
        }
        let told = storage.get(Table::Sums, &id.0)?.and_then(|row| keys.open_sum(id, &row).ok());
        let (commits, sum) = told.unwrap_or_default();
        // Rows that do not open have no term: then only they can be named, and what else may have
        // happened cannot be told.
        let agrees = told.is_some() && (sum == index.sum.to_bytes() || !index.faults.is_empty());
        let space = Self { index: RwLock::new(index), agrees, ..Self::empty(id, keys) };
        Ok(Loaded { space, commits })
    }

    pub(crate) fn keys(&self) -> Arc<SpaceKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_keys(&self, keys: SpaceKeys) {
        if keys.active != self.keys().active {
            self.resealed.store(0, Ordering::Relaxed);
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Counts records that were sealed anew.
    pub(crate) fn add_resealed(&self, records: usize) {
        self.resealed.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn resealed(&self) -> usize {
        self.resealed.load(Ordering::Relaxed)
    }

    /// What is known of its records. Changed only in whole steps, so a panic elsewhere spoils nothing.
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one entry row into the index.
fn take_in(index: &mut Index, keys: &SpaceKeys, namespace: NamespaceId, key: &[u8], row: &[u8]) {
    let Some(id) = key.get(namespace.0.len()..).and_then(|id| id.try_into().ok()) else {
        return;
    };
    let place = Place { namespace, id: RecordId(id) };
    match open_in_place(keys, place, row) {
        Ok((head, entry)) => {
            let slot = Slot {
                version: head.version,
                expiry: entry.expiry,
                key_version: head.key_version,
                has_metadata: !entry.metadata.is_empty(),
            };
            index.sum.add(&keys.term(place.id, slot.version, slot.expiry));
            index.set(entry.name.as_str(), Some(slot));
        }
        Err(fault) => {
            index.faults.insert(place.id, fault);
        }
    }
}

/// The entry of a row, if it is the one of this place. Revoked versions open here, and for readers
/// do not.
pub(crate) fn open_in_place(
    keys: &SpaceKeys,
    place: Place,
    row: &[u8],
) -> Result<(Head, Entry), Fault> {
    let (head, sealed) = Head::read(row).map_err(|_| Fault::Damaged)?;
    let version = keys.get(head.key_version).ok_or(Fault::Destroyed(head.key_version))?;
    let entry = record::open_entry(&version.entry_key, place, head, sealed)
        .map_err(|Unopened| Fault::Damaged)?;
    // The name inside must be the one that the row is filed under.
    if keys.record_id(entry.name.as_str()) == place.id {
        Ok((head, entry))
    } else {
        Err(Fault::Damaged)
    }
}
