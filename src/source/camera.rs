//! A camera that watches the wall: every frame whole into the hash, its sensor's noise credited.
//!
//! ```text
//! sysfs ─► node: which camera, where ─► refused? ─► backend: v4l2 or nokhwa ─► frames
//! ```
//!
//! # Credit
//! The lamps are decoration: only the sensor's own noise in time is credited. Photons arrive at random (shot noise) and reading them out adds more (read noise). Two frames of the
//! same scene differ by it. Only raw luma counts, every 4th pixel each way, since sharpening and
//! demosaicing tie neighbours together; only pixels between 25 and 230, since clipped ones are
//! constant; only those whose noise has a standard deviation of half a step or more: a Gaussian of
//! σ = 0.5 rounded to whole steps has at least 0.55 bits of min-entropy wherever its mean lies, and
//! the difference of two of them has more. Half a bit is taken for each, 128 bits off for the two
//! fingerprints by which a frame is known again, an eighth of the rest is credited, and never more
//! than 256 bits for two frames. [`lavawall_entropy::FrameTests`] does the sum.
//!
//! Compressed pictures are hashed and credited nothing: the encoder discards exactly that noise.
//!
//! # Security
//! Statistics cannot detect a fabricated feed. So a camera on a bus that software can fake is
//! refused, the identity of the first camera is enrolled, and no camera meets the quorum alone. A
//! camera that a host emulates for a virtual machine on an emulated USB controller passes for a real
//! one.

mod backend;
mod config;
#[cfg(any(feature = "nokhwa", test))]
mod jpeg;
mod node;
#[cfg(feature = "nokhwa")]
mod nokhwa;
mod v4l2;

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::source::camera::backend::CameraBackend;
use crate::source::claim::{Claim, Derating};
use crate::source::contract::{Facts, Source, SourceError};
use crate::source::setup_facts::SetupFacts;
use crate::source::source_type::{Presence, SampleForm, SourceType};
use lavawall_entropy::{FrameTests, H_PER_PIXEL, Kind, PixelFormat, Sample};

pub(crate) use config::{Backend, CameraConfig};

/// How long the first frame may take: cameras wake up, and some calibrate themselves.
const FIRST_FRAME: Duration = Duration::from_secs(5);

/// Frame intervals after which a missing frame is a timeout.
const INTERVALS: u32 = 3;

/// The shortest wait for a frame, at any rate: a busy machine is not a fault of the camera.
const LEAST_WAIT: Duration = Duration::from_millis(500);

/// Frames discarded after the start, while the camera adjusts its exposure.
const SETTLING: u32 = 10;

impl SourceType for CameraConfig {
    const KIND: Kind = Kind::PhysicalCamera;
    const SAMPLES: SampleForm = SampleForm::SecretFrames;
    const PRESENCE: Presence = Presence::Detected(is_present);
    const DEADLINE: Duration = FIRST_FRAME;
    const RESTART: &'static str = "the video device is closed and opened, streaming starts again \
                                   and the picture settles; the camera stays powered";

    /// Opens the configured camera, waits until its picture has settled and holds its settings.
    ///
    /// [`SourceError::Absent`] when it is missing; [`SourceError::Refused`] when it is virtual, or
    /// does not give the requested format; [`SourceError::IdentityChanged`] when it is another.
    fn open(&self, enrolled: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
        let node = node::find(Path::new(node::SYSFS), &self.device)?;
        let facts = admit(&node, self, enrolled)?;
        let backend: Box<dyn CameraBackend> = match self.backend {
            Backend::V4l2 => Box::new(v4l2::V4l2::open(&node.path, self)?),
            #[cfg(feature = "nokhwa")]
            Backend::Nokhwa => Box::new(nokhwa::Nokhwa::open(&node.path, self)?),
        };
        let mut camera = Camera { backend, facts, has_begun: false };
        camera.settle(self)?;
        Ok(Box::new(camera))
    }

    fn claim(&self, seen: &[u64]) -> Claim {
        let basis = match self.format {
            _ if !FrameTests::can_judge(self.width, self.height) => {
                return Claim::uncredited_camera(
                    seen,
                    "none claimed: pictures too small to be judged",
                );
            }
            PixelFormat::Mjpeg => "none claimed: compressed pictures",
            PixelFormat::Yuyv | PixelFormat::Grey => {
                "provisional: sensor noise, at most 256 bits a pair"
            }
        };
        Claim::sensor_noise(seen, basis)
    }

