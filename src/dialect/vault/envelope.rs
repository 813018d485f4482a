//! The envelope of every answer, and the shape of a refusal.
//!
//! ```text
//! {"request_id":"…","lease_id":"","renewable":false,"lease_duration":0,"data":{…},
//!  "wrap_info":null,"warnings":null,"auth":null}
//! {"errors":["…"]}
//! ```

use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::http::body::{AnswerPermit, Body};
use crate::http::refusal::{Class, Refusal, Subject};
use crate::http::respond::{json, json_held};
use crate::service_log::log_limit::LogLimit;

/// Lines about faults, one per call while a disk is full.
static FAULTS: LogLimit = LogLimit::new();

/// For callers that are not known, and for those that may not do it.
const DENIED: &str = "permission denied";

/// What a client takes for a server that has to be unsealed.
const SEALED: &str = "Vault is sealed";

#[derive(Serialize)]
struct Envelope<'a, T> {
    request_id: &'a str,
    lease_id: &'static str,
    renewable: bool,
    lease_duration: u32,
    data: T,
    wrap_info: Option<()>,
    warnings: Option<()>,
    auth: Option<()>,
}

#[derive(Serialize)]
struct Errors<'a> {
    errors: &'a [&'a str],
}

/// An answer with these data.
pub(crate) fn data(id: &HeaderValue, data: impl Serialize) -> Response<Body> {
    json(StatusCode::OK, &envelope(id, data))
}

/// As [`data`], for a long answer: its memory is free once it was sent.
pub(crate) fn held(id: &HeaderValue, data: impl Serialize, permit: AnswerPermit) -> Response<Body> {
    of_text(StatusCode::OK, text(id, data), permit)
}

/// The text of an answer with these data.
pub(crate) fn text(id: &HeaderValue, data: impl Serialize) -> Zeroizing<Vec<u8>> {
    let text = serde_json::to_vec(&envelope(id, data)).expect("members have names");
    Zeroizing::new(text)
}

/// An answer of this text, whose memory is free once it was sent.
pub(crate) fn of_text(
    status: StatusCode,
    text: Zeroizing<Vec<u8>>,
    permit: AnswerPermit,
) -> Response<Body> {
    json_held(status, text, permit)
}

fn envelope<T: Serialize>(id: &HeaderValue, data: T) -> Envelope<'_, T> {
    Envelope {
        request_id: id.to_str().unwrap_or_default(),
        lease_id: "",
        renewable: false,
        lease_duration: 0,
        data,
        wrap_info: None,
        warnings: None,
        auth: None,
    }
}

/// The keyring is not open, or there is none.
pub(crate) fn sealed() -> Refusal {
    Refusal::unavailable(SEALED)
}

/// The refusal of a call to `path`. Faults go to the log: callers get no paths of files and no system
/// messages.
pub(crate) fn render(path: &str, refusal: &Refusal) -> Response<Body> {
    if refusal.is_fault && FAULTS.passes() {
        tracing::error!("{}", refusal.operator_message());
    }
    let text = message(path, refusal);
    // A key that does not exist is an answer without errors.
    let errors: &[&str] = if text.is_empty() { &[] } else { &[&text] };
    let mut response = json(status(refusal), &Errors { errors });
    refusal.add_headers(response.headers_mut());
    response
}

/// Vault has no 401 and no 409.
fn status(refusal: &Refusal) -> StatusCode {
    match refusal.class {
        Class::Unauthenticated => StatusCode::FORBIDDEN,
        Class::Conflict => StatusCode::BAD_REQUEST,
        class => class.status(),
    }
}

fn message(path: &str, refusal: &Refusal) -> String {
    match (refusal.class, &refusal.subject) {
        (Class::Unauthenticated, _) | (Class::Forbidden, Subject::Permission(_)) => {
            DENIED.to_owned()
        }
        (Class::TooManyRequests, Subject::Limit(limit)) if limit.field == "requests" => {
            let path = path.strip_prefix("/v1/").unwrap_or(path);
            let shown: String = path.chars().take(64).collect();
            format!("request path {shown:?}: rate limit quota exceeded")
        }
        _ => refusal.message.to_string(),
    }
}
