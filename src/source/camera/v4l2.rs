//! The kernel's video interface, used directly: every frame with its true length, its sequence number
//! and the driver's damage flag, and no wait without a deadline.

pub(crate) mod unplug;

mod abi;
mod device;
mod lock;
mod ring;

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::source::camera::backend::CameraBackend;
use crate::source::camera::config::CameraConfig;
use crate::source::contract::SourceError;
use abi::Buffer;
pub(super) use device::VideoDevice;
use lavawall_entropy::{Frame, Sample, Shape};
use ring::BufferRing;

/// A streaming camera.
pub(super) struct V4l2 {
    device: VideoDevice,
    ring: BufferRing,
    frame: Frame,
    interval: Duration,
    /// Frames that we did not want because they were old: no gap of the camera's.
    passed_over: u32,
}

impl V4l2 {
    /// Opens the node and starts the stream.
    pub(super) fn open(path: &Path, config: &CameraConfig) -> Result<Self, SourceError> {
        let device = VideoDevice::open(path)?;
        let interval = device.configure(config)?;
        let ring = BufferRing::new(device.as_fd())
            .map_err(|error| device.failed("gives no buffers", error))?;
        abi::start_stream(&device, &mut { abi::CAPTURE })
            .map_err(|error| device.failed("does not start", error))?;
        let frame = Frame {
            format: config.format,
            width: config.width,
            height: config.height,
            sequence: None,
            damaged: false,
        };
        Ok(Self { device, ring, frame, interval, passed_over: 0 })
    }

    /// The next filled buffer, as soon as there is one.
    fn next(&self, deadline: Instant) -> Result<Buffer, SourceError> {
        let started = Instant::now();
        loop {
            let mut buffer = Buffer::capture(0);
            match abi::dequeue_buffer(&self.device, &mut buffer) {
                Ok(()) => return Ok(buffer),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(self.device.failed("gives no frame", error)),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let waited_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                return Err(SourceError::Timeout {
                    what: self.device.path().display().to_string(),
                    waited_ms,
                });
            }
            self.wait(left)?;
        }
    }

    fn wait(&self, left: Duration) -> Result<(), SourceError> {
        let limit = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let mut polled = [PollFd::new(&self.device, PollFlags::IN)];
        match poll(&mut polled, Some(&limit)) {
            // The driver has stopped the stream, or the device has gone.
            Ok(_) if polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => {
                match abi::dequeue_buffer(&self.device, &mut Buffer::capture(0)) {
                    Ok(()) | Err(Errno::AGAIN) => {
                        Err(self.device.failed("gives no frame", Errno::IO))
                    }
                    Err(error) => Err(self.device.failed("gives no frame", error)),
                }
            }
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(self.device.failed("cannot be waited for", error)),
        }
    }
}

impl CameraBackend for V4l2 {
    fn frame(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        // Whatever was exposed before this is of no use to a caller who wants it fresh.
        let oldest = Instant::now().checked_sub(self.interval).unwrap_or_else(Instant::now);
        loop {
            let buffer = self.next(deadline)?;
            let (sequence, flags) = (buffer.sequence, buffer.flags);
            let completed = completed(&buffer, Instant::now(), monotonic());
            sample.clear(Instant::now());
            let queued_at = self
                .ring
                .take(&self.device, buffer, sample.buffer())
                .map_err(|error| self.device.failed("takes no buffer back", error))?;
            if completed.is_some_and(|completed| completed < oldest) {
                self.passed_over = self.passed_over.wrapping_add(1);
                continue;
            }
            // A frame is exposed within the interval before it is complete. One that cannot be dated
            // is as old as its buffer's place in the queue.
            let completed = completed.unwrap_or(queued_at);
            sample.taken = completed.checked_sub(self.interval).unwrap_or(completed);
            sample.shape = Shape::Frame(Frame {
                sequence: Some(sequence.wrapping_sub(self.passed_over)),
                damaged: flags & abi::DAMAGED != 0,
                ..self.frame
            });
            return Ok(());
        }
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn set_power_line(&mut self, hz: Option<u32>) -> Option<String> {
        self.device.set_power_line(hz)
    }

    fn hold_settings(&mut self) -> Vec<String> {
        lock::hold(self.device.as_fd())
    }
}

impl Drop for V4l2 {
    fn drop(&mut self) {
        // A device that is gone cannot be stopped, and need not be.
        let _ = abi::stop_stream(&self.device, &mut { abi::CAPTURE });
    }
}

/// When the driver completed a frame, on our clock, never too late; `None` for a stamp of another
/// clock or from the future. `driver_now` is the time on the driver's clock at `now`.
fn completed(buffer: &Buffer, now: Instant, driver_now: Duration) -> Option<Instant> {
    if buffer.flags & abi::CLOCK_MASK != abi::CLOCK_MONOTONIC {
        return None;
    }
    let seconds = Duration::from_secs(u64::try_from(buffer.seconds).ok()?);
    let at = seconds + Duration::from_micros(u64::try_from(buffer.microseconds).ok()?);
    now.checked_sub(driver_now.checked_sub(at)?)
}

/// The clock that drivers stamp frames with.
fn monotonic() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(flags: u32, seconds: i64, microseconds: i64) -> Buffer {
        let mut buffer = Buffer::capture(0);
        (buffer.flags, buffer.seconds, buffer.microseconds) = (flags, seconds, microseconds);
        buffer
    }

    #[test]
    fn a_frame_that_waited_is_as_old_as_the_driver_says() {
        let now = Instant::now();
        let driver_now = Duration::from_secs(100);
        let at = completed(&stamped(abi::CLOCK_MONOTONIC, 99, 250_000), now, driver_now);
        assert_eq!(at, now.checked_sub(Duration::from_millis(750)));
    }

    #[test]
    fn a_stamp_of_another_clock_or_from_the_future_dates_nothing() {
        let now = Instant::now();
        let clock = abi::CLOCK_MONOTONIC;
        for buffer in [stamped(0, 1, 0), stamped(clock, 101, 0), stamped(clock, -1, 0)] {
            assert_eq!(completed(&buffer, now, Duration::from_secs(100)), None);
        }
    }
}
