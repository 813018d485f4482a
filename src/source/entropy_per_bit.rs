//! The operator's claim for a hardware generator.

use std::fmt;

use lavawall_entropy::LEAST_H;
use serde::{Deserialize, Deserializer, de};

/// The smallest claim above zero: the least that health tests can watch.
const LEAST: f64 = LEAST_H / 8.0;

/// Min-entropy claimed for one bit of output: 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntropyPerBit(f64);

impl EntropyPerBit {
    /// Half a bit per bit: the claim for a device that cannot be inspected.
    pub const HALF: Self = Self(0.5);

    /// Nothing is claimed: mixed in, credited zero.
    pub const ZERO: Self = Self(0.0);

    /// Claimed min-entropy of one byte, in bits.
    #[must_use]
    pub fn per_byte(self) -> f64 {
        self.0 * 8.0
    }
}

impl fmt::Display for EntropyPerBit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for EntropyPerBit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if value == 0.0 || (LEAST..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(de::Error::custom(format!("must be 0, or from {LEAST} to 1 (got {value})")))
        }
    }
}
