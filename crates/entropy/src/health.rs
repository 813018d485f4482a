//! Health tests on raw samples, before anything is hashed: they decide what a sample is credited.
//!
//! ```text
//! sample ─► Inspect (one per source type: RCT, APT, …) ─► Inspection ─► Gate ─► Admission
//!           what the numbers say                                        start-up, withdrawal, back-off
//! ```

pub(crate) mod adaptive;
pub(crate) mod cutoff;
pub(crate) mod frames;
pub(crate) mod gate;
pub(crate) mod jitter;
pub(crate) mod limit;
pub(crate) mod repetition;
pub(crate) mod symbols;

use std::fmt;

use crate::sample::Sample;

use limit::HealthLimit;

/// Looks at every raw sample of one source.
pub trait Inspect: Send {
    /// Judges one sample. The credit is what the sample is worth if the source is healthy; the
    /// [`Gate`](gate::Gate) decides whether it counts.
    fn inspect(&mut self, sample: &Sample) -> Inspection;

    /// The limits that samples are held to, for people to look at. None, unless it is overridden.
    fn limits(&self) -> Vec<HealthLimit> {
        Vec::new()
    }

    /// Appends what is credited in the sample that was inspected last, one symbol a byte: what
    /// assessment is to look at. Wider symbols give their low eight bits, which cannot have more
    /// min-entropy than the whole. Nothing, unless it is overridden.
    fn noise(&self, sample: &Sample, into: &mut Vec<u8>) {
        let _ = (sample, into);
    }

    /// Replaces the provisional min-entropy of one symbol, in bits, by an assessed one, or takes it
    /// up again with `None`; what is worth next to nothing is credited nothing. Returns whether that
    /// changes anything: then all is forgotten as by [`Self::reset`]. An inspector that credits
    /// nothing credits nothing whatever was assessed, and changes nothing; as does this, unless it is
    /// overridden.
    fn claim(&mut self, assessed: Option<f64>) -> bool {
        let _ = assessed;
        false
    }

    /// The most min-entropy that one symbol is credited, in bits; `None` where none is.
    fn claimed(&self) -> Option<f64> {
        None
    }

    /// Forgets everything about past samples, as at the start. Memory that is meant to outlive a
    /// restart, such as the frames already seen, stays.
    fn reset(&mut self);
}

/// What one sample showed.
#[derive(Debug, Default)]
pub struct Inspection {
    /// How many raw symbols were tested: they count towards the start-up test.
    pub symbols: u32,
    /// Min-entropy that can be argued for this sample, in whole bits, rounded down.
    pub credit_bits: u32,
    /// Everything that is wrong with it.
    pub findings: Vec<Finding>,
    /// A short keyed-down print of the payload, to be remembered across restarts so that a
    /// replayed recording is noticed.
    pub fingerprint: Option<u64>,
}

/// One thing that is wrong with a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The test that failed.
    pub test: HealthTest,
    /// What follows from it.
    pub severity: Severity,
    /// The figures, for the operator; never sample bytes.
    pub detail: String,
}

/// What follows from a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Reported; the credit stands.
    Notice,
    /// The credit is withdrawn until a fresh start-up pass.
    Intermittent,
    /// As intermittent, and an incident is raised.
    Persistent,
}

/// Every health test there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HealthTest {
    /// One symbol repeats too often in a row (SP 800-90B §4.4.1).
    RepetitionCount,
    /// One symbol is too common in a window (SP 800-90B §4.4.2).
    AdaptiveProportion,
    /// Timing differences can be predicted from earlier ones.
    LagPredictor,
    /// The lens is covered: dark and flat.
    CoveredLens,
    /// Too much of the picture is clipped at white.
    Saturated,
    /// The same picture again.
    Frozen,
    /// A picture that was seen before: a recording.
    LoopedReplay,
    /// The scene no longer moves: the lamps are off.
    StaticScene,
    /// Neighbouring or successive pixels agree: a compressed or denoised feed.
    Denoised,
    /// The transfer lost or damaged something.
    BadTransfer,
    /// Too few pixels show noise.
    TooQuiet,
    /// Live assessment finds less min-entropy than is claimed.
    BelowClaim,
    /// The noise does not fit the sensor's own model.
    NoiseModel,
    /// Another device answers under the same name.
    IdentityChange,
    /// Nothing came before the deadline.
    Deadline,
    /// The device could not be opened or read.
    Unreadable,
    /// The source's own code failed.
    Crashed,
}

impl HealthTest {
    /// The name used in status, logs, metrics and the operator's guide.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RepetitionCount => "repetition-count",
            Self::AdaptiveProportion => "adaptive-proportion",
            Self::LagPredictor => "lag-predictor",
            Self::CoveredLens => "covered-lens",
            Self::Saturated => "saturated",
            Self::Frozen => "frozen",
            Self::LoopedReplay => "looped-replay",
            Self::StaticScene => "static-scene",
            Self::Denoised => "denoised",
            Self::BadTransfer => "bad-transfer",
            Self::TooQuiet => "too-quiet",
            Self::BelowClaim => "below-claim",
            Self::NoiseModel => "noise-model",
            Self::IdentityChange => "identity-change",
            Self::Deadline => "deadline",
            Self::Unreadable => "unreadable",
            Self::Crashed => "crashed",
        }
    }
}

impl fmt::Display for HealthTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
