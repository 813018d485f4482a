//! The REST dialect of Workers KV, over the encrypted store: `/client/v4/accounts/…/storage/kv/…`.
//!
//! Clients of that service work unchanged when their base URL is this one. What they see is its
//! paths, its envelope and, where we know them, its error codes; its limits are the store's.

mod bulk;
mod envelope;
mod namespaces;
mod path;
mod upload;
mod values;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Request, Response};
use tokio::sync::Semaphore;

use crate::audit::{Actor, Asked};
use crate::caller::token::{Tokens, bearer};
use crate::dialect::admin::Peer;
use crate::http::body::Body;
use crate::keyring;
use crate::kv::Store;
pub(crate) use envelope::Refusal;
use path::Call;
use path::Target;
pub(crate) use upload::discard;
pub(crate) use upload::json as read_json;

/// Where the dialect's paths begin.
pub(crate) const PREFIX: &str = "/client/v4/";

/// Memory for bodies that are being received, all connections together, in MiB. Whoever comes when
/// it is used up waits.
const BODIES_MIB: usize = 256;

/// As the audit log names who showed the administrator's token.
const TOKEN_HOLDER: &str = "token admin";

tokio::task_local! {
    /// Who calls.
    static ACTOR: String;
}

/// The store as this dialect serves it.
pub struct WorkersKv {
    store: Arc<Store>,
    tokens: ArcSwapOption<Tokens>,
    room: Semaphore,
    /// How long a client may leave a body it has begun to send.
    idle_timeout: Duration,
}

impl WorkersKv {
    /// Serves `store`, to nobody until there are tokens.
    #[must_use]
    pub fn new(store: Arc<Store>, idle_timeout: Duration) -> Self {
        Self {
            store,
            tokens: ArcSwapOption::empty(),
            room: Semaphore::new(BODIES_MIB),
            idle_timeout,
        }
    }

    /// Lets in who shows one of these.
    pub fn set_tokens(&self, tokens: Tokens) {
        self.tokens.store(Some(Arc::new(tokens)));
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Whether the caller shows a token that is known.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let tokens = self.tokens.load();
        let Some(tokens) = tokens.as_ref() else {
            return Err(Refusal::unavailable(
                "the administrator's token is made once the generator has its first seed",
            ));
        };
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let token = given.next().and_then(|value| bearer(value.as_bytes()));
        match token {
            Some(token) if given.next().is_none() && tokens.admit(token) => Ok(()),
            _ => Err(Refusal::unauthorized()),
        }
    }

    /// Has the audit log know of a call that is turned away. It is turned away whatever becomes of that.
    pub(crate) async fn turn_away(self: &Arc<Self>, asked: Asked) {
        let now = Instant::now();
        if !self.store.keyring().audit().turn_away(asked, now) {
            return;
        }
        let write = move |store: &Store| store.keyring().audit().write_turned_away(now);
        if let Some(Err(error)) = self.run(write).await {
            tracing::error!("calls without a known token were refused: {error}");
        }
    }

    /// Runs work that may wait for a disk on a thread where it blocks no other request. `None` when it
    /// panicked.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Option<T> {
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&this.store)).await.ok()
    }

    /// As `run`, for a call of the dialect.
    async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Store) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.run(work).await.unwrap_or_else(|| Err(Refusal::broken()))
    }
}

/// Answers one request of the dialect.
pub(crate) async fn answer(
    dialect: Option<Arc<WorkersKv>>,
    peer: Option<Peer>,
    request: &mut Request<Incoming>,
) -> Response<Body> {
    let Some(dialect) = dialect else {
        let why = "the store could not be read at the start; the operator's log says why";
        return Refusal::unavailable(why).response();
    };
    // The operator needs no token.
    let admitted = match peer {
        Some(peer) => Ok(peer.actor()),
        None => dialect.admit(request.headers()).map(|()| TOKEN_HOLDER.to_owned()),
    };
    let answered = match admitted {
        Ok(actor) => ACTOR.scope(actor, route(&dialect, request)).await,
        Err(refusal) => {
            if refusal.is_unauthorized() {
                dialect.turn_away(asked(request)).await;
            }
            Err(refusal)
        }
    };
    answered.unwrap_or_else(Refusal::response)
}

async fn route(
    dialect: &Arc<WorkersKv>,
    request: &mut Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let target = Target::parse(request.method(), request.uri())?;
    let namespace = target.namespace;
    match target.call {
        Call::CreateNamespace => namespaces::create(dialect, request).await,
        Call::ListNamespaces => namespaces::list(dialect, &target.query).await,
        Call::GetNamespace => namespaces::get(dialect, namespace).await,
        Call::RenameNamespace => namespaces::rename(dialect, namespace, request).await,
        Call::DeleteNamespace => namespaces::delete(dialect, namespace).await,
        Call::ListKeys => values::list(dialect, namespace, &target.query).await,
        Call::GetValue(name) => values::get(dialect, namespace, name).await,
        Call::GetMetadata(name) => values::metadata(dialect, namespace, name).await,
        Call::PutValue(name) => values::put(dialect, namespace, name, &target.query, request).await,
        Call::DeleteValue(name) => values::delete(dialect, namespace, name).await,
        Call::BulkPut => bulk::put(dialect, namespace, request).await,
        Call::BulkGet => bulk::get(dialect, namespace, request).await,
        Call::BulkDelete => bulk::delete(dialect, namespace, request).await,
    }
}

/// What a call is about, for the audit log.
fn asked(request: &Request<Incoming>) -> Asked {
    match Target::parse(request.method(), request.uri()).map(|target| target.call) {
        Err(_) => Asked::Elsewhere,
        Ok(
            Call::CreateNamespace
            | Call::ListNamespaces
            | Call::GetNamespace
            | Call::RenameNamespace
            | Call::DeleteNamespace,
        ) => Asked::Namespaces,
        Ok(_) => Asked::Records,
    }
}

/// The caller, for the audit log.
fn actor() -> Actor {
    ACTOR.try_with(|name| Actor::named(name.clone())).unwrap_or(Actor::SERVICE)
}

/// The time, in seconds since 1970.
fn now() -> u64 {
    keyring::seconds(SystemTime::now())
}
