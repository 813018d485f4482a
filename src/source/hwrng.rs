//! A hardware generator behind `/dev/hwrng`: virtio-rng in a virtual machine, a block on the chip
//! of a board.
//!
//! # Credit
//! Half a bit per bit unless configured. The kernel's drivers report a `quality` that most leave at
//! a default; the device cannot be inspected. With virtio-rng the bytes are only as good as the
//! host. Half is a discount on rngd's figure and on the kernel's default of 1024/1024 since 6.2; an
//! operator who knows the device sets `entropy-per-bit`.
//!
//! The kernel also feeds its own generator from this device: `os` and `hwrng` are related. They
//! count as two kinds because `os` also holds entropy that the kernel gathered elsewhere.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;

use crate::source::claim::{Claim, Derating};
use crate::source::contract::{Facts, Source, SourceError};
use crate::source::device_file;
use crate::source::entropy_per_bit::EntropyPerBit;
use crate::source::setup_facts::SetupFacts;
use crate::source::source_type::{Presence, SampleForm, SourceType};
use lavawall_entropy::{ALPHA_FAST, Kind, Sample, Shape};

/// The device.
const DEVICE: &str = "/dev/hwrng";

/// The kernel's name for the driver behind it.
const CURRENT: &str = "/sys/class/misc/hw_random/rng_current";

/// Bytes in a sample. Virtio-rng answers in pieces of 64 bytes.
const SAMPLE_BYTES: usize = 64;

/// The device and its claim.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HwrngConfig {
    /// The device file, default `/dev/hwrng`.
    pub device: PathBuf,
    /// Min-entropy claimed for one bit, 0 to 1, default 0.5.
    pub entropy_per_bit: EntropyPerBit,
}

impl Default for HwrngConfig {
    fn default() -> Self {
        Self { device: DEVICE.into(), entropy_per_bit: EntropyPerBit::HALF }
    }
}

impl SourceType for HwrngConfig {
    const KIND: Kind = Kind::Device;
    const SAMPLES: SampleForm = SampleForm::Bytes;
    const PRESENCE: Presence =
        Presence::Detected(|| device_file::open(Path::new(DEVICE), false).is_ok());
    const RESTART: &'static str = device_file::RESTART;

    /// [`SourceError::Absent`] when the device is missing or may not be read.
    fn open(&self, _: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
        let file = device_file::open(&self.device, false)?;
        Ok(Box::new(Hwrng { path: self.device.clone(), file }))
    }

    fn claim(&self, _: &[u64]) -> Claim {
        Claim::bytes(self.entropy_per_bit.per_byte(), ALPHA_FAST, "configured, not measured")
    }

    fn derating(&self) -> Derating {
        Derating::AtMostClaim(self.entropy_per_bit.per_byte())
    }

    fn setup(&self) -> SetupFacts {
        SetupFacts::bytes(self.device.display().to_string())
    }

    fn may_be_credited(&self) -> bool {
        self.entropy_per_bit.per_byte() > 0.0
    }
}

struct Hwrng {
    path: PathBuf,
    file: File,
}

impl Source for Hwrng {
    fn read(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        sample.shape = Shape::Bytes;
        device_file::read_exact(&mut self.file, &self.path, sample.resize(SAMPLE_BYTES), deadline)
    }

    fn facts(&self) -> Facts {
        // The kernel's name holds for its own device only.
        let is_kernels = self.path == Path::new(DEVICE);
        let current = if is_kernels {
            std::fs::read_to_string(CURRENT).unwrap_or_default()
        } else {
            String::new()
        };
        let identity = (!current.trim().is_empty()).then(|| current.trim().to_owned());
        Facts { identity, ..Facts::default() }
    }
}
