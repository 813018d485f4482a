//! The limits of the health tests and their parameters, for display.

use crate::health::cutoff::Alpha;
use crate::health::finding::{HealthTest, Severity};

/// One limit of one test.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthLimit {
    /// The test.
    pub test: HealthTest,
    /// The severity of reaching it.
    pub severity: Severity,
    /// The limit itself.
    pub rule: LimitRule,
}

/// How a limit is defined.
#[derive(Debug, Clone, PartialEq)]
pub enum LimitRule {
    /// A count computed from the claimed min-entropy.
    Cutoff(Cutoff),
    /// A threshold that was chosen, in words.
    Threshold(String),
}

/// A cutoff and the parameters of its formula.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cutoff {
    /// The formula, as text.
    pub formula: &'static str,
    /// Claimed min-entropy per symbol, in bits.
    pub h: f64,
    /// The false-alarm probability per symbol.
    pub alpha: Alpha,
    /// Symbols in a window, where the test has windows.
    pub window: Option<u32>,
    /// The count that raises an alarm.
    pub count: u32,
}

impl Cutoff {
    /// Whether a sequence of symbols can have this count: at least one, and no more than its window.
    #[must_use]
    pub fn can_be_reached(&self) -> bool {
        self.count > 0 && self.window.is_none_or(|window| self.count <= window)
    }
}

impl HealthLimit {
    /// A count computed from the claimed min-entropy.
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
