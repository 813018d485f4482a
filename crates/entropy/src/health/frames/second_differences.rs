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
        // Before the first variances nothing is known to be.
        self.moved.resize(self.values.len(), false);
    }

    /// Whether the shake moves each reading by too much.
    pub(super) fn are_moved(&self) -> &[bool] {
        &self.moved
    }

    fn take_slopes(&mut self, luma: &Luma) {
        if self.slopes.len() != luma.slopes.len() {
            *self = Self::default();
            self.slopes.extend(luma.slopes.iter().map(|slope| slope.map(per_pixel)));
            return;
        }
        let slopes = luma.slopes.as_flattened().iter();
        for (mean, slope) in self.slopes.as_flattened_mut().iter_mut().zip(slopes) {
            *mean += WEIGHT * (per_pixel(*slope) - *mean);
        }
    }

    /// The least-squares shake in pixels, across and down; zero where the picture has no slopes.
    fn fit(&self, width: usize, held: &[u8]) -> [f32; 2] {
        let (mut xx, mut xy, mut yy, mut xv, mut yv) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0, 0.0);
        let none;
        let held = if held.len() == self.values.len() {
            held
        } else {
            none = vec![0; self.values.len()];
            &none
        };
        let width = width.max(1);
        let rows = self.values.chunks(width).zip(self.slopes.chunks(width)).zip(held.chunks(width));
        for ((values, slopes), held) in rows {
            let pairs = values.windows(2).zip(slopes.windows(2)).zip(held);
            for ((value, slope), held) in pairs {
                let change = f64::from(value[1] - value[0]);
                let counts = *held == 0 && !change.is_nan();
                let of = |number: f64| if counts { number } else { 0.0 };
                let (x, y) = (slope[1][0] - slope[0][0], slope[1][1] - slope[0][1]);
                let (x, y, change) = (of(f64::from(x)), of(f64::from(y)), of(change));
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

fn per_pixel(slope: i16) -> f32 {
    f32::from(slope) / 2.0
}
