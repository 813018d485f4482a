//! Correlation of neighbours in space and in time. Sensor noise has none; after an encoder or a
//! noise filter it has.

use zeroize::Zeroizing;

use crate::health::finding::{Finding, HealthTest, Severity};
use crate::health::frames::lanes::{self, LANES, Lane};
use crate::health::frames::strips::{Block, strips};

/// More correlation than this is a compressed or filtered feed: twice what raw cameras show.
pub(super) const MOST: f32 = 0.1;

/// The weight of one frame in the running mean.
const WEIGHT: f32 = 1.0 / 64.0;

/// The lag-1 correlation of white noise's second differences, (1, −2, 1): −4 / 6.
const WHITE: f32 = -2.0 / 3.0;

/// Blocks with fewer neighbours in range than this say nothing.
const LEAST_PAIRS: f32 = 24.0;

/// Fewer blocks than this scatter too much to say anything: a picture of 128 × 96 pixels has
/// this many. A smaller one earns no credit, nor does a frame in which fewer can be judged.
pub(super) const LEAST_BLOCKS: usize = 12;

/// Running correlation in space and in time, of second differences: what moves evenly, as lava
/// does for the length of three frames, is not in them.
#[derive(Debug)]
pub(super) struct Correlation {
    pub(super) space: f32,
    /// As measured; [`rho`] converts it.
    pub(super) time: f32,
    /// The mean square of the share by which the light of a row changed in the last frame.
    pub(super) flicker: f32,
    /// The last frame had enough blocks to judge.
    pub(super) is_judged: bool,
    /// The judged second differences, less what flickering light adds.
    pub(super) now: Zeroizing<Vec<f32>>,
    before: Zeroizing<Vec<f32>>,
}

impl Default for Correlation {
    fn default() -> Self {
        let (now, before) = <(Zeroizing<Vec<f32>>, Zeroizing<Vec<f32>>)>::default();
        Self { space: 0.0, time: WHITE, flicker: 0.0, is_judged: false, now, before }
    }
}

impl Correlation {
    /// Takes the next differences. The middle one of all blocks counts: what moves is in some.
    pub(super) fn push(
        &mut self,
        width: usize,
        judged: impl ExactSizeIterator<Item = f32>,
        brightness: &[u8],
    ) {
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.clear();
        self.now.extend(judged);
        let has_before = self.before.len() == self.now.len();
        let (mut space, mut time) = (Vec::new(), Vec::new());
        let (mut squares, mut rows) = (0.0, 0.0);
        for strip in strips(width, self.now.len()) {
            let blocks: Vec<_> = strip.blocks().collect();
            let shares = self.take_off_flicker(&blocks, brightness).to_array();
            for share in &shares[..strip.rows] {
                squares += share * share;
                rows += 1.0;
            }
            for blocks in blocks.chunks(LANES) {
                space.extend(in_space(&self.now, blocks, strip.rows).into_iter().flatten());
                if has_before {
                    let correlations = in_time(&self.now, &self.before, blocks, strip.rows);
                    time.extend(correlations.into_iter().flatten());
                }
            }
        }
        self.flicker = squares / f32::max(rows, 1.0);
        let (space, time) = (median(&mut space), median(&mut time));
        self.is_judged = space.is_some() && time.is_some();
        if let Some(space) = space {
            self.space += WEIGHT * (space - self.space);
        }
        if let Some(time) = time {
            self.time += WEIGHT * (time - self.time);
        }
    }

    /// Takes off what grows with brightness in each row of each block: light that flickers changes all
    /// readings of a row by the same part of their brightness. That part, for the whole rows.
    fn take_off_flicker(&mut self, blocks: &[Block], brightness: &[u8]) -> Lane {
        let mut whole = Light::default();
        for block in blocks {
            let mut values = lanes::of_rows(&self.now, block);
            let light = lanes::light_of_rows(brightness, block);
            let mut of_block = Light::default();
            for (values, light) in values.iter().zip(&light) {
                whole.add(*values, *light);
                of_block.add(*values, *light);
            }
            let share = of_block.share();
            for (values, light) in values.iter_mut().zip(&light) {
                *values -= share * *light;
            }
            lanes::store_rows(&values, &mut self.now, block);
        }
        whole.share()
    }

