//! Checks of quotas: before records are written, whatever writes them. The bytes of records are counted from
//! the rows on the disk; there is no second count that could disagree.

use std::collections::BTreeMap;

use crate::keyring::NamespaceId;
use crate::kv::edit::Edit;
use crate::kv::engine::{RowWithin, Table};
use crate::kv::error::KvError;
use crate::kv::name::RecordName;
use crate::kv::namespace::Namespace;
use crate::kv::quota::{Kept, QuotaExceeded, RecordQuota};
use crate::kv::record;
use crate::kv::record::RecordAddress;
use crate::kv::store::Store;
use crate::machine::unix_now;

/// Records that are measured in a row without a look at anything else.
const MEASURED_AT_ONCE: usize = 500;

impl Store {
    /// What is kept in each namespace, by title.
    ///
    /// # Errors
    /// When the store is closed.
    pub(crate) fn kept(&self) -> Result<Vec<(String, Kept)>, KvError> {
        let now = unix_now();
        let kept = self.keyring.namespaces()?.into_iter().filter_map(|info| {
            // One that disagrees has its records all the same.
            let namespaces = self.namespaces.read();
            let namespace = namespaces.as_ref()?.get(&info.id)?;
            Some((info.title, namespace.kept(now)))
        });
        Ok(kept.collect())
    }

    /// What is kept in the namespaces whose titles begin so.
    ///
    /// # Errors
    /// When the store is closed.
    pub(crate) fn kept_below(&self, titles: &str) -> Result<Kept, KvError> {
        let kept = self.kept()?.into_iter().filter(|(title, _)| title.starts_with(titles));
        Ok(kept.fold(Kept::none(), |sum, (_, kept)| sum.plus(kept)))
    }

    /// Checks that a write of records stays below the quota of the namespace's owner. The caller has the
    /// writer. A write that adds nothing is admitted also over it.
    pub(crate) fn check_records(
        &self,
        namespace: &Namespace,
        edits: &BTreeMap<&str, Edit<'_>>,
    ) -> Result<(), KvError> {
        let Some(quota) = self.quota_of(namespace.id)? else { return Ok(()) };
        if quota.records.is_none() && quota.bytes.is_none() {
            return Ok(());
        }
        if quota.bytes.is_some() {
            self.measure_all(&quota)?;
        }
        let (added, removed) = namespace.change(edits, unix_now());
        let kept = self.kept_below(&quota.titles)?;
        let check = |field, most: Option<u64>, kept: u64, added: u64, removed: u64| {
            let wanted = (kept + added).saturating_sub(removed);
            match most {
                Some(most) if added > removed && wanted > most => {
                    Err(KvError::Quota(QuotaExceeded { field, most, wanted }))
                }
                _ => Ok(()),
            }
        };
        check("records", quota.records, kept.records, added.records, removed.records)?;
        let bytes = |kept: Kept| kept.bytes.unwrap_or_default();
        check("stored", quota.bytes, bytes(kept), bytes(added), bytes(removed))
    }

    /// Checks that the owner of namespaces with such a title may have one more. The caller has the writer.
    /// `moved` is what a renamed namespace brings along, from the title that it has.
    pub(crate) fn check_title(
        &self,
        title: &str,
        moved: Option<(&str, NamespaceId)>,
    ) -> Result<(), KvError> {
        let Some(quota) = self.quotas.as_ref().and_then(|quotas| quotas.of(title)) else {
            return Ok(());
        };
        if moved.is_some_and(|(before, _)| before.starts_with(&quota.titles)) {
            return Ok(());
        }
        let mut brought = Kept { namespaces: 1, ..Kept::none() };
        if let Some((_, id)) = moved {
            let namespace = self.known_namespace(id)?;
            if quota.bytes.is_some() {
                self.measure_all(&quota)?;
                self.measure(&namespace, usize::MAX)?;
            }
            brought = namespace.kept(unix_now());
        }
        let all = self.kept_below(&quota.titles)?.plus(brought);
        for (field, most, wanted) in [
            ("namespaces", quota.namespaces, all.namespaces),
            ("records", quota.records.filter(|_| brought.records > 0), all.records),
            ("stored", quota.bytes.filter(|_| brought.records > 0), all.bytes.unwrap_or_default()),
        ] {
            if let Some(most) = most.filter(|most| wanted > *most) {
                return Err(KvError::Quota(QuotaExceeded { field, most, wanted }));
            }
        }
        Ok(())
    }

