//! The operating system's generator, through `getrandom(2)`.
//!
//! # Credit
//! Full: 8 bits per byte. The kernel counts 256 bits of its own credit before the first byte, and its generator is cryptographic, so that no observer without its state can do better
//! than guess. That state is the point of failure this claims nothing about: a kernel that lies,
//! or one that was restored from a snapshot, gives bytes an attacker may know. Hence the quorum.

use std::time::Instant;

use serde::Deserialize;

use crate::source::claim::{Claim, Derating};
use crate::source::contract::{Source, SourceError};
use crate::source::setup_facts::SetupFacts;
use crate::source::source_type::{Presence, SampleForm, SourceType};
use lavawall_entropy::{ALPHA_FAST, Kind, Sample, Shape};

/// Claimed min-entropy of one byte, in bits.
const H_PER_SYMBOL: f64 = 8.0;

/// Bytes in a sample: 512 bits, of which 320 make a block.
const SAMPLE_BYTES: usize = 64;

/// Nothing to set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct OsConfig {}

impl SourceType for OsConfig {
    const KIND: Kind = Kind::OperatingSystem;
    const SAMPLES: SampleForm = SampleForm::Bytes;
    const PRESENCE: Presence = Presence::Always;
    const RESTART: &'static str = "opened again; the kernel's generator keeps running";

    /// Never fails: the system call is always there.
    fn open(&self, _: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(Os))
    }

    fn claim(&self, _: &[u64]) -> Claim {
        Claim::bytes(H_PER_SYMBOL, ALPHA_FAST, "the kernel's own accounting")
    }

    fn derating(&self) -> Derating {
        Derating::Never(
            "the kernel's generator is credited by the kernel's own accounting: its bytes look \
             perfect whatever is behind them",
        )
    }

    fn setup(&self) -> SetupFacts {
        SetupFacts::bytes(String::new())
    }
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
