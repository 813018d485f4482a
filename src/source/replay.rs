//! Recorded frames, played at their own rate: a folder of pictures, a Y4M file, or raw YUYV.
//!
//! # Credit
//! Zero, always: the recording determines every frame.

mod folder;
mod raw;
mod recording;
pub(crate) mod y4m;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::source::claim::{Claim, Derating};
use crate::source::contract::{Facts, Source, SourceError};
use crate::source::frame_settings;
use crate::source::pacing::Pacing;
use crate::source::replay::recording::{Recording, SLOWEST_SECONDS};
use crate::source::setup_facts::SetupFacts;
use crate::source::source_type::{SampleForm, SourceType};
use lavawall_entropy::{Kind, Sample};

/// The recording, and how it is played.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReplayConfig {
    /// A folder of PNG, JPEG or PNM pictures, played in the order of their names; a `.y4m` file;
    /// or any other file as raw YUYV.
    pub path: PathBuf,
    /// Start again at the end; default no.
    #[serde(default, rename = "loop")]
    pub repeat: bool,
    /// Judge it as a live camera's pictures, default no: one that was seen before is an alarm. It is
    /// credited nothing either way.
    #[serde(default)]
    pub as_camera: bool,
    /// Width in pixels of raw YUYV, default 640.
    #[serde(default = "frame_settings::usual_width", deserialize_with = "frame_settings::width")]
    pub width: u32,
    /// Height in pixels of raw YUYV, default 360.
    #[serde(default = "frame_settings::usual_height", deserialize_with = "frame_settings::height")]
    pub height: u32,
    /// Frames per second, 1 to 240, whatever the recording says. Default: the recording's own rate, from
    /// one frame a minute, or 10.
    #[serde(default, deserialize_with = "frame_settings::maybe_fps")]
    pub fps: Option<u32>,
}

impl SourceType for ReplayConfig {
    const KIND: Kind = Kind::None;
    const SAMPLES: SampleForm = SampleForm::PublicFrames;
    const RESTART: &'static str =
        "the recording is played from its beginning: every row is the same";
    const DEADLINE: Duration = READ_DEADLINE;

    /// [`SourceError::Absent`] when the recording is missing; [`SourceError::Device`] when it is not
    /// in the format of its name.
    fn open(&self, _: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
        let path = &self.path;
        let metadata = path.metadata().map_err(|error| SourceError::Absent {
            what: path.display().to_string(),
            reason: error.to_string(),
        })?;
        let is_y4m =
            path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("y4m"));
        let recording: Result<Box<dyn Recording>, String> = if metadata.is_dir() {
            folder::Folder::open(path).map(|folder| Box::new(folder) as _)
        } else if is_y4m {
            y4m::File::open(path).map(|file| Box::new(file) as _)
        } else {
            raw::RawVideo::open(path, self.width, self.height).map(|file| Box::new(file) as _)
        };
        let recording = recording.map_err(|reason| broken(path, reason))?;
        let interval = match self.fps {
            Some(fps) => frame_settings::interval(fps),
            None => recording
                .interval()
                .map_err(|reason| broken(path, reason))?
                .unwrap_or_else(|| frame_settings::interval(frame_settings::USUAL_FPS)),
        };
        let pacing = Pacing::new(interval);
        Ok(Box::new(Replay { path: path.clone(), recording, pacing, repeat: self.repeat }))
    }

    fn claim(&self, _: &[u64]) -> Claim {
        Claim::recording(self.as_camera)
    }

    fn derating(&self) -> Derating {
        Derating::Never("a recording has no noise of its own")
    }

    fn setup(&self) -> SetupFacts {
        SetupFacts::new("recording", self.path.display().to_string())
    }
}

/// How long one read may take: the slowest rate of a recording, and some time to read a frame.
const READ_DEADLINE: Duration = Duration::from_secs(SLOWEST_SECONDS + 5);

struct Replay {
    path: PathBuf,
    recording: Box<dyn Recording>,
    pacing: Pacing,
    repeat: bool,
}

impl Replay {
    fn next(&mut self, sample: &mut Sample) -> Result<bool, String> {
        if self.recording.next(sample)? {
            return Ok(true);
        }
        if !self.repeat {
            return Ok(false);
        }
        self.recording.rewind()?;
        if self.recording.next(sample)? { Ok(true) } else { Err("it holds no frame".to_owned()) }
    }
}

impl Source for Replay {
    fn read(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        self.pacing.wait(&self.path.display().to_string(), deadline)?;
        sample.taken = Instant::now();
        match self.next(sample) {
            Ok(true) => Ok(()),
            Ok(false) => Err(SourceError::Ended { what: self.path.display().to_string() }),
            Err(reason) => Err(broken(&self.path, reason)),
        }
    }

    fn facts(&self) -> Facts {
        Facts { identity: Some(self.path.display().to_string()), ..Facts::default() }
    }
}

fn broken(path: &Path, reason: String) -> SourceError {
    SourceError::Device { what: path.display().to_string(), reason }
}

#[cfg(test)]
mod tests;
