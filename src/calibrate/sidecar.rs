//! The description beside a file of raw noise.

use serde::{Deserialize, Serialize};

use crate::calibrate::setup::Setup;
use lavawall_entropy::Kind;

/// The content of `noise.bin.json`, which describes `noise.bin`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Sidecar {
    /// The source's name in the configuration.
    pub source: String,
    /// Its independence class.
    pub kind: Kind,
    /// Why it is credited nothing, whatever an assessment finds; absent when it can be credited.
    pub credited_nothing: Option<String>,
    /// The device is on a bus that software can fake, and its configuration allows that.
    pub virtual_device: bool,
    /// The device and its settings.
    pub setup: Setup,
    /// Bits per symbol.
    pub bits: u8,
    /// The number of symbols.
    pub samples: usize,
    /// The rows of a matrix of restarts; absent for one sequence.
    pub restarts: Option<RestartMatrix>,
    /// Starts refused by its own start-up test: they are not in the noise.
    pub refusals: u32,
    /// Failed health tests during the capture, each of which would have withdrawn its credit.
    pub alarms: u32,
    /// The last alarm.
    pub last_alarm: Option<String>,
    /// When the capture ended, RFC 3339.
    pub at: String,
    /// The program's version.
    pub lavawall: String,
}

/// A matrix of restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RestartMatrix {
    /// The number of starts.
    pub rows: usize,
    /// Symbols kept from each start.
    pub columns: usize,
    /// The effect of a start: the parts of the source that restart, and those that keep running.
    pub meaning: String,
}
