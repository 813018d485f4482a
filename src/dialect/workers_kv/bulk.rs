//! Calls about many records at once. All writes of one call are applied, or none.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use data_encoding::BASE64;
use hyper::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::api::json::Json;
use crate::api::store::{
    BULK_BYTES, BULK_READS, BULK_RECORDS, BulkCount, BulkFound, BulkGet, BulkPut, BulkRecord,
    BulkValues, StoreError, ValueForm,
};
use crate::dialect::workers_kv::envelope;
use crate::dialect::workers_kv::path::KvQuery;
use crate::dialect::workers_kv::values::{check_new_name, expirations, json_of, lives, unix_now};
use crate::http::body::Body;
use crate::http::call::OwnedCall;
use crate::http::refusal::{Class, Part, Refusal, Subject};
use crate::keyring::NamespaceId;
use crate::kv::{METADATA_LIMIT, Put, SnapshotRecord, Store, VALUE_LIMIT};

/// The most bytes of a list of names: 10,000 of 512 bytes, every letter escaped.
const NAMES_LIMIT: usize = BULK_RECORDS * (6 * 512 + 8);

/// The most bytes of one pair's metadata as it is sent, spaces and escapes included.
const METADATA_TEXT_LIMIT: usize = 64 * METADATA_LIMIT;

/// One record as it is sent. Its metadata is parsed once its length is known to be allowed.
type Pair = BulkPut<Box<RawValue>>;

/// One pair, checked.
struct CheckedPair {
    name: Zeroizing<String>,
    value: Zeroizing<Vec<u8>>,
    metadata: Option<Vec<u8>>,
    expiry: Option<u64>,
}

/// A value in either form.
#[derive(Serialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Json(Json),
    /// Not JSON, where JSON was wanted: null.
    NotJson,
}

pub(crate) async fn put(
    call: &mut OwnedCall,
    namespace: NamespaceId,
    query: &KvQuery,
) -> Result<Response<Body>, Refusal> {
    let pairs: Vec<Pair> = call.json(BULK_BYTES).await?;
    bounded(pairs.len(), BULK_RECORDS)?;
    if !query.allows_any_name() {
        for (pair, number) in pairs.iter().zip(1..) {
            let numbered = |why: Refusal| {
                Refusal::invalid_part(Part::Name, format!("pair {number}: {}", why.message))
            };
            check_new_name(&pair.key).map_err(numbered)?;
        }
    }
    let now = unix_now();
    let count = pairs.len();
    let ready = pairs.into_iter().zip(1..).map(|(pair, number)| CheckedPair::of(pair, number, now));
    let ready = ready.collect::<Result<Vec<_>, _>>()?;
    let write = move |store: &Store| {
        let puts: Vec<_> = ready.iter().map(CheckedPair::put).collect();
        Ok(store.put(namespace, &puts, now)?)
    };
    call.on_store(write).await?;
    Ok(envelope::result(counted(count)))
}

pub(crate) async fn get(
    call: &mut OwnedCall,
    namespace: NamespaceId,
) -> Result<Response<Body>, Refusal> {
    let wanted: BulkGet = call.json(NAMES_LIMIT).await?;
    bounded(wanted.keys.len(), BULK_READS)?;
    let read = move |store: &Store| {
        let (mut values, mut messages) = (BTreeMap::new(), Vec::new());
        let mut left = VALUE_LIMIT;
        let names: Vec<_> = wanted.keys.iter().map(String::as_str).collect();
        // One snapshot: of a bulk write, the answer has all records or none.
        let records = store.records(namespace, &names, unix_now())?;
        for record in records.iter() {
            let (value, bytes) = show(&record, &wanted, &mut messages)?;
            // Without it a hundred of the largest values would be in memory at once.
            left = left.checked_sub(bytes).ok_or_else(answer_too_large)?;
            values.insert(record.name().to_owned(), value);
        }
        Ok((BulkValues { values }, messages))
    };
    let (values, messages) = call.on_store(read).await?;
    Ok(envelope::partial(values, messages))
}

pub(crate) async fn delete(
    call: &mut OwnedCall,
    namespace: NamespaceId,
) -> Result<Response<Body>, Refusal> {
    let names: Vec<String> = call.json(NAMES_LIMIT).await?;
    bounded(names.len(), BULK_RECORDS)?;
    let count = names.len();
    let delete = move |store: &Store| {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        Ok(store.delete(namespace, &names)?)
    };
    call.on_store(delete).await?;
    Ok(envelope::result(counted(count)))
}

fn answer_too_large() -> Refusal {
    let message = format!("the values have more than {VALUE_LIMIT} bytes together: ask for fewer");
    Refusal::new(Class::TooLarge, Subject::Operation, message)
}

fn counted(count: usize) -> BulkCount {
    let successful_key_count = u64::try_from(count).unwrap_or(u64::MAX);
    BulkCount { successful_key_count, unsuccessful_keys: Vec::new() }
}

fn bounded(count: usize, limit: usize) -> Result<(), Refusal> {
    if (1..=limit).contains(&count) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("the list must have 1 to {limit} items (got {count})")))
}

