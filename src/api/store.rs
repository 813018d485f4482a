//! `/client/v4/…`: envelope, namespaces and records of the Workers KV dialect, and its limits.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::api::json::Json;

/// Records in one bulk write or delete, as Cloudflare has it.
pub(crate) const BULK_RECORDS: usize = 10_000;

/// Bytes in one bulk write, as Cloudflare has it.
pub(crate) const BULK_BYTES: usize = 100_000_000;

/// Names in one bulk read, as Cloudflare has it.
pub(crate) const BULK_READS: usize = 100;

/// Names on one page at least, as Cloudflare has it.
pub(crate) const LEAST_PAGE_ITEMS: usize = 10;

/// The parameter of a write that says which names are valid, and its value for all names that a record
/// can have.
pub(crate) const NAMES: &str = "names";
pub(crate) const ANY_NAMES: &str = "any";

/// Namespaces or names on one page.
pub(crate) const PAGE_ITEMS: usize = 1000;

/// The shortest life of a record in seconds, as Cloudflare has it.
pub(crate) const LIFE_SECONDS: u64 = 60;

/// The wrapping of every answer but a value.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Result_of_{T}")]
pub(crate) struct Envelope<T> {
    /// Always true; see Failure.
    #[serde(default)]
    pub success: bool,
    /// Always empty.
    #[serde(default)]
    pub errors: Vec<StoreError>,
    /// The parts of the result that could not be given.
    #[serde(default)]
    pub messages: Vec<StoreError>,
    /// The result of the call.
    pub result: T,
    /// On a page of a list: its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_info: Option<PageInfo>,
}

impl<T> Envelope<T> {
    /// A result.
    pub(crate) fn of(result: T) -> Self {
        Self { success: true, errors: Vec::new(), messages: Vec::new(), result, result_info: None }
    }

    /// A page of a list.
    pub(crate) fn page(result: T, info: PageInfo) -> Self {
        Self { result_info: Some(info), ..Self::of(result) }
    }
}

/// A refusal, in the same wrapping.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Failure {
    /// The reason.
    pub errors: Vec<StoreError>,
    /// Always empty.
    pub messages: Vec<String>,
    /// Always null.
    pub result: (),
    /// Always false.
    pub success: bool,
}

impl Failure {
    /// A refusal for this reason.
    #[must_use]
    pub(crate) fn of(code: u32, message: &str) -> Self {
        let errors = vec![StoreError { code, message: message.to_owned() }];
        Self { errors, messages: Vec::new(), result: (), success: false }
    }
}

/// A reason for a refusal, or for a part of a result that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StoreError {
    /// Cloudflare's code where it is known; otherwise 90,000 and the status code.
    pub code: u32,
    /// The reason in a sentence.
    pub message: String,
}

/// The place of a page in its list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct PageInfo {
    /// Items on this page.
    pub count: u64,
    /// Of records: where the next page begins; empty on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Of namespaces: number of this page, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// Of namespaces: the most items on a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_page: Option<u64>,
    /// Of namespaces: items on all pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_count: Option<u64>,
    /// Of namespaces: pages in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_pages: Option<u64>,
}

/// A title for a new or renamed namespace.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TitleRequest {
    /// Unique among namespaces.
    pub title: String,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Namespace")]
pub(crate) struct NamespaceEntry {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Always true.
    #[serde(default)]
    pub supports_url_encoding: bool,
    /// Its name for people.
    pub title: String,
}

/// A record in a list of names.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ListedRecord")]
pub(crate) struct ListedRecord<N = String> {
    /// Its name.
    pub name: N,
    /// When it expires, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<u64>,
    /// Its metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
}

