//! Errors as callers see them: RFC 9457 problems, without anything that only the operator should
//! know.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use hyper::{Request, Response, StatusCode, Version};
use serde::Serialize;

use crate::http::body::Body;
use crate::http::query::Invalid;
use lavawall_entropy::{NotReady, Quorum};

/// The media type of RFC 9457 §3.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The operator reads at most one line about refusals in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A refusal, ready to be sent.
pub(crate) struct Problem(Box<Members>);

/// The members of RFC 9457 §3.1, then ours, then the header that goes with them.
#[derive(Serialize)]
struct Members {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    present: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<usize>,
    #[serde(skip)]
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of its own kind: `slug` leads to its paragraph in `/docs`.
    fn new(slug: &str, status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Members {
            kind: format!("/docs#problem-{slug}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            limit: None,
            value: None,
            present: None,
            needed: None,
            header: None,
        }))
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// What is wrong with the `Host` of a request (RFC 9112 §3.2): whoever stands between may have taken
    /// it for another host's. HTTP/2 has `:authority` instead, which hyper looks at.
    pub(crate) fn of_host<B>(request: &Request<B>) -> Option<Self> {
        let count = request.headers().get_all(HOST).iter().count();
        let is_right = match request.version() {
            Version::HTTP_11 => count == 1,
            Version::HTTP_09 | Version::HTTP_10 => count <= 1,
            _ => true,
        };
        if is_right {
            return None;
        }
        let detail = format!("a request has one Host header (got {count})");
        let mut problem = Self::new("host", StatusCode::BAD_REQUEST, "Not one host", detail);
        problem.0.field = Some("Host".to_owned());
        problem.0.limit = Some("1".to_owned());
        problem.0.value = Some(count.to_string());
        Some(problem.with(CONNECTION, HeaderValue::from_static("close")))
    }

    /// There is nothing at this path.
    pub(crate) fn not_found(detail: &'static str) -> Self {
        Self::new("not-found", StatusCode::NOT_FOUND, "Not found", detail)
    }

    /// The path is right and the method is not.
    pub(crate) fn method_not_allowed() -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(
            "method-not-allowed",
            status,
            "Method not allowed",
            "only GET and HEAD are answered here",
        )
        .with(ALLOW, HeaderValue::from_static("GET,HEAD"))
    }

    /// No form that the caller accepts.
    pub(crate) fn not_acceptable(offers: &[&str]) -> Self {
        let mut problem = Self::new(
            "not-acceptable",
            StatusCode::NOT_ACCEPTABLE,
            "Not acceptable",
            "none of the media types in Accept can be given",
        );
        problem.0.field = Some("Accept".to_owned());
        problem.0.limit = Some(offers.join(", "));
        problem
    }

    /// No token, or one that is not known.
    pub(crate) fn unauthorized() -> Self {
        let status = StatusCode::UNAUTHORIZED;
        Self::new(
            "unauthorized",
            status,
            "Unauthorized",
            "a bearer token that this service knows is needed",
        )
        .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lavawall\""))
    }

    /// A key operation was not done.
    pub(crate) fn of_keys(status: StatusCode, detail: impl Into<String>) -> Self {
        let problem = Self::new("keys", status, "This was not done", detail);
        match status {
            StatusCode::SERVICE_UNAVAILABLE => problem.with(RETRY_AFTER, HeaderValue::from(5)),
            _ => problem,
        }
    }

    /// A key operation was done, and something that belongs to it was not.
    pub(crate) fn of_keys_half_done(detail: impl Into<String>) -> Self {
        let title = "This was done, but not all of it";
        Self::new("keys", StatusCode::SERVICE_UNAVAILABLE, title, detail)
    }

    /// The same, for another reason first.
    pub(crate) fn prefixed(mut self, why: &str) -> Self {
        self.0.detail = format!("{why}: {}", self.0.detail);
        self
    }

    /// `fresh=true` waited for as long as it may.
    pub(crate) fn not_fresh(retry_after: Duration) -> Self {
        Self::new(
            "not-fresh",
            StatusCode::SERVICE_UNAVAILABLE,
            "No fresh seed in time",
            "the sources did not give enough new entropy while this request waited",
        )
        .with(RETRY_AFTER, retry_after.as_secs().max(1).into())
    }

    /// The generator refuses: says which kinds of source there are and how many are needed, and
    /// writes the operator's side of it to the log.
    pub(crate) fn not_ready(why: &NotReady) -> Self {
        log_refusal(why);
        let (detail, quorum, retry_after) = match why {
            NotReady::Starting(quorum) => {
                (format!("the first seed is not made yet: {}", outline(quorum)), Some(quorum), 2)
            }
            NotReady::Expired(quorum) => (
                format!("the last seed may no longer be used: {}", outline(quorum)),
                Some(quorum),
                30,
            ),
            NotReady::Halted(_) => {
                ("a self-test failed; the operator has to look at it".to_owned(), None, 300)
            }
            _ => ("the generator cannot answer at the moment".to_owned(), None, 2),
        };
        let mut problem = Self::new(
            "not-ready",
            StatusCode::SERVICE_UNAVAILABLE,
            "Not enough independent randomness",
            detail,
        )
        .with(RETRY_AFTER, HeaderValue::from(retry_after));
        problem.0.present =
            quorum.map(|quorum| quorum.present.iter().map(|kind| kind.name()).collect());
        problem.0.needed = quorum.map(|quorum| quorum.needed);
        problem
    }

    /// The response.
    pub(crate) fn response(self) -> Response<Body> {
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = Response::new(Body::whole(body));
        *response.status_mut() =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.0.header);
        response
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let mut problem = Self::new(
            "invalid-parameter",
            StatusCode::BAD_REQUEST,
            "Invalid parameter",
            invalid.to_string(),
        );
        problem.0.field = Some(invalid.field);
        problem.0.limit = Some(invalid.limit);
        problem.0.value = Some(invalid.value);
        problem
    }
}

impl From<NotReady> for Problem {
    fn from(why: NotReady) -> Self {
        Self::not_ready(&why)
    }
}

/// The quorum as callers may know it: kinds and numbers, no names of devices.
pub(crate) fn outline(quorum: &Quorum) -> String {
    let present: Vec<_> = quorum.present.iter().map(|kind| kind.name()).collect();
    let mut text = format!(
        "{} of {} independent kinds of source are healthy ({})",
        present.len(),
        quorum.needed,
        if present.is_empty() { "none".to_owned() } else { present.join(", ") },
    );
    if !quorum.missing_required.is_empty() {
        text.push_str("; a source that is required is missing");
    }
    if quorum.overdue {
        text.push_str("; the next seed is overdue");
    }
    text
}

/// Callers can repeat a refused request as fast as they like; the log must not follow them.
fn log_refusal(why: &NotReady) {
    static LAST_MS: AtomicU64 = AtomicU64::new(0);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    let last = LAST_MS.load(Ordering::Relaxed);
    if u128::from(now.saturating_sub(last)) >= LOG_INTERVAL.as_millis()
        && LAST_MS.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    {
        tracing::warn!("requests are refused: {why}");
    }
}
