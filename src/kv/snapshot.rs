//! Reads of several records at one commit.

use std::sync::Arc;
use std::thread;

use crate::keyring::NamespaceId;
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::engine::{Snapshot, Table};
use crate::kv::error::KvError;
use crate::kv::follower::Follower;
use crate::kv::index::{Index, Located, Slot};
use crate::kv::name;
use crate::kv::name::RecordName;
use crate::kv::namespace::Namespace;
use crate::kv::node_number::NodeNumber;
use crate::kv::read;
use crate::kv::read::{Metadata, ReadAttempt, RecordReader, Value};
use crate::kv::record::RecordAddress;
use crate::kv::store::Store;

/// Attempts without the right to write. One fails when a commit becomes visible between two steps of a
/// reader: some microseconds of the milliseconds that a commit takes.
const ATTEMPTS: usize = 8;

/// Records of one namespace as they are after one commit.
///
/// It keeps a read transaction of the storage: the caller reads the records, and drops it before the answer
/// is sent.
pub struct RecordsSnapshot<'a> {
    store: &'a Store,
    rows: Box<dyn Snapshot + 'a>,
    keys: Arc<DerivedKeys>,
    namespace: NamespaceId,
    records: Vec<(RecordName, Located)>,
}

/// The slot of a record, and the rows of the storage as they were then.
pub(crate) struct SlotWithRows<'a> {
    pub(crate) slot: Slot,
    /// `None` over a storage that this process alone writes.
    pub(crate) rows: Option<Box<dyn Snapshot + 'a>>,
}

/// One record of a snapshot.
pub struct SnapshotRecord<'a> {
    snapshot: &'a RecordsSnapshot<'a>,
    name: &'a str,
    located: Located,
}

impl Store {
    /// The records of these names, all at one commit; without those that expired by `now`, in seconds since
    /// 1970.
    ///
    /// # Errors
    /// When a name is invalid, or the namespace or the storage cannot be read.
    pub fn records(
        &self,
        id: NamespaceId,
        names: &[&str],
        now: u64,
    ) -> Result<RecordsSnapshot<'_>, KvError> {
        names.iter().try_for_each(|name| name::check(name))?;
        let (snapshot, ()) = self.records_where(id, |index, keys| {
            let locate = |name: &&str| {
                let address = RecordAddress { namespace: id, id: keys.record_id(name) };
                (RecordName::of(name), index.locate(name, address, now))
            };
            (names.iter().map(locate).collect(), ())
        })?;
        Ok(snapshot)
    }

    /// The records that `select` takes from the index, all at one commit, and what else it returns.
    pub(crate) fn records_where<T>(
        &self,
        id: NamespaceId,
        select: impl Fn(&Index, &DerivedKeys) -> (Vec<(RecordName, Located)>, T),
    ) -> Result<(RecordsSnapshot<'_>, T), KvError> {
        for attempt in 0..ATTEMPTS {
            let namespace = self.namespace(id)?;
            if let Some(follower) = &self.follower {
                match self.snapshot_at_index(follower, &namespace, &select) {
                    // The past may be forgotten faster than it is read.
                    Err(_) if attempt + 1 < ATTEMPTS => continue,
                    taken => return taken,
                }
            }
            let (snapshot, commits, selected) = self.take_snapshot(&namespace, &select)?;
            if snapshot.commits()? == Some(commits) {
                return Ok((snapshot, selected));
            }
            drop(snapshot);
            thread::yield_now();
        }
        // Without a writer, index and storage agree.
        let (_no_writer, namespace) = self.writing(id)?;
        let (snapshot, _, selected) = self.take_snapshot(&namespace, &select)?;
        Ok((snapshot, selected))
    }

    /// As [`Store::records_where`], over a shared storage: it shows its rows as they were when the index had them.
    fn snapshot_at_index<'a, T>(
        &'a self,
        follower: &'a Follower,
        namespace: &Namespace,
        select: impl Fn(&Index, &DerivedKeys) -> (Vec<(RecordName, Located)>, T),
    ) -> Result<(RecordsSnapshot<'a>, T), KvError> {
        let index = namespace.index();
        let revision = follower.revision_of(&index);
        let keys = namespace.keys();
        let (records, selected) = select(&index, &keys);
        drop(index);
        let rows: Box<dyn Snapshot + 'a> = follower.storage.snapshot_at(revision)?;
        let namespace = namespace.id;
        Ok((RecordsSnapshot { store: self, rows, keys, namespace, records }, selected))
    }

    /// The slot of a record, and, over a shared storage, the rows as they were when the index had them.
    pub(crate) fn slot_with_rows(
        &self,
        namespace: &Namespace,
        name: &str,
    ) -> Result<Option<SlotWithRows<'_>>, KvError> {
        let index = namespace.index();
        let Some(slot) = index.get(name) else { return Ok(None) };
        let Some(follower) = &self.follower else {
            return Ok(Some(SlotWithRows { slot, rows: None }));
        };
        let revision = follower.revision_of(&index);
        drop(index);
        let rows: Box<dyn Snapshot + '_> = follower.storage.snapshot_at(revision)?;
        Ok(Some(SlotWithRows { slot, rows: Some(rows) }))
    }

    /// A snapshot of the storage, and the part of the index that `select` takes after it, with the index's
    /// commit count.
    fn take_snapshot<T>(
        &self,
        namespace: &Namespace,
        select: impl Fn(&Index, &DerivedKeys) -> (Vec<(RecordName, Located)>, T),
    ) -> Result<(RecordsSnapshot<'_>, u64, T), KvError> {
        // The storage's lock before the index's, as writers take them.
        let rows = self.storage.snapshot()?;
        let index = namespace.index();
        // While the index is locked, no key version that it has is destroyed.
        let keys = namespace.keys();
        let (records, selected) = select(&index, &keys);
        let commits = index.commits;
        drop(index);
        let snapshot =
            RecordsSnapshot { store: self, rows, keys, namespace: namespace.id, records };
        Ok((snapshot, commits, selected))
    }
}

