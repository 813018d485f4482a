//! A true random number generator behind a serial line or any file like one: OneRNG, TrueRNG,
//! Infinite Noise's daemon, a Geiger counter.
//!
//! # Credit
//! Zero unless configured. Any device can be at the end of a cable; only its owner can claim entropy
//! for it, with `entropy-per-bit`.
//!
//! # Freshness
//! Bytes that waited in the line or pipe are discarded before every read: they may be of any age. Limit:
//! a buffer inside the device or its adapter cannot be seen.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::termios::{OptionalActions, QueueSelector, isatty, tcflush, tcgetattr, tcsetattr};
use serde::Deserialize;

use crate::source::claim::{Claim, Derating};
use crate::source::contract::{Source, SourceError};
use crate::source::device_file;
use crate::source::entropy_per_bit::EntropyPerBit;
use crate::source::setup_facts::SetupFacts;
use crate::source::source_type::{SampleForm, SourceType};
use lavawall_entropy::{ALPHA_FAST, Kind, Sample, Shape};

/// Bytes in a sample.
const SAMPLE_BYTES: usize = 64;

/// As long as a serial line that gives a few bytes per second needs for a sample.
const READ_DEADLINE: Duration = Duration::from_secs(30);

/// The device, its line settings and its claim.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SerialConfig {
    /// The device file.
    pub device: PathBuf,
    /// The line's speed in bits per second. Default: unchanged, which suits USB.
    #[serde(default)]
    pub baud: Option<u32>,
    /// Sent once after opening, such as `"cmd0\ncmdO\n"` for a OneRNG.
    #[serde(default)]
    pub start: String,
    /// Min-entropy claimed for one bit, 0 to 1, default 0.
    #[serde(default = "nothing")]
    pub entropy_per_bit: EntropyPerBit,
}

fn nothing() -> EntropyPerBit {
    EntropyPerBit::ZERO
}

impl SourceType for SerialConfig {
    const KIND: Kind = Kind::Device;
    const SAMPLES: SampleForm = SampleForm::Bytes;
    const RESTART: &'static str = device_file::RESTART;
    const DEADLINE: Duration = READ_DEADLINE;

    /// Opens the device raw, without echo: [`SourceError::Absent`] when it is missing, [`SourceError::Device`] when it does not take
    /// its settings.
    fn open(&self, _: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
        let path = &self.device;
        let mut file = device_file::open(path, !self.start.is_empty())?;
        if isatty(&file) {
            prepare_line(&file, self.baud)
                .map_err(|error| device_file::failed(path, &error.into()))?;
        }
        file.write_all(self.start.as_bytes()).map_err(|error| device_file::failed(path, &error))?;
        Ok(Box::new(Serial { path: path.clone(), file }))
    }

    fn claim(&self, _: &[u64]) -> Claim {
        Claim::bytes(self.entropy_per_bit.per_byte(), ALPHA_FAST, "configured, not measured")
    }

    fn derating(&self) -> Derating {
        Derating::AtMostClaim(self.entropy_per_bit.per_byte())
    }

    fn setup(&self) -> SetupFacts {
        let baud = self.baud.map_or_else(|| "as it is".to_owned(), |baud| baud.to_string());
        let device = self.device.display();
        SetupFacts::bytes(format!("{device}, baud {baud}, start {:?}", self.start))
    }

    fn may_be_credited(&self) -> bool {
        self.entropy_per_bit.per_byte() > 0.0
    }
}

fn prepare_line(file: &File, baud: Option<u32>) -> rustix::io::Result<()> {
    let mut line = tcgetattr(file)?;
    line.make_raw();
    if let Some(baud) = baud {
        line.set_speed(baud)?;
    }
    tcsetattr(file, OptionalActions::Now, &line)
}

struct Serial {
    path: PathBuf,
    file: File,
}

