//! The inspector of timing deltas: RCT, APT, lag predictor and recurrence.

use crate::health::inspect::{Inspect, Inspection};
use crate::health::limit::HealthLimit;
use crate::health::sequence::SequenceTests;
use crate::health::symbols::{EntropyClaim, SymbolTests, deltas, low_byte};
use crate::sample::Sample;

/// How far back the predictor looks, in deltas (jitterentropy's lag predictor has 8 as well).
const LAGS: usize = 8;

/// Tests on raw timing deltas.
#[derive(Debug)]
pub struct JitterTests {
    symbols: SymbolTests,
    sequence: SequenceTests,
    stuck: Stuck,
}

impl JitterTests {
    /// Tests for deltas with this claim.
    #[must_use]
    pub fn new(claim: EntropyClaim) -> Self {
        Self {
            symbols: SymbolTests::new(claim),
            sequence: SequenceTests::new(LAGS, claim),
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
            self.sequence.push(delta, &mut inspection.findings);
        }
        let claim = self.symbols.claim_now();
        if claim.credited {
            inspection.credit_bits = claim.bits(moving);
        }
        inspection
    }

    fn limits(&self) -> Vec<HealthLimit> {
        let mut limits = self.symbols.limits();
        limits.extend(self.sequence.limits(self.symbols.claim_now()));
        limits
    }

    fn noise(&self, sample: &Sample, into: &mut Vec<u8>) {
        into.extend(deltas(sample).map(low_byte));
    }

    fn claim(&mut self, assessed: Option<f64>) -> bool {
        let is_new = self.symbols.claim(assessed);
        if is_new {
            self.sequence.renew(self.symbols.claim_now());
            self.stuck = Stuck::default();
        }
        is_new
    }

    fn claimed(&self) -> Option<f64> {
        self.symbols.claimed()
    }

    fn reset(&mut self) {
        self.symbols.reset();
        self.sequence.reset();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::cutoff::Alpha;
    use crate::health::finding::HealthTest;
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
        let all = [
            HealthTest::RepetitionCount,
            HealthTest::AdaptiveProportion,
            HealthTest::LagPredictor,
            HealthTest::Recurrence,
        ];
        assert_eq!(findings(std::iter::repeat_n(500, 10_000)), all);
    }

    #[test]
    fn a_period_that_rct_and_apt_cannot_see_is_predicted() {
        for period in 2..=8 {
            let deltas = (0..10_000).map(|n| 500 + n % period);
            let all = [HealthTest::LagPredictor, HealthTest::Recurrence];
            assert_eq!(findings(deltas), all, "period {period}");
        }
    }

    #[test]
    fn a_period_longer_than_the_predictor_reaches_is_a_recurrence() {
        for period in [9, 100, 5000] {
            let deltas: Vec<_> = noise(1 << 20).take(period).collect();
            let repeated = deltas.iter().copied().cycle().take(11_000);
            assert_eq!(findings(repeated), [HealthTest::Recurrence], "period {period}");
        }
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
        assert_eq!(counts(HealthTest::LagPredictor)[0], 91, "1 + 30 / H");
        assert_eq!(counts(HealthTest::LagPredictor).len(), 2, "in a row, and in a window");
        assert_eq!(counts(HealthTest::RepetitionCount).len(), 2, "two levels");
        assert_eq!(counts(HealthTest::AdaptiveProportion).len(), 2, "two levels");
    }
}
