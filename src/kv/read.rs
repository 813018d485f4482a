//! Reading: one record, its metadata, or a page of names.

use zeroize::Zeroizing;

use crate::keyring::{NamespaceId, VersionState};
use crate::kv::derived_keys::{DerivedKeys, DerivedVersion};
use crate::kv::engine::{StorageAccess, StorageError, Table};
use crate::kv::error::KvError;
use crate::kv::index::{RecordFault, Slot};
use crate::kv::name;
use crate::kv::namespace::{Namespace, open_entry_row};
use crate::kv::record;
use crate::kv::record::{RecordAddress, RowHeader};
use crate::kv::record_id::RecordId;
use crate::kv::store::Store;

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
enum ReadAttempt<T> {
    Done(T),
    /// The row is not the one of the index. A write may be in progress.
    Mismatch,
}

impl Store {
    /// The value of a record; `None` when there is none, or it has expired by `now`, in seconds since
    /// 1970.
    ///
    /// # Errors
    /// With the record's id when it is damaged, or its key revoked.
    pub fn get(&self, id: NamespaceId, name: &str, now: u64) -> Result<Option<Value>, KvError> {
        self.read(id, name, now, |keys, address, slot| self.value(keys, address, name, slot))
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
        self.read(id, name, now, |keys, address, slot| self.its_metadata(keys, address, slot))
    }

    /// The value of a record and the metadata that was written with it; `None` as for [`Store::get`].
    ///
    /// # Errors
    /// As for [`Store::get`].
    pub fn get_with_metadata(
        &self,
        id: NamespaceId,
        name: &str,
        now: u64,
    ) -> Result<Option<(Value, Metadata)>, KvError> {
        self.read(id, name, now, |keys, address, slot| {
            let value = self.value(keys, address, name, slot)?;
            let metadata = self.its_metadata(keys, address, slot)?;
            Ok(match (value, metadata) {
                (ReadAttempt::Done(value), ReadAttempt::Done(metadata)) => {
                    ReadAttempt::Done((value, metadata))
                }
                _ => ReadAttempt::Mismatch,
            })
        })
    }

