//! What goes wrong with keys.

use std::io;
use std::path::PathBuf;

use crate::audit::AuditError;
use crate::keyring::anchor::AnchorError;
use crate::keyring::format::LayoutError;
use crate::keyring::keyset::NamespaceId;
use crate::keyring::seal::SealError;
use lavawall_entropy::NotReady;

/// Why a key operation was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// There is no keyring yet.
    #[error("there is no keyring yet: run lavawall init")]
    Absent,
    /// There is one already.
    #[error("there is a keyring already; to change its seal, run lavawall rekey")]
    Present,
    /// It is sealed.
    #[error("the keyring is sealed: run lavawall unseal")]
    Sealed,
    /// It is not sealed.
    #[error("the keyring is open already")]
    Open,
    /// Two files in one place.
    #[error("{path}: keyring, seal file, audit log and anchor each need a place of their own")]
    OnePlace {
        /// The place.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("keyring {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is not what it should be.
    #[error("keyring {path} {error}")]
    Layout {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: LayoutError,
    },
    /// The root key opens, and what it sealed does not; or the right secret does not open the root
    /// key.
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
    /// It is done all the same: another try would do it again.
    #[error("this is done, and may not be known, or not be there, after a crash: {0}")]
    Incomplete(Box<Self>),
    /// No such seal waits to be put in force.
    #[error("this seal was not prepared, or no longer counts: begin again")]
    Unprepared,
    /// The seal is changed, and the file of the one before it cannot be removed or put in order.
    #[error(
        "the seal is changed; seal file {path} could not be put in order, and may still hold what opened \
         the keyring before: {error}"
    )]
    LeftBehind {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The anchor. No key is changed while it cannot be written.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The audit log cannot be written. When this follows an operation that fails for another reason,
    /// that one is not told.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The generator gives nothing.
    #[error("no key can be made now: {0}")]
    NotReady(#[from] NotReady),
    /// No such namespace.
    #[error("there is no namespace {0}")]
    UnknownNamespace(NamespaceId),
    /// Two namespaces cannot have one title.
    #[error("a namespace with this title exists already")]
    TitleTaken,
    /// The title is empty or too long.
    #[error("title: must be 1 to {limit} bytes (got {value})")]
    Title {
        /// The most.
        limit: usize,
        /// What was given.
        value: usize,
    },
    /// A title that could steer a terminal.
    #[error("title: must have no control characters (letter {place} is U+{letter:04X})")]
    TitleControl {
        /// Which letter, from 1.
        place: usize,
        /// Its code point.
        letter: u32,
    },
    /// No such key version.
    #[error("namespace {namespace} has no key version {version}")]
    UnknownVersion {
        /// The namespace.
        namespace: NamespaceId,
        /// The number asked for.
        version: u32,
    },
    /// The version that seals cannot be revoked or destroyed.
    #[error("key version {version} is the active one: rotate first")]
    ActiveVersion {
        /// The number.
        version: u32,
    },
    /// There are too many.
    #[error("{what}: at most {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most.
        limit: usize,
    },
}

impl KeyringError {
    /// Whether what came to `result` is in effect.
    pub fn took_effect<T>(result: &Result<T, Self>) -> bool {
        matches!(result, Ok(_) | Err(Self::Incomplete(_) | Self::LeftBehind { .. }))
    }
}
