//! The envelope of every answer but a value, and the shape of a refusal.
//!
//! ```text
//! {"success":true,"errors":[],"messages":[],"result":…,"result_info":{…}}
//! {"success":false,"errors":[{"code":10009,"message":"key not found"}],"messages":[],"result":null}
//! ```

use hyper::{Response, StatusCode};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::api::store::{Envelope, Failure, PageInfo, StoreError};
use crate::http::body::{AnswerPermit, Body};
use crate::http::refusal::{Class, Part, Refusal, Subject};
use crate::http::respond::{json, json_held};
use crate::service_log::log_limit::LogLimit;

/// The service's own codes, as its clients show them.
mod code {
    pub(crate) const THROTTLED: u32 = 971;
    pub(crate) const NO_ROUTE: u32 = 7_003;
    pub(crate) const AUTHENTICATION: u32 = 10_000;
    pub(crate) const KEY_NOT_FOUND: u32 = 10_009;
    pub(crate) const NAMESPACE_ID: u32 = 10_011;
    pub(crate) const NAMESPACE_NOT_FOUND: u32 = 10_013;
    pub(crate) const TITLE_TAKEN: u32 = 10_014;
    pub(crate) const TITLE: u32 = 10_019;
    pub(crate) const PAYLOAD_TOO_LARGE: u32 = 10_024;
    pub(crate) const LIMIT: u32 = 10_028;
    pub(crate) const NAME_LENGTH: u32 = 10_030;
    pub(crate) const EXPIRATION: u32 = 10_033;
    pub(crate) const TIME_TO_LIVE: u32 = 10_034;
    pub(crate) const CURSOR: u32 = 10_041;
    pub(crate) const NAME: u32 = 10_042;
    pub(crate) const ORDER: u32 = 10_043;
    pub(crate) const DIRECTION: u32 = 10_044;
    pub(crate) const METADATA: u32 = 10_047;
}

/// Codes of ours, where the service's are not known: the status, behind a number it does not use.
const OURS: u32 = 90_000;

/// Lines about faults, one per call while a disk is full.
static FAULTS: LogLimit = LogLimit::new();

/// A refusal in the envelope. Faults go to the log: callers get no paths and no system messages.
pub(crate) fn render(refusal: &Refusal) -> Response<Body> {
    if refusal.is_fault && FAULTS.passes() {
        tracing::error!("{}", refusal.operator_message());
    }
    let (status, code, message) = shape(refusal);
    let mut response = json(status, &Failure::of(code, message));
    refusal.add_headers(response.headers_mut());
    response
}

/// The status, code and message of a refusal.
fn shape(refusal: &Refusal) -> (StatusCode, u32, &str) {
    let status = refusal.class.status();
    let message = &*refusal.message;
    match (refusal.class, &refusal.subject) {
        (Class::Unauthenticated, Subject::Token) => {
            (status, code::AUTHENTICATION, "Authentication error")
        }
        (Class::Unauthenticated, _) | (Class::Forbidden, Subject::Permission(_)) => {
            (status, code::AUTHENTICATION, message)
        }
        (Class::TooManyRequests, _) => (status, code::THROTTLED, message),
        (Class::NotFound, Subject::Path) => (status, code::NO_ROUTE, message),
        (Class::NotFound, Subject::Record) => (status, code::KEY_NOT_FOUND, message),
        (Class::NotFound, Subject::Namespace) => (status, code::NAMESPACE_NOT_FOUND, message),
        // The service's status for it, not 409.
        (Class::Conflict, Subject::Title) => (StatusCode::BAD_REQUEST, code::TITLE_TAKEN, message),
        (Class::Invalid, Subject::Title) => (status, code::TITLE, message),
        // The service's status for it, not 413.
        (_, Subject::Part(Part::NameLength)) => {
            (StatusCode::URI_TOO_LONG, code::NAME_LENGTH, message)
        }
        (_, Subject::Part(part)) => (status, code_of(*part), message),
        (Class::TooLarge, _) => (status, code::PAYLOAD_TOO_LARGE, message),
        _ => (status, OURS + u32::from(status.as_u16()), message),
    }
}

fn code_of(part: Part) -> u32 {
    match part {
        Part::NamespaceId => code::NAMESPACE_ID,
        Part::Limit => code::LIMIT,
        Part::Cursor => code::CURSOR,
        Part::Order => code::ORDER,
        Part::Direction => code::DIRECTION,
        Part::Name => code::NAME,
        Part::NameLength => code::NAME_LENGTH,
        Part::Expiration => code::EXPIRATION,
        Part::TimeToLive => code::TIME_TO_LIVE,
        Part::Metadata => code::METADATA,
    }
}

/// An answer with this result. Not a `Value`: JSON in the result would lose digits.
pub(crate) fn result(result: impl Serialize) -> Response<Body> {
    json(StatusCode::OK, &Envelope::of(result))
}

/// The reason for a part of a result that is missing.
pub(crate) fn message(message: String) -> StoreError {
    StoreError { code: OURS + u32::from(StatusCode::BAD_REQUEST.as_u16()), message }
}

/// An answer with a part of a list.
pub(crate) fn page(result: impl Serialize, info: PageInfo) -> Response<Body> {
    json(StatusCode::OK, &Envelope::page(result, info))
}

/// As [`page`], whose memory is free once it was sent.
pub(crate) fn page_held(
    result: impl Serialize,
    info: PageInfo,
    permit: AnswerPermit,
) -> Response<Body> {
    let text = serde_json::to_vec(&Envelope::page(result, info));
    let text = text.expect("names are strings and numbers are finite");
    json_held(StatusCode::OK, Zeroizing::new(text), permit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::{KeyringError, NamespaceId};
    use crate::kv::KvError;
    use crate::kv::record_id::RecordId;

    #[test]
    fn what_goes_wrong_has_its_status_and_code() {
        for (error, status, code) in [
            (KvError::UnknownNamespace(NamespaceId([0; 16])), 404, 10_013),
            (KvError::Keyring(KeyringError::TitleTaken), 400, 10_014),
            (KvError::Keyring(KeyringError::Sealed), 503, 90_503),
            (KvError::Keyring(KeyringError::Absent), 503, 90_503),
            (KvError::NameDots, 400, 10_042),
            (KvError::NameLength { limit: 512, value: 0 }, 400, 10_042),
            (KvError::NameLength { limit: 512, value: 513 }, 414, 10_030),
            (KvError::MetadataLength { limit: 1024, value: 1025 }, 413, 10_047),
            (KvError::ValueLength { limit: 1, value: 2 }, 413, 10_024),
            (KvError::Expired { value: 1, now: 2 }, 400, 10_033),
            (KvError::Damaged(RecordId([0; 16])), 500, 90_500),
            (KvError::Closed, 503, 90_503),
        ] {
            let refusal = Refusal::from(error);
            let (got, got_code, _) = shape(&refusal);
            assert_eq!((got.as_u16(), got_code), (status, code), "{refusal:?}");
        }
    }
}
