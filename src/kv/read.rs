//! Reading: one record, its metadata, or a page of names.

use std::sync::PoisonError;

use zeroize::Zeroizing;

use crate::keyring::{NamespaceId, VersionState};
use crate::kv::engine::Table;
use crate::kv::index::{Fault, Slot};
use crate::kv::name;
use crate::kv::name::RecordId;
use crate::kv::namespace::{Space, SpaceKeys, open_in_place};
use crate::kv::record;
use crate::kv::record::{Head, Place};
use crate::kv::{KvError, Store};

/// A value as its reader gets it.
#[derive(Debug, PartialEq, Eq)]
pub struct Value {
    /// What was written.
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
pub struct Listed {
    /// The record's name.
    pub name: Zeroizing<String>,
    /// Its metadata and expiry.
    pub metadata: Metadata,
}

/// Part of a list.
#[derive(PartialEq, Eq)]
pub struct Page {
    /// In the byte order of the names.
    pub records: Vec<Listed>,
    /// Whether there are more: list again after the last name.
    pub more: bool,
}

/// What a try to open one record came to.
enum Tried<T> {
    Done(T),
    /// The row is not the one that the index knows. A write may be under way.
    Mismatch,
}

impl Store {
    /// The value of a record; `None` when there is none, or it has expired by `now`, in seconds since
    /// 1970.
    ///
    /// # Errors
    /// Names the record's id when it is damaged, or its key revoked.
    pub fn get(
        &self,
        namespace: NamespaceId,
        name: &str,
        now: u64,
    ) -> Result<Option<Value>, KvError> {
        self.read(namespace, name, now, |keys, place, slot| self.value(keys, place, name, slot))
    }

    /// The metadata of a record; `None` when there is no such record, or it has expired by `now`.
    ///
    /// # Errors
    /// As for [`Store::get`].
    pub fn metadata(
        &self,
        namespace: NamespaceId,
        name: &str,
        now: u64,
    ) -> Result<Option<Metadata>, KvError> {
        self.read(namespace, name, now, |keys, place, slot| self.its_metadata(keys, place, slot))
    }

    /// The value of a record and the metadata that was written with it; `None` as for [`Store::get`].
    ///
    /// # Errors
    /// As for [`Store::get`].
    pub fn get_with_metadata(
        &self,
        namespace: NamespaceId,
        name: &str,
        now: u64,
    ) -> Result<Option<(Value, Metadata)>, KvError> {
        self.read(namespace, name, now, |keys, place, slot| {
            let value = self.value(keys, place, name, slot)?;
            let metadata = self.its_metadata(keys, place, slot)?;
            Ok(match (value, metadata) {
                (Tried::Done(value), Tried::Done(metadata)) => Tried::Done((value, metadata)),
                _ => Tried::Mismatch,
            })
        })
    }

    /// Up to `limit` records whose names begin with `prefix` and come after `after`, in byte order,
    /// without those that have expired by `now`.
    ///
    /// # Errors
    /// When the namespace or the storage cannot be read. A record whose metadata cannot be opened is
    /// listed without it: reading it tells why.
    pub fn list(
        &self,
        namespace: NamespaceId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: u64,
    ) -> Result<Page, KvError> {
        let mut after = after.map(|after| Zeroizing::new(after.to_owned()));
        loop {
            let after_name = after.as_ref().map(|after| after.as_str());
            let (page, last) = self.page(namespace, prefix, after_name, limit, now)?;
            // All of them may have been deleted since: an empty page would be taken for the end.
            if !page.more || !page.records.is_empty() || last.is_none() {
                return Ok(page);
            }
            after = last;
        }
    }

    /// One page, and the last name that was to be on it.
    fn page(
        &self,
        namespace: NamespaceId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: u64,
    ) -> Result<(Page, Option<Zeroizing<String>>), KvError> {
        let space = self.space(namespace)?;
        let mut names: Vec<_> = space
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
            let metadata = match self.metadata(namespace, &name, now) {
                Ok(Some(metadata)) => metadata,
                // Deleted since.
                Ok(None) => continue,
                Err(KvError::Damaged(_) | KvError::Revoked { .. } | KvError::Destroyed { .. }) => {
                    Metadata { json: None, expiry: expiry(slot) }
                }
                Err(error) => return Err(error),
            };
            records.push(Listed { name, metadata });
        }
        Ok((Page { records, more }, last))
    }

