//! Correlation of the noise with that of 2 to 64 frames before: a short recording that is played
//! again and again, or a pattern that alternates.

use zeroize::Zeroizing;

use crate::health::finding::{Finding, HealthTest, Severity};

/// The longest distance, in frames.
pub(super) const MOST_LAG: usize = 64;

/// Readings of a frame that are compared, at most: 1 / √4096 = 0.016 is the standard deviation of
/// the correlation of noise.
const READINGS: usize = 4096;

/// Fewer pairs than this say nothing.
const LEAST_PAIRS: f32 = 256.0;

/// More correlation than this, of either sign, is no noise: eight standard deviations of 1,024
/// pairs, odds of 2⁻⁵⁰ a frame.
pub(super) const MOST: f32 = 0.25;

/// Standard deviations that the correlation of fewer pairs may have.
const DEVIATIONS: f32 = 8.0;

/// A reading that is not judged.
const NONE: i8 = i8::MIN;

/// The judged second differences of the last frames.
#[derive(Debug, Default)]
pub(super) struct Lags {
    frames: Zeroizing<Vec<Vec<i8>>>,
    count: usize,
}

impl Lags {
    /// Takes the [`readings`] of the next frame, and compares them with those of one distance; all
    /// distances come in turn.
    pub(super) fn push(&mut self, now: Vec<i8>) -> Result<(), Finding> {
        let lag = 2 + self.count % (MOST_LAG - 1);
        let then = self.count.checked_sub(lag).and_then(|at| self.frames.get(at % MOST_LAG));
        let correlation = then.and_then(|then| correlation(&now, then));
        let slot = self.count % MOST_LAG;
        if self.frames.len() == slot {
            self.frames.push(now);
        } else {
            self.frames[slot] = now;
        }
        self.count += 1;
        let Some((measured, pairs)) = correlation else { return Ok(()) };
        // Second differences of white noise, (1, −2, 1), two frames apart: 1 / 6.
        let value = measured - if lag == 2 { 1.0 / 6.0 } else { 0.0 };
        if is_noise(value, pairs) {
            return Ok(());
        }
        Err(Finding {
            test: HealthTest::LoopedReplay,
            severity: Severity::Persistent,
            detail: format!(
                "the noise correlates by {value:.2} with that of {lag} frames before, limit {MOST}"
            ),
        })
    }

    /// The next frame has no predecessor.
    pub(super) fn interrupt(&mut self) {
        *self = Self::default();
    }
}

/// The judged second differences that are compared, as whole numbers.
pub(super) fn readings(judged: &[f32]) -> Vec<i8> {
    let apart = judged.len().div_ceil(READINGS).max(1);
    judged.iter().step_by(apart).map(|value| whole(*value)).collect()
}

/// Whether frames of independent noise can correlate so, over this number of pairs.
pub(super) fn is_noise(correlation: f32, pairs: f32) -> bool {
    correlation.abs() <= f32::max(MOST, DEVIATIONS / pairs.sqrt())
}

fn whole(value: f32) -> i8 {
    #[expect(clippy::cast_possible_truncation, reason = "clamped")]
    let whole = value.clamp(-127.0, 127.0).round() as i8;
    if value.is_nan() { NONE } else { whole }
}

/// The correlation of two frames, and of how many readings.
pub(super) fn correlation(now: &[i8], then: &[i8]) -> Option<(f32, f32)> {
    let (mut products, mut left, mut right, mut pairs) = (0.0, 0.0, 0.0, 0.0);
    let both = now.iter().zip(then).filter(|(now, then)| **now != NONE && **then != NONE);
    for (now, then) in both {
        let (now, then) = (f32::from(*now), f32::from(*then));
        products += now * then;
        left += now * now;
        right += then * then;
        pairs += 1.0;
    }
    let power = f32::sqrt(left * right);
    (pairs >= LEAST_PAIRS && power > 0.0).then(|| (products / power, pairs))
}
