//! What a source's noise was measured with: all that must be the same for a measurement to hold.

use serde::{Deserialize, Serialize};

use crate::sample::PixelFormat;
use crate::source::{Facts, Spec};

/// Distance between two pixels that are looked at, each way (`health::frames`).
const GRID: &str = "every 4th pixel each way, non-overlapping pairs of frames";

/// What a source is, how it is set, and what one symbol of it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Setup {
    /// The `type` of its configuration.
    #[serde(rename = "type")]
    pub source_type: String,
    /// The device's identity, where it has one.
    pub device: Option<String>,
    /// How the device codes what it gives: a pixel format, `bytes` or `deltas`.
    pub format: String,
    /// Width and height in pixels, of pictures.
    pub resolution: Option<[u32; 2]>,
    /// Every other setting, and what the device would not have set.
    pub settings: String,
    /// Which part of a picture is looked at.
    pub grid: Option<String>,
    /// What one symbol is.
    pub symbol: String,
}

impl Setup {
    /// The setup of a source that is configured like this and, once opened, says this of itself.
    #[must_use]
    pub fn of(spec: &Spec, facts: &Facts) -> Self {
        let (format, resolution, mut settings) = settings(spec);
        for note in &facts.notes {
            settings.push_str("; ");
            settings.push_str(note);
        }
        let is_picture = resolution.is_some() || matches!(spec, Spec::Replay(_));
        let symbol = match spec {
            Spec::Jitter(_) => "the low eight bits of a timing difference in nanoseconds",
            _ if is_picture => {
                "the low eight bits of the difference in luma of one active pixel between the two \
                 frames of a pair"
            }
            _ => "one byte as the device gave it",
        };
        Self {
            source_type: spec.type_name().to_owned(),
            device: facts.identity.clone(),
            format: format.to_owned(),
            resolution,
            settings,
            grid: is_picture.then(|| GRID.to_owned()),
            symbol: symbol.to_owned(),
        }
    }

    /// The first thing in which `now` is not as it was measured, in words.
    #[must_use]
    pub fn differs(&self, now: &Self) -> Option<String> {
        let told = |what: &str, was: &dyn std::fmt::Debug, is: &dyn std::fmt::Debug| {
            format!("{what} was {was:?}, now it is {is:?}")
        };
        if self.device != now.device {
            return Some(told("the device", &self.device, &now.device));
        }
        if self.format != now.format {
            return Some(told("the format", &self.format, &now.format));
        }
        if self.resolution != now.resolution {
            return Some(told("the resolution", &self.resolution, &now.resolution));
        }
        if self.settings != now.settings {
            return Some(told("the settings were", &self.settings, &now.settings));
        }
        (self != now).then(|| "another kind of symbol was measured".to_owned())
    }
}

/// Format, resolution and everything else that is set.
fn settings(spec: &Spec) -> (&'static str, Option<[u32; 2]>, String) {
    match spec {
        Spec::Camera(it) => {
            let held = if it.lock_settings { "held" } else { "as the camera likes" };
            let settings = format!(
                "{} at {} frames a second through {:?}, exposure and gain {held}",
                it.device, it.fps, it.backend
            );
            (pixels(it.format), Some([it.width, it.height]), settings)
        }
        Spec::Rendered(it) => {
            ("yuyv", Some([it.width, it.height]), format!("{} frames a second", it.fps))
        }
        Spec::Replay(it) => ("recording", None, it.path.display().to_string()),
        Spec::Jitter(_) => ("deltas", None, "64 reads in 128 KiB a delta".to_owned()),
        Spec::Os(_) | Spec::Cpu(_) => ("bytes", None, String::new()),
        Spec::Hwrng(it) => ("bytes", None, it.device.display().to_string()),
        Spec::Tpm(it) => ("bytes", None, it.device.display().to_string()),
        Spec::Serial(it) => {
            let settings =
                format!("{} baud {:?} start {:?}", it.device.display(), it.baud, it.start);
            ("bytes", None, settings)
        }
    }
}

fn pixels(format: PixelFormat) -> &'static str {
    match format {
        PixelFormat::Yuyv => "yuyv",
        PixelFormat::Grey => "grey",
        PixelFormat::Mjpeg => "mjpeg",
    }
}
