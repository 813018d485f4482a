//! Reading: one record, its metadata, or a page of names.

use std::sync::atomic::Ordering;

use zeroize::Zeroizing;

use crate::keyring::{NamespaceId, VersionState};
use crate::kv::derived_keys::{DerivedKeys, DerivedVersion};
use crate::kv::edit::METADATA_LIMIT;
use crate::kv::engine::{RowWithin, StorageAccess, StorageError, Table};
use crate::kv::error::KvError;
use crate::kv::index::{Located, RecordFault, Slot};
use crate::kv::name;
use crate::kv::name::{NAME_LIMIT, RecordName};
use crate::kv::namespace::{Namespace, missing_version, open_entry_row};
use crate::kv::record;
use crate::kv::record::{RecordAddress, RowHeader};
use crate::kv::record_id::RecordId;
use crate::kv::store::Store;

/// Memory for one name of a list in bytes: its entry, and the members of its answer.
const ENTRY_BYTES: usize = 320;

/// A name of a list is in memory twice, and in the answer with up to six bytes for each of its own.
const NAME_COPIES: usize = 8;

/// Metadata of a list is in memory twice, and in the answer as it is.
const JSON_COPIES: usize = 3;

/// The records that a list asks for: up to `limit` whose names begin with `prefix` and come after `after`.
#[derive(Debug, Clone, Copy)]
pub struct ListRange<'a> {
    /// The beginning of the names.
    pub prefix: &'a str,
    /// The last name before them.
    pub after: Option<&'a str>,
    /// The most of them.
    pub limit: usize,
}

/// The value of a record.
#[derive(Debug, PartialEq, Eq)]
pub struct Value {
    /// The bytes that were written.
    pub bytes: Zeroizing<Vec<u8>>,
    /// When it expires, in seconds since 1970.
    pub expiry: Option<u64>,
}

/// A record without its value.
#[derive(Debug, PartialEq, Eq)]
pub struct Metadata {
    /// JSON, as it was written.
    pub json: Option<Zeroizing<Vec<u8>>>,
    /// When it expires, in seconds since 1970.
    pub expiry: Option<u64>,
}

/// One name of a page.
#[derive(PartialEq, Eq)]
pub struct RecordEntry {
    /// The record's name.
    pub name: Zeroizing<String>,
    /// Its metadata and expiry.
    pub metadata: Metadata,
}

/// Part of a list.
#[derive(PartialEq, Eq)]
pub struct RecordPage {
    /// In the byte order of the names.
    pub records: Vec<RecordEntry>,
    /// Whether there are more: list again after the last name.
    pub more: bool,
}

/// The result of one attempt to read a record.
pub(crate) enum ReadAttempt<T> {
    Done(T),
    /// The row is not the one of the index. A write may be in progress.
    Mismatch,
}

/// Reads a row of the storage, or of a snapshot of it, unless it has more bytes than a number.
pub(crate) type ReadRow<'a> =
    dyn Fn(Table, &[u8], usize) -> Result<Option<RowWithin>, StorageError> + 'a;

/// Reads the rows of one record.
pub(crate) struct RecordReader<'a> {
    pub(crate) store: &'a Store,
    pub(crate) row: &'a ReadRow<'a>,
    pub(crate) keys: &'a DerivedKeys,
    pub(crate) address: RecordAddress,
    pub(crate) name: &'a str,
    /// The most bytes of a value's row.
    pub(crate) most: usize,
}

impl Store {
    /// The value of a record; `None` when there is none, or it has expired by `now`, in seconds since
    /// 1970.
    ///
    /// # Errors
    /// With the record's id when it is damaged, or its key revoked.
    pub fn get(&self, id: NamespaceId, name: &str, now: u64) -> Result<Option<Value>, KvError> {
        self.get_within(id, name, now, usize::MAX)
    }

    /// As [`Store::get`], in at most `most` bytes of memory.
    ///
    /// # Errors
    /// Also with the bytes that are needed, if that is more.
    pub fn get_within(
        &self,
        id: NamespaceId,
        name: &str,
        now: u64,
        most: usize,
    ) -> Result<Option<Value>, KvError> {
        self.read(id, name, now, most, value)
    }

