//! The settings of a source that a calibration is bound to.

use lavawall_entropy::PixelFormat;

/// A source's settings, which must be unchanged for a calibration to hold. These texts are in
/// calibration files: a changed word invalidates existing calibrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupFacts {
    /// How the device codes its samples: a pixel format, `bytes`, `deltas` or `recording`.
    pub format: &'static str,
    /// Width and height in pixels, of pictures.
    pub resolution: Option<[u32; 2]>,
    /// Every other setting.
    pub settings: String,
}

impl SetupFacts {
    /// Samples without a resolution.
    #[must_use]
    pub fn new(format: &'static str, settings: String) -> Self {
        Self { format, resolution: None, settings }
    }

    /// Bytes of a generator.
    #[must_use]
    pub fn bytes(settings: String) -> Self {
        Self::new("bytes", settings)
    }

    /// Pictures of this format and size.
    #[must_use]
    pub fn frames(format: PixelFormat, resolution: [u32; 2], settings: String) -> Self {
        let format = match format {
            PixelFormat::Yuyv => "yuyv",
            PixelFormat::Grey => "grey",
            PixelFormat::Mjpeg => "mjpeg",
        };
        Self { format, resolution: Some(resolution), settings }
    }
}
