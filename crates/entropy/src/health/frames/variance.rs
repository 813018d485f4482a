//! How much each reading varies in time.

use zeroize::Zeroizing;

use crate::health::frames::differences::{Differences, share};
use crate::health::frames::lanes::{self, LANES, Lane, Lanes};
use crate::health::frames::second_differences::{SecondDifferences, WHITE_VARIANCE};
use crate::health::frames::strips::{Block, strips};

/// The weight of one frame in the running mean: it remembers about sixteen.
const WEIGHT: f32 = 1.0 / 16.0;

/// The least variance of an active reading: σ ≥ 0.5 steps. Below that rounding swallows the noise
/// where a reading lies in the middle of a step.
pub(super) const ACTIVE: f32 = 0.25;

/// The square of four standard deviations. Gaussian noise is further from the middle of the eight
/// readings of its row, whose variance is a fifth of a reading's, in one reading of 4,000; with the
/// readings beside it and the frames of [`HOLD`], some 2 % of pure noise is set aside.
const OUTLIER: f32 = 16.0;

/// Frames after which the variances are above two thirds of the truth: 1 − (15/16)²⁰ = 0.72.
const KNOWN_AT: u32 = 20;

/// For how many frames a reading is set aside after an outlier: the memory of its variance.
const HOLD: u8 = 16;

/// The least share of active readings.
pub(super) const LEAST_ACTIVE: f64 = 0.3;

/// The running variance of every reading.
#[derive(Debug, Default)]
pub(super) struct Variance {
    frames: u32,
    /// Starts at zero, and so below the truth.
    pub(super) values: Zeroizing<Vec<f32>>,
    /// The places of the readings whose last second difference is no noise: an edge has passed.
    outliers: Vec<usize>,
    /// For how many frames each reading is set aside: an edge has passed, and may not be past.
    pub(super) held: Vec<u8>,
    /// Whether each reading is judged and counted: in range, in a block with noise, moved neither
    /// by a shake nor with an edge.
    judged: Vec<bool>,
}

impl Variance {
    /// Takes the next second differences, each less the mean of its row in the block, which is
    /// flickering light.
    pub(super) fn push(&mut self, differences: &Differences, second: &SecondDifferences) {
        let readings = differences.residuals.len();
        if self.values.len() != readings {
            self.values = Zeroizing::new(vec![0.0; readings]);
            self.judged = vec![false; readings];
            self.held = vec![0; readings];
        }
        self.frames = self.frames.saturating_add(1);
        self.outliers.clear();
        let residuals = &differences.residuals;
        for strip in strips(differences.width, readings) {
            let blocks: Vec<_> = strip.blocks().collect();
            for blocks in blocks.chunks(LANES) {
                let usual = lanes::means(&self.values, residuals, blocks, strip.rows);
                for (block, usual) in blocks.iter().zip(usual) {
                    self.push_block(block, &second.values, usual.max(ACTIVE));
                }
            }
        }
        self.hold(differences.width);
        self.judge(differences, second);
    }

    fn push_block(&mut self, block: &Block, second: &[f32], usual: f32) {
        let mut variances = lanes::of_rows(&self.values, block);
        let outliers = push_block(&mut variances, &lanes::of_rows(second, block), usual);
        lanes::store_rows(&variances, &mut self.values, block);
        for (column, rows) in outliers.into_iter().map(Lane::to_bitmask).enumerate() {
            let rows = (0..block.rows).filter(|row| rows >> row & 1 == 1);
            self.outliers.extend(rows.map(|row| block.row(row).start + column));
        }
    }

    /// Sets aside the outliers and the readings beside, above and below them.
    fn hold(&mut self, width: usize) {
        self.held.iter_mut().for_each(|frames| *frames = frames.saturating_sub(1));
        // Before, the variances are too low, and noise is taken for outliers.
        if !self.is_known() {
            return;
        }
        for place in &self.outliers {
            let before = [1, width].into_iter().filter_map(|step| place.checked_sub(step));
            for beside in before.chain([*place, place + 1, place + width]) {
                if let Some(frames) = self.held.get_mut(beside) {
                    *frames = HOLD;
                }
            }
        }
    }

    fn judge(&mut self, differences: &Differences, second: &SecondDifferences) {
        let residuals = &differences.residuals;
        let readings = residuals.iter().zip(&self.held).zip(second.are_moved());
        for (judged, ((residual, held), is_moved)) in self.judged.iter_mut().zip(readings) {
            *judged = *held == 0 && !is_moved && !residual.is_nan();
        }
        for strip in strips(differences.width, residuals.len()) {
            let blocks: Vec<_> = strip.blocks().collect();
            for blocks in blocks.chunks(LANES) {
                let means = lanes::means(&self.values, residuals, blocks, strip.rows);
                // A single reading without noise can seem to have some for a few frames; a block cannot.
                let quiet = blocks.iter().zip(means).filter(|(_, mean)| *mean < ACTIVE);
                quiet.for_each(|(block, _)| {
                    block.rows().for_each(|row| self.judged[row].fill(false));
                });
            }
        }
    }