    /// The metadata of a record; `None` when there is no such record, or it has expired by `now`.
    ///
    /// # Errors
    /// As for [`Store::get`].
    pub fn metadata(
        &self,
        id: NamespaceId,
        name: &str,
        now: u64,
    ) -> Result<Option<Metadata>, KvError> {
        self.read(id, name, now, usize::MAX, metadata)
    }

    /// Up to `limit` records whose names begin with `prefix` and come after `after`, in byte order,
    /// without those that have expired by `now`. All are as they are after one commit.
    ///
    /// # Errors
    /// When the namespace or the storage cannot be read. A record whose metadata does not open is listed
    /// without it: reading the record returns the reason.
    pub fn list(
        &self,
        id: NamespaceId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: u64,
    ) -> Result<RecordPage, KvError> {
        self.list_within(id, &ListRange { prefix, after, limit }, now, usize::MAX)
    }

    /// As [`Store::list`], in at most `most` bytes of memory, those of the answer included.
    ///
    /// # Errors
    /// Also with bytes that are enough, if that is more.
    pub fn list_within(
        &self,
        id: NamespaceId,
        &ListRange { prefix, after, limit }: &ListRange<'_>,
        now: u64,
        most: usize,
    ) -> Result<RecordPage, KvError> {
        let (snapshot, more) = self.records_where(id, |index, _| {
            let slots = index.after(prefix, after, now).take(limit.saturating_add(1));
            let mut records: Vec<_> =
                slots.map(|(name, slot)| (RecordName::of(name), Located::At(slot))).collect();
            let more = records.len() > limit;
            records.truncate(limit);
            (records, more)
        })?;
        let mut records = Vec::new();
        let mut bytes = 0;
        for record in snapshot.iter() {
            let metadata = match record.metadata() {
                Ok(metadata) => metadata,
                Err(
                    KvError::Damaged(_)
                    | KvError::Revoked { .. }
                    | KvError::Destroyed { .. }
                    | KvError::UnknownVersion { .. },
                ) => record.slot().map(|slot| Metadata { json: None, expiry: expiry(slot) }),
                Err(error) => return Err(error),
            };
            let json = metadata.as_ref().and_then(|metadata| metadata.json.as_ref());
            bytes += ENTRY_BYTES + NAME_COPIES * record.name().len();
            bytes += JSON_COPIES * json.map_or(0, |json| json.len());
            if bytes > most {
                let of_one = ENTRY_BYTES + NAME_COPIES * NAME_LIMIT + JSON_COPIES * METADATA_LIMIT;
                return Err(KvError::NeedsMemory { bytes: limit.saturating_mul(of_one) });
            }
            let name = Zeroizing::new(record.name().to_owned());
            records.extend(metadata.map(|metadata| RecordEntry { name, metadata }));
        }
        Ok(RecordPage { records, more })
    }

    /// Caches a value for its next readers, unless its record has changed: then the writer has already
    /// removed the old value from the cache.
    pub(crate) fn cache_value(&self, address: RecordAddress, name: &str, slot: Slot, value: &[u8]) {
        if !self.cache.takes(value.len()) {
            return;
        }
        let namespaces = self.namespaces.read();
        let Some(namespace) =
            namespaces.as_ref().and_then(|namespaces| namespaces.get(&address.namespace))
        else {
            return;
        };
        let index = namespace.index();
        if index.get(name).is_some_and(|it| it.version == slot.version) {
            self.cache.add(address, slot.version, value);
        }
    }

