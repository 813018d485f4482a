//! Values that were read lately, opened: opening one costs more than finding it.
//!
//! A value is held only while it is its record's: who writes or removes the record takes it out, and a
//! record version is never given twice. All of them are wiped when the store is closed.

use std::fmt;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

use crate::keyring::NamespaceId;
use crate::kv::record::Place;

/// What holding a value costs besides its bytes, in bytes: its place, its version, links.
const OVERHEAD_BYTES: usize = 128;

/// Longer values, in bytes, are not held: one of them would push out a thousand others.
const VALUE_MOST: usize = 64 << 10;

/// What is expected of a value, in bytes with its overhead. It only sizes what is remembered of places
/// that were pushed out.
const EXPECTED_BYTES: usize = 1024;

/// Values that were read lately.
pub(crate) struct Opened(Option<Cache<Place, Held, Weight>>);

/// A value, and the version of the record that it is of.
#[derive(Clone)]
struct Held {
    version: u64,
    value: Arc<Zeroizing<Vec<u8>>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Place, Held> for Weight {
    fn weight(&self, _: &Place, held: &Held) -> u64 {
        (held.value.len() + OVERHEAD_BYTES) as u64
    }
}

impl Opened {
    /// Holds up to `bytes` bytes; none with 0.
    pub(crate) fn of(bytes: usize) -> Self {
        let cache = || Cache::with_weighter(bytes / EXPECTED_BYTES, bytes as u64, Weight);
        Self((bytes > 0).then(cache))
    }

    /// The value of this version of a record, if it is held.
    pub(crate) fn get(&self, place: Place, version: u64) -> Option<Zeroizing<Vec<u8>>> {
        let held = self.0.as_ref()?.get(&place)?;
        (held.version == version).then(|| Zeroizing::new(held.value.to_vec()))
    }

    /// Whether a value of so many bytes would be held.
    pub(crate) fn takes(&self, bytes: usize) -> bool {
        self.0.is_some() && bytes <= VALUE_MOST
    }

    /// Holds the value of this version of a record.
    pub(crate) fn add(&self, place: Place, version: u64, value: &[u8]) {
        if let Some(cache) = &self.0 {
            let value = Arc::new(Zeroizing::new(value.to_vec()));
            cache.insert(place, Held { version, value });
        }
    }

    /// Wipes what is held of a record.
    pub(crate) fn remove(&self, place: Place) {
        self.0.as_ref().map(|cache| cache.remove(&place));
    }

    /// Wipes what is held of a namespace.
    pub(crate) fn forget(&self, namespace: NamespaceId) {
        if let Some(cache) = &self.0 {
            cache.retain(|place, _| place.namespace != namespace);
        }
    }

    /// Wipes everything.
    pub(crate) fn clear(&self) {
        if let Some(cache) = &self.0 {
            cache.clear();
        }
    }

    /// How many values are held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Cache::len)
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}
