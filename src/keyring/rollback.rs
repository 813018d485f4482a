//! What the anchor is told of the store, and asked.

use crate::keyring::anchor;
use crate::keyring::anchor::{AnchorError, Mark};
use crate::keyring::{Keyring, KeyringError};

impl Keyring {
    /// The store says that it has been written `commits` times: is that not less than the anchor
    /// knows of?
    ///
    /// # Errors
    /// [`AnchorError::RolledBack`], or when the keyring is not open.
    pub fn check_store(&self, commits: u64) -> Result<(), KeyringError> {
        let mut state = self.write();
        let known = state.open()?.mark.commits;
        match &self.places.anchor {
            Some(path) if commits < known => Err(AnchorError::RolledBack {
                what: "store",
                path: path.clone(),
                found: commits,
                known,
            }
            .into()),
            _ => Ok(()),
        }
    }

    /// Writes down, in the anchor if there is one, that the store has been written so often.
    ///
    /// # Errors
    /// When the anchor cannot be written, or the keyring is not open.
    pub fn mark_store(&self, commits: u64) -> Result<(), KeyringError> {
        let mut state = self.write();
        let open = state.open()?;
        if commits <= open.mark.commits && !open.is_mark_due {
            return Ok(());
        }
        let mark = Mark { commits: commits.max(open.mark.commits), ..open.mark };
        self.write_anchor(&mark)?;
        // Only now: what could not be written must be tried again.
        (open.mark, open.is_mark_due) = (mark, false);
        Ok(())
    }

    /// Replaces the anchor, if there is to be one.
    pub(crate) fn write_anchor(&self, mark: &Mark) -> Result<(), AnchorError> {
        self.places.anchor.as_ref().map_or(Ok(()), |path| anchor::write(path, mark))
    }
}
