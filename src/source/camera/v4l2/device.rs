//! An open video node: its capabilities, and setting its format.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::source::camera::config::CameraConfig;
use crate::source::camera::node::SYSFS;
use crate::source::camera::v4l2::abi;
use crate::source::camera::v4l2::abi::{
    Capability, FormatDescription, FrameSize, StreamParameters, VideoFormat,
};
use crate::source::camera::v4l2::lock;
use crate::source::camera::v4l2::unplug;
use crate::source::contract::SourceError;

/// The most sizes and formats that an error lists.
const LISTED: u32 = 32;

/// An open video node.
pub(crate) struct VideoDevice {
    file: File,
    path: PathBuf,
    /// The device behind the node, in sysfs.
    place: Option<PathBuf>,
}

impl VideoDevice {
    /// Opens a node that can capture.
    pub(crate) fn open(path: &Path) -> Result<Self, SourceError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map_err(|error| SourceError::Absent {
                what: path.display().to_string(),
                reason: error.to_string(),
            })?;
        let place = unplug::place(Path::new(SYSFS), path);
        let device = Self { file, path: path.to_owned(), place };
        let mut capability = Capability::default();
        abi::query_capability(&device, &mut capability)
            .map_err(|error| device.failed("does not answer as a camera", error))?;
        let can = match capability.capabilities {
            all if all & abi::HAS_DEVICE_CAPS == 0 => all,
            _ => capability.device_caps,
        };
        if can & abi::CAN_CAPTURE == 0 || can & abi::CAN_STREAM == 0 {
            let driver = abi::text(&capability.driver);
            return Err(device.refused(format!("{driver} gives no stream of pictures here")));
        }
        Ok(device)
    }

    /// Tells the camera the frequency of the mains in Hz; `None`: to find it. Returns a note when it has such a
    /// setting and does not take the value.
    pub(crate) fn set_power_line(&self, hz: Option<u32>) -> Option<String> {
        lock::set_power_line(self.as_fd(), hz)
    }

    /// Sets format, size and rate. Returns the time between frames that the driver settled on.
    pub(crate) fn configure(&self, config: &CameraConfig) -> Result<Duration, SourceError> {
        let wanted = (abi::four_cc(config.format), config.width, config.height);
        let mut format = VideoFormat::capture(config.width, config.height, config.format);
        abi::set_format(self, &mut format).map_err(|error| match error {
            Errno::BUSY => self.failed("is in use by another program", error),
            error => self.failed("takes no format", error),
        })?;
        // The driver answers with the nearest thing it has.
        if (format.four_cc, format.width, format.height) != wanted {
            let offered = self.offers();
            let name = name_of(wanted.0);
            return Err(self.refused(format!(
                "it does not give {name} at {}x{}; it offers {offered}",
                config.width, config.height
            )));
        }
        self.check_lines(&format, config)?;
        let mut parameters = StreamParameters::frames_per_second(config.fps);
        let interval = match abi::set_parameters(self, &mut parameters) {
            Ok(()) if parameters.interval.iter().all(|part| *part > 0) => parameters.interval,
            _ => [1, config.fps],
        };
        Ok(Duration::from_secs(interval[0].into()) / interval[1])
    }

    /// Refuses interlaced fields and padded lines, which would look like damaged frames.
    fn check_lines(&self, format: &VideoFormat, config: &CameraConfig) -> Result<(), SourceError> {
        check_lines(format, config.format.payload_bytes(config.width, 1))
            .map_err(|reason| self.refused(reason))
    }

    /// The formats and sizes that the camera offers, for an error.
    fn offers(&self) -> String {
        let formats = (0..LISTED).map_while(|index| {
            let mut found = FormatDescription::capture(index);
            abi::list_formats(self, &mut found).ok().map(|()| found.pixel_format)
        });
        let lines: Vec<_> = formats
            .map(|format| format!("{} {}", name_of(format), self.sizes(format).join(" ")))
            .collect();
        if lines.is_empty() { "nothing".to_owned() } else { lines.join(", ") }
    }

    fn sizes(&self, pixel_format: u32) -> Vec<String> {
        let found = (0..LISTED).map_while(|index| {
            let mut size = FrameSize::of(pixel_format, index);
            abi::list_sizes(self, &mut size).ok()?;
            (size.size_type == 1).then(|| format!("{}x{}", size.width, size.height))
        });
        found.collect()
    }

    /// The driver failed an operation.
    pub(super) fn failed(&self, what_it_does: &str, error: Errno) -> SourceError {
        let what = self.path.display().to_string();
        let reason = format!("{what_it_does}: {error}");
        match error {
            Errno::NODEV | Errno::NXIO => SourceError::Absent { what, reason },
            _ => SourceError::Device { what, reason },
        }
    }

    fn refused(&self, reason: String) -> SourceError {
        SourceError::Refused { what: self.path.display().to_string(), reason }
    }

    /// Its device file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for VideoDevice {
    fn drop(&mut self) {
        let is_gone =
            abi::query_capability(&*self, &mut Capability::default()) == Err(Errno::NODEV);
        if let Some(place) = self.place.as_ref().filter(|_| is_gone) {
            unplug::wait(place, unplug::LIMIT);
        }
    }
}

