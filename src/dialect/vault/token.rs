//! The caller's own token.

use std::time::{Duration, SystemTime};

use hyper::Response;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::json;

use crate::caller::token::bearer;
use crate::caller::{Caller, Peer};
use crate::dialect::vault::envelope;
use crate::http::body::Body;
use crate::http::call::OwnedCall;
use crate::http::refusal::Refusal;
use crate::machine::{rfc3339, unix_now};

/// Where clients of Vault put it.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-vault-token");

/// What is known about the caller's token. Its text is not repeated: whoever asks has it.
pub(crate) fn look_up(call: &OwnedCall) -> Result<Response<Body>, Refusal> {
    let (name, policies) = match &call.caller {
        Caller::Anonymous => return Err(Refusal::unauthenticated()),
        Caller::Peer(Peer { uid }) => (format!("uid {uid}"), vec!["operator".to_owned()]),
        Caller::Tenant(tenant) => {
            let policies = tenant.permissions().iter().map(ToString::to_string).collect();
            (tenant.name.to_string(), policies)
        }
    };
    let headers = call.request.headers();
    let token = headers.get(HEADER).map(HeaderValue::as_bytes).or_else(|| {
        headers.get(hyper::header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()))
    });
    let expiry = token.and_then(|token| call.app.tenants.expiry(token));
    let at = |unix| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(unix)).map(rfc3339);
    Ok(envelope::data(
        &call.id,
        json!({
            "accessor": "",
            "creation_time": 0,
            "creation_ttl": 0,
            "display_name": name,
            "entity_id": "",
            "expire_time": expiry.and_then(at),
            "explicit_max_ttl": 0,
            "id": "",
            "meta": null,
            "num_uses": 0,
            "orphan": true,
            "path": "auth/token/create",
            "policies": policies,
            "renewable": false,
            "ttl": expiry.map_or(0, |at| at.saturating_sub(unix_now())),
            "type": "service",
        }),
    ))
}
