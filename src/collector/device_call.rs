//! The call of a runner into its device, as the supervisor watches it: a call that hangs is reported
//! from outside its thread.

use std::time::Instant;

use parking_lot::Mutex;

/// The current call.
#[derive(Debug, Default)]
pub(super) struct DeviceCall {
    call: Mutex<Call>,
}

#[derive(Debug, Default)]
struct Call {
    /// When the call must have returned; `None` outside of one.
    due: Option<Instant>,
    is_overdue: bool,
}

impl DeviceCall {
    /// A call begins, which must return by `due`.
    pub(super) fn begin(&self, due: Instant) {
        *self.call.lock() = Call { due: Some(due), is_overdue: false };
    }

    /// The call has returned. True when it was reported as overdue: its result is too late.
    #[must_use]
    pub(super) fn end(&self) -> bool {
        std::mem::take(&mut *self.call.lock()).is_overdue
    }

    /// Whether the current call is overdue, once.
    #[must_use]
    pub(super) fn is_newly_overdue(&self, now: Instant) -> bool {
        let mut call = self.call.lock();
        let is_overdue = call.due.is_some_and(|due| now > due);
        is_overdue && !std::mem::replace(&mut call.is_overdue, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_call_is_overdue_after_its_time_and_told_once_on_both_sides() {
        let (device_call, now) = (DeviceCall::default(), Instant::now());
        assert!(!device_call.is_newly_overdue(now), "there is no call");
        device_call.begin(now);
        assert!(!device_call.is_newly_overdue(now));
        let later = now + Duration::from_millis(1);
        assert!(device_call.is_newly_overdue(later) && !device_call.is_newly_overdue(later));
        assert!(device_call.end());
        device_call.begin(later);
        assert!(
            !device_call.is_newly_overdue(later) && !device_call.end(),
            "the next call is in time"
        );
    }
}
