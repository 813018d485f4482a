//! A trusted platform module's generator, through the raw command TPM2_GetRandom.
//!
//! ```text
//! command   80 01  00 00 00 0c  00 00 01 7b  00 20                 tag, size, code, bytes wanted
//! response  80 01  size(4)      rc(4)        count(2)  bytes…      all big-endian
//! ```
//! TPM 2.0 Library, part 3 §16.1 (TPM2_GetRandom) and part 1 §18 (headers).
//!
//! # Credit
//! Half a bit per bit. The module conditions its own physical source and tests it; only its maker can
//! assess that. A module in software, or one that a virtual machine's host provides, is only as good
//! as the host.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::source::claim::{Claim, Derating};
use crate::source::contract::{Source, SourceError};
use crate::source::device_file;
use crate::source::device_file::EmptyRead;
use crate::source::setup_facts::SetupFacts;
use crate::source::source_type::{Presence, Samples, SourceType};
use lavawall_entropy::{ALPHA_USUAL, Kind, Sample, Shape};

/// Claimed min-entropy of one byte, in bits.
const H_PER_SYMBOL: f64 = 4.0;

/// The resource manager's device: others may use the module at the same time.
const DEVICE: &str = "/dev/tpmrm0";

/// Bytes requested per command: every module gives this many at once, the size of a SHA-256 digest.
const WANTED: u8 = 32;

/// Commands in a sample.
const COMMANDS: usize = 2;

/// The command.
const GET_RANDOM: [u8; 12] = [0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, WANTED];

/// Tag, size, response code and count.
const HEADER_BYTES: usize = 12;

/// The wait before a busy module is asked again.
const RETRY: Duration = Duration::from_millis(20);

/// Response codes that mean "ask again": TPM_RC_YIELDED, TPM_RC_TESTING, TPM_RC_RETRY
/// (TPM 2.0 Library, part 2 §6.6.3).
const BUSY: [u32; 3] = [0x908, 0x90a, 0x922];

/// Which device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TpmConfig {
    /// The device file, default `/dev/tpmrm0`.
    pub device: PathBuf,
}

impl Default for TpmConfig {
    fn default() -> Self {
        Self { device: DEVICE.into() }
    }
}

impl SourceType for TpmConfig {
    const KIND: Kind = Kind::Tpm;
    const SAMPLES: Samples = Samples::Bytes;
    const PRESENCE: Presence =
        Presence::Detected(|| device_file::open(Path::new(DEVICE), true).is_ok());
    const RESTART: &'static str = device_file::RESTART;

    /// [`SourceError::Absent`] when the device is missing or may not be used.
    fn open(&self, _: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
        let transport = device_file::open(&self.device, true)?;
        Ok(Box::new(Tpm { path: self.device.clone(), transport }))
    }

    fn claim(&self, _: &[u64]) -> Claim {
        Claim::bytes(H_PER_SYMBOL, ALPHA_USUAL, "half of what the maker assesses")
    }

    fn derating(&self) -> Derating {
        Derating::AtMostClaim(H_PER_SYMBOL)
    }

    fn setup(&self) -> SetupFacts {
        SetupFacts::bytes(self.device.display().to_string())
    }
}

struct Tpm<T> {
    path: PathBuf,
    transport: T,
}

impl<T: Read + Write + AsFd + Send> Source for Tpm<T> {
    fn read(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        sample.shape = Shape::Bytes;
        let bytes = sample.resize(COMMANDS * usize::from(WANTED));
        let mut filled = 0;
        while filled < bytes.len() {
            filled += self.command(&mut bytes[filled..], deadline)?;
        }
        Ok(())
    }
}

impl<T: Read + Write + AsFd> Tpm<T> {
    /// Asks once, or again while the module is busy. Gives the number of bytes that came.
    fn command(&mut self, out: &mut [u8], deadline: Instant) -> Result<usize, SourceError> {
        let started = Instant::now();
        loop {
            self.transport
                .write_all(&GET_RANDOM)
                .map_err(|error| device_file::failed(&self.path, &error))?;
            let mut response = Zeroizing::new([0; HEADER_BYTES + WANTED as usize]);
            let len = self.read_response(response.as_mut_slice(), deadline)?;
            match parse(&response[..len]) {
                Ok(bytes) => {
                    let count = bytes.len().min(out.len());
                    out[..count].copy_from_slice(&bytes[..count]);
                    return Ok(count);
                }
                Err(Refusal::Busy) if Instant::now() + RETRY < deadline => {
                    std::thread::sleep(RETRY);
                }
                Err(Refusal::Busy) => return Err(device_file::timeout(&self.path, started)),
                Err(Refusal::Wrong(reason)) => {
                    let what = self.path.display().to_string();
                    return Err(SourceError::Device { what, reason });
                }
            }
        }
    }

    /// A driver opened without blocking works in the background, polls ready while it does, and
    /// gives no bytes until it is done (Linux, `tpm_common_read`).
    fn read_response(
        &mut self,
        response: &mut [u8],
        deadline: Instant,
    ) -> Result<usize, SourceError> {
        device_file::read_some(
            &mut self.transport,
            &self.path,
            response,
            EmptyRead::NotYet,
            deadline,
        )
    }
}

