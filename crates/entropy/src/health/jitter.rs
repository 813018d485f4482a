//! The inspector of timing deltas: RCT, APT, and a predictor of each delta from the last ones.

use crate::health::cutoff::{self, Alpha};
use crate::health::finding::{Finding, HealthTest, Severity};
use crate::health::inspect::{Inspect, Inspection};
use crate::health::limit::{Cutoff, HealthLimit};
use crate::health::symbols::{EntropyClaim, SymbolTests, deltas, low_byte};
use crate::sample::Sample;

/// How far back the predictor looks, in deltas (jitterentropy's lag predictor has 8 as well).
const LAGS: usize = 8;

/// Guesses in one window of the predictor.
const WINDOW: u32 = 4096;

/// Tests on raw timing deltas.
#[derive(Debug)]
pub struct JitterTests {
    symbols: SymbolTests,
    predictor: LagPredictor,
    stuck: Stuck,
}

impl JitterTests {
    /// Tests for deltas with this claim.
    #[must_use]
    pub fn new(claim: EntropyClaim) -> Self {
        Self {
            symbols: SymbolTests::new(claim),
            predictor: LagPredictor::new(claim.h_per_symbol, claim.alpha),
            stuck: Stuck::default(),
        }
    }
}

impl Inspect for JitterTests {
    fn inspect(&mut self, sample: &Sample) -> Inspection {
        let mut inspection = Inspection::default();
        let mut moving = 0;
        for delta in deltas(sample) {
            inspection.symbols += 1;
            moving += u32::from(!self.stuck.push(delta));
            self.symbols.push(delta, &mut inspection.findings);
            let is_known =
                inspection.findings.iter().any(|finding| finding.test == HealthTest::LagPredictor);
            if let Some(detail) = self.predictor.push(delta)
                && !is_known
            {
                let severity = Severity::Intermittent;
                inspection.findings.push(Finding {
                    test: HealthTest::LagPredictor,
                    severity,
                    detail,
                });
            }
        }
        let claim = self.symbols.claim_now();
        if claim.credited {
            inspection.credit_bits = claim.bits(moving);
        }
        inspection
    }

    fn limits(&self) -> Vec<HealthLimit> {
        let mut limits = self.symbols.limits();
        limits.extend(self.predictor.limits(self.symbols.claim_now()));
        limits
    }

    fn noise(&self, sample: &Sample, into: &mut Vec<u8>) {
        into.extend(deltas(sample).map(low_byte));
    }

    fn claim(&mut self, assessed: Option<f64>) -> bool {
        let is_new = self.symbols.claim(assessed);
        if is_new {
            self.reset();
        }
        is_new
    }

    fn claimed(&self) -> Option<f64> {
        self.symbols.claimed()
    }

    fn reset(&mut self) {
        self.symbols.reset();
        let claim = self.symbols.claim_now();
        self.predictor = LagPredictor::new(claim.h_per_symbol, claim.alpha);
        self.stuck = Stuck::default();
    }
}

/// Deltas whose first, second or third difference is zero earn nothing, as in jitterentropy: a
/// timer that moves evenly shows no noise.
#[derive(Debug, Default)]
struct Stuck {
    delta: u64,
    first: u64,
    second: u64,
}

impl Stuck {
    /// Takes the next delta; whether it is stuck.
    fn push(&mut self, delta: u64) -> bool {
        let first = delta.wrapping_sub(self.delta);
        let second = first.wrapping_sub(self.first);
        let third = second.wrapping_sub(self.second);
        (self.delta, self.first, self.second) = (delta, first, second);
        first == 0 || second == 0 || third == 0
    }
}

/// Guesses that each delta is the one `lag` places before it, for the lag that has done best.
///
/// With H bits of min-entropy per delta no guess is right more often than with p = 2⁻ᴴ. Too many
/// right guesses in a window, or in a row, at the same false-alarm probability as the other tests:
///
/// ```text
/// in a window of W   C = 2 + qbinom(1 − α, W − 1, p)        as for the APT
/// in a row           C = 1 + ⌈a / H⌉                        as for the RCT
/// ```
#[derive(Debug)]
struct LagPredictor {
    history: [u64; LAGS],
    seen: usize,
    scores: [u32; LAGS],
    best: usize,
    guesses: u32,
    right: u32,
    row: u32,
    most_right: u32,
    longest_row: u32,
}

impl LagPredictor {
    fn new(h: f64, alpha: Alpha) -> Self {
        Self {
            history: [0; LAGS],
            seen: 0,
            scores: [0; LAGS],
            best: 0,
            guesses: 0,
            right: 0,
            row: 0,
            most_right: cutoff::adaptive_cutoff(h, WINDOW, alpha),
            longest_row: cutoff::repetition_cutoff(h, alpha),
        }
    }

    /// Right guesses in a row, and in a window.
    fn limits(&self, claim: EntropyClaim) -> [HealthLimit; 2] {
        let row = Cutoff {
            formula: cutoff::REPETITION_FORMULA,
            h: claim.h_per_symbol,
            alpha: claim.alpha,
            window: None,
            count: self.longest_row,
        };
        let window = Cutoff {
            formula: cutoff::ADAPTIVE_FORMULA,
            window: Some(WINDOW),
            count: self.most_right,
            ..row
        };
        [row, window]
            .map(|it| HealthLimit::cutoff(HealthTest::LagPredictor, Severity::Intermittent, it))
    }

