//! Whether the clock may be trusted to remove records for good.
//!
//! A record with an expiry is hidden by the calendar clock alone: when a wrong clock is set right, it can be read
//! again. Removing it from the disk is final. So nothing is removed while the clock is in doubt: for some minutes
//! after the start, and since the calendar clock parted from the clock that cannot be set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::machine::ClockReading;

/// The clocks may part by this much: a leap second and the smear around it are far less.
const LEAP: Duration = Duration::from_mins(1);

/// How long the clock must go on without a leap after the start, unless it is synchronized: time
/// synchronization sets a wrong clock within minutes.
const SETTLED: Duration = Duration::from_mins(10);

/// How long the clock must have been synchronized after a leap, without a break.
const SYNCHRONIZED: Duration = Duration::from_mins(5);

/// Compares the clocks from look to look. Before the first look, the clock is trusted.
#[derive(Debug, Default)]
pub(crate) struct ClockWatch {
    /// The calendar less the time since boot, in nanoseconds, as it should be.
    offset: Option<i128>,
    doubt: Option<ClockDoubt>,
    /// The operator confirmed the clock before the first look.
    is_confirmed: bool,
}

/// Why the clock is in doubt. Times are since boot.
#[derive(Debug)]
enum ClockDoubt {
    Started { at: Duration },
    Leapt { seconds: i64, synchronized_since: Option<Duration> },
}

impl ClockWatch {
    /// Takes in both clocks; returns the finding when they have parted.
    pub(crate) fn look(&mut self, now: ClockReading) -> Option<String> {
        let offset = offset(now);
        let Some(before) = self.offset else {
            self.offset = Some(offset);
            if !now.is_synchronized && !self.is_confirmed {
                self.doubt = Some(ClockDoubt::Started { at: now.since_boot });
            }
            return None;
        };
        let by = offset - before;
        if by.unsigned_abs() > LEAP.as_nanos() {
            self.offset = Some(offset);
            let seconds = i64::try_from(by / 1_000_000_000).unwrap_or(i64::MAX);
            self.doubt = Some(ClockDoubt::Leapt { seconds, synchronized_since: None });
            return self.reason().map(|reason| format!("{reason}; {CURE}"));
        }
        if now.is_synchronized {
            // Only then: small steps of a clock that nothing disciplines must add up.
            self.offset = Some(offset);
        }
        match &mut self.doubt {
            Some(ClockDoubt::Started { at })
                if now.is_synchronized || now.since_boot.saturating_sub(*at) >= SETTLED =>
            {
                self.doubt = None;
            }
            Some(ClockDoubt::Leapt { synchronized_since, .. }) if now.is_synchronized => {
                let since = *synchronized_since.get_or_insert(now.since_boot);
                if now.since_boot.saturating_sub(since) >= SYNCHRONIZED {
                    self.doubt = None;
                }
            }
            Some(ClockDoubt::Leapt { synchronized_since, .. }) => *synchronized_since = None,
            Some(ClockDoubt::Started { .. }) | None => {}
        }
        None
    }

    /// The operator says that the clock is right.
    pub(crate) fn confirm(&mut self) {
        self.is_confirmed = self.offset.is_none();
        self.doubt = None;
    }

    /// Why nothing is removed; `None` when the clock is trusted.
    pub(crate) fn reason(&self) -> Option<String> {
        match self.doubt.as_ref()? {
            ClockDoubt::Started { .. } => Some(format!(
                "the clock is not synchronized: expired records are hidden, and removed {} min after the \
                 start",
                SETTLED.as_secs() / 60
            )),
            ClockDoubt::Leapt { seconds, .. } => {
                let direction = if *seconds < 0 { "back" } else { "forward" };
                Some(format!(
                    "the clock went {direction} by {} s: expired records are hidden and not removed",
                    seconds.unsigned_abs()
                ))
            }
        }
    }
}

/// What ends the doubt after a leap.
const CURE: &str = "removal goes on once time synchronization has held the clock for 5 min, or after lavawall \
                    clock --confirm";

fn offset(now: ClockReading) -> i128 {
    nanoseconds(now.calendar) - i128::try_from(now.since_boot.as_nanos()).unwrap_or(i128::MAX)
}

