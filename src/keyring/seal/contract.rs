//! The contract of a seal, and the types that all seals share.

use std::fmt;
use std::io;
use std::path::Path;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::crypto::key::Key;
use crate::keyring::id::KEYRING_ID_BYTES;
use crate::keyring::seal::error::SealError;
use crate::keyring::seal::shares::share_text::Share;
use lavawall_entropy::Generator;

/// A passphrase or a share, as it was entered.
pub(crate) type UnsealPiece = Zeroizing<Vec<u8>>;

/// Keeps the seal secret. A seal for a security chip is another implementation of this trait.
///
/// A seal MUST return the same secret as long as its parameters are the same, MUST NOT store the secret
/// in clear beside the keyring's file, unless its name says so, and MUST drop the pieces that it was given
/// on `forget`.
pub(crate) trait Seal: Send + Sync {
    /// Its kind.
    fn kind(&self) -> SealKind;

    /// Its parameters in the keyring's file. Not secret.
    fn parameters(&self) -> Vec<u8>;

    /// The secret, if the seal stores it: no input is needed.
    ///
    /// # Errors
    /// When it should be stored and is not.
    fn stored_secret(&self) -> Result<Option<Key>, SealError> {
        Ok(None)
    }

    /// Takes a passphrase, or one of several shares.
    ///
    /// # Errors
    /// When the piece is wrong; earlier pieces still count.
    fn offer(&mut self, piece: &[u8]) -> Result<Offered, SealError>;

    /// The numbers of pieces that it was given and needs.
    fn pieces(&self) -> (u8, u8);

    /// Drops the pieces that it was given.
    fn forget(&mut self) {}

    /// Removes an earlier seal's secret: the keyring's file names this seal now.
    ///
    /// # Errors
    /// The system's error.
    fn settle(&self) -> io::Result<()> {
        Ok(())
    }

    /// Removes this seal's secret: the keyring's file names another kind of seal now.
    ///
    /// # Errors
    /// The system's error.
    fn retire(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The result of giving a piece to a seal.
#[derive(Debug)]
pub(crate) enum Offered {
    /// The seal secret, as far as the seal can check it.
    Complete(Key),
    /// More pieces are needed.
    More {
        /// The number of pieces given.
        have: u8,
        /// The number of pieces needed.
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
    /// Shares, of which a threshold is needed.
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

/// A seal that is to be made.
pub enum SealChoice {
    /// A file: unseals at every start without input.
    File,
    /// This passphrase.
    Passphrase(Zeroizing<Vec<u8>>),
    /// `threshold` of `count` shares.
    Shares {
        /// The number of shares needed.
        threshold: u8,
        /// The number of shares made.
        count: u8,
    },
}

impl fmt::Display for SealChoice {
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

/// The keyring that a seal is made for.
pub(crate) struct SealContext<'a> {
    /// Draws keys, identifiers and salts.
    pub generator: &'a Generator,
    /// The keyring's identifier.
    pub id: &'a [u8; KEYRING_ID_BYTES],
    /// The file of a file seal.
    pub seal_file: &'a Path,
    /// The parameters of the file seal in use, if there is one: its secret must stay until the keyring's
    /// file names another seal.
    pub in_use: Option<&'a [u8]>,
}

/// A new seal, its secret, and its shares.
pub(crate) struct NewSeal {
    /// The seal.
    pub seal: Box<dyn Seal>,
    /// Its secret.
    pub secret: Key,
    /// The shares to give out, once; empty for other seals.
    pub shares: Vec<Share>,
}
