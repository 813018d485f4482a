//! Answers about several records show one commit.

use std::sync::Weak;
use std::sync::atomic::AtomicUsize;

use super::*;

/// Records in each bulk write.
const RECORDS: usize = 40;

/// Bulk writes of each writer.
const ROUNDS: usize = 200;

fn names() -> Vec<String> {
    (0..RECORDS).map(|number| format!("name {number:02}")).collect()
}

/// Writes all names in one call, with this text as their values and metadata.
fn write_all(store: &Store, id: NamespaceId, text: &str) {
    let names = names();
    let metadata = Some(text.as_bytes());
    let puts: Vec<_> =
        names.iter().map(|name| Put { metadata, ..put(name, text.as_bytes()) }).collect();
    store.put(id, &puts, 0).expect("written");
}

/// The texts of a bulk read of all names: of values and of metadata.
fn read_all(store: &Store, id: NamespaceId) -> BTreeSet<Option<Vec<u8>>> {
    let names = names();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let records = store.records(id, &names, 0).expect("readable");
    let mut texts = BTreeSet::new();
    for record in records.iter() {
        let found = record.value_and_metadata(usize::MAX).expect("readable");
        let (value, metadata) = found.unzip();
        texts.insert(value.map(|value| value.bytes.to_vec()));
        texts.insert(metadata.and_then(|metadata| metadata.json).map(|json| json.to_vec()));
    }
    texts
}

/// The texts of the metadata of a list of all names, and how many there are.
fn list_all(store: &Store, id: NamespaceId) -> (BTreeSet<Option<Vec<u8>>>, usize) {
    let page = store.list(id, "", None, RECORDS, 0).expect("readable");
    let metadata = page.records.iter().map(|record| record.metadata.json.as_ref());
    (metadata.map(|json| json.map(|json| json.to_vec())).collect(), page.records.len())
}

/// Two writers and two readers at once; each answer shows one bulk write.
fn bulk_writes_are_never_mixed(store: &Store) {
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write_all(store, id, "first");
    let writing = AtomicUsize::new(2);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let writing = &writing;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    write_all(store, id, &format!("{writer} {round}"));
                }
                writing.fetch_sub(1, Ordering::Release);
            });
        }
        scope.spawn(|| {
            while writing.load(Ordering::Acquire) > 0 {
                assert_eq!(read_all(store, id).len(), 1, "values of one bulk write");
            }
        });
        while writing.load(Ordering::Acquire) > 0 {
            let (texts, count) = list_all(store, id);
            assert_eq!((texts.len(), count), (1, RECORDS), "metadata of one bulk write");
        }
    });
}

#[test]
fn answers_never_mix_two_bulk_writes() {
    bulk_writes_are_never_mixed(&Home::new().open());
    let home = Home::new();
    let storage = RedbStorage::open(&home.path("store"), 1 << 20).expect("opened");
    let store = home.store_over(Box::new(storage));
    store.open().expect("opened");
    bulk_writes_are_never_mixed(&store);
}

/// A store in which `count` bulk writes fall between a snapshot and the look at the index, one after each
/// snapshot, as a writer that is faster than a reader makes them.
fn with_writes_after_snapshots(count: usize) -> (Home, Arc<Store>, NamespaceId) {
    let home = Home::new();
    let nowhere: (Weak<Store>, Option<NamespaceId>, usize) = (Weak::new(), None, count);
    let place = Arc::new(Mutex::new(nowhere));
    let shared = Arc::clone(&place);
    let storage = Double::over(&home.memory).after_snapshots(move || {
        let mut place = shared.lock();
        let (Some(store), Some(id)) = (place.0.upgrade(), place.1) else { return };
        if place.2 > 0 {
            place.2 -= 1;
            write_all(&store, id, &format!("later {}", place.2));
        }
    });
    let store = Arc::new(home.store_over(Box::new(storage)));
    store.open().expect("opened");
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write_all(&store, id, "first");
    *place.lock() = (Arc::downgrade(&store), Some(id), count);
    (home, store, id)
}

#[test]
fn a_write_between_snapshot_and_index_makes_the_reader_begin_again() {
    for count in [1, 2, 7, 8] {
        let (_home, store, id) = with_writes_after_snapshots(count);
        assert_eq!(read_all(&store, id), [Some(b"later 0".to_vec())].into(), "{count}");
        let (_home, store, id) = with_writes_after_snapshots(count);
        assert_eq!(list_all(&store, id), ([Some(b"later 0".to_vec())].into(), RECORDS), "{count}");
    }
}

#[test]
fn writes_during_an_answer_are_not_in_it_and_do_not_wait_for_it() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write_all(&store, id, "first");
    let names = names();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let records = store.records(id, &names, 0).expect("readable");
    write_all(&store, id, "second");
    store.delete(id, &names[..1]).expect("deleted");
    for record in records.iter() {
        let (value, metadata) =
            record.value_and_metadata(usize::MAX).expect("readable").expect("there");
        assert_eq!(
            (&**value.bytes, metadata.json.as_deref().map(Vec::as_slice)),
            (b"first".as_slice(), Some(b"first".as_slice()))
        );
    }
    drop(records);
    assert_eq!(list_all(&store, id), ([Some(b"second".to_vec())].into(), RECORDS - 1));
}

#[test]
fn an_answer_after_a_lost_hash_row_is_still_of_one_commit() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write_all(&store, id, "first");
    let rows = home.memory.rows();
    home.memory.set_rows(rows.into_iter().filter(|(table, ..)| *table != Table::Sums).collect());
    assert_eq!(read_all(&store, id), [Some(b"first".to_vec())].into());
}
