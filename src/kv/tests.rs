//! The store's behaviour, over every storage.

mod at_rest;
mod cache;
mod compaction;
mod faults;
mod formats;
mod group_commit;
mod keys;
mod model;
mod nodes;
mod pipeline;
mod snapshots;
mod tampering;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::*;
use crate::audit::Actor;
use crate::crypto::test_support::generator;
use crate::keyring::seal::SealChoice;
use crate::keyring::{Condition, Keyring, NamespaceId, Places};
use crate::kv::engine::{
    Changes, MemoryStorage, RedbStorage, Row, Snapshot, Storage, StorageAccess, StorageError,
    StorageSize, Table,
};
use crate::kv::read::RecordPage;
use lavawall_entropy::Generator;

/// A store and all that belongs to it.
struct Home {
    folder: tempfile::TempDir,
    generator: Arc<Generator>,
    memory: MemoryStorage,
    anchored: bool,
}

type Get =
    dyn Fn(&MemoryStorage, Table, &[u8]) -> Result<Option<Vec<u8>>, StorageError> + Send + Sync;
type Scan = dyn Fn(&MemoryStorage, Range<'_>) -> Result<Vec<Row>, StorageError> + Send + Sync;
type Commit = dyn Fn(&MemoryStorage, &mut Changes<'_>) -> Result<(), StorageError> + Send + Sync;

/// The arguments of a scan.
struct Range<'a> {
    table: Table,
    prefix: &'a [u8],
    after: Option<&'a [u8]>,
    limit: usize,
}

/// A storage in memory that outlives the store above it. A test may replace each of its operations.
struct Double {
    memory: MemoryStorage,
    get: Box<Get>,
    scan: Box<Scan>,
    commit: Box<Commit>,
    /// Called after each snapshot.
    snapshot_taken: Box<dyn Fn() + Send + Sync>,
}

/// A snapshot of a double: rows that are read by its operation.
struct DoubleSnapshot<'a> {
    rows: MemoryStorage,
    get: &'a Get,
}

impl Snapshot for DoubleSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        (self.get)(&self.rows, table, key)
    }
}

impl Double {
    fn over(memory: &MemoryStorage) -> Self {
        Self {
            memory: memory.clone(),
            get: Box::new(MemoryStorage::get),
            scan: Box::new(|memory, range| {
                memory.scan(range.table, range.prefix, range.after, range.limit)
            }),
            commit: Box::new(MemoryStorage::commit),
            snapshot_taken: Box::new(|| {}),
        }
    }

    fn getting(
        self,
        get: impl Fn(&MemoryStorage, Table, &[u8]) -> Result<Option<Vec<u8>>, StorageError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { get: Box::new(get), ..self }
    }

