//! Changing the seal of a keyring, and its root key.

use crate::audit::{Actor, AuditEvent};
use crate::crypto::key::{self, Key};
use crate::keyring::error::KeyringError;
use crate::keyring::format::KeyringHeader;
use crate::keyring::handle::Keyring;
use crate::keyring::keyset::Keyset;
use crate::keyring::provenance::KeyProvenance;
use crate::keyring::seal;
use crate::keyring::seal::shares::Share;
use crate::keyring::seal::{Offered, Seal, SealChoice, SealKind, UnsealPiece};
use crate::keyring::state::{PreparedId, PreparedSeal, UnsealedKeyring, read_seal, wrong_secret};

impl Keyring {
    /// Makes another seal, and returns its shares, if it has any. It comes into force only with
    /// [`Keyring::put_in_force`] and its id: shares that never reached their holders must not become the
    /// keyring's seal. `proof` unseals the present seal; empty for a file.
    ///
    /// # Errors
    /// When the proof does not open the present seal, or the new one cannot be made.
    pub fn prepare_seal(
        &self,
        actor: &Actor,
        proof: &[UnsealPiece],
        choice: &SealChoice,
    ) -> Result<(PreparedId, Vec<Share>), KeyringError> {
        self.audited(AuditEvent::new(actor, "rekey").detail(choice), |_| {
            let mut state = self.state.write();
            let unsealed = state.unsealed()?;
            self.prove(unsealed, proof)?;
            let is_file = unsealed.kind == SealKind::File;
            let in_use = is_file.then_some(unsealed.head.parameters.as_slice());
            let new = seal::make(choice, &self.seal_context(&unsealed.head.id, in_use))?;
            let mut head = unsealed.head.clone();
            head.seal = new.seal.kind() as u8;
            head.parameters = new.seal.parameters();
            head.seal_root(&unsealed.root, &new.secret, &self.generator)?;
            let id = key::draw(&self.generator)?;
            let (root, choice) = (head.root, choice.to_string());
            unsealed.prepared = Some(PreparedSeal { id, seal: new.seal, root, choice });
            Ok((id, new.shares))
        })
    }

    /// Puts a prepared seal in force. The root key and all data stay the same.
    ///
    /// # Errors
    /// When another was prepared since, the keyring was sealed, or it has a new root key; when the keyring
    /// cannot be written. Then the old seal remains in force. With [`KeyringError::LeftBehind`] and
    /// [`KeyringError::Incomplete`] the new one is in force.
    pub fn put_in_force(&self, actor: &Actor, id: &PreparedId) -> Result<(), KeyringError> {
        self.audited(AuditEvent::new(actor, "rekey"), |event| {
            let mut state = self.state.write();
            let unsealed = state.unsealed()?;
            let prepared = unsealed.prepared.as_ref().filter(|prepared| prepared.id == *id);
            let prepared = prepared.ok_or(KeyringError::Unprepared)?;
            event.set_detail(&prepared.choice);
            let old = read_seal(&unsealed.head, &self.places)?;
            let head = KeyringHeader {
                seal: prepared.seal.kind() as u8,
                parameters: prepared.seal.parameters(),
                root: prepared.root,
                ..unsealed.head.clone()
            };
            let before = std::mem::replace(&mut unsealed.head, head);
            let saved = self.save(unsealed, unsealed.keyset.clone(), event);
            if !KeyringError::took_effect(&saved) {
                unsealed.head = before;
                return saved;
            }
            let Some(PreparedSeal { seal, .. }) = unsealed.prepared.take() else { return saved };
            unsealed.kind = seal.kind();
            // A seal that a crash could undo must not become the only one.
            saved.and_then(|()| self.clear_away(&*old, &*seal))
        })
    }

    /// Makes a new root key and seals everything under it. The old root key opens no keyring file that is
    /// written from now on.
    ///
    /// # Errors
    /// When the proof does not open the seal, or nothing can be written; then the old key remains.
    pub fn rotate_root(&self, actor: &Actor, proof: &[UnsealPiece]) -> Result<(), KeyringError> {
        let event = AuditEvent::new(actor, "rotate-root");
        self.audited(event, |event| self.change_root(proof, event))
    }

    fn change_root(&self, proof: &[UnsealPiece], event: &AuditEvent) -> Result<(), KeyringError> {
        let mut state = self.state.write();
        let unsealed = state.unsealed()?;
        let secret = self.prove(unsealed, proof)?;
        let (root, provenance) = KeyProvenance::draw(&self.generator)?;
        let mut head = unsealed.head.clone();
        head.seal_root(&root, &secret, &self.generator)?;
        let before = (
            std::mem::replace(&mut unsealed.head, head),
            std::mem::replace(&mut unsealed.root, root),
        );
        let keyset = Keyset { root_provenance: provenance, ..unsealed.keyset.clone() };
        let saved = self.save(unsealed, keyset, event);
        if KeyringError::took_effect(&saved) {
            unsealed.prepared = None;
        } else {
            (unsealed.head, unsealed.root) = before;
        }
        saved
    }

    /// The secret of the present seal, if `proof` opens it.
    fn prove(
        &self,
        unsealed: &UnsealedKeyring,
        proof: &[UnsealPiece],
    ) -> Result<Key, KeyringError> {
        let mut seal = read_seal(&unsealed.head, &self.places)?;
        let mut secret = seal.stored_secret()?;
        let mut missing = KeyringError::Unproved { have: 0, need: 1 };
        for piece in proof {
            match seal.offer(piece)? {
                Offered::Complete(complete) => secret = Some(complete),
                Offered::More { have, need } => missing = KeyringError::Unproved { have, need },
            }
        }
        let secret = secret.ok_or(missing)?;
        // The head is that of the unsealing: a secret that opens it opens the present root key.
        match unsealed.head.open_root(&secret) {
            Ok(_) => Ok(secret),
            Err(_) => Err(wrong_secret(unsealed.kind, &self.places)),
        }
    }

    /// Removes the old seal's secret, once the new seal is on the disk.
    fn clear_away(&self, old: &dyn Seal, new: &dyn Seal) -> Result<(), KeyringError> {
        let cleared = if old.kind() == new.kind() { Ok(()) } else { old.retire() };
        let path = self.places.seal_file.clone();
        cleared
            .and_then(|()| new.settle())
            .map_err(|error| KeyringError::LeftBehind { path, error })
    }
}
