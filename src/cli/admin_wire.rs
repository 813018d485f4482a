//! The JSON of the operator's calls. Secrets in it are zeroized.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The seal to make, and the proof for the present one.
#[derive(Serialize)]
pub(crate) struct SealRequest {
    pub(crate) seal: RequestedSeal,
    pub(crate) proof: Vec<Zeroizing<String>>,
}

/// A seal.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RequestedSeal {
    File,
    Passphrase(Zeroizing<String>),
    Shares { threshold: u8, count: u8 },
}

/// A passphrase or share for an unsealing; none for a file seal.
#[derive(Serialize)]
pub(crate) struct UnsealRequest {
    pub(crate) piece: Option<Zeroizing<String>>,
}

/// The proof for the present seal.
#[derive(Serialize)]
pub(crate) struct ProofRequest {
    pub(crate) proof: Vec<Zeroizing<String>>,
}

/// A prepared seal that takes effect, because its shares have arrived.
#[derive(Serialize)]
pub(crate) struct ConfirmRequest {
    pub(crate) prepared: String,
}

/// A key version to revoke.
#[derive(Serialize)]
pub(crate) struct RevokeRequest {
    pub(crate) version: u32,
}

/// The keyring's condition.
#[derive(Debug, Deserialize)]
pub(crate) struct KeyringAnswer {
    /// `absent`, `sealed` or `open`.
    pub(crate) state: String,
    /// `file`, `passphrase` or `shares`.
    pub(crate) seal: Option<String>,
    /// Shares given so far.
    pub(crate) have: Option<u8>,
    /// Passphrases or shares needed.
    pub(crate) need: Option<u8>,
}

/// The shares of a new seal. They are shown once and stored nowhere.
#[derive(Deserialize)]
pub(crate) struct SealAnswer {
    /// Confirms that the shares have arrived: the seal takes effect then.
    pub(crate) prepared: Option<String>,
    pub(crate) shares: Vec<Zeroizing<String>>,
}

/// Every key version, the root key first.
#[derive(Deserialize)]
pub(crate) struct KeyList {
    pub(crate) keys: Vec<KeyEntry>,
}

/// A key version with its provenance. The key is not in it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct KeyEntry {
    /// Id of the namespace; `None` for the root key.
    pub(crate) namespace: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) version: u32,
    /// State of the version.
    pub(crate) state: String,
    /// In seconds since 1970.
    pub(crate) made_at: i64,
    pub(crate) generation: u64,
    /// State of the generator then.
    pub(crate) made_while: String,
    pub(crate) kinds: Vec<String>,
    pub(crate) records: Option<u64>,
}

/// A key version by its number: the new one, or the revoked one.
#[derive(Deserialize)]
pub(crate) struct VersionAnswer {
    pub(crate) version: u32,
}
