//! Stores of other formats.

use super::*;
use crate::kv::engine::Change;

const KEY: &[u8] = b"format";

fn row(format: u32) -> Vec<u8> {
    [format.to_be_bytes(), (!format).to_be_bytes()].concat()
}

fn set(home: &Home, row: Option<Vec<u8>>) {
    let change = match row {
        Some(row) => Change::Put(Table::Store, KEY.to_vec(), row),
        None => Change::Delete(Table::Store, KEY.to_vec()),
    };
    home.memory.commit(&mut std::iter::once(Ok(change))).expect("written");
}

fn stored(home: &Home) -> Option<Vec<u8>> {
    home.memory.get(Table::Store, KEY).expect("readable")
}

/// A store with one record.
fn with_record() -> (Home, NamespaceId) {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    (home, id)
}

#[test]
fn a_store_of_a_later_format_is_refused_by_name_and_left_as_it_is() {
    let (home, id) = with_record();
    for format in [2, 3, u32::MAX] {
        set(&home, Some(row(format)));
        let rows = home.memory.rows();
        let store = home.store_over(Box::new(home.memory.clone()));
        let refused = store.open().expect_err("later").to_string();
        let expected = format!("the store has format {format}; this version reads format 1: ");
        assert!(refused.starts_with(&expected), "{refused}");
        assert!(store.create_namespace(&Actor::SERVICE, "second").is_err());
        assert!(store.put(id, &[put("a", b"2")], 0).is_err());
        assert!(store.compact(&Actor::SERVICE).is_err());
        assert_eq!(home.memory.rows(), rows);
    }
    set(&home, Some(row(1)));
    assert_eq!(read(&home.open(), id, "a").as_deref(), Some("1"));
}

#[test]
fn the_first_write_to_a_store_without_a_format_adds_it() {
    let (home, id) = with_record();
    assert_eq!(stored(&home), Some(row(1)), "a new store has it");
    set(&home, None);
    let store = home.open();
    assert!(store.take_findings().is_empty(), "{:?}", store.take_findings());
    assert_eq!((read(&store, id, "a").as_deref(), stored(&home)), (Some("1"), None));
    write(&store, id, "a", "2");
    assert_eq!(stored(&home), Some(row(1)));
}

#[test]
fn a_damaged_format_is_reported_and_records_are_read() {
    let (home, id) = with_record();
    for damaged in [Vec::new(), vec![0; 8], [row(1), vec![0]].concat(), row(0)] {
        set(&home, Some(damaged));
        let store = home.open();
        assert_eq!(store.take_findings(), ["the row with the store's format is damaged"]);
        assert_eq!(read(&store, id, "a").as_deref(), Some("1"));
    }
}
