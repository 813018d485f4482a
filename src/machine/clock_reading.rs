//! The calendar clock beside one that cannot be set, and whether the kernel holds the calendar for synchronized.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClockReading {
    /// The calendar clock (`CLOCK_REALTIME`), which can be set.
    pub(crate) calendar: SystemTime,
    /// The time since the machine started, suspended time included (`CLOCK_BOOTTIME`); it cannot be set.
    pub(crate) since_boot: Duration,
    /// Time synchronization (NTP, PTP) has disciplined the calendar clock since it was last set: the kernel's
    /// `STA_UNSYNC` (adjtimex(2)) is not set.
    pub(crate) is_synchronized: bool,
}

impl ClockReading {
    /// Reads the clocks.
    pub(crate) fn now() -> Self {
        Self {
            calendar: SystemTime::now(),
            since_boot: time_of(ClockId::Boottime),
            is_synchronized: is_synchronized(),
        }
    }
}

/// The time that this machine has slept since it started: the monotonic clock does not count it
/// (`clock_gettime(2)`, `CLOCK_BOOTTIME`).
#[must_use]
pub(crate) fn slept() -> Duration {
    // Monotonic first: what passes between the two looks like sleep, and never like less than none.
    let monotonic = time_of(ClockId::Monotonic);
    time_of(ClockId::Boottime).saturating_sub(monotonic)
}

fn time_of(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

/// What the kernel says; false where it may not be asked.
#[expect(unsafe_code, reason = "adjtimex(2) fills a structure; no crate in use wraps it")]
fn is_synchronized() -> bool {
    // SAFETY: a `timex` is plain integers, for which zeros are valid; with `modes` 0 the call only reads.
    let (answer, clock) = unsafe {
        let mut clock: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut clock), clock)
    };
    answer >= 0 && clock.status & libc::STA_UNSYNC == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_since_boot_goes_on_and_the_calendar_is_one_of_this_century() {
        let (first, then) = (ClockReading::now(), ClockReading::now());
        assert!(then.since_boot >= first.since_boot);
        let century = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 40);
        assert!(first.calendar > century);
    }
}
