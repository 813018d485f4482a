//! The JSON of the Workers KV dialect, and its limits.

use serde::{Deserialize, Serialize};

use crate::api::json::Json;

/// Records in one bulk write or delete.
pub(crate) const BULK_RECORDS: usize = 10_000;

/// Bytes in one bulk write.
pub(crate) const BULK_BYTES: usize = 100_000_000;

/// Names in one bulk read.
pub(crate) const BULK_READS: usize = 100;

/// Namespaces or names on one page.
pub(crate) const PAGE_ITEMS: usize = 1000;

/// The shortest life of a record, in seconds.
pub(crate) const LIFE_SECONDS: u64 = 60;

/// A namespace.
#[derive(Debug, Deserialize)]
pub(crate) struct NamespaceEntry {
    pub(crate) id: String,
    pub(crate) title: String,
}

/// A record in a list of names.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListedRecord {
    pub(crate) name: String,
    /// When it expires, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expiration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Json>,
}
