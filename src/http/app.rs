//! What the server serves from, and what all its requests share.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use crate::collector::status::StatusBoard;
use crate::dialect::web::wall::Wall;
use crate::dialect::workers_kv::WorkersKv;
use crate::http::access::Access;
use crate::http::body::Body;
use crate::http::config::Config;
use crate::http::meters::Meters;
use crate::http::provenance::Labels;
use crate::incident::IncidentLog;
use lavawall_entropy::Generator;

/// Asks for a seed made of samples that were all taken after the call, and waits until the
/// generator has it. May wait for ever: the caller limits it.
pub type Fresh = Arc<dyn Fn() -> FreshSeed + Send + Sync>;

/// Ready once the generator has a fresh seed.
pub type FreshSeed = Pin<Box<dyn Future<Output = Result<(), FreshError>> + Send>>;

/// Why there will be no fresh seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FreshError {
    /// The collector has stopped.
    #[error("no more seeds are being made")]
    Stopped,
}

/// Where answers come from.
#[derive(Clone)]
pub struct Service {
    /// Gives the bytes, or refuses.
    pub generator: Arc<Generator>,
    /// The status of the sources.
    pub board: Arc<StatusBoard>,
    /// The incidents since the start.
    pub incidents: Arc<IncidentLog>,
    /// Makes a seed on demand.
    pub fresh: Fresh,
    /// Keeps records, where there is a store.
    pub kv: Option<Arc<WorkersKv>>,
}

/// What all requests share.
pub(crate) struct App {
    pub(crate) generator: Arc<Generator>,
    pub(crate) board: Arc<StatusBoard>,
    pub(crate) incidents: Arc<IncidentLog>,
    pub(crate) fresh: Fresh,
    pub(crate) kv: Option<Arc<WorkersKv>>,
    pub(crate) access: Arc<Access>,
    pub(crate) labels: Labels,
    pub(crate) meters: Arc<Meters>,
    pub(crate) wall: Wall,
    pub(crate) max_bytes: u64,
    pub(crate) fresh_timeout: Duration,
    pub(crate) started: Instant,
}

impl App {
    pub(crate) fn new(service: Service, access: Arc<Access>, config: &Config) -> Self {
        Self {
            generator: service.generator,
            board: service.board,
            incidents: service.incidents,
            fresh: service.fresh,
            kv: service.kv,
            access,
            labels: Labels::default(),
            meters: Arc::default(),
            wall: Wall::default(),
            max_bytes: config.max_bytes.as_u64(),
            fresh_timeout: config.fresh_timeout,
            started: Instant::now(),
        }
    }

    /// The headers of an answer that holds randomness, before it is drawn.
    pub(crate) fn random_headers(&self, media_type: &'static str) -> HeaderMap {
        // Room for these, and for the date and the length.
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.labels.add(&self.generator, Instant::now(), &mut headers);
        headers
    }
}

/// An answer of JSON that nobody keeps.
pub(crate) fn json_with(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("names are strings and numbers are finite");
    let mut response = Response::new(Body::whole(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A 200 with these headers.
pub(crate) fn ok(headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}
