//! The files of a keyring.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::keyring::error::KeyringError;

/// Where a keyring's files are.
#[derive(Debug, Clone)]
pub struct Places {
    /// The keyring's own file.
    pub keyring: PathBuf,
    /// The file of a file seal.
    pub seal_file: PathBuf,
    /// The audit log.
    pub audit: PathBuf,
    /// The anchor, on another disk or machine than the keyring and the store.
    pub anchor: Option<PathBuf>,
}

impl Places {
    /// Refuses two files at one path: one would overwrite the other, and all keys would be lost.
    pub(crate) fn check(&self) -> Result<(), KeyringError> {
        let all =
            [Some(&self.keyring), Some(&self.seal_file), Some(&self.audit), self.anchor.as_ref()];
        let mut seen = BTreeSet::new();
        for path in all.into_iter().flatten() {
            let place = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            if !seen.insert(place) {
                return Err(KeyringError::OnePlace { path: path.clone() });
            }
        }
        Ok(())
    }
}
