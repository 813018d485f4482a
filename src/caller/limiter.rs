//! The limiter: admits requests and bytes of one tenant. Time is an argument.
//!
//! ```text
//! rate    generic cell rate algorithm (ITU-T I.371): a request moves the arrival on by window / requests,
//!         and is admitted while the arrival is less than the burst ahead of now
//! bytes   used + reserved + wanted <= bytes per day, by day in UTC
//! ```

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::caller::limits::{Limits, Rate};

/// Seconds of a day in UTC.
pub(crate) const DAY_SECONDS: u64 = 24 * 60 * 60;

/// The state of one tenant's limits.
#[derive(Debug, Default)]
pub(crate) struct Limiter(Mutex<LimiterState>);

#[derive(Debug, Default)]
struct LimiterState {
    limits: Limits,
    /// The theoretical arrival time of the next request.
    arrival: Option<Instant>,
    /// The present day and the one before a change of the clock or the day: a clock that goes back finds
    /// its count again.
    days: [DayUse; 2],
    /// Bytes of answers that are being sent.
    reserved: u64,
    long_answers: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct DayUse {
    day: u64,
    used: u64,
    key_uses: u64,
}

/// A limit that is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exceeded {
    /// The limit.
    pub(crate) limit: ExceededLimit,
    /// When to try again.
    pub(crate) retry_after: Duration,
}

/// The limit, and what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExceededLimit {
    /// Requests in a window.
    Rate(Rate),
    /// Bytes per day.
    BytesPerDay {
        /// The limit.
        most: u64,
        /// Left of it.
        left: u64,
        /// Asked for.
        wanted: u64,
    },
    /// Uses of keys per day.
    KeyUsesPerDay(u64),
    /// Long answers at a time.
    LongAnswers(u32),
    /// Long answers of the whole service at a time.
    ServiceLongAnswers {
        /// The limit.
        most: u32,
        /// Left of it.
        free: u32,
        /// Sent to the caller.
        own: u32,
    },
}

/// What is left, for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remaining {
    /// The limit of requests, those left, and the time until all are back.
    pub(crate) requests: Option<(Rate, u32, Duration)>,
    /// The limit of bytes per day, those left, and the time until the next day.
    pub(crate) bytes: Option<(u64, u64, Duration)>,
}

impl Limiter {
    /// A limiter of which `used` bytes and `key_uses` uses of keys are used on the day of `unix`, in seconds
    /// since 1970.
    #[must_use]
    pub(crate) fn new(limits: Limits, unix: u64, used: u64, key_uses: u64) -> Self {
        let days = [DayUse { day: unix / DAY_SECONDS, used, key_uses }, DayUse::default()];
        Self(Mutex::new(LimiterState { limits, days, ..LimiterState::default() }))
    }

    /// Sets other limits. Bytes that are used stay used; requests under another rate do not count.
    pub(crate) fn set(&self, limits: Limits) {
        let mut state = self.0.lock();
        if (state.limits.rate, state.limits.burst) != (limits.rate, limits.burst) {
            state.arrival = None;
        }
        state.limits = limits;
    }

