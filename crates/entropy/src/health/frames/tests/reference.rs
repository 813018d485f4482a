//! The noise of a frame computed one reading after another, as the first implementation did: what is
//! computed now for eight at a time is the same to the last bit, on any picture.

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::health::frames::differences::IN_RANGE;
use crate::health::frames::variance::ACTIVE;

/// The places of each block, row by row.
fn blocks(width: usize, readings: usize) -> Vec<Vec<Range<usize>>> {
    let height = readings / width;
    let block = |x: usize, y: usize| {
        let rows = y..height.min(y + BLOCK);
        rows.map(|row| row * width + x..row * width + width.min(x + BLOCK)).collect()
    };
    let tops = (0..height).step_by(BLOCK);
    tops.flat_map(|y| (0..width).step_by(BLOCK).map(move |x| block(x, y))).collect()
}

/// The mean of a block's values where those of `of` are known.
fn mean(values: &[f32], of: &[f32], block: &[Range<usize>]) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0);
    for place in block.iter().cloned().flatten().filter(|place| !of[*place].is_nan()) {
        sum += values[place];
        count += 1.0;
    }
    sum / f32::max(count, 1.0)
}

/// The differences of two frames, less the mean of their block.
fn residuals(width: usize, last: &[u8], now: &[u8]) -> Vec<f32> {
    let difference = |(last, now): (&u8, &u8)| {
        let is_in_range = IN_RANGE.contains(now) && IN_RANGE.contains(last);
        if is_in_range { f32::from(*now) - f32::from(*last) } else { f32::NAN }
    };
    let mut residuals: Vec<_> = last.iter().zip(now).map(difference).collect();
    for block in blocks(width, residuals.len()) {
        let mean = mean(&residuals, &residuals, &block);
        block.into_iter().flatten().for_each(|place| residuals[place] -= mean);
    }
    residuals
}

/// Adds the second differences of one row of a block to the variances. Whether each is an outlier.
fn push_row(variances: &mut [f32], values: &[f32], usual: f32) -> Vec<bool> {
    let mut sorted: Vec<_> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    if sorted.len() < 2 {
        return vec![false; values.len()];
    }
    sorted.sort_unstable_by(f32::total_cmp);
    let middle = sorted[sorted.len() / 2];
    let (mut sum, mut kept) = (0.0, 0.0);
    let mut outliers = Vec::new();
    for (value, variance) in values.iter().zip(&*variances) {
        let rest = value - middle;
        let is_outlier = rest * rest > 16.0 * 6.0 * variance.max(usual);
        outliers.push(is_outlier);
        if !is_outlier && !rest.is_nan() {
            sum += rest;
            kept += 1.0;
        }
    }
    let mean = middle + sum / f32::max(kept, 1.0);
    let scale = kept / f32::max(kept - 1.0, 1.0) / 6.0;
    for ((variance, value), is_outlier) in variances.iter_mut().zip(values).zip(&outliers) {
        let rest = value - mean;
        if *is_outlier {
            *variance += (16.0 * variance.max(usual) - *variance) / 16.0;
        } else if kept > 1.0 && !rest.is_nan() {
            *variance += (rest * rest * scale - *variance) / 16.0;
        }
    }
    outliers
}

/// The running variances, the frames for which readings are set aside, and which are judged.
#[derive(Default)]
struct Variances {
    frames: u32,
    values: Vec<f32>,
    held: Vec<u8>,
    judged: Vec<bool>,
}

impl Variances {
    fn push(&mut self, width: usize, residuals: &[f32], second: &[f32], moved: &[bool]) {
        let readings = residuals.len();
        self.values.resize(readings, 0.0);
        self.held.resize(readings, 0);
        self.judged = vec![false; readings];
        self.frames += 1;
        let mut outliers = vec![false; readings];
        for block in blocks(width, readings) {
            let usual = mean(&self.values, residuals, &block).max(ACTIVE);
            for row in block {
                let found = push_row(&mut self.values[row.clone()], &second[row.clone()], usual);
                outliers[row].copy_from_slice(&found);
            }
        }
        for frames in &mut self.held {
            *frames = frames.saturating_sub(1);
        }
        if self.frames >= 20 {
            for place in (0..readings).filter(|place| outliers[*place]) {
                let before = [1, width].into_iter().filter_map(|step| place.checked_sub(step));
                for beside in before.chain([place, place + 1, place + width]) {
                    if beside < readings {
                        self.held[beside] = 16;
                    }
                }
            }
        }
        for block in blocks(width, readings) {
            let has_noise = mean(&self.values, residuals, &block) >= ACTIVE;
            for place in block.into_iter().flatten() {
                let is_still = !moved[place] && self.held[place] == 0;
                self.judged[place] = has_noise && !residuals[place].is_nan() && is_still;
            }
        }
    }

