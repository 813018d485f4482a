//! Errors of the store.

use crate::keyring::{KeyringError, NamespaceId};
use crate::kv::engine::StorageError;
use crate::kv::quota::QuotaExceeded;
use crate::kv::record_id::RecordId;
use lavawall_entropy::NotReady;

/// A read or a write failed. Contains no name and no value.
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
    /// The name is empty or too long.
    #[error("name: must be 1 to {limit} bytes (got {value})")]
    NameLength {
        /// The limit.
        limit: usize,
        /// The given length.
        value: usize,
    },
    /// The name is `.` or `..`.
    #[error("name: must not be . or ..")]
    NameDots,
    /// A value is too long.
    #[error("value: at most {limit} bytes (got {value})")]
    ValueLength {
        /// The limit.
        limit: usize,
        /// The given length.
        value: usize,
    },
    /// The answer needs more memory than the reader has.
    #[error("the answer needs {bytes} bytes of memory")]
    NeedsMemory {
        /// Enough for it.
        bytes: usize,
    },
    /// Metadata is too long.
    #[error("metadata: at most {limit} bytes (got {value})")]
    MetadataLength {
        /// The limit.
        limit: usize,
        /// The given length.
        value: usize,
    },
    /// The record would be expired already.
    #[error("expiration: {value} is past, it is {now}")]
    Expired {
        /// The given expiry, in seconds since 1970.
        value: u64,
        /// The time.
        now: u64,
    },
    /// A record is not as it was written.
    #[error("record {0} was changed, moved, rolled back or damaged on the disk")]
    Damaged(RecordId),
    /// A record's key version was revoked, and the record is not resealed yet.
    #[error(
        "record {id} is sealed under key version {version}, which was revoked; rotate to read it"
    )]
    Revoked {
        /// The record.
        id: RecordId,
        /// The version.
        version: u32,
    },
    /// A record's key version was destroyed.
    #[error("record {id} is sealed under key version {version}, which was destroyed")]
    Destroyed {
        /// The record.
        id: RecordId,
        /// The version.
        version: u32,
    },
    /// A record's key version is later than all that the keyring has.
    #[error(
        "record {id} is sealed under key version {version}, which is not in the keyring: an older copy of the \
         keyring is in use, or the record was changed on the disk"
    )]
    UnknownVersion {
        /// The record.
        id: RecordId,
        /// The version.
        version: u32,
    },
    /// The records of a namespace do not agree with its multiset hash.
    #[error(
        "namespace {0} does not agree with its hash: records were rolled back, removed or added on the \
         disk; restore the store, or name the namespace in kv.accept"
    )]
    Disagrees(NamespaceId),
    /// A later version of the program wrote the store.
    #[error(
        "the store has format {found}; this version reads format {known}: start the version that wrote it, \
         or restore a copy from before the update"
    )]
    LaterFormat {
        /// The format of the store.
        found: u32,
        /// The format that this version reads.
        known: u32,
    },
    /// Nothing in the store opens under this keyring.
    #[error(
        "the store belongs to another keyring, or all of it is damaged: restore the keyring and the store \
         from copies that belong together; to start empty, move the store away"
    )]
    Foreign,
    /// The store is not written until it is repaired.
    #[error("the store is read-only until it is repaired with: lavawall kv repair; {0}")]
    ReadOnly(String),
    /// Other nodes wrote the same records each time that it was tried.
    #[error("other nodes write the same records now; try again")]
    Contended,
    /// The owner of the namespace would keep more than it may.
    #[error("{}: at most {} (would be {})", .0.field, .0.most, .0.wanted)]
    Quota(QuotaExceeded),
    /// There is nothing to repair.
    #[error("the store is sound and needs no repair")]
    Sound,
    /// There is a store and no keyring.
    #[error(
        "there is a store and no keyring: restore the keyring of the store; to start empty, move the store \
         away"
    )]
    Orphaned,
    /// The storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The generator refuses.
    #[error("nothing can be sealed now: {0}")]
    NotReady(#[from] NotReady),
}
