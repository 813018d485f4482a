//! Reading the keyring's file.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::Path;

use crate::durable;
use crate::keyring::anchor;
use crate::keyring::anchor::AnchorError;
use crate::keyring::error::KeyringError;
use crate::keyring::format::FormatError;
use crate::keyring::paths::Places;

/// The most bytes that are read: 1,000 namespaces of 4,096 versions would be more, and no keyring of ours
/// is that large.
const FILE_LIMIT: u64 = 256 << 20;

/// The keyring's file; `None` when there is none.
pub(crate) fn read_file(places: &Places) -> Result<Option<Vec<u8>>, KeyringError> {
    let path = &places.keyring;
    let failed = |error| KeyringError::File { path: path.clone(), error };
    match durable::open(path, OpenOptions::new().read(true)) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
            if bytes.len() as u64 > FILE_LIMIT {
                return Err(KeyringError::Format {
                    path: path.clone(),
                    error: FormatError::Foreign,
                });
            }
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match &places.anchor {
            Some(anchor) => check_removed(anchor).map(|()| None),
            None => Ok(None),
        },
        Err(error) => Err(failed(error)),
    }
}

/// An anchor without its keyring: the keyring's file was removed.
fn check_removed(path: &Path) -> Result<(), KeyringError> {
    match anchor::read(path)? {
        None => Ok(()),
        Some(anchor) => Err(AnchorError::RolledBack {
            what: "keyring",
            path: path.to_owned(),
            found: 0,
            known: anchor.counter,
        }
        .into()),
    }
}