    fn scanning(
        self,
        scan: impl Fn(&MemoryStorage, Range<'_>) -> Result<Vec<Row>, StorageError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { scan: Box::new(scan), ..self }
    }

    fn committing(
        self,
        commit: impl Fn(&MemoryStorage, &mut Changes<'_>) -> Result<(), StorageError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { commit: Box::new(commit), ..self }
    }
}

impl Double {
    fn after_snapshots(self, act: impl Fn() + Send + Sync + 'static) -> Self {
        Self { snapshot_taken: Box::new(act), ..self }
    }
}

impl Storage for Double {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        (self.get)(&self.memory, table, key)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        (self.scan)(&self.memory, Range { table, prefix, after, limit })
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StorageError> {
        drop(self.memory.snapshot()?);
        let rows = MemoryStorage::default();
        rows.set_rows(self.memory.rows());
        (self.snapshot_taken)();
        Ok(Box::new(DoubleSnapshot { rows, get: &*self.get }))
    }

    fn size(&self) -> Option<StorageSize> {
        self.memory.size()
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.memory.compact()
    }

    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError> {
        (self.commit)(&self.memory, batch)
    }
}

impl Home {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a directory"),
            generator: Arc::new(generator()),
            memory: MemoryStorage::default(),
            anchored: false,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn keyring_as_found(&self) -> Arc<Keyring> {
        let places = Places {
            keyring: self.path("keyring"),
            seal_file: self.path("seal-key"),
            audit: self.path("audit.log"),
            anchor: self.anchored.then(|| self.path("anchor")),
        };
        Arc::new(Keyring::load(places, Arc::clone(&self.generator)).expect("readable"))
    }

    fn keyring(&self) -> Arc<Keyring> {
        let keyring = self.keyring_as_found();
        match keyring.condition() {
            Condition::Absent => {
                drop(keyring.init(&Actor::SERVICE, &SealChoice::File).expect("made"));
            }
            _ => assert!(keyring.unseal_stored(&Actor::SERVICE).expect("the seal's file")),
        }
        keyring
    }

    fn store_over(&self, storage: Box<dyn Storage>) -> Store {
        self.accepting(storage, BTreeSet::new())
    }

    fn accepting(&self, storage: Box<dyn Storage>, accept: BTreeSet<NamespaceId>) -> Store {
        Store::new(self.keyring(), Arc::clone(&self.generator), storage, accept)
    }

    /// A store in memory, open, with the rows of earlier ones.
    fn open(&self) -> Store {
        let store = self.store_over(Box::new(Double::over(&self.memory)));
        store.open().expect("opened");
        store
    }

    /// The same in a file.
    fn open_file(&self) -> Store {
        let storage = RedbStorage::open(&self.path("store"), 1 << 20).expect("opened");
        let store = self.store_over(Box::new(storage));
        store.open().expect("opened");
        store
    }
}

/// Runs a test over the double and over redb; `open` opens, or opens again.
fn over_each(test: impl Fn(&dyn Fn() -> Store)) {
    let home = Home::new();
    test(&|| home.open());
    let home = Home::new();
    test(&|| home.open_file());
}

fn put<'a>(name: &'a str, value: &'a [u8]) -> Put<'a> {
    Put { name, value, metadata: None, expiry: None }
}

fn write(store: &Store, id: NamespaceId, name: &str, value: &str) {
    store.put(id, &[put(name, value.as_bytes())], 0).expect("written");
}

fn read(store: &Store, id: NamespaceId, name: &str) -> Option<String> {
    let value = store.get(id, name, 0).expect("readable")?;
    Some(String::from_utf8(value.bytes.to_vec()).expect("text"))
}

fn names(page: &RecordPage) -> Vec<&str> {
    page.records.iter().map(|record| record.name.as_str()).collect()
}

#[test]
fn records_are_read_as_written_also_after_opening_again() {
    over_each(|open| {
        let store = open();
        let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
        let long = "x".repeat(NAME_LIMIT);
        let records = [("a", "1"), ("a/b c", ""), ("ä☃", "snow"), (long.as_str(), "long")];
        for (name, value) in records {
            write(&store, id, name, value);
        }
        write(&store, id, "a", "2");
        drop(store);
        let store = open();
        assert_eq!(read(&store, id, "a").as_deref(), Some("2"));
        for (name, value) in &records[1..] {
            assert_eq!(read(&store, id, name).as_deref(), Some(*value), "{name}");
        }
        assert_eq!(read(&store, id, "absent"), None);
        assert!(store.take_findings().is_empty(), "{:?}", store.take_findings());
    });
}

#[test]
fn metadata_and_expiry_are_kept_with_the_record() {
    over_each(|open| {
        let store = open();
        let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
        let metadata = br#"{"colour":"red"}"#.as_slice();
        let both = Put { name: "both", value: b"v", metadata: Some(metadata), expiry: Some(100) };
        store.put(id, &[both, put("plain", b"v")], 50).expect("written");
        drop(store);
        let store = open();
        let read = store.metadata(id, "both", 50).expect("readable").expect("there");
        assert_eq!(read.json.as_deref().map(Vec::as_slice), Some(metadata));
        assert_eq!(read.expiry, Some(100));
        let read = store.metadata(id, "plain", 50).expect("readable").expect("there");
        assert_eq!((read.json, read.expiry), (None, None));
        assert_eq!(store.metadata(id, "absent", 50).expect("readable"), None);
    });
}

#[test]
fn an_expired_record_is_gone_for_readers_at_once_and_from_the_disk_when_swept() {
    over_each(|open| {
        let store = open();
        let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
        let short = Put { expiry: Some(100), ..put("short", b"v") };
        store.put(id, &[short, put("long", b"v")], 50).expect("written");
        assert!(store.get(id, "short", 99).expect("readable").is_some());
        assert!(store.get(id, "short", 100).expect("readable").is_none());
        assert!(store.metadata(id, "short", 100).expect("readable").is_none());
        assert_eq!(names(&store.list(id, "", None, 10, 100).expect("readable")), ["long"]);
        assert_eq!(store.sweep(99).expect("written"), 0);
        assert_eq!(store.sweep(100).expect("written"), 1);
        assert_eq!(store.report().expect("open")[0].records, 1);
        drop(store);
        assert!(open().get(id, "short", 0).expect("readable").is_none());
        let late = Put { expiry: Some(50), ..put("late", b"v") };
        let store = open();
        assert!(matches!(store.put(id, &[late], 50), Err(KvError::Expired { value: 50, now: 50 })));
    });
}

#[test]
fn deleted_records_are_gone_and_deleting_nothing_is_no_error() {
    over_each(|open| {
        let store = open();
        let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
        for name in ["a", "b", "c"] {
            write(&store, id, name, name);
        }
        store.delete(id, &["a", "absent", "b", "a"]).expect("written");
        let before = store.commits();
        let many: Vec<_> = (0..100).map(|number| format!("absent {number}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        for absent in [["absent"].as_slice(), &many] {
            store.delete(id, absent).expect("nothing to do");
            assert_eq!(store.commits(), before, "nothing to do");
        }
        drop(store);
        let store = open();
        assert_eq!(names(&store.list(id, "", None, 10, 0).expect("readable")), ["c"]);
    });
}

#[test]
fn lists_go_by_prefix_in_byte_order_and_by_pages() {
    over_each(|open| {
        let store = open();
        let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
        for name in ["b", "a2", "a1", "ä", "a10", "B"] {
            write(&store, id, name, "v");
        }
        let list = |prefix, after, limit| {
            let page = store.list(id, prefix, after, limit, 0).expect("readable");
            (names(&page).join(" "), page.more)
        };
        assert_eq!(list("", None, 10), ("B a1 a10 a2 b ä".to_owned(), false));
        assert_eq!(list("a", None, 2), ("a1 a10".to_owned(), true));
        assert_eq!(list("a", Some("a10"), 2), ("a2".to_owned(), false));
        assert_eq!(list("", None, 6), ("B a1 a10 a2 b ä".to_owned(), false));
        assert_eq!(list("zz", None, 6), (String::new(), false));
    });
}

#[test]
fn namespaces_are_apart() {
    over_each(|open| {
        let store = open();
        let first = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
        let second = store.create_namespace(&Actor::SERVICE, "second").expect("made").id;
        write(&store, first, "same", "1");
        write(&store, second, "same", "2");
        store.delete_namespace(&Actor::SERVICE, first).expect("deleted");
        assert!(matches!(store.get(first, "same", 0), Err(KvError::UnknownNamespace(_))));
        assert_eq!(read(&store, second, "same").as_deref(), Some("2"));
        drop(store);
        let store = open();
        assert!(matches!(store.get(first, "same", 0), Err(KvError::UnknownNamespace(_))));
        assert_eq!(read(&store, second, "same").as_deref(), Some("2"));
    });
}

#[test]
fn limits_are_held_and_named() {
    over_each(|open| {
        let store = open();
        let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
        let largest = vec![1; VALUE_LIMIT];
        store.put(id, &[put("largest", &largest)], 0).expect("the limit itself");
        assert!(
            store.get(id, "largest", 0).expect("readable").expect("there").bytes[..] == largest
        );
        let too_large = vec![1; VALUE_LIMIT + 1];
        let error = store.put(id, &[put("larger", &too_large)], 0).expect_err("too large");
        assert_eq!(error.to_string(), "value: at most 26214400 bytes (got 26214401)");
        let metadata = vec![b' '; METADATA_LIMIT + 1];
        for (len, is_good) in [(METADATA_LIMIT, true), (METADATA_LIMIT + 1, false)] {
            let with = Put { metadata: Some(&metadata[..len]), ..put("m", b"") };
            assert_eq!(store.put(id, &[with], 0).is_ok(), is_good, "{len}");
        }
        let long = "x".repeat(NAME_LIMIT + 1);
        for name in ["", ".", "..", &long] {
            assert!(store.put(id, &[put(name, b"")], 0).is_err());
            assert!(store.get(id, name, 0).is_err() && store.delete(id, &[name]).is_err());
        }
    });
}

#[test]
fn one_bad_record_keeps_its_whole_batch_out() {
    over_each(|open| {
        let store = open();
        let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
        assert!(store.put(id, &[put("good", b"1"), put("..", b"2")], 0).is_err());
        assert_eq!(read(&store, id, "good"), None);
        store.put(id, &[put("twice", b"1"), put("twice", b"2")], 0).expect("written");
        assert_eq!(read(&store, id, "twice").as_deref(), Some("2"), "the last one counts");
        assert!(store.take_findings().is_empty());
    });
}

#[test]
fn a_closed_store_gives_nothing_and_says_why() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    store.keyring().seal(&Actor::SERVICE).expect("sealed");
    store.close();
    assert!(!store.is_open());
    let sealed = crate::keyring::KeyringError::Sealed.to_string();
    assert_eq!(store.get(id, "a", 0).expect_err("sealed").to_string(), sealed);
    assert_eq!(store.put(id, &[put("a", b"")], 0).expect_err("sealed").to_string(), sealed);
    assert!(store.open().is_err() && store.create_namespace(&Actor::SERVICE, "second").is_err());
    assert!(store.keyring().unseal_stored(&Actor::SERVICE).expect("the file is there"));
    store.open().expect("opened");
    assert_eq!(read(&store, id, "a").as_deref(), Some("1"));
}

#[test]
fn many_can_read_while_one_writes() {
    let home = Home::new();
    let store = home.open_file();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "0");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let now =
                        read(&store, id, "a").expect("never absent").parse().expect("a number");
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
            });
        }
        for number in 1..200u32 {
            write(&store, id, "a", &number.to_string());
        }
        done.store(true, Ordering::Relaxed);
    });
}
