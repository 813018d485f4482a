//! The one thing the collector tells a source's runner: whether to hurry, and when to stop.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A flag to wait on.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    hungry: bool,
    stopped: bool,
}

impl Bell {
    /// Says whether the pool waits for this source.
    pub(crate) fn set_hungry(&self, hungry: bool) {
        let mut state = self.lock();
        if state.hungry != hungry {
            state.hungry = hungry;
            self.changed.notify_all();
        }
    }

    /// Ends every wait, now and later.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Whether the runner should end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Waits until the pool is hungry, or until `until`.
    pub(crate) fn rest(&self, until: Instant) {
        self.wait(until, |state| state.hungry || state.stopped);
    }

    /// Waits until `until`, hungry or not: a back-off is not shortened by need.
    pub(crate) fn back_off(&self, until: Instant) {
        self.wait(until, |state| state.stopped);
    }

    fn wait(&self, until: Instant, over: impl Fn(&State) -> bool) {
        let mut state = self.lock();
        while !over(&state) {
            let now = Instant::now();
            if now >= until {
                return;
            }
            state = self
                .changed
                .wait_timeout(state, until - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
