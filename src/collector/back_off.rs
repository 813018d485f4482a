//! The wait before a thread that has ended is started again.

use std::time::{Duration, Instant};

/// The first wait.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait: a thread that can run again runs within this time.
const LONGEST: Duration = Duration::from_mins(1);

/// A failure so long after the wait for the last one begins another row.
const FORGIVEN_AFTER: Duration = Duration::from_mins(10);

/// Failures in a row: the wait doubles with each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BackOff {
    failures: u32,
    until: Option<Instant>,
}

impl BackOff {
    /// A failure at `now`. True for the first in a row, which is an incident.
    #[must_use]
    pub(super) fn fail(&mut self, now: Instant) -> bool {
        if self.until.is_some_and(|until| now >= until + FORGIVEN_AFTER) {
            self.succeed();
        }
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + self.wait());
        self.failures == 1
    }

    /// A success ends the row.
    pub(super) fn succeed(&mut self) {
        *self = Self::default();
    }

    /// The wait after the last failure: 1, 2, 4, … s.
    pub(super) fn wait(&self) -> Duration {
        FIRST.saturating_mul(2u32.saturating_pow(self.failures.saturating_sub(1))).min(LONGEST)
    }

    /// Whether something has failed and not succeeded since.
    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Whether another try may be made.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_minute_and_the_first_failure_of_a_row_is_told() {
        let (mut back_off, now) = (BackOff::default(), Instant::now());
        assert!(back_off.is_over(now));
        let told: Vec<_> =
            (0..9).map(|_| (back_off.fail(now), back_off.wait().as_secs())).collect();
        let waits = [1, 2, 4, 8, 16, 32, 60, 60, 60];
        assert_eq!(told, waits.map(|wait| (wait == 1, wait)));
        assert!(!back_off.is_over(now + LONGEST / 2) && back_off.is_over(now + LONGEST));
        assert!(back_off.fail(now + LONGEST + FORGIVEN_AFTER), "another row");
        back_off.succeed();
        assert!(back_off.is_over(now) && back_off.fail(now));
    }
}
