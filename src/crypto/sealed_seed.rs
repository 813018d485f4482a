//! Sealed seeds: random bytes that one recipient can open, by HPKE (RFC 9180), and the service's signature.
//!
//! ```text
//! info       = "lavawall v1 seed" ‖ identity ‖ nonce                            16 + 32 + 16..=64 bytes
//! enc, ciphertext = SealBase(public key, info, aad = "", seed)                 RFC 9180 §6.1
//! signature  = Ed25519(service key, "lavawall v1 seed signature" ‖ suite ‖
//!                      (len(part) ‖ part) for public key, info, enc, ciphertext)
//!
//! suite      kem                             kdf                 aead
//! x25519     0x0020 DHKEM(X25519, HKDF-SHA256)  0x0001 HKDF-SHA256  0x0003 ChaCha20Poly1305
//! x-wing     0x647a X-Wing (draft-ietf-hpke-pq) 0x0001 HKDF-SHA256  0x0003 ChaCha20Poly1305
//! ```
//! A suite is signed as its three numbers, and lengths in two bytes, all big-endian.
//!
//! # Security
//! Base mode says nothing of who sealed: anyone can seal to a public key. The signature does; HPKE's own
//! mode with authentication does not exist for X-Wing. `info` has the identity of the service, so that
//! another service cannot sign what this one sealed and pass it off as a second, independent seed; and the
//! caller's nonce, so that an earlier answer does not open. A caller that repeats its nonce can be given an
//! answer again, which is a seed that it has had before, and that no one else can open.

use std::convert::Infallible;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::rand_core::utils::next_word_via_fill;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::label;
use crate::crypto::service_identity::{SIGNATURE_BYTES, ServiceIdentity, ServiceKey};

/// Random bytes that sealing takes: the more of the two KEMs, X-Wing's `eseed`.
pub(crate) const RANDOMNESS_BYTES: usize = 64;

/// How a seed is sealed: by HPKE (RFC 9180) in base mode, with HKDF-SHA256 and `ChaCha20Poly1305`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum SeedSuite {
    /// DHKEM(X25519, HKDF-SHA256), 0x0020, which a large quantum computer would break.
    #[serde(rename = "x25519")]
    X25519,
    /// X-Wing, 0x647a: X25519 and ML-KEM-768, and safe as long as one of them is.
    #[serde(rename = "x-wing")]
    XWing,
}

/// The recipient of a seed, as the caller names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipient<'a> {
    pub(crate) suite: SeedSuite,
    pub(crate) public_key: &'a [u8],
    /// The caller's own, and new in each request.
    pub(crate) nonce: &'a [u8],
}

/// A seed as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedSeed {
    /// The encapsulated key.
    pub(crate) enc: Vec<u8>,
    /// The seed and a tag of 16 bytes.
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// The public key is none of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no public key of the suite")]
pub(crate) struct PublicKeyError;

/// Why a seed is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum OpenSeedError {
    /// Another service answered, or the answer was changed on the way, or is that to another request.
    #[error("the signature is not that of the pinned identity on an answer to this request")]
    Signature,
    /// The service sealed for another request or another key.
    #[error("the seed does not open with this request's key and nonce")]
    Sealed,
}

impl SeedSuite {
    /// Every suite with its name, the stronger one first.
    pub(crate) const ALL: [(Self, &'static str); 2] =
        [(Self::XWing, "x-wing"), (Self::X25519, "x25519")];

    /// Its name.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(suite, _)| *suite == self).map_or("", |(_, name)| name)
    }

    /// KEM, KDF and AEAD, by the registry of RFC 9180 §7.
    fn numbers(self) -> [u8; 6] {
        match self {
            Self::X25519 => [0x00, 0x20, 0x00, 0x01, 0x00, 0x03],
            Self::XWing => [0x64, 0x7a, 0x00, 0x01, 0x00, 0x03],
        }
    }
}

impl Recipient<'_> {
    /// `label ‖ identity ‖ nonce`
    fn info(&self, service: ServiceIdentity) -> Vec<u8> {
        [label::SEED.as_bytes(), &service.to_bytes(), self.nonce].concat()
    }

    /// What the service signs.
    fn signed(&self, info: &[u8], enc: &[u8], ciphertext: &[u8]) -> Vec<u8> {
        let mut message = label::SEED_SIGNATURE.as_bytes().to_vec();
        message.extend(self.suite.numbers());
        for part in [self.public_key, info, enc, ciphertext] {
            let length = u16::try_from(part.len()).expect("parts have less than 2 KiB");
            message.extend(length.to_be_bytes());
            message.extend(part);
        }
        message
    }
}

/// Seals `seed` to a recipient, with random bytes of the generator; they are zeroized.
///
/// # Errors
/// When the public key is none of the suite.
pub(crate) fn seal(
    service: &ServiceKey,
    recipient: &Recipient<'_>,
    seed: &[u8],
    randomness: &mut [u8; RANDOMNESS_BYTES],
) -> Result<SealedSeed, PublicKeyError> {
    let info = recipient.info(service.identity());
    let mut drawn = DrawnBytes { rest: randomness };
    let sealed = match recipient.suite {
        SeedSuite::X25519 => seal_by::<X25519HkdfSha256>(recipient, &info, seed, &mut drawn),
        SeedSuite::XWing => seal_by::<XWing>(recipient, &info, seed, &mut drawn),
    };
    randomness.zeroize();
    let (enc, ciphertext) = sealed.map_err(|_| PublicKeyError)?;
    let signature: [u8; SIGNATURE_BYTES] =
        service.sign(&recipient.signed(&info, &enc, &ciphertext));
    Ok(SealedSeed { enc, ciphertext, signature: signature.to_vec() })
}