    /// The variances are near the truth.
    pub(super) fn is_known(&self) -> bool {
        self.frames >= KNOWN_AT
    }

    /// The second differences of the judged readings; NaN elsewhere.
    pub(super) fn judged<'a>(
        &'a self,
        second: &'a SecondDifferences,
    ) -> impl ExactSizeIterator<Item = f32> + 'a {
        let readings = second.values.iter().zip(self.judged.iter());
        readings.map(|(value, is_judged)| if *is_judged { *value } else { f32::NAN })
    }

    /// The reading is judged and varies enough.
    pub(super) fn is_active(&self, place: usize) -> bool {
        self.judged[place] && self.values[place] >= ACTIVE
    }

    /// The differences of the active readings: those judged that vary enough.
    pub(super) fn active<'a>(
        &'a self,
        differences: &'a Differences,
    ) -> impl Iterator<Item = i16> + 'a {
        let readings = self.values.iter().zip(self.judged.iter());
        readings.zip(differences.steps.iter()).filter_map(|((variance, is_judged), step)| {
            (*is_judged && *variance >= ACTIVE).then_some(*step)
        })
    }

    /// The share of readings that are active.
    pub(super) fn active_share(&self) -> f64 {
        let readings = self.values.iter().zip(self.judged.iter());
        let active =
            readings.map(|(variance, is_judged)| u32::from(*is_judged && *variance >= ACTIVE));
        share(active.sum::<u32>() as usize, self.values.len())
    }

    /// Each judged reading: its brightness and its variance.
    pub(super) fn by_brightness<'a>(
        &'a self,
        differences: &'a Differences,
    ) -> impl Iterator<Item = (u8, f32)> + 'a {
        let readings = self.values.iter().zip(self.judged.iter());
        readings
            .zip(differences.values.iter())
            .filter_map(|((variance, is_judged), value)| is_judged.then_some((*value, *variance)))
    }
}

/// Adds the second differences of a block, less what the readings of a row have in common, to the
/// running variances. An outlier counts as much as the least outlier, so that an edge that passes is
/// forgotten soon and noise that grows is followed. `usual` is the variance of the block. All bits are set
/// where the result has an outlier.
fn push_block(variances: &mut Lanes, values: &Lanes, usual: f32) -> Lanes {
    let usual = Lane::splat(usual);
    let middle = middles(values);
    let mut outliers = Lanes::default();
    let (mut sum, mut kept) = (Lane::ZERO, Lane::ZERO);
    for ((values, variances), outlier) in values.iter().zip(&*variances).zip(&mut outliers) {
        let rest = *values - middle;
        let limit = variances.fast_max(usual) * (OUTLIER * WHITE_VARIANCE);
        *outlier = (rest * rest).simd_gt(limit);
        let is_kept = outlier.bitselect(Lane::ZERO, lanes::known(rest));
        sum += rest & is_kept;
        kept += lanes::one(is_kept);
    }
    let mean = middle + sum / kept.fast_max(Lane::ONE);
    // Taking the mean of n values off leaves (n − 1) / n of their variance.
    let scale = kept / (kept - 1.0).fast_max(Lane::ONE) / WHITE_VARIANCE;
    let is_enough = kept.simd_gt(Lane::ONE);
    for ((values, variances), outlier) in values.iter().zip(variances).zip(&outliers) {
        let rest = *values - mean;
        let now = outlier.bitselect(variances.fast_max(usual) * OUTLIER, rest * rest * scale);
        let counts = *outlier | (is_enough & lanes::known(rest));
        *variances += ((now - *variances) * WEIGHT) & counts;
    }
    outliers
}

/// The middle reading of each row; NaN where there are fewer than two.
fn middles(values: &Lanes) -> Lane {
    let count: Lane = values.iter().map(|place| lanes::one(lanes::known(*place))).sum();
    // Missing readings are beyond the others.
    let mut sorted =
        values.map(|place| lanes::known(place).bitselect(place, Lane::splat(f32::INFINITY)));
    lanes::sort(&mut sorted);
    [(2.0, 1), (4.0, 2), (6.0, 3), (8.0, 4)].into_iter().fold(
        Lane::splat(f32::NAN),
        |middles, (least, place)| {
            count.simd_ge(Lane::splat(least)).bitselect(sorted[place], middles)
        },
    )
}
