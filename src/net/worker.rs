//! One worker: a thread with a runtime and a listening socket of its own.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::net::connection;
use crate::net::connection::{Terms, stopped};
use crate::net::tcp::BACKLOG;

/// Tasks run between two looks at the sockets. Smaller than tokio's 61: a long answer's piece
/// takes as long as ten small answers.
const EVENT_INTERVAL: u32 = 16;

/// How long to wait when the process has no file descriptor left for another connection.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// How often that is logged while it lasts.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// What a client is told that is one too many, when it is listened to in the clear.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
    retry-after: 5\r\nconnection: close\r\ncontent-length: 122\r\n\r\n\
    {\"type\":\"/docs#problem-busy\",\"title\":\"Too many connections\",\"status\":503,\"detail\":\"all connections are in use, try later\"}";

/// How long that may take to be sent.
const TOO_MANY_TIMEOUT: Duration = Duration::from_secs(1);

/// The room there is for connections, shared by all workers.
pub(crate) struct Room {
    taken: AtomicUsize,
    limit: usize,
}

impl Room {
    pub(crate) fn new(limit: usize) -> Self {
        Self { taken: AtomicUsize::new(0), limit }
    }

    fn enter(room: &Arc<Self>) -> Option<Place> {
        if room.taken.fetch_add(1, Ordering::Relaxed) < room.limit {
            return Some(Place(Arc::clone(room)));
        }
        room.taken.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

/// One connection's place; free again when dropped.
struct Place(Arc<Room>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves connections from `listener` until told to stop, then finishes what has begun within
/// `drain_timeout`.
///
/// # Errors
/// When the runtime or the socket cannot be set up.
pub(crate) fn run(
    listener: std::net::TcpListener,
    terms: &Terms,
    room: &Arc<Room>,
    drain_timeout: Duration,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()?;
    let drained = runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let mut connections = JoinSet::new();
        accept(&listener, terms, room, &mut connections).await;
        drop(listener);
        let all_done = async { while connections.join_next().await.is_some() {} };
        Ok(timeout(drain_timeout, all_done).await.is_ok())
    });
    if matches!(drained, Ok(false)) {
        tracing::warn!(
            "answers were still being sent when the drain timeout ended; they are cut off"
        );
    }
    drained.map(|_| ())
}

/// Accepts until told to stop.
async fn accept(
    listener: &TcpListener,
    terms: &Terms,
    room: &Arc<Room>,
    connections: &mut JoinSet<()>,
) {
    let mut told_to_stop = pin!(stopped(terms.shutdown.clone()));
    let mut told_at: Option<Instant> = None;
    loop {
        let next = poll_fn(|cx| match told_to_stop.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => listener.poll_accept(cx).map(Some),
        });
        match next.await {
            None => break,
            Some(Ok((socket, _))) => admit(socket, terms, room, connections),
            Some(Err(error)) => {
                if told_at.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
                    told_at = Some(Instant::now());
                    tracing::warn!("connections cannot be accepted: {error}");
                }
                sleep(EXHAUSTED_PAUSE).await;
            }
        }
        // Those that ended leave their place in the set.
        while connections.try_join_next().is_some() {}
    }
    accept_the_waiting(listener, terms, room, connections).await;
}

/// Connections that the kernel made before the socket closes would be reset: they are served, as
/// many as can have waited.
async fn accept_the_waiting(
    listener: &TcpListener,
    terms: &Terms,
    room: &Arc<Room>,
    connections: &mut JoinSet<()>,
) {
    for _ in 0..BACKLOG {
        let next = poll_fn(|cx| match listener.poll_accept(cx) {
            Poll::Ready(Ok((socket, _))) => Poll::Ready(Some(socket)),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
        });
        let Some(socket) = next.await else { return };
        admit(socket, terms, room, connections);
    }
}

fn admit(socket: TcpStream, terms: &Terms, room: &Arc<Room>, connections: &mut JoinSet<()>) {
    let place = Room::enter(room);
    terms.app.meters.add_connection(place.is_some());
    if place.is_none() {
        let is_tls = terms.app.access.is_tls();
        connections.spawn(turn_away(socket, is_tls));
        return;
    }
    // Without it an answer in two segments waits for the client's acknowledgement. A socket that
    // is closed already says so when it is read.
    let _ = socket.set_nodelay(true);
    let terms = terms.clone();
    connections.spawn(async move {
        connection::serve(socket, terms).await;
        drop(place);
    });
}

async fn turn_away(mut socket: TcpStream, is_tls: bool) {
    if is_tls {
        return;
    }
    let say = async {
        socket.write_all(TOO_MANY).await?;
        socket.shutdown().await?;
        // Closing with a request unread would reset the connection and lose what was said.
        let mut request = [0; 1024];
        while socket.read(&mut request).await? > 0 {}
        io::Result::Ok(())
    };
    // Best effort: the client may be gone.
    let _ = timeout(TOO_MANY_TIMEOUT, say).await;
}