fn seal_by<K: Kem>(
    recipient: &Recipient<'_>,
    info: &[u8],
    seed: &[u8],
    drawn: &mut DrawnBytes<'_>,
) -> Result<(Vec<u8>, Vec<u8>), HpkeError> {
    let public = K::PublicKey::from_bytes(recipient.public_key)?;
    let (enc, mut context) = hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, K>(
        &OpModeS::Base,
        &public,
        info,
        drawn,
    )?;
    Ok((enc.to_bytes().to_vec(), context.seal(seed, &[])?))
}

/// A recipient's private key.
pub(crate) enum RecipientKey {
    X25519(<X25519HkdfSha256 as Kem>::PrivateKey),
    XWing(Box<<XWing as Kem>::PrivateKey>),
}

impl RecipientKey {
    /// The key that follows from `material`, of 32 bytes or more (`DeriveKeyPair`, RFC 9180 §7.1.3).
    #[must_use]
    pub(crate) fn derive(suite: SeedSuite, material: &[u8]) -> Self {
        match suite {
            SeedSuite::X25519 => Self::X25519(X25519HkdfSha256::derive_keypair(material).0),
            SeedSuite::XWing => Self::XWing(Box::new(XWing::derive_keypair(material).0)),
        }
    }

    /// Its suite.
    #[must_use]
    pub(crate) fn suite(&self) -> SeedSuite {
        match self {
            Self::X25519(_) => SeedSuite::X25519,
            Self::XWing(_) => SeedSuite::XWing,
        }
    }

    /// The public key, as it is sent.
    #[must_use]
    pub(crate) fn public_key(&self) -> Vec<u8> {
        match self {
            Self::X25519(key) => X25519HkdfSha256::sk_to_pk(key).to_bytes().to_vec(),
            Self::XWing(key) => XWing::sk_to_pk(key).to_bytes().to_vec(),
        }
    }

    /// Opens the answer of `service` to the request with this nonce.
    ///
    /// # Errors
    /// [`OpenSeedError`]: the answer is not that service's, or not to this request.
    pub(crate) fn open(
        &self,
        service: ServiceIdentity,
        nonce: &[u8],
        sealed: &SealedSeed,
    ) -> Result<Zeroizing<Vec<u8>>, OpenSeedError> {
        let public_key = self.public_key();
        let recipient = Recipient { suite: self.suite(), public_key: &public_key, nonce };
        let info = recipient.info(service);
        let is_short = [&sealed.enc, &sealed.ciphertext].iter().all(|it| it.len() < 2048);
        let is_signed = is_short
            && service.has_signed(
                &recipient.signed(&info, &sealed.enc, &sealed.ciphertext),
                &sealed.signature,
            );
        if !is_signed {
            return Err(OpenSeedError::Signature);
        }
        let opened = match self {
            Self::X25519(key) => open_by::<X25519HkdfSha256>(key, &info, sealed),
            Self::XWing(key) => open_by::<XWing>(key, &info, sealed),
        };
        opened.map(Zeroizing::new).map_err(|_| OpenSeedError::Sealed)
    }
}

/// For the fuzz target: whether bytes that no service sealed are taken for a seed.
#[cfg(any(test, feature = "test-support"))]
#[must_use]
pub fn opens_as_a_seed(enc: &[u8], ciphertext: &[u8], signature: &[u8]) -> bool {
    let service = ServiceKey::of(&crate::crypto::key::Key::take(&mut [1; 32])).identity();
    let (enc, ciphertext, signature) = (enc.to_vec(), ciphertext.to_vec(), signature.to_vec());
    let sealed = SealedSeed { enc, ciphertext, signature };
    SeedSuite::ALL.iter().any(|(suite, _)| {
        let key = RecipientKey::derive(*suite, &[2; 32]);
        // Without its signature, too: the bytes get as far as HPKE.
        let info = b"info";
        let is_opened = match &key {
            RecipientKey::X25519(key) => open_by::<X25519HkdfSha256>(key, info, &sealed).is_ok(),
            RecipientKey::XWing(key) => open_by::<XWing>(key, info, &sealed).is_ok(),
        };
        is_opened || key.open(service, &[3; 32], &sealed).is_ok()
    })
}

fn open_by<K: Kem>(
    key: &K::PrivateKey,
    info: &[u8],
    sealed: &SealedSeed,
) -> Result<Vec<u8>, HpkeError> {
    let enc = K::EncappedKey::from_bytes(&sealed.enc)?;
    let mut context =
        hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, K>(&OpModeR::Base, key, &enc, info)?;
    context.open(&sealed.ciphertext, &[])
}

/// Bytes that the generator gave before, each given once.
struct DrawnBytes<'a> {
    rest: &'a mut [u8],
}

impl TryRng for DrawnBytes<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let (given, rest) = std::mem::take(&mut self.rest)
            .split_at_mut_checked(out.len())
            .expect("no KEM takes more than 64 bytes");
        out.copy_from_slice(given);
        self.rest = rest;
        Ok(())
    }
}

impl TryCryptoRng for DrawnBytes<'_> {}

#[cfg(test)]
mod tests;
