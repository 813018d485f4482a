//! Wakes and stops a runner: the only signal from the supervisor to a source.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// A flag to wait on.
#[derive(Debug, Default)]
pub(super) struct Wakeup {
    state: Mutex<Signals>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Signals {
    /// The pool needs blocks of this source.
    needed: bool,
    stopped: bool,
}

impl Wakeup {
    /// Sets whether the pool needs blocks of this source.
    pub(super) fn set_needed(&self, needed: bool) {
        let mut state = self.state.lock();
        if state.needed != needed {
            state.needed = needed;
            self.changed.notify_all();
        }
    }

    /// Ends every wait, now and later.
    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Whether the runner should end.
    pub(super) fn is_stopped(&self) -> bool {
        self.state.lock().stopped
    }

    /// Waits until the pool needs blocks, or until `until`.
    pub(super) fn rest(&self, until: Instant) {
        self.wait(until, |state| state.needed || state.stopped);
    }

    /// Waits until `until` whether the pool needs blocks or not: need does not shorten a back-off.
    pub(super) fn back_off(&self, until: Instant) {
        self.wait(until, |state| state.stopped);
    }

    fn wait(&self, until: Instant, is_over: impl Fn(&Signals) -> bool) {
        let mut state = self.state.lock();
        self.changed.wait_while_until(&mut state, |state| !is_over(state), until);
    }
}
