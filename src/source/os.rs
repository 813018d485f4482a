//! The operating system's generator, through `getrandom(2)`.

use std::time::Instant;

use serde::Deserialize;

use crate::sample::{Kind, Sample, Shape};
use crate::source::{Source, SourceError};

/// The independence class.
pub const KIND: Kind = Kind::OperatingSystem;

/// Claimed min-entropy of one byte, in bits.
pub const H_PER_SYMBOL: f64 = 8.0;

/// Bytes in a sample.
const SAMPLE_BYTES: usize = 64;

/// Nothing to set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {}

/// Opens it.
///
/// # Errors
/// Never.
pub fn open(_: &Config) -> Result<Box<dyn Source>, SourceError> {
    Ok(Box::new(Os))
}

struct Os;

impl Source for Os {
    fn read(&mut self, sample: &mut Sample, _: Instant) -> Result<(), SourceError> {
        sample.shape = Shape::Bytes;
        getrandom::fill(sample.resize(SAMPLE_BYTES)).map_err(|error| SourceError::Device {
            what: "getrandom(2)".into(),
            reason: error.to_string(),
        })
    }
}
