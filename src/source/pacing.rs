//! The frame rate of a source that could give frames at any moment.

use std::thread;
use std::time::{Duration, Instant};

use crate::source::contract::SourceError;

/// One frame an interval.
#[derive(Debug)]
pub(super) struct Pacing {
    interval: Duration,
    next: Option<Instant>,
}

impl Pacing {
    /// The first frame at once, the others this far apart.
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, next: None }
    }

    /// Waits until the next frame is due.
    ///
    /// # Errors
    /// [`SourceError::Timeout`] when `deadline` comes first.
    pub(super) fn wait(&mut self, what: &str, deadline: Instant) -> Result<(), SourceError> {
        let now = Instant::now();
        let due = self.next.unwrap_or(now);
        let until = due.min(deadline);
        thread::sleep(until.saturating_duration_since(now));
        if due > deadline {
            let waited_ms = u64::try_from(now.elapsed().as_millis()).unwrap_or(u64::MAX);
            return Err(SourceError::Timeout { what: what.to_owned(), waited_ms });
        }
        // A reader that was late is not given the missed frames in a burst.
        self.next = Some((due + self.interval).max(Instant::now()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_frame_is_due_an_interval_later_and_not_past_the_deadline() {
        let mut pacing = Pacing::new(Duration::from_hours(1));
        let soon = Instant::now() + Duration::from_secs(1);
        pacing.wait("it", soon).expect("the first comes at once");
        let error = pacing.wait("it", Instant::now()).expect_err("an hour to go");
        assert!(matches!(error, SourceError::Timeout { .. }), "{error}");
    }
}
