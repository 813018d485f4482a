//! `/admin/…`: requests and answers of the operator's calls. Secrets in them are zeroized.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::api::names::{ConditionName, KindName, SealName, StateName, VersionStateName};
use crate::api::status::StoreSize;

/// The seal to make, and the proof for the present one.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealRequest {
    /// The new seal.
    pub seal: RequestedSeal,
    /// The present passphrase, or as many present shares as are needed. Not needed for a file seal, and
    /// for a new keyring.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub proof: Vec<Zeroizing<String>>,
}

/// A seal.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum RequestedSeal {
    /// A file beside the keyring: opens at every start.
    File,
    /// A passphrase.
    Passphrase(#[schemars(with = "String")] Zeroizing<String>),
    /// Shamir's shares.
    Shares {
        /// Shares that open the keyring.
        threshold: u8,
        /// Shares in all.
        count: u8,
    },
}

/// A passphrase or share for an unsealing; none for a file seal.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnsealRequest {
    /// The passphrase, or one share.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub piece: Option<Zeroizing<String>>,
}

/// The proof for the present seal.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProofRequest {
    /// The passphrase, or as many shares as are needed; empty for a file seal.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub proof: Vec<Zeroizing<String>>,
}

/// The clock that removes expired records.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Clock")]
pub(crate) struct ClockAnswer {
    /// The calendar clock.
    #[schemars(extend("format" = "date-time"))]
    pub now: String,
    /// The kernel holds it for synchronized.
    pub synchronized: bool,
    /// Why expired records are hidden and not removed; null when they are removed.
    pub doubt: Option<String>,
}

/// The configuration that the service runs with.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Configuration")]
pub(crate) struct ConfigurationAnswer {
    /// The text of a file with every key, in TOML.
    pub configuration: String,
    /// The state directory.
    pub state_dir: String,
}

/// A prepared seal that takes effect, because its shares have arrived.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmRequest {
    /// As in the answer to the rekeying.
    pub prepared: String,
}

/// A key version to revoke.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeRequest {
    /// Not the active one.
    pub version: u32,
}

/// The keyring's condition.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct KeyringAnswer {
    /// Whether keys can be used.
    #[schemars(with = "ConditionName")]
    pub state: String,
    /// The seal; null without a keyring.
    #[schemars(with = "Option<SealName>")]
    pub seal: Option<String>,
    /// Shares given so far.
    pub have: Option<u8>,
    /// Passphrases or shares needed.
    pub need: Option<u8>,
}

/// The shares of a new seal. They are shown once and stored nowhere.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct SealAnswer {
    /// Confirms that the shares have arrived: the seal takes effect then. Null if it has taken effect.
    pub prepared: Option<String>,
    /// Empty unless the seal is one of shares.
    #[schemars(with = "Vec<String>")]
    pub shares: Vec<Zeroizing<String>>,
}

/// Every key version, the root key first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct KeyList {
    /// The versions.
    pub keys: Vec<KeyEntry>,
}

/// A key version with its provenance. The key is not in it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct KeyEntry {
    /// What it is for: `root`, `namespace`, or a key that callers use by name: `transit`, `kms`, `aws-kms`, `sign`
    /// or `mac`.
    pub purpose: String,
    /// Id of the namespace; null for other keys.
    pub namespace: Option<String>,
    /// Title of the namespace.
    pub title: Option<String>,
    /// Id of a key that callers use by name, as in the audit log; null for other keys.
    pub id: Option<String>,
    /// Tenant whose key it is; null for the operator's, and for other keys.
    pub owner: Option<String>,
    /// Name of a key that callers use by name.
    pub name: Option<String>,
    /// Oldest version of a key that callers use by name that opens; null for other keys.
    pub min_decryption_version: Option<u32>,
    /// Oldest version of such a key that seals, 0 for no limit; null for other keys.
    pub min_encryption_version: Option<u32>,
    /// Number of the version; 0 for the root key.
    pub version: u32,
    /// State of the version.
    #[schemars(with = "VersionStateName")]
    pub state: String,
    /// When the key was drawn, in seconds since 1970.
    pub made_at: i64,
    /// The generator's generation then.
    pub generation: u64,
    /// The generator's state then.
    #[schemars(with = "StateName")]
    pub made_while: String,
    /// Kinds of source that were credited in that generation.
    #[schemars(with = "Vec<KindName>")]
    pub kinds: Vec<String>,
    /// Records under it; null for keys of other purposes than `namespace`, or while the store is closed.
    pub records: Option<u64>,
}

/// A key version by its number: the new one, or the revoked one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct VersionAnswer {
    /// The number.
    pub version: u32,
}

/// A compaction of the store.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CompactionAnswer {
    /// The size before it.
    pub before: StoreSize,
    /// The size after it.
    pub after: StoreSize,
}
