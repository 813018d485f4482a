//! The index of one namespace in memory: the names of its records in order, with version and expiry.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::kv::engine::{LostRange, Revision};
use crate::kv::multiset_hash::MultisetHash;
use crate::kv::name::RecordName;
use crate::kv::node_sums::NodeSums;
use crate::kv::record::RecordAddress;
use crate::kv::record_id::RecordId;

/// The index entry of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The commit that wrote it.
    pub(crate) version: u64,
    /// Seconds since 1970; 0 for never.
    pub(crate) expiry: u64,
    /// The key version of its rows.
    pub(crate) key_version: u32,
    /// Whether it has metadata, and its bytes.
    pub(crate) content: SlotContent,
}

/// Whether a record has metadata, and the bytes of its name, metadata and value once they are known: in four
/// bytes, because every record has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotContent(u32);

impl SlotContent {
    const METADATA: u32 = 1 << 31;

    /// Of `bytes` bytes; the name has one at least, and 0 stands for a number that is not known.
    pub(crate) fn new(has_metadata: bool, bytes: Option<u32>) -> Self {
        let bytes = bytes.unwrap_or(0).min(Self::METADATA - 1);
        Self(bytes | if has_metadata { Self::METADATA } else { 0 })
    }

    pub(crate) fn has_metadata(self) -> bool {
        self.0 & Self::METADATA != 0
    }

    pub(crate) fn bytes(self) -> Option<u32> {
        Some(self.0 & !Self::METADATA).filter(|bytes| *bytes > 0)
    }
}

impl Slot {
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expiry != 0 && self.expiry <= now
    }
}

/// Why a record that has a row has no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordFault {
    /// Its row does not open, or not at this address.
    Damaged,
    /// Its key version is destroyed.
    Destroyed(u32),
    /// Its key version is later than all that the keyring has.
    UnknownVersion(u32),
}

/// The place of a record in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Located {
    /// There is no such record, or it has expired.
    Absent,
    /// Its slot.
    At(Slot),
    /// Its row has a fault.
    Fault(RecordFault),
    /// There is no slot. A row that does not open may be this record's, under a damaged key.
    Unclear,
}

/// All records of one namespace.
#[derive(Default)]
pub(crate) struct Index {
    slots: BTreeMap<RecordName, Slot>,
    expiring: BTreeSet<(u64, RecordName)>,
    dependents: BTreeMap<u32, u64>,
    /// Bytes of the records that are measured.
    bytes: u64,
    /// Records that are not.
    unmeasured: usize,
    pub(crate) faults: BTreeMap<RecordId, RecordFault>,
    /// Keys of entries that a salvage could not read: nothing is known of records there.
    pub(crate) lost: Vec<LostRange>,
    /// The multiset hash over the slots.
    pub(crate) hash: MultisetHash,
    /// The rest of the hash on the disk: the terms of the records in `faults`, which may open again under
    /// another copy of the keyring.
    pub(crate) unopened: MultisetHash,
    /// The store's commit count at the last change of the namespace.
    pub(crate) commits: u64,
    /// The parts of the hash that the nodes of a shared storage wrote; empty for a storage that is not shared.
    pub(crate) sums: NodeSums,
    /// The revision of a shared storage at the last change of the namespace.
    pub(crate) revision: Revision,
}

impl Index {
    /// An index without records, after this number of commits.
    pub(crate) fn empty(commits: u64) -> Self {
        Self { commits, ..Self::default() }
    }

    /// The slot of a record.
    pub(crate) fn get(&self, name: &str) -> Option<Slot> {
        self.slots.get(name).copied()
    }

    /// The place of a record, unless it expired by `now`.
    pub(crate) fn locate(&self, name: &str, address: RecordAddress, now: u64) -> Located {
        match (self.get(name), self.faults.get(&address.id)) {
            (Some(slot), _) if slot.is_expired(now) => Located::Absent,
            (Some(slot), _) => Located::At(slot),
            (None, Some(fault)) => Located::Fault(*fault),
            (None, None) if self.is_whole() => Located::Absent,
            (None, None) if self.is_lost(&address.key()) => Located::Fault(RecordFault::Damaged),
            (None, None) => Located::Unclear,
        }
    }

    /// Sets or removes a slot. The caller changes the hash.
    pub(crate) fn set(&mut self, name: &str, slot: Option<Slot>) {
        let before = match slot {
            Some(slot) => self.slots.insert(RecordName::of(name), slot),
            None => self.slots.remove(name),
        };
        if let Some(before) = before {
            self.count_bytes(before.content, false);
            self.count(before.key_version, false);
            if before.expiry != 0 {
                self.expiring.remove(&(before.expiry, RecordName::of(name)));
            }
        }
        if let Some(slot) = slot {
            self.count_bytes(slot.content, true);
            self.count(slot.key_version, true);
            if slot.expiry != 0 {
                self.expiring.insert((slot.expiry, RecordName::of(name)));
            }
        }
    }

    fn count(&mut self, key_version: u32, more: bool) {
        let count = self.dependents.entry(key_version).or_default();
        *count = if more { *count + 1 } else { *count - 1 };
        if *count == 0 {
            self.dependents.remove(&key_version);
        }
    }

    fn count_bytes(&mut self, content: SlotContent, more: bool) {
        match (content.bytes(), more) {
            (Some(bytes), true) => self.bytes += u64::from(bytes),
            (Some(bytes), false) => self.bytes -= u64::from(bytes),
            (None, true) => self.unmeasured += 1,
            (None, false) => self.unmeasured -= 1,
        }
    }

    /// The bytes of the records that are measured, including expired ones.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of records that are not.
    pub(crate) fn unmeasured(&self) -> usize {
        self.unmeasured
    }

