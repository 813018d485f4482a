//! Seals: what keeps the root key closed, and what opens it again.
//!
//! A seal keeps a *seal secret* of 32 bytes; the root key is stored sealed under it. Changing the
//! seal, or its passphrase or shares, seals the same root key anew and touches no data.

pub mod file;
pub mod passphrase;
pub mod shares;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::crypto::aead::Key;
use crate::crypto::codec::{Malformed, Reader};
use lavawall_entropy::{Generator, NotReady};
use shares::Share;

/// The size of a keyring's identifier in bytes.
pub const ID_BYTES: usize = 16;

/// Keeps the seal secret. A seal for a security chip is another implementation of this.
///
/// A seal MUST give the same secret for as long as its parameters are the same, MUST NOT store the
/// secret where the keyring's file is stored in clear, unless it says so by its name, and MUST
/// forget what it was offered when told to.
pub trait Seal: Send + Sync {
    /// Which one it is.
    fn kind(&self) -> SealKind;

    /// What the keyring's file says of it. Not secret.
    fn parameters(&self) -> Vec<u8>;

    /// The secret, if nobody has to be asked for it.
    ///
    /// # Errors
    /// When it should be there and is not.
    fn open_alone(&self) -> Result<Option<Key>, SealError> {
        Ok(None)
    }

    /// Takes a passphrase, or one of several shares.
    ///
    /// # Errors
    /// What is wrong with it; pieces that were offered before still count.
    fn offer(&mut self, piece: &[u8]) -> Result<Offered, SealError>;

    /// How many pieces it was offered, and how many it needs.
    fn pieces(&self) -> (u8, u8);

    /// Forgets what was offered.
    fn forget(&mut self) {}

    /// The keyring's file names this seal now: nothing of an earlier one is needed any more.
    ///
    /// # Errors
    /// What the system said.
    fn settle(&self) -> io::Result<()> {
        Ok(())
    }

    /// The keyring's file names another kind of seal now.
    ///
    /// # Errors
    /// What the system said.
    fn retire(&self) -> io::Result<()> {
        Ok(())
    }
}

/// What an offer led to.
#[derive(Debug)]
pub enum Offered {
    /// The seal secret, as far as the seal can tell.
    Opened(Key),
    /// More is needed.
    More {
        /// Pieces there are.
        have: u8,
        /// Pieces there must be.
        need: u8,
    },
}

/// The kinds of seal, by their number on disk. 4 is kept for a TPM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum SealKind {
    /// A file beside the keyring.
    File = 1,
    /// A passphrase.
    Passphrase = 2,
    /// Shares, of which a number must come together.
    Shares = 3,
}

impl fmt::Display for SealKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::File => "file",
            Self::Passphrase => "passphrase",
            Self::Shares => "shares",
        })
    }
}

/// Which seal to make.
pub enum Choice {
    /// A file: opens at every start without anyone.
    File,
    /// This passphrase.
    Passphrase(Zeroizing<Vec<u8>>),
    /// `threshold` of `count` shares.
    Shares {
        /// How many open it.
        threshold: u8,
        /// How many there are.
        count: u8,
    },
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => write!(f, "{}", SealKind::File),
            Self::Passphrase(_) => write!(f, "{}", SealKind::Passphrase),
            Self::Shares { threshold, count } => {
                write!(f, "{}, {threshold} of {count}", SealKind::Shares)
            }
        }
    }
}

/// Why a seal does not open, or cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The passphrase is another.
    #[error("this is not the passphrase")]
    WrongPassphrase,
    /// A new passphrase is too short.
    #[error("the passphrase must have at least {limit} bytes (got {value})")]
    ShortPassphrase {
        /// The least.
        limit: usize,
        /// What was given.
        value: usize,
    },
    /// Letters are missing or wrong.
    #[error("this is no share, or it is mistyped: its checksum does not fit")]
    Mistyped,
    /// A share that was never for this keyring, or is so no longer.
    #[error("share {number} is of another keyring, or of shares that were replaced")]
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
    /// Well-formed, and not what was handed out.
    #[error("share {number} is false: it is not what was handed out under this number")]
    False {
        /// The number it carries.
        number: u8,
    },
    /// Numbers of shares that make no sense.
    #[error(
        "shares: needs 2 to {limit} shares, and 2 to that many to open (got {threshold} of {count})"
    )]
    ShareCount {
        /// How many should open it.
        threshold: u8,
        /// How many there should be.
        count: u8,
        /// The most there can be.
        limit: u8,
    },
    /// The file seal opens by itself.
    #[error("the seal is a file: nothing has to be entered")]
    NothingToEnter,
    /// The seal's file cannot be read or written.
    #[error("seal file {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
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
    /// The seal's file is not that of this keyring.
    #[error("seal file {path} does not belong to this keyring")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The parameters in the keyring's file are none of ours.
    #[error("the seal's parameters are damaged, or of a later version")]
    Parameters,
    /// No memory for Argon2id.
    #[error("stretching the passphrase needs {memory_kib} KiB of memory: {reason}")]
    Stretch {
        /// What it needs.
        memory_kib: u32,
        /// What went wrong.
        reason: String,
    },
    /// The generator gives nothing.
    #[error("no key can be made now: {0}")]
    NotReady(#[from] NotReady),
}

impl From<Malformed> for SealError {
    fn from(_: Malformed) -> Self {
        Self::Parameters
    }
}

/// What a seal needs to know of its keyring.
pub struct Surroundings<'a> {
    /// Draws secrets.
    pub generator: &'a Generator,
    /// The keyring's identifier.
    pub id: &'a [u8; ID_BYTES],
    /// Where a file seal keeps its secret.
    pub seal_file: &'a Path,
    /// The parameters of the file seal that is in use, if one is: its secret must stay until the
    /// keyring's file names another seal.
    pub in_use: Option<&'a [u8]>,
}

/// A new seal, its secret, and what its holders get.
pub struct Made {
    /// The seal.
    pub seal: Box<dyn Seal>,
    /// The secret that it keeps.
    pub secret: Key,
    /// To be handed out, once; empty for other seals.
    pub shares: Vec<Share>,
}

/// Makes a seal.
///
/// # Errors
/// Names what is wrong with the choice.
pub fn make(choice: &Choice, around: &Surroundings<'_>) -> Result<Made, SealError> {
    match choice {
        Choice::File => file::make(around),
        Choice::Passphrase(passphrase) => passphrase::make(passphrase, around),
        Choice::Shares { threshold, count } => shares::make(*threshold, *count, around),
    }
}

/// The seal that the keyring's file names.
///
/// # Errors
/// When the number or the parameters are none of ours.
pub fn read(
    number: u8,
    parameters: &[u8],
    id: &[u8; ID_BYTES],
    seal_file: &Path,
) -> Result<Box<dyn Seal>, SealError> {
    let mut from = Reader::of(parameters);
    let seal: Box<dyn Seal> = match number {
        n if n == SealKind::File as u8 => Box::new(file::FileSeal::read(&mut from, id, seal_file)?),
        n if n == SealKind::Passphrase as u8 => {
            Box::new(passphrase::PassphraseSeal::read(&mut from)?)
        }
        n if n == SealKind::Shares as u8 => Box::new(shares::SharesSeal::read(&mut from, id)?),
        _ => return Err(SealError::Parameters),
    };
    from.end()?;
    Ok(seal)
}
