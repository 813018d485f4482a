//! Disks that fail, generators that refuse.

use super::*;
use crate::kv::storage::Fault;

#[test]
fn what_cannot_be_written_has_not_happened_and_is_possible_again_later() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace("first").expect("made").id;
    write(&store, id, "a", "1");
    home.memory.fail(Some(Fault::Write));
    assert!(matches!(store.put(id, &[put("a", b"2")], 0), Err(KvError::Storage(_))));
    assert!(matches!(store.put(id, &[put("b", b"2")], 0), Err(KvError::Storage(_))));
    assert!(matches!(store.delete(id, &["a"]), Err(KvError::Storage(_))));
    assert!(store.create_namespace("second").is_err());
    assert_eq!(read(&store, id, "a").as_deref(), Some("1"));
    assert_eq!(read(&store, id, "b"), None);
    home.memory.fail(None);
    write(&store, id, "a", "3");
    let again = home.open();
    assert_eq!(read(&again, id, "a").as_deref(), Some("3"));
    assert!(again.findings().is_empty(), "{:?}", again.findings());
    assert_eq!(again.namespaces().expect("open").len(), 1);
}

#[test]
fn a_write_that_is_there_although_it_failed_is_read_and_is_no_damage() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace("first").expect("made").id;
    write(&store, id, "a", "1");
    home.memory.fail(Some(Fault::LateWrite));
    assert!(store.put(id, &[put("a", b"2")], 0).is_err(), "nobody can be told that it is kept");
    home.memory.fail(None);
    assert_eq!(read(&store, id, "a").as_deref(), Some("2"));
    write(&store, id, "b", "3");
    assert!(home.open().findings().is_empty());
}

#[test]
fn when_it_cannot_be_told_what_was_written_everything_is_read_again() {
    /// Writes, says that it did not, and cannot be read until it is mended.
    struct Treacherous(Arc<MemoryStorage>, Arc<AtomicBool>);

    impl Storage for Treacherous {
        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
            self.0.get(table, key)
        }

        fn scan(
            &self,
            table: Table,
            prefix: &[u8],
            after: Option<&[u8]>,
            limit: usize,
        ) -> Result<Vec<Row>, StorageError> {
            self.0.scan(table, prefix, after, limit)
        }

        fn commit(&self, batch: &[Change]) -> Result<(), StorageError> {
            self.0.commit(batch)?;
            if self.1.load(Ordering::Relaxed) {
                self.0.fail(Some(Fault::Read));
                return Err(StorageError { what: "write", reason: "a test says so".to_owned() });
            }
            Ok(())
        }
    }

    let home = Home::new();
    let treacherous = Arc::new(AtomicBool::new(false));
    let storage = Treacherous(Arc::clone(&home.memory), Arc::clone(&treacherous));
    let store = home.store_over(Box::new(storage));
    store.open().expect("opened");
    let id = store.create_namespace("first").expect("made").id;
    write(&store, id, "a", "1");
    treacherous.store(true, Ordering::Relaxed);
    assert!(store.put(id, &[put("a", b"2"), put("b", b"2")], 0).is_err());
    assert!(store.get(id, "a", 0).is_err(), "the disk cannot be read");
    treacherous.store(false, Ordering::Relaxed);
    home.memory.fail(None);
    assert_eq!(read(&store, id, "a").as_deref(), Some("2"));
    assert_eq!(read(&store, id, "b").as_deref(), Some("2"));
    write(&store, id, "c", "3");
    assert!(home.open().findings().is_empty());
}

#[test]
fn a_generator_that_refuses_stops_writing_and_no_reading() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace("first").expect("made").id;
    write(&store, id, "a", "1");
    home.generator.halt("a test".into());
    assert!(matches!(store.put(id, &[put("a", b"2")], 0), Err(KvError::NotReady(_))));
    assert!(matches!(store.delete(id, &["a"]), Err(KvError::NotReady(_))));
    assert_eq!(read(&store, id, "a").as_deref(), Some("1"));
}

#[test]
fn a_namespace_whose_keyring_entry_was_not_written_leaves_nothing() {
    let home = Home::new();
    let store = home.open();
    std::fs::create_dir(home.path("keyring.new")).expect("a directory in the way");
    assert!(store.create_namespace("first").is_err());
    std::fs::remove_dir(home.path("keyring.new")).expect("removed");
    assert_eq!(home.memory.rows().len(), 2, "a sum that is nobody's, and the count");
    let again = home.open();
    assert_eq!(home.memory.rows().len(), 1, "the count");
    assert!(again.findings().is_empty(), "{:?}", again.findings());
}

#[test]
fn rows_that_could_not_be_removed_with_their_namespace_are_removed_later() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace("first").expect("made").id;
    write(&store, id, "a", "1");
    home.memory.fail(Some(Fault::Write));
    store.delete_namespace(id).expect("its keys are gone");
    assert!(home.memory.rows().len() > 1);
    home.memory.fail(None);
    home.open();
    assert_eq!(home.memory.rows().len(), 1, "the count");
}

#[test]
fn a_storage_whose_rows_lead_round_in_a_circle_is_refused_and_does_not_hang() {
    /// Begins from the front again and again, as a damaged tree can.
    struct Circle(Arc<MemoryStorage>);

    impl Storage for Circle {
        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
            self.0.get(table, key)
        }

        fn scan(
            &self,
            table: Table,
            prefix: &[u8],
            _after: Option<&[u8]>,
            limit: usize,
        ) -> Result<Vec<Row>, StorageError> {
            self.0.scan(table, prefix, None, limit)
        }

        fn commit(&self, batch: &[Change]) -> Result<(), StorageError> {
            self.0.commit(batch)
        }
    }

    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace("first").expect("made").id;
    write(&store, id, "a", "1");
    let circle = home.store_over(Box::new(Circle(Arc::clone(&home.memory))));
    let error = circle.open().expect_err("refused").to_string();
    assert!(error.contains("out of order"), "{error}");
}
