//! Calls about many records at once. All writes of one call are applied, or none.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::io;

use data_encoding::BASE64;
use hyper::{Response, StatusCode};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::api::bounded_list::BoundedList;
use crate::api::json::Json;
use crate::api::store::{
    BULK_BYTES, BULK_READS, BULK_RECORDS, BulkCount, BulkFound, BulkGet, BulkRecord, StoreError,
    ValueForm,
};
use crate::dialect::workers_kv::bulk_body::{BulkBody, Names};
use crate::dialect::workers_kv::path::KvQuery;
use crate::dialect::workers_kv::permissions::Access;
use crate::dialect::workers_kv::values::json_of;
use crate::dialect::workers_kv::{envelope, permissions};
use crate::http::body::Body;
use crate::http::body_reading::BodyLimits;
use crate::http::call::{OwnedCall, ReadFailure, on_thread};
use crate::http::memory_budget::TINY_BYTES;
use crate::http::refusal::{Class, Refusal, Subject};
use crate::http::respond;
use crate::keyring::NamespaceId;
use crate::kv::{
    KvError, METADATA_LIMIT, NAME_LIMIT, RecordName, RecordsSnapshot, SnapshotRecord, Store,
    VALUE_LIMIT,
};
use crate::machine::unix_now;

/// The most bytes of a list of names: 10,000 of 512 bytes, every letter escaped.
const NAMES_LIMIT: usize = BULK_RECORDS * (6 * 512 + 8);

/// Memory of a bulk read for each byte of its values: the value that is being written into the answer, and
/// twice its length in the answer.
const READ_COPIES: usize = 3;

/// The same where that is not enough: a control character has six bytes in JSON.
const READ_COPIES_MOST: usize = 7;

/// Bytes that a row has besides its value, and an answer besides its names and values.
const ROW_BYTES: usize = 256;

/// The names of a bulk read, counted while they are read.
type WantedRecords = BulkGet<BoundedList<String, BULK_READS>>;

/// A value in either form, encoded as it is written.
enum Content<'a> {
    Text(&'a [u8]),
    Base64(&'a [u8]),
    Json(Json),
    /// Not JSON, where JSON is wanted: null.
    NotJson,
}

pub(crate) async fn put(
    call: &mut OwnedCall,
    namespace: NamespaceId,
    query: &KvQuery,
) -> Result<Response<Body>, Refusal> {
    let names = if query.allows_any_name() { Names::Any } else { Names::New };
    let body = call.receive(BodyLimits { bytes: BULK_BYTES, copies: 1 }).await?;
    let now = unix_now();
    let body = on_thread(move || BulkBody::decode(body, names, now)).await?;
    let count = body.count();
    permissions::check(&call.app, &call.caller, namespace, Access::Write)?;
    call.change_store(move |store| Ok(store.put(namespace, &body.puts(), now)?)).await?;
    Ok(envelope::result(counted(count)))
}

pub(crate) async fn get(
    call: &mut OwnedCall,
    namespace: NamespaceId,
) -> Result<Response<Body>, Refusal> {
    let WantedRecords { keys, form, with_metadata } = call.json(NAMES_LIMIT).await?;
    bounded(keys.0.len(), BULK_READS)?;
    permissions::check(&call.app, &call.caller, namespace, Access::Read)?;
    let names: BTreeSet<_> = keys.0.iter().map(|name| RecordName::of(name)).collect();
    let read = move |store: &Store, most: usize| {
        let names: Vec<_> = names.iter().map(RecordName::as_str).collect();
        // One snapshot: of a bulk write, the answer has all records or none.
        let records = store.records(namespace, &names, unix_now())?;
        let bytes = bytes_of(&records)?;
        if READ_COPIES * bytes > most {
            return Err(ReadFailure::Needs(READ_COPIES * bytes));
        }
        let copies = if READ_COPIES_MOST * bytes > most { READ_COPIES } else { READ_COPIES_MOST };
        let (failure, messages) = (RefCell::new(None), RefCell::new(Vec::new()));
        let left = RefCell::new(VALUE_LIMIT);
        let values = FoundRecords {
            records: &records,
            form,
            with_metadata,
            left: &left,
            messages: &messages,
            failure: &failure,
        };
        let mut answer = BoundedAnswer(Zeroizing::new(Vec::with_capacity((copies - 1) * bytes)));
        let written =
            serde_json::to_writer(&mut answer, &FoundEnvelope::of(FoundValues { values }));
        match (failure.into_inner(), written) {
            (Some(failure), _) => Err(failure),
            (None, Err(_)) => Err(ReadFailure::Needs(READ_COPIES_MOST * bytes)),
            (None, Ok(())) => Ok(answer.0),
        }
    };
    let (answer, permit) = call.read_within(TINY_BYTES, read).await?;
    Ok(respond::json_held(StatusCode::OK, answer, permit))
}

pub(crate) async fn delete(
    call: &mut OwnedCall,
    namespace: NamespaceId,
) -> Result<Response<Body>, Refusal> {
    let BoundedList(names) = call.json::<BoundedList<String, BULK_RECORDS>>(NAMES_LIMIT).await?;
    bounded(names.len(), BULK_RECORDS)?;
    permissions::check(&call.app, &call.caller, namespace, Access::Write)?;
    let count = names.len();
    let delete = move |store: &Store| {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        Ok(store.delete(namespace, &names)?)
    };
    call.change_store(delete).await?;
    Ok(envelope::result(counted(count)))
}

/// The envelope of a bulk read: the messages are known once the values are written.
#[derive(Serialize)]
struct FoundEnvelope<'a> {
    success: bool,
    errors: [StoreError; 0],
    result: FoundValues<'a>,
    messages: &'a RefCell<Vec<StoreError>>,
}

