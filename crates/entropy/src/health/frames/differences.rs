//! Differences between successive frames, per reading, less the mean of their block: light,
//! exposure and most of the lamps' motion change whole blocks, noise does not.

use zeroize::Zeroizing;

use crate::health::frames::luma::Luma;

/// Readings that carry noise: clipped ones do not.
pub(super) const IN_RANGE: std::ops::RangeInclusive<u8> = 25..=230;

/// A larger share of unchanged readings is a frozen picture.
pub(super) const MOST_UNCHANGED: f64 = 0.95;

/// Width and height of a block in readings: 32 × 32 pixels.
pub(super) const BLOCK: usize = 8;

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
        for (last, now) in self.values.iter_mut().zip(luma.values.iter()) {
            let step = i16::from(*now) - i16::from(*last);
            let is_in_range = IN_RANGE.contains(now) && IN_RANGE.contains(last);
            self.steps.push(step);
            self.residuals.push(if is_in_range { f32::from(step) } else { f32::NAN });
            *last = *now;
        }
        let width = self.width;
        for_each_block(width, self.residuals.len(), |block| {
            take_off_mean(&mut self.residuals, block);
        });
        true
    }

    /// The share of readings that did not change at all.
    pub(super) fn unchanged_share(&self) -> f64 {
        share(self.steps.iter().filter(|step| **step == 0).count(), self.steps.len())
    }
}

/// The places of one block's readings: runs within rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    start: usize,
    stride: usize,
    width: usize,
    rows: usize,
}

impl Block {
    /// The place of its first reading.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Each row of the block.
    pub(super) fn rows(&self) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (start, stride, width) = (self.start, self.stride, self.width);
        (0..self.rows).map(move |row| start + row * stride..start + row * stride + width)
    }
}

/// Calls `visit` for every block of a picture `width` readings wide.
pub(super) fn for_each_block(width: usize, readings: usize, mut visit: impl FnMut(&Block)) {
    let height = readings.checked_div(width).unwrap_or(0);
    for y in (0..height).step_by(BLOCK) {
        for x in (0..width).step_by(BLOCK) {
            visit(&Block {
                start: y * width + x,
                stride: width,
                width: BLOCK.min(width - x),
                rows: BLOCK.min(height - y),
            });
        }
    }
}

/// A part of a whole, 0 to 1.
pub(super) fn share(part: usize, whole: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 pixels")]
    let share = part as f64 / whole.max(1) as f64;
    share
}

fn take_off_mean(residuals: &mut [f32], block: &Block) {
    let (mut sum, mut count) = (0.0, 0.0);
    for row in block.rows() {
        for value in residuals[row].iter().filter(|value| !value.is_nan()) {
            sum += value;
            count += 1.0;
        }
    }
    let mean = sum / f32::max(count, 1.0);
    block.rows().for_each(|row| residuals[row].iter_mut().for_each(|value| *value -= mean));
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

    #[test]
    fn every_reading_is_in_one_block_whatever_the_size() {
        for (width, height) in [(1, 1), (7, 3), (8, 8), (9, 17), (40, 23)] {
            let mut visits = vec![0; width * height];
            for_each_block(width, visits.len(), |block| {
                block.rows().for_each(|row| visits[row].iter_mut().for_each(|count| *count += 1));
            });
            assert!(visits.iter().all(|count| *count == 1), "{width}x{height}");
        }
    }
}
