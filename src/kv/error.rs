//! What goes wrong with records.

use crate::keyring::{KeyringError, NamespaceId};
use crate::kv::engine::StorageError;
use crate::kv::name::RecordId;
use lavawall_entropy::NotReady;

/// Why something was not read or written. Never holds a name or a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// The keyring: absent, sealed, or it cannot be written.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The store is not open.
    #[error("the store is closed")]
    Closed,
    /// No such namespace.
    #[error("there is no namespace {0}")]
    UnknownNamespace(NamespaceId),
    /// Names have a length.
    #[error("name: must be 1 to {limit} bytes (got {value})")]
    NameLength {
        /// The most.
        limit: usize,
        /// What was given.
        value: usize,
    },
    /// Two names cannot be.
    #[error("name: must not be . or ..")]
    NameDots,
    /// A value is too long.
    #[error("value: at most {limit} bytes (got {value})")]
    ValueLength {
        /// The most.
        limit: usize,
        /// What was given.
        value: usize,
    },
    /// Metadata is too long.
    #[error("metadata: at most {limit} bytes (got {value})")]
    MetadataLength {
        /// The most.
        limit: usize,
        /// What was given.
        value: usize,
    },
    /// It would have expired already.
    #[error("expiration: {value} is past, it is {now}")]
    Expired {
        /// What was given, in seconds since 1970.
        value: u64,
        /// The time.
        now: u64,
    },
    /// One record is not what was written.
    #[error("record {0} was changed, moved, put back or damaged on the disk")]
    Damaged(RecordId),
    /// One record's key version was revoked, and the record not sealed anew since.
    #[error(
        "record {id} is sealed under key version {version}, which was revoked; rotate to read it"
    )]
    Revoked {
        /// The record.
        id: RecordId,
        /// The version.
        version: u32,
    },
    /// One record's key version was destroyed.
    #[error("record {id} is sealed under key version {version}, which was destroyed")]
    Destroyed {
        /// The record.
        id: RecordId,
        /// The version.
        version: u32,
    },
    /// The records of a namespace are not all those that were written last.
    #[error(
        "namespace {0} is not as it was left: records were put back, taken away or added on the \
         disk; restore the store, or name the namespace in kv.accept"
    )]
    Disagrees(NamespaceId),
    /// Nothing in the store opens under this keyring.
    #[error(
        "the store is of another keyring, or damaged throughout: restore what belongs together; to begin \
         anew, move the store away"
    )]
    Foreign,
    /// There is a store and no keyring.
    #[error(
        "there is a store and no keyring: restore the keyring that it was written under; to begin anew, \
         move the store away"
    )]
    Orphaned,
    /// The storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing can be sealed.
    #[error("nothing can be sealed now: {0}")]
    NotReady(#[from] NotReady),
}
