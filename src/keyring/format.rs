//! The keyring's file as bytes.
//!
//! ```text
//! 8    "lavakeys"
//! 1    format, 2
//! 16   keyring id
//! 8    counter: grows with every write
//! 1    seal: 1 file, 2 passphrase, 3 shares
//! 2+n  the seal's parameters
//! 60   root key, sealed under the seal secret
//! …    ring, sealed under the root key, to the end of the file
//! ```
//! The root key is bound to the keyring's id and to the seal; the ring is bound to every byte
//! before it. So nothing in the file can be changed, exchanged or put back on its own.

use zeroize::Zeroizing;

use crate::crypto::aead as formula;
use crate::crypto::aead::{Bound, Key, NONCE_BYTES, SEALED_KEY_BYTES, Unopened, label};
use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::crypto::key_material::Draws;
use crate::keyring::seal::ID_BYTES;
use lavawall_entropy::{Generator, NotReady};

/// How the file begins.
const MAGIC: &[u8; 8] = b"lavakeys";

/// The format that is written: its ring knows of the audit log. What has format 1 is read too.
pub(crate) const FORMAT: u8 = 2;

/// What of the file can be read without any key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// 1 or 2.
    pub(crate) format: u8,
    /// The keyring's identifier; never changes.
    pub(crate) id: [u8; ID_BYTES],
    /// Counts the writes. Believed only once the ring has opened.
    pub(crate) counter: u64,
    /// The seal's number.
    pub(crate) seal: u8,
    /// The seal's parameters.
    pub(crate) parameters: Vec<u8>,
    /// The root key, sealed.
    pub(crate) root: [u8; SEALED_KEY_BYTES],
}

/// What is wrong with a file that claims to be a keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// It begins otherwise.
    #[error("is no keyring")]
    Foreign,
    /// It was written by a later version.
    #[error("has format {0}; this version reads formats 1 and 2")]
    Format(u8),
    /// It ends too early, or its parts do not fit.
    #[error("is cut short or damaged")]
    Damaged,
}

impl From<Malformed> for LayoutError {
    fn from(_: Malformed) -> Self {
        Self::Damaged
    }
}

impl Head {
    /// Seals the root key under the seal secret.
    ///
    /// # Errors
    /// When the generator refuses.
    pub(crate) fn seal_root(
        &mut self,
        root: &Key,
        secret: &Key,
        generator: &Generator,
    ) -> Result<(), NotReady> {
        let sealed = formula::seal(generator, secret, &self.root_bound(), root.expose())?;
        self.root = sealed.try_into().expect("a key and what sealing adds");
        Ok(())
    }

    /// Opens the root key.
    ///
    /// # Errors
    /// When the secret is another, or the file was changed.
    pub(crate) fn open_root(&self, secret: &Key) -> Result<Key, Unopened> {
        formula::open_key(secret, &self.root_bound(), &self.root)
    }

    /// The whole file: this head, and the ring sealed behind it; and where that begins.
    ///
    /// # Errors
    /// When the generator refuses.
    pub(crate) fn seal_ring(
        &self,
        ring: &[u8],
        root: &Key,
        generator: &Generator,
    ) -> Result<(Vec<u8>, usize), NotReady> {
        let mut file = self.write();
        let ring_start = file.len();
        let bound = Bound::to(label::BODY).and(&file);
        let mut draws = Draws::of(generator, NONCE_BYTES);
        formula::seal_onto(&mut draws, root, &bound, ring, &mut file)?;
        Ok((file, ring_start))
    }

