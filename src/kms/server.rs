//! The sockets of the plugin, all on one thread: an answer takes microseconds.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;
use tokio::sync::watch;

use crate::kms::authority_filter::AuthorityFilter;
use crate::kms::calls::KmsCalls;
use crate::kms::kms_key::KmsKey;
use crate::net::accept::{self, Entrance};
use crate::net::activity::{Activity, Watched};
use crate::net::answer_meter::AnswerMeter;
use crate::net::bound_listener::{AcceptedSocket, BoundListener, RegisteredSocket};
use crate::net::connection::{Terms, drive, end};
use crate::net::permits::{ConnectionPermit, ConnectionPermits};
use crate::service_log::log_limit::LogLimit;

/// Connections of all sockets together. kube-apiserver has one for each provider.
pub(crate) const CONNECTIONS_LIMIT: usize = 64;

/// Calls of one connection at a time; a client keeps the others back (RFC 9113 §5.1.2).
const STREAMS_LIMIT: u32 = 256;

/// What a client may send before it is read, on one stream and on all of a connection (RFC 9113 §6.9.2), in
/// bytes.
const STREAM_WINDOW_BYTES: u32 = 16 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

/// The most bytes of the headers of a request: those of gRPC are a few hundred.
const HEADERS_MOST: u32 = 8 << 10;

/// Lines about connections that are refused.
static REFUSED: LogLimit = LogLimit::new();

/// A listener, its key, and how long its connections may stay without a call.
pub(crate) struct KmsListener {
    pub(crate) listener: BoundListener,
    pub(crate) key: Arc<KmsKey>,
    pub(crate) idle_timeout: Duration,
}

/// Serves until `shutdown`, and finishes the answers under way within the drain timeout. When `close` changes,
/// every connection is closed after its answers: its buffers hold what went through it last.
///
/// # Errors
/// When the runtime or a socket cannot be set up.
pub(crate) fn serve(
    listeners: Vec<KmsListener>,
    shutdown: &watch::Receiver<bool>,
    close: &watch::Receiver<()>,
    drain_timeout: Duration,
) -> io::Result<()> {
    let permits = Arc::new(ConnectionPermits::new(CONNECTIONS_LIMIT));
    let open = || {
        let mut entrances = Vec::new();
        for KmsListener { listener, key, idle_timeout } in listeners {
            let terms = Terms {
                service: key,
                idle_timeout,
                shutdown: shutdown.clone(),
                close: close.clone(),
            };
            for socket in listener.into_sockets() {
                let (socket, terms) = (RegisteredSocket::register(socket)?, terms.clone());
                entrances.push(KmsEntrance { socket, terms });
            }
        }
        Ok(entrances)
    };
    accept::run(open, &permits, shutdown, drain_timeout)
}

/// A listening socket, and the terms of its connections.
struct KmsEntrance {
    socket: RegisteredSocket,
    terms: Terms<Arc<KmsKey>>,
}

impl Entrance for KmsEntrance {
    type Socket = AcceptedSocket;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<AcceptedSocket>> {
        self.socket.poll_accept(cx)
    }

    fn serve(
        &self,
        socket: AcceptedSocket,
        permit: Option<ConnectionPermit>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let terms = self.terms.clone();
        async move {
            let Some(_permit) = permit else {
                if REFUSED.passes() {
                    tracing::warn!(
                        "kms: {CONNECTIONS_LIMIT} clients are connected, another is refused"
                    );
                }
                return;
            };
            match socket {
                AcceptedSocket::Local(socket) => converse(socket, terms).await,
                // None is bound: see `config`.
                AcceptedSocket::Tcp(_) => {}
            }
        }
    }
}

/// Serves one client, until it leaves, is idle for too long, or the service stops.
async fn converse(socket: UnixStream, terms: Terms<Arc<KmsKey>>) {
    let activity = Arc::new(Activity::default());
    let calls = KmsCalls { key: terms.service, activity: Arc::clone(&activity) };
    let handler = service_fn(move |request| {
        let calls = calls.clone();
        // In a box: on its way to its task it is moved several times, and it has some KiB.
        Box::pin(async move { Ok::<_, Infallible>(calls.answer(request).await) })
    });
    let socket = Watched::new(AuthorityFilter::new(socket), Arc::clone(&activity));
    let socket = AnswerMeter::new(socket, Arc::clone(&activity));
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.max_concurrent_streams(STREAMS_LIMIT)
        .max_header_list_size(HEADERS_MOST)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    let connection = http.serve_connection(TokioIo::new(socket), handler);
    drive(connection, &activity, terms.idle_timeout, end(terms.shutdown, terms.close)).await;
}
