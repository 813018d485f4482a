//! What the service manager is told, when there is one (`Type=notify`).

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use lavawall_entropy::Readiness;

/// Speaks to the service manager; says each thing once.
#[derive(Debug)]
pub(crate) struct Notify {
    ready: bool,
    state: Option<Readiness>,
    watchdog: Option<Duration>,
    fed_at: Instant,
}

impl Notify {
    pub(crate) fn new() -> Self {
        let watchdog = sd_notify::watchdog_enabled().map(|limit| limit / 2);
        Self { ready: false, state: None, watchdog, fed_at: Instant::now() }
    }

    pub(crate) fn ready(&mut self) {
        if !std::mem::replace(&mut self.ready, true) {
            tell(&[NotifyState::Ready]);
        }
    }

    pub(crate) fn state(&mut self, state: Readiness) {
        if self.state.replace(state) != Some(state) {
            tracing::info!("state: {state}");
            tell(&[NotifyState::Status(&state.to_string())]);
        }
        if self.watchdog.is_some_and(|every| self.fed_at.elapsed() >= every) {
            self.fed_at = Instant::now();
            tell(&[NotifyState::Watchdog]);
        }
    }

    pub(crate) fn stopping() {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(what: &[NotifyState<'_>]) {
    // Without a service manager there is nobody to tell, and that is no failure.
    let _ = sd_notify::notify(what);
}
