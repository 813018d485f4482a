//! A hardware generator behind `/dev/hwrng`: virtio-rng in a virtual machine, a block on the chip
//! of a board.
//!
//! # Credit
//! Half a bit a bit unless configured. The kernel's drivers say how good they are in a `quality`
//! that most leave at a default; what is inside cannot be seen. With virtio-rng the bytes are the
//! host's word. Half is what rngd and the kernel's own default of 1024/1024 since 6.2 leave room
//! for; where you know better, say so with `entropy-per-bit`.
//!
//! The kernel also feeds its own generator from this device: `os` and `hwrng` are related. They
//! count as two kinds because `os` holds what the kernel gathered elsewhere as well.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;

use crate::source::entropy_per_bit::EntropyPerBit;
use crate::source::{Facts, Source, SourceError, device};
use lavawall_entropy::{Kind, Sample, Shape};

/// The independence class.
pub const KIND: Kind = Kind::Device;

/// The device.
const DEVICE: &str = "/dev/hwrng";

/// What the kernel says is behind it.
const CURRENT: &str = "/sys/class/misc/hw_random/rng_current";

/// Bytes in a sample. Virtio-rng answers in pieces of 64 bytes.
const SAMPLE_BYTES: usize = 64;

/// Which device, and what it is worth.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// The device file, default `/dev/hwrng`.
    pub device: PathBuf,
    /// Min-entropy claimed for one bit, 0 to 1, default 0.5.
    pub entropy_per_bit: EntropyPerBit,
}

impl Default for Config {
    fn default() -> Self {
        Self { device: DEVICE.into(), entropy_per_bit: EntropyPerBit::HALF }
    }
}

/// Whether this machine has one that we may read.
#[must_use]
pub fn is_present() -> bool {
    device::open(Path::new(DEVICE), false).is_ok()
}

/// Opens the device.
///
/// # Errors
/// [`SourceError::Absent`] when it is not there or may not be read.
pub fn open(config: &Config) -> Result<Box<dyn Source>, SourceError> {
    let file = device::open(&config.device, false)?;
    Ok(Box::new(Hwrng { path: config.device.clone(), file }))
}

struct Hwrng {
    path: PathBuf,
    file: File,
}

impl Source for Hwrng {
    fn read(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        sample.shape = Shape::Bytes;
        device::read_exact(&mut self.file, &self.path, sample.resize(SAMPLE_BYTES), deadline)
    }

    fn facts(&self) -> Facts {
        // Another device is not the one that the kernel speaks of.
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
