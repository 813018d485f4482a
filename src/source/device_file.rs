//! Reading a device file before a deadline, for every source behind one.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroize::Zeroizing;

use crate::source::contract::SourceError;

/// The restart of a source behind a device file.
pub(super) const RESTART: &str =
    "the device file is closed and opened; the device itself stays powered";

/// The wait before a device that says "try again" although it polls ready is asked again.
const RETRY: Duration = Duration::from_millis(2);

/// The kernel's own generator and its zeros, `/dev/zero`, `/dev/random` and `/dev/urandom`, under
/// whatever name (Linux, `Documentation/admin-guide/devices.txt`): major number, minor numbers.
const KERNELS_OWN: (u32, [u32; 3]) = (1, [5, 8, 9]);

/// Opens a device without ever waiting for it. The kernel's own generator is refused: it is one
/// source already, and must not count as two.
pub(super) fn open(path: &Path, write: bool) -> Result<File, SourceError> {
    let file = open_any(path, write)?;
    let number = file.metadata().map_err(|error| failed(path, &error))?.rdev();
    let (major, minors) = KERNELS_OWN;
    if rustix::fs::major(number) == major && minors.contains(&rustix::fs::minor(number)) {
        return Err(SourceError::Refused {
            what: path.display().to_string(),
            reason: "it is the kernel's own; the source os reads that".to_owned(),
        });
    }
    Ok(file)
}

fn open_any(path: &Path, write: bool) -> Result<File, SourceError> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    std::fs::OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| SourceError::Absent {
            what: path.display().to_string(),
            reason: error.to_string(),
        })
}

/// The meaning of a read that gives no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EmptyRead {
    /// The end of the file: a failure, since a noise source does not end.
    EndOfFile,
    /// The answer is not there yet.
    NotYet,
}

/// Fills `out` from a device opened by [`open`], or fails at `deadline`.
pub(super) fn read_exact(
    device: &mut (impl Read + AsFd),
    what: &Path,
    out: &mut [u8],
    deadline: Instant,
) -> Result<(), SourceError> {
    let mut filled = 0;
    while filled < out.len() {
        filled += read_some(device, what, &mut out[filled..], EmptyRead::EndOfFile, deadline)?;
    }
    Ok(())
}

/// The most that is read to empty a device: what the largest pipe of an unprivileged process holds
/// (Linux, `fs.pipe-max-size`), and more than a serial line's buffers do. After so much, every byte
/// that waited has been read.
const MOST_WAITING: usize = 1 << 20;

/// Bytes within [`RETRY`] that are a backlog and not the device's own pace, which would be 1 MB/s.
const BACKLOG: usize = 2048;

/// Discards the bytes that wait in a device opened by [`open`]: no one knows how old they are. A line
/// hands its backlog over in pieces, so the device is looked at again after a moment.
pub(super) fn discard_waiting(device: &mut impl Read, what: &Path) -> Result<(), SourceError> {
    let mut discarded = discard_ready(device, what)?;
    loop {
        std::thread::sleep(RETRY);
        let more = discard_ready(device, what)?;
        discarded += more;
        if more < BACKLOG || discarded >= MOST_WAITING {
            return Ok(());
        }
    }
}

/// Discards what can be read now; the number of bytes.
fn discard_ready(device: &mut impl Read, what: &Path) -> Result<usize, SourceError> {
    let mut waiting = Zeroizing::new([0; 4096]);
    let mut discarded = 0;
    while discarded < MOST_WAITING {
        match device.read(waiting.as_mut_slice()) {
            // The next read reports the end.
            Ok(0) => break,
            Ok(count) => discarded += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(failed(what, &error)),
        }
    }
    Ok(discarded)
}

/// Reads at least one byte, or fails at `deadline`.
pub(super) fn read_some(
    device: &mut (impl Read + AsFd),
    what: &Path,
    out: &mut [u8],
    empty: EmptyRead,
    deadline: Instant,
) -> Result<usize, SourceError> {
    let started = Instant::now();
    loop {
        match device.read(out) {
            Ok(0) if empty == EmptyRead::NotYet => {}
            Ok(0) => return Err(failed(what, &io::Error::from(ErrorKind::UnexpectedEof))),
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(failed(what, &error)),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(timeout(what, started));
        }
        wait_readable(device, left).map_err(|error| failed(what, &error))?;
    }
}

/// Waits until the device may be read, or the time is over.
fn wait_readable(device: &impl AsFd, left: Duration) -> io::Result<()> {
    // Some drivers poll ready and still answer "try again": a short sleep keeps the processor idle.
    std::thread::sleep(RETRY.min(left));
    let limit = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    match poll(&mut [PollFd::new(device, PollFlags::IN)], Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The device failed.
pub(super) fn failed(what: &Path, error: &io::Error) -> SourceError {
    let what = what.display().to_string();
    match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::NODEV.raw_os_error() => {
            SourceError::Absent { what, reason: error.to_string() }
        }
        _ => SourceError::Device { what, reason: error.to_string() },
    }
}

/// The device gave nothing in time.
pub(super) fn timeout(what: &Path, started: Instant) -> SourceError {
    let waited_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    SourceError::Timeout { what: what.display().to_string(), waited_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_devices_are_no_second_source_under_any_name() {
        let folder = tempfile::tempdir().expect("a directory");
        let link = folder.path().join("hwrng");
        std::os::unix::fs::symlink("/dev/urandom", &link).expect("a link");
        for path in
            [Path::new("/dev/urandom"), Path::new("/dev/random"), Path::new("/dev/zero"), &link]
        {
            let error = open(path, false).expect_err("refused");
            assert!(matches!(error, SourceError::Refused { .. }), "{error}");
        }
        assert!(open(Path::new("/dev/null"), false).is_ok(), "another device");
    }
}
