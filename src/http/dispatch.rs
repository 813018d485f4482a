//! From a request to its answer: tokens first, then `/random` by hand, then the router.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use tower_service::Service as _;

use crate::dialect::admin;
use crate::dialect::admin::Peer;
use crate::dialect::native::random;
use crate::dialect::workers_kv;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::format::Format;
use crate::http::meters::Endpoint;
use crate::http::problem::Problem;
use crate::http::query::RandomQuery;
use crate::net::activity::Activity;
use crate::net::connection::Terms;

/// Answers the requests of one connection.
#[derive(Clone)]
pub(crate) struct Handler {
    app: Arc<App>,
    router: axum::Router,
    activity: Arc<Activity>,
    /// The operator, when it is the operator who calls.
    peer: Option<Peer>,
}

impl Handler {
    pub(crate) fn new(terms: &Terms, activity: Arc<Activity>, peer: Option<Peer>) -> Self {
        Self { app: Arc::clone(&terms.app), router: terms.router.clone(), activity, peer }
    }

    fn random(&self, request: &Request<Incoming>) -> Result<Answer, Problem> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return Err(Problem::method_not_allowed());
        }
        let (query, format) = random::parse(&self.app, request.uri().query(), request.headers())?;
        if query.fresh {
            return Ok(self.later(fresh(Arc::clone(&self.app), query, format)));
        }
        random::answer(&self.app, query.bytes, format)
            .map(|answer| self.now(Endpoint::Random, answer))
    }

    fn route(&self, endpoint: Endpoint, request: Request<Incoming>) -> Answer {
        let mut router = self.router.clone();
        let app = Arc::clone(&self.app);
        let response = router.call(request.map(axum::body::Body::new));
        self.later(async move {
            let Ok(response) = response.await;
            app.meters.add_request(endpoint, response.status());
            response.map(Body::Routed)
        })
    }

    /// Keys are the operator's.
    fn admin(&self, peer: Peer, mut request: Request<Incoming>) -> Answer {
        let (app, activity) = (Arc::clone(&self.app), Arc::clone(&self.activity));
        self.later(async move {
            let response = admin::answer(app.kv.clone(), peer, &mut request).await;
            finish(request, &activity).await;
            app.meters.add_request(Endpoint::Admin, response.status());
            response
        })
    }

    /// The dialect has tokens of its own.
    fn workers_kv(&self, mut request: Request<Incoming>) -> Answer {
        let (app, peer) = (Arc::clone(&self.app), self.peer);
        let activity = Arc::clone(&self.activity);
        self.later(async move {
            let response = workers_kv::answer(app.kv.clone(), peer, &mut request).await;
            finish(request, &activity).await;
            app.meters.add_request(Endpoint::WorkersKv, response.status());
            response
        })
    }

    fn now(&self, endpoint: Endpoint, response: Response<Body>) -> Answer {
        self.app.meters.add_request(endpoint, response.status());
        Answer::Now(Some(response))
    }

    fn later(&self, work: impl Future<Output = Response<Body>> + Send + 'static) -> Answer {
        let busy = Activity::busy(&self.activity);
        Answer::Later(Box::pin(async move {
            let response = work.await;
            drop(busy);
            response
        }))
    }
}

impl hyper::service::Service<Request<Incoming>> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if let Some(problem) = Problem::of_host(&request) {
            return self.now(Endpoint::at(path), problem.response());
        }
        if path.starts_with(workers_kv::PREFIX) {
            return self.workers_kv(request);
        }
        if let Some(peer) = self.peer.filter(|_| path.starts_with(admin::PREFIX)) {
            return self.admin(peer, request);
        }
        let endpoint = if path == "/random" { Endpoint::Random } else { Endpoint::at(path) };
        // Whoever watches over the service need not be one of its callers.
        let is_open = self.peer.is_some() || matches!(endpoint, Endpoint::Live | Endpoint::Ready);
        if !is_open && !self.app.access.admits(request.headers()) {
            return self.now(endpoint, Problem::unauthorized().response());
        }
        if endpoint == Endpoint::Random {
            return self
                .random(&request)
                .unwrap_or_else(|problem| self.now(endpoint, problem.response()));
        }
        self.route(endpoint, request)
    }
}

/// Ends a request that is answered: a call may need no body, or be refused before it is read.
async fn finish(mut request: Request<Incoming>, activity: &Activity) {
    if !workers_kv::discard(&mut request).await {
        activity.still_sends();
    }
}

async fn fresh(app: Arc<App>, query: RandomQuery, format: Format) -> Response<Body> {
    let answer = match random::wait_for_fresh_seed(&app).await {
        Ok(()) => random::answer(&app, query.bytes, format),
        Err(problem) => Err(problem),
    };
    let response = answer.unwrap_or_else(Problem::response);
    app.meters.add_request(Endpoint::Random, response.status());
    response
}

/// An answer, most often already there.
pub(crate) enum Answer {
    Now(Option<Response<Body>>),
    Later(Pin<Box<dyn Future<Output = Response<Body>> + Send>>),
}

impl Future for Answer {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Now(response) => {
                Poll::Ready(Ok(response.take().expect("an answer is polled until it is ready")))
            }
            Self::Later(response) => response.as_mut().poll(cx).map(Ok),
        }
    }
}
