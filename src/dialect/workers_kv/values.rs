//! Calls about one record, and the list of their names.

use std::ops::RangeInclusive;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::api::json::Json;
use crate::dialect::workers_kv::envelope;
use crate::dialect::workers_kv::envelope::Refusal;
use crate::dialect::workers_kv::path::{Name, Query};
use crate::dialect::workers_kv::{WorkersKv, now, upload};
use crate::http::app::ok;
use crate::http::body::Body;
use crate::keyring::NamespaceId;
use crate::kv::{Metadata, Put};

/// The shortest life of a record in seconds, as the service has it.
const TTL_LEAST: u64 = 60;

/// A hundred years: later is a typing error.
const TTL_MOST: u64 = 100 * 365 * 24 * 60 * 60;

/// How many names a page has at the most, and when nobody says.
const LIST_LIMIT: u64 = 1000;

/// The header in which a value says when it expires.
const EXPIRATION: HeaderName = HeaderName::from_static("expiration");

pub(crate) async fn get(
    dialect: &Arc<WorkersKv>,
    namespace: NamespaceId,
    name: Name,
) -> Result<Response<Body>, Refusal> {
    let value = dialect.on_disk(move |store| Ok(store.get(namespace, &name, now())?)).await?;
    let mut value = value.ok_or_else(Refusal::key_not_found)?;
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(expiry) = value.expiry {
        headers.insert(EXPIRATION, expiry.into());
    }
    Ok(ok(headers, Body::whole(std::mem::take(&mut *value.bytes))))
}

pub(crate) async fn metadata(
    dialect: &Arc<WorkersKv>,
    namespace: NamespaceId,
    name: Name,
) -> Result<Response<Body>, Refusal> {
    let found = dialect.on_disk(move |store| Ok(store.metadata(namespace, &name, now())?)).await?;
    let found = found.ok_or_else(Refusal::key_not_found)?;
    Ok(envelope::result(&json_of(&found)))
}

pub(crate) async fn put(
    dialect: &Arc<WorkersKv>,
    namespace: NamespaceId,
    name: Name,
    query: &Query,
    request: &mut Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let now = now();
    let expiry = match query.number("expiration_ttl", lives())? {
        Some(ttl) => Some(now.saturating_add(ttl)),
        // With a life it is not looked at, as the service does not.
        None => query.number("expiration", expirations(now))?,
    };
    let written = upload::value(dialect, request).await?;
    let put = move |store: &crate::kv::Store| {
        let one = Put {
            name: &name,
            value: &written.value,
            metadata: written.metadata.as_deref().map(Vec::as_slice),
            expiry,
        };
        Ok(store.put(namespace, &[one], now)?)
    };
    dialect.on_disk(put).await?;
    Ok(envelope::result(&Value::Null))
}

pub(crate) async fn delete(
    dialect: &Arc<WorkersKv>,
    namespace: NamespaceId,
    name: Name,
) -> Result<Response<Body>, Refusal> {
    dialect.on_disk(move |store| Ok(store.delete(namespace, &[&name])?)).await?;
    Ok(envelope::result(&Value::Null))
}

pub(crate) async fn list(
    dialect: &Arc<WorkersKv>,
    namespace: NamespaceId,
    query: &Query,
) -> Result<Response<Body>, Refusal> {
    let limit = query.number("limit", 1..=LIST_LIMIT)?.unwrap_or(LIST_LIMIT);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let prefix = Zeroizing::new(query.text("prefix").unwrap_or_default().to_owned());
    let after = query.text("cursor").map(read_cursor).transpose()?;
    let list = move |store: &crate::kv::Store| {
        let after = after.as_ref().map(|after| after.as_str());
        Ok(store.list(namespace, &prefix, after, limit, now())?)
    };
    let page = dialect.on_disk(list).await?;
    let cursor = page.records.last().filter(|_| page.more).map(|last| cursor(&last.name));
    let shown = page.records.iter().map(|record| Shown {
        name: &record.name,
        expiration: record.metadata.expiry,
        metadata: json_of(&record.metadata),
    });
    let shown: Vec<_> = shown.collect();
    let info = json!({ "count": shown.len(), "cursor": cursor.unwrap_or_default() });
    Ok(envelope::page(&shown, &info))
}

/// The moments at which a record may be said to expire.
pub(crate) fn expirations(now: u64) -> RangeInclusive<u64> {
    now.saturating_add(TTL_LEAST)..=now.saturating_add(TTL_MOST)
}

/// The lives that a record may be said to have.
pub(crate) fn lives() -> RangeInclusive<u64> {
    TTL_LEAST..=TTL_MOST
}

/// A record as a list shows it.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Json>,
}

/// Metadata as JSON, when there is any.
pub(crate) fn json_of(metadata: &Metadata) -> Option<Json> {
    // Earlier versions kept some that cannot be read.
    Json::read(metadata.json.as_deref()?).ok()
}

/// Where the next page begins, in a form that no client takes apart.
fn cursor(last: &str) -> String {
    BASE64URL_NOPAD.encode(last.as_bytes())
}

fn read_cursor(cursor: &str) -> Result<Name, Refusal> {
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.map(Zeroizing::new).ok_or_else(|| Refusal::invalid("cursor: is none of ours"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_any_other_text_is_refused() {
        for name in ["a", "ä/b c", "\u{10ffff}"] {
            assert_eq!(read_cursor(&cursor(name)).expect("ours").as_str(), name);
        }
        assert!(read_cursor("*").is_err() && read_cursor("_w").is_err());
    }
}
