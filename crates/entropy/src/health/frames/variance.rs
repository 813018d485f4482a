//! How much each reading varies in time.

use zeroize::Zeroizing;

use crate::health::frames::differences::{BLOCK, Block, Differences, for_each_block, share};
use crate::health::frames::lanes::{self, LANES, Lane, Lanes};
use crate::health::frames::second_differences::{SecondDifferences, WHITE_VARIANCE};

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
    /// The readings whose last second difference is no noise: an edge has passed.
    outliers: Vec<bool>,
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
        self.outliers.resize(readings, false);
        for_each_block(differences.width, second.values.len(), |block| {
            let usual = self.mean(block, &differences.residuals).max(ACTIVE);
            let mut variances = lanes::of_rows(&self.values, block);
            let outliers =
                push_block(&mut variances, &lanes::of_rows(&second.values, block), usual);
            lanes::store_rows(&variances, &mut self.values, block);
            for (lane, row) in block.rows().enumerate() {
                let outliers = outliers.iter().map(|place| place[lane]);
                self.outliers[row].iter_mut().zip(outliers).for_each(|(to, from)| *to = from);
            }
        });
        self.hold(differences.width);
        for_each_block(differences.width, second.values.len(), |block| {
            // A single reading without noise can seem to have some for a few frames; a block cannot.
            let has_noise = self.mean(block, &differences.residuals) >= ACTIVE;
            for place in block.rows().flatten() {
                let is_in_range = !differences.residuals[place].is_nan();
                let is_still = !second.is_moved(place) && self.held[place] == 0;
                self.judged[place] = has_noise && is_in_range && is_still;
            }
        });
    }

    /// Sets aside the outliers and the readings beside, above and below them.
    fn hold(&mut self, width: usize) {
        self.held.iter_mut().for_each(|frames| *frames = frames.saturating_sub(1));
        // Before, the variances are too low, and noise is taken for outliers.
        if !self.is_known() {
            return;
        }
        for (place, _) in self.outliers.iter().enumerate().filter(|(_, is_outlier)| **is_outlier) {
            let before = [1, width].into_iter().filter_map(|step| place.checked_sub(step));
            for beside in before.chain([place, place + 1, place + width]) {
                if let Some(frames) = self.held.get_mut(beside) {
                    *frames = HOLD;
                }
            }
        }
    }

    /// The variances are near the truth.
    pub(super) fn is_known(&self) -> bool {
        self.frames >= KNOWN_AT
    }

    /// The mean variance of a block's readings in range.
    fn mean(&self, block: &Block, residuals: &[f32]) -> f32 {
        let (mut sum, mut count) = (0.0, 0.0);
        for place in block.rows().flatten().filter(|place| !residuals[*place].is_nan()) {
            sum += self.values[place];
            count += 1.0;
        }
        sum / f32::max(count, 1.0)
    }

    /// The second differences of the judged readings; NaN elsewhere.
    pub(super) fn judged(&self, second: &SecondDifferences) -> Zeroizing<Vec<f32>> {
        let readings = second.values.iter().zip(self.judged.iter());
        Zeroizing::new(
            readings.map(|(value, is_judged)| if *is_judged { *value } else { f32::NAN }).collect(),
        )
    }

    /// The readings that are judged and vary enough.
    pub(super) fn are_active(&self) -> Vec<bool> {
        let readings = self.values.iter().zip(self.judged.iter());
        readings.map(|(variance, is_judged)| *is_judged && *variance >= ACTIVE).collect()
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
    pub(super) fn active_share(&self, differences: &Differences) -> f64 {
        share(self.active(differences).count(), self.values.len())
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
/// forgotten soon and noise that grows is followed. `usual` is the variance of the block. The outliers,
/// by column and row.
fn push_block(variances: &mut Lanes, values: &Lanes, usual: f32) -> [[bool; LANES]; BLOCK] {
    let middle = middles(values);
    let least = |variance: f32| if variance > usual { variance } else { usual };
    let mut outliers = [[false; LANES]; BLOCK];
    let (mut sum, mut kept) = ([0.0; LANES], [0.0; LANES]);
    for ((values, variances), outliers) in values.iter().zip(&*variances).zip(&mut outliers) {
        for row in 0..LANES {
            let rest = values[row] - middle[row];
            outliers[row] = rest * rest > OUTLIER * WHITE_VARIANCE * least(variances[row]);
            let is_kept = !outliers[row] && !rest.is_nan();
            sum[row] += if is_kept { rest } else { 0.0 };
            kept[row] += if is_kept { 1.0 } else { 0.0 };
        }
    }
    let mean = lanes::each(|row| middle[row] + sum[row] / f32::max(kept[row], 1.0));
    // Taking the mean of n values off leaves (n − 1) / n of their variance.
    let scale = lanes::each(|row| kept[row] / f32::max(kept[row] - 1.0, 1.0) / WHITE_VARIANCE);
    for ((values, variances), outliers) in values.iter().zip(variances).zip(&outliers) {
        *variances = lanes::each(|row| {
            let (variance, rest) = (variances[row], values[row] - mean[row]);
            let now =
                if outliers[row] { OUTLIER * least(variance) } else { rest * rest * scale[row] };
            let counts = outliers[row] || (kept[row] > 1.0 && !rest.is_nan());
            if counts { variance + WEIGHT * (now - variance) } else { variance }
        });
    }
    outliers
}

/// The middle reading of each row; NaN where there are fewer than two.
fn middles(values: &Lanes) -> Lane {
    let mut counts = [0.0; LANES];
    for row in values {
        for (count, value) in counts.iter_mut().zip(row) {
            *count += if value.is_nan() { 0.0 } else { 1.0 };
        }
    }
    // Missing readings are beyond the others.
    let mut sorted =
        values.map(|place| place.map(|it| if it.is_nan() { f32::INFINITY } else { it }));
    lanes::sort(&mut sorted);
    let mut middles = [f32::NAN; LANES];
    for (count, place) in [(2.0, 1), (4.0, 2), (6.0, 3), (8.0, 4)] {
        middles =
            lanes::each(|row| if counts[row] >= count { sorted[place][row] } else { middles[row] });
    }
    middles
}
