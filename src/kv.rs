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
//!
//! Over a shared storage each node commits by compare-and-swap on the rows that it changes, and takes the commits
//! of all nodes into its index in their order. No row is written by two nodes but those of one record: each node has
//! its own count of commits, and its own part of the multiset hash, and the parts together are the hash over all
//! records.

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
mod etcd_config;
mod follow;
mod follower;
mod group_commit;
mod index;
mod load;
mod multiset_hash;
mod name;
mod namespace;
mod namespaces;
mod node_number;
mod node_sums;
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
mod shared_commit;
mod shared_load;
mod snapshot;
mod store;
mod store_format;
mod sweep;
mod write;

pub(crate) use compaction::Compaction;
#[cfg(feature = "etcd")]
pub(crate) use config::EngineChoice;
pub(crate) use config::{CALLS_SMALL_BYTES, CALLS_TINY_BYTES, KvConfig};
pub use edit::Put;
pub use edit::{METADATA_LIMIT, VALUE_LIMIT};
pub use error::KvError;
pub use name::NAME_LIMIT;
pub(crate) use name::RecordName;
pub use node_number::NodeNumber;
pub(crate) use quota::{Kept, QuotaExceeded, RecordQuota, RecordQuotas};
pub(crate) use read::{ListRange, Metadata};
pub(crate) use snapshot::{RecordsSnapshot, SnapshotRecord};
pub use store::Store;

#[cfg(test)]
mod tests;
