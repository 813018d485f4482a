//! One open namespace: its keys and its index, loaded from the storage.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::crypto::aead::OpenError;
use crate::keyring::NamespaceId;
use crate::kv::damage::DamageLog;
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::engine::{
    LostRange, RevisionSnapshot, Row, Salvage, Storage, StorageAccess, StorageError, Table,
};
use crate::kv::error::KvError;
use crate::kv::index::{Index, RecordFault, Slot, SlotContent};
use crate::kv::node_number::NodeNumber;
use crate::kv::node_sums::NodeSum;
use crate::kv::record;
use crate::kv::record::{Entry, RecordAddress, RowHeader};
use crate::kv::record_id::RecordId;

/// Rows that are read at a time while loading.
const PAGE: usize = 4096;

/// An open namespace.
pub(crate) struct Namespace {
    pub(crate) id: NamespaceId,
    keys: RwLock<Arc<DerivedKeys>>,
    index: RwLock<Index>,
    /// Records resealed since the last rotation.
    resealed: AtomicUsize,
    /// Damage that reads met since it was loaded.
    pub(crate) damage: DamageLog,
    /// The records agree with the multiset hash, as far as can be checked.
    pub(crate) agrees: bool,
}

/// A namespace as it was loaded from the storage.
pub(crate) struct LoadedNamespace {
    pub(crate) namespace: Namespace,
    /// The store's commit count at its last change.
    pub(crate) commits: u64,
}

impl Namespace {
    /// A namespace without records, made by the commit of this number.
    pub(crate) fn empty(id: NamespaceId, keys: DerivedKeys, commits: u64) -> Self {
        Self::with_index(id, keys, Index::empty(commits), true)
    }

    fn with_index(id: NamespaceId, keys: DerivedKeys, index: Index, agrees: bool) -> Self {
        Self {
            id,
            keys: RwLock::new(Arc::new(keys)),
            index: RwLock::new(index),
            resealed: AtomicUsize::new(0),
            damage: DamageLog::default(),
            agrees,
        }
    }

    /// Reads every entry of the namespace. Rows that do not open become faults of the index.
    pub(crate) fn load(
        storage: &dyn Storage,
        id: NamespaceId,
        keys: DerivedKeys,
        salvage: Option<&Salvage>,
    ) -> Result<LoadedNamespace, KvError> {
        let mut index = Index::default();
        let scan = |after: Option<&[u8]>| storage.scan(Table::Entries, &id.0, after, PAGE);
        for_each_row(scan, |key, row| index_row(&mut index, &keys, id, key, row))?;
        let damage = DamageLog::default();
        if let Some(salvage) = salvage {
            take_loss(&mut index, &damage, storage, id, salvage)?;
        }
        let stored = storage
            .get(Table::Sums, &id.0)?
            .and_then(|row| keys.open_hash((id, NodeNumber::ALONE), &row).ok());
        let (commits, hash) = stored.unwrap_or_default();
        index.commits = commits;
        // Rows that do not open have no term in the hash: then only they can be reported, and other changes
        // cannot be detected.
        let is_hash_lost = salvage.is_some_and(|it| it.is_lost(Table::Sums, &id.0));
        let agrees = match stored {
            Some(_) => hash == index.hash.to_bytes() || !index.is_whole(),
            // The pages that were read are those of the last commit by their checksums.
            None => is_hash_lost,
        };
        if stored.is_some() && !index.faults.is_empty() {
            index.unopened.add(&hash);
            index.unopened.subtract(&index.hash.to_bytes());
        }
        let namespace = Self { damage, ..Self::with_index(id, keys, index, agrees) };
        Ok(LoadedNamespace { namespace, commits })
    }

    /// As [`Namespace::load`], from a shared storage at one revision.
    pub(crate) fn load_at(
        rows: &dyn RevisionSnapshot,
        id: NamespaceId,
        keys: DerivedKeys,
    ) -> Result<Self, KvError> {
        let mut index = Index::default();
        let scan = |table| move |after: Option<&[u8]>| rows.scan(table, &id.0, after, PAGE);
        for_each_row(scan(Table::Entries), |key, row| index_row(&mut index, &keys, id, key, row))?;
        for_each_row(scan(Table::Sums), |key, row| {
            if let Some(node) = NodeNumber::of_key(key, &id.0) {
                let sum = keys.open_hash((id, node), row).ok();
                index.sums.set(node, sum.map(|(commits, hash)| NodeSum { commits, hash }));
            }
        })?;
        let total = index.sums.total();
        let agrees = total.is_some_and(|total| total == index.hash || !index.is_whole());
        if let Some(total) = total.filter(|_| !index.faults.is_empty()) {
            index.unopened = total;
            index.unopened.subtract(&index.hash.to_bytes());
        }
        Ok(Self::with_index(id, keys, index, agrees))
    }

