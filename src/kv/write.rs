//! Writing: records in batches, each whole or not at all; single edits in group commits.

use std::collections::BTreeMap;
use std::iter;
use std::mem;
use std::panic::resume_unwind;
use std::sync::atomic::Ordering;
use std::thread;

use crate::crypto::key_material::KeyMaterial;
use crate::keyring::NamespaceId;
use crate::kv::batch::CommitBatch;
use crate::kv::edit::{Edit, Put};
use crate::kv::engine::StorageError;
use crate::kv::error::KvError;
use crate::kv::group_commit::QueuedEdit;
use crate::kv::multiset_hash::MultisetHash;
use crate::kv::name;
use crate::kv::namespace::Namespace;
use crate::kv::pipeline;
use crate::kv::record;
use crate::kv::record::RecordAddress;
use crate::kv::store::{Store, WriterState};

/// The least number of records for which a thread of its own seals while the storage writes: for fewer a
/// thread costs more than it saves.
const PIPELINE_FROM: usize = 64;

/// Changes that are sent to the storage together.
const CHUNK: usize = 32;

/// The longest value of a batch that is sealed ahead, in bytes: the rows that wait take up to 6 MiB.
const PIPELINE_MOST: usize = 64 << 10;

/// Longer values together, in bytes, are sealed one by one, as the storage takes them: their rows are not in
/// memory at once.
const AT_ONCE_MOST: usize = 1 << 20;

