//! The listeners of this protocol, all on one thread: an answer takes microseconds.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::egd::conversation::{Ended, converse};
use crate::egd::tenant_supply::TenantSupply;
use crate::net::accept::{self, Entrance};
use crate::net::bound_listener::{AcceptedSocket, BoundListener, RegisteredSocket};
use crate::net::permits::{ConnectionPermit, ConnectionPermits};
use crate::service_log::log_limit::LogLimit;

/// Connections of all listeners together. A guest of QEMU keeps one for as long as it runs.
const CONNECTIONS_LIMIT: usize = 1024;

/// Lines about clients that are refused or left without an answer.
static FAULTS: LogLimit = LogLimit::new();

/// A listener, and what it gives.
pub(crate) struct EgdListener {
    pub(crate) listener: BoundListener,
    pub(crate) supply: Arc<TenantSupply>,
}

/// Serves until `shutdown`. Commands that were received by then are still answered, within the drain
/// timeout.
///
/// # Errors
/// When the runtime or a socket cannot be set up.
pub(crate) fn serve(
    listeners: Vec<EgdListener>,
    shutdown: &watch::Receiver<bool>,
    drain_timeout: Duration,
) -> io::Result<()> {
    let permits = Arc::new(ConnectionPermits::new(CONNECTIONS_LIMIT));
    let open = || {
        let mut entrances = Vec::new();
        for EgdListener { listener, supply } in listeners {
            for socket in listener.into_sockets() {
                let (supply, shutdown) = (Arc::clone(&supply), shutdown.clone());
                entrances.push(EgdEntrance {
                    socket: RegisteredSocket::register(socket)?,
                    supply,
                    shutdown,
                });
            }
        }
        Ok(entrances)
    };
    accept::run(open, &permits, shutdown, drain_timeout)
}

/// A listening socket, and the terms of its connections.
struct EgdEntrance {
    socket: RegisteredSocket,
    supply: Arc<TenantSupply>,
    shutdown: watch::Receiver<bool>,
}

impl Entrance for EgdEntrance {
    type Socket = AcceptedSocket;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<AcceptedSocket>> {
        self.socket.poll_accept(cx)
    }

    fn serve(
        &self,
        socket: AcceptedSocket,
        permit: Option<ConnectionPermit>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (supply, shutdown) = (Arc::clone(&self.supply), self.shutdown.clone());
        async move {
            let Some(_permit) = permit else {
                if FAULTS.passes() {
                    tracing::warn!(
                        "egd: {CONNECTIONS_LIMIT} clients are connected, another is refused"
                    );
                }
                return;
            };
            match socket {
                AcceptedSocket::Tcp((stream, _)) => {
                    // Best effort: an answer waits for no other.
                    let _ = stream.set_nodelay(true);
                    answer(stream, &supply, &shutdown).await;
                }
                AcceptedSocket::Local(stream) => answer(stream, &supply, &shutdown).await,
            }
        }
    }
}

/// Serves one client. A client that goes is no fault.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    supply: &TenantSupply,
    shutdown: &watch::Receiver<bool>,
) {
    let fault = match converse(stream, supply, shutdown).await {
        Ok(Ended::Done) | Err(_) => return,
        Ok(Ended::Unanswered) => {
            "the service stops, and a command is left without an answer".to_owned()
        }
        Ok(Ended::Unknown(command)) => format!("{command:#04x} is no command of this protocol"),
    };
    if FAULTS.passes() {
        tracing::warn!("egd: a client is disconnected: {fault}");
    }
}
