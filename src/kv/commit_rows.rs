//! The rows of every commit: the multiset hash over a namespace, the store's commit count and its format.

use crate::crypto::aead;
use crate::crypto::aead::AssociatedData;
use crate::crypto::label;
use crate::keyring::NamespaceId;
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
        let (key, data) = (self.keyring.store_key()?, AssociatedData::of(label::COMMITS));
        let count = aead::seal(&self.generator, &key, &data, &commits.to_be_bytes())?;
        Ok([
            Change::Put(Table::Sums, id.0.to_vec(), hash),
            Change::Put(Table::Store, COMMITS_KEY.to_vec(), count),
            format_row(),
        ])
    }
}

/// The changes that remove all rows of a namespace.
pub(crate) fn clearing(prefix: &[u8]) -> [Change; 3] {
    [Table::Values, Table::Entries, Table::Sums].map(|table| Change::Clear(table, prefix.to_vec()))
}
