//! The contract of a camera back end.

use std::time::{Duration, Instant};

use crate::source::contract::SourceError;
use lavawall_entropy::Sample;

/// A way of speaking to a camera; the rest of [`Source`](crate::source::contract::Source)'s contract is met above it.
pub(super) trait CameraBackend: Send {
    /// Fills `sample` with the next frame: exactly its bytes, the driver's report on it, and a time no
    /// later than the beginning of its exposure.
    ///
    /// # Errors
    /// [`SourceError::Timeout`] when none came by `deadline`; any other error when none will.
    fn frame(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError>;

    /// The time from one frame to the next.
    fn interval(&self) -> Duration;

    /// Tells the camera the frequency of the mains in Hz; `None`: to find it. Returns a note when it
    /// has such a setting and does not take the value.
    fn set_power_line(&mut self, hz: Option<u32>) -> Option<String> {
        let _ = hz;
        None
    }

    /// Locks the settings that the camera adjusts by itself. Returns a note for each that cannot be
    /// locked.
    fn hold_settings(&mut self) -> Vec<String> {
        Vec::new()
    }
}