impl AsFd for VideoDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Checks that lines come from top to bottom, each as long as its readings. `line` is that length in
/// bytes; `None` for pictures without lines.
fn check_lines(format: &VideoFormat, line: Option<usize>) -> Result<(), String> {
    let (any, number) = (0, format.field);
    if number != any && number != abi::PROGRESSIVE {
        let known = usize::try_from(number).ok().and_then(|number| abi::FIELDS.get(number));
        let name = known.map_or_else(|| number.to_string(), |name| (*name).to_owned());
        return Err(format!(
            "it gives interlaced fields ({name}), and only progressive pictures are used; choose another \
             size or format"
        ));
    }
    let Some(line) = line.and_then(|line| u32::try_from(line).ok()) else { return Ok(()) };
    // Some drivers do not fill it in.
    if format.bytes_per_line == 0 || format.bytes_per_line == line {
        return Ok(());
    }
    Err(format!(
        "its lines are {} bytes apart (bytesperline), and only lines of {line} bytes without padding are \
         used; choose another width",
        format.bytes_per_line
    ))
}

/// The four letters of a format.
fn name_of(four_cc: u32) -> String {
    abi::text(&four_cc.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavawall_entropy::PixelFormat;

    #[test]
    fn interlaced_fields_and_padded_lines_are_refused_by_name() {
        let answer = |field, bytes_per_line| {
            let mut format = VideoFormat::capture(640, 480, PixelFormat::Yuyv);
            (format.field, format.bytes_per_line) = (field, bytes_per_line);
            check_lines(&format, PixelFormat::Yuyv.payload_bytes(640, 1))
        };
        for (field, bytes_per_line) in [(1, 1280), (0, 1280), (1, 0)] {
            assert_eq!(answer(field, bytes_per_line), Ok(()));
        }
        for (field, name) in
            [(4, "(interlaced)"), (7, "(alternate)"), (9, "(interlaced-bt)"), (77, "(77)")]
        {
            let error = answer(field, 1280).expect_err(name);
            assert!(error.contains("interlaced fields") && error.contains(name), "{error}");
        }
        for bytes_per_line in [1279, 1281, 1344] {
            let error = answer(1, bytes_per_line).expect_err("padded");
            let apart = format!("its lines are {bytes_per_line} bytes apart (bytesperline)");
            assert!(error.contains(&apart) && error.contains("lines of 1280 bytes"), "{error}");
        }
        let mut mjpeg = VideoFormat::capture(640, 480, PixelFormat::Mjpeg);
        mjpeg.bytes_per_line = 77;
        assert_eq!(check_lines(&mjpeg, PixelFormat::Mjpeg.payload_bytes(640, 1)), Ok(()));
    }
}