/// A record in a bulk write. Unknown members are ignored, as Cloudflare does.
#[derive(Deserialize, JsonSchema)]
#[serde(bound(deserialize = "T: Deserialize<'de>, M: Deserialize<'de>"))]
#[schemars(rename = "BulkPut", bound = "T: JsonSchema, M: JsonSchema")]
pub(crate) struct BulkPut<T = String, M = Json> {
    /// Name, 1 to 512 bytes.
    pub key: T,
    /// The value as text, or as base64.
    pub value: T,
    /// JSON to keep with it, at most 1,024 bytes.
    #[serde(default)]
    pub metadata: Option<M>,
    /// When it expires, in seconds since 1970; a fraction of a second is dropped.
    #[serde(default)]
    pub expiration: Option<f64>,
    /// Seconds until it expires, at least 60; a fraction of a second is dropped. Takes precedence over
    /// expiration.
    #[serde(default)]
    pub expiration_ttl: Option<f64>,
    /// The value is base64.
    #[serde(default, deserialize_with = "null_as_default")]
    pub base64: bool,
}

/// The names of a bulk read.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BulkGet")]
pub(crate) struct BulkGet<L = Vec<String>> {
    /// At most 100 names.
    pub keys: L,
    /// The form of the values.
    #[serde(default, rename = "type", deserialize_with = "null_as_default")]
    pub form: ValueForm,
    /// Metadata and expiration too.
    #[serde(default, rename = "withMetadata", deserialize_with = "null_as_default")]
    pub with_metadata: bool,
}

/// Reads null as a member that was left out.
fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The form of a value in an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum ValueForm {
    /// As text: bytes that are not UTF-8 are lost.
    #[default]
    Text,
    /// As JSON; null, with a message, where the value is not JSON.
    Json,
    /// As base64, which Cloudflare does not have.
    Base64,
}

/// The records of a bulk read, by name; null for a name without a record.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BulkValues")]
pub(crate) struct BulkValues<R> {
    /// The records.
    pub values: BTreeMap<String, R>,
}

/// A record of a bulk read: the value, or with metadata all of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum BulkFound<V> {
    /// The value in the form asked for.
    Value(V),
    /// With metadata.
    Record(BulkRecord<V>),
}

/// A record of a bulk read with metadata.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BulkRecord")]
pub(crate) struct BulkRecord<V> {
    /// The value in the form asked for.
    pub value: V,
    /// Its metadata.
    pub metadata: Option<Json>,
    /// When it expires, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<u64>,
}

/// The result of a bulk write or delete, which is made whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct BulkCount {
    /// Records written or deleted, absent ones included.
    pub successful_key_count: u64,
    /// Always empty.
    pub unsuccessful_keys: Vec<String>,
}

/// A repair of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Repair")]
pub(crate) struct RepairAnswer {
    /// Where the damaged file is kept; null when the file was sound.
    pub kept: Option<String>,
    /// Records that were written to the new file.
    pub records: u64,
    /// Records that are lost, as far as one of their rows was left.
    pub lost_records: u64,
    /// The first thousand of them.
    pub lost: Vec<LostRecord>,
    /// Pages that are lost. Records of which both rows were in such pages cannot be counted.
    pub lost_pages: u64,
    /// Acknowledged commits that are missing.
    pub lost_commits: u64,
}

/// A record that is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct LostRecord {
    /// Id of its namespace.
    pub namespace: String,
    /// Its id. Its name is known from its entry alone.
    pub record: String,
}

/// The one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Account")]
pub(crate) struct AccountEntry {
    /// Always `default`.
    pub id: String,
    /// Its name for people.
    pub name: String,
}

/// The membership of the caller in the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Membership {
    /// Always `default`.
    pub id: String,
    /// Always `accepted`.
    pub status: String,
    /// The account.
    pub account: AccountEntry,
    /// The caller's roles.
    pub roles: Vec<String>,
}

/// The caller: a person at Cloudflare, here the token or the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StoreUser {
    /// The name in the audit log.
    pub id: String,
}

/// A token that was found valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct VerifiedToken {
    /// The name in the audit log.
    pub id: String,
    /// Always `active`.
    pub status: String,
}
