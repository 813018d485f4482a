//! The progress of the scrub.

use std::time::SystemTime;

use crate::keyring::NamespaceId;
use crate::kv::name::RecordName;

/// The progress of the scrub.
#[derive(Debug, Clone, Default)]
pub struct ScrubProgress {
    /// Records that were read in this round.
    pub checked: u64,
    /// When the last round was completed.
    pub completed: Option<SystemTime>,
    /// The namespace and name of the last record that was read; no name once the whole namespace was.
    pub(crate) after: Option<(NamespaceId, Option<RecordName>)>,
}
