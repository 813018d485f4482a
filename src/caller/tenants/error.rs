//! Why a change of tenants is refused.

use crate::audit::AuditError;
use crate::caller::tenant::{NAME_MOST, NOTE_MOST, TOKENS_MOST};
use crate::kv::KvError;
use lavawall_entropy::NotReady;

/// Why a tenant cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TenantError {
    /// The name cannot be one.
    #[error(
        "name: must be 1 to {NAME_MOST} lower-case letters, digits, '-', '_' and '.', a letter or digit \
         first, and not me or other (got {0:?})"
    )]
    Name(String),
    /// There is one of this name.
    #[error("name: there is a tenant {0} already")]
    NameTaken(String),
    /// There is none of this name.
    #[error("there is no tenant {0}")]
    Unknown(String),
    /// The tenant has no such token.
    #[error("tenant {tenant} has no token {number}")]
    UnknownToken {
        /// The tenant's name.
        tenant: String,
        /// The number that was given.
        number: u32,
    },
    /// There are too many.
    #[error("there are {limit} tenants already, the most")]
    TooMany {
        /// The most.
        limit: usize,
    },
    /// The tenant has too many tokens.
    #[error("tenant {0} has {TOKENS_MOST} tokens, the most: revoke one first")]
    TooManyTokens(String),
    /// A note is too long or has control characters.
    #[error("note: must be at most {NOTE_MOST} bytes, without control characters (got {0} bytes)")]
    Note(usize),
    /// A token would be expired already.
    #[error("expires: {value} is past, it is {now}")]
    Expired {
        /// The given time, in seconds since 1970.
        value: u64,
        /// The time.
        now: u64,
    },
    /// A token would never expire.
    #[error("expires: must be within a hundred years (got {0} seconds since 1970)")]
    ExpiresLate(u64),
    /// The tenant still has keys.
    #[error(
        "tenant {tenant} has {count} keys: what they sealed would be lost; to destroy them, ask for it \
         (--shred)"
    )]
    HasKeys {
        /// The tenant's name.
        tenant: String,
        /// The number of its keys.
        count: usize,
    },
    /// The tenant still has namespaces.
    #[error(
        "tenant {tenant} has {count} namespaces, whose titles begin with {tenant}/: their records would \
         be lost; to destroy them, ask for it (--shred)"
    )]
    HasNamespaces {
        /// The tenant's name.
        tenant: String,
        /// Its namespaces.
        count: usize,
    },
    /// The tenants were not read yet.
    #[error("the tenants are read once the keyring is open")]
    NotLoaded,
    /// A record of a tenant is not understood.
    #[error("the record of a tenant is not understood, perhaps written by a newer version: {0}")]
    Malformed(String),
    /// Randomness for a token.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The store.
    #[error(transparent)]
    Store(#[from] KvError),
}
