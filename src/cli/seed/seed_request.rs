//! The request of `lavawall seed`: the key to which answers are sealed, and the nonce that makes old ones
//! useless.
//!
//! ```text
//! key   = DeriveKeyPair(SHA-512("lavawall v1 seed recipient" ‖ len(secret) ‖ secret ‖ kernel ‖ time))
//! nonce = SHA-256("lavawall v1 seed nonce" ‖ kernel ‖ time)
//! ```
//! `kernel` is 64 bytes that the kernel gives at once, `time` nanoseconds since 1970, and lengths and times
//! have 16 bytes, big-endian. Neither key nor nonce is kept.
//!
//! # Security
//! The key is secret when the secret or the kernel's bytes are. On a machine whose kernel has no entropy yet
//! and that has no secret, others could know it: there is no request then. Machines with the same secret,
//! made from one image, are told apart by the kernel's bytes only.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use crate::api::sealed_seed::{SeedAnswer, SeedRequest};
use crate::cli::seed::seed_servers::SeedServer;
use crate::client::{Client, ClientError, Payload};
use crate::crypto::label;
use crate::crypto::sealed_seed::{OpenSeedError, RecipientKey, SealedSeed, SeedSuite};
use crate::machine::kernel_pool;

/// The length of each seed in bytes: the most that a service gives.
pub(crate) const SEED_BYTES: usize = 64;

/// The most of an answer, in bytes: one of X-Wing has 1,900.
const ANSWER_LIMIT: usize = 16 * 1024;

/// The request to every service.
pub(crate) struct PreparedRequest {
    key: RecipientKey,
    nonce: [u8; 32],
}

/// What a machine has for a key and a nonce.
struct Local<'a> {
    kernel: &'a [u8; 64],
    /// Whether the kernel's generator was initialised.
    is_initialised: bool,
    secret: Option<&'a [u8]>,
    nanoseconds: u128,
}

/// Why there is no request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RequestError {
    /// The system's.
    #[error("the kernel's random bytes: {0}")]
    Kernel(#[from] std::io::Error),
    /// The key would not be secret.
    #[error("the kernel has no entropy yet, and without secret-file others could open the answers")]
    NoEntropy,
}

/// Why a service's answer is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SeedFault {
    /// It gave none.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It is not the JSON of a seed.
    #[error("the answer is no sealed seed")]
    Form,
    /// It is of another service, or to another request.
    #[error(transparent)]
    Open(#[from] OpenSeedError),
    /// It is short.
    #[error("the seed has {0} bytes, and {SEED_BYTES} were asked for")]
    Length(usize),
    /// It did not come in time.
    #[error("no answer within {0} s")]
    Late(u64),
    /// The system.
    #[error("no thread to ask it with: {0}")]
    Thread(std::io::Error),
}

impl PreparedRequest {
    /// A request with a key and a nonce of its own.
    ///
    /// # Errors
    /// When the key would not be secret.
    pub(crate) fn new(suite: SeedSuite, secret: Option<&[u8]>) -> Result<Self, RequestError> {
        let mut kernel = Zeroizing::new([0; 64]);
        let is_initialised = kernel_pool::read_at_once(kernel.as_mut_slice())?;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanoseconds = time.as_nanos();
        Self::of(suite, &Local { kernel: &kernel, is_initialised, secret, nanoseconds })
    }

    fn of(suite: SeedSuite, local: &Local<'_>) -> Result<Self, RequestError> {
        if !local.is_initialised && local.secret.is_none() {
            return Err(RequestError::NoEntropy);
        }
        let secret = local.secret.unwrap_or_default();
        let time = local.nanoseconds.to_be_bytes();
        let material = Sha512::new()
            .chain_update(label::SEED_RECIPIENT)
            .chain_update((secret.len() as u128).to_be_bytes())
            .chain_update(secret)
            .chain_update(local.kernel)
            .chain_update(time);
        let material = Zeroizing::<[u8; 64]>::new(material.finalize().into());
        let nonce = Sha256::new()
            .chain_update(label::SEED_NONCE)
            .chain_update(local.kernel)
            .chain_update(time);
        let key = RecipientKey::derive(suite, material.as_slice());
        Ok(Self { key, nonce: nonce.finalize().into() })
    }

    /// Asks one service, and opens its answer.
    ///
    /// # Errors
    /// Why there is no seed of this service.
    pub(crate) fn ask(&self, server: &SeedServer) -> Result<Zeroizing<Vec<u8>>, SeedFault> {
        let client = Client::new(&server.url, &server.credentials())?;
        let request = SeedRequest {
            suite: self.key.suite().name().to_owned(),
            public_key: BASE64.encode(&self.key.public_key()),
            nonce: BASE64.encode(&self.nonce),
            bytes: SEED_BYTES as u64,
        };
        let body = serde_json::to_vec(&request).expect("its members are strings and a number");
        let answer = client.call("POST", "/seed", Some(Payload::json(body)))?;
        let answer = answer.accepted(&[200])?.read(ANSWER_LIMIT)?;
        self.open(server, &answer)
    }

    fn open(&self, server: &SeedServer, answer: &[u8]) -> Result<Zeroizing<Vec<u8>>, SeedFault> {
        let answer: SeedAnswer = serde_json::from_slice(answer).map_err(|_| SeedFault::Form)?;
        let decoded = |text: &str| BASE64.decode(text.as_bytes()).map_err(|_| SeedFault::Form);
        let sealed = SealedSeed {
            enc: decoded(&answer.enc)?,
            ciphertext: decoded(&answer.ciphertext)?,
            signature: decoded(&answer.signature)?,
        };
        let seed = self.key.open(server.identity, &self.nonce, &sealed)?;
        if seed.len() != SEED_BYTES {
            return Err(SeedFault::Length(seed.len()));
        }
        Ok(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Local<'_> =
        Local { kernel: &[1; 64], is_initialised: true, secret: Some(&[2; 32]), nanoseconds: 3 };

    fn of(local: &Local<'_>) -> (Vec<u8>, [u8; 32]) {
        let request = PreparedRequest::of(SeedSuite::X25519, local).expect("secret enough");
        (request.key.public_key(), request.nonce)
    }

    #[test]
    fn key_and_nonce_follow_from_all_that_the_machine_has() {
        let (key, nonce) = of(&LOCAL);
        assert_eq!(of(&LOCAL), (key.clone(), nonce));
        let (other_key, other_nonce) = of(&Local { kernel: &[4; 64], ..LOCAL });
        assert!(other_key != key && other_nonce != nonce, "the kernel's bytes");
        let (other_key, other_nonce) = of(&Local { nanoseconds: 4, ..LOCAL });
        assert!(other_key != key && other_nonce != nonce, "the time");
        // The nonce is sent, and says nothing of the secret.
        let (other_key, other_nonce) = of(&Local { secret: Some(&[4; 32]), ..LOCAL });
        assert!(other_key != key && other_nonce == nonce, "the secret");
    }

    #[test]
    fn without_entropy_of_the_kernel_there_must_be_a_secret() {
        let of = |is_initialised, secret| {
            let local = Local { is_initialised, secret, ..LOCAL };
            PreparedRequest::of(SeedSuite::XWing, &local).is_ok()
        };
        assert!(of(true, None) && of(false, Some(&[2; 32][..])));
        assert!(!of(false, None));
    }
}