    /// The next frame has no predecessor.
    pub(super) fn interrupt(&mut self) {
        self.now.clear();
        self.is_judged = false;
    }

    /// Tests whether the correlation is that of raw noise.
    pub(super) fn check(&self) -> Result<(), Finding> {
        for (name, value) in
            [("neighbouring pixels", self.space), ("successive frames", rho(self.time))]
        {
            if value.is_nan() || value.abs() > MOST {
                return Err(Finding {
                    test: HealthTest::Denoised,
                    severity: Severity::Intermittent,
                    detail: format!(
                        "the noise of {name} correlates by {}, limit {MOST}",
                        Finding::figure(f64::from(value), 2, &MOST.to_string())
                    ),
                });
            }
        }
        Ok(())
    }
}

/// For each block, the correlation of each reading with its right neighbour: 1 − γ(1) / γ(2, 3), where
/// γ(k) is the mean square of the differences of readings k apart in a row (a variogram). What a row has
/// in common is in none of them.
fn in_space(values: &[f32], blocks: &[Block], rows: usize) -> [Option<f32>; LANES] {
    let (mut near, mut far) = (MeanSquare::default(), MeanSquare::default());
    for row in 0..rows {
        let row = lanes::of_blocks(values, blocks, row);
        for (place, values) in row.iter().enumerate() {
            let other = |distance: usize| row.get(place + distance);
            near.add(other(1), *values);
            far.add(other(2), *values);
            far.add(other(3), *values);
        }
    }
    let (near, far) = (near.means(), far.means());
    std::array::from_fn(|block| {
        let (near, far) = near[block].zip(far[block])?;
        (far > f32::EPSILON).then(|| 1.0 - near / far)
    })
}

/// For each block, the correlation of each reading with itself a frame before.
fn in_time(now: &[f32], before: &[f32], blocks: &[Block], rows: usize) -> [Option<f32>; LANES] {
    let mut sums = Sums::default();
    for row in 0..rows {
        let now = lanes::of_blocks(now, blocks, row);
        let before = lanes::of_blocks(before, blocks, row);
        now.iter().zip(&before).for_each(|(now, before)| sums.add(*now, *before));
    }
    sums.correlations()
}

/// How much a reading's noise agrees with that of the frame before, 0 to 1.
///
/// When a filter leaves ρ to the power of k between frames k apart, the second differences
/// correlate by c = −(ρ² − 3ρ + 4) / (6 − 2ρ); this is the ρ of a measured c.
fn rho(c: f32) -> f32 {
    let under_the_root = 4.0 * c * c - 12.0 * c - 7.0;
    (3.0 + 2.0 * c - under_the_root.max(0.0).sqrt()) / 2.0
}

/// Sums from which follows the share of their brightness by which the readings of each row changed, by
/// least squares.
#[derive(Default)]
struct Light {
    products: Lane,
    squares: Lane,
}

impl Light {
    /// Takes the next reading of each row, where it is known.
    fn add(&mut self, values: Lane, light: Lane) {
        let known = lanes::known(values);
        self.products += (values * light) & known;
        self.squares += (light * light) & known;
    }

    fn share(&self) -> Lane {
        self.products / self.squares.fast_max(Lane::ONE)
    }
}

/// The mean of squares of each block.
#[derive(Default)]
struct MeanSquare {
    sum: Lane,
    count: Lane,
}

impl MeanSquare {
    /// Takes the difference of two readings of each block, where both are known.
    fn add(&mut self, other: Option<&Lane>, value: Lane) {
        let Some(other) = other else { return };
        let difference = *other - value;
        let known = lanes::known(difference);
        self.sum += (difference * difference) & known;
        self.count += lanes::one(known);
    }

    fn means(&self) -> [Option<f32>; LANES] {
        let (sum, count) = (self.sum.to_array(), self.count.to_array());
        std::array::from_fn(|block| {
            (count[block] >= LEAST_PAIRS).then(|| sum[block] / count[block])
        })
    }
}

/// Sums over pairs of residuals of each block.
#[derive(Default)]
struct Sums {
    pairs: Lane,
    products: Lane,
    left: Lane,
    right: Lane,
}

