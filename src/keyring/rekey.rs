//! Changing what opens a keyring, and its root key.

use super::formula::Key;
use super::held::{Open, read_seal, wrong};
use super::origin::Origin;
use super::ring::Ring;
use super::seal::shares::Share;
use super::seal::{self, Choice, Made, Offered, Seal, SealError, SealKind};
use super::{Keyring, KeyringError, Piece};
use crate::audit::Event;

impl Keyring {
    /// Changes the seal, its passphrase or its shares. The root key and all data stay as they are.
    /// `proof` is what opens the present seal; nothing for a file.
    ///
    /// # Errors
    /// When the proof does not open it, or the new seal cannot be made; then the old one stands.
    pub fn rekey(&self, proof: &[Piece], choice: &Choice) -> Result<Vec<Share>, KeyringError> {
        self.audited(Event::new("rekey").detail(choice), |event| {
            self.change_seal(proof, choice, event)
        })
    }

    fn change_seal(
        &self,
        proof: &[Piece],
        choice: &Choice,
        event: &Event,
    ) -> Result<Vec<Share>, KeyringError> {
        let mut state = self.write();
        let open = state.open()?;
        let (old, _) = self.prove(open, proof)?;
        let in_use = (open.kind == SealKind::File).then_some(open.head.parameters.as_slice());
        let made = seal::make(choice, &self.surroundings(&open.head.id, in_use))?;
        let mut head = open.head.clone();
        head.seal = made.seal.kind() as u8;
        head.parameters = made.seal.parameters();
        head.seal_root(&open.root, &made.secret, &self.generator)?;
        let before = std::mem::replace(&mut open.head, head);
        if let Err(error) = self.save(open, open.ring.clone(), event) {
            if open.head.counter == before.counter {
                open.head = before;
            }
            return Err(error);
        }
        open.kind = made.seal.kind();
        self.clear_away(&*old, &made)?;
        Ok(made.shares)
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
        let (_, secret) = self.prove(open, proof)?;
        let (root, origin) = Origin::draw(&self.generator)?;
        let mut head = open.head.clone();
        head.seal_root(&root, &secret, &self.generator)?;
        let before =
            (std::mem::replace(&mut open.head, head), std::mem::replace(&mut open.root, root));
        let ring = Ring { root_origin: origin, ..open.ring.clone() };
        let saved = self.save(open, ring, event);
        if saved.is_err() && open.head.counter == before.0.counter {
            (open.head, open.root) = before;
        }
        saved
    }

    /// Whether `proof` opens the present seal; then the seal and its secret.
    fn prove(&self, open: &Open, proof: &[Piece]) -> Result<(Box<dyn Seal>, Key), KeyringError> {
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
            Ok(_) => Ok((seal, secret)),
            Err(_) => Err(wrong(open.kind, &self.places)),
        }
    }

    /// Removes what opened the old seal, once the new one is on the disk.
    fn clear_away(&self, old: &dyn Seal, made: &Made) -> Result<(), KeyringError> {
        let path = &self.places.seal_file;
        let cleared = if old.kind() == made.seal.kind() { Ok(()) } else { old.retire() };
        cleared
            .and_then(|()| made.seal.settle())
            .map_err(|error| SealError::File { path: path.clone(), error }.into())
    }
}
