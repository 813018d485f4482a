//! Keys: a root key under a seal, and the key versions of every namespace below it.
//!
//! ```text
//! seal secret ── seals ──► root key ── seals ──► key versions 1, 2, … of each namespace
//!  file, passphrase            └──────────────────── the keyring's file ───┘
//!  or k of n shares                                      key version ── seals ──► record keys, in the store
//! ```
//! The keyring's file contains all keys above the records' keys, and the store contains none of them: after
//! a namespace is deleted here, no copy of the store can be opened.

pub(crate) mod anchor;
mod condition;
mod config;
mod error;
mod file;
mod format;
mod handle;
mod id;
mod key_version;
mod keyset;
mod lifecycle;
mod namespaces;
mod paths;
mod provenance;
mod rekey;
mod rollback;
mod rotation;
pub(crate) mod seal;
mod state;
pub(crate) mod transit;

pub use condition::Condition;
pub(crate) use config::KeyringConfig;
pub use error::KeyringError;
pub use handle::Keyring;
pub use id::NamespaceId;
pub(crate) use key_version::{KeyVersion, VersionState};
pub(crate) use namespaces::{NamespaceDraft, NamespaceInfo, NamespaceKeys};
pub use paths::Places;
#[cfg(test)]
pub(crate) use provenance::KeyProvenance;
pub(crate) use rotation::KeyInfo;
pub(crate) use seal::UnsealPiece;
pub(crate) use state::PreparedId;
pub use transit::TransitFault;

#[cfg(test)]
mod tests;