    /// The middle variance at each of eight levels of brightness.
    fn curve(&self, brightness: &[u8]) -> [Option<f64>; 8] {
        std::array::from_fn(|level| {
            let is_there = |place: &usize| {
                self.judged[*place] && usize::from(brightness[*place]) / 32 == level
            };
            let mut values: Vec<_> =
                (0..self.values.len()).filter(is_there).map(|place| self.values[place]).collect();
            values.sort_unstable_by(f32::total_cmp);
            (values.len() >= 64).then(|| f64::from(values[values.len() / 2]))
        })
    }
}

/// The share of their brightness by which readings changed.
fn share_of_light(values: &[f32], brightness: &[u8]) -> f32 {
    let (mut products, mut squares) = (0.0, 0.0);
    for (value, light) in values.iter().zip(brightness).filter(|(value, _)| !value.is_nan()) {
        products += value * f32::from(*light);
        squares += f32::from(*light) * f32::from(*light);
    }
    products / f32::max(squares, 1.0)
}

/// The correlations of a block in space and, with those before, in time.
fn correlations(now: &[f32], before: &[f32], block: &[Range<usize>]) -> [Option<f32>; 2] {
    let (mut near, mut far) = ((0.0_f32, 0.0_f32), (0.0_f32, 0.0_f32));
    let (mut pairs, mut products, mut left, mut right) = (0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32);
    for row in block {
        let (now, before) = (&now[row.clone()], before.get(row.clone()).unwrap_or(&[]));
        for place in 0..now.len() {
            for distance in [1, 2, 3] {
                let Some(other) = now.get(place + distance) else { continue };
                let difference = other - now[place];
                if !difference.is_nan() {
                    let sum = if distance == 1 { &mut near } else { &mut far };
                    sum.0 += difference * difference;
                    sum.1 += 1.0;
                }
            }
        }
        for (now, before) in now.iter().zip(before) {
            if !now.is_nan() && !before.is_nan() {
                pairs += 1.0;
                products += now * before;
                left += now * now;
                right += before * before;
            }
        }
    }
    let mean = |sum: (f32, f32)| (sum.1 >= 24.0).then(|| sum.0 / sum.1);
    let space = mean(near).zip(mean(far)).filter(|(_, far)| *far > f32::EPSILON);
    let power = (left * right).sqrt();
    let time = (pairs >= 24.0 && power > f32::EPSILON).then(|| products / power);
    [space.map(|(near, far)| 1.0 - near / far), time]
}

fn middle(mut values: Vec<f32>) -> Option<f32> {
    values.sort_unstable_by(f32::total_cmp);
    (values.len() >= LEAST_BLOCKS).then(|| values[values.len() / 2])
}

/// Equal, NaN to NaN and zero to zero of either sign.
fn same(now: &[f32], then: &[f32]) -> bool {
    // −0 + 0 = 0.
    let bits = |values: &[f32]| -> Vec<_> {
        values.iter().map(|it| (!it.is_nan()).then_some((it + 0.0).to_bits())).collect()
    };
    bits(now) == bits(then)
}

/// The chain of a frame, both ways.
#[derive(Default)]
struct Both {
    differences: Differences,
    second: SecondDifferences,
    variance: Variance,
    correlation: Correlation,
    last: Vec<u8>,
    before: Vec<f32>,
    variances: Variances,
    now: Vec<f32>,
    space: f32,
    time: Option<f32>,
}

