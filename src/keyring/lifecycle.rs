//! Making, unsealing and sealing a keyring.

use std::sync::atomic::Ordering;

use crate::audit::{Actor, AuditEvent};
use crate::crypto::aead::SEALED_KEY_BYTES;
use crate::crypto::key::{self, Key};
use crate::keyring::anchor::{Anchor, AnchorError};
use crate::keyring::condition::Progress;
use crate::keyring::error::KeyringError;
use crate::keyring::format::{FORMAT, KeyringHeader};
use crate::keyring::handle::Keyring;
use crate::keyring::keyset::Keyset;
use crate::keyring::provenance::KeyProvenance;
use crate::keyring::seal;
use crate::keyring::seal::shares::Share;
use crate::keyring::seal::{Offered, SealChoice, SealError};
use crate::keyring::state::{KeyringState, SealedKeyring, UnsealedKeyring, read_seal};

impl Keyring {
    /// Makes a keyring with a root key, under the chosen seal; it is then unsealed. The shares are returned
    /// once and stored nowhere.
    ///
    /// # Errors
    /// When there is one already, or it cannot be written; then there is none.
    pub fn init(&self, actor: &Actor, choice: &SealChoice) -> Result<Vec<Share>, KeyringError> {
        let event = AuditEvent::new(actor, "init").detail(choice);
        self.audited(event, |event| self.make(choice, event))
    }

    fn make(&self, choice: &SealChoice, event: &AuditEvent) -> Result<Vec<Share>, KeyringError> {
        let mut state = self.state.write();
        let is_absent = matches!(&*state, KeyringState::Absent) && !self.places.keyring.exists();
        if !is_absent {
            return Err(KeyringError::Present);
        }
        if let Some(path) = self.places.anchor.as_ref().filter(|path| path.exists()) {
            return Err(AnchorError::Foreign { path: path.clone() }.into());
        }
        let id = key::draw(&self.generator)?;
        let (root, provenance) = KeyProvenance::draw(&self.generator)?;
        let keyset = Keyset::new(provenance, key::draw_key(&self.generator)?);
        let new = seal::make(choice, &self.seal_context(&id, None))?;
        let mut head = KeyringHeader {
            format: FORMAT,
            id,
            counter: 0,
            seal: new.seal.kind() as u8,
            parameters: new.seal.parameters(),
            root: [0; SEALED_KEY_BYTES],
        };
        head.seal_root(&root, &new.secret, &self.generator)?;
        let mut unsealed = UnsealedKeyring {
            head,
            kind: new.seal.kind(),
            root,
            keyset: keyset.clone(),
            sealed_keyset: Vec::new(),
            anchor: Anchor { keyring: id, ..Anchor::default() },
            is_anchor_due: false,
            anchor_fault: None,
            prepared: None,
            log_fault: None,
        };
        let saved = self.replace(&mut unsealed, keyset, event).and_then(|()| {
            let failed = |error| SealError::File { path: self.places.seal_file.clone(), error };
            new.seal.settle().map_err(failed)?;
            Ok(self.write_anchor(&unsealed.anchor)?)
        });
        if let Err(error) = saved {
            // Its secret was given to no one and it has no keys in use; the next try must find no trace.
            for path in [Some(&self.places.keyring), self.places.anchor.as_ref()] {
                let _ = path.map(std::fs::remove_file);
            }
            let _ = new.seal.retire();
            return Err(error);
        }
        *state = KeyringState::Unsealed(Box::new(unsealed));
        Ok(new.shares)
    }

    /// Unseals it if its seal stores the secret; whether it did.
    ///
    /// # Errors
    /// When the seal's file should have the secret and does not.
    pub fn unseal_stored(&self, actor: &Actor) -> Result<bool, KeyringError> {
        self.audited(AuditEvent::new(actor, "unseal"), |event| {
            let mut state = self.state.write();
            let sealed = state.sealed()?;
            event.set_detail(sealed.seal.kind());
            let Some(secret) = sealed.seal.stored_secret()? else { return Ok(false) };
            let unsealed = self.unseal_with(sealed, &secret, event)?;
            *state = KeyringState::Unsealed(Box::new(unsealed));
            self.is_sealed_by_call.store(false, Ordering::Release);
            Ok(true)
        })
    }

    /// Takes a passphrase or a share, and unseals the keyring when that is enough.
    ///
    /// # Errors
    /// When the piece is wrong; shares given before still count.
    pub fn unseal(&self, actor: &Actor, piece: &[u8]) -> Result<Progress, KeyringError> {
        self.audited(AuditEvent::new(actor, "unseal"), |event| {
            let mut state = self.state.write();
            let sealed = state.sealed()?;
            event.set_detail(sealed.seal.kind());
            let progress = match sealed.seal.offer(piece)? {
                Offered::More { have, need } => {
                    event.set_detail(format_args!("share {have} of {need}"));
                    self.audit().done(event)?;
                    Progress::More { have, need }
                }
                Offered::Complete(secret) => {
                    let unsealed = self.unseal_with(sealed, &secret, event)?;
                    *state = KeyringState::Unsealed(Box::new(unsealed));
                    self.is_sealed_by_call.store(false, Ordering::Release);
                    Progress::Unsealed
                }
            };
            Ok(progress)
        })
    }

    /// Unseals it, after the log was checked and has the line about it.
    fn unseal_with(
        &self,
        sealed: &SealedKeyring,
        secret: &Key,
        event: &AuditEvent,
    ) -> Result<UnsealedKeyring, KeyringError> {
        let mut unsealed = sealed.unseal(secret, &self.places)?;
        if let Some(logged) = &unsealed.keyset.logged {
            unsealed.log_fault = self.audit().find(logged, &event.actor)?;
        }
        self.audit().done(event)?;
        Ok(unsealed)
    }

    /// Drops all keys, and any share that was given. Data can be used again after unsealing.
    ///
    /// # Errors
    /// When no keyring exists. When the audit log cannot be written; it is sealed all the same, since
    /// that discloses nothing.
    pub fn seal(&self, actor: &Actor) -> Result<(), KeyringError> {
        self.audited(AuditEvent::new(actor, "seal"), |event| {
            self.drop_keys()?;
            self.audit().done(event)?;
            Ok(())
        })
    }

    fn drop_keys(&self) -> Result<(), KeyringError> {
        let mut state = self.state.write();
        self.is_sealed_by_call.store(true, Ordering::Release);
        match &mut *state {
            KeyringState::Absent => return Err(KeyringError::Absent),
            KeyringState::Sealed(sealed) => sealed.seal.forget(),
            KeyringState::Unsealed(unsealed) => {
                let seal = read_seal(&unsealed.head, &self.places)?;
                let keyset = std::mem::take(&mut unsealed.sealed_keyset);
                let head = unsealed.head.clone();
                *state = KeyringState::Sealed(SealedKeyring { head, keyset, seal });
            }
        }
        Ok(())
    }
}
