//! Do neighbours agree, in space or in time? A sensor's noise does not; what an encoder or a noise
//! filter leaves of it does.

use crate::health::frames::differences::{Block, Differences, for_each_block};
use crate::health::{Finding, Severity, Test};

/// More correlation than this is a compressed or filtered feed: twice what raw cameras show.
const MOST: f32 = 0.1;

/// The weight of one frame in the running mean.
const WEIGHT: f32 = 1.0 / 16.0;

/// Blocks with fewer neighbours in range than this say nothing.
const LEAST_PAIRS: f32 = 24.0;

/// Fewer blocks than this scatter too much to say anything: a picture of 128 × 96 pixels has so
/// many. One that is smaller is worth nothing either.
const LEAST_BLOCKS: usize = 12;

/// Running correlation of neighbouring and of successive differences.
#[derive(Debug, Default)]
pub(super) struct Correlation {
    space: f32,
    time: f32,
}

impl Correlation {
    /// Takes the next differences. The middle one of all blocks counts: lamps move in some.
    pub(super) fn push(&mut self, differences: &Differences) {
        let (mut space, mut time) = (Vec::new(), Vec::new());
        let before = Some(&differences.before).filter(|before| !before.is_empty());
        for_each_block(differences.width, differences.residuals.len(), |block| {
            space.extend(in_space(&differences.residuals, block));
            time.extend(before.and_then(|before| in_time(&differences.residuals, before, block)));
        });
        if let Some(space) = median(&mut space) {
            self.space += WEIGHT * (space - self.space);
        }
        if let Some(time) = median(&mut time) {
            self.time += WEIGHT * (time - self.time);
        }
    }

    /// Is it that of raw noise?
    pub(super) fn check(&self) -> Result<(), Finding> {
        for (name, value) in [("neighbouring pixels", self.space), ("successive frames", self.time)]
        {
            if value > MOST {
                return Err(Finding {
                    test: Test::Denoised,
                    severity: Severity::Intermittent,
                    detail: format!("the noise of {name} correlates by {value:.2}, limit {MOST}"),
                });
            }
        }
        Ok(())
    }
}

/// The correlation of each reading's residual with its right neighbour's.
///
/// Taking a block's mean off makes white noise look correlated by −1 / (n − 1), with n readings.
fn in_space(residuals: &[f32], block: &Block) -> Option<f32> {
    let mut sums = Sums::default();
    let mut readings = 0.0;
    for row in block.rows() {
        residuals[row.clone()].iter().filter(|value| !value.is_nan()).for_each(|_| readings += 1.0);
        residuals[row].windows(2).for_each(|pair| sums.add(pair[0], pair[1]));
    }
    sums.correlation().map(|correlation| correlation + 1.0 / f32::max(readings - 1.0, 1.0))
}

/// How much a reading's noise agrees with that of the frame before.
///
/// With white noise n, (n₂ − n₁) and (n₁ − n₀) correlate by −½, because both hold n₁. With a
/// filter that leaves a correlation ρ between frames it is −(1 − ρ) / 2, and ρ is given back.
fn in_time(residuals: &[f32], before: &[f32], block: &Block) -> Option<f32> {
    let mut sums = Sums::default();
    for row in block.rows() {
        residuals[row.clone()]
            .iter()
            .zip(&before[row])
            .for_each(|(now, before)| sums.add(*now, *before));
    }
    sums.correlation().map(|correlation| 1.0 + 2.0 * correlation)
}

/// Sums over pairs of residuals.
#[derive(Default)]
struct Sums {
    pairs: f32,
    products: f32,
    left: f32,
    right: f32,
}

impl Sums {
    fn add(&mut self, left: f32, right: f32) {
        if left.is_nan() || right.is_nan() {
            return;
        }
        self.pairs += 1.0;
        self.products += left * right;
        self.left += left * left;
        self.right += right * right;
    }

    fn correlation(&self) -> Option<f32> {
        let power = (self.left * self.right).sqrt();
        (self.pairs >= LEAST_PAIRS && power > f32::EPSILON).then(|| self.products / power)
    }
}

/// The middle value, of enough of them.
fn median(values: &mut [f32]) -> Option<f32> {
    let middle = values.len() / 2;
    (values.len() >= LEAST_BLOCKS).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}
