//! Correlation of the noise with that of some frames of the last hours: a long recording that is
//! played again, brighter, darker, or with noise of the player's own.
//!
//! ```text
//! kept        64 frames; of those after the first some, one of 1,024, in the place of any
//! compared    4 of them with each frame
//! ```
//! At ten frames a second the kept ones are two hours old in the mean. Of a recording of n frames
//! that is played again, each comparison meets the same frame with odds of 1 / n, so that it is
//! found after some n / 4 frames of its second round. The frames that are kept depend on a key that
//! never leaves this process: a player cannot spare them.
//!
//! The noise of an honest camera at different times is independent: see [`MOST`] for its odds, 2⁻⁵⁰
//! a comparison. Four comparisons with each of thirty frames a second for ten years make
//! 2³⁵: odds of 2⁻¹⁵.
//!
//! # Security
//! Noise of the player's own of variance v, on top of recorded noise of variance r, leaves a
//! correlation of r / (r + v), which is found up to v = 3 r. A recording that is moved by other
//! distances in each round is found only between rounds with equal distances. To look for other distances
//! would take the noise of every pixel, where readings have one of sixteen, and one correlation for each
//! distance: for up to 8 pixels each way 289, or 72 times the work of the four that are made, and a recording
//! that is moved further, turned or scaled escapes those too. Noise in place of the recorded noise is not
//! found.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use zeroize::Zeroizing;

use crate::health::finding::{Finding, HealthTest, Severity};
use crate::health::frames::lags::{MOST, correlation, is_noise};

/// Frames that are kept, of up to 4 KiB each.
const KEPT: usize = 64;

/// One frame of this many is kept, for each that is there.
const APART: u64 = 16;

/// Kept frames that are compared with each frame.
const COMPARED: usize = 4;

/// Second differences of frames nearer than this have frames in common.
const LEAST_APART: u64 = 3;

/// The noise of some frames of the last hours.
#[derive(Debug, Default)]
pub(super) struct EarlierNoise {
    key: RandomState,
    kept: Vec<KeptFrame>,
    count: u64,
    /// The kept frame that is compared next.
    next: usize,
}

/// The noise of one frame.
#[derive(Debug)]
struct KeptFrame {
    readings: Zeroizing<Vec<i8>>,
    number: u64,
}

impl EarlierNoise {
    /// Compares the noise of the next frame with that of some kept ones, and may keep it.
    pub(super) fn push(&mut self, now: &[i8]) -> Result<(), Finding> {
        // Of a picture of another size.
        if self.kept.first().is_some_and(|first| first.readings.len() != now.len()) {
            self.kept.clear();
        }
        self.count += 1;
        let found = (0..COMPARED.min(self.kept.len())).find_map(|_| self.compare_next(now));
        self.keep_some(now);
        let Some((value, frames)) = found else { return Ok(()) };
        Err(Finding {
            test: HealthTest::LoopedReplay,
            severity: Severity::Persistent,
            detail: format!(
                "the noise correlates by {value:.2} with that of {frames} frames before, limit {MOST}: a \
                 recording is played"
            ),
        })
    }

    /// The correlation with the next kept frame and its age in frames, when that is no independent noise.
    fn compare_next(&mut self, now: &[i8]) -> Option<(f32, u64)> {
        let then = &self.kept[self.next % self.kept.len()];
        self.next += 1;
        let age = self.count - then.number;
        let (value, pairs) = correlation(now, &then.readings).filter(|_| age >= LEAST_APART)?;
        (!is_noise(value, pairs)).then_some((value, age))
    }

    fn keep_some(&mut self, now: &[i8]) {
        let random = self.key.hash_one(self.count);
        let there = self.kept.len() as u64;
        if !random.is_multiple_of(APART * u64::min(there + 1, KEPT as u64)) {
            return;
        }
        let frame = KeptFrame { readings: Zeroizing::new(now.to_vec()), number: self.count };
        if self.kept.len() < KEPT {
            self.kept.push(frame);
        } else {
            // The bits above those that chose the frame.
            self.kept[(random >> 32) as usize % KEPT] = frame;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of 4,096 readings that differs from number to number.
    fn noise(number: u64) -> Vec<f32> {
        let key = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default();
        // The sum of four bytes.
        let value = |place: u64| {
            let bytes = key.hash_one((number, place)).to_le_bytes();
            bytes[..4].iter().map(|byte| f32::from(*byte) - 127.5).sum::<f32>() / 16.0
        };
        (0..4096).map(value).collect()
    }

    fn whole(values: &[f32]) -> Vec<i8> {
        crate::health::frames::lags::readings(values)
    }

    #[test]
    fn independent_noise_is_not_found_and_a_bounded_number_of_frames_is_kept() {
        let mut earlier = EarlierNoise::default();
        for number in 0..3000 {
            assert!(earlier.push(&whole(&noise(number))).is_ok(), "{number}");
        }
        assert!((8..=KEPT).contains(&earlier.kept.len()), "{}", earlier.kept.len());
    }

    #[test]
    fn a_recording_is_found_in_its_second_round_brighter_darker_and_with_other_noise() {
        for (gain, share) in [(1.0, 0.0), (1.3, 0.0), (0.6, 0.0), (1.0, 1.0), (1.0, -1.0)] {
            let mut earlier = EarlierNoise::default();
            let mut found = None;
            // Odds of no kept frame after 1,000, or that none of them is met in nine rounds: below 2⁻⁹⁰.
            for number in 0..10_000 {
                let mut values = noise(number % 1000);
                let own = noise(1_000_000 + number);
                values
                    .iter_mut()
                    .zip(own)
                    .for_each(|(value, own)| *value = *value * gain + own * share);
                if earlier.push(&whole(&values)).is_err() {
                    found = Some(number);
                    break;
                }
            }
            assert!(found.is_some_and(|number| number >= 1000), "{gain} {share}: {found:?}");
        }
    }

    #[test]
    fn the_frames_next_to_a_kept_one_are_not_compared_with_it() {
        let mut earlier = EarlierNoise::default();
        let same = whole(&noise(1));
        while earlier.kept.is_empty() {
            assert!(earlier.push(&same).is_ok());
        }
        assert!(earlier.push(&same).is_ok() && earlier.push(&same).is_ok());
        assert!(earlier.push(&same).is_err());
    }
}