    /// Looks a record up and reads it: first from the storage as it is, and, if its row is not the one of
    /// the index, again from a snapshot that agrees with the index.
    fn read<T>(
        &self,
        id: NamespaceId,
        name: &str,
        now: u64,
        most: usize,
        open: impl Fn(&RecordReader<'_>, Slot) -> Result<ReadAttempt<T>, KvError>,
    ) -> Result<Option<T>, KvError> {
        name::check(name)?;
        let namespace = self.namespace(id)?;
        let record = namespace.keys().record_id(name);
        self.note_damage(id, record, self.read_twice(&namespace, name, now, most, open))
    }

    fn read_twice<T>(
        &self,
        namespace: &Namespace,
        name: &str,
        now: u64,
        most: usize,
        open: impl Fn(&RecordReader<'_>, Slot) -> Result<ReadAttempt<T>, KvError>,
    ) -> Result<Option<T>, KvError> {
        match self.look_up(namespace, name, now, most, &open)? {
            None => Ok(None),
            Some(ReadAttempt::Done(done)) => Ok(Some(done)),
            Some(ReadAttempt::Mismatch) => {
                let snapshot = self.records(namespace.id, &[name], now)?;
                snapshot.iter().next().map_or(Ok(None), |record| record.open(most, &open))
            }
        }
    }

    /// Remembers the record when the result of reading it is that it is damaged, or that the storage cannot
    /// read it.
    fn note_damage<T>(
        &self,
        namespace: NamespaceId,
        id: RecordId,
        read: Result<T, KvError>,
    ) -> Result<T, KvError> {
        let is_damage = match &read {
            Err(KvError::Damaged(_)) => true,
            // A shared storage that is away is not damaged.
            Err(KvError::Storage(StorageError { what: StorageAccess::Read, .. })) => {
                self.follower.is_none()
            }
            _ => false,
        };
        if is_damage && let Ok(namespace) = self.known_namespace(namespace) {
            // Those that were found at the opening are reported already.
            let key = RecordAddress { namespace: namespace.id, id }.key();
            let is_known = {
                let index = namespace.index();
                index.faults.contains_key(&id) || index.is_lost(&key)
            };
            if !is_known {
                self.add_damage(&namespace, id);
            }
        }
        read
    }

    /// Remembers a damaged record of the index. The caller has no snapshot of the storage.
    pub(crate) fn add_damage(&self, namespace: &Namespace, id: RecordId) {
        let is_new = namespace.damage.add(id);
        let key = RecordAddress { namespace: namespace.id, id }.key();
        // A shared storage has no tree of this process.
        let is_own = self.follower.is_none() && self.read_only().is_none();
        if is_new && is_own && self.lacks_row(&key) {
            // A page of a tree was damaged after the opening: no write may go into that tree.
            self.storage.check_at_next_use();
            self.is_stale.store(true, Ordering::Release);
        }
    }

    /// Whether the storage lacks a row of this key, or cannot read it.
    fn lacks_row(&self, key: &[u8]) -> bool {
        let tables = [Table::Values, Table::Entries];
        tables.iter().any(|table| !matches!(self.storage.get_within(*table, key, 0), Ok(Some(_))))
    }

    fn look_up<T>(
        &self,
        namespace: &Namespace,
        name: &str,
        now: u64,
        most: usize,
        open: impl Fn(&RecordReader<'_>, Slot) -> Result<ReadAttempt<T>, KvError>,
    ) -> Result<Option<ReadAttempt<T>>, KvError> {
        let address =
            RecordAddress { namespace: namespace.id, id: namespace.keys().record_id(name) };
        let (located, keys) = {
            let index = namespace.index();
            // While the index is locked, no key version that it has is destroyed.
            (index.locate(name, address, now), namespace.keys())
        };
        let row = |table, key: &[u8], most| self.storage.get_within(table, key, most);
        let reader = RecordReader { store: self, row: &row, keys: &keys, address, name, most };
        reader.open(located, open)
    }
}

impl RecordReader<'_> {
    /// Opens the record at its place in the index; `None` when there is no such record.
    pub(crate) fn open<T>(
        &self,
        located: Located,
        open: impl Fn(&Self, Slot) -> Result<ReadAttempt<T>, KvError>,
    ) -> Result<Option<ReadAttempt<T>>, KvError> {
        let id = self.address.id;
        match located {
            Located::Absent => Ok(None),
            Located::At(slot) => open(self, slot).map(Some),
            Located::Fault(fault) => Err(unreadable(id, fault)),
            Located::Unclear => {
                let value = (self.row)(Table::Values, &self.address.key(), 0)?;
                Ok(value.map(|_| ReadAttempt::Mismatch))
            }
        }
    }
}

/// The value that belongs to a slot.
pub(crate) fn value(reader: &RecordReader<'_>, slot: Slot) -> Result<ReadAttempt<Value>, KvError> {
    let RecordReader { store, keys, address, name, .. } = *reader;
    readable(keys, address.id, slot.key_version)?;
    if let Some(bytes) = store.cache.get(address, slot.version) {
        return Ok(ReadAttempt::Done(Value { bytes, expiry: expiry(slot) }));
    }
    let row = match (reader.row)(Table::Values, &address.key(), reader.most)? {
        None => return Ok(ReadAttempt::Mismatch),
        Some(RowWithin::Longer(bytes)) => return Err(KvError::NeedsMemory { bytes }),
        Some(RowWithin::Row(row)) => row,
    };
    let Ok((head, _)) = RowHeader::read(&row) else { return Ok(ReadAttempt::Mismatch) };
    if head.version != slot.version {
        return Ok(ReadAttempt::Mismatch);
    }
    let key = readable(keys, address.id, head.key_version)?;
    let opened = record::open_value(&key.key, address, head, name, slot.expiry, row);
    let Ok(bytes) = opened else { return Ok(ReadAttempt::Mismatch) };
    store.cache_value(address, name, slot, &bytes);
    Ok(ReadAttempt::Done(Value { bytes, expiry: expiry(slot) }))
}

/// The metadata that belongs to a slot.
pub(crate) fn metadata(
    reader: &RecordReader<'_>,
    slot: Slot,
) -> Result<ReadAttempt<Metadata>, KvError> {
    let RecordReader { keys, address, .. } = *reader;
    if !slot.content.has_metadata() {
        return Ok(ReadAttempt::Done(Metadata { json: None, expiry: expiry(slot) }));
    }
    let row = (reader.row)(Table::Entries, &address.key(), usize::MAX)?;
    let Some(row) = row.and_then(RowWithin::row) else {
        return Ok(ReadAttempt::Mismatch);
    };
    if let Ok((head, _)) = RowHeader::read(&row) {
        readable(keys, address.id, head.key_version)?;
    }
    match open_entry_row(keys, address, &row) {
        Ok((head, entry)) if head.version == slot.version => {
            Ok(ReadAttempt::Done(Metadata { json: Some(entry.metadata), expiry: expiry(slot) }))
        }
        _ => Ok(ReadAttempt::Mismatch),
    }
}

/// The value and the metadata that belong to a slot.
pub(crate) fn value_and_metadata(
    reader: &RecordReader<'_>,
    slot: Slot,
) -> Result<ReadAttempt<(Value, Metadata)>, KvError> {
    Ok(match (value(reader, slot)?, metadata(reader, slot)?) {
        (ReadAttempt::Done(value), ReadAttempt::Done(metadata)) => {
            ReadAttempt::Done((value, metadata))
        }
        _ => ReadAttempt::Mismatch,
    })
}

/// A key version that readers may use.
fn readable(keys: &DerivedKeys, id: RecordId, version: u32) -> Result<&DerivedVersion, KvError> {
    let key = keys.get(version).ok_or_else(|| unreadable(id, missing_version(keys, version)))?;
    match key.state {
        VersionState::Active | VersionState::Retired => Ok(key),
        VersionState::Revoked => Err(KvError::Revoked { id, version }),
        VersionState::Destroyed => Err(KvError::Destroyed { id, version }),
    }
}

/// The error of a record with a fault.
fn unreadable(id: RecordId, fault: RecordFault) -> KvError {
    match fault {
        RecordFault::Damaged => KvError::Damaged(id),
        RecordFault::Destroyed(version) => KvError::Destroyed { id, version },
        RecordFault::UnknownVersion(version) => KvError::UnknownVersion { id, version },
    }
}

fn expiry(slot: Slot) -> Option<u64> {
    (slot.expiry != 0).then_some(slot.expiry)
}
