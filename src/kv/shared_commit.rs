//! Commits to a storage that other nodes write: compare-and-swap on the rows that they change.

use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::Ordering;

use crate::crypto::key_material::KeyMaterial;
use crate::keyring::NamespaceId;
use crate::kv::batch::CommitBatch;
use crate::kv::commit_rows::count_key;
use crate::kv::edit::Edit;
use crate::kv::engine::{Change, CommitOutcome, Expectation, Revision, StorageError, Table};
use crate::kv::error::KvError;
use crate::kv::follower::Follower;
use crate::kv::index::{Slot, SlotContent};
use crate::kv::record;
use crate::kv::store::{Store, WriterState};

/// Attempts to write records that other nodes write at the same time.
const ATTEMPTS: usize = 16;

/// Attempts of which it is not known what became of them: the storage may be electing a leader.
const UNKNOWN_MOST: usize = 3;

/// The finding after a commit under this node's number that this process did not make.
const NODE_TAKEN: &str = "another process writes to the store as this node: each node needs a state directory of \
                          its own; stop the copy, and join it as a new node";

impl Store {
    /// Writes edits in commits as large as the storage takes. Each commit is made whole or not at all; those
    /// before one that fails stay.
    pub(crate) fn write_shared(
        &self,
        follower: &Follower,
        writer: &mut WriterState,
        id: NamespaceId,
        edits: &BTreeMap<&str, Edit<'_>>,
    ) -> Result<(), KvError> {
        let limits = follower.storage.limits();
        let mut group = Vec::new();
        let mut bytes = 0;
        for edit in edits.values() {
            let more = record::rows_bytes(edit);
            if group.len() == limits.records || (!group.is_empty() && bytes + more > limits.bytes) {
                self.write_group(follower, writer, id, &mem::take(&mut group))?;
                bytes = 0;
            }
            group.push(*edit);
            bytes += more;
        }
        if group.is_empty() { Ok(()) } else { self.write_group(follower, writer, id, &group) }
    }

