//! Writing: records in batches, each whole or not at all; expiry; sealing anew.

use std::collections::BTreeMap;
use std::mem;
use std::panic::resume_unwind;
use std::sync::atomic::Ordering;
use std::thread;

use zeroize::Zeroizing;

use crate::crypto::key_material::Draws;
use crate::keyring::NamespaceId;
use crate::kv::engine::{Change, StorageError, Table};
use crate::kv::group_commit::Waiting;
use crate::kv::index::Slot;
use crate::kv::multiset_hash::Sum;
use crate::kv::name;
use crate::kv::name::{Name, RecordId};
use crate::kv::namespace::{Space, SpaceKeys, open_in_place};
use crate::kv::pipeline as pieces;
use crate::kv::record;
use crate::kv::record::{Entry, Head, Place};
use crate::kv::{KvError, METADATA_LIMIT, Store, VALUE_LIMIT, Writer};

/// Records that are removed or sealed anew in one commit, at the most.
const BATCH: usize = 500;

/// Bytes of rows sealed anew in one commit, but for the last record: writers wait for it.
const BATCH_BYTES: usize = 8 << 20;

/// Records to be sealed in a batch from which on a thread of its own does it while the storage takes them
/// in: for fewer it is not worth a thread.
const AHEAD_FROM: usize = 64;

/// Changes that are handed to the storage together.
const PIECE: usize = 32;

/// One record to be written.
#[derive(Clone, Copy)]
pub struct Put<'a> {
    /// 1 to [`crate::kv::NAME_LIMIT`] bytes; not `.` or `..`.
    pub name: &'a str,
    /// Up to [`VALUE_LIMIT`] bytes.
    pub value: &'a [u8],
    /// JSON, up to [`METADATA_LIMIT`] bytes.
    pub metadata: Option<&'a [u8]>,
    /// When it expires, in seconds since 1970.
    pub expiry: Option<u64>,
}

