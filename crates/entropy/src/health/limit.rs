//! What samples are held to, and what it follows from: shown to whoever looks at a source.

use crate::health::cutoff::Alpha;
use crate::health::finding::{HealthTest, Severity};

/// One limit of one test.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthLimit {
    /// The test.
    pub test: HealthTest,
    /// What follows when it is reached.
    pub severity: Severity,
    /// What it is.
    pub rule: LimitRule,
}

/// What a limit is.
#[derive(Debug, Clone, PartialEq)]
pub enum LimitRule {
    /// A count that is computed from what is claimed.
    Cutoff(Cutoff),
    /// A threshold that was chosen, in words.
    Threshold(String),
}

/// A cutoff with all that it was computed from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cutoff {
    /// How it is computed.
    pub formula: &'static str,
    /// Min-entropy claimed for a symbol, in bits.
    pub h: f64,
    /// The odds of a false alarm, for one symbol.
    pub alpha: Alpha,
    /// Symbols in a window, where the test has windows.
    pub window: Option<u32>,
    /// So many are an alarm.
    pub count: u32,
}

impl HealthLimit {
    /// A count that is computed from what is claimed.
    #[must_use]
    pub fn cutoff(test: HealthTest, severity: Severity, cutoff: Cutoff) -> Self {
        Self { test, severity, rule: LimitRule::Cutoff(cutoff) }
    }

    /// A threshold that was chosen.
    #[must_use]
    pub fn threshold(test: HealthTest, severity: Severity, rule: String) -> Self {
        Self { test, severity, rule: LimitRule::Threshold(rule) }
    }
}
