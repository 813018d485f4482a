//! Making, rotating, setting, trimming, reading and deleting keys. Each is on the disk, with its line in the
//! audit log, before it is answered. The log names a key by its id: names are the callers'.

use std::sync::Arc;

use data_encoding::HEXLOWER;

use crate::audit::{Actor, AuditEvent};
use crate::crypto::key;
use crate::keyring::error::KeyringError;
use crate::keyring::handle::Keyring;
use crate::keyring::keyset::Keyset;
use crate::keyring::transit::fault::TransitFault;
use crate::keyring::transit::transit_key::{
    ALL_KEYS_LIMIT, ALL_VERSIONS_LIMIT, KEYS_LIMIT, KeyPurpose, OWNER_VERSIONS_LIMIT, TransitKey,
    TransitName, TransitSettings, TransitType, VERSIONS_LIMIT,
};

/// New settings of a key; `None` keeps what it has.
#[derive(Debug, Default)]
pub(crate) struct TransitChange {
    pub(crate) min_decryption: Option<u32>,
    pub(crate) min_encryption: Option<u32>,
    pub(crate) deletion_allowed: Option<bool>,
    /// Only ever set.
    pub(crate) exportable: bool,
    /// Only ever set.
    pub(crate) allow_plaintext_backup: bool,
    pub(crate) auto_rotate_seconds: Option<u64>,
}

impl Keyring {
    /// A key; `None` when there is none of this name.
    ///
    /// # Errors
    /// When the keyring is not unsealed.
    pub(crate) fn transit_key(
        &self,
        name: &TransitName,
    ) -> Result<Option<Arc<TransitKey>>, KeyringError> {
        self.look(|keyset| Ok(keyset.transit.get(name).cloned()))
    }

    /// As [`Self::transit_key`], unless that would wait for a change: then `None`.
    pub(crate) fn try_transit_key(
        &self,
        name: &TransitName,
    ) -> Option<Result<Option<Arc<TransitKey>>, KeyringError>> {
        self.try_look(|keyset| Ok(keyset.transit.get(name).cloned()))
    }

    /// The names of an owner's keys for a purpose, sorted.
    ///
    /// # Errors
    /// When the keyring is not unsealed.
    pub(crate) fn transit_names(
        &self,
        purpose: KeyPurpose,
        owner: &str,
    ) -> Result<Vec<String>, KeyringError> {
        self.look(|keyset| {
            let is_own = |name: &&TransitName| name.purpose == purpose && name.owner == owner;
            Ok(keyset.transit.keys().filter(is_own).map(|name| name.name.clone()).collect())
        })
    }

    /// The number of an owner's keys for all purposes.
    ///
    /// # Errors
    /// When the keyring is not unsealed.
    pub(crate) fn transit_count(&self, owner: &str) -> Result<usize, KeyringError> {
        self.look(|keyset| Ok(keyset.transit.keys().filter(|name| name.owner == owner).count()))
    }

    /// Makes a key with its first version, or gives the one that has this name.
    ///
    /// # Errors
    /// When there are too many, or nothing can be written.
    pub(crate) fn create_transit_key(
        &self,
        actor: &Actor,
        name: &TransitName,
        kind: TransitType,
        settings: &TransitSettings,
    ) -> Result<Arc<TransitKey>, KeyringError> {
        if let Some(known) = self.transit_key(name)? {
            return Ok(known);
        }
        let id: [u8; 16] = key::draw(&self.generator)?;
        self.change(event(actor, "create-key", &id), |keyset, event| {
            if let Some(known) = keyset.transit.get(name) {
                // Another call was faster.
                event.set_detail(detail(&known.id));
                return Ok(Arc::clone(known));
            }
            let of_owner = keyset.transit.keys().filter(|known| known.owner == name.owner).count();
            if of_owner >= KEYS_LIMIT {
                return Err(KeyringError::TooMany { what: "keys of one owner", limit: KEYS_LIMIT });
            }
            if keyset.transit.len() >= ALL_KEYS_LIMIT {
                return Err(KeyringError::TooMany { what: "keys", limit: ALL_KEYS_LIMIT });
            }
            check_versions(keyset, &name.owner)?;
            let drawn = kind.draw(&self.generator)?;
            let key = Arc::new(TransitKey::new(id, kind, *settings, drawn));
            keyset.transit.insert(name.clone(), Arc::clone(&key));
            event.set_version(1);
            Ok(key)
        })
    }

