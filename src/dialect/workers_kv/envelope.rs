//! What every answer but a value is wrapped in, and what a refusal looks like.
//!
//! ```text
//! {"success":true,"errors":[],"messages":[],"result":…,"result_info":{…}}
//! {"success":false,"errors":[{"code":10009,"message":"key not found"}],"messages":[],"result":null}
//! ```

use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::app::json_with;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::keyring::KeyringError;
use crate::kv::KvError;
use crate::kv::engine::{StorageAccess, StorageError};

/// The service's own codes, as its clients show them.
mod code {
    pub(crate) const AUTHENTICATION: u32 = 10_000;
    pub(crate) const KEY_NOT_FOUND: u32 = 10_009;
    pub(crate) const NAMESPACE_NOT_FOUND: u32 = 10_013;
    pub(crate) const TITLE_TAKEN: u32 = 10_014;
    pub(crate) const NO_ROUTE: u32 = 7_003;
}

/// Codes of ours, where the service's are not known: the status, behind a number it does not use.
const OURS: u32 = 90_000;

/// The store is there, and has not been opened.
const NOT_OPEN: &str = "the store is not open: it is being opened, or /status says what keeps it";

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: u32,
    message: String,
    retry_after: Option<u32>,
    allow: Option<&'static str>,
}

impl Refusal {
    fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None, allow: None }
    }

    fn ours(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, OURS + u32::from(status.as_u16()), message)
    }

    /// Nothing is at this path.
    pub(crate) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, code::NO_ROUTE, "could not route: no such object or path")
    }

    /// There is only one account, and it was not named.
    pub(crate) fn no_account(known: &str) -> Self {
        let message = format!("could not route: the only account here is {known}");
        Self::new(StatusCode::NOT_FOUND, code::NO_ROUTE, message)
    }

    /// The path is right and the method is not: those of `allow` are (RFC 9110 §15.5.6).
    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let message = format!("this method is not answered here: use {allow}");
        Self { allow: Some(allow), ..Self::ours(StatusCode::METHOD_NOT_ALLOWED, message) }
    }

    /// No token, or one that is not known.
    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code::AUTHENTICATION, "Authentication error")
    }

    /// Whether it is not known who calls.
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// No record of this name.
    pub(crate) fn key_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, code::KEY_NOT_FOUND, "key not found")
    }

    /// No namespace of this id.
    pub(crate) fn namespace_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, code::NAMESPACE_NOT_FOUND, "namespace not found")
    }

    /// Something in the request cannot be.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::ours(StatusCode::BAD_REQUEST, message)
    }

    /// The body is too long.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::ours(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request's body has more than {limit} bytes"),
        )
    }

    /// The values asked for are too long together.
    pub(crate) fn too_large_answer(limit: usize) -> Self {
        let message = format!("the values have more than {limit} bytes together: ask for fewer");
        Self::ours(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// The client stopped sending.
    pub(crate) fn too_slow() -> Self {
        Self::ours(StatusCode::REQUEST_TIMEOUT, "the request's body did not come in time")
    }

    /// It may be possible later; says why not now.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        let refusal = Self::ours(StatusCode::SERVICE_UNAVAILABLE, message);
        Self { retry_after: Some(5), ..refusal }
    }

    /// A fault of ours.
    pub(crate) fn broken() -> Self {
        Self::ours(StatusCode::INTERNAL_SERVER_ERROR, "an internal fault; nothing was answered")
    }

    /// The same for who does not speak the dialect.
    pub(crate) fn problem(self) -> Problem {
        Problem::of_keys(self.status, self.message)
    }

    /// The response.
    pub(crate) fn response(self) -> Response<Body> {
        let errors = [json!({ "code": self.code, "message": self.message })];
        let body = json!({ "success": false, "errors": errors, "messages": [], "result": null });
        let mut response = json_with(self.status, &body);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let realm = HeaderValue::from_static("Bearer realm=\"lavawall\"");
            headers.insert(WWW_AUTHENTICATE, realm);
        }
        response
    }
}

