//! The operating system's random bytes, clocks and memory, and times of the clock as text.

mod clock_reading;
mod heap;
pub(crate) mod kernel_pool;
mod wiping_allocator;

use std::time::{Instant, SystemTime};

pub(crate) use clock_reading::{ClockReading, slept};
pub(crate) use heap::return_freed_memory;
use jiff::civil::Date;
use jiff::tz::TimeZone;
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

/// The time, in seconds since 1970; an earlier one counts as 1970.
#[must_use]
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// The day of a date as 2026-01-31, in days since 1970-01-01; `None` when it is none.
#[must_use]
pub(crate) fn day_of_date(text: &str) -> Option<u64> {
    // The parser would accept a time of day after it.
    let date = text.parse::<Date>().ok().filter(|_| text.len() == "2026-01-31".len())?;
    let seconds = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    Some(u64::try_from(seconds).ok()? / (24 * 60 * 60))
}

fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn dates_are_days_since_1970() {
        assert_eq!(day_of_date("1970-01-01"), Some(0));
        assert_eq!(day_of_date("2026-11-28"), Some(20_785));
        for text in ["", "1969-12-31", "2026-11-31", "2026-11-28T00:00", "28.11.2026"] {
            assert_eq!(day_of_date(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_written_to_the_second_in_utc() {
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(rfc3339(at), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339_exact(at), "2023-11-14T22:13:20.123Z");
    }
}