    /// Up to `limit` records whose names begin with `prefix` and come after `after`, in byte order,
    /// without those that have expired by `now`.
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
        let mut after = after.map(|after| Zeroizing::new(after.to_owned()));
        loop {
            let after_name = after.as_ref().map(|after| after.as_str());
            let (page, last) = self.page(id, prefix, after_name, limit, now)?;
            // All of them may be deleted by now: an empty page would end the list.
            if !page.more || !page.records.is_empty() || last.is_none() {
                return Ok(page);
            }
            after = last;
        }
    }

    /// One page, and the last name that was looked up for it.
    fn page(
        &self,
        id: NamespaceId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: u64,
    ) -> Result<(RecordPage, Option<Zeroizing<String>>), KvError> {
        let namespace = self.namespace(id)?;
        let mut names: Vec<_> = namespace
            .index()
            .after(prefix, after, now)
            .take(limit.saturating_add(1))
            .map(|(name, slot)| (Zeroizing::new(name.to_owned()), slot))
            .collect();
        let more = names.len() > limit;
        names.truncate(limit);
        let last = names.last().map(|(name, _)| name.clone());
        let mut records = Vec::with_capacity(names.len());
        for (name, slot) in names {
            let metadata = match self.metadata(id, &name, now) {
                Ok(Some(metadata)) => metadata,
                // Deleted in the meantime.
                Ok(None) => continue,
                Err(KvError::Damaged(_) | KvError::Revoked { .. } | KvError::Destroyed { .. }) => {
                    Metadata { json: None, expiry: expiry(slot) }
                }
                Err(error) => return Err(error),
            };
            records.push(RecordEntry { name, metadata });
        }
        Ok((RecordPage { records, more }, last))
    }

    /// The value that belongs to a slot.
    fn value(
        &self,
        keys: &DerivedKeys,
        address: RecordAddress,
        name: &str,
        slot: Slot,
    ) -> Result<ReadAttempt<Value>, KvError> {
        readable(keys, address.id, slot.key_version)?;
        if let Some(bytes) = self.cache.get(address, slot.version) {
            return Ok(ReadAttempt::Done(Value { bytes, expiry: expiry(slot) }));
        }
        let Some(row) = self.storage.get(Table::Values, &address.key())? else {
            return Ok(ReadAttempt::Mismatch);
        };
        let Ok((head, sealed)) = RowHeader::read(&row) else { return Ok(ReadAttempt::Mismatch) };
        if head.version != slot.version {
            return Ok(ReadAttempt::Mismatch);
        }
        let key = readable(keys, address.id, head.key_version)?;
        let opened = record::open_value(&key.key, address, head, name, slot.expiry, sealed);
        let Ok(bytes) = opened else { return Ok(ReadAttempt::Mismatch) };
        self.cache_value(address, name, slot, &bytes);
        Ok(ReadAttempt::Done(Value { bytes, expiry: expiry(slot) }))
    }

    /// The metadata that belongs to a slot.
    fn its_metadata(
        &self,
        keys: &DerivedKeys,
        address: RecordAddress,
        slot: Slot,
    ) -> Result<ReadAttempt<Metadata>, KvError> {
        if !slot.has_metadata {
            return Ok(ReadAttempt::Done(Metadata { json: None, expiry: expiry(slot) }));
        }
        let Some(row) = self.storage.get(Table::Entries, &address.key())? else {
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
        if index.get(name) == Some(slot) {
            self.cache.add(address, slot.version, value);
        }
    }

    /// Looks a record up and reads it: first without a lock, and, if its row is not the one of the index,
    /// again while no write is in progress.
    fn read<T>(
        &self,
        id: NamespaceId,
        name: &str,
        now: u64,
        open: impl Fn(&DerivedKeys, RecordAddress, Slot) -> Result<ReadAttempt<T>, KvError>,
    ) -> Result<Option<T>, KvError> {
        name::check(name)?;
        let namespace = self.namespace(id)?;
        let record = namespace.keys().record_id(name);
        self.note_damage(id, record, self.read_twice(&namespace, name, now, open))
    }

    fn read_twice<T>(
        &self,
        namespace: &Namespace,
        name: &str,
        now: u64,
        open: impl Fn(&DerivedKeys, RecordAddress, Slot) -> Result<ReadAttempt<T>, KvError>,
    ) -> Result<Option<T>, KvError> {
        let mut tried = self.look_up(namespace, name, now, &open)?;
        if let Some(ReadAttempt::Mismatch) = tried {
            let (_no_writer, namespace) = self.writing(namespace.id)?;
            tried = self.look_up(&namespace, name, now, &open)?;
        }
        match tried {
            None => Ok(None),
            Some(ReadAttempt::Done(done)) => Ok(Some(done)),
            Some(ReadAttempt::Mismatch) => Err(KvError::Damaged(namespace.keys().record_id(name))),
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
        let is_damage = matches!(
            read,
            Err(KvError::Damaged(_)
                | KvError::Storage(StorageError { what: StorageAccess::Read, .. }))
        );
        if is_damage && let Ok(namespace) = self.known_namespace(namespace) {
            // Those that were found at the opening are reported already.
            let key = RecordAddress { namespace: namespace.id, id }.key();
            let is_known = {
                let index = namespace.index();
                index.faults.contains_key(&id) || index.is_lost(&key)
            };
            if !is_known {
                namespace.damage.add(id);
            }
        }
        read
    }

    fn look_up<T>(
        &self,
        namespace: &Namespace,
        name: &str,
        now: u64,
        open: impl Fn(&DerivedKeys, RecordAddress, Slot) -> Result<ReadAttempt<T>, KvError>,
    ) -> Result<Option<ReadAttempt<T>>, KvError> {
        let keys = namespace.keys();
        let address = RecordAddress { namespace: namespace.id, id: keys.record_id(name) };
        let (slot, fault, is_sound) = {
            let index = namespace.index();
            (index.get(name), index.faults.get(&address.id).copied(), index.is_whole())
        };
        match (slot, fault) {
            (Some(slot), _) if slot.is_expired(now) => Ok(None),
            (Some(slot), _) => open(&keys, address, slot).map(Some),
            (None, Some(RecordFault::Destroyed(version))) => {
                Err(KvError::Destroyed { id: address.id, version })
            }
            (None, Some(RecordFault::Damaged)) => Err(KvError::Damaged(address.id)),
            (None, None) if is_sound => Ok(None),
            (None, None) if namespace.index().is_lost(&address.key()) => {
                Err(KvError::Damaged(address.id))
            }
            // A row that does not open may be this record's, under a damaged key.
            (None, None) => {
                let value = self.storage.get(Table::Values, &address.key())?;
                Ok(value.map(|_| ReadAttempt::Mismatch))
            }
        }
    }
}

/// A key version that readers may use.
fn readable(keys: &DerivedKeys, id: RecordId, version: u32) -> Result<&DerivedVersion, KvError> {
    let key = keys.get(version).ok_or(KvError::Destroyed { id, version })?;
    match key.state {
        VersionState::Active | VersionState::Retired => Ok(key),
        VersionState::Revoked => Err(KvError::Revoked { id, version }),
        VersionState::Destroyed => Err(KvError::Destroyed { id, version }),
    }
}

fn expiry(slot: Slot) -> Option<u64> {
    (slot.expiry != 0).then_some(slot.expiry)
}
