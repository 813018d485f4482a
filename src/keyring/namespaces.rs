//! Namespaces and their key versions: making, using, replacing and destroying them.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::audit::Event;
use crate::crypto::aead as formula;
use crate::crypto::aead::Key;
use crate::keyring::keyset::{
    NAMESPACES_LIMIT, Namespace, NamespaceId, Ring, TITLE_LIMIT, VERSIONS_LIMIT, VersionState,
};
use crate::keyring::provenance::{Origin, seconds};
use crate::keyring::{Keyring, KeyringError};

/// A namespace as its users see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceInfo {
    /// Its name for the machine.
    pub id: NamespaceId,
    /// Its name for people.
    pub title: String,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
}

/// One key version as an operator sees it: everything but the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// The namespace, or `None` for the root key.
    pub namespace: Option<NamespaceId>,
    /// Its number; 0 for the root key.
    pub version: u32,
    /// What it may be used for.
    pub state: VersionState,
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// The keys of one namespace, for the store that uses them. Shares them with the keyring.
#[derive(Clone)]
pub struct NamespaceKeys {
    /// Derives the keys of record ids and sums.
    pub index_key: Arc<Key>,
    /// The version that seals.
    pub active: u32,
    /// Every version whose key is there: number, state, key.
    pub versions: Vec<(u32, VersionState, Arc<Key>)>,
}

impl NamespaceKeys {
    /// The key of a version that readers may use, or the reason why there is none.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<(VersionState, &Arc<Key>)> {
        self.versions.iter().find(|(at, ..)| *at == number).map(|(_, state, key)| (*state, key))
    }
}

/// A namespace that is not in the keyring yet.
pub struct Draft {
    id: NamespaceId,
    namespace: Namespace,
}

impl Draft {
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
    /// When the keyring is not open.
    pub fn namespaces(&self) -> Result<Vec<NamespaceInfo>, KeyringError> {
        self.look(|ring| Ok(ring.namespaces.iter().map(|(id, it)| info(*id, it)).collect()))
    }

    /// Makes a namespace with its first key version.
    ///
    /// # Errors
    /// When the title is taken or no title, there are too many, or it cannot be written.
    pub fn create_namespace(&self, title: &str) -> Result<NamespaceInfo, KeyringError> {
        self.add_namespace(self.draft_namespace(title)?)
    }

    /// A namespace that is not in the keyring yet, so that the store can be prepared for it first.
    ///
    /// # Errors
    /// As for [`Keyring::create_namespace`].
    pub fn draft_namespace(&self, title: &str) -> Result<Draft, KeyringError> {
        self.audited(Event::new("create-namespace"), |_| self.draw_namespace(title))
    }

    fn draw_namespace(&self, title: &str) -> Result<Draft, KeyringError> {
        self.look(|ring| check_room(ring, title))?;
        let (key, origin) = Origin::draw(&self.generator)?;
        let mut namespace = Namespace {
            title: Zeroizing::new(title.to_owned()),
            created_at: seconds(SystemTime::now()),
            index_key: Arc::new(formula::draw_key(&self.generator)?),
            versions: Vec::new(),
        };
        namespace.rotate(key, origin);
        Ok(Draft { id: NamespaceId(formula::draw(&self.generator)?), namespace })
    }

    /// Takes a draft into the keyring.
    ///
    /// # Errors
    /// As for [`Keyring::create_namespace`].
    pub fn add_namespace(&self, draft: Draft) -> Result<NamespaceInfo, KeyringError> {
        self.change(Event::new("create-namespace").on(draft.id), |ring, _| {
            check_room(ring, &draft.namespace.title)?;
            let info = info(draft.id, &draft.namespace);
            ring.namespaces.insert(draft.id, draft.namespace);
            Ok(info)
        })
    }

    /// Gives a namespace another title.
    ///
    /// # Errors
    /// As for [`Keyring::create_namespace`], or when there is no such namespace.
    pub fn rename_namespace(&self, id: NamespaceId, title: &str) -> Result<(), KeyringError> {
        self.change(Event::new("rename-namespace").on(id), |ring, _| {
            check_title(ring, title, Some(id))?;
            namespace(ring, id)?.title = Zeroizing::new(title.to_owned());
            Ok(())
        })
    }

    /// Destroys a namespace's keys. From then on no copy of the store opens what was in it; a copy
    /// of the keyring's file from before does.
    ///
    /// # Errors
    /// When there is no such namespace, or the keyring cannot be written.
    pub fn delete_namespace(&self, id: NamespaceId) -> Result<(), KeyringError> {
        self.change(Event::new("delete-namespace").on(id), |ring, _| {
            ring.namespaces.remove(&id).map(|_| ()).ok_or(KeyringError::UnknownNamespace(id))
        })
    }

    /// The keys of a namespace.
    ///
    /// # Errors
    /// When the keyring is not open, or there is no such namespace.
    pub fn namespace_keys(&self, id: NamespaceId) -> Result<NamespaceKeys, KeyringError> {
        self.look(|ring| {
            ring.namespaces.get(&id).map(keys).ok_or(KeyringError::UnknownNamespace(id))
        })
    }

