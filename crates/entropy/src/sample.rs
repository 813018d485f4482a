//! A sample: raw bytes from one noise source, before any processing.

use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// The size of one symbol of [`Shape::Deltas`], in bytes.
pub const DELTA_BYTES: usize = size_of::<u64>();

/// Raw noise from one source. A sample can be cleared and filled again, so that frames are not
/// copied.
///
/// # Security
/// The bytes are as secret as the output made from them: they are zeroized when the sample is
/// cleared or dropped, and `Debug` shows their number only.
///
/// ```rust
/// use std::time::Instant;
///
/// use lavawall_entropy::Sample;
///
/// let mut sample = Sample::new(Instant::now());
/// sample.resize(4).copy_from_slice(&[1, 2, 3, 4]);
/// assert_eq!(sample.bytes(), [1, 2, 3, 4]);
/// assert!(!format!("{sample:?}").contains("[1, 2"));
/// sample.clear(Instant::now());
/// assert!(sample.bytes().is_empty());
/// ```
pub struct Sample {
    bytes: Vec<u8>,
    /// How the bytes divide into symbols.
    pub shape: Shape,
    /// The time at which the device began to produce the oldest byte. An estimate is never later
    /// than the true time.
    pub taken: Instant,
}

impl Sample {
    /// An empty sample, taken at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { bytes: Vec::new(), shape: Shape::Bytes, taken: now }
    }

    /// A sample with these bytes, taken at `now`.
    #[must_use]
    pub fn of(shape: Shape, bytes: &[u8], now: Instant) -> Self {
        Self { bytes: bytes.to_vec(), shape, taken: now }
    }

    /// Zeroizes the bytes and makes the sample ready to be filled: empty, taken at `now`.
    pub fn clear(&mut self, now: Instant) {
        self.bytes.zeroize();
        self.taken = now;
    }

    /// The raw bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The buffer, for the source to fill. Reserve before writing: a buffer that grows while it
    /// holds noise leaves a copy behind that is not zeroized.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Makes the sample `len` bytes long and returns them to be filled.
    pub fn resize(&mut self, len: usize) -> &mut [u8] {
        if len > self.bytes.capacity() {
            self.bytes.zeroize();
        }
        self.bytes.resize(len, 0);
        &mut self.bytes
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample")
            .field("bytes", &self.bytes.len())
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// How a sample's bytes divide into the symbols that health tests look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One symbol per byte.
    Bytes,
    /// One symbol per eight bytes, little-endian: a timing difference in ticks.
    Deltas,
    /// One picture.
    Frame(Frame),
}

/// The driver's description of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// How the payload is coded.
    pub format: PixelFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The driver's frame counter, where it has one.
    pub sequence: Option<u32>,
    /// The driver marked this frame as damaged in transfer.
    pub damaged: bool,
}

/// The pixel formats that the frame tests take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelFormat {
    /// 4:2:2, bytes Y0 U Y1 V: raw luma at every even byte.
    Yuyv,
    /// Eight bits of luma per pixel.
    Grey,
    /// One JPEG picture: hashed, never credited.
    Mjpeg,
}

impl PixelFormat {
    /// The exact payload length of a `width` by `height` picture, or `None` where it varies.
    #[must_use]
    pub fn payload_bytes(self, width: u32, height: u32) -> Option<usize> {
        let pixels = usize::try_from(u64::from(width) * u64::from(height)).ok()?;
        match self {
            Self::Yuyv => pixels.checked_mul(2),
            Self::Grey => Some(pixels),
            Self::Mjpeg => None,
        }
    }

    /// The distance in bytes from one luma value to the next, or `None` for coded pictures.
    #[must_use]
    pub fn luma_step(self) -> Option<usize> {
        match self {
            Self::Yuyv => Some(2),
            Self::Grey => Some(1),
            Self::Mjpeg => None,
        }
    }
}

/// A source's independence class. Two sources of one kind count once towards the quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A camera's sensor noise.
    PhysicalCamera,
    /// The operating system's generator.
    OperatingSystem,
    /// A processor's random-number instruction.
    CpuInstruction,
    /// Variations in the time the processor takes.
    CpuTiming,
    /// A hardware generator behind a device file.
    Device,
    /// A trusted platform module.
    Tpm,
    /// No argument for entropy: mixed in, always credited zero.
    None,
}

impl Kind {
    /// The name used in configuration, status, logs and headers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PhysicalCamera => "physical-camera",
            Self::OperatingSystem => "operating-system",
            Self::CpuInstruction => "cpu-instruction",
            Self::CpuTiming => "cpu-timing",
            Self::Device => "device",
            Self::Tpm => "tpm",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
