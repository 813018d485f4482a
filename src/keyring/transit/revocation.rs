//! Revoking one version of a key.

use std::sync::Arc;

use crate::audit::Actor;
use crate::keyring::error::KeyringError;
use crate::keyring::handle::Keyring;
use crate::keyring::key_version::VersionState;
use crate::keyring::transit::changes::{event, key_mut};
use crate::keyring::transit::fault::TransitFault;
use crate::keyring::transit::transit_key::TransitKey;

impl Keyring {
    /// Takes a version of the key with this id from its users: from now on it seals, signs, opens and verifies
    /// nothing, and what it sealed can only be sealed again under another version.
    ///
    /// # Errors
    /// When there is no such key or version, it is the active one, or nothing can be written.
    pub(crate) fn revoke_transit_version(
        &self,
        actor: &Actor,
        id: &[u8; 16],
        number: u32,
    ) -> Result<(), KeyringError> {
        self.change(event(actor, "revoke-key", id).version(number), |keyset, _| {
            let found = keyset.transit.iter().find(|(_, key)| key.id == *id);
            let name = found.map(|(name, _)| name.clone()).ok_or(TransitFault::Unknown)?;
            let key = key_mut(keyset, &name)?;
            let mut revoked = TransitKey::clone(key);
            let version = revoked.versions.iter_mut().find(|version| version.number == number);
            let version = version.ok_or(TransitFault::UnknownVersion { version: number })?;
            if version.state == VersionState::Active {
                return Err(KeyringError::ActiveVersion { version: number });
            }
            version.state = VersionState::Revoked;
            *key = Arc::new(revoked);
            Ok(())
        })
    }
}
