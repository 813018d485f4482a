//! Signatures of keys that callers use by name.
//!
//! ```text
//! ed25519      PureEdDSA                                             RFC 8032 §5.1
//! ecdsa-p256   ECDSA over P-256 of the leftmost 256 bits of a hash   FIPS 186-5 §6.4
//!              per-message secret by HMAC-SHA-256                    RFC 6979 §3.2
//! ```
//! Neither takes randomness: the same text has the same signature, and a generator that fails or repeats itself
//! cannot disclose a key.

use ed25519_dalek::Signer;
use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::pkcs8::{EncodePublicKey, LineEnding};
use zeroize::Zeroizing;

use crate::crypto::key::Key;
use lavawall_entropy::on_scrubbed_stack;

/// The signature schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureScheme {
    /// RFC 8032.
    Ed25519,
    /// FIPS 186-5.
    EcdsaP256,
}

/// The bytes of an ECDSA signature. Those of Ed25519 have one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureForm {
    /// DER of a sequence of `r` and `s` (RFC 3279 §2.2.3).
    Asn1,
    /// `r ‖ s`, 32 bytes each (RFC 7518 §3.4).
    Jws,
}

/// The bytes are not a signature of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a signature of this form")]
pub(crate) struct MalformedSignature;

/// The public key of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublicKey {
    Ed25519(ed25519_dalek::VerifyingKey),
    EcdsaP256(p256::ecdsa::VerifyingKey),
}

impl SignatureScheme {
    /// Whether 32 drawn bytes are a private key: for P-256 a number from 1 to the order less 1 (FIPS 186-5
    /// A.2.2, testing candidates), which all but one in 2³² are.
    #[must_use]
    pub(crate) fn is_private_key(self, key: &Key) -> bool {
        match self {
            Self::Ed25519 => true,
            Self::EcdsaP256 => {
                on_scrubbed_stack(|| p256::ecdsa::SigningKey::from_slice(key.expose()).is_ok())
            }
        }
    }

    /// Whether a hash is signed, and not the text itself.
    #[must_use]
    pub(crate) fn signs_hashes(self) -> bool {
        self == Self::EcdsaP256
    }

    /// The public key of a private key.
    #[must_use]
    pub(crate) fn public_key(self, key: &Key) -> PublicKey {
        on_scrubbed_stack(|| match self {
            Self::Ed25519 => PublicKey::Ed25519(ed25519(key).verifying_key()),
            Self::EcdsaP256 => PublicKey::EcdsaP256(*p256(key).verifying_key()),
        })
    }

    /// Signs a text, or for P-256 a hash, which must not be empty.
    #[must_use]
    pub(crate) fn sign(self, key: &Key, text: &[u8], form: SignatureForm) -> Vec<u8> {
        on_scrubbed_stack(|| match self {
            Self::Ed25519 => ed25519(key).sign(text).to_bytes().to_vec(),
            Self::EcdsaP256 => {
                let signed = p256(key).sign_prehash(text);
                let signature: p256::ecdsa::Signature = signed.expect("any hash is signed");
                match form {
                    SignatureForm::Asn1 => signature.to_der().as_bytes().to_vec(),
                    SignatureForm::Jws => signature.to_bytes().to_vec(),
                }
            }
        })
    }

    /// The private key in the form in which others read it: for Ed25519 `key ‖ public key`, for P-256 PEM of
    /// an `ECPrivateKey` (RFC 5915) without a line break at its end.
    #[must_use]
    pub(crate) fn exported(self, key: &Key) -> ExportedKey {
        on_scrubbed_stack(|| match self {
            Self::Ed25519 => {
                ExportedKey::Bytes(Zeroizing::new(ed25519(key).to_keypair_bytes().to_vec()))
            }
            Self::EcdsaP256 => {
                let pem = p256::SecretKey::from(&p256(key)).to_sec1_pem(LineEnding::LF);
                let mut pem = pem.expect("a key has a form in PEM");
                let end = pem.trim_end().len();
                pem.truncate(end);
                ExportedKey::Pem(pem)
            }
        })
    }
}

/// A private key as others read it. Zeroized when dropped.
pub(crate) enum ExportedKey {
    Bytes(Zeroizing<Vec<u8>>),
    Pem(Zeroizing<String>),
}

impl PublicKey {
    /// Whether `signature` is that of a text, or for P-256 of a hash.
    ///
    /// # Errors
    /// When it is not in DER, where it should be.
    pub(crate) fn verify(
        &self,
        text: &[u8],
        signature: &[u8],
        form: SignatureForm,
    ) -> Result<bool, MalformedSignature> {
        match self {
            // Strict: no point of small order, and one form of each number.
            Self::Ed25519(key) => Ok(ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(text, &signature).is_ok())),
            Self::EcdsaP256(key) => {
                let signature = match form {
                    SignatureForm::Asn1 => p256::ecdsa::Signature::from_der(signature)
                        .map_err(|_| MalformedSignature)?,
                    SignatureForm::Jws => match p256::ecdsa::Signature::from_slice(signature) {
                        Ok(signature) => signature,
                        Err(_) => return Ok(false),
                    },
                };
                Ok(key.verify_prehash(text, &signature).is_ok())
            }
        }
    }

    /// The raw bytes of a key of Ed25519, or PEM of a `SubjectPublicKeyInfo` (RFC 5480) without a line break at
    /// its end.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Ed25519(key) => data_encoding::BASE64.encode(key.as_bytes()),
            Self::EcdsaP256(key) => {
                let pem = key.to_public_key_pem(LineEnding::LF).expect("a key has a form in PEM");
                pem.trim_end().to_owned()
            }
        }
    }
}

fn ed25519(key: &Key) -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(key.expose())
}

fn p256(key: &Key) -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(key.expose()).expect("checked when it was drawn and read")
}

#[cfg(test)]
mod tests;
