//! The operating system's generator, through `getrandom(2)`.
//!
//! # Credit
//! Full: 8 bits a byte. The kernel counts 256 bits of its own credit before it gives the first
//! byte, and its generator is cryptographic, so that no observer without its state can do better
//! than guess. That state is the point of failure this claims nothing about: a kernel that lies,
//! or one that was restored from a snapshot, gives bytes an attacker may know. Hence the quorum.

use std::time::Instant;

use serde::Deserialize;

use crate::source::{Source, SourceError};
use lavawall_entropy::{Kind, Sample, Shape};

/// The independence class.
pub const KIND: Kind = Kind::OperatingSystem;

/// Claimed min-entropy of one byte, in bits.
pub const H_PER_SYMBOL: f64 = 8.0;

/// Bytes in a sample: 512 bits, of which 320 make a block.
const SAMPLE_BYTES: usize = 64;

/// Nothing to set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {}

/// Opens it.
///
/// # Errors
/// Never: the system call is always there.
pub fn open(_: &Config) -> Result<Box<dyn Source>, SourceError> {
    Ok(Box::new(Os))
}

struct Os;

impl Source for Os {
    /// Waits until the kernel's generator is initialised, as `getrandom(2)` without flags does.
    /// That wait, at boot only, is the one that a deadline cannot cut short.
    fn read(&mut self, sample: &mut Sample, _: Instant) -> Result<(), SourceError> {
        sample.shape = Shape::Bytes;
        getrandom::fill(sample.resize(SAMPLE_BYTES)).map_err(|error| SourceError::Device {
            what: "getrandom(2)".into(),
            reason: error.to_string(),
        })
    }
}
