//! The identity of a service: the Ed25519 key (RFC 8032) by which clients know who sealed a seed.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::crypto::key::{self, Key};
use crate::crypto::label;
use lavawall_entropy::on_scrubbed_stack;

/// The size of an identity in bytes.
pub(crate) const IDENTITY_BYTES: usize = 32;

/// The size of a signature in bytes.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// The private key of a service, derived from the root key of its keyring. Zeroized when dropped.
pub(crate) struct ServiceKey(SigningKey);

/// The public key of a service, as clients pin it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServiceIdentity(VerifyingKey);

impl ServiceKey {
    /// `Ed25519 secret key = HKDF(root key, label)`
    #[must_use]
    pub(crate) fn of(root: &Key) -> Self {
        let secret = key::derive(root, label::SERVICE_KEY);
        on_scrubbed_stack(|| Self(SigningKey::from_bytes(secret.expose())))
    }

    /// The public key.
    #[must_use]
    pub(crate) fn identity(&self) -> ServiceIdentity {
        ServiceIdentity(self.0.verifying_key())
    }

    /// Signs `message`. Takes no randomness: the same message has the same signature.
    #[must_use]
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        on_scrubbed_stack(|| self.0.sign(message).to_bytes())
    }
}

impl ServiceIdentity {
    /// The identity with these bytes; `None` when they are no public key, or one of small order, under which
    /// a signature says nothing.
    #[must_use]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()?;
        (!key.is_weak()).then_some(Self(key))
    }

    /// Its bytes.
    #[must_use]
    pub(crate) fn to_bytes(self) -> [u8; IDENTITY_BYTES] {
        self.0.to_bytes()
    }

    /// Whether `signature` is this service's, on this message.
    #[must_use]
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    /// RFC 8032 §7.1, TEST 2.
    const SECRET: [u8; 32] =
        hex!("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    const PUBLIC: [u8; 32] =
        hex!("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    const SIGNATURE: [u8; 64] = hex!(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    );

    #[test]
    fn signatures_are_those_of_rfc_8032() {
        let key = ServiceKey(SigningKey::from_bytes(&SECRET));
        assert_eq!(key.identity().to_bytes(), PUBLIC);
        assert_eq!(key.sign(&[0x72]), SIGNATURE);
        let identity = ServiceIdentity::from_bytes(&PUBLIC).expect("a key");
        assert!(identity.has_signed(&[0x72], &SIGNATURE));
        assert!(!identity.has_signed(&[0x73], &SIGNATURE));
        for at in [0, 31, 32, 63] {
            let mut changed = SIGNATURE;
            changed[at] ^= 1;
            assert!(!identity.has_signed(&[0x72], &changed), "byte {at}");
        }
        assert!(!identity.has_signed(&[0x72], &SIGNATURE[1..]));
    }

    #[test]
    fn a_key_under_which_anything_is_signed_is_no_identity() {
        // The neutral element, and a point of order 8 (RFC 7748 §7 in the form of Ed25519).
        let neutral = hex!("0100000000000000000000000000000000000000000000000000000000000000");
        let of_order_8 = hex!("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
        for bytes in [&neutral[..], &of_order_8, &PUBLIC[1..], &[]] {
            assert_eq!(ServiceIdentity::from_bytes(bytes), None);
        }
    }

    #[test]
    fn each_root_key_has_an_identity_of_its_own() {
        let identity = |byte| ServiceKey::of(&Key::take(&mut [byte; 32])).identity().to_bytes();
        assert_eq!(identity(1), identity(1));
        assert_ne!(identity(1), identity(2));
    }
}
