//! The encrypted key-value store: namespaces of records; nothing of a record is readable at rest.
//!
//! ```text
//! name ── HMAC ──► record id ──► value row: record key under the key version, value under the record key
//!   │                      └───► entry row: name, metadata, expiry, sealed
//!   └► index in memory, loaded when the store is opened: prefix listing, versions, expiries
//! ```
//! The associated data of every row are its namespace, its record and the commit that wrote it, and the
//! index has that commit: a row that was changed, moved, renamed or replaced by an older one does not open,
//! and is reported by its record's id. A multiset hash over all records of a namespace, sealed beside them,
//! detects at the next opening that rows were rolled back together, removed or added.

mod batch;
mod cache;
mod clock_watch;
mod commit_mark;
mod commit_rows;
mod compaction;
mod config;
mod damage;
mod derived_keys;
mod edit;
pub(crate) mod engine;
mod error;
mod group_commit;
mod index;
mod load;
mod multiset_hash;
mod name;
mod namespace;
mod namespaces;
mod pipeline;
mod quota;
mod quota_check;
mod read;
mod read_only;
mod record;
pub(crate) mod record_id;
mod repair;
mod report;
mod reseal;
mod scrub;
mod scrub_progress;
mod snapshot;
mod store;
mod store_format;
mod sweep;
mod write;

pub(crate) use compaction::Compaction;
pub(crate) use config::{CALLS_SMALL_BYTES, CALLS_TINY_BYTES, KvConfig};
pub use edit::Put;
pub use edit::{METADATA_LIMIT, VALUE_LIMIT};
pub use error::KvError;
pub use name::NAME_LIMIT;
pub(crate) use name::RecordName;
pub(crate) use quota::{Kept, QuotaExceeded, RecordQuota, RecordQuotas};
pub(crate) use read::{ListRange, Metadata};
pub(crate) use snapshot::{RecordsSnapshot, SnapshotRecord};
pub use store::Store;

#[cfg(test)]
mod tests;
