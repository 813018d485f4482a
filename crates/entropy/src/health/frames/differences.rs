//! Differences between successive frames, per reading, less the mean of their block: light,
//! exposure and most of the lamps' motion change whole blocks, noise does not.

use zeroize::Zeroizing;

use crate::health::frames::lanes::{self, LANES};
use crate::health::frames::luma::Luma;
use crate::health::frames::strips::strips;

/// Readings that carry noise: clipped ones do not.
pub(super) const IN_RANGE: std::ops::RangeInclusive<u8> = 25..=230;

/// A larger share of unchanged readings is a frozen picture.
pub(super) const MOST_UNCHANGED: f64 = 0.95;

/// The differences of the last two frames and their residuals, for this pair and the pair before.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub(super) width: usize,
    /// The last frame's readings.
    pub(super) values: Zeroizing<Vec<u8>>,
    /// This frame less the last.
    pub(super) steps: Zeroizing<Vec<i16>>,
    /// `steps` less their block's mean; NaN where either reading is out of range.
    pub(super) residuals: Zeroizing<Vec<f32>>,
    /// The residuals of the pair before, empty when there was none.
    pub(super) before: Zeroizing<Vec<f32>>,
}

impl Differences {
    /// Takes the next frame. False for the first one, which has nothing to differ from.
    pub(super) fn push(&mut self, luma: &Luma) -> bool {
        let is_first = self.values.len() != luma.values.len();
        if is_first {
            *self = Self { width: luma.width, values: luma.values.clone(), ..Self::default() };
            return false;
        }
        std::mem::swap(&mut self.before, &mut self.residuals);
        self.steps.clear();
        self.residuals.clear();
        let pairs = luma.values.iter().zip(self.values.iter());
        self.steps.extend(pairs.clone().map(|(now, last)| i16::from(*now) - i16::from(*last)));
        self.residuals.extend(pairs.map(|(now, last)| {
            let is_in_range = IN_RANGE.contains(now) & IN_RANGE.contains(last);
            if is_in_range { f32::from(*now) - f32::from(*last) } else { f32::NAN }
        }));
        self.values.copy_from_slice(&luma.values);
        self.take_off_means();
        true
    }

    /// The share of readings that did not change at all.
    pub(super) fn unchanged_share(&self) -> f64 {
        let unchanged = self.steps.iter().map(|step| u32::from(*step == 0)).sum::<u32>();
        share(unchanged as usize, self.steps.len())
    }

    fn take_off_means(&mut self) {
        for strip in strips(self.width, self.residuals.len()) {
            let blocks: Vec<_> = strip.blocks().collect();
            for blocks in blocks.chunks(LANES) {
                let means = lanes::means(&self.residuals, &self.residuals, blocks, strip.rows);
                for (block, mean) in blocks.iter().zip(means) {
                    let rows = block.rows();
                    rows.for_each(|row| self.residuals[row].iter_mut().for_each(|it| *it -= mean));
                }
            }
        }
    }
}

/// A part of a whole, 0 to 1.
pub(super) fn share(part: usize, whole: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 pixels")]
    let share = part as f64 / whole.max(1) as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luma(width: usize, values: impl IntoIterator<Item = u8>) -> Luma {
        Luma { width, values: Zeroizing::new(values.into_iter().collect()), ..Luma::default() }
    }

    #[test]
    fn what_moves_a_whole_block_is_no_residual() {
        let mut differences = Differences::default();
        assert!(!differences.push(&luma(20, [100; 400])));
        assert!(differences.push(&luma(20, [110; 400])));
        assert!(differences.steps.iter().all(|step| *step == 10));
        assert!(differences.residuals.iter().all(|value| value.abs() < 1e-4));
    }

    #[test]
    fn readings_out_of_range_in_either_frame_have_no_residual() {
        let mut differences = Differences::default();
        differences.push(&luma(4, [24, 25, 230, 231]));
        differences.push(&luma(4, [25, 25, 231, 230]));
        let has = |place: usize| !differences.residuals[place].is_nan();
        assert_eq!([has(0), has(1), has(2), has(3)], [false, true, false, false]);
    }
}