/// Why a response holds no bytes.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// Ask again.
    Busy,
    /// The module failed, or its answer is malformed.
    Wrong(String),
}

/// The random bytes of one whole response. Every field is checked: a short or padded response
/// would put bytes into the sample that the module did not make.
fn parse(response: &[u8]) -> Result<&[u8], Refusal> {
    let wrong = |reason: String| Refusal::Wrong(reason);
    let (header, rest) = response
        .split_at_checked(10)
        .ok_or_else(|| wrong(format!("a response of {} bytes", response.len())))?;
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let (size, code) = (word(2), word(6));
    if usize::try_from(size) != Ok(response.len()) {
        return Err(wrong(format!("a response of {} bytes that says {size}", response.len())));
    }
    if BUSY.contains(&code) {
        return Err(Refusal::Busy);
    }
    if code != 0 {
        return Err(wrong(format!("response code {code:#x}")));
    }
    if header[..2] != [0x80, 0x01] {
        return Err(wrong(format!("response tag {:#04x}{:02x}", header[0], header[1])));
    }
    let (count, bytes) = rest
        .split_first_chunk()
        .map(|(count, bytes)| (u16::from_be_bytes(*count), bytes))
        .ok_or_else(|| wrong("a response without a count".into()))?;
    if usize::from(count) != bytes.len() || count == 0 || count > u16::from(WANTED) {
        return Err(wrong(format!("{} bytes where the count says {count}", bytes.len())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io;
    use std::os::fd::BorrowedFd;
    use std::os::unix::net::UnixStream;

    /// Gives no bytes before the response, as the kernel's driver does.
    struct Driver(UnixStream);

    impl Read for Driver {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                result => result,
            }
        }
    }

    impl Write for Driver {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    impl AsFd for Driver {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    fn response(code: u32, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(10 + payload.len()).expect("short");
        let mut bytes = vec![0x80, 0x01];
        bytes.extend(size.to_be_bytes());
        bytes.extend(code.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn random(bytes: &[u8]) -> Vec<u8> {
        let count = u16::try_from(bytes.len()).expect("short");
        response(0, &[&count.to_be_bytes(), bytes].concat())
    }

    /// A module that answers each command with the next of these.
    fn module(answers: Vec<Vec<u8>>) -> Tpm<Driver> {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        ours.set_nonblocking(true).expect("a socket");
        std::thread::spawn(move || {
            for answer in answers {
                let mut command = [0; GET_RANDOM.len()];
                if theirs.read_exact(&mut command).is_err() || command != GET_RANDOM {
                    return;
                }
                let _ = theirs.write_all(&answer);
            }
            // Stays open and silent, as a module that hangs does.
            let _ = theirs.read_to_end(&mut Vec::new());
        });
        Tpm { path: "tpm".into(), transport: Driver(ours) }
    }

    fn read(tpm: &mut Tpm<Driver>, patience: Duration) -> Result<Vec<u8>, SourceError> {
        let mut sample = Sample::new(Instant::now());
        tpm.read(&mut sample, Instant::now() + patience)?;
        Ok(sample.bytes().to_vec())
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_sample_is_what_the_module_gave() {
        let mut tpm = module(vec![random(&[1; 32]), random(&[2; 32])]);
        assert_eq!(read(&mut tpm, LONG).expect("bytes"), [[1; 32], [2; 32]].concat());
    }

    #[test]
    fn fewer_bytes_than_asked_for_are_asked_for_again_and_never_padded() {
        let answers = [16, 16, 20, 12].map(|len| random(&vec![9; len])).to_vec();
        assert_eq!(read(&mut module(answers), LONG).expect("bytes"), [9; 64]);
    }

    #[test]
    fn a_busy_module_is_asked_again() {
        let answers = vec![response(0x922, &[]), random(&[1; 32]), random(&[2; 32])];
        assert!(read(&mut module(answers), LONG).is_ok());
    }

    #[test]
    fn a_module_that_fails_is_an_error_that_names_its_code() {
        let error =
            read(&mut module(vec![response(0x101, &[])]), LONG).expect_err("TPM_RC_FAILURE");
        assert!(error.to_string().contains("0x101"), "{error}");
    }

    #[test]
    fn a_silent_module_keeps_the_deadline() {
        let error = read(&mut module(vec![]), Duration::from_millis(20)).expect_err("silence");
        assert!(matches!(error, SourceError::Timeout { .. }));
    }

    #[test]
    fn every_wrong_field_is_noticed() {
        let good = random(&[7; 32]);
        assert!(parse(&good).is_ok());
        assert!(parse(&good[..43]).is_err(), "cut short");
        assert!(parse(&[good.as_slice(), &[0]].concat()).is_err(), "padded");
        let mut tag = good.clone();
        tag[1] = 2;
        assert!(parse(&tag).is_err());
        let mut count = good;
        count[11] = 31;
        assert!(parse(&count).is_err());
        assert!(parse(&random(&[])).is_err(), "no bytes are no success");
    }

    proptest! {
        #[test]
        fn no_response_makes_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&bytes);
        }
    }
}
