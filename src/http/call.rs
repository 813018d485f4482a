//! One request on its way through a dialect, and the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response};
use serde::de::DeserializeOwned;

use crate::audit::Actor;
use crate::caller::Caller;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::body_reading::{self, ReceivedBody};
use crate::http::refusal::Refusal;
use crate::kv::Store;
use crate::net::activity::{Activity, Busy};

/// A request, its caller, and the service that answers. Borrows the service: an immediate answer
/// touches no reference count that threads share.
pub(crate) struct Call<'a> {
    pub(crate) app: &'a Arc<App>,
    pub(crate) caller: Caller,
    pub(crate) request: Request<Incoming>,
    activity: &'a Arc<Activity>,
}

/// The answer to a call, in most cases complete.
pub(crate) enum Reply {
    /// Complete.
    Now(Response<Body>),
    /// After some work.
    Later(Pin<Box<dyn Future<Output = Response<Body>> + Send>>),
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        app: &'a Arc<App>,
        activity: &'a Arc<Activity>,
        caller: Caller,
        request: Request<Incoming>,
    ) -> Self {
        Self { app, caller, request, activity }
    }

    /// The path.
    pub(crate) fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// The query, empty if there is none.
    pub(crate) fn query(&self) -> &str {
        self.request.uri().query().unwrap_or_default()
    }

    /// The call for an answer that takes time. Until it is dropped the client waits for the service.
    pub(crate) fn into_owned(self) -> OwnedCall {
        OwnedCall {
            app: Arc::clone(self.app),
            caller: self.caller,
            request: self.request,
            activity: Arc::clone(self.activity),
            _busy: Activity::busy(self.activity),
        }
    }
}

impl Reply {
    /// An answer that takes time.
    pub(crate) fn later(work: impl Future<Output = Response<Body>> + Send + 'static) -> Self {
        Self::Later(Box::pin(work))
    }
}

/// As [`Call`], for an answer that takes time.
pub(crate) struct OwnedCall {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Caller,
    pub(crate) request: Request<Incoming>,
    activity: Arc<Activity>,
    _busy: Busy,
}

impl OwnedCall {
    /// Receives a body of at most `limit` bytes.
    pub(crate) async fn receive(&mut self, limit: usize) -> Result<ReceivedBody, Refusal> {
        self.app.bodies.receive(&mut self.request, limit).await
    }

    /// Receives a body of JSON of at most `limit` bytes.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, Refusal> {
        self.app.bodies.json(&mut self.request, limit).await
    }

    /// Works on the store on a thread that may wait for a disk.
    pub(crate) async fn on_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.act_on_store(move |store, _| work(store)).await
    }

    /// As [`Self::on_store`], for key operations: the audit log names the caller.
    pub(crate) async fn act_on_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store, &Actor) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let store = Arc::clone(self.app.store()?);
        let actor = Actor::named(self.caller.to_string());
        let work = move || work(&store, &actor);
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refusal::internal()))
    }

    /// Ends the call: reads the rest of a body that was not needed, or was refused.
    pub(crate) async fn finish(mut self, response: Response<Body>) -> Response<Body> {
        if !body_reading::discard(&mut self.request).await {
            self.activity.still_sends();
        }
        response
    }
}
