//! The ceiling of the whole service: long answers of all callers together. Time is an argument.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::caller::limiter::{Exceeded, ExceededLimit};

/// Bytes that may be sent at once after a pause, as time: the resolution of timers is a millisecond.
const SLACK: Duration = Duration::from_millis(10);

/// The state of the ceiling.
#[derive(Debug, Default)]
pub(crate) struct Ceiling(Mutex<CeilingState>);

#[derive(Debug, Default)]
struct CeilingState {
    long_answers: Option<u32>,
    bytes_per_second: Option<u64>,
    /// Long answers that are sent.
    sent: u32,
    /// When the bytes that were taken so far may have been sent.
    arrival: Option<Instant>,
}

impl Ceiling {
    /// Sets other limits.
    pub(crate) fn set(&self, long_answers: Option<u32>, bytes_per_second: Option<u64>) {
        let mut state = self.0.lock();
        if state.bytes_per_second != bytes_per_second {
            state.arrival = None;
        }
        state.long_answers = long_answers;
        state.bytes_per_second = bytes_per_second;
    }

    /// Begins a long answer to a caller to which `own` others are sent. A caller may have as many as are
    /// left free: one that asks for all of them leaves the half to others (dynamic threshold, Choudhury
    /// and Hahne 1998).
    ///
    /// # Errors
    /// When fewer are free.
    pub(crate) fn begin(&self, own: u32) -> Result<(), Exceeded> {
        let mut state = self.0.lock();
        if let Some(most) = state.long_answers {
            let free = most.saturating_sub(state.sent);
            if own >= free {
                let limit = ExceededLimit::ServiceLongAnswers { most, free, own };
                return Err(Exceeded { limit, retry_after: Duration::from_secs(1) });
            }
        }
        state.sent += 1;
        Ok(())
    }

    /// Ends a long answer.
    pub(crate) fn end(&self) {
        let mut state = self.0.lock();
        state.sent = state.sent.saturating_sub(1);
    }

    /// Takes bytes of long answers; returns the time until they may be sent.
    pub(crate) fn take(&self, now: Instant, bytes: u64) -> Duration {
        let mut state = self.0.lock();
        let Some(rate) = state.bytes_per_second else { return Duration::ZERO };
        let arrival = state.arrival.map_or(now, |arrival| arrival.max(now));
        state.arrival = arrival.checked_add(time_of(bytes, rate));
        (arrival - now).saturating_sub(SLACK)
    }

    /// Gives back bytes that were taken and are not sent.
    pub(crate) fn give_back(&self, bytes: u64) {
        let mut state = self.0.lock();
        let Some(rate) = state.bytes_per_second else { return };
        state.arrival = state.arrival.and_then(|arrival| arrival.checked_sub(time_of(bytes, rate)));
    }
}

/// How long bytes take at a rate in bytes per second.
fn time_of(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_may_have_as_many_long_answers_as_are_left_free() {
        let ceiling = Ceiling::default();
        ceiling.set(Some(8), None);
        let greedy = (0..8).take_while(|own| ceiling.begin(*own).is_ok()).count();
        assert_eq!(greedy, 4, "the other half is for others");
        let second = (0..8).take_while(|own| ceiling.begin(*own).is_ok()).count();
        assert_eq!(second, 2);
        assert!(ceiling.begin(0).is_ok(), "a third");
        let refused = ceiling.begin(1).expect_err("a second one of the third");
        let limit = ExceededLimit::ServiceLongAnswers { most: 8, free: 1, own: 1 };
        assert_eq!(refused.limit, limit);
        ceiling.end();
        assert!(ceiling.begin(1).is_ok());
        ceiling.set(None, None);
        assert!(ceiling.begin(100).is_ok());
    }

    #[test]
    fn bytes_beyond_the_rate_wait_as_long_as_they_take() {
        let (ceiling, now) = (Ceiling::default(), Instant::now());
        assert_eq!(ceiling.take(now, 1 << 40), Duration::ZERO, "no limit");
        ceiling.set(None, Some(1000));
        assert_eq!(ceiling.take(now, 100), Duration::ZERO);
        assert_eq!(ceiling.take(now, 100), Duration::from_millis(90));
        assert_eq!(ceiling.take(now, 1000), Duration::from_millis(190));
        ceiling.give_back(1000);
        let later = now + Duration::from_millis(150);
        assert_eq!(ceiling.take(later, 100), Duration::from_millis(40));
        let much_later = now + Duration::from_secs(10);
        assert_eq!(ceiling.take(much_later, 1), Duration::ZERO, "a pause is not saved up");
        assert_eq!(ceiling.take(much_later, 100), Duration::ZERO);
        assert_eq!(ceiling.take(much_later, 100), Duration::from_millis(91));
    }
}
