//! Records and checks the store's commit count in the anchor.

use crate::keyring::anchor::{Anchor, AnchorError};
use crate::keyring::error::KeyringError;
use crate::keyring::handle::Keyring;

impl Keyring {
    /// Checks that the store's commit count is not less than the anchor's.
    ///
    /// # Errors
    /// [`AnchorError::RolledBack`], or when the keyring is not unsealed.
    pub fn check_commits(&self, commits: u64) -> Result<(), KeyringError> {
        let known = self.state.write().unsealed()?.anchor.commits;
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

    /// Records the store's commit count in the anchor, if there is one.
    ///
    /// # Errors
    /// When the anchor cannot be written, or the keyring is not unsealed.
    pub fn anchor_commits(&self, commits: u64) -> Result<(), KeyringError> {
        let mut state = self.state.write();
        let unsealed = state.unsealed()?;
        if commits <= unsealed.anchor.commits && !unsealed.is_anchor_due {
            return Ok(());
        }
        let anchor = Anchor { commits: commits.max(unsealed.anchor.commits), ..unsealed.anchor };
        self.write_anchor(&anchor)?;
        // Only now: a write that failed must be tried again.
        (unsealed.anchor, unsealed.is_anchor_due) = (anchor, false);
        Ok(())
    }
}