impl Store {
    /// Writes all of these records, or none. Of two with the same name, the last one counts. When this
    /// returns, they survive a crash.
    ///
    /// To a shared storage each record is written or not: it takes commits of a limited size.
    ///
    /// # Errors
    /// When a record is invalid, or nothing can be written.
    pub fn put(&self, id: NamespaceId, puts: &[Put<'_>], now: u64) -> Result<(), KvError> {
        puts.iter().try_for_each(|put| put.check(now))?;
        let edits: Vec<_> = puts.iter().map(|put| Edit::Put(*put)).collect();
        self.edit(id, &edits)
    }

    /// Removes records. Names without a record are not an error. When this returns, the removal survives a
    /// crash.
    ///
    /// # Errors
    /// When nothing can be written; then nothing is removed.
    pub fn delete(&self, id: NamespaceId, names: &[&str]) -> Result<(), KvError> {
        names.iter().try_for_each(|name| name::check(name))?;
        let edits: Vec<_> = names.iter().map(|name| Edit::Delete(name)).collect();
        self.edit(id, &edits)
    }

    /// Makes all of these changes, or none: a single one in a group commit with those of other callers.
    fn edit(&self, id: NamespaceId, edits: &[Edit<'_>]) -> Result<(), KvError> {
        self.measure_before_write(id)?;
        let is_written = self.queue.add(id, edits).is_some_and(|queued| {
            // A failure may be due to another caller's record: alone, each caller gets the error of its own.
            let _ = self.group_commit(id, &queued);
            self.queue.remove(&queued);
            queued.is_written()
        });
        if !is_written {
            self.edit_alone(id, edits)?;
        }
        self.mark_last_commit()
    }

    /// Writes the queued edits of this namespace, until `own` is written, or is in a commit that failed.
    fn group_commit(&self, id: NamespaceId, own: &QueuedEdit) -> Result<(), KvError> {
        let (mut writer, namespace) = self.writing(id)?;
        while !own.is_written() {
            let group = self.queue.take(id);
            if group.is_empty() {
                break;
            }
            let edits: Vec<_> = group.iter().map(|queued| queued.edit()).collect();
            self.write(&mut writer, &namespace, &edits)?;
            for queued in &group {
                queued.set_written();
            }
        }
        Ok(())
    }

    fn edit_alone(&self, id: NamespaceId, edits: &[Edit<'_>]) -> Result<(), KvError> {
        let (mut writer, namespace) = self.writing(id)?;
        self.write(&mut writer, &namespace, edits)
    }

    /// Makes changes in one commit, or in none if nothing changes; of two with the same name, the last one
    /// counts.
    fn write(
        &self,
        writer: &mut WriterState,
        namespace: &Namespace,
        edits: &[Edit<'_>],
    ) -> Result<(), KvError> {
        self.refuse_if_read_only()?;
        let last: BTreeMap<_, _> = edits.iter().map(|edit| (edit.name(), *edit)).collect();
        self.check_records(namespace, &last)?;
        if let Some(follower) = &self.follower {
            return self.write_shared(follower, writer, namespace.id, &last);
        }
        let keys = namespace.keys();
        let mut batch = CommitBatch::of(namespace, &keys, self.follower.as_ref());
        let commits = writer.commits + 1;
        let sealed = last.values().filter(|edit| matches!(edit, Edit::Put(_))).count();
        let mut material = KeyMaterial::of(&self.generator, sealed * record::DRAWN_BYTES);
        let lengths = || last.values().map(Edit::value_length);
        let is_pipelined =
            sealed >= PIPELINE_FROM && lengths().all(|length| length <= PIPELINE_MOST);
        if !is_pipelined && lengths().sum::<usize>() > AT_ONCE_MOST {
            let (batch, committed) =
                self.commit_one_by_one(batch, &mut material, commits, last.into_values())?;
            return self.settle(writer, commits, batch, committed);
        }
        if !is_pipelined {
            last.into_values().try_for_each(|edit| batch.add(&mut material, commits, edit))?;
            return if batch.changes.is_empty() { Ok(()) } else { self.commit(writer, batch) };
        }
        let (batch, committed) =
            self.commit_pipelined(batch, &mut material, commits, last.into_values())?;
        self.settle(writer, commits, batch, committed)
    }

    /// Seals each record when the storage takes it; returns the whole batch, and the storage's result.
    fn commit_one_by_one<'a>(
        &self,
        mut batch: CommitBatch<'a>,
        material: &mut KeyMaterial<'_>,
        commits: u64,
        mut edits: impl Iterator<Item = Edit<'a>>,
    ) -> Result<(CommitBatch<'a>, Result<(), StorageError>), KvError> {
        let (mut failure, mut is_whole) = (None, false);
        let mut sealed = Vec::new().into_iter();
        let mut changes = iter::from_fn(|| {
            loop {
                if let Some(change) = sealed.next() {
                    return Some(Ok(change));
                }
                if is_whole {
                    return None;
                }
                let added = if let Some(edit) = edits.next() {
                    batch.add(material, commits, edit)
                } else {
                    is_whole = true;
                    self.add_commit_rows(&mut batch, commits)
                };
                if let Err(error) = added {
                    failure = Some(error);
                    return Some(Err(pipeline::incomplete()));
                }
                sealed = mem::take(&mut batch.changes).into_iter();
            }
        });
        let committed = self.storage.commit(&mut changes);
        failure.map_or(Ok((batch, committed)), Err)
    }

    /// Seals records on a thread of its own, while the storage writes those that are sealed; returns the
    /// whole batch, and the storage's result.
    fn commit_pipelined<'a>(
        &self,
        mut batch: CommitBatch<'a>,
        material: &mut KeyMaterial<'_>,
        commits: u64,
        edits: impl Iterator<Item = Edit<'a>> + Send,
    ) -> Result<(CommitBatch<'a>, Result<(), StorageError>), KvError> {
        let (sender, mut changes) = pipeline::channel();
        let seal = || {
            for edit in edits {
                batch.add(material, commits, edit)?;
                if batch.changes.len() >= CHUNK && !sender.send(mem::take(&mut batch.changes)) {
                    // The storage returns the error.
                    return Ok(batch);
                }
            }
            self.add_commit_rows(&mut batch, commits)?;
            sender.end(mem::take(&mut batch.changes));
            Ok(batch)
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

    /// Makes a batch durable, then visible to readers.
    ///
    /// # Errors
    /// Also with [`KvError::Contended`], when other nodes have written the same records.
    pub(crate) fn commit(
        &self,
        writer: &mut WriterState,
        mut batch: CommitBatch<'_>,
    ) -> Result<(), KvError> {
        if let Some(follower) = &self.follower {
            return self.commit_batch(follower, writer, batch);
        }
        let commits = writer.commits + 1;
        self.add_commit_rows(&mut batch, commits)?;
        let changes = mem::take(&mut batch.changes);
        let committed = self.storage.commit(&mut changes.into_iter().map(Ok));
        self.settle(writer, commits, batch, committed)
    }

    /// Adds the multiset hash and the commit count.
    fn add_commit_rows(&self, batch: &mut CommitBatch<'_>, commits: u64) -> Result<(), KvError> {
        let rows =
            self.commit_rows(batch.keys, batch.namespace.id, commits, batch.hash_on_disk())?;
        batch.changes.extend(rows);
        Ok(())
    }

    /// Counts a commit that was made. It is acknowledged once the mark has it.
    pub(crate) fn count_commit(&self, writer: &mut WriterState, commits: u64) {
        writer.commits = commits;
        if let Some(mark) = &self.mark {
            mark.committed(commits);
        }
    }

    /// Makes a committed batch visible to readers; after a failure, finds out whether it was written.
    fn settle(
        &self,
        writer: &mut WriterState,
        commits: u64,
        batch: CommitBatch<'_>,
        committed: Result<(), StorageError>,
    ) -> Result<(), KvError> {
        let CommitBatch { namespace, slots, healed, hash, .. } = batch;
        if let Err(error) = committed {
            // Unless nothing was written for certain, everything is loaded again before the next call.
            let counted = self.read_commits();
            let is_unchanged =
                matches!(counted, Ok(counted) if counted.unwrap_or(0) == writer.commits);
            // A failed write closes the file, and opening it may have found damage.
            let is_salvaged = self.storage.salvaged().is_some();
            self.is_stale.fetch_or(!is_unchanged || is_salvaged, Ordering::AcqRel);
            return Err(error.into());
        }
        self.count_commit(writer, commits);
        let mut index = namespace.index_mut();
        for (name, slot) in slots {
            index.set(name, slot);
        }
        for id in healed {
            index.faults.remove(&id);
            namespace.damage.remove(id);
            self.cache.remove(RecordAddress { namespace: namespace.id, id });
        }
        index.hash = hash;
        if index.faults.is_empty() {
            index.unopened = MultisetHash::default();
        }
        index.commits = commits;
        Ok(())
    }
}