    /// Admits one request.
    ///
    /// # Errors
    /// When the rate is exceeded; then the request is not counted.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Exceeded> {
        let mut state = self.0.lock();
        let Some(rate) = state.limits.rate else { return Ok(()) };
        let interval = rate.window() / rate.requests();
        let arrival = state.arrival.map_or(now, |arrival| arrival.max(now));
        let room = interval * (state.burst(rate) - 1);
        if let Some(retry_after) = (arrival - now).checked_sub(room).filter(|it| !it.is_zero()) {
            return Err(Exceeded { limit: ExceededLimit::Rate(rate), retry_after });
        }
        state.arrival = Some(arrival + interval);
        Ok(())
    }

    /// Whether as many bytes are left.
    ///
    /// # Errors
    /// When fewer are.
    pub(crate) fn check_bytes(&self, unix: u64, bytes: u64) -> Result<(), Exceeded> {
        self.0.lock().check_bytes(unix, bytes)
    }

    /// Uses bytes, if as many are left.
    ///
    /// # Errors
    /// When fewer are left; then none are used.
    pub(crate) fn use_bytes(&self, unix: u64, bytes: u64) -> Result<(), Exceeded> {
        let mut state = self.0.lock();
        state.check_bytes(unix, bytes)?;
        state.add(unix, bytes);
        Ok(())
    }

    /// Whether a use of a key is left.
    ///
    /// # Errors
    /// When none is.
    pub(crate) fn check_key_use(&self, unix: u64) -> Result<(), Exceeded> {
        self.0.lock().check_key_use(unix)
    }

    /// Counts one use of a key.
    ///
    /// # Errors
    /// When none is left; then it is not counted.
    pub(crate) fn use_key(&self, unix: u64) -> Result<(), Exceeded> {
        let mut state = self.0.lock();
        state.check_key_use(unix)?;
        state.today(unix).key_uses += 1;
        Ok(())
    }

    /// Counts bytes that were sent already.
    pub(crate) fn add_bytes(&self, unix: u64, bytes: u64) {
        self.0.lock().add(unix, bytes);
    }

    /// Reserves the bytes of a long answer, which is one of those at a time until it is released. Returns
    /// how many others are sent.
    ///
    /// # Errors
    /// When fewer bytes are left, or too many long answers are sent.
    pub(crate) fn reserve(&self, unix: u64, bytes: u64) -> Result<u32, Exceeded> {
        let mut state = self.0.lock();
        state.check_bytes(unix, bytes)?;
        if let Some(most) = state.limits.long_answers
            && state.long_answers >= most
        {
            let limit = ExceededLimit::LongAnswers(most);
            return Err(Exceeded { limit, retry_after: Duration::from_secs(1) });
        }
        state.reserved += bytes;
        state.long_answers += 1;
        Ok(state.long_answers - 1)
    }

    /// Uses bytes that were reserved.
    pub(crate) fn use_reserved(&self, unix: u64, bytes: u64) {
        let mut state = self.0.lock();
        state.reserved = state.reserved.saturating_sub(bytes);
        state.add(unix, bytes);
    }

    /// Ends a long answer: gives back the reserved bytes that were not sent.
    pub(crate) fn release(&self, bytes: u64) {
        let mut state = self.0.lock();
        state.reserved = state.reserved.saturating_sub(bytes);
        state.long_answers = state.long_answers.saturating_sub(1);
    }

    /// What is left; `None` without limits.
    #[must_use]
    pub(crate) fn remaining(&self, now: Instant, unix: u64) -> Option<Remaining> {
        let mut state = self.0.lock();
        let requests = state.limits.rate.map(|rate| {
            let interval = (rate.window() / rate.requests()).max(Duration::from_nanos(1));
            let ahead =
                state.arrival.map_or(Duration::ZERO, |it| it.saturating_duration_since(now));
            let used = ahead.as_nanos().div_ceil(interval.as_nanos());
            let used = u32::try_from(used).unwrap_or(u32::MAX);
            (rate, state.burst(rate).saturating_sub(used), ahead)
        });
        let bytes = state
            .limits
            .bytes_per_day
            .map(|most| (most, state.left(unix, most), until_next_day(unix)));
        (requests.is_some() || bytes.is_some()).then_some(Remaining { requests, bytes })
    }
}

impl LimiterState {
    fn burst(&self, rate: Rate) -> u32 {
        self.limits.burst.unwrap_or_else(|| rate.requests()).max(1)
    }

    fn check_key_use(&mut self, unix: u64) -> Result<(), Exceeded> {
        let most = self.limits.key_uses_per_day.unwrap_or(u64::MAX);
        if self.today(unix).key_uses < most {
            return Ok(());
        }
        let limit = ExceededLimit::KeyUsesPerDay(most);
        Err(Exceeded { limit, retry_after: until_next_day(unix) })
    }

    fn check_bytes(&mut self, unix: u64, wanted: u64) -> Result<(), Exceeded> {
        let Some(most) = self.limits.bytes_per_day else { return Ok(()) };
        let left = self.left(unix, most);
        if wanted <= left {
            return Ok(());
        }
        let limit = ExceededLimit::BytesPerDay { most, left, wanted };
        Err(Exceeded { limit, retry_after: until_next_day(unix) })
    }

    fn left(&mut self, unix: u64, most: u64) -> u64 {
        most.saturating_sub(self.today(unix).used).saturating_sub(self.reserved)
    }

