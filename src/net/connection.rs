//! One connection, from its first byte to its last.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::dialect::admin::Peer;
use crate::http::app::App;
use crate::http::dispatch::Handler;
use crate::net::activity::{Activity, Watched};

/// Requests under way at a time on one HTTP/2 connection (RFC 9113 §6.5.2 advises at least 100).
const MAX_STREAMS: u32 = 128;

/// The most that hyper keeps of a connection: of a request's head before it is complete, and of an
/// answer that the client does not take. No `pipeline_flush`: with it hyper 1 keeps whatever is made
/// of an answer, without a limit.
const KEPT_BYTES: usize = 64 * 1024;

/// How often a connection is looked at once the service stops: one with no answer under way, such as
/// half a request, holds nobody up.
const STOPPING_LOOK: Duration = Duration::from_millis(500);

/// How a connection is served.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) app: Arc<App>,
    pub(crate) router: axum::Router,
    pub(crate) idle_timeout: Duration,
    pub(crate) shutdown: watch::Receiver<bool>,
}

/// Serves one client until it leaves, idles for too long, or the service stops.
pub(crate) async fn serve(socket: TcpStream, terms: Terms) {
    let Some(tls) = terms.app.access.tls() else {
        return serve_clear(socket, None, terms).await;
    };
    let activity = Arc::new(Activity::default());
    let handler = Handler::new(&terms, Arc::clone(&activity), None);
    let socket = Watched::new(socket, Arc::clone(&activity));
    let handshake = tokio_rustls::TlsAcceptor::from(tls).accept(socket);
    // Whoever does not finish the handshake has not shown a token either: nothing is logged.
    let Ok(Ok(socket)) = timeout(terms.idle_timeout, handshake).await else { return };
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().max_buf_size(KEPT_BYTES);
    http.http2().max_concurrent_streams(MAX_STREAMS).max_send_buf_size(KEPT_BYTES);
    drive(http.serve_connection(TokioIo::new(socket), handler), &activity, &terms).await;
}

/// Serves the operator, who came over the admin socket.
pub(crate) async fn serve_peer(socket: UnixStream, peer: Peer, terms: Terms) {
    serve_clear(socket, Some(peer), terms).await;
}

async fn serve_clear<S>(socket: S, peer: Option<Peer>, terms: Terms)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::default());
    let handler = Handler::new(&terms, Arc::clone(&activity), peer);
    let socket = Watched::new(socket, Arc::clone(&activity));
    let mut http = http1::Builder::new();
    http.max_buf_size(KEPT_BYTES);
    drive(http.serve_connection(TokioIo::new(socket), handler), &activity, &terms).await;
}

async fn drive<C: GracefulConnection>(connection: C, activity: &Activity, terms: &Terms) {
    let mut connection = pin!(connection);
    let mut told_to_stop = pin!(stopped(terms.shutdown.clone()));
    let mut check = pin!(sleep(terms.idle_timeout));
    let mut stopping = false;
    let mut written = 0;
    poll_fn(|cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !stopping && told_to_stop.as_mut().poll(cx).is_ready() {
            stopping = true;
            connection.as_mut().graceful_shutdown();
            check.as_mut().reset(Instant::now() + STOPPING_LOOK);
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        while check.as_mut().poll(cx).is_ready() {
            let (is_over, next) = if stopping {
                (activity.is_idle_since(&mut written), STOPPING_LOOK)
            } else {
                (!activity.is_alive_since(&mut written), terms.idle_timeout)
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

/// Ready when the service is to stop: it was told so, or nobody is left who could tell it.
pub(crate) async fn stopped(mut shutdown: watch::Receiver<bool>) {
    // An error means that the sender is gone.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
