//! A drawn wall of lava lamps, for a machine that has no camera.
//!
//! # Credit
//! Zero, always. It is arithmetic: whoever knows its seed knows every frame, however random the
//! picture looks and however well it assesses. It shows what the service does, and feeds tests.

mod colour;
mod lamp;
mod noise;
mod wall;

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::source::pacing::Pacing;
use crate::source::{Source, SourceError, limits};
use lavawall_entropy::{Frame, Kind, PixelFormat, Sample, Shape};

pub use wall::Wall;

/// The independence class.
pub const KIND: Kind = Kind::None;

/// How large the wall is drawn, and how often.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Width in pixels, even, 16 to 7680, default 640.
    #[serde(deserialize_with = "limits::width")]
    pub width: u32,
    /// Height in pixels, 16 to 4320, default 360.
    #[serde(deserialize_with = "limits::height")]
    pub height: u32,
    /// Frames a second, 1 to 240, default 10.
    #[serde(deserialize_with = "limits::fps")]
    pub fps: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { width: 640, height: 360, fps: 10 }
    }
}

/// Hangs up the lamps.
///
/// # Errors
/// [`SourceError::Device`] when the operating system gives no seed.
pub fn open(config: &Config) -> Result<Box<dyn Source>, SourceError> {
    let seed = getrandom::u64().map_err(|error| SourceError::Device {
        what: "the drawn wall".to_owned(),
        reason: error.to_string(),
    })?;
    let frame = Frame {
        format: PixelFormat::Yuyv,
        width: config.width,
        height: config.height,
        sequence: Some(0),
        damaged: false,
    };
    Ok(Box::new(Rendered {
        wall: Wall::new(seed, config.width, config.height),
        frame,
        pacing: Pacing::new(Duration::from_secs(1) / config.fps),
        started: Instant::now(),
    }))
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

    #[test]
    fn frames_are_whole_numbered_and_each_another() {
        let config = Config { width: 64, height: 36, fps: 240 };
        let mut source = open(&config).expect("lamps");
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
