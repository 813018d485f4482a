//! The portable back end. nokhwa waits forever on a camera that stalls, returns whole buffers with
//! the rest of older frames behind the new one, and passes on neither the driver's damage flag nor
//! its sequence numbers. So it runs on a thread of its own, which may hang without blocking others;
//! each frame is cut to its true length; and for freshness every frame is taken as it arrives and
//! only the last is kept.

mod slot;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nokhwa::Camera;
use nokhwa::utils::{
    CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution,
};
use zeroize::Zeroizing;

use crate::source::camera::backend::CameraBackend;
use crate::source::camera::config::CameraConfig;
use crate::source::camera::jpeg;
use crate::source::camera::v4l2::VideoDevice;
use crate::source::contract::SourceError;
use lavawall_entropy::{Frame, PixelFormat, Sample, Shape};
use slot::FrameSlot;
use slot::Shot;

/// How long a closing camera is waited for. A thread that hangs in the driver is left behind; the
/// kernel wakes it when the device goes or the process ends.
const CLOSING: Duration = Duration::from_secs(1);

/// A camera behind nokhwa.
pub(super) struct Nokhwa {
    slot: Arc<FrameSlot>,
    path: PathBuf,
    frame: Frame,
    interval: Duration,
}

impl Nokhwa {
    /// Opens the node and starts the stream, on a thread.
    pub(super) fn open(path: &Path, config: &CameraConfig) -> Result<Self, SourceError> {
        // nokhwa cannot open a device whose current format it does not know, or whose rate is not an
        // integer: the format is set first, through V4L2, and the node closed again.
        let interval = VideoDevice::open(path)?.configure(config)?;
        // It asks nothing of the camera: it is there to be the last that closes it.
        let last = VideoDevice::open(path)?;
        let index = number(path).ok_or_else(|| failed(path, &"it has no number"))?;
        let slot = Arc::new(FrameSlot::default());
        let (theirs, config) = (Arc::clone(&slot), config.clone());
        let frame = Frame {
            format: config.format,
            width: config.width,
            height: config.height,
            sequence: None,
            damaged: false,
        };
        let work = move || {
            // By its code, nokhwa's v4l panics on colour spaces it does not know.
            let end = catch_unwind(AssertUnwindSafe(|| capture(index, &config, &theirs)));
            drop(last);
            theirs.end(end.unwrap_or_else(|_| "nokhwa panicked".to_owned()));
        };
        thread::Builder::new()
            .name("nokhwa".to_owned())
            .spawn(work)
            .map_err(|error| failed(path, &error))?;
        Ok(Self { slot, path: path.to_owned(), frame, interval })
    }
}

impl CameraBackend for Nokhwa {
    fn frame(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        let started = Instant::now();
        let shot = match self.slot.wait(started, deadline) {
            Ok(Some(shot)) => shot,
            Ok(None) => {
                return Err(SourceError::Timeout {
                    what: self.path.display().to_string(),
                    waited_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                });
            }
            Err(reason) => return Err(failed(&self.path, &reason)),
        };
        let length = true_length(&self.frame, &shot.bytes);
        let bytes = &shot.bytes[..length.unwrap_or(shot.bytes.len())];
        sample.resize(bytes.len()).copy_from_slice(bytes);
        sample.taken = shot.arrived.checked_sub(self.interval).unwrap_or(shot.arrived);
        sample.shape = Shape::Frame(Frame { damaged: length.is_none(), ..self.frame });
        Ok(())
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn set_power_line(&mut self, hz: Option<u32>) -> Option<String> {
        // nokhwa has no such control of its own; the driver's holds for every program.
        match VideoDevice::open(&self.path) {
            Ok(device) => device.set_power_line(hz),
            Err(error) => hz.map(|hz| format!("the mains' {hz} Hz cannot be set: {error}")),
        }
    }
}

impl Drop for Nokhwa {
    fn drop(&mut self) {
        self.slot.stop(CLOSING);
    }
}

/// Puts each frame in the slot until it is stopped, or the camera fails: then the reason.
fn capture(index: u32, config: &CameraConfig, slot: &FrameSlot) -> String {
    let pull = || {
        let format = match config.format {
            PixelFormat::Yuyv => FrameFormat::YUYV,
            PixelFormat::Grey => FrameFormat::GRAY,
            PixelFormat::Mjpeg => FrameFormat::MJPEG,
        };
        let size = Resolution::new(config.width, config.height);
        let wanted = RequestedFormatType::Exact(CameraFormat::new(size, format, config.fps));
        let formats = [format];
        let request = RequestedFormat::with_formats(wanted, &formats);
        let mut camera = Camera::new(CameraIndex::Index(index), request)?;
        camera.open_stream()?;
        while !slot.is_stopped() {
            let bytes = Zeroizing::new(camera.frame_raw()?.into_owned());
            slot.put(Shot { bytes, arrived: Instant::now() });
        }
        Ok::<(), nokhwa::NokhwaError>(())
    };
    pull().err().map_or_else(|| "it was stopped".to_owned(), |error| error.to_string())
}

/// How much of a buffer is this frame's, or `None` when it is not whole.
fn true_length(frame: &Frame, buffer: &[u8]) -> Option<usize> {
    match frame.format.payload_bytes(frame.width, frame.height) {
        Some(length) => (buffer.len() >= length).then_some(length),
        None => jpeg::length(buffer),
    }
}

/// The 3 of `/dev/video3`.
fn number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()
}

fn failed(path: &Path, reason: &dyn std::fmt::Display) -> SourceError {
    SourceError::Device { what: path.display().to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(format: PixelFormat) -> Frame {
        Frame { format, width: 16, height: 4, sequence: None, damaged: false }
    }

    #[test]
    fn a_buffer_is_cut_to_the_frame_and_a_short_one_is_not_whole() {
        assert_eq!(true_length(&frame(PixelFormat::Yuyv), &[0; 4096]), Some(128));
        assert_eq!(true_length(&frame(PixelFormat::Yuyv), &[0; 127]), None);
        assert_eq!(true_length(&frame(PixelFormat::Grey), &[0; 64]), Some(64));
        assert_eq!(true_length(&frame(PixelFormat::Mjpeg), &[0; 64]), None);
        assert_eq!(true_length(&frame(PixelFormat::Mjpeg), &[0xff, 0xd8, 0xff, 0xd9, 7]), Some(4));
    }

    #[test]
    fn a_node_is_known_by_its_number() {
        assert_eq!(number(Path::new("/dev/video12")), Some(12));
        assert_eq!(number(Path::new("/dev/media0")), None);
    }
}
