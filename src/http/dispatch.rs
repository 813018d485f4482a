//! From a request to its answer: find the dialect, identify the caller, answer, count.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Instant, SystemTime};

use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::caller::Caller;
use crate::caller::permission::Needed;
use crate::caller::tenant::Tenant;
use crate::caller::usage::Protocol;
use crate::http::access_log::LoggedRequest;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::call::{Call, IdentifiedLate, Reply};
use crate::http::cors::CorsAnswer;
use crate::http::dialect::{Destination, Dialects};
use crate::http::host;
use crate::http::listener::Ingress;
use crate::http::meters::MeterId;
use crate::http::problem;
use crate::http::rate_limit;
use crate::http::refusal::Refusal;
use crate::http::request_id::{REQUEST_ID, RequestIds};
use crate::net::activity::Activity;

/// Answers the requests of one connection.
pub(crate) struct Handler {
    app: Arc<App>,
    dialects: Arc<Dialects>,
    activity: Arc<Activity>,
    ingress: Ingress,
    ids: RequestIds,
}

impl Handler {
    pub(crate) fn new(
        app: Arc<App>,
        dialects: Arc<Dialects>,
        activity: Arc<Activity>,
        ingress: Ingress,
    ) -> Self {
        Self { app, dialects, activity, ingress, ids: RequestIds::default() }
    }

    /// The answer, who called, and whose limits count.
    fn answer(
        &self,
        destination: &Destination<'_>,
        request: Request<Incoming>,
        id: &HeaderValue,
        cors: Option<&CorsAnswer>,
    ) -> (Reply, Caller, Option<Arc<Tenant>>) {
        let dialect = destination.dialect;
        let path = request.uri().path();
        if let Err(refusal) = self.admit(&request, dialect.is_page(path), cors) {
            return (Reply::Now(dialect.render_foreign(refusal)), Caller::Anonymous, None);
        }
        if !self.ingress.listener.serves(dialect.interface(path)) {
            let refusal = Refusal::not_found("there is nothing at this path");
            return (Reply::Now(problem::render(&refusal)), Caller::Anonymous, None);
        }
        if let Some(preflight) = cors.and_then(|cors| cors.preflight(&request)) {
            return (Reply::Now(preflight), Caller::Anonymous, None);
        }
        let call = |caller, request| {
            Call::new(&self.app, &self.activity, caller, request, &self.ingress, id)
        };
        match dialect.authenticate(&self.app, &self.ingress, &request) {
            Ok(caller) => {
                let who = caller.clone();
                let needed = dialect.needed(request.uri().path());
                // Health has no permission, and is counted for no one.
                let is_counted = needed.is_some() || caller.tenant().is_some();
                let limited = self.app.limits.limited(&caller).filter(|_| is_counted).cloned();
                let reply = match admit_caller(&caller, limited.as_deref(), needed) {
                    Ok(()) => dialect.answer(call(caller, request)),
                    Err(refusal) => dialect.turn_away(call(caller, request), refusal),
                };
                (reply, who, limited)
            }
            Err(refusal) => {
                let call = call(Caller::Anonymous, request);
                (dialect.turn_away(call, refusal), Caller::Anonymous, None)
            }
        }
    }

    /// Checks the host of a request and who sent it, before anything else is looked at.
    fn admit(
        &self,
        request: &Request<Incoming>,
        is_page: bool,
        cors: Option<&CorsAnswer>,
    ) -> Result<(), Refusal> {
        self.app.hosts.check_host(request, self.ingress.from.address().is_none())?;
        if self.ingress.operator().is_some() || cors.is_some_and(CorsAnswer::is_allowed) {
            return Ok(());
        }
        // Also over a unix socket: a proxy there passes on what browsers send.
        self.app.hosts.check_sender(request, is_page)
    }
}

/// Checks the limits of a caller, then its permission.
fn admit_caller(
    caller: &Caller,
    limited: Option<&Tenant>,
    needed: Option<Needed<'_>>,
) -> Result<(), Refusal> {
    if let Some(tenant) = limited {
        tenant.admit(Instant::now())?;
    }
    match needed {
        Some(needed) if !caller.may(needed) => Err(Refusal::not_permitted(needed)),
        _ => Ok(()),
    }
}