    fn derating(&self) -> Derating {
        Derating::Halved { ceiling: H_PER_PIXEL }
    }

    fn setup(&self) -> SetupFacts {
        let held = if self.lock_settings { "held" } else { "as the camera likes" };
        let settings = format!(
            "{} at {} frames a second through {}, exposure and gain {held}",
            self.device,
            self.fps,
            self.backend.name()
        );
        SetupFacts::frames(self.format, [self.width, self.height], settings)
    }

    fn may_be_credited(&self) -> bool {
        self.format != PixelFormat::Mjpeg && FrameTests::can_judge(self.width, self.height)
    }

    fn without_symbols(&self) -> Option<&'static str> {
        (self.format == PixelFormat::Mjpeg)
            .then_some("compressed pictures hold no raw noise; format = \"yuyv\" does")
    }

    fn enrolled_as(&self) -> Option<String> {
        Some(self.device.to_string())
    }
}

/// Every camera of this machine.
#[must_use]
pub(crate) fn list() -> Vec<CameraInfo> {
    let describe = |node: node::VideoNode| CameraInfo {
        identity: node.identity(),
        is_virtual: node.is_virtual(),
        path: node.path.display().to_string(),
        name: node.name,
    };
    node::list(Path::new(node::SYSFS)).into_iter().map(describe).collect()
}

/// Whether this machine has a camera that `device = "auto"` would open.
fn is_present() -> bool {
    list().iter().any(|camera| !camera.is_virtual)
}

/// One camera, for `lavawall cameras`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CameraInfo {
    /// Its device file.
    pub path: String,
    /// The name that it reports.
    pub name: String,
    /// Its identity: USB numbers and port.
    pub identity: String,
    /// Software can make its pictures.
    pub is_virtual: bool,
}

impl fmt::Display for CameraInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}", self.path, self.identity, self.name)?;
        if self.is_virtual {
            f.write_str("  (virtual: refused unless allow-virtual = true)")
        } else {
            Ok(())
        }
    }
}

/// Checks that this camera may be used. Gives its facts for the operator.
fn admit(
    node: &node::VideoNode,
    config: &CameraConfig,
    enrolled: Option<&str>,
) -> Result<Facts, SourceError> {
    let what = format!("camera {}", config.device);
    let found = node.identity();
    if let Some(expected) = enrolled.filter(|expected| *expected != found) {
        return Err(SourceError::IdentityChanged { what, expected: expected.to_owned(), found });
    }
    let virtual_device = node.is_virtual();
    if virtual_device && !config.allow_virtual {
        let reason = format!(
            "{found} is on a bus that software can fake; allow-virtual = true would take it"
        );
        return Err(SourceError::Refused { what, reason });
    }
    let mut notes = Vec::new();
    if virtual_device {
        notes.push("on a bus that software can fake, taken because of allow-virtual".to_owned());
    }
    if config.format == PixelFormat::Mjpeg {
        notes.push("compressed pictures are credited nothing; format = \"yuyv\" is".to_owned());
    }
    if !FrameTests::can_judge(config.width, config.height) {
        notes.push(format!(
            "pictures of {}x{} are too small to be judged, and credited nothing; 128x96 are not",
            config.width, config.height
        ));
    }
    Ok(Facts { identity: Some(found), virtual_device, notes })
}

/// An open camera.
struct Camera {
    backend: Box<dyn CameraBackend>,
    facts: Facts,
    has_begun: bool,
}

impl Camera {
    fn settle(&mut self, config: &CameraConfig) -> Result<(), SourceError> {
        self.facts.notes.extend(self.backend.set_power_line(config.power_line_hz));
        let mut sample = Sample::new(Instant::now());
        for _ in 0..SETTLING {
            self.read(&mut sample, Instant::now() + FIRST_FRAME)?;
        }
        if config.lock_settings {
            self.facts.notes.extend(self.backend.hold_settings());
        }
        Ok(())
    }

    /// The longest wait for the next frame.
    fn patience(&self) -> Duration {
        let usual = (self.backend.interval() * INTERVALS).max(LEAST_WAIT);
        if self.has_begun { usual } else { usual.max(FIRST_FRAME) }
    }
}

impl Source for Camera {
    fn read(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        let deadline = deadline.min(Instant::now() + self.patience());
        self.backend.frame(sample, deadline)?;
        self.has_begun = true;
        Ok(())
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }
}

#[cfg(test)]
mod tests;