    /// The key under which the store seals what it says of itself.
    ///
    /// # Errors
    /// When the keyring is not open.
    pub fn store_key(&self) -> Result<Arc<Key>, KeyringError> {
        self.look(|ring| Ok(Arc::clone(&ring.store_key)))
    }

    /// Makes a new key version, which seals from now on; gives its number.
    ///
    /// # Errors
    /// When there is no such namespace, there were too many versions, or it cannot be written.
    pub fn rotate(&self, id: NamespaceId) -> Result<u32, KeyringError> {
        self.change(Event::new("rotate").on(id), |ring, event| {
            let (key, origin) = Origin::draw(&self.generator)?;
            let namespace = namespace(ring, id)?;
            if namespace.versions.len() >= VERSIONS_LIMIT {
                let limit = VERSIONS_LIMIT;
                return Err(KeyringError::TooMany { what: "key versions", limit });
            }
            let version = namespace.rotate(key, origin);
            event.set_version(version);
            Ok(version)
        })
    }

    /// Takes a version from all readers. What it sealed can only be sealed anew, by a rotation.
    ///
    /// # Errors
    /// When it is the active one, destroyed or unknown, or the keyring cannot be written.
    pub fn revoke(&self, id: NamespaceId, number: u32) -> Result<(), KeyringError> {
        self.change(Event::new("revoke").on(id).version(number), |ring, _| {
            let version = passive_version(ring, id, number)?;
            if version.key.is_none() {
                return Err(KeyringError::UnknownVersion { namespace: id, version: number });
            }
            version.state = VersionState::Revoked;
            Ok(())
        })
    }

    /// Destroys a version: what it sealed opens nowhere any more. Its place in the list, and where
    /// it came from, are kept.
    ///
    /// # Errors
    /// When it is the active one or unknown, or the keyring cannot be written.
    pub fn destroy(&self, id: NamespaceId, number: u32) -> Result<(), KeyringError> {
        self.change(Event::new("destroy").on(id).version(number), |ring, _| {
            let version = passive_version(ring, id, number)?;
            version.state = VersionState::Destroyed;
            version.key = None;
            Ok(())
        })
    }

    /// Every key there is or was, the root key first, with its provenance.
    ///
    /// # Errors
    /// When the keyring is not open.
    pub fn keys(&self) -> Result<Vec<KeyInfo>, KeyringError> {
        self.look(|ring| {
            let root = KeyInfo {
                namespace: None,
                version: 0,
                state: VersionState::Active,
                origin: ring.root_origin.clone(),
            };
            let versions = ring.namespaces.iter().flat_map(|(id, namespace)| {
                namespace.versions.iter().map(move |version| KeyInfo {
                    namespace: Some(*id),
                    version: version.number,
                    state: version.state,
                    origin: version.origin.clone(),
                })
            });
            Ok(std::iter::once(root).chain(versions).collect())
        })
    }
}

fn info(id: NamespaceId, namespace: &Namespace) -> NamespaceInfo {
    NamespaceInfo { id, title: namespace.title.to_string(), created_at: namespace.created_at }
}

fn keys(namespace: &Namespace) -> NamespaceKeys {
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

fn check_room(ring: &Ring, title: &str) -> Result<(), KeyringError> {
    if ring.namespaces.len() >= NAMESPACES_LIMIT {
        return Err(KeyringError::TooMany { what: "namespaces", limit: NAMESPACES_LIMIT });
    }
    check_title(ring, title, None)
}

fn check_title(ring: &Ring, title: &str, own: Option<NamespaceId>) -> Result<(), KeyringError> {
    if title.is_empty() || title.len() > TITLE_LIMIT {
        return Err(KeyringError::Title { limit: TITLE_LIMIT, value: title.len() });
    }
    // Keyrings of earlier versions may have some; they are read as they are.
    if let Some((letter, place)) = title.chars().zip(1..).find(|(letter, _)| letter.is_control()) {
        return Err(KeyringError::TitleControl { place, letter: letter.into() });
    }
    let taken = ring
        .namespaces
        .iter()
        .any(|(id, namespace)| Some(*id) != own && namespace.title.as_str() == title);
    if taken { Err(KeyringError::TitleTaken) } else { Ok(()) }
}

fn namespace(ring: &mut Ring, id: NamespaceId) -> Result<&mut Namespace, KeyringError> {
    ring.namespaces.get_mut(&id).ok_or(KeyringError::UnknownNamespace(id))
}

/// A version that does not seal.
fn passive_version(
    ring: &mut Ring,
    id: NamespaceId,
    number: u32,
) -> Result<&mut crate::keyring::keyset::Version, KeyringError> {
    let version = namespace(ring, id)?
        .versions
        .iter_mut()
        .find(|version| version.number == number)
        .ok_or(KeyringError::UnknownVersion { namespace: id, version: number })?;
    match version.state {
        VersionState::Active => Err(KeyringError::ActiveVersion { version: number }),
        _ => Ok(version),
    }
}
