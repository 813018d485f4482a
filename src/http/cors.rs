//! Cross-origin requests (the Fetch standard): pages of the origins in `http.cors-origins` may read random
//! bytes, and nothing else.
//!
//! # Security
//! Off by default: a page could spend what the operator's machine may have. Each origin is named, because
//! `*` would be any page. No cookie or stored credential is ever asked for (`Access-Control-Allow-Credentials`
//! is not sent); a page that has a token sends it by itself. All other paths and origins are refused as
//! before ([`crate::http::host`]): their answers tell of the machine, or change it.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, Request, Response};

use crate::http::body::Body;
use crate::http::host::{is_host_name, is_loopback};
use crate::http::interface::is_random;
use crate::http::respond;

const METHODS: &str = "GET,HEAD,OPTIONS";

/// What a page may read besides the headers that it always may.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("ratelimit, ratelimit-policy, retry-after, x-request-id");

/// What a page may send besides the headers that it always may.
const ALLOWED: HeaderValue = HeaderValue::from_static("authorization, x-request-id");

/// How long a browser need not ask again, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The most origins.
pub(crate) const ORIGINS_MOST: usize = 100;

/// The origins whose pages may read random bytes.
#[derive(Debug)]
pub(crate) struct CorsOrigins(Vec<String>);

/// The part that an answer has in a request of another origin.
#[derive(Debug, Clone)]
pub(crate) struct CorsAnswer {
    /// `None` when the request is of no origin that may read the answer.
    origin: Option<HeaderValue>,
}

impl CorsOrigins {
    pub(crate) fn new(origins: &[String]) -> Self {
        Self(origins.to_vec())
    }

    /// How a request is answered; `None` where there is nothing to say: for other paths, and without origins.
    pub(crate) fn of<B>(&self, request: &Request<B>) -> Option<CorsAnswer> {
        if self.0.is_empty() || !is_random(request.uri().path()) {
            return None;
        }
        let mut origins = request.headers().get_all(ORIGIN).iter();
        let (first, second) = (origins.next(), origins.next());
        let is_named =
            |origin: &&HeaderValue| self.0.iter().any(|known| known.as_str() == **origin);
        let origin = first.filter(|_| second.is_none()).filter(is_named).cloned();
        Some(CorsAnswer { origin })
    }
}

impl CorsAnswer {
    /// Whether the page that sent the request may read the answer.
    pub(crate) fn is_allowed(&self) -> bool {
        self.origin.is_some()
    }

    /// The answer to a browser that asks before it sends the request of a page. It has no token yet.
    pub(crate) fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let is_preflight = *request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight || !self.is_allowed() {
            return None;
        }
        let mut response = respond::options(METHODS);
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(response)
    }

    /// Adds the headers that let the page read the answer, and keep a cache from giving it to another.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = &self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// Whether text is an origin as browsers write it, over TLS, or of this machine.
pub(crate) fn is_origin(text: &str) -> bool {
    let (is_tls, authority) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(authority), _) => (true, authority),
        (None, Some(authority)) => (false, authority),
        (None, None) => return false,
    };
    let (name, port) = authority.split_once(':').map_or((authority, None), |(a, b)| (a, Some(b)));
    let default_port = if is_tls { 443 } else { 80 };
    let is_port = |port: &str| {
        !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok_and(|port| port != default_port)
    };
    let is_loopback_name = is_loopback(name) || name == "127.0.0.1";
    is_host_name(name)
        && !name.ends_with('.')
        && !name.bytes().any(|letter| letter.is_ascii_uppercase())
        && port.is_none_or(is_port)
        && (is_tls || is_loopback_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them_and_over_tls_or_of_this_machine() {
        for origin in [
            "https://app.example",
            "https://app.example:8443",
            "https://192.0.2.1",
            "http://localhost:3000",
            "http://127.0.0.1:8080",
        ] {
            assert!(is_origin(origin), "{origin}");
        }
        for origin in [
            "*",
            "null",
            "",
            "app.example",
            "https://",
            "https://*.example",
            "https://app.example/",
            "https://app.example:443",
            "https://app.example:0",
            "https://app.example:x",
            "https://App.example",
            "https://app.example.",
            "http://app.example",
            "http://localhost:80",
            "file://",
            "https://a@b.example",
        ] {
            assert!(!is_origin(origin), "{origin}");
        }
    }
}
