//! The contract of a recording format.

use std::time::Duration;

use lavawall_entropy::Sample;

/// The most seconds between two frames of a recording.
pub(super) const SLOWEST_SECONDS: u64 = 60;

/// A recording that has been opened.
pub(super) trait Recording: Send {
    /// The next frame; false at the end.
    ///
    /// # Errors
    /// The fault of the recording.
    fn next(&mut self, sample: &mut Sample) -> Result<bool, String>;

    /// Back to the first frame.
    fn rewind(&mut self) -> Result<(), String>;

    /// The time between frames, if the recording says.
    ///
    /// # Errors
    /// When it cannot be played at its own rate.
    fn interval(&self) -> Result<Option<Duration>, String> {
        Ok(None)
    }
}