    /// The value that belongs to a slot.
    fn value(
        &self,
        keys: &SpaceKeys,
        place: Place,
        name: &str,
        slot: Slot,
    ) -> Result<Tried<Value>, KvError> {
        readable(keys, place.id, slot.key_version)?;
        if let Some(bytes) = self.opened.get(place, slot.version) {
            return Ok(Tried::Done(Value { bytes, expiry: expiry(slot) }));
        }
        let Some(row) = self.storage.get(Table::Values, &place.key())? else {
            return Ok(Tried::Mismatch);
        };
        let Ok((head, sealed)) = Head::read(&row) else { return Ok(Tried::Mismatch) };
        if head.version != slot.version {
            return Ok(Tried::Mismatch);
        }
        let key = readable(keys, place.id, head.key_version)?;
        let opened = record::open_value(&key.key, place, head, name, slot.expiry, sealed);
        let Ok(bytes) = opened else { return Ok(Tried::Mismatch) };
        self.hold(place, name, slot, &bytes);
        Ok(Tried::Done(Value { bytes, expiry: expiry(slot) }))
    }

    /// The metadata that belongs to a slot.
    fn its_metadata(
        &self,
        keys: &SpaceKeys,
        place: Place,
        slot: Slot,
    ) -> Result<Tried<Metadata>, KvError> {
        if !slot.has_metadata {
            return Ok(Tried::Done(Metadata { json: None, expiry: expiry(slot) }));
        }
        let Some(row) = self.storage.get(Table::Entries, &place.key())? else {
            return Ok(Tried::Mismatch);
        };
        if let Ok((head, _)) = Head::read(&row) {
            readable(keys, place.id, head.key_version)?;
        }
        match open_in_place(keys, place, &row) {
            Ok((head, entry)) if head.version == slot.version => {
                Ok(Tried::Done(Metadata { json: Some(entry.metadata), expiry: expiry(slot) }))
            }
            _ => Ok(Tried::Mismatch),
        }
    }

    /// Holds a value for its next readers, unless it is its record's no more: then whoever wrote has
    /// been there already to take it out.
    pub(crate) fn hold(&self, place: Place, name: &str, slot: Slot, value: &[u8]) {
        if !self.opened.takes(value.len()) {
            return;
        }
        let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
        let Some(space) = spaces.as_ref().and_then(|spaces| spaces.get(&place.namespace)) else {
            return;
        };
        let index = space.index();
        if index.get(name) == Some(slot) {
            self.opened.add(place, slot.version, value);
        }
    }

    /// Looks a record up and tries to open it: once beside whoever writes, and, if what is found is
    /// not what the index knows, once more when nobody does.
    fn read<T>(
        &self,
        namespace: NamespaceId,
        name: &str,
        now: u64,
        open: impl Fn(&SpaceKeys, Place, Slot) -> Result<Tried<T>, KvError>,
    ) -> Result<Option<T>, KvError> {
        name::check(name)?;
        let space = self.space(namespace)?;
        let mut tried = self.look_up(&space, name, now, &open)?;
        if let Some(Tried::Mismatch) = tried {
            let (_nobody_writes, space) = self.writing(namespace)?;
            tried = self.look_up(&space, name, now, &open)?;
        }
        match tried {
            None => Ok(None),
            Some(Tried::Done(done)) => Ok(Some(done)),
            Some(Tried::Mismatch) => Err(KvError::Damaged(space.keys().record_id(name))),
        }
    }

    fn look_up<T>(
        &self,
        space: &Space,
        name: &str,
        now: u64,
        open: impl Fn(&SpaceKeys, Place, Slot) -> Result<Tried<T>, KvError>,
    ) -> Result<Option<Tried<T>>, KvError> {
        let keys = space.keys();
        let place = Place { namespace: space.id, id: keys.record_id(name) };
        let (slot, fault, is_sound) = {
            let index = space.index();
            (index.get(name), index.faults.get(&place.id).copied(), index.faults.is_empty())
        };
        match (slot, fault) {
            (Some(slot), _) if slot.is_expired(now) => Ok(None),
            (Some(slot), _) => open(&keys, place, slot).map(Some),
            (None, Some(Fault::Destroyed(version))) => {
                Err(KvError::Destroyed { id: place.id, version })
            }
            (None, Some(Fault::Damaged)) => Err(KvError::Damaged(place.id)),
            (None, None) if is_sound => Ok(None),
            // One of the rows that do not open may be this record's, under a damaged key.
            (None, None) => {
                let value = self.storage.get(Table::Values, &place.key())?;
                Ok(value.map(|_| Tried::Mismatch))
            }
        }
    }
}

/// A key version that readers may use.
fn readable(
    keys: &SpaceKeys,
    id: RecordId,
    version: u32,
) -> Result<&crate::kv::namespace::VersionKeys, KvError> {
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
