//! Namespaces: making, using, renaming and deleting them.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::audit::{Actor, AuditEvent};
use crate::crypto::key::{self, Key};
use crate::keyring::error::KeyringError;
use crate::keyring::handle::Keyring;
use crate::keyring::id::NamespaceId;
use crate::keyring::key_version::VersionState;
use crate::keyring::keyset::{Keyset, NAMESPACES_LIMIT, NamespaceKeyset, TITLE_LIMIT};
use crate::keyring::provenance::KeyProvenance;
use crate::machine::unix_now;

/// A namespace as its users see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceInfo {
    /// Its identifier.
    pub id: NamespaceId,
    /// Its title.
    pub title: String,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
}

/// The keys of one namespace, for the store; shared with the keyring.
#[derive(Clone)]
pub struct NamespaceKeys {
    /// Derives the keys of record ids and of the multiset hash.
    pub index_key: Arc<Key>,
    /// The version that seals.
    pub active: u32,
    /// Every version that has a key: number, state, key.
    pub versions: Vec<(u32, VersionState, Arc<Key>)>,
}

impl NamespaceKeys {
    /// The state and the key of a version, if it has one.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<(VersionState, &Arc<Key>)> {
        self.versions.iter().find(|(at, ..)| *at == number).map(|(_, state, key)| (*state, key))
    }
}

/// A namespace that is not in the keyring yet.
pub struct NamespaceDraft {
    id: NamespaceId,
    namespace: NamespaceKeyset,
}

impl NamespaceDraft {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> NamespaceId {
        self.id
    }

    /// Its keys.
    #[must_use]
    pub fn keys(&self) -> NamespaceKeys {
        keys(&self.namespace)
    }
}

impl Keyring {
    /// All namespaces, in the order of their ids.
    ///
    /// # Errors
    /// When the keyring is not unsealed.
    pub fn namespaces(&self) -> Result<Vec<NamespaceInfo>, KeyringError> {
        self.look(|keyset| Ok(keyset.namespaces.iter().map(|(id, it)| info(*id, it)).collect()))
    }

    /// Makes a namespace with its first key version.
    ///
    /// # Errors
    /// When the title is taken or invalid, there are too many, or nothing can be written.
    pub fn create_namespace(
        &self,
        actor: &Actor,
        title: &str,
    ) -> Result<NamespaceInfo, KeyringError> {
        self.add_namespace(actor, self.draft_namespace(actor, title)?)
    }

    /// A namespace that is not in the keyring yet, so that the store can be prepared for it first.
    ///
    /// # Errors
    /// As for [`Keyring::create_namespace`].
    pub fn draft_namespace(
        &self,
        actor: &Actor,
        title: &str,
    ) -> Result<NamespaceDraft, KeyringError> {
        self.audited(AuditEvent::new(actor, "create-namespace"), |_| {
            self.draw_namespace(title, NamespaceId(key::draw(&self.generator)?))
        })
    }

    /// As [`Keyring::draft_namespace`], with an id that the program fixes.
    ///
    /// # Errors
    /// Also when there is, or was, a namespace of this id.
    pub(crate) fn draft_namespace_with_id(
        &self,
        actor: &Actor,
        title: &str,
        id: NamespaceId,
    ) -> Result<NamespaceDraft, KeyringError> {
        self.audited(AuditEvent::new(actor, "create-namespace").on(id), |_| {
            self.look(|keyset| {
                let is_known =
                    keyset.namespaces.contains_key(&id) || keyset.tombstones.contains(&id);
                if is_known { Err(KeyringError::TitleTaken) } else { Ok(()) }
            })?;
            self.draw_namespace(title, id)
        })
    }

    fn draw_namespace(&self, title: &str, id: NamespaceId) -> Result<NamespaceDraft, KeyringError> {
        self.look(|keyset| check_room(keyset, title))?;
        let (key, provenance) = KeyProvenance::draw(&self.generator)?;
        let mut namespace = NamespaceKeyset {
            title: Zeroizing::new(title.to_owned()),
            created_at: unix_now(),
            index_key: Arc::new(key::draw_key(&self.generator)?),
            versions: Vec::new(),
        };
        namespace.rotate(key, provenance);
        Ok(NamespaceDraft { id, namespace })
    }

