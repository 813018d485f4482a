//! The cache of decrypted values: never another record's, never an older one, and none after sealing.

use std::thread;

use super::*;
use crate::kv::record::RecordAddress;

/// A store with a cache, its namespace, and in it the record `a`, read once.
fn holding(home: &Home) -> (Store, NamespaceId) {
    let store = home.open().with_value_cache(1 << 20);
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    assert_eq!(store.cache.len(), 0, "only what is read is held");
    assert_eq!(read(&store, id, "a").as_deref(), Some("1"));
    assert_eq!(store.cache.len(), 1);
    (store, id)
}

#[test]
fn what_was_read_is_read_again_without_its_row() {
    let home = Home::new();
    let (store, id) = holding(&home);
    home.memory.set_rows(Vec::new());
    assert_eq!(read(&store, id, "a").as_deref(), Some("1"));
    assert_eq!(read(&store, id, "b"), None);
}

#[test]
fn what_is_written_removed_or_expired_is_held_no_more() {
    let home = Home::new();
    let (store, id) = holding(&home);
    write(&store, id, "a", "2");
    assert_eq!(store.cache.len(), 0, "wiped when it is written anew");
    assert_eq!(read(&store, id, "a").as_deref(), Some("2"));
    store.delete(id, &["a"]).expect("written");
    assert_eq!(store.cache.len(), 0, "wiped when it is removed");
    assert_eq!(read(&store, id, "a"), None);
    store.put(id, &[Put { expiry: Some(10), ..put("a", b"3") }], 0).expect("written");
    assert!(store.get(id, "a", 9).expect("readable").is_some());
    assert!(store.get(id, "a", 10).expect("readable").is_none(), "expired for readers at once");
    store.sweep(10).expect("written");
    assert_eq!(store.cache.len(), 0, "wiped when it is swept");
}

#[test]
fn nothing_is_held_of_a_deleted_namespace_or_a_closed_store() {
    let home = Home::new();
    let (store, id) = holding(&home);
    let other = store.create_namespace(&Actor::SERVICE, "second").expect("made").id;
    write(&store, other, "a", "other");
    assert_eq!(read(&store, other, "a").as_deref(), Some("other"), "not that of another namespace");
    store.delete_namespace(&Actor::SERVICE, other).expect("deleted");
    assert_eq!(store.cache.len(), 1);
    store.close();
    assert_eq!(store.cache.len(), 0);
    store.open().expect("opened");
    assert_eq!(read(&store, id, "a").as_deref(), Some("1"));
    store.seal(&Actor::SERVICE).expect("sealed");
    assert_eq!(store.cache.len(), 0);
    assert!(store.get(id, "a", 0).is_err());
}

#[test]
fn a_reader_that_comes_late_leaves_nothing_behind() {
    let home = Home::new();
    let (store, id) = holding(&home);
    let address = RecordAddress {
        namespace: id,
        id: store.namespace(id).expect("open").keys().record_id("a"),
    };
    let slot = store.namespace(id).expect("open").index().get("a").expect("there");
    assert!(store.cache.get(address, slot.version).is_some());
    assert!(store.cache.get(address, slot.version + 1).is_none(), "of another version");
    write(&store, id, "a", "2");
    store.cache_value(address, "a", slot, b"1");
    assert_eq!(store.cache.len(), 0, "written anew since");
    let slot = store.namespace(id).expect("open").index().get("a").expect("there");
    store.close();
    store.cache_value(address, "a", slot, b"2");
    assert_eq!(store.cache.len(), 0, "closed since");
}

#[test]
fn a_revoked_version_is_closed_also_to_what_is_held() {
    let home = Home::new();
    let (store, id) = holding(&home);
    store.rotate(&Actor::SERVICE, id).expect("rotated");
    assert_eq!(read(&store, id, "a").as_deref(), Some("1"));
    store.revoke(&Actor::SERVICE, id, 1).expect("revoked");
    assert!(matches!(store.get(id, "a", 0), Err(KvError::Revoked { version: 1, .. })));
}

#[test]
fn what_is_held_is_bounded_and_long_values_are_not_held() {
    let home = Home::new();
    let (store, id) = holding(&home);
    let long = vec![7; (64 << 10) + 1];
    store.put(id, &[put("long", &long)], 0).expect("written");
    let read_long = store.get(id, "long", 0).expect("readable").expect("there");
    assert_eq!(read_long.bytes.as_slice(), long);
    assert_eq!(store.cache.len(), 1, "the long one is not held");
    let value = vec![7; 1000];
    let names: Vec<_> = (0..2000).map(|number| number.to_string()).collect();
    let puts: Vec<_> = names.iter().map(|name| put(name, &value)).collect();
    store.put(id, &puts, 0).expect("written");
    for name in &names {
        assert!(store.get(id, name, 0).expect("readable").is_some());
    }
    let held = store.cache.len();
    assert!((100..=1024).contains(&held), "{held} values of 1,000 bytes in 1 MiB");
}

#[test]
fn readers_beside_a_writer_never_see_an_older_value_again() {
    let home = Home::new();
    let (store, id) = holding(&home);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = 0;
                for _ in 0..5000 {
                    let value = read(&store, id, "a").expect("there");
                    let value: u64 = value.parse().expect("a number");
                    assert!(value >= last, "{value} after {last}");
                    last = value;
                }
            });
        }
        for value in 2..1000_u64 {
            write(&store, id, "a", &value.to_string());
            assert_eq!(read(&store, id, "a"), Some(value.to_string()), "its own writer reads it");
        }
    });
}