    /// Makes the next version, which seals from now on.
    ///
    /// # Errors
    /// When there is no such key, it has too many versions, or nothing can be written.
    pub(crate) fn rotate_transit_key(
        &self,
        actor: &Actor,
        name: &TransitName,
    ) -> Result<Arc<TransitKey>, KeyringError> {
        let id = self.known(name)?.id;
        self.change(event(actor, "rotate-key", &id), |keyset, event| {
            check_key(key_mut(keyset, name)?)?;
            check_versions(keyset, &name.owner)?;
            let key = key_mut(keyset, name)?;
            let drawn = key.kind.draw(&self.generator)?;
            let mut rotated = TransitKey::clone(key);
            rotated.rotate(drawn);
            event.set_version(rotated.latest());
            *key = Arc::new(rotated);
            Ok(Arc::clone(key))
        })
    }

    /// The same of the key with this id.
    ///
    /// # Errors
    /// As [`Self::rotate_transit_key`].
    pub(crate) fn rotate_transit_key_of(
        &self,
        actor: &Actor,
        id: &[u8; 16],
    ) -> Result<Arc<TransitKey>, KeyringError> {
        let name = self.transit_name_of(id)?;
        self.rotate_transit_key(actor, &name)
    }

    /// The name of the key with this id.
    pub(super) fn transit_name_of(&self, id: &[u8; 16]) -> Result<TransitName, KeyringError> {
        self.look(|keyset| {
            let found = keyset.transit.iter().find(|(_, key)| key.id == *id);
            found.map(|(name, _)| name.clone()).ok_or_else(|| TransitFault::Unknown.into())
        })
    }

    /// Changes what may be done with a key.
    ///
    /// # Errors
    /// When there is no such key, its versions do not allow it, or nothing can be written.
    pub(crate) fn configure_transit_key(
        &self,
        actor: &Actor,
        name: &TransitName,
        wanted: &TransitChange,
    ) -> Result<Arc<TransitKey>, KeyringError> {
        let id = self.known(name)?.id;
        self.change(event(actor, "configure-key", &id), |keyset, _| {
            let key = key_mut(keyset, name)?;
            let settings = changed(key, wanted)?;
            *key = Arc::new(TransitKey { settings, ..TransitKey::clone(key) });
            Ok(Arc::clone(key))
        })
    }

    /// Destroys the versions before `number`: nothing that they sealed opens again, except with an earlier
    /// copy of the keyring's file.
    ///
    /// # Errors
    /// When there is no such key, one of them may still be used, or nothing can be written.
    pub(crate) fn trim_transit_key(
        &self,
        actor: &Actor,
        name: &TransitName,
        number: u32,
    ) -> Result<Arc<TransitKey>, KeyringError> {
        let id = self.known(name)?.id;
        self.change(event(actor, "trim-key", &id).version(number), |keyset, _| {
            let key = key_mut(keyset, name)?;
            let settings = &key.settings;
            let fault = if settings.min_encryption == 0 {
                Some(TransitFault::EncryptionUnset)
            } else if number < key.min_available {
                Some(TransitFault::Decremented)
            } else if number > settings.min_encryption {
                Some(TransitFault::AboveEncryption)
            } else if number > settings.min_decryption {
                Some(TransitFault::AboveDecryption)
            } else {
                None
            };
            if let Some(fault) = fault {
                return Err(fault.into());
            }
            let mut trimmed = TransitKey { min_available: number, ..TransitKey::clone(key) };
            trimmed.versions.retain(|version| version.number >= number);
            *key = Arc::new(trimmed);
            Ok(Arc::clone(key))
        })
    }

    /// Destroys a key: nothing that it sealed opens again, except with an earlier copy of the keyring's file.
    ///
    /// # Errors
    /// When there is no such key, it may not be deleted, or nothing can be written.
    pub(crate) fn delete_transit_key(
        &self,
        actor: &Actor,
        name: &TransitName,
    ) -> Result<(), KeyringError> {
        let id = self.known(name)?.id;
        self.change(event(actor, "delete-key", &id), |keyset, _| {
            if !key_mut(keyset, name)?.settings.deletion_allowed {
                return Err(TransitFault::DeletionNotAllowed.into());
            }
            keyset.transit.remove(name);
            Ok(())
        })
    }