    /// Up to `limit` records after `after` that are not measured.
    pub(crate) fn names_unmeasured(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(RecordName, Slot)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let slots = self.slots.range::<str, _>((from, Bound::Unbounded));
        let unmeasured = slots.filter(|(_, slot)| slot.content.bytes().is_none());
        unmeasured.take(limit).map(|(name, slot)| (name.clone(), *slot)).collect()
    }

    /// Takes the bytes of a record, unless it is no longer as it was.
    pub(crate) fn measure(&mut self, name: &str, measured: Slot, bytes: u32) {
        let Some(slot) = self.slots.get_mut(name).filter(|slot| **slot == measured) else { return };
        // A record whose rows are gone is damaged; its name is kept in any case.
        slot.content = SlotContent::new(slot.content.has_metadata(), Some(bytes.max(1)));
        let content = slot.content;
        self.unmeasured -= 1;
        self.bytes += u64::from(content.bytes().unwrap_or_default());
    }

    /// The number of records that expired by `now`, and their bytes as far as they are measured.
    pub(crate) fn expired_content(&self, now: u64) -> (usize, u64) {
        let expired = self.expiring.iter().take_while(|(expiry, _)| *expiry <= now);
        expired.fold((0, 0), |(count, bytes), (_, name)| {
            let slot = self.slots.get(name.as_str());
            let of_one = slot.and_then(|slot| slot.content.bytes()).unwrap_or_default();
            (count + 1, bytes + u64::from(of_one))
        })
    }

    /// Whether every record of the namespace is known.
    pub(crate) fn is_whole(&self) -> bool {
        self.faults.is_empty() && self.lost.is_empty()
    }

    /// Whether nothing is known of a record at this key of the storage.
    pub(crate) fn is_lost(&self, key: &[u8]) -> bool {
        self.lost.iter().any(|range| range.contains(key))
    }

    /// The number of records, including expired ones.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The number of records under each key version that has any.
    pub(crate) fn dependents(&self) -> &BTreeMap<u32, u64> {
        &self.dependents
    }

    /// Records whose names begin with `prefix` and come after `after`, in byte order, that are not
    /// expired.
    pub(crate) fn after<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&str>,
        now: u64,
    ) -> impl Iterator<Item = (&'a str, Slot)> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.slots
            .range::<str, _>((from, Bound::Unbounded))
            .map(|(name, slot)| (name.as_str(), *slot))
            .take_while(move |(name, _)| name.starts_with(prefix))
            .filter(move |(_, slot)| !slot.is_expired(now))
    }

    /// Up to `limit` names of records that expired by `now`.
    pub(crate) fn expired(&self, now: u64, limit: usize) -> Vec<RecordName> {
        let due = self.expiring.iter().take_while(|(expiry, _)| *expiry <= now);
        due.take(limit).map(|(_, name)| name.clone()).collect()
    }

    /// Up to `limit` names after `after` whose key version is not `active`.
    pub(crate) fn behind(&self, active: u32, after: Option<&str>, limit: usize) -> Vec<RecordName> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.slots
            .range::<str, _>((from, Bound::Unbounded))
            .filter(|(_, slot)| slot.key_version != active)
            .take(limit)
            .map(|(name, _)| name.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(key_version: u32, expiry: u64) -> Slot {
        Slot { version: 1, expiry, key_version, content: SlotContent::new(false, None) }
    }

    fn index(names: &[(&str, u64)]) -> Index {
        let mut index = Index::default();
        for (name, expiry) in names {
            index.set(name, Some(slot(1, *expiry)));
        }
        index
    }

    #[test]
    fn names_are_listed_by_prefix_in_byte_order_without_expired_ones() {
        let index = index(&[("b", 0), ("ab", 5), ("a", 0), ("ac", 6), ("a/ä", 0)]);
        let list = |prefix, after, now| {
            index.after(prefix, after, now).map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(list("", None, 0), ["a", "a/ä", "ab", "ac", "b"]);
        assert_eq!(list("a", None, 5), ["a", "a/ä", "ac"]);
        assert_eq!(list("a", Some("a/ä"), 4), ["ab", "ac"]);
        assert_eq!(list("b", Some("a"), 0), ["b"]);
        assert_eq!(list("c", None, 0), Vec::<String>::new());
    }

    #[test]
    fn a_record_expires_in_the_second_that_it_names() {
        assert!(!slot(1, 5).is_expired(4));
        assert!(slot(1, 5).is_expired(5));
        assert!(!slot(1, 0).is_expired(u64::MAX));
    }

    #[test]
    fn what_expired_is_found_until_it_is_removed_or_written_anew() {
        let mut index = index(&[("a", 5), ("b", 4), ("c", 0), ("d", 9)]);
        let names = |index: &Index, now, limit| {
            let expired = index.expired(now, limit);
            expired.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&index, 5, 9), ["b", "a"]);
        assert_eq!(names(&index, 5, 1), ["b"]);
        index.set("b", Some(slot(1, 0)));
        index.set("a", None);
        assert_eq!(names(&index, 5, 9), Vec::<String>::new());
        assert_eq!(names(&index, 9, 9), ["d"]);
    }

    #[test]
    fn dependents_of_every_key_version_are_counted() {
        let mut index = index(&[("a", 0), ("b", 0)]);
        index.set("a", Some(slot(2, 0)));
        assert_eq!(index.dependents(), &BTreeMap::from([(1, 1), (2, 1)]));
        assert_eq!(index.behind(2, None, 9), [RecordName::of("b")]);
        assert_eq!(index.behind(3, Some("a"), 9), [RecordName::of("b")]);
        index.set("b", None);
        assert_eq!(index.dependents(), &BTreeMap::from([(2, 1)]));
        assert_eq!(index.len(), 1);
    }
}