impl Source for Serial {
    fn read(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        sample.shape = Shape::Bytes;
        if isatty(&self.file) {
            tcflush(&self.file, QueueSelector::IFlush)
                .map_err(|error| device_file::failed(&self.path, &error.into()))?;
        }
        device_file::discard_waiting(&mut self.file, &self.path)?;
        device_file::read_exact(&mut self.file, &self.path, sample.resize(SAMPLE_BYTES), deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    /// The far end of a serial line, and the path of the near one.
    fn line() -> (File, PathBuf) {
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&far).expect("granted");
        unlockpt(&far).expect("unlocked");
        let name = ptsname(&far, Vec::new()).expect("a name");
        (File::from(far), name.into_string().expect("a path").into())
    }

    fn config(device: PathBuf) -> SerialConfig {
        SerialConfig {
            device,
            baud: None,
            start: String::new(),
            entropy_per_bit: EntropyPerBit::ZERO,
        }
    }

    /// Writes these bytes again and again while `work` runs.
    fn while_sending<T>(mut far: impl Write + Send, bytes: &[u8], work: impl FnOnce() -> T) -> T {
        let is_over = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                // A line or pipe that is full is no error: the other side discards.
                while !is_over.load(Ordering::Relaxed) {
                    let _ = far.write(bytes);
                }
            });
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            is_over.store(true, Ordering::Relaxed);
            result
        });
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn read(source: &mut dyn Source) -> Vec<u8> {
        let mut sample = Sample::new(Instant::now());
        source.read(&mut sample, Instant::now() + Duration::from_secs(30)).expect("bytes");
        sample.bytes().to_vec()
    }

    /// The far end without waiting, so that its writer ends.
    fn without_waiting(far: File) -> File {
        rustix::fs::fcntl_setfl(&far, rustix::fs::OFlags::NONBLOCK).expect("set");
        far
    }

    #[test]
    fn every_byte_value_arrives_as_it_was_sent() {
        let (far, path) = line();
        let mut source = config(path).open(None).expect("opened");
        let all: Vec<u8> = (0..=255).collect();
        let mut seen = std::collections::BTreeSet::new();
        while_sending(without_waiting(far), &all[..64], || seen.extend(read(source.as_mut())));
        for quarter in all.chunks(64) {
            let (far, path) = line();
            let mut source = config(path).open(None).expect("opened");
            let bytes = while_sending(without_waiting(far), quarter, || read(source.as_mut()));
            assert!(bytes.iter().all(|byte| quarter.contains(byte)), "no echo, no translation");
            seen.extend(bytes);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
    }

    #[test]
    fn bytes_that_waited_are_discarded_before_every_read() {
        let (mut far, path) = line();
        let (far_of_pipe, pipe) = pipe();
        far.write_all(&[0x55; 64]).expect("sent before it is opened");
        let mut tty = config(path).open(None).expect("opened");
        let mut piped = config(pipe).open(None).expect("opened");
        let far_of_pipe = far_of_pipe.join().expect("opened");
        for (far, source) in [(far, &mut tty), (far_of_pipe, &mut piped)] {
            let far = without_waiting(far);
            // Each value is still being sent when its read ends, and waits for the next one.
            for value in 1..=3 {
                let writer = far.try_clone().expect("another handle");
                let bytes = while_sending(writer, &[value; 64], || read(source.as_mut()));
                assert_eq!(bytes, [value; 64]);
            }
        }
    }

    /// A named pipe: the thread that opens its far end once it is read, and its path.
    fn pipe() -> (std::thread::JoinHandle<File>, PathBuf) {
        let path = tempfile::tempdir().expect("a directory").keep().join("pipe");
        let (cwd, mode) = (rustix::fs::CWD, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(cwd, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        let far = path.clone();
        let open = move || File::options().write(true).open(far).expect("it is read");
        (std::thread::spawn(open), path)
    }

    #[test]
    fn a_silent_line_keeps_the_deadline() {
        let (_far, path) = line();
        let mut source = config(path).open(None).expect("opened");
        let error = source
            .read(&mut Sample::new(Instant::now()), Instant::now() + Duration::from_millis(20))
            .expect_err("silence");
        assert!(matches!(error, SourceError::Timeout { .. }), "{error}");
    }

    #[test]
    fn an_unplugged_line_is_an_error() {
        let (far, path) = line();
        let mut source = config(path).open(None).expect("opened");
        drop(far);
        let error = source
            .read(&mut Sample::new(Instant::now()), Instant::now() + Duration::from_secs(30))
            .expect_err("unplugged");
        assert!(matches!(error, SourceError::Device { .. }), "{error}");
    }

    #[test]
    fn a_file_that_ends_is_an_error_and_not_padded() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), [1; 40]).expect("written");
        let mut source = config(file.path().to_owned()).open(None).expect("opened");
        let deadline = Instant::now() + Duration::from_secs(30);
        assert!(source.read(&mut Sample::new(Instant::now()), deadline).is_err());
    }
}
