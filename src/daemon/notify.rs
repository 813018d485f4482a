//! Notifications to the service manager (systemd's `Type=notify`), where there is one.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use lavawall_entropy::Readiness;

/// Notifies the service manager of every change, once.
#[derive(Debug)]
pub(crate) struct Notify {
    ready: bool,
    state: Option<Readiness>,
    watchdog: Option<Duration>,
    fed_at: Instant,
}

impl Notify {
    /// Reads the watchdog's interval from the environment.
    pub(crate) fn new() -> Self {
        let watchdog = sd_notify::watchdog_enabled().map(|limit| limit / 2);
        Self { ready: false, state: None, watchdog, fed_at: Instant::now() }
    }

    /// The service has started.
    pub(crate) fn ready(&mut self) {
        if !std::mem::replace(&mut self.ready, true) {
            send(&[NotifyState::Ready]);
        }
    }

    /// The generator's state, at every look.
    pub(crate) fn state(&mut self, state: Readiness) {
        if self.state.replace(state) != Some(state) {
            tracing::info!("state: {state}");
            send(&[NotifyState::Status(&state.to_string())]);
        }
    }

    /// The collector works: feeds the watchdog, twice in its interval.
    pub(crate) fn feed_watchdog(&mut self) {
        if self.watchdog.is_some_and(|every| self.fed_at.elapsed() >= every) {
            self.fed_at = Instant::now();
            send(&[NotifyState::Watchdog]);
        }
    }

    /// The service is shutting down.
    pub(crate) fn stopping() {
        send(&[NotifyState::Stopping]);
    }
}

fn send(states: &[NotifyState<'_>]) {
    // Running without a service manager is not a failure.
    let _ = sd_notify::notify(states);
}