    pub(crate) fn keys(&self) -> Arc<DerivedKeys> {
        Arc::clone(&self.keys.read())
    }

    pub(crate) fn set_keys(&self, keys: DerivedKeys) {
        if keys.active != self.keys().active {
            self.resealed.store(0, Ordering::Relaxed);
        }
        *self.keys.write() = Arc::new(keys);
    }

    /// Counts resealed records.
    pub(crate) fn add_resealed(&self, records: usize) {
        self.resealed.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn resealed(&self) -> usize {
        self.resealed.load(Ordering::Relaxed)
    }

    /// The index of its records. Each change leaves it consistent, also when the thread panics later.
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read()
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write()
    }
}

/// Calls `with` with the key and the content of each row that `scan` returns after a key.
fn for_each_row(
    scan: impl Fn(Option<&[u8]>) -> Result<Vec<Row>, StorageError>,
    mut with: impl FnMut(&[u8], &[u8]),
) -> Result<(), StorageError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = scan(after.as_deref())?;
        for (key, row) in &page {
            with(key, row);
        }
        let Some((last, _)) = page.into_iter().last() else { return Ok(()) };
        // A damaged tree can have cycles.
        if after.is_some_and(|after| last <= after) {
            return Err(out_of_order());
        }
        after = Some(last);
    }
}

/// The error for rows that a scan returns again.
pub(crate) fn out_of_order() -> StorageError {
    let reason = "its rows are out of order: its file is damaged".to_owned();
    StorageError { what: StorageAccess::Read, reason }
}

/// Takes in what a salvage lost of a namespace: records that have one row of two, and keys of which nothing is
/// known.
fn take_loss(
    index: &mut Index,
    damage: &DamageLog,
    storage: &dyn Storage,
    namespace: NamespaceId,
    salvage: &Salvage,
) -> Result<(), StorageError> {
    let is_here = |lost: &&LostRange| lost.table == Table::Entries && lost.meets(&namespace.0);
    index.lost = salvage.lost.iter().filter(is_here).cloned().collect();
    for key in &salvage.unpaired {
        let Some(id) = key.strip_prefix(&namespace.0).and_then(|id| id.try_into().ok()) else {
            continue;
        };
        if storage.get(Table::Entries, key)?.is_some() {
            damage.add(RecordId(id));
        } else {
            index.faults.insert(RecordId(id), RecordFault::Damaged);
        }
    }
    Ok(())
}

/// Adds one entry row to the index.
fn index_row(
    index: &mut Index,
    keys: &DerivedKeys,
    namespace: NamespaceId,
    key: &[u8],
    row: &[u8],
) {
    let Some(id) = key.get(namespace.0.len()..).and_then(|id| id.try_into().ok()) else {
        return;
    };
    let address = RecordAddress { namespace, id: RecordId(id) };
    match open_entry_row(keys, address, row) {
        Ok((head, entry)) => {
            let slot = slot_of(head, &entry);
            index.hash.add(&keys.term(address.id, slot.version, slot.expiry));
            index.set(entry.name.as_str(), Some(slot));
        }
        Err(fault) => {
            index.faults.insert(address.id, fault);
        }
    }
}

/// The slot of a record with this entry row.
pub(crate) fn slot_of(head: RowHeader, entry: &Entry) -> Slot {
    Slot {
        version: head.version,
        expiry: entry.expiry,
        key_version: head.key_version,
        content: SlotContent::new(!entry.metadata.is_empty(), None),
    }
}

/// Why a record does not open whose key version is not among `keys`.
pub(crate) fn missing_version(keys: &DerivedKeys, version: u32) -> RecordFault {
    if keys.is_unknown(version) {
        RecordFault::UnknownVersion(version)
    } else {
        RecordFault::Destroyed(version)
    }
}

/// Opens the entry row of a record, if it belongs to this address. Also with revoked key versions, which
/// readers may not use.
pub(crate) fn open_entry_row(
    keys: &DerivedKeys,
    address: RecordAddress,
    row: &[u8],
) -> Result<(RowHeader, Entry), RecordFault> {
    let (head, sealed) = RowHeader::read(row).map_err(|_| RecordFault::Damaged)?;
    let version =
        keys.get(head.key_version).ok_or_else(|| missing_version(keys, head.key_version))?;
    let entry = record::open_entry(&version.entry_key, address, head, sealed)
        .map_err(|OpenError| RecordFault::Damaged)?;
    // The name in the entry must be that of the row's key.
    if keys.record_id(entry.name.as_str()) == address.id {
        Ok((head, entry))
    } else {
        Err(RecordFault::Damaged)
    }
}