impl Both {
    fn push(&mut self, luma: &Luma) -> Result<(), TestCaseError> {
        let width = luma.width;
        let last = std::mem::replace(&mut self.last, luma.values.to_vec());
        if !self.differences.push(luma) {
            return Ok(());
        }
        let residuals = residuals(width, &last, &luma.values);
        prop_assert!(same(&self.differences.residuals, &residuals));
        let before = std::mem::replace(&mut self.before, residuals.clone());
        if !self.second.push(luma, &self.differences, &self.variance.held) {
            return Ok(());
        }
        // The shake is fitted as ever.
        prop_assert_eq!(before.len(), residuals.len());
        let second = self.second.values.to_vec();
        self.second.set_aside(&self.variance.values);
        self.variance.push(&self.differences, &self.second);
        self.variances.push(width, &residuals, &second, self.second.are_moved());
        prop_assert!(same(&self.variance.values, &self.variances.values));
        prop_assert_eq!(&self.variance.held, &self.variances.held);
        let judged = second.iter().zip(&self.variances.judged);
        let judged: Vec<_> =
            judged.map(|(value, is_judged)| if *is_judged { *value } else { f32::NAN }).collect();
        prop_assert!(same(&self.variance.judged(&self.second).collect::<Vec<_>>(), &judged));
        let curve = noise_model::curve(&self.variance, &self.differences);
        prop_assert_eq!(curve, self.variances.curve(&luma.values));
        self.correlate(luma, judged)
    }

    fn correlate(&mut self, luma: &Luma, judged: Vec<f32>) -> Result<(), TestCaseError> {
        self.correlation.push(luma.width, judged.iter().copied(), &luma.values);
        let rows = judged.chunks(luma.width).zip(luma.values.chunks(luma.width));
        let shares: Vec<_> = rows.map(|(row, light)| share_of_light(row, light)).collect();
        let squares = shares.iter().fold(0.0, |sum, share| sum + share * share);
        let count = shares.iter().fold(0.0, |count, _| count + 1.0);
        prop_assert!(same(&[self.correlation.flicker], &[squares / f32::max(count, 1.0)]));
        let before = std::mem::replace(&mut self.now, judged);
        let blocks = blocks(luma.width, luma.values.len());
        for row in blocks.iter().flatten() {
            let (values, light) = (&mut self.now[row.clone()], &luma.values[row.clone()]);
            let share = share_of_light(values, light);
            for (value, light) in values.iter_mut().zip(light) {
                *value -= share * f32::from(*light);
            }
        }
        prop_assert!(same(&self.correlation.now, &self.now));
        let found: Vec<_> =
            blocks.iter().map(|block| correlations(&self.now, &before, block)).collect();
        let [space, time] = [0, 1].map(|which| {
            middle(found.iter().filter_map(|correlations| correlations[which]).collect())
        });
        prop_assert_eq!(self.correlation.is_judged, space.is_some() && time.is_some());
        self.space += space.map_or(0.0, |space| (space - self.space) / 64.0);
        let white = *self.time.get_or_insert(Correlation::default().time);
        self.time = Some(white + time.map_or(0.0, |time| (time - white) / 64.0));
        let correlations = [self.correlation.space, self.correlation.time];
        prop_assert!(same(&correlations, &[self.space, self.time.unwrap_or_default()]));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_figure_is_that_of_one_reading_after_another(
        width in 1..=300_u32,
        height in 1..=300_u32,
        frames in 3..26_u64,
        noise in 0..12_u8,
        light in 0..255_u8,
        seed: u64,
    ) {
        let mut random = seed | 1;
        // Knuth's MMIX generator (TAOCP 2, §3.3.4).
        let mut byte = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            random.to_be_bytes()[0]
        };
        let frame = Frame { format: PixelFormat::Grey, width, height, sequence: None, damaged: false };
        let pixels = usize::try_from(width * height).expect("a small picture");
        let scene: Vec<u8> =
            (0..60).cycle().map(|step| light.saturating_add(step)).take(pixels).collect();
        let mut both = Both::default();
        for _ in 0..frames {
            // Of the noise some is far out, and the light changes.
            let common = byte() % 3;
            let picture: Vec<u8> = scene.iter().map(|mean| {
                let far = if byte() == 0 { 60 } else { 0 };
                mean.saturating_add(byte() % (noise + 1) + common).saturating_sub(far)
            }).collect();
            let mut luma = Luma::default();
            luma.fill(&frame, &picture).expect("raw");
            both.push(&luma)?;
        }
    }
}
