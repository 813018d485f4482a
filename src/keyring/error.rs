//! Errors of key operations.

use std::io;
use std::path::PathBuf;

use crate::audit::AuditError;
use crate::keyring::anchor::AnchorError;
use crate::keyring::format::FormatError;
use crate::keyring::id::NamespaceId;
use crate::keyring::seal::SealError;
use crate::keyring::transit::fault::TransitFault;
use lavawall_entropy::NotReady;

/// A key operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// No keyring exists yet.
    #[error("there is no keyring yet: run lavawall init")]
    Absent,
    /// There is one already.
    #[error("there is a keyring already; to change its seal, run lavawall rekey")]
    Present,
    /// It is sealed.
    #[error("the keyring is sealed: run lavawall unseal")]
    Sealed,
    /// It is not sealed.
    #[error("the keyring is already unsealed")]
    Unsealed,
    /// Two files have the same path.
    #[error("{path}: keyring, seal file, audit log and anchor each need a path of their own")]
    OnePlace {
        /// The path.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("keyring {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file is malformed.
    #[error("keyring {path} {error}")]
    Format {
        /// The file.
        path: PathBuf,
        /// The fault.
        error: FormatError,
    },
    /// The root key opens and the keyset does not; or the right secret does not open the root key.
    #[error("keyring {path} was changed or damaged: restore it from a copy of the same day")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Not enough pieces to prove that the holders agree.
    #[error("this needs what opens the seal: {have} of {need} pieces were given")]
    Unproved {
        /// Pieces given.
        have: u8,
        /// Pieces needed.
        need: u8,
    },
    /// The change is in effect, but a later step failed: another try would apply it again.
    #[error("applied, but not durably recorded: {0}")]
    Incomplete(Box<Self>),
    /// No such prepared seal.
    #[error("this seal was not prepared, or is no longer valid: begin again")]
    Unprepared,
    /// The seal is changed, and the old seal's file cannot be removed or rewritten.
    #[error(
        "the seal is changed, but seal file {path} could not be cleaned up and may still contain the old \
         secret: {error}"
    )]
    LeftBehind {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The anchor. No key is changed while it cannot be written.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The audit log cannot be written. When the operation also failed for another reason, that one is not
    /// reported.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The generator refuses.
    #[error("no key can be made now: {0}")]
    NotReady(#[from] NotReady),
    /// No such namespace.
    #[error("there is no namespace {0}")]
    UnknownNamespace(NamespaceId),
    /// Titles are unique.
    #[error("a namespace with this title exists already")]
    TitleTaken,
    /// The title is empty or too long.
    #[error("title: must be 1 to {limit} bytes (got {value})")]
    Title {
        /// The limit.
        limit: usize,
        /// The given length.
        value: usize,
    },
    /// A title with control characters, which could steer a terminal.
    #[error("title: must have no control characters (letter {place} is U+{letter:04X})")]
    TitleControl {
        /// The letter's position, from 1.
        place: usize,
        /// Its code point.
        letter: u32,
    },
    /// No such key version.
    #[error("namespace {namespace} has no key version {version}")]
    UnknownVersion {
        /// The namespace.
        namespace: NamespaceId,
        /// The requested number.
        version: u32,
    },
    /// The key version was destroyed before.
    #[error("key version {version} of namespace {namespace} was destroyed: it opens nothing")]
    DestroyedVersion {
        /// The namespace.
        namespace: NamespaceId,
        /// The number.
        version: u32,
    },
    /// The version that seals cannot be revoked or destroyed.
    #[error("key version {version} is the active one: rotate first")]
    ActiveVersion {
        /// The number.
        version: u32,
    },
    /// A key that callers use by name does not allow it.
    #[error(transparent)]
    Transit(#[from] TransitFault),
    /// A limit is reached.
    #[error("{what}: at most {limit}")]
    TooMany {
        /// The things that are limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl KeyringError {
    /// Whether the operation with this result is in effect.
    pub fn took_effect<T>(result: &Result<T, Self>) -> bool {
        matches!(result, Ok(_) | Err(Self::Incomplete(_) | Self::LeftBehind { .. }))
    }
}
