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

mod access;
mod activity;
mod admin;
mod body;
mod config;
mod connection;
mod format;
mod handler;
mod labels;
mod linger;
pub mod list_query;
mod listeners;
mod lists;
mod meters;
mod metrics;
mod pages;
mod piece;
mod problem;
pub mod query;
mod random;
mod routes;
mod sampling;
mod service;
mod status;
mod stream;
mod tls;
mod tokens;
mod wall;
mod worker;
mod workers_kv;

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::sync::watch;

pub use access::Access;
pub use admin::AdminSocket;
pub use config::{Config, ConfigError};
pub use format::{Format, ListFormat, negotiate};
pub use listeners::Listeners;
pub use service::{Fresh, FreshError, FreshSeed, Service};
pub use tls::LoadError;
pub use tokens::{Tokens, bearer, hash_token};
pub use workers_kv::WorkersKv;

use connection::Terms;
use service::App;
use worker::Room;

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
        router: routes::router(Arc::clone(&app)),
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
                Ok(()) => worker::run(socket, terms, room, config.drain_timeout),
                Err(_) => Ok(()),
            };
            let thread = thread::Builder::new().name(format!("http-{number}"));
            workers.push((start, thread.spawn_scoped(scope, work)?));
        }
        if let Some(socket) = socket {
            let terms = &terms;
            let thread = thread::Builder::new().name("admin".into());
            let work = move || admin::serve(socket, terms, config.drain_timeout);
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
