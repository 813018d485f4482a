//! Notifications to the service manager (systemd's `Type=notify`), where there is one.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
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
    let _ = match std::env::var_os("NOTIFY_SOCKET") {
        Some(path) if path.as_bytes().starts_with(b"@") => {
            send_to_abstract(&path.as_bytes()[1..], states)
        }
        _ => sd_notify::notify(states),
    };
}

/// Notifies a service manager whose socket is in the abstract namespace (unix(7)), as in containers.
fn send_to_abstract(name: &[u8], states: &[NotifyState<'_>]) -> io::Result<()> {
    let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
    let message = format!("{}\n", lines.join("\n"));
    let socket = UnixDatagram::unbound()?;
    socket.send_to_addr(message.as_bytes(), &SocketAddr::from_abstract_name(name)?)?;
    Ok(())
}
