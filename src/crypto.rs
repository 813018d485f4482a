//! Every formula by which something is sealed, in one place; the keyring and the store build on it.
//!
//! ```text
//! sealed = nonce ‖ AES-256-GCM-SIV(key, nonce, data, text)       RFC 8452; 12 + len(text) + 16 bytes
//! data   = label ‖ (len(field) ‖ field) for every field          lengths in four bytes, big-endian
//!
//! sealed        key          label                     fields
//! root key      seal secret  "lavawall v1 root"        keyring id, seal
//! keyring body  root key     "lavawall v1 keyring"     every byte of the file before it
//! record key    version key  "lavawall v1 record key"  namespace, record id, key version, record version
//! value         record key   "lavawall v1 value"       namespace, name, record version, expiry
//! entry         entry key    "lavawall v1 entry"       namespace, record id, key version, record version
//! sum           sum key      "lavawall v1 sum"         namespace
//! commits       store key    "lavawall v1 commits"     none
//!
//! entry key  = HKDF(version key, "lavawall v1 entry key")        RFC 5869 over SHA-256, no salt
//! service key = HKDF(root key, "lavawall v1 service key")       Ed25519, signs sealed seeds
//! id key     = HKDF(index key, "lavawall v1 id key")
//! sum key    = HKDF(index key, "lavawall v1 sum key")
//! term key   = HKDF(index key, "lavawall v1 term key")
//! record id  = HMAC-SHA-256(id key, name)[..16]
//! sum        = Σ HMAC-SHA-256(term key, record id ‖ record version ‖ expiry) over all records, mod 2²⁵⁶
//! share check = SHA-256("lavawall v1 share check" ‖ keyring id ‖ set ‖ number ‖ share)[..16]
//! ```
//! Numbers are big-endian. The label carries the format's version, so nothing of another version
//! opens. Every key and every nonce is drawn from the generator: no argument here chooses one.

pub mod aead;
pub(crate) mod codec;
pub mod key;
pub(crate) mod key_material;
pub(crate) mod kms;
pub mod label;
pub(crate) mod sealed_seed;
pub(crate) mod service_identity;
pub(crate) mod signing;
#[cfg(test)]
pub(crate) mod test_support;
pub(crate) mod transit;
