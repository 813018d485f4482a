//! Changing what opens a keyring, and its root key.

use crate::audit::Event;
use crate::crypto::aead as formula;
use crate::crypto::aead::{Key, SEALED_KEY_BYTES};
use crate::keyring::format::Head;
use crate::keyring::keyset::Ring;
use crate::keyring::provenance::Origin;
use crate::keyring::seal;
use crate::keyring::seal::shares::Share;
use crate::keyring::seal::{Choice, Offered, Seal, SealKind};
use crate::keyring::state::{Open, read_seal, wrong};
use crate::keyring::{Keyring, KeyringError, Piece};

/// Tells one prepared seal from another.
pub type PreparedId = [u8; 16];

/// A seal that is made and not in force: nothing on the disk names it.
pub(crate) struct Prepared {
    id: PreparedId,
    seal: Box<dyn Seal>,
    /// The root key, sealed under the new secret.
    root: [u8; SEALED_KEY_BYTES],
    /// What it is, for the audit log.
    choice: String,
}

impl Keyring {
    /// Makes another seal, and gives its shares, if it has any. It is in force only once
    /// [`Keyring::put_in_force`] is told its id: shares that never reached their holders must not be what
    /// opens the keyring. `proof` is what opens the present seal; nothing for a file.
    ///
    /// # Errors
    /// When the proof does not open the present seal, or the new one cannot be made.
    pub fn prepare_seal(
        &self,
        proof: &[Piece],
        choice: &Choice,
    ) -> Result<(PreparedId, Vec<Share>), KeyringError> {
        self.audited(Event::new("rekey").detail(choice), |_| {
            let mut state = self.write();
            let open = state.open()?;
            self.prove(open, proof)?;
            let in_use = (open.kind == SealKind::File).then_some(open.head.parameters.as_slice());
            let made = seal::make(choice, &self.surroundings(&open.head.id, in_use))?;
            let mut head = open.head.clone();
            head.seal = made.seal.kind() as u8;
            head.parameters = made.seal.parameters();
            head.seal_root(&open.root, &made.secret, &self.generator)?;
            let id = formula::draw(&self.generator)?;
            let (root, choice) = (head.root, choice.to_string());
            open.prepared = Some(Prepared { id, seal: made.seal, root, choice });
            Ok((id, made.shares))
        })
    }

    /// Puts a seal in force that was prepared. The root key and all data stay as they are.
    ///
    /// # Errors
    /// When another was prepared since, the keyring was sealed, or it has a new root key; when the keyring
    /// cannot be written. Then the old seal stands. With [`KeyringError::LeftBehind`] and
    /// [`KeyringError::Incomplete`] the new one does.
    pub fn put_in_force(&self, id: &PreparedId) -> Result<(), KeyringError> {
        self.audited(Event::new("rekey"), |event| {
            let mut state = self.write();
            let open = state.open()?;
            let prepared = open.prepared.as_ref().filter(|prepared| prepared.id == *id);
            let prepared = prepared.ok_or(KeyringError::Unprepared)?;
            event.set_detail(&prepared.choice);
            let old = read_seal(&open.head, &self.places)?;
            let head = Head {
                seal: prepared.seal.kind() as u8,
                parameters: prepared.seal.parameters(),
                root: prepared.root,
                ..open.head.clone()
            };
            let before = std::mem::replace(&mut open.head, head);
            let saved = self.save(open, open.ring.clone(), event);
            if !KeyringError::took_effect(&saved) {
                open.head = before;
                return saved;
            }
            let Some(Prepared { seal, .. }) = open.prepared.take() else { return saved };
            open.kind = seal.kind();
            // What may not be there after a crash must not be all that opens it.
            saved.and_then(|()| self.clear_away(&*old, &*seal))
        })
    }

    /// Makes a new root key and seals everything under it. Who had the old one can open no keyring
    /// file that is written from now on.
    ///
    /// # Errors
    /// When the proof does not open the seal, or nothing can be written; then the old key stands.
    pub fn rotate_root(&self, proof: &[Piece]) -> Result<(), KeyringError> {
        self.audited(Event::new("rotate-root"), |event| self.change_root(proof, event))
    }

    fn change_root(&self, proof: &[Piece], event: &Event) -> Result<(), KeyringError> {
        let mut state = self.write();
        let open = state.open()?;
        let secret = self.prove(open, proof)?;
        let (root, origin) = Origin::draw(&self.generator)?;
        let mut head = open.head.clone();
        head.seal_root(&root, &secret, &self.generator)?;
        let before =
            (std::mem::replace(&mut open.head, head), std::mem::replace(&mut open.root, root));
        let ring = Ring { root_origin: origin, ..open.ring.clone() };
        let saved = self.save(open, ring, event);
        if KeyringError::took_effect(&saved) {
            open.prepared = None;
        } else {
            (open.head, open.root) = before;
        }
        saved
    }

    /// The secret of the present seal, if `proof` opens it.
    fn prove(&self, open: &Open, proof: &[Piece]) -> Result<Key, KeyringError> {
        let mut seal = read_seal(&open.head, &self.places)?;
        let mut secret = seal.open_alone()?;
        let mut missing = KeyringError::Unproved { have: 0, need: 1 };
        for piece in proof {
            match seal.offer(piece)? {
                Offered::Opened(opened) => secret = Some(opened),
                Offered::More { have, need } => missing = KeyringError::Unproved { have, need },
            }
        }
        let secret = secret.ok_or(missing)?;
        // The head is the one the keyring was opened with: what opens it opens the present root.
        match open.head.open_root(&secret) {
            Ok(_) => Ok(secret),
            Err(_) => Err(wrong(open.kind, &self.places)),
        }
    }

    /// Removes what opened the old seal, once the new one is on the disk.
    fn clear_away(&self, old: &dyn Seal, new: &dyn Seal) -> Result<(), KeyringError> {
        let cleared = if old.kind() == new.kind() { Ok(()) } else { old.retire() };
        let path = self.places.seal_file.clone();
        cleared
            .and_then(|()| new.settle())
            .map_err(|error| KeyringError::LeftBehind { path, error })
    }
}
