//! `/seed`: a request for a sealed seed, and the answer. Binary members are in base64 (RFC 4648 §4).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::crypto::sealed_seed::SeedSuite;

/// A request for a seed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "suite": "x25519",
    "public_key": "QxDul9iMwfCIpVdsd6sM9cOseX89lROcbIS1QpxZZio=",
    "nonce": "/6e2/NZ1wEG2sAAqHdTvNEpr8dPrK1jYwnOeCTh2LL4="
}))]
pub(crate) struct SeedRequest {
    /// How to seal it.
    #[schemars(with = "SeedSuite")]
    pub suite: String,
    /// The caller's public key of the suite's KEM: 32 bytes, or 1216 of X-Wing.
    #[schemars(extend("contentEncoding" = "base64"))]
    pub public_key: String,
    /// 16 to 64 bytes that the caller never used before: an earlier answer does not open with them.
    #[schemars(extend("contentEncoding" = "base64"))]
    pub nonce: String,
    /// The length of the seed.
    #[serde(default = "default_bytes")]
    #[schemars(range(min = 32, max = 64))]
    pub bytes: u64,
}

/// A sealed seed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SeedAnswer {
    /// The suite of the request.
    pub suite: SeedSuite,
    /// The encapsulated key.
    #[schemars(extend("contentEncoding" = "base64"))]
    pub enc: String,
    /// The seed and its tag. HPKE's info is `lavawall v1 seed`, the identity and the nonce; there is no
    /// associated data.
    #[schemars(extend("contentEncoding" = "base64"))]
    pub ciphertext: String,
    /// The public key of the service's Ed25519 signature. Trust the one that was pinned, not this.
    #[schemars(extend("contentEncoding" = "base64"))]
    pub identity: String,
    /// Ed25519, of `lavawall v1 seed signature`, the numbers of KEM, KDF and AEAD, and public key, info,
    /// enc and ciphertext, each after its length. Numbers have two bytes, big-endian.
    #[schemars(extend("contentEncoding" = "base64"))]
    pub signature: String,
}

/// The identity of a service, for clients to pin.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct IdentityAnswer {
    /// The public key of its Ed25519 signatures.
    #[schemars(extend("contentEncoding" = "base64"))]
    pub identity: String,
    /// The suites by which it seals.
    pub suites: Vec<SeedSuite>,
}

fn default_bytes() -> u64 {
    32
}