    /// Opens the ring behind this head.
    ///
    /// # Errors
    /// When the file was changed.
    pub(crate) fn open_ring(
        &self,
        sealed: &[u8],
        root: &Key,
    ) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        formula::open(root, &Bound::to(label::BODY).and(&self.write()), sealed)
    }

    /// Reads the head of a file, and gives what follows it: the sealed ring.
    ///
    /// # Errors
    /// Says what is wrong.
    pub(crate) fn read(file: &[u8]) -> Result<(Self, &[u8]), LayoutError> {
        let mut from = Reader::of(file);
        if from.array() != Ok(*MAGIC) {
            return Err(LayoutError::Foreign);
        }
        let format = from.byte()?;
        if !(1..=FORMAT).contains(&format) {
            return Err(LayoutError::Format(format));
        }
        let head = Self {
            format,
            id: from.array()?,
            counter: from.u64()?,
            seal: from.byte()?,
            parameters: from.short()?.to_vec(),
            root: from.array()?,
        };
        Ok((head, from.rest()))
    }

    fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.bytes(MAGIC).byte(self.format).bytes(&self.id).u64(self.counter);
        to.byte(self.seal).short(&self.parameters).bytes(&self.root);
        to.finish().to_vec()
    }

    fn root_bound(&self) -> Bound {
        Bound::to(label::ROOT).and(&self.id).and(&[self.seal]).and(&self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::test_support::generator;
    use lavawall_entropy::Secret;

    fn key(byte: u8) -> Key {
        Secret::take(&mut [byte; 32])
    }

    fn head() -> Head {
        Head {
            format: FORMAT,
            id: [1; 16],
            counter: 2,
            seal: 3,
            parameters: vec![4; 5],
            root: [0; 60],
        }
    }

    /// A file whose root key is 9s, under a seal secret of 8s.
    fn file() -> Vec<u8> {
        let generator = generator();
        let mut head = head();
        head.seal_root(&key(9), &key(8), &generator).expect("seeded");
        head.seal_ring(b"the ring", &key(9), &generator).expect("seeded").0
    }

    fn open(file: &[u8]) -> Option<Vec<u8>> {
        let (head, sealed) = Head::read(file).ok()?;
        let root = head.open_root(&key(8)).ok()?;
        head.open_ring(sealed, &root).ok().map(|ring| ring.to_vec())
    }

    #[test]
    fn a_file_is_read_back() {
        let file = file();
        let (read, _) = Head::read(&file).expect("whole");
        assert_eq!(Head { root: [0; 60], ..read }, head());
        assert_eq!(open(&file).as_deref(), Some(b"the ring".as_slice()));
    }

    #[test]
    fn the_root_key_opens_only_beside_its_own_id_seal_and_parameters() {
        let mut head = head();
        head.seal_root(&key(9), &key(8), &generator()).expect("seeded");
        assert!(head.open_root(&key(8)).is_ok());
        for elsewhere in [
            Head { id: [2; 16], ..head.clone() },
            Head { seal: 1, ..head.clone() },
            Head { parameters: vec![4; 6], ..head.clone() },
        ] {
            assert!(elsewhere.open_root(&key(8)).is_err(), "{elsewhere:?}");
        }
        assert!(Head { counter: 9, ..head }.open_root(&key(8)).is_ok(), "it is written often");
    }

    #[test]
    fn no_bit_can_be_changed_and_no_byte_be_missing_anywhere() {
        let file = file();
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut flipped = file.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(open(&flipped), None, "bit {bit} of byte {at}");
            }
            assert_eq!(open(&file[..at]), None, "cut at {at}");
        }
        assert_eq!(open(&[file.as_slice(), &[0]].concat()), None);
    }

    #[test]
    fn an_old_counter_or_an_old_ring_cannot_be_put_back_alone() {
        let generator = generator();
        let (old, ring_start) = {
            let file = file();
            let (_, ring) = Head::read(&file).expect("whole");
            let start = file.len() - ring.len();
            (file, start)
        };
        let (mut head, _) = Head::read(&old).expect("whole");
        head.counter += 1;
        let (new, _) = head.seal_ring(b"newer ring", &key(9), &generator).expect("seeded");
        assert!(open(&new).is_some());
        let old_ring = [&new[..ring_start], &old[ring_start..]].concat();
        let old_head = [&old[..ring_start], &new[ring_start..]].concat();
        assert_eq!((open(&old_ring), open(&old_head)), (None, None));
    }

    #[test]
    fn what_is_no_keyring_is_told_from_a_later_one_and_a_damaged_one() {
        let good = file();
        assert_eq!(Head::read(b"something else").err(), Some(LayoutError::Foreign));
        for other in [0, 3] {
            let mut later = good.clone();
            later[8] = other;
            assert_eq!(Head::read(&later).err(), Some(LayoutError::Format(other)));
        }
        assert_eq!(Head::read(&good[..20]).err(), Some(LayoutError::Damaged));
    }
}
