//! What a source's noise was measured with: all that must be the same for a measurement to hold.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::source::{Facts, Spec, jitter};
use lavawall_entropy::{FRAME_STEP, PixelFormat};

/// What a source is, how it is set, and what one symbol of it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Setup {
    /// The `type` of its configuration.
    #[serde(rename = "type")]
    pub source_type: String,
    /// The device's identity, or the processor, where the source knows it.
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

/// The first thing that is not as it was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Which: `device`, `format`, `resolution`, …
    pub field: &'static str,
    /// What it was measured with.
    pub measured: String,
    /// What it is now.
    pub now: String,
}

impl Setup {
    /// The setup of a source that is configured like this and, once opened, says this of itself.
    #[must_use]
    pub fn of(spec: &Spec, facts: &Facts) -> Self {
        let set = Set::of(spec);
        let mut settings = set.other;
        for note in &facts.notes {
            settings.push_str("; ");
            settings.push_str(note);
        }
        Self {
            source_type: spec.type_name().to_owned(),
            device: facts.identity.clone(),
            format: set.format.to_owned(),
            resolution: set.resolution,
            settings,
            grid: is_picture(spec).then(grid),
            symbol: symbol(spec).to_owned(),
        }
    }

    /// The first thing in which `now` is not as it was measured.
    ///
    /// # Errors
    /// Names it, with both values.
    pub fn check(&self, now: &Self) -> Result<(), Mismatch> {
        let was = self.fields();
        let differs = |(was, now): &((_, String), (_, String))| was != now;
        match was.into_iter().zip(now.fields()).find(differs) {
            None => Ok(()),
            Some(((field, measured), (_, now))) => Err(Mismatch { field, measured, now }),
        }
    }

    fn fields(&self) -> [(&'static str, String); 7] {
        let resolution = self.resolution.map(|[width, height]| format!("{width}x{height}"));
        let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        [
            ("type", self.source_type.clone()),
            ("device", or_none(&self.device)),
            ("format", self.format.clone()),
            ("resolution", or_none(&resolution)),
            ("settings", self.settings.clone()),
            ("grid", or_none(&self.grid)),
            ("symbol", self.symbol.clone()),
        ]
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, measured, now } = self;
        write!(f, "{field}: measured with {measured:?}, now {now:?}")
    }
}

fn is_picture(spec: &Spec) -> bool {
    matches!(spec, Spec::Camera(_) | Spec::Rendered(_) | Spec::Replay(_))
}

fn grid() -> String {
    format!("every {FRAME_STEP}th pixel each way, non-overlapping pairs of frames")
}

fn symbol(spec: &Spec) -> &'static str {
    match spec {
        Spec::Camera(_) | Spec::Rendered(_) | Spec::Replay(_) => {
            "low eight bits of the difference in luma of one active pixel between the two frames \
             of a pair"
        }
        Spec::Jitter(_) => "low eight bits of a timing difference in nanoseconds",
        Spec::Os(_) | Spec::Cpu(_) | Spec::Hwrng(_) | Spec::Tpm(_) | Spec::Serial(_) => {
            "one byte as the device gave it"
        }
    }
}

/// What is set of a source.
struct Set {
    format: &'static str,
    resolution: Option<[u32; 2]>,
    other: String,
}

impl Set {
    fn of(spec: &Spec) -> Self {
        let bytes = |other| Self { format: "bytes", resolution: None, other };
        match spec {
            Spec::Camera(it) => {
                let held = if it.lock_settings { "held" } else { "as the camera likes" };
                let other = format!(
                    "{} at {} frames a second through {}, exposure and gain {held}",
                    it.device,
                    it.fps,
                    it.backend.name()
                );
                let resolution = Some([it.width, it.height]);
                Self { format: pixels(it.format), resolution, other }
            }
            Spec::Rendered(it) => Self {
                format: pixels(PixelFormat::Yuyv),
                resolution: Some([it.width, it.height]),
                other: format!("{} frames a second", it.fps),
            },
            Spec::Replay(it) => {
                let other = it.path.display().to_string();
                Self { format: "recording", resolution: None, other }
            }
            Spec::Jitter(_) => Self {
                format: "deltas",
                resolution: None,
                other: format!("{} reads in {} bytes", jitter::READS, jitter::MEMORY_BYTES),
            },
            Spec::Os(_) | Spec::Cpu(_) => bytes(String::new()),
            Spec::Hwrng(it) => bytes(it.device.display().to_string()),
            Spec::Tpm(it) => bytes(it.device.display().to_string()),
            Spec::Serial(it) => {
                let baud = it.baud.map_or_else(|| "as it is".to_owned(), |baud| baud.to_string());
                bytes(format!("{}, baud {baud}, start {:?}", it.device.display(), it.start))
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::camera;

    fn setup(change: impl FnOnce(&mut camera::Config, &mut Facts)) -> Setup {
        let mut config = camera::Config::default();
        let identity = Some("usb:046d:0825 at 0 port 1".to_owned());
        let mut facts = Facts { identity, ..Facts::default() };
        change(&mut config, &mut facts);
        Setup::of(&Spec::Camera(config), &facts)
    }

    #[test]
    fn another_device_format_resolution_or_setting_is_named_with_both_values() {
        let measured = setup(|_, _| ());
        assert_eq!(measured.check(&setup(|_, _| ())), Ok(()));
        for (now, field, was, is) in [
            (
                setup(|_, facts| facts.identity = Some("usb:other".into())),
                "device",
                "046d",
                "other",
            ),
            (setup(|_, facts| facts.identity = None), "device", "046d", "none"),
            (setup(|it, _| it.format = PixelFormat::Grey), "format", "yuyv", "grey"),
            (setup(|it, _| it.width = 320), "resolution", "1280x720", "320x720"),
            (setup(|it, _| it.fps = 15), "settings", "at 10 frames", "at 15 frames"),
            (setup(|it, _| it.lock_settings = false), "settings", "held", "as the camera likes"),
            (setup(|_, facts| facts.notes.push("gain moves".into())), "settings", "", "gain moves"),
        ] {
            let mismatch = measured.check(&now).expect_err(field);
            assert_eq!(mismatch.field, field);
            assert!(mismatch.measured.contains(was) && mismatch.now.contains(is), "{mismatch}");
        }
    }
}
