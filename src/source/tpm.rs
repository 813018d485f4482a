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
use crate::source::source_type::{Presence, SampleForm, SourceType};
use lavawall_entropy::{ALPHA_FAST, Kind, Sample, Shape};

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
    const SAMPLES: SampleForm = SampleForm::Bytes;
    const PRESENCE: Presence =
        Presence::Detected(|| device_file::open(Path::new(DEVICE), true).is_ok());
    const RESTART: &'static str = device_file::RESTART;

    /// [`SourceError::Absent`] when the device is missing or may not be used.
    fn open(&self, _: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
        let transport = device_file::open(&self.device, true)?;
        Ok(Box::new(Tpm { path: self.device.clone(), transport }))
    }

    fn claim(&self, _: &[u64]) -> Claim {
        Claim::bytes(H_PER_SYMBOL, ALPHA_FAST, "half of what the maker assesses")
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
mod tests;
