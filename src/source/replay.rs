//! Recorded frames, played at their own rate: a folder of pictures, a Y4M file, or raw YUYV.
//!
//! # Credit
//! Zero, always. Whoever has the recording knows what comes.

mod folder;
mod raw;
pub mod y4m;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::source::pacing::Pacing;
use crate::source::{Facts, Source, SourceError, limits};
use lavawall_entropy::{Kind, Sample};

/// The independence class.
pub const KIND: Kind = Kind::None;

/// Frames a second where neither the recording nor the configuration says.
const FPS: u32 = 10;

/// What to play, and how.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// A folder of PNG, JPEG or PNM pictures, played in the order of their names; a `.y4m` file;
    /// or any other file as raw YUYV.
    pub path: PathBuf,
    /// Start again at the end; default no.
    #[serde(default, rename = "loop")]
    pub repeat: bool,
    /// Width in pixels of raw YUYV, default 640.
    #[serde(default = "usual_width", deserialize_with = "limits::width")]
    pub width: u32,
    /// Height in pixels of raw YUYV, default 360.
    #[serde(default = "usual_height", deserialize_with = "limits::height")]
    pub height: u32,
    /// Frames a second, 1 to 240. Default: what the recording says, or 10.
    #[serde(default, deserialize_with = "limits::maybe_fps")]
    pub fps: Option<u32>,
}

fn usual_width() -> u32 {
    640
}

fn usual_height() -> u32 {
    360
}

/// A recording that has been opened.
trait Recording: Send {
    /// The next frame; false at the end.
    ///
    /// # Errors
    /// What is wrong with the recording.
    fn next(&mut self, sample: &mut Sample) -> Result<bool, String>;

    /// Back to the first frame.
    fn rewind(&mut self) -> Result<(), String>;

    /// The time between frames, if the recording says.
    fn interval(&self) -> Option<Duration> {
        None
    }
}

/// Opens the recording.
///
/// # Errors
/// [`SourceError::Absent`] when there is none; [`SourceError::Device`] when it is not what its
/// name says.
pub fn open(config: &Config) -> Result<Box<dyn Source>, SourceError> {
    let path = &config.path;
    let metadata = path.metadata().map_err(|error| SourceError::Absent {
        what: path.display().to_string(),
        reason: error.to_string(),
    })?;
    let is_y4m = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("y4m"));
    let recording: Result<Box<dyn Recording>, String> = if metadata.is_dir() {
        folder::Folder::open(path).map(|folder| Box::new(folder) as _)
    } else if is_y4m {
        y4m::File::open(path).map(|file| Box::new(file) as _)
    } else {
        raw::Raw::open(path, config.width, config.height).map(|file| Box::new(file) as _)
    };
    let recording = recording.map_err(|reason| broken(path, reason))?;
    let configured = config.fps.map(|fps| Duration::from_secs(1) / fps);
    let interval =
        configured.or_else(|| recording.interval()).unwrap_or(Duration::from_secs(1) / FPS);
    let pacing = Pacing::new(interval);
    Ok(Box::new(Replay { path: path.clone(), recording, pacing, repeat: config.repeat }))
}

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
