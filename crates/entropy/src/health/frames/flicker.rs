//! The flicker of the light, and the rates of a camera that avoid it.

use std::time::Instant;

/// The weight of one frame in the running means.
const WEIGHT: f32 = 1.0 / 32.0;

/// Flicker is named from this share of the light on, in second differences: less is mostly noise.
const NAMED: f32 = 0.01;

/// Light on mains of 50 and of 60 Hz flickers at twice that, in Hz.
const MAINS: [f32; 2] = [100.0, 120.0];

/// How much the light of rows changes from frame to frame, and how often frames come.
#[derive(Debug, Default)]
pub(super) struct Flicker {
    square: f32,
    last: Option<Instant>,
    interval_s: f32,
}

impl Flicker {
    /// Takes the shares by which the rows of a frame changed, and when it was taken.
    pub(super) fn push(&mut self, square: f32, taken: Instant) {
        self.square += WEIGHT * (square - self.square);
        if let Some(last) = self.last.replace(taken) {
            let interval_s = taken.saturating_duration_since(last).as_secs_f32();
            let is_first = self.interval_s <= 0.0;
            let weight = if is_first { 1.0 } else { WEIGHT };
            self.interval_s += weight * (interval_s - self.interval_s);
        }
    }

    /// The remark on an alarm that flicker may have caused; `None` without flicker.
    pub(super) fn remark(&self) -> Option<String> {
        let share = self.square.sqrt();
        if share < NAMED || self.interval_s <= 0.0 {
            return None;
        }
        let rate = 1.0 / self.interval_s;
        let [fifty, sixty] = MAINS.map(|mains| beat(mains, rate));
        Some(format!(
            "the light flickers: at {rate:.0} frames a second, 100 Hz beats at {fifty:.0} Hz and \
             120 Hz at {sixty:.0} Hz; a rate that divides 100 or 120 avoids it"
        ))
    }
}

/// The frequency at which light of `mains` Hz is seen at `rate` frames a second.
fn beat(mains: f32, rate: f32) -> f32 {
    (mains - rate * (mains / rate).round()).abs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_beat_of_a_rate_that_divides_the_flicker_is_zero() {
        let is_beat = |rate, beats: [f32; 2]| {
            let found = MAINS.map(|mains| beat(mains, rate));
            found.iter().zip(beats).all(|(found, expected)| (found - expected).abs() < 1e-3)
        };
        for (rate, beats) in [(10.0, [0.0, 0.0]), (15.0, [5.0, 0.0]), (30.0, [10.0, 0.0])] {
            assert!(is_beat(rate, beats), "{rate}");
        }
        assert!(is_beat(25.0, [0.0, 5.0]));
    }

    #[test]
    fn only_flicker_is_named() {
        let start = Instant::now();
        let remark = |share: f32| {
            let mut flicker = Flicker::default();
            for frame in 0..200 {
                flicker.push(share * share, start + Duration::from_millis(40) * frame);
            }
            flicker.remark()
        };
        assert_eq!(remark(0.005), None);
        let named = remark(0.03).expect("flicker");
        assert!(named.contains("at 25 frames a second, 100 Hz beats at 0 Hz and 120 Hz at 5 Hz"));
    }
}
