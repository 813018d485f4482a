//! The keyring's file as bytes.
//!
//! ```text
//! 8    "lavakeys"
//! 1    format, 6
//! 16   keyring id
//! 8    counter: grows with every write
//! 1    seal: 1 file, 2 passphrase, 3 shares
//! 2+n  the seal's parameters
//! 60   root key, sealed under the seal secret
//! …    keyset, sealed under the root key, to the end of the file
//! ```
//! The associated data of the root key are the keyring's id and the seal; that of the keyset is every byte
//! before it. So no part of the file can be changed, exchanged or replaced by an older one.

use zeroize::Zeroizing;

use crate::crypto::aead;
use crate::crypto::aead::{AssociatedData, OpenError, SEALED_KEY_BYTES};
use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::crypto::key::Key;
use crate::crypto::key_material::{KeyMaterial, NONCE_BYTES};
use crate::crypto::label;
use crate::keyring::id::KEYRING_ID_BYTES;
use lavawall_entropy::{Generator, NotReady};

/// How the file begins.
const MAGIC: &[u8; 8] = b"lavakeys";

/// The format that is written. Its keyset has the end of the audit log since format 2, the tombstones of
/// deleted namespaces since format 3, the keys that callers use by name since format 4, the purpose of each of
/// these since format 5, and keys that sign or make MACs alone since format 6. All of them are read.
pub(crate) const FORMAT: u8 = 6;

/// The part of the file that can be read without a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyringHeader {
    /// 1 to [`FORMAT`].
    pub(crate) format: u8,
    /// The keyring's identifier; never changes.
    pub(crate) id: [u8; KEYRING_ID_BYTES],
    /// Counts the writes. Trusted only once the keyset has opened.
    pub(crate) counter: u64,
    /// The seal's number.
    pub(crate) seal: u8,
    /// The seal's parameters.
    pub(crate) parameters: Vec<u8>,
    /// The root key, sealed.
    pub(crate) root: [u8; SEALED_KEY_BYTES],
}

/// A file is not a keyring that this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// It does not begin as a keyring does.
    #[error("is not a keyring")]
    Foreign,
    /// It was written by a later version.
    #[error("has format {0}; this version reads formats 1 to {FORMAT}")]
    Format(u8),
    /// It ends too early, or its parts do not fit.
    #[error("is cut short or damaged")]
    Damaged,
}

impl From<Malformed> for FormatError {
    fn from(_: Malformed) -> Self {
        Self::Damaged
    }
}

impl KeyringHeader {
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
        let sealed = aead::seal(generator, secret, &self.root_data(), root.expose())?;
        self.root = sealed.try_into().expect("a key and the overhead of sealing");
        Ok(())
    }

    /// Opens the root key.
    ///
    /// # Errors
    /// When the secret is wrong, or the file was changed.
    pub(crate) fn open_root(&self, secret: &Key) -> Result<Key, OpenError> {
        aead::open_key(secret, &self.root_data(), &self.root)
    }

    /// The whole file: this head and the sealed keyset; and the offset of the keyset.
    ///
    /// # Errors
    /// When the generator refuses.
    pub(crate) fn seal_keyset(
        &self,
        keyset: &[u8],
        root: &Key,
        generator: &Generator,
    ) -> Result<(Vec<u8>, usize), NotReady> {
        let mut file = self.write();
        let keyset_start = file.len();
        let data = AssociatedData::of(label::BODY).and(&file);
        let mut material = KeyMaterial::of(generator, NONCE_BYTES);
        aead::seal_onto(&mut material, root, &data, keyset, &mut file)?;
        Ok((file, keyset_start))
    }

    /// Opens the keyset behind this head.
    ///
    /// # Errors
    /// When the file was changed.
    pub(crate) fn open_keyset(
        &self,
        sealed: &[u8],
        root: &Key,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        aead::open(root, &AssociatedData::of(label::BODY).and(&self.write()), sealed)
    }

    /// Reads the head of a file; returns it and the sealed keyset that follows.
    ///
    /// # Errors
    /// When the file is not a keyring.
    pub(crate) fn read(file: &[u8]) -> Result<(Self, &[u8]), FormatError> {
        let mut from = Reader::of(file);
        if from.array() != Ok(*MAGIC) {
            return Err(FormatError::Foreign);
        }
        let format = from.byte()?;
        if !(1..=FORMAT).contains(&format) {
            return Err(FormatError::Format(format));
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

    fn root_data(&self) -> AssociatedData {
        AssociatedData::of(label::ROOT).and(&self.id).and(&[self.seal]).and(&self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test_support::generator;
    use lavawall_entropy::Secret;

    fn key(byte: u8) -> Key {
        Secret::take(&mut [byte; 32])
    }

    fn head() -> KeyringHeader {
        KeyringHeader {
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
        head.seal_keyset(b"the keyset", &key(9), &generator).expect("seeded").0
    }

    fn open(file: &[u8]) -> Option<Vec<u8>> {
        let (head, sealed) = KeyringHeader::read(file).ok()?;
        let root = head.open_root(&key(8)).ok()?;
        head.open_keyset(sealed, &root).ok().map(|keyset| keyset.to_vec())
    }

    #[test]
    fn a_file_is_read_back() {
        let file = file();
        let (read, _) = KeyringHeader::read(&file).expect("whole");
        assert_eq!(KeyringHeader { root: [0; 60], ..read }, head());
        assert_eq!(open(&file).as_deref(), Some(b"the keyset".as_slice()));
    }

    #[test]
    fn the_root_key_opens_only_beside_its_own_id_seal_and_parameters() {
        let mut head = head();
        head.seal_root(&key(9), &key(8), &generator()).expect("seeded");
        assert!(head.open_root(&key(8)).is_ok());
        for elsewhere in [
            KeyringHeader { id: [2; 16], ..head.clone() },
            KeyringHeader { seal: 1, ..head.clone() },
            KeyringHeader { parameters: vec![4; 6], ..head.clone() },
        ] {
            assert!(elsewhere.open_root(&key(8)).is_err(), "{elsewhere:?}");
        }
        assert!(
            KeyringHeader { counter: 9, ..head }.open_root(&key(8)).is_ok(),
            "it is written often"
        );
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
    fn an_old_counter_or_an_old_keyset_cannot_be_put_back_alone() {
        let generator = generator();
        let (old, keyset_start) = {
            let file = file();
            let (_, keyset) = KeyringHeader::read(&file).expect("whole");
            let start = file.len() - keyset.len();
            (file, start)
        };
        let (mut head, _) = KeyringHeader::read(&old).expect("whole");
        head.counter += 1;
        let (new, _) = head.seal_keyset(b"newer keyset", &key(9), &generator).expect("seeded");
        assert!(open(&new).is_some());
        let old_keyset = [&new[..keyset_start], &old[keyset_start..]].concat();
        let old_head = [&old[..keyset_start], &new[keyset_start..]].concat();
        assert_eq!((open(&old_keyset), open(&old_head)), (None, None));
    }

    #[test]
    fn what_is_no_keyring_is_told_from_a_later_one_and_a_damaged_one() {
        let good = file();
        assert_eq!(KeyringHeader::read(b"something else").err(), Some(FormatError::Foreign));
        for other in [0, FORMAT + 1] {
            let mut later = good.clone();
            later[8] = other;
            assert_eq!(KeyringHeader::read(&later).err(), Some(FormatError::Format(other)));
        }
        assert_eq!(KeyringHeader::read(&good[..20]).err(), Some(FormatError::Damaged));
    }
}
