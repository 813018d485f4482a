//! Cache of decrypted values: decrypting one costs more than finding it.
//!
//! A value is cached only until its record changes: each write or removal of the record evicts it, and a record
//! version is never used twice. All values are zeroized when the store is closed.

use std::fmt;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

use crate::keyring::NamespaceId;
use crate::kv::record::RecordAddress;

/// The overhead of a cached value in bytes: address, version, links.
const OVERHEAD_BYTES: usize = 128;

/// Longer values, in bytes, are not cached: one of them would evict a thousand others.
const VALUE_MOST: usize = 64 << 10;

/// The expected size of a value with its overhead, in bytes. It only determines how many evicted addresses
/// are remembered.
const EXPECTED_BYTES: usize = 1024;

/// Recently read values.
pub(crate) struct ValueCache(Option<Cache<RecordAddress, CachedValue, Weight>>);

/// A value, and its record version.
#[derive(Clone)]
struct CachedValue {
    version: u64,
    value: Arc<Zeroizing<Vec<u8>>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<RecordAddress, CachedValue> for Weight {
    fn weight(&self, _: &RecordAddress, cached: &CachedValue) -> u64 {
        (cached.value.len() + OVERHEAD_BYTES) as u64
    }
}

impl ValueCache {
    /// Caches up to `bytes` bytes; disabled with 0.
    pub(crate) fn of(bytes: usize) -> Self {
        let cache = || Cache::with_weighter(bytes / EXPECTED_BYTES, bytes as u64, Weight);
        Self((bytes > 0).then(cache))
    }

    /// The value of this version of a record, if it is cached.
    pub(crate) fn get(&self, address: RecordAddress, version: u64) -> Option<Zeroizing<Vec<u8>>> {
        let cached = self.0.as_ref()?.get(&address)?;
        (cached.version == version).then(|| Zeroizing::new(cached.value.to_vec()))
    }

    /// Whether a value of `bytes` bytes would be cached.
    pub(crate) fn takes(&self, bytes: usize) -> bool {
        self.0.is_some() && bytes <= VALUE_MOST
    }

    /// Caches the value of this version of a record.
    pub(crate) fn add(&self, address: RecordAddress, version: u64, value: &[u8]) {
        if let Some(cache) = &self.0 {
            let value = Arc::new(Zeroizing::new(value.to_vec()));
            cache.insert(address, CachedValue { version, value });
        }
    }

    /// Removes and zeroizes the value of a record.
    pub(crate) fn remove(&self, address: RecordAddress) {
        self.0.as_ref().map(|cache| cache.remove(&address));
    }

    /// Removes and zeroizes the values of a namespace.
    pub(crate) fn remove_namespace(&self, namespace: NamespaceId) {
        if let Some(cache) = &self.0 {
            cache.retain(|address, _| address.namespace != namespace);
        }
    }

    /// Removes and zeroizes all values.
    pub(crate) fn clear(&self) {
        if let Some(cache) = &self.0 {
            cache.clear();
        }
    }

    /// The number of cached values.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Cache::len)
    }
}

impl fmt::Debug for ValueCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueCache").finish_non_exhaustive()
    }
}
