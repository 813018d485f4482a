//! One connection, from its first byte to its last.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::caller::RemoteEnd;
use crate::net::activity::{Activity, SentBytes, Watched};
use crate::net::answer_meter::AnswerMeter;
use crate::net::network::Network;
use crate::net::proxy_header;
use crate::net::service::ConnectionService;
use crate::net::tls;

/// Concurrent requests of one HTTP/2 connection (RFC 9113 §6.5.2 advises at least 100).
const MAX_STREAMS: u32 = 128;

/// The most that hyper buffers for a connection: the head of a request until it is complete, and an
/// answer that the client does not read. No `pipeline_flush`: with it hyper 1 buffers an answer
/// without a limit.
const BUFFER_BYTES: usize = 64 * 1024;

/// What a client of HTTP/2 may send before it is read (RFC 9113 §6.9.2), in bytes: hyper would keep up to 1
/// MiB for each connection.
const WINDOW_BYTES: u32 = 64 * 1024;

/// How often a connection is checked during the drain: one without an answer under way, such as
/// half a request, is closed.
const DRAIN_CHECK: Duration = Duration::from_millis(500);

/// How connections are served.
#[derive(Clone)]
pub(crate) struct Terms<S> {
    pub(crate) service: S,
    pub(crate) idle_timeout: Duration,
    pub(crate) shutdown: watch::Receiver<bool>,
    /// Changes when every connection is closed after the answers under way.
    pub(crate) close: watch::Receiver<()>,
}

/// Serves a TCP client, by TLS if the service has it, until the client leaves, is idle for too
/// long, or the service stops.
pub(crate) async fn serve_tcp<S: ConnectionService>(
    mut socket: TcpStream,
    from: IpAddr,
    terms: Terms<S>,
) {
    let proxies = terms.service.proxies();
    let told = client_address(&mut socket, from, proxies, terms.idle_timeout);
    let from = tokio::select! {
        biased;
        from = told => from,
        () = stopping(terms.shutdown.clone()) => return,
    };
    let Some(from) = from else { return terms.service.count_refused_header() };
    let from = RemoteEnd::Address(from);
    let Some(config) = terms.service.tls() else {
        return serve_clear(socket, from, terms).await;
    };
    let activity = Arc::new(Activity::default());
    let socket = Watched::new(socket, Arc::clone(&activity));
    let handshake = tokio_rustls::TlsAcceptor::from(config).accept(socket);
    // A client without a complete handshake has not shown a token either: nothing is logged.
    let Ok(Ok(socket)) = timeout(terms.idle_timeout, handshake).await else { return };
    let certificates = socket.get_ref().1.peer_certificates().unwrap_or_default();
    let certified = certificates.first().and_then(tls::client_name);
    let handler = terms.service.handler(Arc::clone(&activity), from, certified);
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().max_buf_size(BUFFER_BYTES);
    http.http2()
        .max_concurrent_streams(MAX_STREAMS)
        .max_send_buf_size(BUFFER_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES);
    let socket = AnswerMeter::new(socket, Arc::clone(&activity));
    let connection = http.serve_connection(TokioIo::new(socket), handler);
    drive(connection, &activity, terms.idle_timeout, end(terms.shutdown, terms.close)).await;
}

/// The address of the client: that of the connection, or the one that a proxy tells before anything else.
/// `None` when the connection is refused.
async fn client_address(
    socket: &mut TcpStream,
    from: IpAddr,
    proxies: Option<Arc<[Network]>>,
    limit: Duration,
) -> Option<IpAddr> {
    let Some(proxies) = proxies else { return Some(from) };
    if !proxies.iter().any(|network| network.contains(from)) {
        return None;
    }
    let header = timeout(limit, proxy_header::read(socket)).await;
    header.ok()?.ok().map(|told| told.unwrap_or(from))
}

/// Ready some time after the service stops: half a header does not hold it up.
async fn stopping(shutdown: watch::Receiver<bool>) {
    stopped(shutdown).await;
    sleep(DRAIN_CHECK).await;
}

/// Serves a client in the clear.
pub(crate) async fn serve_clear<I, S>(socket: I, from: RemoteEnd, terms: Terms<S>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: ConnectionService,
{
    let activity = Arc::new(Activity::default());
    let handler = terms.service.handler(Arc::clone(&activity), from, None);
    let socket = Watched::new(socket, Arc::clone(&activity));
    let mut http = http1::Builder::new();
    http.max_buf_size(BUFFER_BYTES);
    let socket = AnswerMeter::new(socket, Arc::clone(&activity));
    let connection = http.serve_connection(TokioIo::new(socket), handler);
    drive(connection, &activity, terms.idle_timeout, end(terms.shutdown, terms.close)).await;
}

/// Drives a connection to its end: its own, that of a client that takes no answers, or that of the service.
pub(crate) async fn drive<C: GracefulConnection>(
    connection: C,
    activity: &Activity,
    idle_timeout: Duration,
    end: impl Future<Output = ()>,
) {
    let mut connection = pin!(connection);
    let mut end = pin!(end);
    let mut check = pin!(sleep(idle_timeout));
    let mut pace = pin!(sleep(idle_timeout));
    let mut is_draining = false;
    let mut progress = SentBytes::default();
    poll_fn(|cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !is_draining && end.as_mut().poll(cx).is_ready() {
            is_draining = true;
            connection.as_mut().graceful_shutdown();
            check.as_mut().reset(Instant::now() + DRAIN_CHECK);
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        if let Some(deadline) = activity.paced.deadline(idle_timeout) {
            if pace.deadline() != deadline {
                pace.as_mut().reset(deadline);
            }
            if pace.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        while check.as_mut().poll(cx).is_ready() {
            let (is_over, next) = if is_draining {
                (activity.is_idle_since(&mut progress), DRAIN_CHECK)
            } else {
                (!activity.is_alive_since(&mut progress), idle_timeout)
            };
            if is_over {
                return Poll::Ready(());
            }
            check.as_mut().reset(Instant::now() + next);
        }
        Poll::Pending
    })
    .await;
}

/// Ready when the service stops, or all connections are closed.
pub(crate) async fn end(shutdown: watch::Receiver<bool>, mut close: watch::Receiver<()>) {
    // What was closed before does not count.
    close.mark_unchanged();
    tokio::select! {
        () = stopped(shutdown) => {}
        // An error means that the server is gone.
        _ = close.changed() => {}
    }
}

/// Ready when the service stops: `shutdown` is true, or its sender is gone.
pub(crate) async fn stopped(mut shutdown: watch::Receiver<bool>) {
    // An error means that the sender is gone.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
