//! The sensor in front of the wall: shot noise, read noise, fixed pattern, clipping.

/// Variance per step of brightness: photons arrive at random, so it grows with their number.
const SHOT: f32 = 0.017;

/// Variance in the dark, in steps²: reading out.
const READ: f32 = 0.5;

/// How much one pixel's sensitivity differs from another's (one standard deviation).
const SENSITIVITY: f32 = 0.008;

/// How much one pixel's zero differs from another's, in steps (one standard deviation).
const OFFSET: f32 = 0.6;

/// A sensor with this many pixels.
pub(super) struct Sensor {
    random: Random,
    /// Each pixel's own gain and zero: the same in every frame.
    pattern: Vec<(f32, f32)>,
    /// σ for each brightness.
    sigma: [f32; 256],
}

impl Sensor {
    pub(super) fn new(seed: u64, pixels: usize) -> Self {
        let mut random = Random(seed);
        let pattern = (0..pixels)
            .map(|_| (1.0 + SENSITIVITY * random.gauss(), OFFSET * random.gauss()))
            .collect();
        let sigma = std::array::from_fn(|level| {
            let level = u8::try_from(level).expect("there are 256 levels");
            (SHOT * f32::from(level) + READ).sqrt()
        });
        Self { random, pattern, sigma }
    }

    /// Reads pixel `place` of a scene that is so bright there.
    pub(super) fn read(&mut self, place: usize, brightness: f32) -> u8 {
        let (gain, zero) = self.pattern[place];
        let sigma = self.sigma[usize::from(whole(brightness))];
        whole(brightness * gain + zero + sigma * self.random.gauss())
    }
}

/// The nearest step there is.
pub(super) fn whole(value: f32) -> u8 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates: that is the clipping"
    )]
    let step = (value + 0.5) as u8;
    step
}

/// Numbers that look random and are not: `SplitMix64` (Steele, Lea, Flood 2014).
pub(super) struct Random(pub(super) u64);

impl Random {
    /// Mean 0, standard deviation 1: the sum of eight uniform bytes, which is near enough.
    pub(super) fn gauss(&mut self) -> f32 {
        /// Eight times 255 / 2.
        const MEAN: f32 = 1020.0;
        /// √(8 · (256² − 1) / 12)
        const DEVIATION: f32 = 209.021;
        let bytes = self.word();
        // Two halves at once: four sums of two bytes, then one of those.
        let pairs = (bytes & 0x00ff_00ff_00ff_00ff) + (bytes >> 8 & 0x00ff_00ff_00ff_00ff);
        let sum = pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48;
        #[expect(clippy::cast_precision_loss, reason = "at most 2040")]
        let sum = sum as f32;
        (sum - MEAN) / DEVIATION
    }

    /// From 0 to 1.
    pub(super) fn uniform(&mut self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "24 bits")]
        let uniform = (self.word() >> 40) as f32 / (1u32 << 24) as f32;
        uniform
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The first words for seed 0, from Vigna's reference program.
        let mut random = Random(0);
        assert_eq!(random.word(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.word(), 0x6e78_9e6a_a1b9_65f4);
    }

    /// Mean and variance of one pixel at this brightness.
    fn readings(brightness: f32) -> (f32, f32) {
        let mut sensor = Sensor::new(3, 1);
        sensor.pattern[0] = (1.0, 0.0);
        let values: Vec<_> = (0..20_000).map(|_| f32::from(sensor.read(0, brightness))).collect();
        let mean = values.iter().sum::<f32>() / 20_000.0;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / 20_000.0;
        (mean, variance)
    }

    #[test]
    fn noise_grows_with_light_as_a_sensors_does() {
        for brightness in [40.3, 100.3, 200.3] {
            let (mean, variance) = readings(brightness);
            // Rounding to whole steps adds 1/12.
            let expected = SHOT * brightness.floor() + READ + 1.0 / 12.0;
            // Four standard errors of the mean and of the variance of 20,000 readings: odds of
            // 1 in 16,000 that one of the six fails, and the seed is fixed.
            assert!((mean - brightness).abs() < 4.0 * (expected / 20_000.0).sqrt(), "{mean}");
            assert!((variance / expected - 1.0).abs() < 4.0 * 0.01, "{variance} {expected}");
        }
    }

    #[test]
    fn too_bright_and_too_dark_is_clipped() {
        assert_eq!((whole(300.0), whole(-7.0)), (255, 0));
    }
}
