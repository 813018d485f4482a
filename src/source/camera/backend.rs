//! What each way of speaking to a camera offers.

use std::time::{Duration, Instant};

use crate::source::contract::SourceError;
use lavawall_entropy::Sample;

/// What a way of speaking to a camera owes; the rest of [`Source`](crate::source::contract::Source)'s contract is met above it.
pub(super) trait CameraBackend: Send {
    /// Fills `sample` with the next frame: exactly the bytes the camera gave for it, the driver's
    /// word on it, and a moment no later than the beginning of its exposure.
    ///
    /// # Errors
    /// [`SourceError::Timeout`] when none came by `deadline`; anything else when none will.
    fn frame(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError>;

    /// The time from one frame to the next.
    fn interval(&self) -> Duration;

    /// Holds what the camera would adjust by itself. Returns a note for each setting that it has
    /// and does not let go of.
    fn hold_settings(&mut self) -> Vec<String> {
        Vec::new()
    }
}
