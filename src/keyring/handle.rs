//! The keyring as its callers hold it: the state behind a lock, and the one way to change it on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::RwLock;

use crate::audit::{AuditEvent, AuditLog};
use crate::crypto::service_identity::ServiceKey;
use crate::durable;
use crate::keyring::anchor;
use crate::keyring::anchor::{Anchor, AnchorError};
use crate::keyring::condition::Condition;
use crate::keyring::error::KeyringError;
use crate::keyring::file::read_file;
use crate::keyring::format::{FORMAT, KeyringHeader};
use crate::keyring::id::KEYRING_ID_BYTES;
use crate::keyring::keyset::Keyset;
use crate::keyring::paths::Places;
use crate::keyring::seal::SealContext;
use crate::keyring::state::{KeyringState, SealedKeyring, UnsealedKeyring, read_seal};
use lavawall_entropy::Generator;

/// Keeps keys, gives them out while it is unsealed, and makes new ones.
///
/// # Security
/// A change is on the disk, whole, before it takes effect. Not protected: a copy of the keyring's file
/// together with its seal's secret opens everything in that copy, also keys that were revoked or deleted
/// later; and without an anchor, a keyring that is restored from an old copy is not detected. Keys are
/// zeroized when dropped, and are not locked in memory: keep swap encrypted or off.
pub struct Keyring {
    pub(crate) generator: Arc<Generator>,
    pub(crate) places: Places,
    audit: AuditLog,
    /// It was sealed by a call, and not unsealed since.
    pub(crate) is_sealed_by_call: AtomicBool,
    pub(crate) state: RwLock<KeyringState>,
}

impl Keyring {
    /// Reads the keyring's file, if there is one; the keyring is then sealed.
    ///
    /// # Errors
    /// When the file cannot be read or is not a keyring, or is absent while its anchor is there; when two
    /// of the places are the same.
    pub fn load(places: Places, generator: Arc<Generator>) -> Result<Self, KeyringError> {
        places.check()?;
        let state = match read_file(&places)? {
            Some(file) => KeyringState::Sealed(SealedKeyring::read(&file, &places)?),
            None => KeyringState::Absent,
        };
        let audit = AuditLog::at(places.audit.clone());
        let is_sealed_by_call = AtomicBool::new(false);
        Ok(Self { generator, places, audit, is_sealed_by_call, state: RwLock::new(state) })
    }

    /// Absent, sealed or unsealed.
    pub fn condition(&self) -> Condition {
        match &*self.state.read() {
            KeyringState::Absent => Condition::Absent,
            KeyringState::Sealed(sealed) => Condition::Sealed(sealed.seal.kind()),
            KeyringState::Unsealed(unsealed) => Condition::Unsealed(unsealed.kind),
        }
    }

    /// The numbers of pieces that its seal was given and needs: none for a file.
    ///
    /// # Errors
    /// When there is no keyring.
    pub fn pieces(&self) -> Result<(u8, u8), KeyringError> {
        match &*self.state.read() {
            KeyringState::Absent => Err(KeyringError::Absent),
            KeyringState::Sealed(sealed) => Ok(sealed.seal.pieces()),
            KeyringState::Unsealed(unsealed) => {
                Ok((0, read_seal(&unsealed.head, &self.places)?.pieces().1))
            }
        }
    }

    /// Whether it must stay sealed until a call unseals it, also when its seal needs no input.
    pub fn is_to_stay_sealed(&self) -> bool {
        self.is_sealed_by_call.load(Ordering::Acquire)
    }

    /// The number of writes of the keyring.
    ///
    /// # Errors
    /// When it is not unsealed.
    pub fn counter(&self) -> Result<u64, KeyringError> {
        Ok(self.state.write().unsealed()?.head.counter)
    }

    /// The key by which the service signs sealed seeds. It lasts as long as the keyring.
    ///
    /// # Errors
    /// When it is not unsealed.
    pub(crate) fn service_key(&self) -> Result<ServiceKey, KeyringError> {
        match &*self.state.read() {
            KeyringState::Absent => Err(KeyringError::Absent),
            KeyringState::Sealed(_) => Err(KeyringError::Sealed),
            KeyringState::Unsealed(unsealed) => Ok(ServiceKey::of(&unsealed.root)),
        }
    }

    /// The errors in the audit log as it was found; also that it lacks a line that the keyring had
    /// recorded when it was unsealed.
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub fn audit_findings(&self) -> Result<Vec<String>, KeyringError> {
        let mut findings = self.audit.findings()?;
        if let KeyringState::Unsealed(unsealed) = &*self.state.read() {
            findings.extend(unsealed.log_fault.clone());
        }
        Ok(findings)
    }

    /// The fault of the anchor as it was found.
    pub fn anchor_finding(&self) -> Option<String> {
        match &*self.state.read() {
            KeyringState::Unsealed(unsealed) => unsealed.anchor_fault.clone(),
            KeyringState::Absent | KeyringState::Sealed(_) => None,
        }
    }