    fn write_group(
        &self,
        follower: &Follower,
        writer: &mut WriterState,
        id: NamespaceId,
        edits: &[Edit<'_>],
    ) -> Result<(), KvError> {
        let mut unknown = 0;
        for _ in 0..ATTEMPTS {
            if self.is_stale.load(Ordering::Acquire) {
                self.load(writer)?;
            }
            let namespace = self.known_namespace(id)?;
            let keys = namespace.keys();
            let mut batch = CommitBatch::of(&namespace, &keys, Some(follower));
            let mut material = KeyMaterial::of(&self.generator, edits.len() * record::DRAWN_BYTES);
            let commits = writer.commits + 1;
            edits.iter().try_for_each(|edit| batch.add(&mut material, commits, *edit))?;
            if batch.changes.is_empty() {
                return Ok(());
            }
            match self.commit_batch(follower, writer, batch) {
                Err(KvError::Contended) => {}
                // The next attempt conflicts with this one, should it still be made.
                Err(KvError::Storage(_)) if unknown + 1 < UNKNOWN_MOST => unknown += 1,
                committed => return committed,
            }
        }
        Err(KvError::Contended)
    }

    /// Commits a batch, if the rows that it changes are as the index has them.
    ///
    /// # Errors
    /// [`KvError::Contended`] when they are not; the index has the changes of the others then.
    pub(crate) fn commit_batch(
        &self,
        follower: &Follower,
        writer: &mut WriterState,
        batch: CommitBatch<'_>,
    ) -> Result<(), KvError> {
        let (namespace, hash) = (batch.namespace, batch.hash_on_disk());
        let mut expected = batch.expected;
        {
            let index = namespace.index();
            if index.revision > batch.since {
                return Err(KvError::Contended);
            }
            expected.push(follower.expected_sum(&index, namespace.id, batch.since));
        }
        let commits = writer.commits + 1;
        let mut changes = batch.changes;
        changes.extend(self.commit_rows(batch.keys, namespace.id, commits, hash)?);
        let slots = batch.slots;
        self.commit_own(follower, writer, changes, expected)?;
        // The index knows the lengths of what it wrote itself.
        let mut index = namespace.index_mut();
        for (name, slot) in slots {
            if let Some((slot, bytes)) = slot.and_then(|slot| Some((slot, slot.content.bytes()?))) {
                let content = SlotContent::new(slot.content.has_metadata(), None);
                index.measure(name, Slot { content, ..slot }, bytes);
            }
        }
        Ok(())
    }

    /// Makes the next commit of this node, whose number is in `changes`: its count is expected as it was, so that of
    /// two processes with the number of one node, or of two attempts of one, one commits.
    pub(crate) fn commit_own(
        &self,
        follower: &Follower,
        writer: &mut WriterState,
        changes: Vec<Change>,
        mut expected: Vec<Expectation>,
    ) -> Result<(), KvError> {
        // Since the node's own last commit: the index has also those of a copy of it.
        let unchanged_since = writer.counted.map(|_| writer.counted_at);
        let key = count_key(follower.node);
        expected.push(Expectation { table: Table::Store, key, unchanged_since });
        let outcome = follower.storage.commit_expecting(changes, &expected);
        // A number is never used again, also when it is not known what became of its commit.
        writer.commits += 1;
        let committed = match outcome {
            Ok(CommitOutcome::Committed(revision)) => revision,
            Ok(CommitOutcome::Conflict(revision)) => {
                self.follow_until(follower, revision)?;
                self.check_count(follower, writer)?;
                return Err(KvError::Contended);
            }
            Err(error) => {
                writer.in_doubt.get_or_insert(writer.commits);
                self.find_out(follower, writer.commits, error)?
            }
        };
        let commits = writer.commits;
        (writer.counted, writer.counted_at, writer.in_doubt) = (Some(commits), committed, None);
        self.count_commit(writer, commits);
        // It is durable: what is missing in the index is loaded before the next call.
        let _ = self.follow_until(follower, committed);
        Ok(())
    }

    /// The most records of one commit: `most`, or what a shared storage takes.
    pub(crate) fn commit_records(&self, most: usize) -> usize {
        self.follower.as_ref().map_or(most, |it| most.min(it.storage.limits().records))
    }

    /// The most bytes of one commit, in the same way.
    pub(crate) fn commit_bytes(&self, most: usize) -> usize {
        // The last row may be as long again.
        self.follower.as_ref().map_or(most, |it| most.min(it.storage.limits().bytes / 2))
    }

    /// After an error that says nothing: whether the commit was made; its revision, or a later one.
    fn find_out(
        &self,
        follower: &Follower,
        commits: u64,
        error: StorageError,
    ) -> Result<Revision, KvError> {
        // In this order: a count that changes in between is one that the next commit does not expect.
        let at = follower.storage.revision();
        match (at, self.read_commits()) {
            (Ok(at), Ok(Some(counted))) if counted == commits => Ok(at),
            _ => Err(error.into()),
        }
    }

    /// After a conflict: a finding, when another process commits under this node's number. The store is loaded
    /// anew then, and goes on after the commits of the other.
    fn check_count(&self, follower: &Follower, writer: &mut WriterState) -> Result<(), KvError> {
        let at = follower.storage.revision()?;
        let counted = self.read_commits()?;
        if counted == writer.counted {
            // The row may have been written again as it was.
            writer.counted_at = at;
            return Ok(());
        }
        let is_own = counted.zip(writer.in_doubt).is_some_and(|(counted, first)| {
            // The last number was that of the conflict, which did not take place.
            (first..writer.commits).contains(&counted)
        });
        if is_own {
            (writer.counted, writer.counted_at, writer.in_doubt) = (counted, at, None);
        } else {
            writer.findings.push(NODE_TAKEN.to_owned());
            self.is_stale.store(true, Ordering::Release);
        }
        Ok(())
    }
}
