//! The operating system's random bytes, clocks and memory, and times of the clock as text.

mod clock_reading;
mod heap;
mod wiping_allocator;

use std::time::{Instant, SystemTime};

pub(crate) use clock_reading::{ClockReading, slept};
pub(crate) use heap::return_freed_memory;
use jiff::{Timestamp, Unit};
use lavawall_entropy::Machine;
pub use wiping_allocator::WipingAllocator;

/// This machine: `getrandom(2)` and the monotonic clock.
#[must_use]
pub fn this_machine() -> Machine {
    Machine { os: Box::new(getrandom::fill), clock: Instant::now }
}

/// The time in RFC 3339, in UTC, to the second.
#[must_use]
pub(crate) fn rfc3339(at: SystemTime) -> String {
    let at = timestamp(at);
    at.round(Unit::Second).unwrap_or(at).to_string()
}

/// The time in RFC 3339, in UTC, as exact as the clock is.
#[must_use]
pub(crate) fn rfc3339_exact(at: SystemTime) -> String {
    timestamp(at).to_string()
}

/// The time in UTC as part of a file's name: `20260131T080000Z`.
#[must_use]
pub(crate) fn compact_time(at: SystemTime) -> String {
    timestamp(at).strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn times_are_written_to_the_second_in_utc() {
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(rfc3339(at), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339_exact(at), "2023-11-14T22:13:20.123Z");
    }
}
