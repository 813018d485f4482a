//! How much each reading varies in time.

use zeroize::Zeroizing;

use crate::health::frames::differences::{Differences, share};

/// The weight of one frame in the running mean: it remembers about sixteen.
const WEIGHT: f32 = 1.0 / 16.0;

/// The least variance of an active reading: σ ≥ 0.5 steps. Below that rounding swallows the noise
/// where a reading lies in the middle of a step.
const ACTIVE: f32 = 0.25;

/// The least share of active readings.
pub(super) const LEAST_ACTIVE: f64 = 0.3;

/// The running variance of every reading.
#[derive(Debug, Default)]
pub(super) struct Variance {
    /// Starts at zero, and so below the truth.
    values: Zeroizing<Vec<f32>>,
}

impl Variance {
    /// Takes the next differences. A difference has twice the variance of a reading.
    pub(super) fn push(&mut self, differences: &Differences) {
        if self.values.len() != differences.residuals.len() {
            self.values = Zeroizing::new(vec![0.0; differences.residuals.len()]);
        }
        for (variance, residual) in self.values.iter_mut().zip(differences.residuals.iter()) {
            if !residual.is_nan() {
                *variance += WEIGHT * (residual * residual / 2.0 - *variance);
            }
        }
    }

    /// The differences of the active readings: those in range that vary enough.
    pub(super) fn active<'a>(
        &'a self,
        differences: &'a Differences,
    ) -> impl Iterator<Item = i16> + 'a {
        let readings = self.values.iter().zip(differences.residuals.iter());
        readings.zip(differences.steps.iter()).filter_map(|((variance, residual), step)| {
            (!residual.is_nan() && *variance >= ACTIVE).then_some(*step)
        })
    }

    /// The share of readings that are active.
    pub(super) fn active_share(&self, differences: &Differences) -> f64 {
        share(self.active(differences).count(), self.values.len())
    }

    /// Each reading in range: its brightness and its variance.
    pub(super) fn by_brightness<'a>(
        &'a self,
        differences: &'a Differences,
    ) -> impl Iterator<Item = (u8, f32)> + 'a {
        let readings = self.values.iter().zip(differences.residuals.iter());
        readings.zip(differences.values.iter()).filter_map(|((variance, residual), value)| {
            (!residual.is_nan()).then_some((*value, *variance))
        })
    }
}
