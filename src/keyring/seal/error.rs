//! Errors of seals.

use std::io;
use std::path::PathBuf;

use crate::crypto::codec::Malformed;
use lavawall_entropy::NotReady;

/// A seal does not give its secret, or cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The passphrase is wrong.
    #[error("this is not the passphrase")]
    WrongPassphrase,
    /// A new passphrase is too short.
    #[error("the passphrase must have at least {limit} bytes (got {value})")]
    ShortPassphrase {
        /// The shortest.
        limit: usize,
        /// The given length.
        value: usize,
    },
    /// Letters are missing or wrong.
    #[error("not a share, or mistyped: the checksum does not match")]
    Mistyped,
    /// A share of another keyring, or of shares that were replaced.
    #[error("share {number} belongs to another keyring, or to shares that were replaced")]
    OtherSet {
        /// The number it carries.
        number: u8,
    },
    /// The same share again.
    #[error("share {number} was given already; {need} different ones are needed")]
    Repeated {
        /// The number it carries.
        number: u8,
        /// How many are needed.
        need: u8,
    },
    /// Well-formed, but not the share that was given out.
    #[error("share {number} is false: another was given out under this number")]
    False {
        /// The number it carries.
        number: u8,
    },
    /// The threshold or the count is out of range.
    #[error(
        "shares: needs 2 to {limit} shares, and 2 to that many to open (got {threshold} of {count})"
    )]
    ShareCount {
        /// The requested threshold.
        threshold: u8,
        /// The requested count.
        count: u8,
        /// The largest count.
        limit: u8,
    },
    /// A file seal takes no input.
    #[error("the seal is a file: nothing has to be entered")]
    NothingToEnter,
    /// The seal's file cannot be read or written.
    #[error("seal file {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The seal's file is readable by others.
    #[error("seal file {path} has mode {mode:03o}: others can read it; chmod 600 it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The seal's file belongs to another keyring.
    #[error("seal file {path} does not belong to this keyring")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The parameters in the keyring's file are malformed.
    #[error("the seal's parameters are damaged, or of a later version")]
    Parameters,
    /// No memory for Argon2id.
    #[error("stretching the passphrase needs {memory_kib} KiB of memory: {reason}")]
    Stretch {
        /// The memory it needs.
        memory_kib: u32,
        /// The reason.
        reason: String,
    },
    /// The generator refuses.
    #[error("no key can be made now: {0}")]
    NotReady(#[from] NotReady),
}

impl From<Malformed> for SealError {
    fn from(_: Malformed) -> Self {
        Self::Parameters
    }
}
