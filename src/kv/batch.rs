//! A batch in the making: the rows of one commit, and the index and multiset hash after it.

use zeroize::Zeroizing;

use crate::crypto::key_material::KeyMaterial;
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::edit::{Edit, Put};
use crate::kv::engine::{Change, Expectation, Revision, Table};
use crate::kv::error::KvError;
use crate::kv::follower::Follower;
use crate::kv::index::{Slot, SlotContent};
use crate::kv::multiset_hash::MultisetHash;
use crate::kv::name::RecordName;
use crate::kv::namespace::Namespace;
use crate::kv::node_number::NodeNumber;
use crate::kv::record;
use crate::kv::record::{Entry, RecordAddress, RowHeader};
use crate::kv::record_id::RecordId;

/// The changes of one commit in one namespace.
pub(crate) struct CommitBatch<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) keys: &'a DerivedKeys,
    pub(crate) changes: Vec<Change>,
    /// Bytes of rows among the changes.
    pub(crate) bytes: usize,
    pub(crate) slots: Vec<(&'a str, Option<Slot>)>,
    /// Records that are written or removed: a fault of theirs ends.
    pub(crate) healed: Vec<RecordId>,
    pub(crate) hash: MultisetHash,
    /// The node that commits it.
    node: NodeNumber,
    /// The revision of a shared storage that the index has.
    pub(crate) since: Revision,
    /// The entries that it changes, as they are then.
    pub(crate) expected: Vec<Expectation>,
}

impl<'a> CommitBatch<'a> {
    /// A batch on top of the index as it is; of one node, which follows the others of a shared storage.
    pub(crate) fn of(
        namespace: &'a Namespace,
        keys: &'a DerivedKeys,
        follower: Option<&Follower>,
    ) -> Self {
        let (hash, since) = {
            let index = namespace.index();
            (index.hash, follower.map_or_else(Revision::default, |it| it.revision_of(&index)))
        };
        Self {
            namespace,
            keys,
            node: follower.map_or(NodeNumber::ALONE, |it| it.node),
            since,
            expected: Vec::new(),
            changes: Vec::new(),
            bytes: 0,
            slots: Vec::new(),
            healed: Vec::new(),
            hash,
        }
    }

    /// The node's part of the multiset hash to write: with the terms of records that do not open, as long as
    /// there are such.
    pub(crate) fn hash_on_disk(&self) -> MultisetHash {
        let mut hash = self.hash;
        hash.subtract(&self.namespace.index().sums.others(self.node).to_bytes());
        let index = self.namespace.index();
        if index.faults.keys().any(|id| !self.healed.contains(id)) {
            hash.add(&index.unopened.to_bytes());
        }
        hash
    }

    /// Adds one edit, in the commit of this number.
    pub(crate) fn add(
        &mut self,
        material: &mut KeyMaterial<'_>,
        commit: u64,
        edit: Edit<'a>,
    ) -> Result<(), KvError> {
        match edit {
            Edit::Put(put) => self.put(material, commit, put),
            Edit::Delete(name) => {
                self.remove(name);
                Ok(())
            }
        }
    }

    /// Seals one record and adds its rows.
    fn put(
        &mut self,
        material: &mut KeyMaterial<'_>,
        commit: u64,
        put: Put<'a>,
    ) -> Result<(), KvError> {
        let version = self.node.version(commit);
        let active = self.keys.active();
        let address = self.address(put.name);
        let head = RowHeader { key_version: self.keys.active, version };
        let entry = Entry {
            name: RecordName::of(put.name),
            expiry: put.expiry.unwrap_or(0),
            metadata: Zeroizing::new(put.metadata.unwrap_or_default().to_vec()),
        };
        let value = record::seal_value(material, &active.key, address, head, &entry, put.value)?;
        let row = record::seal_entry(material, &active.entry_key, address, head, &entry)?;
        self.put_rows(address, value, row);
        let slot = Slot {
            version,
            expiry: entry.expiry,
            key_version: head.key_version,
            content: SlotContent::new(!entry.metadata.is_empty(), Some(put.bytes())),
        };
        self.set(put.name, address.id, Some(slot));
        Ok(())
    }

    /// Adds both rows of a record.
    pub(crate) fn put_rows(&mut self, address: RecordAddress, value: Vec<u8>, entry: Vec<u8>) {
        self.bytes += value.len() + entry.len();
        self.changes.push(Change::Put(Table::Values, address.key(), value));
        self.changes.push(Change::Put(Table::Entries, address.key(), entry));
    }

    pub(crate) fn address(&self, name: &str) -> RecordAddress {
        RecordAddress { namespace: self.namespace.id, id: self.keys.record_id(name) }
    }

    /// Sets or removes the slot of a record. Each name may be added once.
    pub(crate) fn set(&mut self, name: &'a str, id: RecordId, slot: Option<Slot>) {
        let (before, is_there) = {
            let index = self.namespace.index();
            let before = index.get(name);
            (before, before.is_some() || index.faults.contains_key(&id))
        };
        if let Some(before) = before {
            self.hash.subtract(&self.keys.term(id, before.version, before.expiry));
        }
        if self.node != NodeNumber::ALONE {
            let key = RecordAddress { namespace: self.namespace.id, id }.key();
            let unchanged_since = is_there.then_some(self.since);
            self.expected.push(Expectation { table: Table::Entries, key, unchanged_since });
        }
        if let Some(slot) = slot {
            self.hash.add(&self.keys.term(id, slot.version, slot.expiry));
        }
        self.slots.push((name, slot));
        self.healed.push(id);
    }

    /// Removes a record, if there is one. Each name may be added once.
    pub(crate) fn remove(&mut self, name: &'a str) {
        let is_there = {
            let index = self.namespace.index();
            // A row that does not open may be this record's, under a damaged key.
            index.get(name).is_some() || !index.faults.is_empty()
        };
        if is_there {
            let address = self.address(name);
            self.changes.push(Change::Delete(Table::Values, address.key()));
            self.changes.push(Change::Delete(Table::Entries, address.key()));
            self.set(name, address.id, None);
        }
    }
}
