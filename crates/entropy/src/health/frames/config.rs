//! The configuration of the frame tests.

/// Which frame tests apply to a source, and whether its noise counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramesConfig {
    /// Whether the noise is credited. Only the noise of a live camera may be.
    pub credited: bool,
    /// Whether a picture that was seen before is a fault: true for a camera, false for a recording
    /// that is played on purpose.
    pub remember: bool,
}