impl<'a> FoundEnvelope<'a> {
    fn of(result: FoundValues<'a>) -> Self {
        Self { success: true, errors: [], messages: result.values.messages, result }
    }
}

/// The result of a bulk read; see [`crate::api::store::BulkValues`].
#[derive(Serialize)]
struct FoundValues<'a> {
    values: FoundRecords<'a>,
}

/// The records of a bulk read, of which each value is in memory while it is written.
struct FoundRecords<'a> {
    records: &'a RecordsSnapshot<'a>,
    form: ValueForm,
    with_metadata: bool,
    /// Bytes of values that the rest of the answer may have.
    left: &'a RefCell<usize>,
    /// The values that are not JSON where JSON is wanted.
    messages: &'a RefCell<Vec<StoreError>>,
    /// Why the answer cannot be written.
    failure: &'a RefCell<Option<ReadFailure>>,
}

impl Serialize for FoundRecords<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.records.iter().map(|record| {
            let name = record.name();
            (name, FoundRecord { found: self, record })
        }))
    }
}

struct FoundRecord<'a> {
    found: &'a FoundRecords<'a>,
    record: SnapshotRecord<'a>,
}

impl Serialize for FoundRecord<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let failed = |failure: ReadFailure| {
            *self.found.failure.borrow_mut() = Some(failure);
            S::Error::custom("")
        };
        let most = *self.found.left.borrow() + ROW_BYTES;
        let found = if self.found.with_metadata {
            let found = self.record.value_and_metadata(most);
            found.map(|found| found.map(|(value, metadata)| (value, Some(metadata))))
        } else {
            self.record.value_within(most).map(|found| found.map(|value| (value, None)))
        };
        let found = found.map_err(|error| match error {
            KvError::NeedsMemory { .. } => failed(answer_too_large().into()),
            error => failed(error.into()),
        })?;
        let Some((value, metadata)) = found else { return to.serialize_none() };
        let left = self.found.left.borrow().checked_sub(value.bytes.len());
        // Without it a hundred of the largest values would be in memory at once.
        *self.found.left.borrow_mut() = left.ok_or_else(|| failed(answer_too_large().into()))?;
        let value = match self.found.form {
            ValueForm::Text => Content::Text(&value.bytes),
            ValueForm::Base64 => Content::Base64(&value.bytes),
            ValueForm::Json => Json::read(&value.bytes).map_or_else(
                |_| {
                    let message = envelope::message(format!("{}: is not JSON", self.record.name()));
                    self.found.messages.borrow_mut().push(message);
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
        shown.serialize(to)
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(bytes) => to.collect_str(&Lossy(bytes)),
            Self::Base64(bytes) => to.collect_str(&BASE64.encode_display(bytes)),
            Self::Json(json) => json.serialize(to),
            Self::NotJson => to.serialize_unit(),
        }
    }
}

/// Bytes as text, with U+FFFD for what is not UTF-8.
struct Lossy<'a>(&'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.utf8_chunks().try_for_each(|chunk| {
            f.write_str(chunk.valid())?;
            if chunk.invalid().is_empty() { Ok(()) } else { f.write_str("\u{fffd}") }
        })
    }
}

/// An answer that never grows beyond its capacity. Zeroized when dropped.
struct BoundedAnswer(Zeroizing<Vec<u8>>);

impl io::Write for BoundedAnswer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.capacity() - self.0.len() < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of these records: values, names and metadata.
fn bytes_of(records: &RecordsSnapshot<'_>) -> Result<usize, ReadFailure> {
    let mut bytes = 0;
    for record in records.iter() {
        // Names and metadata are escaped in the answer.
        // Twice: a message can name the record, too.
        bytes += ROW_BYTES + 6 * record.name().len() + METADATA_LIMIT;
        match record.value_within(0) {
            Ok(value) => bytes += value.map_or(0, |value| value.bytes.len()),
            Err(KvError::NeedsMemory { bytes: row }) => bytes += row,
            Err(error) => return Err(error.into()),
        }
    }
    if bytes > VALUE_LIMIT + BULK_READS * (2 * ROW_BYTES + 6 * NAME_LIMIT + METADATA_LIMIT) {
        return Err(answer_too_large().into());
    }
    Ok(bytes)
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
