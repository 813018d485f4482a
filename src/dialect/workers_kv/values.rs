//! Calls about one record, and the list of record names.

use std::ops::RangeInclusive;

use data_encoding::BASE64URL_NOPAD;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Response};
use zeroize::Zeroizing;

use crate::api::json::Json;
use crate::api::store::{LEAST_PAGE_ITEMS, LIFE_SECONDS, ListedRecord, PAGE_ITEMS, PageInfo};
use crate::dialect::workers_kv::path::{DecodedName, KvQuery};
use crate::dialect::workers_kv::permissions::Access;
use crate::dialect::workers_kv::{envelope, permissions, upload};
use crate::http::body::Body;
use crate::http::call::{OwnedCall, ReadFailure};
use crate::http::memory_budget::SMALL_BYTES;
use crate::http::refusal::{Class, Part, Refusal, Subject};
use crate::http::respond::ok;
use crate::keyring::NamespaceId;
use crate::kv::{ListRange, Metadata, Put, Store};
use crate::machine::unix_now;

/// A hundred years: later is a typing error.
const TTL_MOST: u64 = 100 * 365 * 24 * 60 * 60;

/// Names per page, at the least.
const LIST_LEAST: u64 = LEAST_PAGE_ITEMS as u64;

/// Names per page, at the most and by default.
const LIST_LIMIT: u64 = PAGE_ITEMS as u64;

/// Memory of a read, in bytes, until the value turns out to be longer.
const GET_BYTES: usize = 16 << 10;

/// The header with the time at which a value expires.
const EXPIRATION: HeaderName = HeaderName::from_static("expiration");

pub(crate) async fn get(
    call: &OwnedCall,
    namespace: NamespaceId,
    name: DecodedName,
) -> Result<Response<Body>, Refusal> {
    let get = move |store: &Store, most| {
        Ok::<_, ReadFailure>(store.get_within(namespace, &name, unix_now(), most)?)
    };
    let (value, permit) = call.read_within(GET_BYTES, get).await?;
    let value = value.ok_or_else(key_not_found)?;
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(expiry) = value.expiry {
        headers.insert(EXPIRATION, expiry.into());
    }
    Ok(ok(headers, Body::held(value.bytes, permit)))
}

pub(crate) async fn metadata(
    call: &OwnedCall,
    namespace: NamespaceId,
    name: DecodedName,
) -> Result<Response<Body>, Refusal> {
    let found =
        call.on_store(move |store| Ok(store.metadata(namespace, &name, unix_now())?)).await?;
    let found = found.ok_or_else(key_not_found)?;
    Ok(envelope::result(json_of(&found)))
}

pub(crate) async fn put(
    call: &mut OwnedCall,
    namespace: NamespaceId,
    name: DecodedName,
    query: &KvQuery,
) -> Result<Response<Body>, Refusal> {
    let now = unix_now();
    let expiry = match query
        .seconds("expiration_ttl", lives())
        .map_err(|refusal| refusal.about(Part::TimeToLive))?
    {
        Some(ttl) => Some(now.saturating_add(ttl)),
        // Ignored beside a time to live, as the service does.
        None => query
            .seconds("expiration", expirations(now))
            .map_err(|refusal| refusal.about(Part::Expiration))?,
    };
    if !query.allows_any_name() {
        check_new_name(&name)?;
    }
    let written = upload::value(call).await?;
    permissions::check(&call.app, &call.caller, namespace, Access::Write)?;
    let put = move |store: &Store| {
        let one = Put { name: &name, value: written.value(), metadata: written.metadata(), expiry };
        Ok(store.put(namespace, &[one], now)?)
    };
    call.change_store(put).await?;
    Ok(envelope::result(()))
}

pub(crate) async fn delete(
    call: &OwnedCall,
    namespace: NamespaceId,
    name: DecodedName,
) -> Result<Response<Body>, Refusal> {
    call.change_store(move |store| Ok(store.delete(namespace, &[&name])?)).await?;
    Ok(envelope::result(()))
}

