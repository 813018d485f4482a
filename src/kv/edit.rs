//! Changes of records, as callers ask for them.

use crate::kv::error::KvError;
use crate::kv::name;

/// The largest value in bytes: 25 MiB, the limit of Workers KV.
pub const VALUE_LIMIT: usize = 25 << 20;

/// The largest metadata in bytes of JSON, the limit of Workers KV.
pub const METADATA_LIMIT: usize = 1024;

/// One record to be written.
#[derive(Clone, Copy)]
pub struct Put<'a> {
    /// 1 to [`crate::kv::NAME_LIMIT`] bytes; not `.` or `..`.
    pub name: &'a str,
    /// Up to [`VALUE_LIMIT`] bytes.
    pub value: &'a [u8],
    /// JSON, up to [`METADATA_LIMIT`] bytes.
    pub metadata: Option<&'a [u8]>,
    /// When it expires, in seconds since 1970.
    pub expiry: Option<u64>,
}

/// The change of one record.
#[derive(Clone, Copy)]
pub(crate) enum Edit<'a> {
    /// It is written.
    Put(Put<'a>),
    /// The record of this name is removed, if there is one.
    Delete(&'a str),
}

impl<'a> Edit<'a> {
    pub(crate) fn name(&self) -> &'a str {
        match self {
            Self::Put(put) => put.name,
            Self::Delete(name) => name,
        }
    }

    /// The length of the value that is written, in bytes.
    pub(crate) fn value_length(&self) -> usize {
        match self {
            Self::Put(put) => put.value.len(),
            Self::Delete(_) => 0,
        }
    }
}

impl Put<'_> {
    /// The bytes of its name, metadata and value: within the limits they are less than 2^25.
    pub(crate) fn bytes(&self) -> u32 {
        let bytes = self.name.len() + self.metadata.map_or(0, <[u8]>::len) + self.value.len();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// Checks every limit at the time `now`.
    pub(crate) fn check(&self, now: u64) -> Result<(), KvError> {
        name::check(self.name)?;
        if self.value.len() > VALUE_LIMIT {
            return Err(KvError::ValueLength { limit: VALUE_LIMIT, value: self.value.len() });
        }
        let metadata = self.metadata.map_or(0, <[u8]>::len);
        if metadata > METADATA_LIMIT {
            return Err(KvError::MetadataLength { limit: METADATA_LIMIT, value: metadata });
        }
        match self.expiry {
            Some(value) if value <= now => Err(KvError::Expired { value, now }),
            _ => Ok(()),
        }
    }
}
