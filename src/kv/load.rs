//! Opening and closing the store: loading the index of every namespace and checking it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::audit::{Actor, AuditEvent};
use crate::keyring::seal::SealChoice;
use crate::keyring::seal::shares::Share;
use crate::keyring::{Condition, KeyringError, NamespaceId};
use crate::kv::commit_rows::clearing;
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::engine::{Salvage, StorageAccess, StorageError, Table};
use crate::kv::error::KvError;
use crate::kv::namespace::{Namespace, out_of_order};
use crate::kv::read_only::ReadOnlyReason;
use crate::kv::record_id::RecordId;
use crate::kv::store::{Namespaces, Store, WriterState};
use crate::kv::store_format::FORMAT_KEY;

/// The finding after a crash that left a part of a commit.
const CUT_SHORT: &str = "a crash cut the last commit of the store short before it was acknowledged; the store \
                         goes on with the one before";

impl Store {
    /// Loads the index of every namespace: every entry is decrypted, and every name kept in memory. Rows of
    /// namespaces that the keyring records as deleted are removed; those of namespaces that it does not know are
    /// kept aside.
    ///
    /// # Errors
    /// When the keyring is not unsealed, the storage cannot be read, or the store is older than its anchor.
    pub fn open(&self) -> Result<(), KvError> {
        let mut writer = self.writer();
        self.load(&mut writer)
    }

    /// Makes the keyring, unless there are rows: their keyring may only be missing.
    ///
    /// # Errors
    /// As for [`crate::keyring::Keyring::init`], or [`KvError::Orphaned`].
    pub fn init(&self, actor: &Actor, choice: &SealChoice) -> Result<Vec<Share>, KvError> {
        if self.keyring.condition() == Condition::Absent && self.has_rows()? {
            let event = AuditEvent::new(actor, "init").detail(choice);
            self.keyring.audit().refused(&event, &KvError::Orphaned).map_err(KeyringError::from)?;
            return Err(KvError::Orphaned);
        }
        Ok(self.keyring.init(actor, choice)?)
    }

    /// Seals the keyring, and drops the index and all keys.
    ///
    /// # Errors
    /// As for [`crate::keyring::Keyring::seal`]. Everything is dropped all the same.
    pub fn seal(&self, actor: &Actor) -> Result<(), KvError> {
        // In this order: an opening in progress has the writer, and no other can begin.
        let sealed = self.keyring.seal(actor);
        self.close();
        Ok(sealed?)
    }

    /// Drops the index and all keys, once no write or opening is in progress.
    pub fn close(&self) {
        let _writer = self.writer();
        self.replace_namespaces(None);
    }

    /// As [`Store::open`]. Rows that cannot be read are salvaged.
    pub(crate) fn load(&self, writer: &mut WriterState) -> Result<(), KvError> {
        match self.load_rows(writer) {
            Err(KvError::Storage(StorageError { what: StorageAccess::Read, reason }))
                if self.storage.salvage(&reason).is_ok() =>
            {
                self.load_rows(writer)
            }
            loaded => loaded,
        }
    }

    fn load_rows(&self, writer: &mut WriterState) -> Result<(), KvError> {
        if let Some(follower) = &self.follower {
            return self.load_shared(follower, writer);
        }
        let mut findings: Vec<_> = self.check_format()?.into_iter().collect();
        // Known once the file was opened, by the read above.
        let salvage = self.storage.salvaged();
        let mut namespaces = Namespaces::new();
        let mut accepted = Vec::new();
        let mut latest = 0;
        for info in self.keyring.namespaces()? {
            let keys = DerivedKeys::new(&self.keyring.namespace_keys(info.id)?);
            let mut loaded = Namespace::load(&*self.storage, info.id, keys, salvage.as_deref())?;
            findings.extend(loaded.namespace.findings());
            latest = latest.max(loaded.commits);
            let is_accepted = !loaded.namespace.agrees && self.accept.contains(&info.id);
            loaded.namespace.agrees |= is_accepted;
            let namespace = Arc::new(loaded.namespace);
            accepted.extend(is_accepted.then(|| Arc::clone(&namespace)));
            namespaces.insert(info.id, namespace);
        }
        let counted = self.read_commits()?;
        // When no row opens, the store belongs to another keyring.
        let has_records = namespaces.values().any(|namespace| namespace.index().len() > 0);
        let is_ours = counted.is_some() || latest > 0 || has_records || !accepted.is_empty();
        if !is_ours && self.has_rows()? {
            return Err(KvError::Foreign);
        }
        if counted.is_none() && !namespaces.is_empty() {
            findings.push("the store's count of commits is missing or damaged".to_owned());
        }
        // A count that was rolled back alone is less than that of a namespace.
        let mut commits = counted.unwrap_or_default().max(latest);
        let (marked, damaged_mark) = self.read_mark()?;
        findings.extend(damaged_mark);
        // What the mark lacks was not acknowledged.
        let is_cut_short = salvage.as_ref().is_some_and(|it| it.may_be_cut_short)
            && (1..commits).contains(&marked);
        if is_cut_short && self.storage.take_commit_before().is_ok() {
            self.load_rows(writer)?;
            writer.findings.push(CUT_SHORT.to_owned());
            return Ok(());
        }
        let read_only = self.check_commits(commits, marked, salvage)?;
        if let Some(reason) = &read_only {
            findings.push(KvError::ReadOnly(reason.to_string()).to_string());
        } else {
            findings.extend(self.set_apart(&namespaces)?);
            findings.extend(self.accept_as_found(&accepted, &mut commits));
            findings.extend(self.mark_opened(commits));
        }
        *writer = WriterState { commits, findings, ..WriterState::default() };
        *self.read_only.write() = read_only;
        self.replace_namespaces(Some(namespaces));
        self.is_stale.store(false, Ordering::Release);
        Ok(())
    }