impl Sums {
    /// Takes the next pair of each block, where both are known.
    fn add(&mut self, left: Lane, right: Lane) {
        let known = lanes::known(left) & lanes::known(right);
        self.pairs += lanes::one(known);
        self.products += (left * right) & known;
        self.left += (left * left) & known;
        self.right += (right * right) & known;
    }

    fn correlations(&self) -> [Option<f32>; LANES] {
        let powers = (self.left * self.right).to_array().map(f32::sqrt);
        let (pairs, products) = (self.pairs.to_array(), self.products.to_array());
        std::array::from_fn(|block| {
            let is_enough = pairs[block] >= LEAST_PAIRS && powers[block] > f32::EPSILON;
            is_enough.then(|| products[block] / powers[block])
        })
    }
}

/// The middle value, of enough of them.
fn median(values: &mut [f32]) -> Option<f32> {
    let middle = values.len() / 2;
    (values.len() >= LEAST_BLOCKS).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_leads_back_to_what_the_filter_left() {
        for filter in [0.0, 0.1, 0.5, 0.9] {
            let c = -(filter * filter - 3.0 * filter + 4.0) / (6.0 - 2.0 * filter);
            assert!((rho(c) - filter).abs() < 1e-3, "{filter}: {}", rho(c));
        }
        assert!(rho(WHITE).abs() < 1e-6);
        assert!(rho(0.3) > MOST, "more than any filter leaves");
    }

    /// A block of 8 × 8 readings that look random.
    fn readings() -> Vec<f32> {
        (0..64_u16).map(|place| f32::from(place.wrapping_mul(40_503) >> 8) - 127.0).collect()
    }

    /// The figure of the one block of these readings.
    fn of_one_block(visit: impl Fn(&[Block]) -> [Option<f32>; LANES]) -> f32 {
        let strip = strips(8, 64).next().expect("a block");
        let [found, others @ ..] = visit(&strip.blocks().collect::<Vec<_>>());
        assert_eq!(others, [None; LANES - 1]);
        found.expect("enough pairs")
    }

    /// The correlation of these pairs.
    fn correlation(pairs: &[(f32, f32)]) -> f32 {
        let sum = |of: fn(&(f32, f32)) -> f32| pairs.iter().map(of).sum::<f32>();
        sum(|(a, b)| a * b) / (sum(|(a, _)| a * a) * sum(|(_, b)| b * b)).sqrt()
    }

    #[test]
    fn a_reading_out_of_range_takes_only_its_own_pairs_out_of_the_space() {
        for out in [vec![], vec![0], vec![27], vec![63], vec![8, 9, 40]] {
            let mut values = readings();
            for place in &out {
                values[*place] = f32::NAN;
            }
            let mean_square = |distances: &[usize]| {
                let squares = values.chunks_exact(8).flat_map(|row| {
                    distances.iter().flat_map(|distance| {
                        row.iter()
                            .zip(&row[*distance..])
                            .map(|(left, right)| (right - left).powi(2))
                    })
                });
                let squares: Vec<_> = squares.filter(|square| !square.is_nan()).collect();
                squares.iter().sum::<f32>() / f32::from(u16::try_from(squares.len()).expect("few"))
            };
            let expected = 1.0 - mean_square(&[1]) / mean_square(&[2, 3]);
            let found = of_one_block(|blocks| in_space(&values, blocks, 8));
            assert!((found - expected).abs() < 1e-4, "{out:?}: {found} for {expected}");
        }
    }

    #[test]
    fn a_reading_out_of_range_in_either_frame_takes_only_its_own_pair_out_of_the_time() {
        let (mut now, mut before) = (readings(), readings());
        before.reverse();
        now[5] = f32::NAN;
        before[50] = f32::NAN;
        let pairs: Vec<_> = now
            .iter()
            .zip(&before)
            .filter(|(now, before)| !now.is_nan() && !before.is_nan())
            .map(|(now, before)| (*now, *before))
            .collect();
        let found = of_one_block(|blocks| in_time(&now, &before, blocks, 8));
        assert!((found - correlation(&pairs)).abs() < 1e-4, "{found}");
    }
}
