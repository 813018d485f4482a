//! An open store that is not written until it is repaired, and why.

use std::fmt;
use std::sync::Arc;

use crate::kv::engine::Salvage;

/// Why an open store is not written. One of the two is there, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOnlyReason {
    /// Its file is damaged, and its rows were salvaged.
    pub salvage: Option<Arc<Salvage>>,
    /// Commits that were acknowledged and are not in it.
    pub lost_commits: u64,
}

impl fmt::Display for ReadOnlyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(salvage) = &self.salvage {
            let Salvage { reason, lost_pages, restored_pages, found_rows, unpaired, .. } =
                &**salvage;
            write!(
                f,
                "its file is damaged ({reason}): {lost_pages} pages of it are lost, {restored_pages} restored; \
                 {found_rows} rows below lost pages were found; {} records are known to be incomplete",
                unpaired.len()
            )?;
        }
        if self.lost_commits > 0 {
            let and = if self.salvage.is_some() { "; " } else { "" };
            write!(f, "{and}its last {} acknowledged commits are missing", self.lost_commits)?;
        }
        Ok(())
    }
}
