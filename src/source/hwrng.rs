//! A hardware generator behind `/dev/hwrng`: virtio-rng in a virtual machine, a block on the chip
//! of a board.
//!
//! # Credit
//! Half a bit per bit unless configured. The kernel's drivers report a `quality` that most leave at
//! a default; the device cannot be inspected. With virtio-rng the bytes are only as good as the
//! host. Half is a discount on rngd's figure and on the kernel's default of 1024/1024 since 6.2; an
//! operator who knows the device sets `entropy-per-bit`.
//!
//! # Kind
//! The kernel also feeds its own generator from this device: `os` and `hwrng` are related. They
//! count as two kinds because `os` also holds entropy that the kernel gathered elsewhere. The
//! kernel also offers a trusted platform module here, as `tpm-rng-0`: it then has the kind of the
//! `tpm` source, since both are one chip. So has a device whose driver is unknown.

use std::fmt;
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
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

/// Its device number, under whichever path: the miscellaneous devices' major number and
/// `HWRNG_MINOR` (Linux, `drivers/char/hw_random/core.c`).
const DEVICE_NUMBER: (u32, u32) = (10, 183);

/// The kernel's name for the driver behind it.
const RNG_CURRENT: &str = "/sys/class/misc/hw_random/rng_current";

/// The names of trusted platform modules: `tpm-rng-N`, before Linux 5.1 `tpm-rng` (Linux,
/// `tpm_add_hwrng`).
const TPM_DRIVERS: &str = "tpm-rng";

/// The names of the host's generators: `virtio_rng.N` (Linux, `virtio-rng.c`).
const HOST_DRIVERS: &str = "virtio_rng";

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
    /// The file that names the driver behind the device; default, for the kernel's device alone,
    /// `/sys/class/misc/hw_random/rng_current`.
    pub rng_current: Option<PathBuf>,
}

impl Default for HwrngConfig {
    fn default() -> Self {
        Self { device: DEVICE.into(), entropy_per_bit: EntropyPerBit::HALF, rng_current: None }
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
        let driver = self.driver();
        Ok(Box::new(Hwrng { config: self.clone(), file, driver }))
    }

    fn kind(&self) -> Kind {
        self.driver().kind()
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

impl HwrngConfig {
    fn driver(&self) -> Driver {
        let is_kernels = || std::fs::metadata(&self.device).is_ok_and(|it| is_kernels(&it));
        let file = match &self.rng_current {
            Some(file) => file,
            None if is_kernels() => Path::new(RNG_CURRENT),
            None => return Driver::Other,
        };
        let name = std::fs::read_to_string(file).unwrap_or_default().trim().to_owned();
        if name.is_empty() { Driver::Unknown } else { Driver::Named(name) }
    }
}

/// Whether this is the kernel's device.
fn is_kernels(device: &Metadata) -> bool {
    let number = (rustix::fs::major(device.rdev()), rustix::fs::minor(device.rdev()));
    device.file_type().is_char_device() && number == DEVICE_NUMBER
}

/// The driver behind a device.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Driver {
    /// The kernel's name for it.
    Named(String),
    /// The kernel does not say.
    Unknown,
    /// The device is not the kernel's.
    Other,
}

impl Driver {
    fn kind(&self) -> Kind {
        match self {
            Self::Named(name) if name.starts_with(TPM_DRIVERS) => Kind::Tpm,
            Self::Unknown => Kind::Tpm,
            Self::Named(_) | Self::Other => Kind::Device,
        }
    }

    fn note(&self) -> Option<String> {
        match self {
            Self::Named(name) if name.starts_with(TPM_DRIVERS) => Some(format!(
                "{name} is a trusted platform module: it counts as the kind tpm, once with the \
                 source tpm"
            )),
            Self::Named(name) if name.starts_with(HOST_DRIVERS) => Some(format!(
                "{name} is provided by the host: it and a virtual trusted platform module count \
                 as two kinds, but depend on the one host"
            )),
            Self::Unknown => Some(
                "its driver is unknown: it counts as the kind tpm, since it may be such a module"
                    .to_owned(),
            ),
            Self::Named(_) | Self::Other => None,
        }
    }
}

struct Hwrng {
    config: HwrngConfig,
    file: File,
    driver: Driver,
}

impl Source for Hwrng {
    /// The kernel can put another driver behind the device at any time. It is noticed before the
    /// sample is used, and decided about when the device is opened again.
    fn read(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        sample.shape = Shape::Bytes;
        let out = sample.resize(SAMPLE_BYTES);
        device_file::read_exact(&mut self.file, &self.config.device, out, deadline)?;
        let found = self.config.driver();
        if found == self.driver {
            return Ok(());
        }
        Err(SourceError::IdentityChanged {
            what: self.config.device.display().to_string(),
            expected: self.driver.to_string(),
            found: found.to_string(),
        })
    }

    fn facts(&self) -> Facts {
        let identity = match &self.driver {
            Driver::Named(name) => Some(name.clone()),
            Driver::Unknown | Driver::Other => None,
        };
        Facts { identity, notes: self.driver.note().into_iter().collect(), ..Facts::default() }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named(name) => name,
            Self::Unknown => "an unknown driver",
            Self::Other => "not the kernel's device",
        })
    }
}