    /// The log of key operations.
    pub fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// Does a key operation, and logs when it is refused or fails. `work` logs that it is done, just
    /// before it takes effect.
    pub(crate) fn audited<T>(
        &self,
        mut event: AuditEvent,
        work: impl FnOnce(&mut AuditEvent) -> Result<T, KeyringError>,
    ) -> Result<T, KeyringError> {
        let result = work(&mut event);
        match &result {
            Ok(_) | Err(KeyringError::Audit(_)) => {}
            Err(error) => self.audit.refused(&event, error)?,
        }
        result
    }

    /// Changes the keyset as `change` says, on the disk first.
    pub(crate) fn change<T>(
        &self,
        event: AuditEvent,
        change: impl FnOnce(&mut Keyset, &mut AuditEvent) -> Result<T, KeyringError>,
    ) -> Result<T, KeyringError> {
        self.audited(event, |event| {
            let mut state = self.state.write();
            let unsealed = state.unsealed()?;
            // A clone shares the keys.
            let mut keyset = unsealed.keyset.clone();
            let result = change(&mut keyset, event)?;
            self.save(unsealed, keyset, event)?;
            Ok(result)
        })
    }

    /// Looks something up in the keyset.
    pub(crate) fn look<T>(
        &self,
        look: impl FnOnce(&Keyset) -> Result<T, KeyringError>,
    ) -> Result<T, KeyringError> {
        look_in(&self.state.read(), look)
    }

    /// As [`Self::look`], unless that would wait for a change: then `None`.
    pub(crate) fn try_look<T>(
        &self,
        look: impl FnOnce(&Keyset) -> Result<T, KeyringError>,
    ) -> Option<Result<T, KeyringError>> {
        self.state.try_read().map(|state| look_in(&state, look))
    }

    /// Writes `keyset` under the head and root key of `unsealed`, and takes it over.
    ///
    /// # Errors
    /// [`KeyringError::Incomplete`] when the keyset is written and a later step failed. With any other
    /// error, neither the file nor `unsealed` has changed.
    pub(crate) fn save(
        &self,
        unsealed: &mut UnsealedKeyring,
        keyset: Keyset,
        event: &AuditEvent,
    ) -> Result<(), KeyringError> {
        // An anchor that cannot be written mostly fails here, before anything is changed.
        self.write_anchor(&unsealed.anchor)?;
        self.replace(unsealed, keyset, event)?;
        self.write_anchor(&unsealed.anchor).map_err(|error| {
            unsealed.is_anchor_due = true;
            KeyringError::Incomplete(Box::new(error.into()))
        })
    }

    /// As `save`, without the anchor.
    pub(crate) fn replace(
        &self,
        unsealed: &mut UnsealedKeyring,
        mut keyset: Keyset,
        event: &AuditEvent,
    ) -> Result<(), KeyringError> {
        let counter = unsealed.head.counter + 1;
        let head = KeyringHeader { format: FORMAT, counter, ..unsealed.head.clone() };
        // A refusal of the generator must come before the `done` line.
        self.generator.check(Instant::now())?;
        keyset.logged = Some(self.audit.done(event)?);
        let (file, keyset_start) =
            head.seal_keyset(&keyset.write(), &unsealed.root, &self.generator)?;
        let path = &self.places.keyring;
        let replaced = durable::replace(path, &file)
            .map_err(|error| KeyringError::File { path: path.clone(), error });
        // A file that is in place although flushing its name failed is the one that the next start finds,
        // unless the machine stops before: memory must agree with it.
        if replaced.is_err() && !durable::read(path).is_ok_and(|there| *there == file) {
            return replaced;
        }
        event.took_effect();
        unsealed.anchor.counter = head.counter;
        unsealed.head = head;
        unsealed.keyset = keyset;
        unsealed.sealed_keyset = file[keyset_start..].to_vec();
        replaced.map_err(|error| KeyringError::Incomplete(Box::new(error)))
    }

    /// Replaces the anchor, if one is configured.
    pub(crate) fn write_anchor(&self, anchor: &Anchor) -> Result<(), AnchorError> {
        self.places.anchor.as_ref().map_or(Ok(()), |path| anchor::write(path, anchor))
    }

    pub(crate) fn seal_context<'a>(
        &'a self,
        id: &'a [u8; KEYRING_ID_BYTES],
        in_use: Option<&'a [u8]>,
    ) -> SealContext<'a> {
        SealContext { generator: &self.generator, id, seal_file: &self.places.seal_file, in_use }
    }
}

fn look_in<T>(
    state: &KeyringState,
    look: impl FnOnce(&Keyset) -> Result<T, KeyringError>,
) -> Result<T, KeyringError> {
    match state {
        KeyringState::Absent => Err(KeyringError::Absent),
        KeyringState::Sealed(_) => Err(KeyringError::Sealed),
        KeyringState::Unsealed(unsealed) => look(&unsealed.keyset),
    }
}
