//! Second differences in time, less what the camera's own shaking adds: the noise that is judged.
//!
//! ```text
//! v = residual − residual of the pair before       what moves evenly is not in it
//! d = argmin Σ (Δv − d · Δg)²                      the shake of this frame, from all readings
//! v − d · g                                        Δ: to the reading on the right; g: mean slope
//! ```
//! A shake of the camera moves edges back and forth, by the slope of the picture there. It is
//! fitted over the whole frame and taken off. Readings where it would outweigh the noise are set
//! aside: a fit is not exact. Light that flickers changes whole rows, and is not in Δv.

use zeroize::Zeroizing;

use crate::health::frames::differences::Differences;
use crate::health::frames::luma::Luma;

/// White noise of variance 1 has second differences of variance 1 + 4 + 1.
pub(super) const WHITE_VARIANCE: f32 = 6.0;

/// The weight of one frame in the running mean of slopes and of the shake: about the last
/// sixty-four, so that the noise of a slope is an eighth of a reading's.
const WEIGHT: f32 = 1.0 / 32.0;

/// A reading is set aside where the shake adds more than this part of the noise's variance. The
/// correlation in time is 3.6 times as sensitive: this much moves it by its limit.
const MOST_SHAKE: f32 = 1.0 / 32.0;

/// Readings count as no quieter than this, in steps²: that of rounding alone is 1/12.
const LEAST_VARIANCE: f32 = 0.25;

/// The second differences of one frame, and what is known of the shake.
#[derive(Debug, Default)]
pub(super) struct SecondDifferences {
    /// NaN where a reading is out of range or has no noise to judge.
    pub(super) values: Zeroizing<Vec<f32>>,
    /// The readings that the shake moves.
    moved: Vec<bool>,
    /// The mean slope at each reading in steps per pixel, to the right and down.
    slopes: Zeroizing<Vec<[f32; 2]>>,
    /// Mean squares of the shake in pixels²: across, both, down.
    shake: [f32; 3],
}

impl SecondDifferences {
    /// Takes the next frame. False while there are fewer than two pairs.
    pub(super) fn push(&mut self, luma: &Luma, differences: &Differences, held: &[u8]) -> bool {
        self.take_slopes(luma);
        let (now, before) = (&differences.residuals, &differences.before);
        self.values.clear();
        if before.len() != now.len() {
            return false;
        }
        self.values.extend(now.iter().zip(before.iter()).map(|(now, before)| now - before));
        let shake = self.fit(differences.width, held);
        for (value, slope) in self.values.iter_mut().zip(self.slopes.iter()) {
            *value -= shake[0] * slope[0] + shake[1] * slope[1];
        }
        let squares = [shake[0] * shake[0], shake[0] * shake[1], shake[1] * shake[1]];
        for (mean, square) in self.shake.iter_mut().zip(squares) {
            *mean += WEIGHT * (square - *mean);
        }
        true
    }

    /// Sets aside the readings that the shake moves by more than a part of their `variances`.
    pub(super) fn set_aside(&mut self, variances: &[f32]) {
        let [across, both, down] = self.shake;
        self.moved.clear();
        self.moved.extend(self.slopes.iter().zip(variances).map(|([x, y], variance)| {
            let moves = x * x * across + 2.0 * x * y * both + y * y * down;
            moves > MOST_SHAKE * WHITE_VARIANCE * variance.max(LEAST_VARIANCE)
        }));
    }

    /// The shake moves this reading by too much.
    pub(super) fn is_moved(&self, place: usize) -> bool {
        self.moved.get(place).copied().unwrap_or(false)
    }

    fn take_slopes(&mut self, luma: &Luma) {
        if self.slopes.len() != luma.slopes.len() {
            *self = Self::default();
            self.slopes.extend(luma.slopes.iter().map(|slope| per_pixel(*slope)));
            return;
        }
        for (mean, slope) in self.slopes.iter_mut().zip(luma.slopes.iter()) {
            let [x, y] = per_pixel(*slope);
            mean[0] += WEIGHT * (x - mean[0]);
            mean[1] += WEIGHT * (y - mean[1]);
        }
    }

    /// The least-squares shake in pixels, across and down; zero where the picture has no slopes.
    fn fit(&self, width: usize, held: &[u8]) -> [f32; 2] {
        let (mut xx, mut xy, mut yy, mut xv, mut yv) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0, 0.0);
        let rows = self.values.chunks(width.max(1)).zip(self.slopes.chunks(width.max(1)));
        for (row, (values, slopes)) in rows.enumerate() {
            for (place, (value, slope)) in values.windows(2).zip(slopes.windows(2)).enumerate() {
                let change = f64::from(value[1] - value[0]);
                let is_held = held.get(row * width + place).is_some_and(|frames| *frames > 0);
                if change.is_nan() || is_held {
                    continue;
                }
                let x = f64::from(slope[1][0] - slope[0][0]);
                let y = f64::from(slope[1][1] - slope[0][1]);
                xx += x * x;
                xy += x * y;
                yy += y * y;
                xv += x * change;
                yv += y * change;
            }
        }
        let determinant = xx * yy - xy * xy;
        if determinant <= f64::EPSILON * xx * yy {
            return [0.0, 0.0];
        }
        #[expect(clippy::cast_possible_truncation, reason = "a few pixels")]
        let shake = [(yy * xv - xy * yv) / determinant, (xx * yv - xy * xv) / determinant]
            .map(|pixels| pixels as f32);
        shake
    }
}

fn per_pixel([x, y]: [i16; 2]) -> [f32; 2] {
    [f32::from(x) / 2.0, f32::from(y) / 2.0]
}