impl hyper::service::Service<Request<Incoming>> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = MeteredReply;

    fn call(&self, request: Request<Incoming>) -> MeteredReply {
        let is_peer = self.ingress.operator().is_some();
        let destination =
            self.dialects.find(request.method(), request.uri(), request.headers(), is_peer);
        let is_head = request.method() == Method::HEAD;
        let id = self.ids.next(request.headers());
        let mut logged = self.app.access.log().map(|_| {
            Box::new(LoggedRequest {
                at: SystemTime::now(),
                began: Instant::now(),
                caller: String::new(),
                ingress: self.ingress.clone(),
                dialect: destination.dialect.protocol().name(),
                method: request.method().clone(),
                endpoint: self.dialects.meter_labels()[destination.meter.0],
            })
        });
        let cors = self.app.cors.of(&request);
        let (reply, caller, limited) = self.answer(&destination, request, &id, cors.as_ref());
        if let Some(logged) = &mut logged {
            logged.caller = caller.to_string();
        }
        let protocol = destination.dialect.protocol();
        let id = Some(id);
        let mut count = Count { meter: destination.meter, limited, protocol, id, cors, logged };
        match reply {
            Reply::Now(mut response) => {
                count.add(&self.app, &mut response);
                MeteredReply::Now(Some(finished(response, is_head)))
            }
            Reply::Later(work) => {
                MeteredReply::Later { work, app: Arc::clone(&self.app), count, is_head }
            }
        }
    }
}

/// Where an answer is counted.
pub(crate) struct Count {
    meter: MeterId,
    /// Whose use is counted.
    limited: Option<Arc<Tenant>>,
    protocol: Protocol,
    /// Until the answer has it.
    id: Option<HeaderValue>,
    cors: Option<CorsAnswer>,
    logged: Option<Box<LoggedRequest>>,
}

impl Count {
    fn add(&mut self, app: &App, response: &mut Response<Body>) {
        app.meters.add_request(self.meter, response.status());
        if let (Some(IdentifiedLate(tenant)), Some(logged)) =
            (response.extensions_mut().remove(), &mut self.logged)
        {
            logged.caller = tenant.to_string();
        }
        if let Some(id) = self.id.take() {
            if let (Some(log), Some(logged)) = (app.access.log(), &self.logged) {
                let bytes = response.body().size_hint().exact();
                let text = id.to_str().unwrap_or_default();
                log.write(logged, text, response.status().as_u16(), bytes);
            }
            response.headers_mut().insert(REQUEST_ID, id);
        }
        if let Some(cors) = &self.cors {
            cors.add_headers(response.headers_mut());
        }
        let Some(tenant) = &self.limited else { return };
        if response.status() != StatusCode::TOO_MANY_REQUESTS {
            tenant.count_request(self.protocol);
        }
        // Other dialects say it in forms of their own.
        if self.protocol == Protocol::Native {
            rate_limit::add_headers(tenant, response.headers_mut());
        }
    }
}

/// A call whose client has gone before the answer was there counts, too.
impl Drop for Count {
    fn drop(&mut self) {
        if let (Some(_), Some(tenant)) = (&self.id, &self.limited) {
            tenant.count_request(self.protocol);
        }
    }
}

/// A [`Reply`] that is counted when it is there.
pub(crate) enum MeteredReply {
    /// Already counted.
    Now(Option<Response<Body>>),
    /// To be counted.
    Later {
        work: Pin<Box<dyn Future<Output = Response<Body>> + Send>>,
        app: Arc<App>,
        count: Count,
        is_head: bool,
    },
}

impl Future for MeteredReply {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Now(response) => {
                Poll::Ready(Ok(response.take().expect("an answer is polled until it is ready")))
            }
            Self::Later { work, app, count, is_head } => {
                let mut response = ready!(work.as_mut().poll(cx));
                count.add(app, &mut response);
                Poll::Ready(Ok(finished(response, *is_head)))
            }
        }
    }
}

/// Adds the headers of every answer. Removes the body of an answer to HEAD, and keeps its length (RFC 9110
/// §9.3.2): over HTTP/2 a client would reset the stream (RFC 9113 §8.1).
fn finished(mut response: Response<Body>, is_head: bool) -> Response<Body> {
    host::protect(response.headers_mut());
    if is_head {
        if let Some(length) = response.body().size_hint().exact() {
            response
                .headers_mut()
                .entry(CONTENT_LENGTH)
                .or_insert_with(|| HeaderValue::from(length));
        }
        *response.body_mut() = Body::Whole(None);
    }
    response
}
