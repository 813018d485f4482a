//! The HTTP server: its threads, and the protocol that it gives to the transport.

use std::fmt::Write;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use hyper::body::Bytes;
use rustls::ServerConfig;
use tokio::sync::watch;

use crate::audit::Asked;
use crate::caller::RemoteEnd;
use crate::http::access::AccessControl;
use crate::http::app::{App, ServiceParts};
use crate::http::body::Body;
use crate::http::config::HttpConfig;
use crate::http::dialect::Dialects;
use crate::http::dispatch::Handler;
use crate::http::host;
use crate::http::listener::{Ingress, Listener};
use crate::http::meters::Meters;
use crate::http::problem;
use crate::http::refusal::Refusal;
use crate::net::accept;
use crate::net::activity::Activity;
use crate::net::bound_listener::{BoundListener, ListenSocket, ListenerEntrance, RegisteredSocket};
use crate::net::connection::Terms;
use crate::net::network::Network;
use crate::net::permits::ConnectionPermits;
use crate::net::service::ConnectionService;
use crate::net::unix::{AdminSocket, PEERS_LIMIT, UnixEntrance};

/// Serves `dialects` until `shutdown` becomes true or its sender is gone; then no new connection is
/// accepted, answers under way are finished within the drain timeout, and the function returns.
///
/// Each worker thread has a socket of every listener; another thread has the operator's `socket`. Waits for
/// all of them. `access`, loaded with the configuration of the same listeners in the same order, may be
/// reloaded at any time.
///
/// # Errors
/// When a thread cannot be started; then none has begun to serve. When a thread failed: returned at
/// the end, since the others go on.
pub fn serve(
    parts: ServiceParts,
    dialects: Dialects,
    listeners: Vec<BoundListener>,
    socket: Option<AdminSocket>,
    access: Arc<AccessControl>,
    config: &HttpConfig,
    shutdown: &watch::Receiver<bool>,
) -> io::Result<()> {
    let rules = access.listeners().to_vec();
    let service = Server::new(parts, dialects, access, config);
    let operator_terms = Terms {
        close: service.app.close_connections.subscribe(),
        service,
        idle_timeout: config.idle_timeout,
        shutdown: shutdown.clone(),
    };
    let workers_sockets = by_worker(listeners, rules, &operator_terms);
    let permits = Arc::new(ConnectionPermits::new(config.max_connections));
    let drain_timeout = config.drain_timeout;
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for (number, sockets) in workers_sockets.into_iter().enumerate() {
            let permits = &permits;
            let (start, started) = mpsc::sync_channel::<()>(1);
            // A closed channel means that not all threads could be started.
            let work = move || match started.recv() {
                Ok(()) => {
                    let open = || sockets.into_iter().map(open).collect();
                    accept::run(open, permits, shutdown, drain_timeout)
                }
                Err(_) => Ok(()),
            };
            let thread = thread::Builder::new().name(format!("http-{number}"));
            workers.push((start, thread.spawn_scoped(scope, work)?));
        }
        if let Some(socket) = socket {
            let work = move || {
                let permits = Arc::new(ConnectionPermits::new(PEERS_LIMIT));
                let open = || Ok(vec![UnixEntrance::open(socket, operator_terms)?]);
                accept::run(open, &permits, shutdown, drain_timeout)
            };
            let thread = thread::Builder::new().name("admin".into());
            drop(thread.spawn_scoped(scope, work)?);
        }
        let workers: Vec<_> = workers
            .into_iter()
            .map(|(start, worker)| start.send(()).map(|()| worker).map_err(io::Error::other))
            .collect::<io::Result<_>>()?;
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| Err(io::Error::other("an HTTP worker panicked")))
        })
    })
}

/// A socket, and the terms of its listener.
type ServedSocket = (ListenSocket, Terms<Server>);

/// The sockets of each worker thread: one of every listener.
fn by_worker(
    listeners: Vec<BoundListener>,
    rules: Vec<Arc<Listener>>,
    terms: &Terms<Server>,
) -> Vec<Vec<ServedSocket>> {
    let mut workers = Vec::new();
    for (bound, listener) in listeners.into_iter().zip(rules) {
        let service = terms.service.of(listener);
        for (number, socket) in bound.into_sockets().into_iter().enumerate() {
            if workers.len() == number {
                workers.push(Vec::new());
            }
            workers[number].push((socket, Terms { service: service.clone(), ..terms.clone() }));
        }
    }
    workers
}

fn open((socket, terms): ServedSocket) -> io::Result<ListenerEntrance<Server>> {
    Ok(ListenerEntrance { socket: RegisteredSocket::register(socket)?, terms })
}

/// The protocol: the dialects over the service, on one listener.
#[derive(Clone)]
struct Server {
    listener: Arc<Listener>,
    app: Arc<App>,
    dialects: Arc<Dialects>,
    overloaded: Bytes,
}

impl Server {
    /// On the operator's socket.
    fn new(
        parts: ServiceParts,
        dialects: Dialects,
        access: Arc<AccessControl>,
        config: &HttpConfig,
    ) -> Self {
        let meters = Meters::new(dialects.meter_labels());
        Self {
            listener: Arc::new(Listener::of_operator()),
            app: Arc::new(App::new(parts, access, meters, config)),
            dialects: Arc::new(dialects),
            overloaded: overloaded(),
        }
    }

    /// The same service on a listener.
    fn of(&self, listener: Arc<Listener>) -> Self {
        Self { listener, ..self.clone() }
    }
}

impl ConnectionService for Server {
    type Body = Body;
    type Handler = Handler;

    fn handler(
        &self,
        activity: Arc<Activity>,
        from: RemoteEnd,
        certified: Option<String>,
    ) -> Handler {
        let ingress = Ingress { listener: Arc::clone(&self.listener), from, certified };
        Handler::new(Arc::clone(&self.app), Arc::clone(&self.dialects), activity, ingress)
    }

    fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.listener.tls()
    }

    fn proxies(&self) -> Option<Arc<[Network]>> {
        self.listener.proxies()
    }

    fn count_refused_header(&self) {
        self.listener.count_refused_header();
    }

    fn count_connection(&self, is_admitted: bool) {
        self.app.meters.add_connection(is_admitted);
    }

    fn overloaded(&self) -> Bytes {
        self.overloaded.clone()
    }

    fn refuse_peer(&self) -> impl Future<Output = ()> + Send + 'static {
        let app = Arc::clone(&self.app);
        async move { app.record_turned_away(Asked::Socket).await }
    }
}

/// The refusal of a connection without a permit, as it is written to the socket.
fn overloaded() -> Bytes {
    let (mut head, body) = problem::render(&Refusal::overloaded()).into_parts();
    host::protect(&mut head.headers);
    let Body::Whole(body) = body else { unreachable!("a problem is whole") };
    let body = body.unwrap_or_default();
    let mut text = format!("HTTP/1.1 {}\r\n", head.status);
    for (name, value) in &head.headers {
        // Writing to a String cannot fail.
        let _ = write!(text, "{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    let _ = write!(text, "connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    [text.as_bytes(), &body].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_too_many_gets_a_whole_response() {
        let text = String::from_utf8(overloaded().to_vec()).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        for header in [
            "content-type: application/problem+json",
            "retry-after: 5",
            "connection: close",
            &format!("content-length: {}", body.len()),
        ] {
            assert!(head.lines().any(|line| line == header), "{header} in {head}");
        }
        assert_eq!(
            body,
            "{\"type\":\"/docs#problem-busy\",\"title\":\"Too many connections\",\"status\":503,\
             \"detail\":\"all connections are in use, try later\"}"
        );
    }
}