    /// Why nothing may be written to a store with this many commits, of which the mark has `marked`.
    ///
    /// # Errors
    /// When the anchor has more.
    pub(crate) fn check_commits(
        &self,
        commits: u64,
        marked: u64,
        salvage: Option<Arc<Salvage>>,
    ) -> Result<Option<ReadOnlyReason>, KvError> {
        self.keyring.check_commits(commits.max(marked))?;
        let lost_commits = marked.saturating_sub(commits);
        let is_read_only = salvage.is_some() || lost_commits > 0;
        Ok(is_read_only.then_some(ReadOnlyReason { salvage, lost_commits }))
    }

    /// Removes the rows of namespaces that have a tombstone in the keyring, and keeps aside those of all others
    /// that it does not know: their keyring may be restored. Returns the findings.
    pub(crate) fn set_apart(&self, namespaces: &Namespaces) -> Result<Vec<String>, KvError> {
        let mut findings = Vec::new();
        let mut aside = Vec::new();
        for (id, has_records) in self.namespaces_on_disk()? {
            if namespaces.contains_key(&id) {
                continue;
            }
            if !self.keyring.has_tombstone(id)? {
                aside.extend(has_records.then(|| id.to_string()));
            } else if let Err(error) = self.storage.commit(&mut clearing(&id.0).into_iter().map(Ok))
            {
                findings.push(format!("rows of a deleted namespace cannot be removed: {error}"));
                break;
            }
        }
        if !aside.is_empty() {
            findings.push(format!(
                "the keyring does not know {} namespaces of the store: {}; it may be an older copy. Their \
                 records are kept, and can be read once the keyring that knows them is restored",
                aside.len(),
                aside.join(", ")
            ));
        }
        Ok(findings)
    }

    /// The namespaces that have rows, and whether they have more than a multiset hash: one that has only that
    /// has no records, or was never finished.
    pub(crate) fn namespaces_on_disk(&self) -> Result<BTreeMap<NamespaceId, bool>, KvError> {
        let mut found = BTreeMap::new();
        for (table, has_records) in [(Table::Sums, false), (Table::Entries, true)] {
            let mut after: Option<Vec<u8>> = None;
            while let Some((key, _)) =
                self.storage.scan(table, b"", after.as_deref(), 1)?.into_iter().next()
            {
                let next = match key.first_chunk().copied().map(NamespaceId) {
                    Some(id) => {
                        *found.entry(id).or_default() |= has_records;
                        // Behind all of its rows.
                        [id.0.as_slice(), &[u8::MAX; size_of::<RecordId>() + 1]].concat()
                    }
                    // No version writes such a row.
                    None => key,
                };
                // A damaged tree can have cycles.
                if after.is_some_and(|after| next <= after) {
                    return Err(out_of_order().into());
                }
                after = Some(next);
            }
        }
        Ok(found)
    }

    /// Writes the multiset hashes of namespaces that are accepted as they are found, so that they agree from
    /// now on. Returns a finding when that fails.
    fn accept_as_found(&self, accepted: &[Arc<Namespace>], commits: &mut u64) -> Option<String> {
        let written = accepted.iter().try_for_each(|namespace| -> Result<(), KvError> {
            let (next, hash) = (*commits + 1, namespace.index().hash);
            let changes = self.commit_rows(&namespace.keys(), namespace.id, next, hash)?;
            self.storage.commit(&mut changes.into_iter().map(Ok))?;
            *commits = next;
            namespace.index_mut().commits = next;
            Ok(())
        });
        written.err().map(|error| format!("kv.accept takes effect only until a restart: {error}"))
    }

    /// Brings the mark up to a store that was opened. Returns a finding when that fails.
    pub(crate) fn mark_opened(&self, commits: u64) -> Option<String> {
        match self.mark_commits(commits) {
            // The next write does it.
            Ok(()) | Err(KvError::NotReady(_)) => None,
            Err(error) => Some(format!("the store's commit mark cannot be written: {error}")),
        }
    }

    /// Whether the storage has any row but that of its format.
    pub(crate) fn has_rows(&self) -> Result<bool, KvError> {
        for table in Table::ALL {
            let rows = self.storage.scan(table, b"", None, 2)?;
            if rows.iter().any(|(key, _)| table != Table::Store || key != FORMAT_KEY) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
