//! The contract of a recording format.

use std::time::Duration;

use lavawall_entropy::Sample;

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
    fn interval(&self) -> Option<Duration> {
        None
    }
}