fn nanoseconds(at: SystemTime) -> i128 {
    let wide = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    match at.duration_since(UNIX_EPOCH) {
        Ok(after) => wide(after),
        Err(before) => -wide(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The clocks `seconds` after the start of the test, the calendar ahead by `ahead` seconds.
    fn at(seconds: u64, ahead: i64, is_synchronized: bool) -> ClockReading {
        let calendar = UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds);
        let shift = Duration::from_secs(ahead.unsigned_abs());
        ClockReading {
            calendar: if ahead < 0 { calendar - shift } else { calendar + shift },
            since_boot: Duration::from_secs(1000 + seconds),
            is_synchronized,
        }
    }

    fn trusted() -> ClockWatch {
        let mut watch = ClockWatch::default();
        assert_eq!(watch.look(at(0, 0, true)), None);
        assert_eq!(watch.reason(), None);
        watch
    }

    #[test]
    fn a_clock_that_is_confirmed_before_the_first_look_is_trusted() {
        let mut watch = ClockWatch::default();
        watch.confirm();
        watch.look(at(0, 0, false));
        assert_eq!(watch.reason(), None);
        // A leap after that is one all the same.
        assert!(watch.look(at(1, 3600, false)).is_some() && watch.reason().is_some());
    }

    #[test]
    fn a_clock_that_nothing_synchronizes_is_trusted_ten_minutes_after_the_start() {
        let mut watch = ClockWatch::default();
        for second in [0, 1, 599] {
            assert_eq!(watch.look(at(second, 0, false)), None);
            assert!(watch.reason().is_some_and(|it| it.contains("10 min")), "{second}");
        }
        watch.look(at(600, 0, false));
        assert_eq!(watch.reason(), None);
        let mut watch = ClockWatch::default();
        watch.look(at(0, 0, false));
        watch.look(at(1, 0, true));
        assert_eq!(watch.reason(), None, "synchronized");
    }

    #[test]
    fn a_leap_of_more_than_a_minute_either_way_stops_removal_until_the_operator_confirms() {
        for (ahead, words) in [(61, "forward by 61 s"), (-61, "back by 61 s"), (1 << 40, "forward")]
        {
            let mut watch = trusted();
            let finding = watch.look(at(1, ahead, false)).expect("a leap");
            assert!(finding.contains(words) && finding.contains("--confirm"), "{finding}");
            assert_eq!(watch.look(at(100_000, ahead, false)), None, "told once");
            assert!(watch.reason().is_some(), "time alone confirms nothing");
            watch.confirm();
            assert_eq!(watch.look(at(100_001, ahead, false)), None);
            assert_eq!(watch.reason(), None);
        }
        let mut watch = trusted();
        assert_eq!(watch.look(at(1, 60, false)), None);
        assert_eq!(watch.reason(), None);
    }

    #[test]
    fn time_synchronization_confirms_once_it_has_held_for_five_minutes() {
        let mut watch = trusted();
        assert!(watch.look(at(1, 3600, true)).is_some());
        watch.look(at(2, 3600, true));
        watch.look(at(290, 3600, false));
        watch.look(at(291, 3600, true));
        for second in [302, 590] {
            watch.look(at(second, 3600, true));
            assert!(watch.reason().is_some(), "{second}: it was interrupted");
        }
        watch.look(at(591, 3600, true));
        assert_eq!(watch.reason(), None);
    }

    #[test]
    fn small_steps_add_up_to_a_leap() {
        let mut watch = trusted();
        assert_eq!(watch.look(at(1, 40, false)), None);
        assert!(watch.look(at(2, 80, false)).is_some());
    }

    proptest! {
        #[test]
        fn clocks_that_go_together_never_part(steps in proptest::collection::vec((1..100_000_u64, any::<bool>()), 1..50)) {
            let mut watch = trusted();
            let mut second = 0;
            for (step, is_synchronized) in steps {
                second += step;
                prop_assert_eq!(watch.look(at(second, 0, is_synchronized)), None);
                prop_assert_eq!(watch.reason(), None);
            }
        }
    }
}
