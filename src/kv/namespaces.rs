//! Namespaces: making, renaming and destroying them, and changing their keys.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use serde::Serialize;

use crate::keyring::{KeyringError, NamespaceId, NamespaceInfo};
use crate::kv::multiset_hash::Sum;
use crate::kv::namespace::{Space, SpaceKeys};
use crate::kv::{KvError, Store, clearing};

/// How a namespace is, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamespaceReport {
    /// Its id.
    pub id: NamespaceId,
    /// Records, expired ones that are not removed yet included.
    pub records: usize,
    /// Records that do not open.
    pub damaged: usize,
    /// Whether its records are those that were written last, as far as can be told.
    pub agrees: bool,
    /// The key version that seals.
    pub active_version: u32,
    /// How many records are sealed under each key version.
    pub dependents: BTreeMap<u32, u64>,
    /// Records sealed anew, by this process, since the active version became that.
    pub resealed: usize,
}

impl NamespaceReport {
    /// How many records are under older versions.
    #[must_use]
    pub fn behind(&self) -> u64 {
        let older = self.dependents.iter().filter(|(version, _)| **version != self.active_version);
        older.map(|(_, records)| records).sum()
    }
}

impl Space {
    /// What an operator should look at.
    pub(crate) fn findings(&self) -> Vec<String> {
        let index = self.index();
        let disagrees = (!self.agrees).then(|| KvError::Disagrees(self.id).to_string());
        let damaged = (!index.faults.is_empty()).then(|| {
            let ids: Vec<_> = index.faults.keys().take(5).map(ToString::to_string).collect();
            format!(
                "namespace {}: {} records do not open, among them {}; what else was changed there \
                 cannot be told",
                self.id,
                index.faults.len(),
                ids.join(", ")
            )
        });
        disagrees.into_iter().chain(damaged).collect()
    }
}

impl Store {
    /// All namespaces, in the order of their ids.
    ///
    /// # Errors
    /// When the keyring is not open.
    pub fn namespaces(&self) -> Result<Vec<NamespaceInfo>, KvError> {
        Ok(self.keyring.namespaces()?)
    }

    /// Makes a namespace.
    ///
    /// # Errors
    /// When the title is taken or no title, or nothing can be written.
    pub fn create_namespace(&self, title: &str) -> Result<NamespaceInfo, KvError> {
        let mut writer = self.writer();
        let draft = self.keyring.draft_namespace(title)?;
        let (id, keys) = (draft.id(), SpaceKeys::new(&draft.keys()));
        // Its sum first: a namespace without one is one whose rows were taken away. If the keyring
        // cannot be written, the row is nobody's, and removed at the next opening.
        let commits = writer.commits + 1;
        let changes = self.sums(&keys, id, commits, Sum::default())?;
        self.storage.commit(&mut changes.into_iter().map(Ok))?;
        writer.commits = commits;
        followed(self.keyring.add_namespace(draft), || {
            self.change_spaces(|spaces| spaces.insert(id, Arc::new(Space::empty(id, keys))))
                .map(drop)
        })
    }

    /// Gives a namespace another title.
    ///
    /// # Errors
    /// When the title is taken or no title, there is no such namespace, or it cannot be written.
    pub fn rename_namespace(&self, id: NamespaceId, title: &str) -> Result<(), KvError> {
        Ok(self.keyring.rename_namespace(id, title)?)
    }

    /// Destroys a namespace: its keys first, then its rows. Once the keys are gone it is deleted,
    /// whatever becomes of the rows.
    ///
    /// # Errors
    /// When there is no such namespace, or the keyring cannot be written.
    pub fn delete_namespace(&self, id: NamespaceId) -> Result<(), KvError> {
        let _writer = self.writer();
        followed(self.keyring.delete_namespace(id), || {
            self.change_spaces(|spaces| {
                spaces.remove(&id);
                self.opened.forget(id);
            })?;
            // What cannot be removed now is removed at the next opening.
            let _ = self.storage.commit(&mut clearing(&id.0).into_iter().map(Ok));
            Ok(())
        })
    }

    /// Makes a new key version; what is written from now on is sealed under it.
    ///
    /// # Errors
    /// When there is no such namespace, or the keyring cannot be written.
    pub fn rotate(&self, id: NamespaceId) -> Result<u32, KvError> {
        let _writer = self.writer();
        followed(self.keyring.rotate(id), || self.refresh_keys(id))
    }

    /// Takes a key version from readers.
    ///
    /// # Errors
    /// When it is active or unknown, or the keyring cannot be written.
    pub fn revoke(&self, id: NamespaceId, version: u32) -> Result<(), KvError> {
        let _writer = self.writer();
        followed(self.keyring.revoke(id, version), || self.refresh_keys(id))
    }

    /// Destroys every key version that nothing needs any more; gives their numbers.
    ///
    /// # Errors
    /// When the keyring cannot be written.
    pub fn destroy_unneeded(&self, id: NamespaceId) -> Result<Vec<u32>, KvError> {
        let (_writer, space) = self.writing(id)?;
        let keys = self.keyring.namespace_keys(id)?;
        // A record that does not open may need any of them.
        if !space.index().faults.is_empty() {
            return Ok(Vec::new());
        }
        let needed = space.index().dependents().clone();
        let unneeded: Vec<_> = keys
            .versions
            .iter()
            .map(|(number, ..)| *number)
            .filter(|number| *number != keys.active && !needed.contains_key(number))
            .collect();
        if unneeded.is_empty() {
            return Ok(unneeded);
        }
        let destroyed = unneeded.iter().try_for_each(|number| self.keyring.destroy(id, *number));
        // Also those before one that failed: what is destroyed must not stay in memory.
        self.refresh_keys(id)?;
        destroyed?;
        Ok(unneeded)
    }

    /// How every namespace is.
    ///
    /// # Errors
    /// When the store is closed.
    pub fn report(&self) -> Result<Vec<NamespaceReport>, KvError> {
        let spaces = self.all_known_spaces()?;
        let report = spaces.iter().map(|space| {
            let index = space.index();
            NamespaceReport {
                id: space.id,
                records: index.len(),
                damaged: index.faults.len(),
                agrees: space.agrees,
                active_version: space.keys().active,
                dependents: index.dependents().clone(),
                resealed: space.resealed(),
            }
        });
        Ok(report.collect())
    }

    /// Every namespace whose records can be used.
    pub(crate) fn all_spaces(&self) -> Result<Vec<Arc<Space>>, KvError> {
        let mut spaces = self.all_known_spaces()?;
        spaces.retain(|space| space.agrees);
        Ok(spaces)
    }

    fn all_known_spaces(&self) -> Result<Vec<Arc<Space>>, KvError> {
        let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
        let spaces = spaces.as_ref().ok_or(KvError::Closed)?;
        Ok(spaces.values().map(Arc::clone).collect())
    }

    fn refresh_keys(&self, id: NamespaceId) -> Result<(), KvError> {
        let keys = SpaceKeys::new(&self.keyring.namespace_keys(id)?);
        self.space_as_known(id)?.set_keys(keys);
        Ok(())
    }
}

/// Has readers and writers follow a change of the keyring that took effect, also one that is not complete.
fn followed<T>(
    done: Result<T, KeyringError>,
    follow: impl FnOnce() -> Result<(), KvError>,
) -> Result<T, KvError> {
    if KeyringError::took_effect(&done) {
        follow()?;
    }
    Ok(done?)
}
