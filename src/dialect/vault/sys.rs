//! The state of the service: `sys/health`, `sys/seal-status` and `sys/leader`.

use std::time::Instant;

use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::http::app::App;
use crate::http::body::Body;
use crate::http::refusal::Refusal;
use crate::http::respond;
use crate::keyring::Condition;
use crate::machine::unix_now;

/// The name of the only node.
const CLUSTER: &str = "lavawall";

/// The id of the only node, which has none.
const CLUSTER_ID: &str = "00000000-0000-0000-0000-000000000000";

/// The status codes that a caller of `sys/health` may choose, and those without a choice.
const CODES: [(&str, StatusCode); 3] = [
    ("activecode", StatusCode::OK),
    ("sealedcode", StatusCode::SERVICE_UNAVAILABLE),
    ("uninitcode", StatusCode::NOT_IMPLEMENTED),
];

/// Whether keys and randomness can be used now, as a status code. It is never a standby:
/// `standbyok` and the like have no effect.
pub(crate) fn health(app: &App, query: &str) -> Result<Response<Body>, Refusal> {
    let condition = condition(app);
    let (name, code) = match condition {
        Condition::Unsealed(_) => CODES[0],
        Condition::Sealed(_) => CODES[1],
        Condition::Absent => CODES[2],
    };
    let status = match chosen(query, name)? {
        // No one may take a generator that refuses for one that answers.
        _ if app.generator.check(Instant::now()).is_err() => StatusCode::SERVICE_UNAVAILABLE,
        Some(status) => status,
        None => code,
    };
    Ok(respond::json(
        status,
        &json!({
            "initialized": condition != Condition::Absent,
            "sealed": !matches!(condition, Condition::Unsealed(_)),
            "standby": false,
            "performance_standby": false,
            "replication_performance_mode": "disabled",
            "replication_dr_mode": "disabled",
            "server_time_utc": unix_now(),
            "version": env!("CARGO_PKG_VERSION"),
            "cluster_name": CLUSTER,
            "cluster_id": CLUSTER_ID,
        }),
    ))
}

/// The seal: its kind is one of ours, and pieces are given to `lavawall unseal`.
pub(crate) fn seal_status(app: &App) -> Response<Body> {
    let condition = condition(app);
    let pieces = app.store.as_ref().and_then(|store| store.keyring().pieces().ok());
    let (have, need) = pieces.unwrap_or_default();
    let kind = condition.seal().map_or_else(|| Value::from(""), |seal| seal.to_string().into());
    respond::json(
        StatusCode::OK,
        &json!({
            "type": kind,
            "initialized": condition != Condition::Absent,
            "sealed": !matches!(condition, Condition::Unsealed(_)),
            "t": need,
            "n": need,
            "progress": have,
            "nonce": "",
            "version": env!("CARGO_PKG_VERSION"),
            "build_date": "",
            "migration": false,
            "cluster_name": CLUSTER,
            "cluster_id": CLUSTER_ID,
            "recovery_seal": false,
            "storage_type": "lavawall",
        }),
    )
}

/// Whether there is a keyring. One is made by `lavawall init`, and not by a client.
pub(crate) fn init(app: &App) -> Response<Body> {
    let is_initialized = condition(app) != Condition::Absent;
    respond::json(StatusCode::OK, &json!({ "initialized": is_initialized }))
}

/// There is one node.
pub(crate) fn leader() -> Response<Body> {
    respond::json(
        StatusCode::OK,
        &json!({
            "ha_enabled": false,
            "is_self": false,
            "leader_address": "",
            "leader_cluster_address": "",
            "performance_standby": false,
            "performance_standby_last_remote_wal": 0,
        }),
    )
}

fn condition(app: &App) -> Condition {
    app.store.as_ref().map_or(Condition::Absent, |store| store.keyring().condition())
}

/// The status code that a query chooses for the state of this name.
fn chosen(query: &str, name: &str) -> Result<Option<StatusCode>, Refusal> {
    let mut given = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
    let Some((_, value)) = given.next() else { return Ok(None) };
    // 1xx would be no end of the answer.
    let code = value.parse().ok().filter(|code| (200..=599).contains(code));
    let status = code.and_then(|code| StatusCode::from_u16(code).ok());
    status.map(Some).ok_or_else(|| {
        let value: String = value.chars().take(64).collect();
        Refusal::invalid(format!("{name}: must be a status code from 200 to 599 (got {value:?})"))
    })
}
