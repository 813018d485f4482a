//! Opening and closing the store: loading the index of every namespace and checking it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::audit::{Actor, AuditEvent};
use crate::keyring::seal::SealChoice;
use crate::keyring::seal::shares::Share;
use crate::keyring::{Condition, KeyringError, NamespaceId};
use crate::kv::commit_rows::clearing;
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::engine::Table;
use crate::kv::error::KvError;
use crate::kv::namespace::Namespace;
use crate::kv::store::{Namespaces, Store, WriterState};

impl Store {
    /// Loads the index of every namespace: every entry is decrypted, and every name kept in memory. Rows of
    /// deleted namespaces are removed.
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

    pub(crate) fn load(&self, writer: &mut WriterState) -> Result<(), KvError> {
        let mut findings: Vec<_> = self.check_format()?.into_iter().collect();
        let mut namespaces = Namespaces::new();
        let mut accepted = Vec::new();
        let mut latest = 0;
        for info in self.keyring.namespaces()? {
            let keys = DerivedKeys::new(&self.keyring.namespace_keys(info.id)?);
            let mut loaded = Namespace::load(&*self.storage, info.id, keys)?;
            findings.extend(loaded.namespace.findings());
            latest = latest.max(loaded.commits);
            let is_accepted = !loaded.namespace.agrees && self.accept.contains(&info.id);
            loaded.namespace.agrees |= is_accepted;
            let namespace = Arc::new(loaded.namespace);
            accepted.extend(is_accepted.then(|| Arc::clone(&namespace)));
            namespaces.insert(info.id, namespace);
        }
        let counted = self.read_commits()?;
        // When no row opens, the store belongs to another keyring: all its rows would be taken for rows of
        // deleted namespaces and removed.
        let is_ours = counted.is_some() || latest > 0 || !accepted.is_empty();
        if !is_ours && self.has_rows()? {
            return Err(KvError::Foreign);
        }
        if counted.is_none() && !namespaces.is_empty() {
            findings.push("the store's count of commits is missing or damaged".to_owned());
        }
        // A count that was rolled back alone is less than that of a namespace.
        let mut commits = counted.unwrap_or_default().max(latest);
        self.keyring.check_commits(commits)?;
        findings.extend(self.remove_deleted(&namespaces)?);
        findings.extend(self.accept_as_found(&accepted, &mut commits));
        *writer = WriterState { commits, findings };
        self.replace_namespaces(Some(namespaces));
        self.is_stale.store(false, Ordering::Release);
        Ok(())
    }

    /// Removes the rows of namespaces that are not in the keyring: no key opens them. Returns a finding when
    /// they cannot be removed; the other namespaces can be used all the same.
    fn remove_deleted(&self, namespaces: &Namespaces) -> Result<Option<String>, KvError> {
        for (key, _) in self.storage.scan(Table::Sums, b"", None, usize::MAX)? {
            let id = key.as_slice().try_into().ok().map(NamespaceId);
            if id.is_some_and(|id| namespaces.contains_key(&id)) {
                continue;
            }
            if let Err(error) = self.storage.commit(&mut clearing(&key).into_iter().map(Ok)) {
                return Ok(Some(format!("rows of deleted namespaces cannot be removed: {error}")));
            }
        }
        Ok(None)
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

    /// Whether the storage has any row.
    fn has_rows(&self) -> Result<bool, KvError> {
        for table in Table::ALL {
            if !self.storage.scan(table, b"", None, 1)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
