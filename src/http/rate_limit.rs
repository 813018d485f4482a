//! Limits of tenants in HTTP: the refusal of a call, and the headers that say what is left.
//!
//! ```text
//! RateLimit-Policy: "requests";q=50;w=1, "bytes";q=1048576;w=86400;qu="content-bytes"
//! RateLimit: "requests";r=49;t=1, "bytes";r=1048544;t=34217
//! ```
//! The fields are those of draft-ietf-httpapi-ratelimit-headers-11.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::caller::Caller;
use crate::caller::limiter::{DAY_SECONDS, Exceeded, ExceededLimit};
use crate::caller::service_limits::ServiceLimits;
use crate::caller::tenant::{Reservation, Tenant};
use crate::caller::usage::Protocol;
use crate::http::refusal::{Class, LimitRefusal, Refusal, Subject};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit");

impl From<Exceeded> for Refusal {
    fn from(exceeded: Exceeded) -> Self {
        let more = || "one more".to_owned();
        let (field, limit, value) = match exceeded.limit {
            ExceededLimit::Rate(rate) => ("requests", rate.to_string(), more()),
            ExceededLimit::BytesPerDay { most, left, wanted } => {
                ("bytes", format!("{most} per day, of which {left} are left"), wanted.to_string())
            }
            ExceededLimit::KeyUsesPerDay(most) => ("key-uses", format!("{most} per day"), more()),
            ExceededLimit::LongAnswers(most) => {
                ("long-answers", format!("{most} at a time"), more())
            }
            ExceededLimit::ServiceLongAnswers { most, free, own } => {
                let limit = format!(
                    "{most} of the service at a time, of which {free} are left, and no caller has more than \
                     are left"
                );
                ("long-answers", limit, format!("one more than {own}"))
            }
        };
        let message = format!("{field}: the limit is {limit} (got {value})");
        let limit = LimitRefusal { field, limit, value, retry_after: Some(exceeded.retry_after) };
        Self::new(Class::TooManyRequests, Subject::Limit(Box::new(limit)), message)
    }
}

/// Longer than any of the two headers: neither grows while it is written.
const TEXT_BYTES: usize = 128;

/// Charges the bytes of an answer, before they are made. HEAD gets none.
///
/// # Errors
/// When fewer are left; then nothing is charged.
pub(crate) fn charge(
    limits: &ServiceLimits,
    caller: &Caller,
    method: &Method,
    bytes: u64,
) -> Result<(), Refusal> {
    charged(limits, caller, method)
        .map_or(Ok(()), |tenant| Ok(tenant.charge(Protocol::Native, bytes)?))
}

/// Checks that as many bytes are left, before they are made.
///
/// # Errors
/// When fewer are left.
pub(crate) fn check(
    limits: &ServiceLimits,
    caller: &Caller,
    method: &Method,
    bytes: u64,
) -> Result<(), Refusal> {
    charged(limits, caller, method).map_or(Ok(()), |tenant| Ok(tenant.check_bytes(bytes)?))
}

/// Whose bytes an answer uses, if any are counted.
fn charged<'a>(
    limits: &'a ServiceLimits,
    caller: &'a Caller,
    method: &Method,
) -> Option<&'a Arc<Tenant>> {
    limits.limited(caller).filter(|_| *method != Method::HEAD)
}

/// Reserves the bytes of an answer that is sent in pieces.
///
/// # Errors
/// The limit that is exceeded.
pub(crate) fn reserve(
    limits: &ServiceLimits,
    caller: &Caller,
    method: &Method,
    bytes: u64,
) -> Result<Option<Reservation>, Refusal> {
    if *method == Method::HEAD {
        return Ok(None);
    }
    let sharer = limits.sharer(caller);
    Ok(Some(sharer.reserve(limits.ceiling(), Protocol::Native, bytes)?))
}

/// Adds what is left of the limits of a tenant, if it has any.
pub(crate) fn add_headers(tenant: &Tenant, headers: &mut HeaderMap) {
    let Some(remaining) = tenant.remaining(Instant::now()) else { return };
    let text = || String::with_capacity(TEXT_BYTES);
    let (mut policy, mut left) = (text(), text());
    let seconds = |time: Duration| time.as_millis().div_ceil(1000);
    // Writing to a String cannot fail.
    if let Some((rate, requests, reset)) = remaining.requests {
        let (quota, window) = (rate.requests(), rate.window().as_secs());
        let _ = write!(policy, "\"requests\";q={quota};w={window}");
        let _ = write!(left, "\"requests\";r={requests};t={}", seconds(reset));
    }
    if let Some((most, bytes, reset)) = remaining.bytes {
        let comma = if policy.is_empty() { "" } else { ", " };
        let _ = write!(policy, "{comma}\"bytes\";q={most};w={DAY_SECONDS};qu=\"content-bytes\"");
        let _ = write!(left, "{comma}\"bytes\";r={bytes};t={}", seconds(reset));
    }
    for (name, text) in [(POLICY, policy), (REMAINING, left)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}