pub(crate) async fn list(
    call: &OwnedCall,
    namespace: NamespaceId,
    query: &KvQuery,
) -> Result<Response<Body>, Refusal> {
    let limit = query
        .number("limit", LIST_LEAST..=LIST_LIMIT)
        .map_err(|refusal| refusal.about(Part::Limit))?
        .unwrap_or(LIST_LIMIT);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let prefix = Zeroizing::new(query.text("prefix").unwrap_or_default().to_owned());
    let after = query.text("cursor").map(read_cursor).transpose()?;
    let list = move |store: &Store, most| {
        let after = after.as_ref().map(|after| after.as_str());
        let range = ListRange { prefix: &prefix, after, limit };
        Ok::<_, ReadFailure>(store.list_within(namespace, &range, unix_now(), most)?)
    };
    let (page, permit) = call.read_within(SMALL_BYTES, list).await?;
    let cursor = page.records.last().filter(|_| page.more).map(|last| cursor(&last.name));
    let shown = page.records.iter().map(|record| ListedRecord {
        name: record.name.as_str(),
        expiration: record.metadata.expiry,
        metadata: json_of(&record.metadata),
    });
    let shown: Vec<_> = shown.collect();
    let count = shown.len() as u64;
    let cursor = Some(cursor.unwrap_or_default());
    Ok(envelope::page_held(&shown, PageInfo { count, cursor, ..PageInfo::default() }, permit))
}

/// Checks that a record may be written under this name: "All printable, non-whitespace characters are
/// valid" (reference of the service's API, `key_name`). Records that have other names can be read,
/// listed and deleted.
pub(crate) fn check_new_name(name: &str) -> Result<(), Refusal> {
    let is_invalid = |letter: char| letter.is_control() || letter.is_whitespace();
    match name.chars().position(is_invalid) {
        None => Ok(()),
        Some(place) => {
            let why = "name: must have no white space and no control characters (got one as \
                       character ";
            Err(Refusal::invalid_part(Part::Name, format!("{why}{})", place + 1)))
        }
    }
}

fn key_not_found() -> Refusal {
    Refusal::new(Class::NotFound, Subject::Record, "key not found")
}

/// The valid expiration times, in seconds since 1970.
pub(crate) fn expirations(now: u64) -> RangeInclusive<u64> {
    now.saturating_add(LIFE_SECONDS)..=now.saturating_add(TTL_MOST)
}

/// The valid times to live, in seconds.
pub(crate) fn lives() -> RangeInclusive<u64> {
    LIFE_SECONDS..=TTL_MOST
}

/// Metadata as JSON, when there is any.
pub(crate) fn json_of(metadata: &Metadata) -> Option<Json> {
    // Earlier versions stored some that cannot be read.
    Json::read(metadata.json.as_deref()?).ok()
}

/// The start of the next page, opaque to clients.
fn cursor(last: &str) -> String {
    BASE64URL_NOPAD.encode(last.as_bytes())
}

fn read_cursor(cursor: &str) -> Result<DecodedName, Refusal> {
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.map(Zeroizing::new).ok_or_else(|| Refusal::invalid_part(Part::Cursor, "invalid cursor"))
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

    #[test]
    fn a_new_name_is_printable_and_has_no_white_space() {
        for name in ["a", "ä/b:!%+?#&\\\"'", "\u{1f30b}", "e\u{301}", "\u{1f469}\u{200d}\u{1f692}"]
        {
            assert!(check_new_name(name).is_ok(), "{name}");
        }
        for letter in
            ['\0', '\t', '\n', '\r', '\u{1b}', ' ', '\u{7f}', '\u{85}', '\u{a0}', '\u{2028}']
        {
            let refusal = check_new_name(&format!("ä{letter}b")).expect_err("invalid");
            assert!(refusal.message.ends_with("character 2)"), "{refusal:?}");
        }
    }
}
