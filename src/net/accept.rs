//! The accept loop: one thread with a runtime, and with listening sockets of its own.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::net::connection::stopped;
use crate::net::permits::{ConnectionPermit, ConnectionPermits};
use crate::service_log::log_limit::LogLimit;

/// Connections that the kernel queues until they are accepted.
pub(crate) const BACKLOG: i32 = 1024;

/// Tasks run between two polls of the sockets. Smaller than tokio's 61: one buffer of a long answer
/// takes as long as ten small answers.
const EVENT_INTERVAL: u32 = 16;

/// The pause when the process has no file descriptor left for another connection.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Lines about that.
static EXHAUSTED: LogLimit = LogLimit::new();

/// A listening socket and the rules by which its connections are served.
pub(crate) trait Entrance {
    /// An accepted connection.
    type Socket;

    /// Accepts the next connection.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Socket>>;

    /// Serves a connection to its end. Without a permit there are too many: it is refused.
    fn serve(
        &self,
        socket: Self::Socket,
        permit: Option<ConnectionPermit>,
    ) -> impl Future<Output = ()> + Send + 'static;
}

/// Serves connections until `shutdown`, then finishes the answers under way within `drain_timeout`.
/// `open` registers the listening sockets with the runtime.
///
/// # Errors
/// When the runtime or a socket cannot be set up.
pub(crate) fn run<E: Entrance>(
    open: impl FnOnce() -> io::Result<Vec<E>>,
    permits: &Arc<ConnectionPermits>,
    shutdown: &watch::Receiver<bool>,
    drain_timeout: Duration,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()?;
    let is_drained = runtime.block_on(async {
        let entrances = open()?;
        let mut connections = JoinSet::new();
        accept(&entrances, permits, shutdown, &mut connections).await;
        drop(entrances);
        let all_done = async { while connections.join_next().await.is_some() {} };
        io::Result::Ok(timeout(drain_timeout, all_done).await.is_ok())
    })?;
    if !is_drained {
        tracing::warn!(
            "answers were still being sent when the drain timeout ended; they are cut off"
        );
    }
    Ok(())
}

/// Accepts until `shutdown`, from each socket in turn.
async fn accept<E: Entrance>(
    entrances: &[E],
    permits: &Arc<ConnectionPermits>,
    shutdown: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) {
    let mut shutdown = pin!(stopped(shutdown.clone()));
    let mut turn = 0;
    loop {
        let next = poll_fn(|cx| match shutdown.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => poll_each(entrances, turn, cx).map(Some),
        });
        match next.await {
            None => break,
            Some((at, Ok(socket))) => {
                turn = at + 1;
                connections.spawn(entrances[at].serve(socket, ConnectionPermits::take(permits)));
            }
            Some((at, Err(error))) => {
                turn = at + 1;
                if EXHAUSTED.passes() {
                    tracing::warn!("connections cannot be accepted: {error}");
                }
                sleep(EXHAUSTED_PAUSE).await;
            }
        }
        // Finished tasks stay in the set until they are joined.
        while connections.try_join_next().is_some() {}
    }
    for entrance in entrances {
        accept_queued(entrance, permits, connections).await;
    }
}

/// The next connection, and the number of its socket. The socket `first` is asked first: a busy one does
/// not keep the others waiting.
fn poll_each<E: Entrance>(
    entrances: &[E],
    first: usize,
    cx: &mut Context<'_>,
) -> Poll<(usize, io::Result<E::Socket>)> {
    for step in 0..entrances.len() {
        let at = (first + step) % entrances.len();
        if let Poll::Ready(accepted) = entrances[at].poll_accept(cx) {
            return Poll::Ready((at, accepted));
        }
    }
    Poll::Pending
}

/// Accepts the connections in the kernel's queue, which closing the socket would reset: at most a
/// full queue.
async fn accept_queued<E: Entrance>(
    entrance: &E,
    permits: &Arc<ConnectionPermits>,
    connections: &mut JoinSet<()>,
) {
    for _ in 0..BACKLOG {
        let next = poll_fn(|cx| match entrance.poll_accept(cx) {
            Poll::Ready(Ok(socket)) => Poll::Ready(Some(socket)),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
        });
        let Some(socket) = next.await else { return };
        connections.spawn(entrance.serve(socket, ConnectionPermits::take(permits)));
    }
}