/// What becomes of one record.
#[derive(Clone, Copy)]
pub(crate) enum Edit<'a> {
    /// It is written.
    Put(Put<'a>),
    /// The record of this name is removed, if there is one.
    Delete(&'a str),
}

/// A batch in the making: rows to be changed, and what the index and the sum become.
struct Draft<'a> {
    space: &'a Space,
    keys: &'a SpaceKeys,
    changes: Vec<Change>,
    /// Bytes of rows among the changes.
    bytes: usize,
    slots: Vec<(&'a str, Option<Slot>)>,
    healed: Vec<RecordId>,
    sum: Sum,
}

impl Store {
    /// Writes all of these records, or none. Where a name comes twice, the last one counts. When this
    /// returns, they survive a crash.
    ///
    /// # Errors
    /// Says what is wrong with a record, or why nothing can be written.
    pub fn put(&self, namespace: NamespaceId, puts: &[Put<'_>], now: u64) -> Result<(), KvError> {
        puts.iter().try_for_each(|put| check(put, now))?;
        let edits: Vec<_> = puts.iter().map(|put| Edit::Put(*put)).collect();
        self.edit(namespace, &edits)
    }

    /// Removes records. Names that are not there are no error. When this returns, they stay away after a
    /// crash too.
    ///
    /// # Errors
    /// Why nothing can be written; then nothing is removed.
    pub fn delete(&self, namespace: NamespaceId, names: &[&str]) -> Result<(), KvError> {
        names.iter().try_for_each(|name| name::check(name))?;
        let edits: Vec<_> = names.iter().map(|name| Edit::Delete(name)).collect();
        self.edit(namespace, &edits)
    }

    /// Makes all of these changes, or none: a single one together with those that others want meanwhile.
    fn edit(&self, namespace: NamespaceId, edits: &[Edit<'_>]) -> Result<(), KvError> {
        let Some(waiting) = self.queue.add(namespace, edits) else {
            return self.edit_alone(namespace, edits);
        };
        // If it failed, that may be due to another's record: alone, each learns what is wrong with its own.
        let _ = self.edit_together(namespace, &waiting);
        self.queue.remove(&waiting);
        if waiting.is_written() { Ok(()) } else { self.edit_alone(namespace, edits) }
    }

    /// Writes what waits for this namespace, until `own` is written, or is in a commit that failed.
    fn edit_together(&self, namespace: NamespaceId, own: &Waiting) -> Result<(), KvError> {
        let (mut writer, space) = self.writing(namespace)?;
        while !own.is_written() {
            let batch = self.queue.take(namespace);
            if batch.is_empty() {
                break;
            }
            let edits: Vec<_> = batch.iter().map(|waiting| waiting.edit()).collect();
            self.write(&mut writer, &space, &edits)?;
            for waiting in &batch {
                waiting.set_written();
            }
        }
        Ok(())
    }

    fn edit_alone(&self, namespace: NamespaceId, edits: &[Edit<'_>]) -> Result<(), KvError> {
        let (mut writer, space) = self.writing(namespace)?;
        self.write(&mut writer, &space, edits)
    }

    /// Makes changes in one commit, or in none if nothing changes; where a name comes twice, the last one
    /// counts.
    fn write(&self, writer: &mut Writer, space: &Space, edits: &[Edit<'_>]) -> Result<(), KvError> {
        let last: BTreeMap<_, _> = edits.iter().map(|edit| (edit.name(), *edit)).collect();
        let keys = space.keys();
        let mut draft = Draft::of(space, &keys);
        let commits = writer.commits + 1;
        let sealed = last.values().filter(|edit| matches!(edit, Edit::Put(_))).count();
        let mut draws = Draws::of(&self.generator, sealed * record::DRAWN_BYTES);
        if sealed < AHEAD_FROM {
            last.into_values().try_for_each(|edit| draft.make(&mut draws, commits, edit))?;
            return if draft.changes.is_empty() { Ok(()) } else { self.commit(writer, draft) };
        }
        let (draft, committed) =
            self.commit_ahead(draft, &mut draws, commits, last.into_values())?;
        self.settle(writer, commits, draft, committed)
    }

    /// Seals records by a thread of its own, while the storage takes in what is sealed; gives what the
    /// draft has become, and what the storage said.
    fn commit_ahead<'a>(
        &self,
        mut draft: Draft<'a>,
        draws: &mut Draws<'_>,
        commits: u64,
        edits: impl Iterator<Item = Edit<'a>> + Send,
    ) -> Result<(Draft<'a>, Result<(), StorageError>), KvError> {
        let (sender, mut changes) = pieces::channel();
        let seal = || {
            for edit in edits {
                draft.make(draws, commits, edit)?;
                if draft.changes.len() >= PIECE && !sender.send(mem::take(&mut draft.changes)) {
                    // Why the storage takes no more, it says itself.
                    return Ok(draft);
                }
            }
            self.add_sums(&mut draft, commits)?;
            sender.end(mem::take(&mut draft.changes));
            Ok(draft)
        };
        let (sealed, committed) = thread::scope(|scope| {
            let sealing = scope.spawn(seal);
            let committed = self.storage.commit(&mut changes);
            drop(changes);
            (sealing.join(), committed)
        });
        let sealed: Result<_, KvError> = sealed.unwrap_or_else(|panic| resume_unwind(panic));
        Ok((sealed?, committed))
    }

    /// Removes records that expired by `now` from the disk, up to some hundred of each namespace; gives
    /// how many. Readers do not see them in any case.
    ///
    /// # Errors
    /// Why nothing can be written.
    pub fn sweep(&self, now: u64) -> Result<usize, KvError> {
        let mut swept = 0;
        for space in self.all_spaces()? {
            let Ok((mut writer, space)) = self.writing(space.id) else { continue };
            let keys = space.keys();
            let names = space.index().expired(now, BATCH);
            let mut draft = Draft::of(&space, &keys);
            for name in &names {
                draft.remove(name.as_str());
            }
            if !draft.changes.is_empty() {
                self.commit(&mut writer, draft)?;
            }
            swept += names.len();
        }
        Ok(swept)
    }

    /// Seals up to some hundred records anew that are not under the active key version; gives how
    /// many, and 0 when there are none left that can be. What does not open stays as it is.
    ///
    /// # Errors
    /// Why nothing can be written.
    pub fn reseal(&self, namespace: NamespaceId) -> Result<usize, KvError> {
        let mut after: Option<Name> = None;
        loop {
            let (mut writer, space) = self.writing(namespace)?;
            let keys = space.keys();
            let names = space.index().behind(keys.active, after.as_ref().map(Name::as_str), BATCH);
            let Some(last) = names.last() else { return Ok(0) };
            let mut draft = Draft::of(&space, &keys);
            let mut draws = Draws::of(&self.generator, names.len() * record::DRAWN_BYTES);
            for name in &names {
                self.reseal_one(&mut draws, &mut draft, name.as_str())?;
                if draft.bytes > BATCH_BYTES {
                    break;
                }
            }
            let moved = draft.slots.len();
            if moved > 0 {
                self.commit(&mut writer, draft)?;
                space.add_resealed(moved);
                return Ok(moved);
            }
            after = Some(last.clone());
        }
    }

    /// Adds one record, sealed anew, to the draft; or nothing, when it does not open.
    fn reseal_one<'a>(
        &self,
        draws: &mut Draws<'_>,
        draft: &mut Draft<'a>,
        name: &'a str,
    ) -> Result<(), KvError> {
        let (keys, place) = (draft.keys, draft.place(name));
        let Some(slot) = draft.space.index().get(name) else { return Ok(()) };
        let rows = (
            self.storage.get(Table::Values, &place.key())?,
            self.storage.get(Table::Entries, &place.key())?,
        );
        let (Some(value), Some(entry)) = rows else { return Ok(()) };
        let Ok((head, sealed)) = Head::read(&value) else { return Ok(()) };
        let opened = open_in_place(keys, place, &entry);
        let (Some(old), Ok((entry_head, entry))) = (keys.get(head.key_version), opened) else {
            return Ok(());
        };
        if head.version != slot.version || entry_head.version != slot.version {
            return Ok(());
        }
        let new_head = Head { key_version: keys.active, ..head };
        let active = keys.active();
        let resealed =
            record::reseal_value(draws, (&old.key, &active.key), place, (head, new_head), sealed)?;
        let Some(value) = resealed else { return Ok(()) };
        let row = record::seal_entry(draws, &active.entry_key, place, new_head, &entry)?;
        draft.put_rows(place, value, row);
        draft.set(name, place.id, Some(Slot { key_version: keys.active, ..slot }));
        Ok(())
    }

    /// Makes a draft durable, then lets readers see it.
    fn commit(&self, writer: &mut Writer, mut draft: Draft<'_>) -> Result<(), KvError> {
        let commits = writer.commits + 1;
        self.add_sums(&mut draft, commits)?;
        let changes = mem::take(&mut draft.changes);
        let committed = self.storage.commit(&mut changes.into_iter().map(Ok));
        self.settle(writer, commits, draft, committed)
    }

    /// Adds what is to agree with the records of the draft.
    fn add_sums(&self, draft: &mut Draft<'_>, commits: u64) -> Result<(), KvError> {
        draft.changes.extend(self.sums(draft.keys, draft.space.id, commits, draft.sum)?);
        Ok(())
    }

    /// Lets readers see what was committed, or finds out whether anything was.
    fn settle(
        &self,
        writer: &mut Writer,
        commits: u64,
        draft: Draft<'_>,
        committed: Result<(), StorageError>,
    ) -> Result<(), KvError> {
        let Draft { space, slots, healed, sum, .. } = draft;
        if let Err(error) = committed {
            // Unless it can be told that nothing was written, all of it is read again before anything
            // else.
            let told = self.read_commits();
            let is_as_before = matches!(told, Ok(told) if told.unwrap_or(0) == writer.commits);
            self.stale.fetch_or(!is_as_before, Ordering::AcqRel);
            return Err(error.into());
        }
        writer.commits = commits;
        let mut index = space.index_mut();
        for (name, slot) in slots {
            index.set(name, slot);
        }
        for id in healed {
            index.faults.remove(&id);
            self.opened.remove(Place { namespace: space.id, id });
        }
        index.sum = sum;
        Ok(())
    }
}

impl<'a> Draft<'a> {
    fn of(space: &'a Space, keys: &'a SpaceKeys) -> Self {
        let sum = space.index().sum;
        Self {
            space,
            keys,
            changes: Vec::new(),
            bytes: 0,
            slots: Vec::new(),
            healed: Vec::new(),
            sum,
        }
    }

    /// Makes one change, in the commit of this number.
    fn make(&mut self, draws: &mut Draws<'_>, commit: u64, edit: Edit<'a>) -> Result<(), KvError> {
        match edit {
            Edit::Put(put) => self.seal(draws, commit, put),
            Edit::Delete(name) => {
                self.remove(name);
                Ok(())
            }
        }
    }

    /// Seals one record, and notes what becomes of it.
    fn seal(&mut self, draws: &mut Draws<'_>, version: u64, put: Put<'a>) -> Result<(), KvError> {
        let active = self.keys.active();
        let (place, head) = (self.place(put.name), Head { key_version: self.keys.active, version });
        let entry = Entry {
            name: Name::of(put.name),
            expiry: put.expiry.unwrap_or(0),
            metadata: Zeroizing::new(put.metadata.unwrap_or_default().to_vec()),
        };
        let value = record::seal_value(draws, &active.key, place, head, &entry, put.value)?;
        let row = record::seal_entry(draws, &active.entry_key, place, head, &entry)?;
        self.put_rows(place, value, row);
        let slot = Slot {
            version,
            expiry: entry.expiry,
            key_version: head.key_version,
            has_metadata: !entry.metadata.is_empty(),
        };
        self.set(put.name, place.id, Some(slot));
        Ok(())
    }

    /// Notes both rows of a record.
    fn put_rows(&mut self, place: Place, value: Vec<u8>, entry: Vec<u8>) {
        self.bytes += value.len() + entry.len();
        self.changes.push(Change::Put(Table::Values, place.key(), value));
        self.changes.push(Change::Put(Table::Entries, place.key(), entry));
    }

    fn place(&self, name: &str) -> Place {
        Place { namespace: self.space.id, id: self.keys.record_id(name) }
    }

    /// Notes what becomes of a record. Each name may come once.
    fn set(&mut self, name: &'a str, id: RecordId, slot: Option<Slot>) {
        if let Some(before) = self.space.index().get(name) {
            self.sum.take(&self.keys.term(id, before.version, before.expiry));
        }
        if let Some(slot) = slot {
            self.sum.add(&self.keys.term(id, slot.version, slot.expiry));
        }
        self.slots.push((name, slot));
        self.healed.push(id);
    }

    /// Notes that this one is to go, if it is there. Each name may come once.
    fn remove(&mut self, name: &'a str) {
        let is_there = {
            let index = self.space.index();
            // A row that does not open may be this record's, under a damaged key.
            index.get(name).is_some() || !index.faults.is_empty()
        };
        if is_there {
            let place = self.place(name);
            self.changes.push(Change::Delete(Table::Values, place.key()));
            self.changes.push(Change::Delete(Table::Entries, place.key()));
            self.set(name, place.id, None);
        }
    }
}

impl<'a> Edit<'a> {
    pub(crate) fn name(&self) -> &'a str {
        match self {
            Self::Put(put) => put.name,
            Self::Delete(name) => name,
        }
    }
}

fn check(put: &Put<'_>, now: u64) -> Result<(), KvError> {
    name::check(put.name)?;
    if put.value.len() > VALUE_LIMIT {
        return Err(KvError::ValueLength { limit: VALUE_LIMIT, value: put.value.len() });
    }
    let metadata = put.metadata.map_or(0, <[u8]>::len);
    if metadata > METADATA_LIMIT {
        return Err(KvError::MetadataLength { limit: METADATA_LIMIT, value: metadata });
    }
    match put.expiry {
        Some(value) if value <= now => Err(KvError::Expired { value, now }),
        _ => Ok(()),
    }
}
