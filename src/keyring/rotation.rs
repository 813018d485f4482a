//! Key versions: rotating, revoking, destroying and listing them.

use serde::Serialize;

use crate::audit::{Actor, AuditEvent};
use crate::keyring::error::KeyringError;
use crate::keyring::handle::Keyring;
use crate::keyring::id::NamespaceId;
use crate::keyring::key_version::{KeyVersion, VersionState};
use crate::keyring::keyset::{Keyset, VERSIONS_LIMIT};
use crate::keyring::provenance::KeyProvenance;

/// One key version as an operator sees it: everything except the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// The namespace; `None` for other keys.
    pub namespace: Option<NamespaceId>,
    /// The key that callers use by name; `None` for other keys.
    pub(crate) named: Option<NamedKey>,
    /// Its number; 0 for the root key.
    pub version: u32,
    /// Its use.
    pub state: VersionState,
    /// Its provenance.
    #[serde(flatten)]
    pub provenance: KeyProvenance,
}

/// A key that callers use by name, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NamedKey {
    /// As the audit log has it.
    pub(crate) id: [u8; 16],
    /// What it is for.
    pub(crate) purpose: &'static str,
    /// The tenant; empty for the operator.
    pub(crate) owner: String,
    /// Its name.
    pub(crate) name: String,
    /// The oldest version that opens.
    pub(crate) min_decryption: u32,
    /// The oldest version that seals; 0 for no such limit.
    pub(crate) min_encryption: u32,
}

impl Keyring {
    /// Makes a new key version, which seals from now on; returns its number.
    ///
    /// # Errors
    /// When there is no such namespace, it has too many versions, or nothing can be written.
    pub fn rotate(&self, actor: &Actor, id: NamespaceId) -> Result<u32, KeyringError> {
        self.change(AuditEvent::new(actor, "rotate").on(id), |keyset, event| {
            let (key, provenance) = KeyProvenance::draw(&self.generator)?;
            let namespace = keyset.namespace_mut(id)?;
            if namespace.versions.len() >= VERSIONS_LIMIT {
                let limit = VERSIONS_LIMIT;
                return Err(KeyringError::TooMany { what: "key versions", limit });
            }
            let version = namespace.rotate(key, provenance);
            event.set_version(version);
            Ok(version)
        })
    }

    /// Takes a version from all readers. Its records can only be resealed, by a rotation.
    ///
    /// # Errors
    /// When it is the active one, destroyed or unknown, or the keyring cannot be written.
    pub fn revoke(&self, actor: &Actor, id: NamespaceId, number: u32) -> Result<(), KeyringError> {
        self.change(AuditEvent::new(actor, "revoke").on(id).version(number), |keyset, _| {
            let version = passive_version(keyset, id, number)?;
            if version.key.is_none() {
                return Err(KeyringError::DestroyedVersion { namespace: id, version: number });
            }
            version.state = VersionState::Revoked;
            Ok(())
        })
    }

    /// Destroys a version: its records can no longer be opened. Its place in the list and its provenance
    /// are kept.
    ///
    /// # Errors
    /// When it is the active one or unknown, or the keyring cannot be written.
    pub fn destroy(&self, actor: &Actor, id: NamespaceId, number: u32) -> Result<(), KeyringError> {
        self.change(AuditEvent::new(actor, "destroy").on(id).version(number), |keyset, _| {
            let version = passive_version(keyset, id, number)?;
            version.state = VersionState::Destroyed;
            version.key = None;
            Ok(())
        })
    }

    /// Every present and past key, the root key first, with its provenance.
    ///
    /// # Errors
    /// When the keyring is not unsealed.
    pub fn keys(&self) -> Result<Vec<KeyInfo>, KeyringError> {
        self.look(|keyset| {
            let root = KeyInfo {
                namespace: None,
                named: None,
                version: 0,
                state: VersionState::Active,
                provenance: keyset.root_provenance.clone(),
            };
            let versions = keyset.namespaces.iter().flat_map(|(id, namespace)| {
                namespace.versions.iter().map(move |it| info(Some(*id), None, it))
            });
            let named = keyset.transit.iter().flat_map(|(name, key)| {
                let named = NamedKey {
                    id: key.id,
                    purpose: key.purpose(name),
                    owner: name.owner.clone(),
                    name: name.name.clone(),
                    min_decryption: key.settings.min_decryption,
                    min_encryption: key.settings.min_encryption,
                };
                key.versions.iter().map(move |it| info(None, Some(named.clone()), it))
            });
            Ok(std::iter::once(root).chain(versions).chain(named).collect())
        })
    }
}

fn info(namespace: Option<NamespaceId>, named: Option<NamedKey>, version: &KeyVersion) -> KeyInfo {
    KeyInfo {
        namespace,
        named,
        version: version.number,
        state: version.state,
        provenance: version.provenance.clone(),
    }
}

/// A version that does not seal.
fn passive_version(
    keyset: &mut Keyset,
    id: NamespaceId,
    number: u32,
) -> Result<&mut KeyVersion, KeyringError> {
    let version = keyset
        .namespace_mut(id)?
        .versions
        .iter_mut()
        .find(|version| version.number == number)
        .ok_or(KeyringError::UnknownVersion { namespace: id, version: number })?;
    match version.state {
        VersionState::Active => Err(KeyringError::ActiveVersion { version: number }),
        _ => Ok(version),
    }
}
