//! The lag predictor: each symbol is guessed to be the one that came some places before it.

use zeroize::{Zeroize, Zeroizing};

use crate::health::cutoff::{self, Alpha};
use crate::health::finding::{Finding, HealthTest, Severity};
use crate::health::limit::{Cutoff, HealthLimit};

/// The least number of guesses in one window.
const LEAST_WINDOW: u32 = 4096;

/// Guesses that each symbol is the one `lag` places before it, for the lag that has done best.
///
/// With H bits of min-entropy per symbol no guess is right more often than with p = 2⁻ᴴ. Too many
/// right guesses in a window, or in a row, at the same false-alarm probability as the other tests:
///
/// ```text
/// in a window of W   C = 2 + qbinom(1 − α, W − 1, p)        as for the APT
/// in a row           C = 1 + ⌈a / H⌉                        as for the RCT
/// ```
///
/// It detects every period up to the largest lag, every word of such a length that comes twice, and
/// words of which a part is stuck.
#[derive(Debug)]
pub(super) struct LagPredictor {
    /// The last symbols, as a ring: as secret as the samples.
    history: Zeroizing<Vec<u64>>,
    seen: usize,
    scores: Vec<u32>,
    best: usize,
    guesses: u32,
    right: u32,
    row: u32,
    window: u32,
    most_right: u32,
    longest_row: u32,
}

impl LagPredictor {
    /// A predictor that looks `lags` symbols back, for symbols of `h` bits.
    pub(super) fn new(lags: usize, h: f64, alpha: Alpha) -> Self {
        let window = cutoff::adaptive_window(h, LEAST_WINDOW, alpha);
        Self {
            history: Zeroizing::new(vec![0; lags]),
            seen: 0,
            scores: vec![0; lags],
            best: 0,
            guesses: 0,
            right: 0,
            row: 0,
            window,
            most_right: cutoff::adaptive_cutoff(h, window, alpha),
            longest_row: cutoff::repetition_cutoff(h, alpha),
        }
    }

    /// Right guesses in a row, and in a window.
    pub(super) fn limits(&self, h: f64, alpha: Alpha) -> [HealthLimit; 2] {
        let row = Cutoff {
            formula: cutoff::REPETITION_FORMULA,
            h,
            alpha,
            window: None,
            count: self.longest_row,
        };
        let window = Cutoff {
            formula: cutoff::ADAPTIVE_FORMULA,
            window: Some(self.window),
            count: self.most_right,
            ..row
        };
        [row, window]
            .map(|it| HealthLimit::cutoff(HealthTest::LagPredictor, Severity::Intermittent, it))
    }

    /// Takes the next symbol. Adds a finding if too many guesses are right, at most one per sample.
    pub(super) fn push(&mut self, symbol: u64, findings: &mut Vec<Finding>) {
        if let Some(detail) = self.guess(symbol)
            && !findings.iter().any(|known| known.test == HealthTest::LagPredictor)
        {
            let (test, severity) = (HealthTest::LagPredictor, Severity::Intermittent);
            findings.push(Finding { test, severity, detail });
        }
    }

    /// Forgets the symbols.
    pub(super) fn reset(&mut self) {
        self.history.as_mut_slice().zeroize();
        self.scores.fill(0);
        (self.seen, self.best, self.guesses, self.right, self.row) = (0, 0, 0, 0, 0);
    }

    fn guess(&mut self, symbol: u64) -> Option<String> {
        let mut finding = None;
        let lags = self.history.len();
        if self.seen >= lags {
            finding = self.score(self.at(self.best) == symbol);
            for lag in 0..lags {
                self.scores[lag] += u32::from(self.at(lag) == symbol);
                if self.scores[lag] > self.scores[self.best] {
                    self.best = lag;
                }
            }
        }
        self.history[self.seen % lags] = symbol;
        self.seen += 1;
        finding
    }

    /// The symbol that came `lag` + 1 places ago.
    fn at(&self, lag: usize) -> u64 {
        self.history[(self.seen - 1 - lag) % self.history.len()]
    }

    fn score(&mut self, is_right: bool) -> Option<String> {
        if self.guesses == self.window {
            (self.guesses, self.right) = (0, 0);
            self.scores.fill(0);
        }
        self.guesses += 1;
        self.right += u32::from(is_right);
        self.row = if is_right { self.row + 1 } else { 0 };
        if self.row >= self.longest_row {
            return Some(format!(
                "{} right guesses in a row, limit {}",
                self.row, self.longest_row
            ));
        }
        (self.right >= self.most_right).then(|| {
            format!(
                "{} right guesses in a window of {}, limit {}",
                self.right, self.window, self.most_right
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_guesses_in_a_row_fail_at_the_cutoff_and_not_before() {
        let mut predictor = LagPredictor::new(8, 1.0 / 3.0, Alpha(30));
        assert_eq!(predictor.longest_row, 91);
        for right in 1..=91 {
            assert_eq!(predictor.score(true).is_some(), right == 91, "after {right}");
        }
    }

    #[test]
    fn right_guesses_in_a_window_fail_at_the_cutoff_and_not_before() {
        let mut predictor = LagPredictor::new(8, 1.0 / 3.0, Alpha(30));
        let cutoff = predictor.most_right;
        let mut guess = |right: u32| {
            // Never 90 in a row: a wrong guess after every eighth right one.
            (0..right)
                .filter_map(|n| {
                    let found = predictor.score(true);
                    if n % 8 == 7 {
                        assert!(predictor.score(false).is_none());
                    }
                    found
                })
                .count()
        };
        assert!(cutoff + cutoff / 8 < LEAST_WINDOW, "the window is wide enough for this test");
        assert_eq!(guess(cutoff), 1);
    }

    #[test]
    fn a_reset_forgets_the_symbols_and_the_guesses() {
        let mut predictor = LagPredictor::new(8, 1.0 / 3.0, Alpha(30));
        let mut findings = Vec::new();
        (0..98).for_each(|_| predictor.push(7, &mut findings));
        predictor.reset();
        (0..98).for_each(|_| predictor.push(7, &mut findings));
        assert_eq!(findings, [], "90 right guesses, twice");
        predictor.push(7, &mut findings);
        assert_eq!(findings.len(), 1);
    }
}
