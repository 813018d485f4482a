//! Namespaces: making, renaming and deleting them, and changing their keys.

use std::sync::Arc;

use crate::audit::Actor;
use crate::keyring::{KeyringError, NamespaceDraft, NamespaceId, NamespaceInfo};
use crate::kv::commit_rows::clearing;
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::engine::Revision;
use crate::kv::error::KvError;
use crate::kv::index::Index;
use crate::kv::multiset_hash::MultisetHash;
use crate::kv::namespace::Namespace;
use crate::kv::store::Store;

impl Store {
    /// All namespaces, in the order of their ids.
    ///
    /// # Errors
    /// When the keyring is not unsealed.
    pub fn namespaces(&self) -> Result<Vec<NamespaceInfo>, KvError> {
        Ok(self.keyring.namespaces()?)
    }

    /// Makes a namespace.
    ///
    /// # Errors
    /// When the title is taken or invalid, or nothing can be written.
    pub fn create_namespace(&self, actor: &Actor, title: &str) -> Result<NamespaceInfo, KvError> {
        self.create(actor, title, || self.keyring.draft_namespace(actor, title))
    }

    /// As [`Store::create_namespace`], with an id that the program fixes.
    ///
    /// # Errors
    /// Also when there is, or was, a namespace of this id.
    pub(crate) fn create_namespace_with_id(
        &self,
        actor: &Actor,
        title: &str,
        id: NamespaceId,
    ) -> Result<NamespaceInfo, KvError> {
        self.create(actor, title, || self.keyring.draft_namespace_with_id(actor, title, id))
    }

    fn create(
        &self,
        actor: &Actor,
        title: &str,
        draft: impl FnOnce() -> Result<NamespaceDraft, KeyringError>,
    ) -> Result<NamespaceInfo, KvError> {
        let mut writer = self.writer();
        self.refuse_if_read_only()?;
        self.check_title(title, None)?;
        let draft = draft()?;
        if !self.is_open() {
            // A store that was refused is left as it is.
            return Err(KvError::Closed);
        }
        let (id, keys) = (draft.id(), DerivedKeys::new(&draft.keys()));
        // Its multiset hash first: a namespace without one counts as one whose rows were removed. A
        // crash before the keyring is written leaves the row, which belongs to no namespace.
        let commits = writer.commits + 1;
        let changes = self.commit_rows(&keys, id, commits, MultisetHash::default())?;
        if let Some(follower) = &self.follower {
            let sum = follower.expected_sum(&Index::default(), id, Revision::default());
            self.commit_own(follower, &mut writer, changes, vec![sum])?;
        } else {
            self.storage.commit(&mut changes.into_iter().map(Ok))?;
            self.count_commit(&mut writer, commits);
        }
        self.mark_commits(commits)?;
        let added = self.keyring.add_namespace(actor, draft);
        if !KeyringError::took_effect(&added) {
            // The row stays when this fails, too.
            let _ = self.storage.commit(&mut clearing(&id.0).into_iter().map(Ok));
        }
        followed(added, || {
            if self.follower.is_some() {
                return self.follow_keyring();
            }
            self.change_namespaces(|namespaces| {
                namespaces.insert(id, Arc::new(Namespace::empty(id, keys, commits)))
            })
            .map(drop)
        })
    }

    /// Gives a namespace another title.
    ///
    /// # Errors
    /// When the title is taken or invalid, there is no such namespace, or nothing can be written.
    pub fn rename_namespace(
        &self,
        actor: &Actor,
        id: NamespaceId,
        title: &str,
    ) -> Result<(), KvError> {
        let _writer = self.writer();
        let before = self.keyring.look_at_title(id, |title| title.map(str::to_owned))?;
        if let Some(before) = before {
            self.check_title(title, Some((&before, id)))?;
        }
        Ok(self.keyring.rename_namespace(actor, id, title)?)
    }

    /// Destroys a namespace: its keys first, then its rows. Without its keys it is deleted, even when
    /// removing the rows fails.
    ///
    /// # Errors
    /// When there is no such namespace, or the keyring cannot be written.
    pub fn delete_namespace(&self, actor: &Actor, id: NamespaceId) -> Result<(), KvError> {
        let _writer = self.writer();
        self.refuse_if_read_only()?;
        followed(self.keyring.delete_namespace(actor, id), || {
            self.drop_namespace(id)?;
            // Rows that cannot be removed now are removed at the next opening.
            let _ = self.storage.commit(&mut clearing(&id.0).into_iter().map(Ok));
            Ok(())
        })
    }

    /// Takes a deleted namespace from readers and writers.
    pub(crate) fn drop_namespace(&self, id: NamespaceId) -> Result<(), KvError> {
        self.change_namespaces(|namespaces| {
            namespaces.remove(&id);
            self.cache.remove_namespace(id);
        })
    }

    /// Makes a new key version, which seals from now on.
    ///
    /// # Errors
    /// When there is no such namespace, or the keyring cannot be written.
    pub fn rotate(&self, actor: &Actor, id: NamespaceId) -> Result<u32, KvError> {
        let _writer = self.writer();
        followed(self.keyring.rotate(actor, id), || self.refresh_keys(id))
    }

    /// Takes a key version from readers.
    ///
    /// # Errors
    /// When it is active or unknown, or the keyring cannot be written.
    pub fn revoke(&self, actor: &Actor, id: NamespaceId, version: u32) -> Result<(), KvError> {
        let _writer = self.writer();
        followed(self.keyring.revoke(actor, id, version), || self.refresh_keys(id))
    }

    /// Destroys every key version that no record needs; returns their numbers.
    ///
    /// # Errors
    /// When the keyring cannot be written.
    pub fn destroy_unneeded(&self, actor: &Actor, id: NamespaceId) -> Result<Vec<u32>, KvError> {
        let (_writer, namespace) = self.writing(id)?;
        let keys = self.keyring.namespace_keys(id)?;
        // Another node may have sealed one under an older version that is not committed yet.
        if self.follower.is_some() {
            return Ok(Vec::new());
        }
        // A record that does not open may need any of them.
        if !namespace.index().is_whole() || self.read_only().is_some() {
            return Ok(Vec::new());
        }
        let needed = namespace.index().dependents().clone();
        let unneeded: Vec<_> = keys
            .versions
            .iter()
            .map(|(number, ..)| *number)
            .filter(|number| *number != keys.active && !needed.contains_key(number))
            .collect();
        if unneeded.is_empty() {
            return Ok(unneeded);
        }
        let destroyed =
            unneeded.iter().try_for_each(|number| self.keyring.destroy(actor, id, *number));
        // Also after a failure: keys that are destroyed must not stay in memory.
        self.refresh_keys(id)?;
        destroyed?;
        Ok(unneeded)
    }

    fn refresh_keys(&self, id: NamespaceId) -> Result<(), KvError> {
        if self.follower.is_some() {
            return self.follow_keyring();
        }
        let keys = DerivedKeys::new(&self.keyring.namespace_keys(id)?);
        self.known_namespace(id)?.set_keys(keys);
        Ok(())
    }
}

/// Applies a change of the keyring that took effect to readers and writers, also one that is incomplete.
fn followed<T>(
    done: Result<T, KeyringError>,
    follow: impl FnOnce() -> Result<(), KvError>,
) -> Result<T, KvError> {
    if KeyringError::took_effect(&done) {
        follow()?;
    }
    Ok(done?)
}
