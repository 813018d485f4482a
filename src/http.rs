//! HTTP: hands out what the generator makes, and says how the service is.
//!
//! ```text
//!            ┌─ worker ─ connection ─ handler ─┬─ /random ─ stream ─ generator
//! listeners ─┤                                 ├─ Workers KV ─ store
//!            │                                 └─ router: lists, status, metrics, pages
//!            └─ worker …                 access: certificates and tokens, before either
//! ```
//! Each worker is a thread with a runtime and a listening socket of its own; they share the
//! generator and counters and nothing else.

pub(crate) mod app;
pub(crate) mod buffer;
pub(crate) mod dispatch;
pub(crate) mod provenance;

pub(crate) mod access;
pub(crate) mod body;
pub(crate) mod config;
pub(crate) mod format;
pub(crate) mod meters;
pub(crate) mod problem;
pub mod query;
pub(crate) mod status;
pub(crate) mod stream;

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::sync::watch;

pub use crate::caller::token::{Tokens, bearer, hash_token};
pub use crate::dialect::workers_kv::WorkersKv;
pub use crate::http::app::{Fresh, FreshError, FreshSeed, Service};
pub use crate::net::tcp::Listeners;
pub use crate::net::tls::LoadError;
pub use crate::net::unix::AdminSocket;
pub use access::Access;
pub use config::Config;
pub use config::ConfigError;
pub use format::Format;
pub use format::ListFormat;
pub use format::negotiate;

use crate::http::app::App;
use crate::net::connection::Terms;
use crate::net::worker::Room;

/// Serves until `shutdown` becomes true or its sender is gone; then no new connection is taken,
/// answers that have begun are finished within the drain timeout, and the function returns.
///
/// Runs one thread for each socket in `listeners`, and one for the operator's, and waits for all of
/// them. `access` may be
/// reloaded meanwhile.
///
/// # Errors
/// When a thread cannot be started; then none has begun to serve. When a worker failed: said at the
/// end, since the others go on.
pub fn serve(
    service: Service,
    listeners: Listeners,
    socket: Option<AdminSocket>,
    access: Arc<Access>,
    config: &Config,
    shutdown: &watch::Receiver<bool>,
) -> io::Result<()> {
    let app = Arc::new(App::new(service, access, config));
    let terms = Terms {
        router: crate::dialect::native::router(Arc::clone(&app)),
        app,
        idle_timeout: config.idle_timeout,
        shutdown: shutdown.clone(),
    };
    let room = Arc::new(Room::new(config.max_connections));
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for (number, socket) in listeners.into_sockets().into_iter().enumerate() {
            let (terms, room) = (&terms, &room);
            let (start, started) = mpsc::sync_channel::<()>(1);
            // A channel that is closed instead means that not all threads could be had.
            let work = move || match started.recv() {
                Ok(()) => crate::net::worker::run(socket, terms, room, config.drain_timeout),
                Err(_) => Ok(()),
            };
            let thread = thread::Builder::new().name(format!("http-{number}"));
            workers.push((start, thread.spawn_scoped(scope, work)?));
        }
        if let Some(socket) = socket {
            let terms = &terms;
            let thread = thread::Builder::new().name("admin".into());
            let work = move || crate::net::unix::serve(socket, terms, config.drain_timeout);
            let started = thread.spawn_scoped(scope, work);
            drop(started?);
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