    /// Counts the bytes of records of owned namespaces, of which a start knows the number alone; up to `limit`
    /// records.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn measure_owned(&self, limit: usize) -> Result<(), KvError> {
        let mut left = limit;
        for info in self.keyring.namespaces()? {
            let is_owned = self.quotas.as_ref().is_some_and(|it| it.of(&info.title).is_some());
            if let Ok(namespace) = self.known_namespace(info.id)
                && is_owned
            {
                left -= self.measure(&namespace, left)?;
            }
        }
        Ok(())
    }

    /// Counts the bytes of all records of an owner before it writes, while others may still write.
    pub(crate) fn measure_before_write(&self, id: NamespaceId) -> Result<(), KvError> {
        match self.quota_of(id)? {
            Some(quota) if quota.bytes.is_some() => self.measure_all(&quota),
            _ => Ok(()),
        }
    }

    fn quota_of(&self, id: NamespaceId) -> Result<Option<RecordQuota>, KvError> {
        let Some(quotas) = &self.quotas else { return Ok(None) };
        Ok(self.keyring.look_at_title(id, |title| quotas.of(title?))?)
    }

    fn measure_all(&self, quota: &RecordQuota) -> Result<(), KvError> {
        for info in self.keyring.namespaces()? {
            if info.title.starts_with(&quota.titles)
                && let Ok(namespace) = self.known_namespace(info.id)
            {
                self.measure(&namespace, usize::MAX)?;
            }
        }
        Ok(())
    }

    /// Counts the bytes of up to `limit` records; returns of how many.
    fn measure(&self, namespace: &Namespace, limit: usize) -> Result<usize, KvError> {
        let (mut measured, mut after) = (0, None::<RecordName>);
        while measured < limit && namespace.index().unmeasured() > 0 {
            let keys = namespace.keys();
            let most = MEASURED_AT_ONCE.min(limit - measured);
            let after_name = after.as_ref().map(RecordName::as_str);
            let names = namespace.index().names_unmeasured(after_name, most);
            if names.is_empty() {
                break;
            }
            for (name, slot) in &names {
                let id = keys.record_id(name.as_str());
                let address = RecordAddress { namespace: namespace.id, id };
                let length = |table| -> Result<usize, KvError> {
                    let row = self.storage.get_within(table, &address.key(), 0)?;
                    Ok(match row {
                        Some(RowWithin::Longer(length)) => length,
                        Some(RowWithin::Row(_)) | None => 0,
                    })
                };
                let bytes = record::kept_bytes(length(Table::Values)?, length(Table::Entries)?);
                namespace.index_mut().measure(name.as_str(), *slot, bytes);
            }
            measured += names.len();
            after = names.into_iter().last().map(|(name, _)| name);
        }
        Ok(measured)
    }
}

impl Namespace {
    /// What is kept at the time `now`.
    fn kept(&self, now: u64) -> Kept {
        let index = self.index();
        let (expired, expired_bytes) = index.expired_content(now);
        let records = index.len() - expired;
        let bytes = index.bytes().saturating_sub(expired_bytes);
        let bytes = Some(bytes).filter(|_| index.unmeasured() == 0);
        Kept { namespaces: 1, records: u64::try_from(records).unwrap_or(u64::MAX), bytes }
    }

    /// What edits add, and what is there of their records.
    fn change(&self, edits: &BTreeMap<&str, Edit<'_>>, now: u64) -> (Kept, Kept) {
        let index = self.index();
        let (mut added, mut removed) = (Kept::none(), Kept::none());
        let record = |bytes: u32| Kept { namespaces: 0, records: 1, bytes: Some(bytes.into()) };
        for (name, edit) in edits {
            if let Edit::Put(put) = edit {
                added = added.plus(record(put.bytes()));
            }
            if let Some(slot) = index.get(name).filter(|slot| !slot.is_expired(now)) {
                removed = removed.plus(record(slot.content.bytes().unwrap_or_default()));
            }
        }
        (added, removed)
    }
}