    /// Destroys all keys of a tenant that is removed; their number.
    ///
    /// # Errors
    /// When nothing can be written.
    pub(crate) fn delete_transit_keys_of(
        &self,
        actor: &Actor,
        owner: &str,
    ) -> Result<usize, KeyringError> {
        let count = self.transit_count(owner)?;
        if count > 0 {
            let event = AuditEvent::new(actor, "delete-keys").detail(format!("{count} keys"));
            self.change(event, |keyset, _| {
                keyset.transit.retain(|name, _| name.owner != owner);
                Ok(())
            })?;
        }
        Ok(count)
    }

    /// A key that is to be shown to its owner: the log has its line before.
    ///
    /// # Errors
    /// When it is not exportable, or the log cannot be written.
    pub(crate) fn export_transit_key(
        &self,
        actor: &Actor,
        key: &TransitKey,
    ) -> Result<(), KeyringError> {
        self.audited(event(actor, "export-key", &key.id), |event| {
            if !key.settings.exportable {
                return Err(TransitFault::NotExportable.into());
            }
            self.audit().done(event)?;
            Ok(())
        })
    }

    fn known(&self, name: &TransitName) -> Result<Arc<TransitKey>, KeyringError> {
        self.transit_key(name)?.ok_or_else(|| TransitFault::Unknown.into())
    }
}

pub(super) fn event(actor: &Actor, operation: &'static str, id: &[u8; 16]) -> AuditEvent {
    AuditEvent::new(actor, operation).detail(detail(id))
}

fn detail(id: &[u8; 16]) -> String {
    format!("key {}", HEXLOWER.encode(id))
}

pub(super) fn key_mut<'k>(
    keyset: &'k mut Keyset,
    name: &TransitName,
) -> Result<&'k mut Arc<TransitKey>, KeyringError> {
    keyset.transit.get_mut(name).ok_or_else(|| TransitFault::Unknown.into())
}

/// Whether a key has room for another version.
pub(super) fn check_key(key: &TransitKey) -> Result<(), KeyringError> {
    if key.versions.len() >= VERSIONS_LIMIT {
        let limit = VERSIONS_LIMIT;
        return Err(KeyringError::TooMany { what: "versions of one key", limit });
    }
    Ok(())
}

/// Whether an owner may have another version.
pub(super) fn check_versions(keyset: &Keyset, owner: &str) -> Result<(), KeyringError> {
    let (mut of_owner, mut all) = (0, 0);
    for (name, key) in &keyset.transit {
        let count = key.versions.len();
        all += count;
        of_owner += if name.owner == owner { count } else { 0 };
    }
    check_counts(of_owner, all)
}

/// The same, from the number of versions of the owner and of all.
pub(super) fn check_counts(of_owner: usize, all: usize) -> Result<(), KeyringError> {
    if of_owner >= OWNER_VERSIONS_LIMIT {
        let limit = OWNER_VERSIONS_LIMIT;
        return Err(KeyringError::TooMany { what: "versions of the keys of one owner", limit });
    }
    if all >= ALL_VERSIONS_LIMIT {
        let limit = ALL_VERSIONS_LIMIT;
        return Err(KeyringError::TooMany { what: "versions of all keys", limit });
    }
    Ok(())
}

fn changed(key: &TransitKey, wanted: &TransitChange) -> Result<TransitSettings, TransitFault> {
    let mut settings = key.settings;
    let latest = key.latest();
    if let Some(value) = wanted.min_decryption {
        // Vault counts from 1, and takes 0 for that.
        let value = value.max(1);
        if value > latest {
            return Err(TransitFault::DecryptionBeyond { value, latest });
        }
        settings.min_decryption = value;
    }
    if let Some(value) = wanted.min_encryption {
        if value > latest {
            return Err(TransitFault::EncryptionBeyond { value, latest });
        }
        settings.min_encryption = value;
    }
    let (encryption, decryption) = (settings.min_encryption, settings.min_decryption);
    if encryption > 0 && encryption < decryption {
        return Err(TransitFault::EncryptionBelow { encryption, decryption });
    }
    if decryption < key.min_available {
        return Err(TransitFault::BelowAvailable);
    }
    settings.deletion_allowed = wanted.deletion_allowed.unwrap_or(settings.deletion_allowed);
    settings.exportable |= wanted.exportable;
    settings.allow_plaintext_backup |= wanted.allow_plaintext_backup;
    settings.auto_rotate_seconds =
        wanted.auto_rotate_seconds.unwrap_or(settings.auto_rotate_seconds);
    Ok(settings)
}
