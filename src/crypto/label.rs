//! Domain-separation labels: one for each kind of sealed text, derived key and hash.

/// The root key, under the secret that its seal keeps.
pub const ROOT: &str = "lavawall v1 root";
/// The content of the keyring file, under the root key.
pub const BODY: &str = "lavawall v1 keyring";
/// A record's key, under a key version of its namespace.
pub const RECORD_KEY: &str = "lavawall v1 record key";
/// A record's value, under the record's key.
pub const VALUE: &str = "lavawall v1 value";
/// A record's name, metadata and expiry, under the entry key of a key version.
pub const ENTRY: &str = "lavawall v1 entry";
/// The multiset hash over a namespace's records, under its sum key.
pub const SUM: &str = "lavawall v1 sum";
/// Derives the key of entries from a key version.
pub const ENTRY_KEY: &str = "lavawall v1 entry key";
/// Derives the key of record ids from a namespace's index key.
pub const ID_KEY: &str = "lavawall v1 id key";
/// The store's commit count, under the store key.
pub const COMMITS: &str = "lavawall v1 commits";
/// The store's commit count in the file beside it, under the store key.
pub const MARK: &str = "lavawall v1 commit mark";
/// Derives the key that seals the multiset hash from a namespace's index key.
pub const SUM_KEY: &str = "lavawall v1 sum key";
/// Derives the key of the multiset hash's terms from a namespace's index key.
pub const TERM_KEY: &str = "lavawall v1 term key";
/// A text under a key that callers use by name.
pub const TRANSIT: &str = "lavawall v1 transit";
/// Derives the key for HMAC from a version of such a key.
pub const TRANSIT_MAC: &str = "lavawall v1 transit mac";
/// Derives the key of nonces from such a key.
pub const TRANSIT_NONCE: &str = "lavawall v1 transit nonce";
/// Derives an access key, with which requests are signed, from the hash of a token.
pub const ACCESS_KEY: &str = "lavawall v1 access key";
/// A data key of Kubernetes, under a version of a key for KMS.
pub const KMS: &str = "lavawall v1 kms";
/// Derives the public identity of such a version.
pub const KMS_KEY_ID: &str = "lavawall v1 kms key id";
/// The check of a share: identifies a false one.
pub const SHARE_CHECK: &str = "lavawall v1 share check";
/// The checksum of a share's text: finds typing errors.
pub const SHARE_SUM: &str = "lavawall v1 share";
/// Derives the key of the service's identity from the root key.
pub const SERVICE_KEY: &str = "lavawall v1 service key";
/// The purpose of a sealed seed, in HPKE's info.
pub const SEED: &str = "lavawall v1 seed";
/// What the service signs about a sealed seed.
pub const SEED_SIGNATURE: &str = "lavawall v1 seed signature";
/// Hashes the answers of several services into one seed.
pub const SEED_MIX: &str = "lavawall v1 seed mix";
/// Hashes what a client has into the key of a recipient.
pub const SEED_RECIPIENT: &str = "lavawall v1 seed recipient";
/// Hashes what a client has into a nonce.
pub const SEED_NONCE: &str = "lavawall v1 seed nonce";