impl CheckedPair {
    fn of(pair: Pair, number: usize, now: u64) -> Result<Self, Refusal> {
        let name = Zeroizing::new(pair.key);
        let text = Zeroizing::new(pair.value);
        let value = if pair.base64 {
            let bytes = BASE64.decode(text.as_bytes());
            bytes.map_err(|_| Refusal::invalid(format!("pair {number}: value is not base64")))?
        } else {
            text.as_bytes().to_vec()
        };
        let expiry = match seconds(number, Part::TimeToLive, pair.expiration_ttl, lives())? {
            Some(ttl) => Some(now.saturating_add(ttl)),
            // Ignored beside a time to live, as the service does.
            None => seconds(number, Part::Expiration, pair.expiration, expirations(now))?,
        };
        Ok(Self {
            name,
            value: Zeroizing::new(value),
            metadata: pair.metadata.map(|json| compact(number, &json)).transpose()?,
            expiry,
        })
    }

    fn put(&self) -> Put<'_> {
        Put {
            name: &self.name,
            value: &self.value,
            metadata: self.metadata.as_deref(),
            expiry: self.expiry,
        }
    }
}

/// Metadata without spaces, as it is stored.
fn compact(number: usize, json: &RawValue) -> Result<Vec<u8>, Refusal> {
    let length = json.get().len();
    if length > METADATA_TEXT_LIMIT {
        let why = format!("pair {number}: metadata: at most {METADATA_LIMIT} bytes (got {length})");
        return Err(Refusal::new(Class::TooLarge, Subject::Part(Part::Metadata), why));
    }
    let read = Json::read(json.get().as_bytes());
    read.map(|json| json.text().as_bytes().to_vec()).map_err(|_| {
        let why = format!("pair {number}: metadata: is too deep or large to be read");
        Refusal::invalid_part(Part::Metadata, why)
    })
}

/// Seconds as clients send them, floating-point numbers; a fraction of a second is dropped.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be within 53 bits; the fraction is to be dropped"
)]
fn seconds(
    number: usize,
    part: Part,
    value: Option<f64>,
    range: RangeInclusive<u64>,
) -> Result<Option<u64>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    if (0.0..9e15).contains(&value) && range.contains(&(value as u64)) {
        return Ok(Some(value as u64));
    }
    let field = if part == Part::TimeToLive { "expiration_ttl" } else { "expiration" };
    let (least, most) = (range.start(), range.end());
    let why = format!("pair {number}: {field}: must be {least} to {most} (got {value})");
    Err(Refusal::invalid_part(part, why))
}

/// One record of a bulk read, if there is one, and the length of its value. Adds to `messages` where
/// the value is not JSON and JSON is wanted.
fn show(
    record: &SnapshotRecord<'_>,
    wanted: &BulkGet,
    messages: &mut Vec<StoreError>,
) -> Result<(Option<BulkFound<Content>>, usize), Refusal> {
    let found = if wanted.with_metadata {
        record.value_and_metadata()?.map(|(value, metadata)| (value, Some(metadata)))
    } else {
        record.value()?.map(|value| (value, None))
    };
    let Some((value, metadata)) = found else { return Ok((None, 0)) };
    let bytes = value.bytes.len();
    let value = match wanted.form {
        ValueForm::Text => Content::Text(String::from_utf8_lossy(&value.bytes).into_owned()),
        ValueForm::Base64 => Content::Text(BASE64.encode(&value.bytes)),
        ValueForm::Json => Json::read(&value.bytes).map_or_else(
            |_| {
                messages.push(envelope::message(format!("{}: is not JSON", record.name())));
                Content::NotJson
            },
            Content::Json,
        ),
    };
    let shown = match metadata {
        None => BulkFound::Value(value),
        Some(metadata) => BulkFound::Record(BulkRecord {
            value,
            metadata: json_of(&metadata),
            expiration: metadata.expiry,
        }),
    };
    Ok((Some(shown), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_only_where_it_may_fit_and_kept_without_spaces() {
        let metadata = |json: String| {
            let json = format!(r#"[{{"key":"a","value":"","metadata":{json}}}]"#);
            let pairs: Vec<Pair> = serde_json::from_str(&json).expect("pairs");
            let ready: Result<Vec<_>, _> =
                pairs.into_iter().map(|pair| CheckedPair::of(pair, 1, 0)).collect();
            ready.map(|mut ready| ready.remove(0).metadata)
        };
        assert_eq!(metadata("null".into()).expect("none"), None);
        let spaces = " ".repeat(2 * METADATA_LIMIT);
        let kept = metadata(format!("{{ \"b\" :{spaces}[1, \"ä\"] }}")).expect("fits");
        assert_eq!(kept.as_deref(), Some("{\"b\":[1,\"ä\"]}".as_bytes()));
        for bad in ["[".repeat(200) + &"]".repeat(200), "1e999".into()] {
            assert!(metadata(bad).is_err());
        }
        // Never read: it would be no JSON that can be.
        let long = "[".repeat(METADATA_TEXT_LIMIT) + &"]".repeat(METADATA_TEXT_LIMIT);
        let refusal = metadata(long).expect_err("too long");
        assert!(format!("{refusal:?}").contains("at most 1024 bytes (got 131072)"), "{refusal:?}");
    }

    #[test]
    fn seconds_are_within_their_range_and_their_fraction_is_dropped() {
        for (value, expected) in [
            (Some(60.0), Some(Some(60))),
            (None, Some(None)),
            (Some(59.0), None),
            (Some(60.5), Some(Some(60))),
            (Some(59.9), None),
            (Some(100.9), Some(Some(100))),
            (Some(-0.5), None),
            (Some(-1.0), None),
            (Some(f64::NAN), None),
            (Some(1e300), None),
        ] {
            let read = seconds(1, Part::TimeToLive, value, 60..=100).ok();
            assert_eq!(read, expected, "{value:?}");
        }
    }
}