impl RecordsSnapshot<'_> {
    /// The records, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = SnapshotRecord<'_>> {
        self.records.iter().map(|(name, located)| SnapshotRecord {
            snapshot: self,
            name: name.as_str(),
            located: *located,
        })
    }

    /// The store's commit count at the last change of the namespace; `None` when the row with it does not
    /// open.
    fn commits(&self) -> Result<Option<u64>, KvError> {
        let row = self.rows.get(Table::Sums, &self.namespace.0)?;
        let of = (self.namespace, NodeNumber::ALONE);
        let opened = row.and_then(|row| self.keys.open_hash(of, &row).ok());
        Ok(opened.map(|(commits, _)| commits))
    }
}

impl<'a> SnapshotRecord<'a> {
    /// The record's name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The index entry, when there is one.
    pub(crate) fn slot(&self) -> Option<Slot> {
        if let Located::At(slot) = self.located { Some(slot) } else { None }
    }

    /// The value; `None` when there is no such record.
    ///
    /// # Errors
    /// As for [`Store::get`].
    pub fn value(&self) -> Result<Option<Value>, KvError> {
        self.value_within(usize::MAX)
    }

    /// As [`SnapshotRecord::value`], in at most `most` bytes of memory.
    ///
    /// # Errors
    /// Also with the bytes that are needed, if that is more.
    pub fn value_within(&self, most: usize) -> Result<Option<Value>, KvError> {
        self.open(most, read::value)
    }

    /// The metadata; `None` when there is no such record.
    ///
    /// # Errors
    /// As for [`Store::get`].
    pub fn metadata(&self) -> Result<Option<Metadata>, KvError> {
        self.open(usize::MAX, read::metadata)
    }

    /// The value and the metadata, in at most `most` bytes of memory; `None` when there is no such record.
    ///
    /// # Errors
    /// As for [`SnapshotRecord::value_within`].
    pub fn value_and_metadata(&self, most: usize) -> Result<Option<(Value, Metadata)>, KvError> {
        self.open(most, read::value_and_metadata)
    }

    pub(crate) fn open<T>(
        &self,
        most: usize,
        open: impl Fn(&RecordReader<'_>, Slot) -> Result<ReadAttempt<T>, KvError>,
    ) -> Result<Option<T>, KvError> {
        let RecordsSnapshot { store, rows, keys, namespace, .. } = self.snapshot;
        let address = RecordAddress { namespace: *namespace, id: keys.record_id(self.name) };
        let row = |table, key: &[u8], most| rows.get_within(table, key, most);
        let reader = RecordReader { store, row: &row, keys, address, name: self.name, most };
        match reader.open(self.located, open)? {
            None => Ok(None),
            Some(ReadAttempt::Done(done)) => Ok(Some(done)),
            Some(ReadAttempt::Mismatch) => Err(KvError::Damaged(address.id)),
        }
    }
}
