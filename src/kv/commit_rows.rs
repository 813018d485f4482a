//! The rows of every commit: the multiset hash over a namespace, the store's commit count and its format.

use crate::crypto::aead;
use crate::crypto::aead::AssociatedData;
use crate::crypto::label;
use crate::keyring::NamespaceId;
use crate::kv::commit_mark::MarkFound;
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::engine::{Change, Table};
use crate::kv::error::KvError;
use crate::kv::multiset_hash::MultisetHash;
use crate::kv::store::Store;
use crate::kv::store_format::format_row;

/// The key of the row with the commit count.
const COMMITS_KEY: &[u8] = b"commits";

impl Store {
    /// The store's own commit count; `None` when it is absent or cannot be trusted.
    pub(crate) fn read_commits(&self) -> Result<Option<u64>, KvError> {
        let key = self.keyring.store_key()?;
        let Some(row) = self.storage.get(Table::Store, COMMITS_KEY)? else { return Ok(None) };
        let text = aead::open(&key, &AssociatedData::of(label::COMMITS), &row).ok();
        Ok(text.and_then(|text| text.as_slice().try_into().ok().map(u64::from_be_bytes)))
    }

    /// The changes that belong to every commit of a namespace: the multiset hash over its records, the
    /// commit count with this commit, and the store's format.
    pub(crate) fn commit_rows(
        &self,
        keys: &DerivedKeys,
        id: NamespaceId,
        commits: u64,
        hash: MultisetHash,
    ) -> Result<[Change; 3], KvError> {
        let hash = keys.seal_hash(&self.generator, id, commits, hash)?;
        Ok([Change::Put(Table::Sums, id.0.to_vec(), hash), self.count_row(commits)?, format_row()])
    }

    /// The change that sets the commit count.
    pub(crate) fn count_row(&self, commits: u64) -> Result<Change, KvError> {
        let (key, data) = (self.keyring.store_key()?, AssociatedData::of(label::COMMITS));
        let count = aead::seal(&self.generator, &key, &data, &commits.to_be_bytes())?;
        Ok(Change::Put(Table::Store, COMMITS_KEY.to_vec(), count))
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

/// The changes that remove all rows of a namespace.
pub(crate) fn clearing(prefix: &[u8]) -> [Change; 3] {
    [Table::Values, Table::Entries, Table::Sums].map(|table| Change::Clear(table, prefix.to_vec()))
}
