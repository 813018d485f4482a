//! Responses that dialects share.

use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::http::body::{AnswerPermit, Body};

/// A 200 with these headers.
pub(crate) fn ok(headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

/// A 200 of this media type that caches do not store.
pub(crate) fn ok_of(
    media_type: &'static str,
    body: impl Into<hyper::body::Bytes>,
) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    ok(headers, Body::whole(body))
}

/// The methods of a path, for OPTIONS (RFC 9110 §9.3.7).
pub(crate) fn options(methods: &'static str) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(ALLOW, HeaderValue::from_static(methods));
    let mut response = ok(headers, Body::whole(hyper::body::Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// JSON that caches do not store.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("names are strings and numbers are finite");
    of_json(status, text)
}

/// As [`json`], with a newline at the end for terminals.
pub(crate) fn json_line(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let mut text = serde_json::to_vec(value).expect("names are strings and numbers are finite");
    text.push(b'\n');
    of_json(status, text)
}

/// JSON whose memory is free once it was sent.
pub(crate) fn json_held(
    status: StatusCode,
    text: Zeroizing<Vec<u8>>,
    permit: AnswerPermit,
) -> Response<Body> {
    let mut response = of_json(status, Vec::new());
    *response.body_mut() = Body::held(text, permit);
    response
}

fn of_json(status: StatusCode, text: Vec<u8>) -> Response<Body> {
    let mut response = ok_of("application/json", text);
    *response.status_mut() = status;
    response
}
