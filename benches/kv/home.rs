//! A store in a directory, with a keyring that opens by itself.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lavawall::Actor;
use lavawall::RedbStorage;
use lavawall::SealChoice;
use lavawall::{Condition, Keyring, NamespaceId, Places};
use lavawall::{Put, Store};
use lavawall_entropy::Generator;

/// What every record holds.
pub(crate) const VALUE: [u8; 1024] = [0xa5; 1024];

/// The default of `kv.cache`.
pub(crate) const CACHE: usize = 64 << 20;

/// Where a store lives; gone when this is dropped.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn open(&self) -> Store {
        self.open_with(CACHE)
    }

    /// The same, with so many bytes for the engine's pages.
    pub(crate) fn open_with(&self, cache: usize) -> Store {
        let store = closed(self.folder(), cache);
        store.open().expect("opened");
        store
    }
}

/// The store of a directory, its keyring open; both are made if need be.
pub(crate) fn closed(folder: &Path, cache: usize) -> Store {
    let generator = Arc::new(crate::seeded::generator());
    let keyring = Arc::new(keyring(folder, &generator));
    let storage = RedbStorage::open(&folder.join("store"), cache).expect("opened");
    Store::new(keyring, generator, Box::new(storage), BTreeSet::new())
}

/// The keyring of a directory, open; it is made if need be.
fn keyring(folder: &Path, generator: &Arc<Generator>) -> Keyring {
    let path = |name| -> PathBuf { folder.join(name) };
    let places = Places {
        keyring: path("keyring"),
        seal_file: path("seal-key"),
        audit: path("audit.log"),
        anchor: None,
    };
    let keyring = Keyring::load(places, Arc::clone(generator)).expect("readable");
    match keyring.condition() {
        Condition::Absent => drop(keyring.init(&Actor::SERVICE, &SealChoice::File).expect("made")),
        _ => assert!(keyring.unseal_stored(&Actor::SERVICE).expect("its seal's file is there")),
    }
    keyring
}

/// Names come in no order, as ids of customers do. (The factor is that of Fibonacci hashing: 2⁶⁴ by
/// the golden ratio.)
pub(crate) fn name(number: usize) -> String {
    format!("customers/{:016x}", (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

pub(crate) fn put<'a>(name: &'a str, value: &'a [u8]) -> Put<'a> {
    Put { name, value, metadata: None, expiry: None }
}

/// Writes the records of these numbers in one batch.
pub(crate) fn write(store: &Store, id: NamespaceId, numbers: Range<usize>) {
    let names: Vec<_> = numbers.map(name).collect();
    let puts: Vec<_> = names.iter().map(|name| put(name, &VALUE)).collect();
    store.put(id, &puts, 0).expect("written");
}