    /// Takes a draft into the keyring.
    ///
    /// # Errors
    /// As for [`Keyring::create_namespace`].
    pub fn add_namespace(
        &self,
        actor: &Actor,
        draft: NamespaceDraft,
    ) -> Result<NamespaceInfo, KeyringError> {
        self.change(AuditEvent::new(actor, "create-namespace").on(draft.id), |keyset, _| {
            check_room(keyset, &draft.namespace.title)?;
            let info = info(draft.id, &draft.namespace);
            keyset.namespaces.insert(draft.id, draft.namespace);
            Ok(info)
        })
    }

    /// Gives a namespace another title.
    ///
    /// # Errors
    /// As for [`Keyring::create_namespace`], or when there is no such namespace.
    pub fn rename_namespace(
        &self,
        actor: &Actor,
        id: NamespaceId,
        title: &str,
    ) -> Result<(), KeyringError> {
        self.change(AuditEvent::new(actor, "rename-namespace").on(id), |keyset, _| {
            check_title(keyset, title, Some(id))?;
            keyset.namespace_mut(id)?.title = Zeroizing::new(title.to_owned());
            Ok(())
        })
    }

    /// Destroys a namespace's keys. From then on its records cannot be opened in any copy of the store,
    /// except with an earlier copy of the keyring's file.
    ///
    /// # Errors
    /// When there is no such namespace, or the keyring cannot be written.
    pub fn delete_namespace(&self, actor: &Actor, id: NamespaceId) -> Result<(), KeyringError> {
        self.change(AuditEvent::new(actor, "delete-namespace").on(id), |keyset, _| {
            keyset.delete(id)
        })
    }

    /// Whether the keyring records that this namespace was deleted.
    ///
    /// # Errors
    /// When the keyring is not unsealed.
    pub fn has_tombstone(&self, id: NamespaceId) -> Result<bool, KeyringError> {
        self.look(|keyset| Ok(keyset.tombstones.contains(&id)))
    }

    /// The keys of a namespace.
    ///
    /// # Errors
    /// When the keyring is not unsealed, or there is no such namespace.
    pub fn namespace_keys(&self, id: NamespaceId) -> Result<NamespaceKeys, KeyringError> {
        self.look(|keyset| {
            keyset.namespaces.get(&id).map(keys).ok_or(KeyringError::UnknownNamespace(id))
        })
    }

    /// Looks at the title of a namespace; `None` when there is no such namespace.
    ///
    /// # Errors
    /// When the keyring is not unsealed.
    pub(crate) fn look_at_title<T>(
        &self,
        id: NamespaceId,
        look: impl FnOnce(Option<&str>) -> T,
    ) -> Result<T, KeyringError> {
        self.look(|keyset| Ok(look(keyset.namespaces.get(&id).map(|it| it.title.as_str()))))
    }

    /// The key under which the store seals its commit count.
    ///
    /// # Errors
    /// When the keyring is not unsealed.
    pub fn store_key(&self) -> Result<Arc<Key>, KeyringError> {
        self.look(|keyset| Ok(Arc::clone(&keyset.store_key)))
    }
}

fn info(id: NamespaceId, namespace: &NamespaceKeyset) -> NamespaceInfo {
    NamespaceInfo { id, title: namespace.title.to_string(), created_at: namespace.created_at }
}

fn keys(namespace: &NamespaceKeyset) -> NamespaceKeys {
    let there = namespace.versions.iter().filter_map(|version| {
        let key = version.key.as_ref()?;
        Some((version.number, version.state, Arc::clone(key)))
    });
    NamespaceKeys {
        index_key: Arc::clone(&namespace.index_key),
        active: namespace.active().number,
        versions: there.collect(),
    }
}

fn check_room(keyset: &Keyset, title: &str) -> Result<(), KeyringError> {
    if keyset.namespaces.len() >= NAMESPACES_LIMIT {
        return Err(KeyringError::TooMany { what: "namespaces", limit: NAMESPACES_LIMIT });
    }
    check_title(keyset, title, None)
}

fn check_title(keyset: &Keyset, title: &str, own: Option<NamespaceId>) -> Result<(), KeyringError> {
    if title.is_empty() || title.len() > TITLE_LIMIT {
        return Err(KeyringError::Title { limit: TITLE_LIMIT, value: title.len() });
    }
    // Keyrings of earlier versions may have such titles; they are read unchanged.
    if let Some((letter, place)) = title.chars().zip(1..).find(|(letter, _)| letter.is_control()) {
        return Err(KeyringError::TitleControl { place, letter: letter.into() });
    }
    let taken = keyset
        .namespaces
        .iter()
        .any(|(id, namespace)| Some(*id) != own && namespace.title.as_str() == title);
    if taken { Err(KeyringError::TitleTaken) } else { Ok(()) }
}
