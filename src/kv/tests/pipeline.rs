//! Large batches: sealed by one thread while the storage writes them, and whole or absent all the same.

use super::*;
use crate::crypto::test_support::failing_after;

/// More than are sealed without a thread, and more than are drawn for at once.
const RECORDS: usize = 700;

fn batch() -> Vec<(String, String)> {
    (0..RECORDS).map(|number| (format!("name {number}"), format!("value {number}"))).collect()
}

fn put_all(store: &Store, id: NamespaceId, batch: &[(String, String)]) -> Result<(), KvError> {
    let puts: Vec<_> = batch.iter().map(|(name, value)| put(name, value.as_bytes())).collect();
    store.put(id, &puts, 0)
}

/// That none of the batch is there, and that nothing is amiss.
fn is_untouched(home: &Home, id: NamespaceId) {
    let store = home.open();
    assert_eq!(names(&store.list(id, "", None, 10, 0).expect("listed")), ["before"]);
    assert_eq!(read(&store, id, "before").as_deref(), Some("1"));
    assert!(store.take_findings().is_empty(), "{:?}", store.take_findings());
}

fn with_one_record(home: &Home) -> NamespaceId {
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "before", "1");
    id
}

#[test]
fn a_long_batch_is_read_as_written_also_after_opening_again() {
    over_each(|open| {
        let store = open();
        let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
        let mut batch = batch();
        put_all(&store, id, &batch).expect("written");
        // Written again, in part, and some names twice.
        batch.truncate(100);
        batch.push(("name 7".to_owned(), "the last one counts".to_owned()));
        put_all(&store, id, &batch).expect("written");
        let commits = store.commits();
        drop(store);
        let store = open();
        assert_eq!(store.commits(), commits, "one commit each");
        assert!(store.take_findings().is_empty(), "{:?}", store.take_findings());
        assert_eq!(read(&store, id, "name 7").as_deref(), Some("the last one counts"));
        assert_eq!(read(&store, id, "name 699").as_deref(), Some("value 699"));
        let all = store.list(id, "", None, RECORDS + 1, 0).expect("listed");
        assert_eq!(all.records.len(), RECORDS);
    });
}

#[test]
fn a_generator_that_refuses_half_way_leaves_nothing_of_the_batch() {
    let home = Home::new();
    let id = with_one_record(&home);
    let mut refused = 0;
    for calls in 0.. {
        let storage = Box::new(Double::over(&home.memory));
        let generator = Arc::new(failing_after(calls));
        let store = Store::new(home.keyring(), generator, storage, BTreeSet::new());
        store.open().expect("opened");
        match put_all(&store, id, &batch()) {
            Err(KvError::NotReady(_)) => refused += 1,
            Err(error) => panic!("after {calls} draws: {error}"),
            Ok(()) => break,
        }
        assert_eq!(read(&store, id, "name 0"), None);
        is_untouched(&home, id);
    }
    assert!(refused > 4, "the draws of the records, the sum and the count: {refused}");
}

#[test]
fn a_storage_that_stops_taking_a_long_batch_is_told_of_and_nothing_hangs() {
    for taken in [0, 1, 100] {
        let home = Home::new();
        let id = with_one_record(&home);
        let storage = Double::over(&home.memory).committing(move |_, batch| {
            assert!(batch.take(taken).all(|change| change.is_ok()));
            Err(StorageError { what: StorageAccess::Write, reason: "the disk is full".to_owned() })
        });
        let store = home.store_over(Box::new(storage));
        store.open().expect("opened");
        let error = put_all(&store, id, &batch()).expect_err("not written");
        assert!(error.to_string().contains("the disk is full"), "{error}");
        is_untouched(&home, id);
    }
}