    /// Takes the next delta. Returns the finding's detail if too many guesses are right.
    fn push(&mut self, delta: u64) -> Option<String> {
        let mut finding = None;
        if self.seen >= LAGS {
            finding = self.score(self.at(self.best) == delta);
            for lag in 0..LAGS {
                self.scores[lag] += u32::from(self.at(lag) == delta);
                if self.scores[lag] > self.scores[self.best] {
                    self.best = lag;
                }
            }
        }
        self.history[self.seen % LAGS] = delta;
        self.seen += 1;
        finding
    }

    /// The delta that came `lag` + 1 places ago.
    fn at(&self, lag: usize) -> u64 {
        self.history[(self.seen - 1 - lag) % LAGS]
    }

    fn score(&mut self, is_right: bool) -> Option<String> {
        if self.guesses == WINDOW {
            (self.guesses, self.right) = (0, 0);
            self.scores = [0; LAGS];
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
                "{} right guesses in a window of {WINDOW}, limit {}",
                self.right, self.most_right
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::limit::LimitRule;
    use crate::sample::Shape;

    const CLAIM: EntropyClaim =
        EntropyClaim { h_per_symbol: 1.0 / 3.0, alpha: Alpha(30), credited: true };

    /// The findings in these deltas, in samples of 256.
    fn findings(deltas: impl Iterator<Item = u64>) -> Vec<HealthTest> {
        let mut inspect = JitterTests::new(CLAIM);
        let bytes: Vec<u8> = deltas.flat_map(u64::to_le_bytes).collect();
        let mut found: Vec<_> = bytes
            .chunks(256 * 8)
            .flat_map(|sample| {
                inspect
                    .inspect(&Sample::of(Shape::Deltas, sample, std::time::Instant::now()))
                    .findings
            })
            .map(|finding| finding.test)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Deltas of which an observer guesses each with probability one in `choices`.
    fn noise(choices: u64) -> impl Iterator<Item = u64> {
        let mut state = 0x1234_5678_9abc_def1_u64;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            500 + (state >> 33) % choices
        })
    }

    #[test]
    fn noisy_deltas_pass_for_a_long_time() {
        assert_eq!(findings(noise(4).take(200_000)), []);
    }

    #[test]
    fn a_constant_fails_everything() {
        let all =
            [HealthTest::RepetitionCount, HealthTest::AdaptiveProportion, HealthTest::LagPredictor];
        assert_eq!(findings(std::iter::repeat_n(500, 10_000)), all);
    }

    #[test]
    fn a_period_that_rct_and_apt_cannot_see_is_predicted() {
        for period in 2..=8 {
            let deltas = (0..10_000).map(|n| 500 + n % period);
            assert_eq!(findings(deltas), [HealthTest::LagPredictor], "period {period}");
        }
    }

    #[test]
    fn a_period_longer_than_the_predictor_reaches_is_left_to_assessment() {
        assert_eq!(findings((0..10_000).map(|n| 500 + n % 9)), []);
    }

    #[test]
    fn a_counter_earns_nothing() {
        let counter: Vec<u8> = (0..256u64).flat_map(|n| (500 + 3 * n).to_le_bytes()).collect();
        let mut inspect = JitterTests::new(CLAIM);
        inspect.inspect(&Sample::of(Shape::Deltas, &counter, std::time::Instant::now()));
        let inspection =
            inspect.inspect(&Sample::of(Shape::Deltas, &counter, std::time::Instant::now()));
        assert!(inspection.credit_bits <= 1, "{} bits", inspection.credit_bits);
    }

    #[test]
    fn the_limits_that_are_shown_have_those_of_the_predictor() {
        let inspect = JitterTests::new(CLAIM);
        let counts = |test| {
            let limits = inspect.limits().into_iter().filter(move |limit| limit.test == test);
            let counts = limits.filter_map(|limit| match limit.rule {
                LimitRule::Cutoff(cutoff) => Some(cutoff.count),
                LimitRule::Threshold(_) => None,
            });
            counts.collect::<Vec<_>>()
        };
        assert_eq!(counts(HealthTest::LagPredictor), [91, inspect.predictor.most_right]);
        assert_eq!(counts(HealthTest::RepetitionCount).len(), 2, "two levels");
        assert_eq!(counts(HealthTest::AdaptiveProportion).len(), 2, "two levels");
    }

    #[test]
    fn right_guesses_in_a_row_fail_at_the_cutoff_and_not_before() {
        let mut predictor = LagPredictor::new(1.0 / 3.0, Alpha(30));
        assert_eq!(predictor.longest_row, 91);
        for right in 1..=91 {
            assert_eq!(predictor.score(true).is_some(), right == 91, "after {right}");
        }
    }

    #[test]
    fn right_guesses_in_a_window_fail_at_the_cutoff_and_not_before() {
        let mut predictor = LagPredictor::new(1.0 / 3.0, Alpha(30));
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
        assert!(cutoff + cutoff / 8 < WINDOW, "the window is wide enough for this test");
        assert_eq!(guess(cutoff), 1);
    }
}
