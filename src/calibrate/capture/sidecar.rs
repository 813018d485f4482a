//! What a file of raw noise holds, in words: the file beside it.

use serde::{Deserialize, Serialize};

use crate::calibrate::setup::Setup;
use crate::source::Spec;
use lavawall_entropy::Kind;

/// What a file of raw noise holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sidecar {
    /// The source's name in the configuration.
    pub source: String,
    /// Its independence class.
    pub kind: Kind,
    /// Why nothing of it is credited, however it assesses; absent when it can be.
    pub credited_nothing: Option<String>,
    /// The device is on a bus that software can fake, and its configuration allows that.
    pub virtual_device: bool,
    /// What it is and how it is set.
    pub setup: Setup,
    /// Bits a symbol.
    pub bits: u8,
    /// How many symbols there are.
    pub samples: usize,
    /// The rows of a matrix of restarts; absent for one sequence.
    pub restarts: Option<Restarts>,
    /// How often its own start-up test refused to start it: those starts are not in the noise.
    pub refusals: u32,
    /// How often it failed a health test meanwhile and would have lost its credit.
    pub alarms: u32,
    /// The last alarm.
    pub last_alarm: Option<String>,
    /// When it was finished, RFC 3339.
    pub at: String,
    /// The program's version.
    pub lavawall: String,
}

/// A matrix of restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Restarts {
    /// How often the source was started.
    pub rows: usize,
    /// How many symbols were kept each time.
    pub columns: usize,
    /// What a start is for this source, and what it leaves as it was.
    pub meaning: String,
}

/// Why nothing of a source is credited.
#[must_use]
pub fn credited_nothing(spec: &Spec) -> Option<&'static str> {
    if spec.kind() == Kind::None {
        return Some("whoever knows where it comes from knows all of it");
    }
    (!spec.may_be_credited()).then_some("its configuration claims nothing")
}

/// What opening a source anew does, and what it leaves as it was. SP 800-90B §3.1.4 means a power
/// cycle, which no program can do to all of these.
pub(crate) fn meaning_of_restart(spec: &Spec) -> &'static str {
    match spec {
        Spec::Camera(_) => {
            "the video device is closed and opened, streaming starts anew and the picture settles; \
             the camera stays powered"
        }
        Spec::Jitter(_) => {
            "new memory, a new walk through it and a new warm-up; the processor and the program go on"
        }
        Spec::Cpu(_) => "the self-test runs anew; the processor's generator cannot be restarted",
        Spec::Os(_) => "opened anew; the kernel's generator goes on",
        Spec::Hwrng(_) | Spec::Tpm(_) | Spec::Serial(_) => {
            "the device file is closed and opened; the device itself stays powered"
        }
        Spec::Rendered(_) => "a new wall is drawn from a new seed",
        Spec::Replay(_) => "the recording is played from its beginning: every row is the same",
    }
}
