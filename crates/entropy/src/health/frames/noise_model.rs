//! The sensor's noise model: the variance at each level of brightness.
//!
//! A sensor with constant gain has one curve of noise against brightness. It is learned when the
//! camera starts; noise above or below it is not that sensor's. The curve is not assumed to rise: a
//! camera's tone mapping can bend it either way.

use crate::health::finding::{Finding, HealthTest, Severity};
use crate::health::frames::differences::Differences;
use crate::health::frames::variance::Variance;

/// Number of levels of brightness, of 32 steps each.
const BINS: usize = 8;

/// Classes of variances: the leading 12 bits of a number.
const CLASSES: usize = 1 << 12;

/// Frames in which the curve is learned, after those in which the variances settle.
const LEARNED_AT: u32 = 96;

/// A level of brightness needs this many readings.
const LEAST_READINGS: usize = 64;

/// The highest ratio of a level's variance to the learned one, and the lowest as its reciprocal.
/// Warming up doubles a sensor's dark noise about every 8 °C; a factor of four leaves room for
/// that.
pub(super) const MOST_CHANGE: f64 = 4.0;

/// More variance than this (σ = 16 steps) in the middle of the picture is no sensor's at any gain
/// worth using: the noise was added.
pub(super) const MOST_VARIANCE: f64 = 256.0;

/// The learned curve of the sensor.
#[derive(Debug, Default)]
pub(super) struct NoiseModel {
    levels: [Level; BINS],
}

/// One level of brightness: what was learned of it. A level that the scene did not have before is
/// learned when it comes.
#[derive(Debug, Default)]
struct Level {
    frames: u32,
    mean: f64,
}

impl Level {
    /// Takes the next variance: its ratio to the learned mean, once that is learned.
    fn change(&mut self, now: f64) -> Option<f64> {
        if self.frames < LEARNED_AT {
            self.frames += 1;
            self.mean += (now - self.mean) / f64::from(self.frames);
            return None;
        }
        Some(now / self.mean)
    }
}

/// The variance at each level of brightness; `None` where too few readings have it.
pub(super) type Curve = [Option<f64>; BINS];

impl NoiseModel {
    /// Learns the curve, then compares with it.
    pub(super) fn check_curve(&mut self, now: &Curve) -> Result<(), Finding> {
        let changes =
            self.levels.iter_mut().zip(now).filter_map(|(level, now)| level.change((*now)?));
        let changes: Vec<_> = changes.collect();
        let is_off = |change: &f64| *change > MOST_CHANGE || *change < 1.0 / MOST_CHANGE;
        if changes.iter().filter(|change| is_off(change)).count() * 2 <= changes.len() {
            return Ok(());
        }
        let worst = changes.into_iter().max_by(|a, b| a.ln().abs().total_cmp(&b.ln().abs()));
        Err(alarm(format!(
            "the variance at one brightness is {} times what it was, limit {MOST_CHANGE}",
            Finding::figure(worst.unwrap_or(1.0), 2, &MOST_CHANGE.to_string())
        )))
    }
}

/// Tests for more noise than a sensor makes.
pub(super) fn check_level(curve: &Curve) -> Result<(), Finding> {
    let loud = curve.iter().flatten().filter(|level| **level > MOST_VARIANCE).count();
    let known = curve.iter().flatten().count();
    if known == 0 || loud * 2 <= known {
        return Ok(());
    }
    let most = curve.iter().flatten().copied().fold(0.0, f64::max);
    Err(alarm(format!("σ up to {:.0} steps: more than a sensor makes", most.sqrt())))
}

/// The middle variance at each level of brightness: a few readings that an edge has passed do not
/// change it.
///
/// The variances are counted by their leading bits, and only those of the middle's class are compared.
pub(super) fn curve(variance: &Variance, differences: &Differences) -> Curve {
    let mut counts = vec![[0_u32; CLASSES]; BINS];
    for (value, variance) in variance.by_brightness(differences) {
        counts[level(value)][class(variance)] += 1;
    }
    let middles: [_; BINS] = std::array::from_fn(|level| middle(&counts[level]));
    let mut near: [Vec<f32>; BINS] = Default::default();
    for (value, variance) in variance.by_brightness(differences) {
        if middles[level(value)].is_some_and(|(middle, _)| middle == class(variance)) {
            near[level(value)].push(variance);
        }
    }
    let mut curve = Curve::default();
    for ((level, middle), near) in curve.iter_mut().zip(middles).zip(&mut near) {
        *level = middle
            .map(|(_, place)| *near.select_nth_unstable_by(place, f32::total_cmp).1)
            .map(f64::from);
    }
    curve
}

/// The level of a brightness.
fn level(brightness: u8) -> usize {
    usize::from(brightness) * BINS / 256
}

/// The sign, the exponent and the highest three bits of the fraction of a variance. It grows with the
/// variance, which is not negative (IEEE 754-2019 §3.4).
fn class(variance: f32) -> usize {
    (variance.to_bits() >> (u32::BITS - CLASSES.ilog2())) as usize
}

/// The class of the middle of so many variances and its place within the class; `None` where there are
/// too few of them.
fn middle(counts: &[u32; CLASSES]) -> Option<(usize, usize)> {
    let total: usize = counts.iter().map(|count| *count as usize).sum();
    if total < LEAST_READINGS {
        return None;
    }
    let mut place = total / 2;
    for (class, count) in counts.iter().enumerate() {
        match place.checked_sub(*count as usize) {
            Some(left) => place = left,
            None => return Some((class, place)),
        }
    }
    None
}

fn alarm(detail: String) -> Finding {
    Finding { test: HealthTest::NoiseModel, severity: Severity::Intermittent, detail }
}

#[cfg(test)]
mod tests;