impl From<KvError> for Refusal {
    fn from(error: KvError) -> Self {
        let message = error.to_string();
        match error {
            KvError::UnknownNamespace(_) | KvError::Keyring(KeyringError::UnknownNamespace(_)) => {
                Self::namespace_not_found()
            }
            KvError::Keyring(KeyringError::TitleTaken) => {
                Self::new(StatusCode::BAD_REQUEST, code::TITLE_TAKEN, message)
            }
            KvError::Keyring(
                KeyringError::Title { .. }
                | KeyringError::TitleControl { .. }
                | KeyringError::TooMany { .. },
            )
            | KvError::NameLength { .. }
            | KvError::NameDots
            | KvError::MetadataLength { .. }
            | KvError::Expired { .. } => Self::invalid(message),
            KvError::ValueLength { limit, .. } => Self::too_large(limit),
            KvError::Keyring(
                KeyringError::Absent | KeyringError::Sealed | KeyringError::NotReady(_),
            )
            | KvError::NotReady(_) => Self::unavailable(message),
            KvError::Closed => Self::unavailable(NOT_OPEN),
            KvError::Damaged(_)
            | KvError::Revoked { .. }
            | KvError::Destroyed { .. }
            | KvError::Disagrees(_) => {
                tracing::error!("{message}");
                Self::ours(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
            KvError::Keyring(KeyringError::Audit(_)) => {
                tracing::error!("{message}");
                Self::unavailable("the audit log cannot be written: no key is made or changed")
            }
            KvError::Storage(StorageError { what: StorageAccess::Write, .. }) => {
                tracing::error!("{message}");
                Self::unavailable("the store cannot be written at the moment")
            }
            // Paths and what the system said are for the operator.
            _ => {
                tracing::error!("{message}");
                Self::unavailable("the store cannot be read or written at the moment")
            }
        }
    }
}

/// What answers are wrapped in. As a `Value`, JSON in the result would lose digits.
#[derive(Serialize)]
struct Envelope<'a, T> {
    success: bool,
    errors: [(); 0],
    messages: [(); 0],
    result: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_info: Option<&'a Value>,
}

/// An answer that has this result.
pub(crate) fn result(result: &impl Serialize) -> Response<Body> {
    success(result, None)
}

/// An answer that is part of a list.
pub(crate) fn page(result: &impl Serialize, info: &Value) -> Response<Body> {
    success(result, Some(info))
}

fn success(result: &impl Serialize, result_info: Option<&Value>) -> Response<Body> {
    let envelope = Envelope { success: true, errors: [], messages: [], result, result_info };
    json_with(StatusCode::OK, &envelope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::NamespaceId;
    use crate::kv::RecordId;

    #[test]
    fn what_goes_wrong_has_its_status_and_code() {
        for (error, status, code) in [
            (KvError::UnknownNamespace(NamespaceId([0; 16])), 404, 10_013),
            (KvError::Keyring(KeyringError::TitleTaken), 400, 10_014),
            (KvError::Keyring(KeyringError::Sealed), 503, 90_503),
            (KvError::Keyring(KeyringError::Absent), 503, 90_503),
            (KvError::NameDots, 400, 90_400),
            (KvError::ValueLength { limit: 1, value: 2 }, 413, 90_413),
            (KvError::Damaged(RecordId([0; 16])), 500, 90_500),
            (KvError::Closed, 503, 90_503),
        ] {
            let refusal = Refusal::from(error);
            assert_eq!((refusal.status.as_u16(), refusal.code), (status, code), "{refusal:?}");
        }
    }

    #[test]
    fn paths_and_system_messages_are_not_for_callers() {
        let error = KvError::Keyring(KeyringError::File {
            path: "/secret/place".into(),
            error: std::io::Error::other("disk on fire"),
        });
        let refusal = Refusal::from(error);
        assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(!refusal.message.contains("secret") && !refusal.message.contains("fire"));
    }
}
