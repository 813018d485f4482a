//! Credit per second, averaged over the last minute.

use std::time::{Duration, Instant};

/// The time constant of the average.
const MEMORY: Duration = Duration::from_mins(1);

/// An exponentially weighted rate, unbiased from the start.
#[derive(Debug)]
pub(super) struct Rate {
    started: Instant,
    last: Instant,
    per_second: f64,
}

impl Rate {
    pub(super) fn new(now: Instant) -> Self {
        Self { started: now, last: now, per_second: 0.0 }
    }

    /// Counts `amount` at `now` and gives the rate.
    pub(super) fn add(&mut self, amount: u32, now: Instant) -> f64 {
        let memory = MEMORY.as_secs_f64();
        let since_last = now.saturating_duration_since(self.last).as_secs_f64();
        self.last = now;
        self.per_second *= (-since_last / memory).exp();
        self.per_second += f64::from(amount) / memory;
        // Before a whole memory has passed, only this share of the weight has been given out.
        let age = now.saturating_duration_since(self.started).as_secs_f64();
        let weight = 1.0 - (-age.max(1.0) / memory).exp();
        self.per_second / weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_source_shows_its_rate_early_and_late() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        for tick in 1..=6000u32 {
            let shown = rate.add(25, start + Duration::from_millis(100) * tick);
            if tick > 100 {
                assert!((shown - 250.0).abs() < 15.0, "{shown} after {tick} ticks");
            }
        }
    }

    #[test]
    fn a_source_that_stops_earning_fades() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        rate.add(10_000, start + Duration::from_mins(1));
        assert!(rate.add(0, start + Duration::from_mins(10)) < 1.0);
    }
}