    fn add(&mut self, unix: u64, bytes: u64) {
        let today = self.today(unix);
        today.used = today.used.saturating_add(bytes);
    }

    fn today(&mut self, unix: u64) -> &mut DayUse {
        let day = unix / DAY_SECONDS;
        if self.days[0].day != day {
            self.days.swap(0, 1);
        }
        if self.days[0].day != day {
            self.days[0] = DayUse { day, ..DayUse::default() };
        }
        &mut self.days[0]
    }
}

fn until_next_day(unix: u64) -> Duration {
    Duration::from_secs(DAY_SECONDS - unix % DAY_SECONDS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-28T00:00:00Z.
    const MIDNIGHT: u64 = 20_785 * DAY_SECONDS;

    fn limits(rate: Option<&str>, burst: Option<u32>, bytes_per_day: Option<u64>) -> Limits {
        let rate = rate.map(|rate| rate.parse().expect("a rate"));
        Limits { rate, burst, bytes_per_day, ..Limits::default() }
    }

    #[test]
    fn a_burst_is_admitted_and_then_the_rate() {
        let (limiter, start) =
            (Limiter::new(limits(Some("2/s"), Some(3), None), 0, 0, 0), Instant::now());
        let admit = |ms| limiter.admit(start + Duration::from_millis(ms));
        assert_eq!([admit(0), admit(0), admit(0)], [Ok(()); 3]);
        let refused = admit(0).expect_err("one over");
        assert_eq!(refused.retry_after, Duration::from_millis(500));
        assert!(admit(499).is_err());
        assert_eq!(admit(500), Ok(()));
        assert!(admit(500).is_err());
        assert_eq!(admit(1000), Ok(()));
        let (_, left, full) = limiter
            .remaining(start + Duration::from_secs(2), 0)
            .and_then(|it| it.requests)
            .expect("a limit");
        assert_eq!((left, full), (2, Duration::from_millis(500)));
    }

    #[test]
    fn bytes_are_admitted_exactly_and_across_midnight() {
        let limiter = Limiter::new(limits(None, None, Some(100)), MIDNIGHT - 1, 0, 0);
        assert_eq!(limiter.use_bytes(MIDNIGHT - 1, 100), Ok(()));
        let refused = limiter.use_bytes(MIDNIGHT - 1, 1).expect_err("one over");
        let limit = ExceededLimit::BytesPerDay { most: 100, left: 0, wanted: 1 };
        assert_eq!(refused, Exceeded { limit, retry_after: Duration::from_secs(1) });
        assert!(limiter.check_bytes(MIDNIGHT - 1, 1).is_err());
        assert_eq!(limiter.admit(Instant::now()), Ok(()), "requests are another limit");
        assert_eq!(limiter.use_bytes(MIDNIGHT, 100), Ok(()));
        assert!(limiter.use_bytes(MIDNIGHT - 1, 1).is_err(), "the clock went back");
        assert!(limiter.use_bytes(MIDNIGHT, 1).is_err(), "and on again");
    }

    #[test]
    fn unsent_bytes_are_given_back_and_sent_ones_are_not() {
        let limiter = Limiter::new(limits(None, None, Some(100)), MIDNIGHT, 0, 0);
        assert_eq!(limiter.reserve(MIDNIGHT, 80), Ok(0));
        assert!(limiter.use_bytes(MIDNIGHT, 21).is_err(), "reserved");
        limiter.use_reserved(MIDNIGHT, 30);
        limiter.release(50);
        assert_eq!(limiter.use_bytes(MIDNIGHT, 70), Ok(()));
        assert!(limiter.use_bytes(MIDNIGHT, 1).is_err());
    }

    #[test]
    fn uses_of_keys_are_admitted_exactly_and_across_midnight() {
        let most = Limits { key_uses_per_day: Some(3), ..Limits::default() };
        let limiter = Limiter::new(most, MIDNIGHT - 1, 0, 1);
        assert_eq!([limiter.use_key(MIDNIGHT - 1), limiter.use_key(MIDNIGHT - 1)], [Ok(()); 2]);
        let refused = limiter.use_key(MIDNIGHT - 1).expect_err("one over");
        let limit = ExceededLimit::KeyUsesPerDay(3);
        assert_eq!(refused, Exceeded { limit, retry_after: Duration::from_secs(1) });
        assert_eq!([0; 3].map(|_| limiter.use_key(MIDNIGHT)), [Ok(()); 3]);
        assert!(limiter.use_key(MIDNIGHT - 1).is_err(), "the clock went back");
        assert!(limiter.use_key(MIDNIGHT).is_err(), "and on again");
    }

    #[test]
    fn long_answers_are_counted_until_they_end() {
        let most = Limits { long_answers: Some(1), ..Limits::default() };
        let limiter = Limiter::new(most, MIDNIGHT, 0, 0);
        assert_eq!(limiter.reserve(MIDNIGHT, 1), Ok(0));
        let refused = limiter.reserve(MIDNIGHT, 1).expect_err("a second one");
        assert_eq!(refused.limit, ExceededLimit::LongAnswers(1));
        limiter.release(1);
        assert_eq!(limiter.reserve(MIDNIGHT, 1), Ok(0));
    }

    #[test]
    fn other_limits_count_what_was_used() {
        let limiter = Limiter::new(Limits::default(), MIDNIGHT, 0, 0);
        assert_eq!(limiter.use_bytes(MIDNIGHT, 90), Ok(()));
        assert_eq!(limiter.remaining(Instant::now(), MIDNIGHT), None);
        limiter.set(limits(None, None, Some(100)));
        assert!(limiter.use_bytes(MIDNIGHT, 11).is_err());
        assert_eq!(limiter.use_bytes(MIDNIGHT, 10), Ok(()));
    }

    #[test]
    fn requests_under_another_rate_do_not_count() {
        let (limiter, now) =
            (Limiter::new(limits(Some("1/h"), None, None), MIDNIGHT, 0, 0), Instant::now());
        assert_eq!(limiter.admit(now), Ok(()));
        limiter.set(limits(Some("1/h"), None, Some(1)));
        assert!(limiter.admit(now).is_err(), "the rate is the same");
        limiter.set(limits(Some("50/s"), None, None));
        assert_eq!(limiter.admit(now), Ok(()));
    }

    /// A limiter as plain as can be: every admitted request and every byte in lists.
    #[derive(Default)]
    struct Model {
        arrivals: Vec<u64>,
        bytes: Vec<(u64, u64)>,
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_model_while_the_clock_jumps(
            requests in 1_u32..20,
            burst in 1_u32..30,
            most in 0_u64..1000,
            steps in proptest::collection::vec((0_u64..400, -1_i64..=1, 0_u64..300), 1..200),
        ) {
            let rate = format!("{requests}/s");
            let limiter = Limiter::new(limits(Some(&rate), Some(burst), Some(most)), MIDNIGHT, 0, 0);
            let (start, mut ms, mut day, mut model) = (Instant::now(), 0, MIDNIGHT, Model::default());
            // Division of the window rounds down to nanoseconds.
            let interval = (Duration::from_secs(1) / requests).as_nanos();
            for (passed, leap, wanted) in steps {
                ms += passed;
                day = if leap == 0 { day } else { MIDNIGHT + if leap > 0 { DAY_SECONDS } else { 0 } };
                let now = start + Duration::from_millis(ms);
                let used: u64 = model.bytes.iter().filter(|(at, _)| *at == day).map(|it| it.1).sum();
                // The bucket: every request adds an interval to what was left of the earlier ones.
                let ns = |ms: u64| u128::from(ms) * 1_000_000;
                let level = model.arrivals.iter().fold((0_u128, 0_u128), |(level, at), arrival| {
                    (level.saturating_sub(ns(*arrival) - at) + interval, ns(*arrival))
                });
                let level = level.0.saturating_sub(ns(ms) - level.1);
                let is_admitted = level <= interval * u128::from(burst - 1);
                prop_assert_eq!(limiter.admit(now).is_ok(), is_admitted);
                prop_assert_eq!(limiter.check_bytes(day, 1).is_ok(), used < most);
                if is_admitted {
                    model.arrivals.push(ms);
                }
                let fits = used + wanted <= most;
                prop_assert_eq!(limiter.use_bytes(day, wanted).is_ok(), fits);
                if fits {
                    model.bytes.push((day, wanted));
                }
            }
        }
    }
}
