//! The state of a keyring in memory: absent, sealed or unsealed; and unsealing.

use crate::crypto::aead::SEALED_KEY_BYTES;
use crate::crypto::key::Key;
use crate::keyring::anchor;
use crate::keyring::anchor::{Anchor, AnchorError};
use crate::keyring::error::KeyringError;
use crate::keyring::format::KeyringHeader;
use crate::keyring::keyset::Keyset;
use crate::keyring::paths::Places;
use crate::keyring::seal;
use crate::keyring::seal::{Seal, SealError, SealKind};

pub(crate) enum KeyringState {
    Absent,
    Sealed(SealedKeyring),
    Unsealed(Box<UnsealedKeyring>),
}

pub(crate) struct SealedKeyring {
    pub(crate) head: KeyringHeader,
    pub(crate) keyset: Vec<u8>,
    pub(crate) seal: Box<dyn Seal>,
}

pub(crate) struct UnsealedKeyring {
    pub(crate) head: KeyringHeader,
    pub(crate) kind: SealKind,
    pub(crate) root: Key,
    pub(crate) keyset: Keyset,
    /// The keyset as it is in the file: sealing needs no disk.
    pub(crate) sealed_keyset: Vec<u8>,
    pub(crate) anchor: Anchor,
    /// The anchor does not have the last change: writing it failed.
    pub(crate) is_anchor_due: bool,
    /// The fault of the anchor at the unsealing.
    pub(crate) anchor_fault: Option<String>,
    pub(crate) prepared: Option<PreparedSeal>,
    /// The audit log's missing line at the unsealing.
    pub(crate) log_fault: Option<String>,
}

/// Identifies a prepared seal.
pub(crate) type PreparedId = [u8; 16];

/// A seal that is made and not in force: nothing on the disk names it.
pub(crate) struct PreparedSeal {
    pub(crate) id: PreparedId,
    pub(crate) seal: Box<dyn Seal>,
    /// The root key, sealed under the new secret.
    pub(crate) root: [u8; SEALED_KEY_BYTES],
    /// The choice, for the audit log.
    pub(crate) choice: String,
}

impl KeyringState {
    pub(crate) fn sealed(&mut self) -> Result<&mut SealedKeyring, KeyringError> {
        match self {
            Self::Absent => Err(KeyringError::Absent),
            Self::Sealed(sealed) => Ok(sealed),
            Self::Unsealed(_) => Err(KeyringError::Unsealed),
        }
    }

    pub(crate) fn unsealed(&mut self) -> Result<&mut UnsealedKeyring, KeyringError> {
        match self {
            Self::Absent => Err(KeyringError::Absent),
            Self::Sealed(_) => Err(KeyringError::Sealed),
            Self::Unsealed(unsealed) => Ok(unsealed),
        }
    }
}

impl SealedKeyring {
    pub(crate) fn read(file: &[u8], places: &Places) -> Result<Self, KeyringError> {
        let (head, keyset) = KeyringHeader::read(file)
            .map_err(|error| KeyringError::Format { path: places.keyring.clone(), error })?;
        let seal = read_seal(&head, places)?;
        Ok(Self { keyset: keyset.to_vec(), head, seal })
    }

    /// Opens the root key, then the keyset, then checks the anchor: the counter is trusted only once the
    /// keyset has opened.
    pub(crate) fn unseal(
        &self,
        secret: &Key,
        places: &Places,
    ) -> Result<UnsealedKeyring, KeyringError> {
        let changed = || KeyringError::Changed { path: places.keyring.clone() };
        let kind = self.seal.kind();
        let root = self.head.open_root(secret).map_err(|_| wrong_secret(kind, places))?;
        let keyset = self.head.open_keyset(&self.keyset, &root).map_err(|_| changed())?;
        let keyset = Keyset::read(self.head.format, &keyset).map_err(|_| changed())?;
        let (anchor, anchor_fault) = self.check_anchor(places)?;
        Ok(UnsealedKeyring {
            head: self.head.clone(),
            kind,
            root,
            keyset,
            sealed_keyset: self.keyset.clone(),
            anchor,
            is_anchor_due: false,
            anchor_fault,
            prepared: None,
            log_fault: None,
        })
    }

    /// Checks this keyring's counter against the anchor and brings the anchor up to it; returns the anchor
    /// and its fault.
    fn check_anchor(&self, places: &Places) -> Result<(Anchor, Option<String>), KeyringError> {
        let (id, counter) = (self.head.id, self.head.counter);
        let fresh = Anchor { keyring: id, counter, commits: 0 };
        let Some(path) = &places.anchor else { return Ok((fresh, None)) };
        let known = anchor::read(path)?;
        // A crash at the first start, before the anchor was written, is not a fault.
        let fault = (known.is_none() && counter > 1).then(|| {
            let path = path.display();
            format!("anchor {path} missing, recreated; earlier rollbacks cannot be detected")
        });
        let is_new = known.is_none();
        let known = known.unwrap_or(fresh);
        if known.keyring != id {
            return Err(AnchorError::Foreign { path: path.clone() }.into());
        }
        if counter < known.counter {
            return Err(AnchorError::RolledBack {
                what: "keyring",
                path: path.clone(),
                found: counter,
                known: known.counter,
            }
            .into());
        }
        let anchor = Anchor { counter, ..known };
        let written = anchor::write(path, &anchor);
        // An anchor that need not change may be on a full disk.
        if is_new || anchor != known {
            written?;
        }
        Ok((anchor, fault))
    }
}

/// The error for a secret that does not open the root key: a passphrase may be wrong; the other seals have
/// checked their input.
pub(crate) fn wrong_secret(kind: SealKind, places: &Places) -> KeyringError {
    match kind {
        SealKind::Passphrase => SealError::WrongPassphrase.into(),
        SealKind::File | SealKind::Shares => KeyringError::Changed { path: places.keyring.clone() },
    }
}

pub(crate) fn read_seal(head: &KeyringHeader, places: &Places) -> Result<Box<dyn Seal>, SealError> {
    seal::read(head.seal, &head.parameters, &head.id, &places.seal_file)
}
