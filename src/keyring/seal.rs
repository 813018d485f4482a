//! Seals: each keeps a *seal secret* of 32 bytes, under which the root key is stored.
//!
//! Changing the seal, its passphrase or its shares seals the same root key under a new secret and leaves all
//! data as it is.

mod contract;
mod error;
pub(crate) mod file;
pub(crate) mod passphrase;
pub(crate) mod shares;

use std::path::Path;

use crate::crypto::codec::Reader;
use crate::keyring::id::KEYRING_ID_BYTES;

pub use contract::SealChoice;
pub(crate) use contract::{NewSeal, Offered, Seal, SealContext, SealKind, UnsealPiece};
pub use error::SealError;

/// Makes a seal.
///
/// # Errors
/// When the choice is invalid, or the seal cannot be made.
pub(crate) fn make(choice: &SealChoice, context: &SealContext<'_>) -> Result<NewSeal, SealError> {
    match choice {
        SealChoice::File => file::make(context),
        SealChoice::Passphrase(passphrase) => passphrase::make(passphrase, context),
        SealChoice::Shares { threshold, count } => shares::make(*threshold, *count, context),
    }
}

/// The seal that the keyring's file names.
///
/// # Errors
/// When the number or the parameters are malformed.
pub(crate) fn read(
    number: u8,
    parameters: &[u8],
    id: &[u8; KEYRING_ID_BYTES],
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
