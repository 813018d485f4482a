//! A drawn wall of lava lamps, for a machine that has no camera.
//!
//! # Credit
//! Zero, always. It is arithmetic: its seed determines every frame, however random the picture looks
//! and however well it assesses. It demonstrates the service, and feeds tests.

mod colour;
mod lamp;
mod noise;
mod wall;

use std::time::Instant;

use serde::Deserialize;

use crate::source::claim::{Claim, Derating};
use crate::source::contract::{Source, SourceError};
use crate::source::frame_settings;
use crate::source::pacing::Pacing;
use crate::source::setup_facts::SetupFacts;
use crate::source::source_type::{Presence, SampleForm, SourceType};
use lavawall_entropy::{Frame, Kind, PixelFormat, Sample, Shape};

pub use wall::Wall;

/// The size and the rate of the drawing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RenderedConfig {
    /// Width in pixels, even, 16 to 7680, default 640.
    #[serde(deserialize_with = "frame_settings::width")]
    pub width: u32,
    /// Height in pixels, 16 to 4320, default 360.
    #[serde(deserialize_with = "frame_settings::height")]
    pub height: u32,
    /// Frames a second, 1 to 240, default 10.
    #[serde(deserialize_with = "frame_settings::fps")]
    pub fps: u32,
}

impl Default for RenderedConfig {
    fn default() -> Self {
        Self {
            width: frame_settings::usual_width(),
            height: frame_settings::usual_height(),
            fps: frame_settings::USUAL_FPS,
        }
    }
}

impl SourceType for RenderedConfig {
    const KIND: Kind = Kind::None;
    const SAMPLES: SampleForm = SampleForm::PublicFrames;
    const PRESENCE: Presence = Presence::Demonstration;
    const RESTART: &'static str = "a new wall is drawn from a new seed";

    /// Hangs up the lamps: [`SourceError::Device`] when the operating system gives no seed.
    fn open(&self, _: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
        let seed = getrandom::u64().map_err(|error| SourceError::Device {
            what: "the drawn wall".to_owned(),
            reason: error.to_string(),
        })?;
        let frame = Frame {
            format: PixelFormat::Yuyv,
            width: self.width,
            height: self.height,
            sequence: Some(0),
            damaged: false,
        };
        Ok(Box::new(Rendered {
            wall: Wall::new(seed, self.width, self.height),
            frame,
            pacing: Pacing::new(frame_settings::interval(self.fps)),
            started: Instant::now(),
        }))
    }

    fn claim(&self, _: &[u64]) -> Claim {
        Claim::uncredited_frames("none claimed: a drawing")
    }

    fn derating(&self) -> Derating {
        Derating::Never("a drawing has no noise")
    }

    fn setup(&self) -> SetupFacts {
        let settings = format!("{} frames a second", self.fps);
        SetupFacts::frames(PixelFormat::Yuyv, [self.width, self.height], settings)
    }
}

struct Rendered {
    wall: Wall,
    frame: Frame,
    pacing: Pacing,
    started: Instant,
}

impl Source for Rendered {
    fn read(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        self.pacing.wait("the drawn wall", deadline)?;
        sample.taken = Instant::now();
        let whole = self.frame.format.payload_bytes(self.frame.width, self.frame.height);
        let yuyv = sample.resize(whole.expect("YUYV has a fixed length"));
        self.wall.draw(self.started.elapsed(), yuyv);
        sample.shape = Shape::Frame(self.frame);
        self.frame.sequence = self.frame.sequence.map(|sequence| sequence.wrapping_add(1));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn frames_are_whole_numbered_and_each_another() {
        let config = RenderedConfig { width: 64, height: 36, fps: 240 };
        let mut source = config.open(None).expect("lamps");
        let (mut first, mut second) = (Sample::new(Instant::now()), Sample::new(Instant::now()));
        let far = Instant::now() + Duration::from_mins(1);
        source.read(&mut first, far).expect("a frame");
        source.read(&mut second, far).expect("a frame");
        assert_eq!(first.bytes().len(), 64 * 36 * 2);
        let sequence = |sample: &Sample| match sample.shape {
            Shape::Frame(frame) => frame.sequence,
            _ => None,
        };
        assert_eq!((sequence(&first), sequence(&second)), (Some(0), Some(1)));
        assert_ne!(first.bytes(), second.bytes());
    }
}
