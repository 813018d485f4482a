//! A finding: the health test that failed, how severe that is, and the figures.

use std::fmt;

/// One failed test of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The test that failed.
    pub test: HealthTest,
    /// The effect on the source's credit.
    pub severity: Severity,
    /// The figures, for the operator; never sample bytes.
    pub detail: String,
}

impl Finding {
    /// A figure with this many decimals, and more where it would look like the limit beside it.
    #[must_use]
    pub fn figure(value: f64, decimals: usize, limit: &str) -> String {
        /// More than the digits of a double (IEEE 754).
        const MOST_DECIMALS: usize = 17;
        let limit = limit.parse::<f64>().ok();
        let shown = |decimals: usize| format!("{value:.decimals$}");
        (decimals..MOST_DECIMALS)
            .map(shown)
            .find(|text| text.parse().ok() != limit)
            .unwrap_or_else(|| shown(decimals))
    }
}

/// The effect of a finding on the source's credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Reported; the credit is kept.
    Notice,
    /// The credit is withdrawn until a fresh start-up pass.
    Intermittent,
    /// As intermittent, and an incident is raised.
    Persistent,
}

/// All health tests, including those that a source's driver performs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HealthTest {
    /// One symbol repeats too often in a row (SP 800-90B §4.4.1).
    RepetitionCount,
    /// One symbol is too common in a window (SP 800-90B §4.4.2).
    AdaptiveProportion,
    /// Symbols can be predicted from earlier ones.
    LagPredictor,
    /// A word came before: the device repeats itself.
    Recurrence,
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
            Self::Recurrence => "recurrence",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_never_looks_like_the_limit_that_it_is_beyond() {
        for (value, decimals, limit, expected) in [
            (0.25, 2, "0.1", "0.25"),
            (0.104, 2, "0.1", "0.104"),
            (0.100_04, 2, "0.1", "0.10004"),
            (f64::from(0.1_f32), 2, "0.1", "0.100000001"),
            (99.6, 0, "100", "99.6"),
            (3.9996, 3, "4.000", "3.9996"),
            (0.1, 2, "0.1", "0.10"),
        ] {
            assert_eq!(Finding::figure(value, decimals, limit), expected);
        }
    }
}
