//! Everything but `/random`, on axum's router.

pub mod list_query;
pub(crate) mod lists;
pub(crate) mod metrics;
pub(crate) mod random;
pub(crate) mod sampling;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{RawQuery, State as Shared};
use axum::routing::{MethodRouter, get};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use crate::dialect::native::list_query::{List, ListQuery};
use crate::dialect::web as pages;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::query::Invalid;
use crate::http::status;

/// The routes. Paths are those of `Endpoint::PATHS`.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/status", get(status_now))
        .route("/random/integers", list(List::integers))
        .route("/random/uuids", list(List::uuids))
        .route("/random/strings", list(List::strings))
        .route("/random/shuffle", list(List::shuffle))
        .route("/metrics", get(metrics))
        .route("/wall.png", get(wall))
        .route("/", get(dashboard))
        .route("/docs", get(async || routed(pages::docs())))
        .route("/openapi.json", get(async || routed(pages::openapi())))
        .fallback(async || routed(Problem::not_found("there is nothing at this path").response()))
        .method_not_allowed_fallback(async || routed(Problem::method_not_allowed().response()))
        .with_state(app)
}

/// A list whose query `parse` reads.
fn list(parse: fn(&str) -> Result<ListQuery, Invalid>) -> MethodRouter<Arc<App>> {
    get(
        async move |Shared(app): Shared<Arc<App>>,
                    RawQuery(query): RawQuery,
                    headers: HeaderMap| {
            let answer = lists::answer(&app, parse, query.as_deref(), &headers);
            routed(answer.unwrap_or_else(Problem::response))
        },
    )
}

async fn live() -> Response<axum::body::Body> {
    json(StatusCode::OK, &serde_json::json!({ "status": "live" }))
}

async fn ready(Shared(app): Shared<Arc<App>>) -> Response<axum::body::Body> {
    let now = Instant::now();
    match app.generator.check(now) {
        Ok(()) => json(StatusCode::OK, &serde_json::json!({ "state": app.generator.state(now) })),
        Err(why) => routed(Problem::not_ready(&why).response()),
    }
}

async fn status_now(Shared(app): Shared<Arc<App>>) -> Response<axum::body::Body> {
    json(StatusCode::OK, &status::of(&app, Instant::now()))
}

async fn metrics(Shared(app): Shared<Arc<App>>) -> Response<axum::body::Body> {
    routed(metrics::answer(&app, Instant::now()))
}

async fn wall(Shared(app): Shared<Arc<App>>) -> Response<axum::body::Body> {
    routed(app.wall.answer(&app.board).await.unwrap_or_else(Problem::response))
}

async fn dashboard(Shared(app): Shared<Arc<App>>) -> Response<axum::body::Body> {
    routed(pages::dashboard(&app, Instant::now()))
}

/// The value and a newline, so that it looks right in a terminal.
fn json(status: StatusCode, value: &impl Serialize) -> Response<axum::body::Body> {
    let mut text = serde_json::to_vec(value).expect("names are strings and numbers are finite");
    text.push(b'\n');
    let mut response = Response::new(axum::body::Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A response of ours as axum wants it.
fn routed(response: Response<Body>) -> Response<axum::body::Body> {
    response.map(axum::body::Body::new)
}
