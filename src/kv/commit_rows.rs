//! The rows of every commit: the node's part of the multiset hash over a namespace, its commit count, and the
//! store's format.

use crate::crypto::aead;
use crate::crypto::aead::AssociatedData;
use crate::crypto::key::Key;
use crate::crypto::label;
use crate::keyring::NamespaceId;
use crate::kv::commit_mark::MarkFound;
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::engine::{Change, RevisionSnapshot, Row, StorageError, Table};
use crate::kv::error::KvError;
use crate::kv::multiset_hash::MultisetHash;
use crate::kv::node_number::NodeNumber;
use crate::kv::store::Store;
use crate::kv::store_format::format_row;

/// The key of the row with the commit count.
const COMMITS_KEY: &[u8] = b"commits";

/// A node's row with its commit count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CountFound {
    Absent,
    /// It does not open.
    Damaged,
    Commits(u64),
}

impl Store {
    /// This node's own commit count; `None` when it is absent or cannot be trusted.
    pub(crate) fn read_commits(&self) -> Result<Option<u64>, KvError> {
        let key = self.keyring.store_key()?;
        let Some(row) = self.storage.get(Table::Store, &count_key(self.node()))? else {
            return Ok(None);
        };
        Ok(opened_count(&key, self.node(), &row))
    }

    /// This node's commit count at a revision.
    pub(crate) fn count_at(&self, rows: &dyn RevisionSnapshot) -> Result<CountFound, KvError> {
        let key = self.keyring.store_key()?;
        Ok(match rows.get(Table::Store, &count_key(self.node()))? {
            None => CountFound::Absent,
            Some(row) => opened_count(&key, self.node(), &row)
                .map_or(CountFound::Damaged, CountFound::Commits),
        })
    }

    /// The node whose store this is.
    pub(crate) fn node(&self) -> NodeNumber {
        self.follower.as_ref().map_or(NodeNumber::ALONE, |follower| follower.node)
    }

    /// The changes that belong to every commit of a namespace: this node's part of the multiset hash over its
    /// records, its commit count with this commit, and the store's format unless the storage is shared.
    pub(crate) fn commit_rows(
        &self,
        keys: &DerivedKeys,
        id: NamespaceId,
        commits: u64,
        hash: MultisetHash,
    ) -> Result<Vec<Change>, KvError> {
        let node = self.node();
        let hash = keys.seal_hash(&self.generator, (id, node), commits, hash)?;
        let mut rows =
            vec![Change::Put(Table::Sums, node.key(&id.0), hash), self.count_row(commits)?];
        // Nodes that share a storage write it once: a row of all writers would keep them in turn.
        if self.follower.is_none() {
            rows.push(format_row(self.format()));
        }
        Ok(rows)
    }

    /// The change that sets the commit count.
    pub(crate) fn count_row(&self, commits: u64) -> Result<Change, KvError> {
        let (key, data) = (self.keyring.store_key()?, count_data(self.node()));
        let count = aead::seal(&self.generator, &key, &data, &commits.to_be_bytes())?;
        Ok(Change::Put(Table::Store, count_key(self.node()), count))
    }

    /// Returns once the mark has at least this commit count.
    ///
    /// # Errors
    /// When the mark cannot be written: the commit must not be acknowledged.
    pub(crate) fn mark_commits(&self, commits: u64) -> Result<(), KvError> {
        let Some(mark) = &self.mark else { return Ok(()) };
        let key = self.keyring.store_key()?;
        mark.ensure(&self.generator, &key, commits)
    }

    /// As [`Store::mark_commits`], for the last commit that was made. Called without the right to write, so that
    /// the next commit goes on beside it.
    pub(crate) fn mark_last_commit(&self) -> Result<(), KvError> {
        self.mark.as_ref().map_or(Ok(()), |mark| self.mark_commits(mark.latest()))
    }

    /// The commit count of the mark, and a finding when it is damaged.
    pub(crate) fn read_mark(&self) -> Result<(u64, Option<String>), KvError> {
        let Some(mark) = &self.mark else { return Ok((0, None)) };
        let key = self.keyring.store_key()?;
        Ok(match mark.read(&key)? {
            MarkFound::Commits(commits) => (commits, None),
            MarkFound::Missing => (0, None),
            MarkFound::Damaged => {
                let finding = "the store's commit mark is damaged, and is written again; commits that were lost \
                               before cannot be detected";
                (0, Some(finding.to_owned()))
            }
        })
    }
}

/// The highest commit count of any node; `None` when no row with one opens.
pub(crate) fn highest_count(
    rows: &dyn RevisionSnapshot,
    key: &Key,
) -> Result<Option<u64>, StorageError> {
    let opened = |(at, row): &Row| {
        let node = NodeNumber::of_key(at, COMMITS_KEY)?;
        opened_count(key, node, row)
    };
    let most = usize::from(u16::MAX) + 1;
    Ok(rows.scan(Table::Store, COMMITS_KEY, None, most)?.iter().filter_map(opened).max())
}

fn opened_count(key: &Key, node: NodeNumber, row: &[u8]) -> Option<u64> {
    let text = aead::open(key, &count_data(node), row).ok()?;
    text.as_slice().try_into().ok().map(u64::from_be_bytes)
}

/// The key of the row with a node's commit count.
pub(crate) fn count_key(node: NodeNumber) -> Vec<u8> {
    node.key(COMMITS_KEY)
}

fn count_data(node: NodeNumber) -> AssociatedData {
    node.bound_to(AssociatedData::of(label::COMMITS))
}

/// The changes that remove all rows of a namespace.
pub(crate) fn clearing(prefix: &[u8]) -> [Change; 3] {
    [Table::Values, Table::Entries, Table::Sums].map(|table| Change::Clear(table, prefix.to_vec()))
}
