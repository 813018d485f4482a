//! Key versions of records: rotation, revocation and destruction.

use std::collections::HashSet;

use std::collections::BTreeMap;

use super::*;
use crate::kv::record::RowHeader;

/// How many rows are under each key version.
fn versions_on_disk(home: &Home) -> Vec<u32> {
    let rows = home.memory.rows();
    let of_records = rows.iter().filter(|row| matches!(row.0, Table::Values | Table::Entries));
    let mut versions: Vec<_> =
        of_records.map(|(_, _, row)| RowHeader::read(row).expect("a head").0.key_version).collect();
    versions.sort_unstable();
    versions
}

#[test]
fn rotation_seals_everything_anew_and_then_the_old_version_is_not_needed() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let metadata = Put { metadata: Some(b"{}"), expiry: Some(100), ..put("b", b"2") };
    store.put(id, &[put("a", b"1"), metadata], 0).expect("written");
    assert_eq!(store.rotate(&Actor::SERVICE, id).expect("rotated"), 2);
    write(&store, id, "c", "3");
    let dependents = |store: &Store| store.report().expect("open")[0].dependents.clone();
    assert_eq!(dependents(&store), BTreeMap::from([(1, 2), (2, 1)]));
    assert!(store.destroy_unneeded(&Actor::SERVICE, id).expect("nothing to do").is_empty());
    assert_eq!(store.reseal(id).expect("written"), 2);
    assert_eq!(store.reseal(id).expect("nothing left"), 0);
    assert_eq!(dependents(&store), BTreeMap::from([(2, 3)]));
    assert_eq!(versions_on_disk(&home), [2; 6]);
    assert_eq!(store.destroy_unneeded(&Actor::SERVICE, id).expect("written"), [1]);
    let again = home.open();
    assert!(again.take_findings().is_empty(), "{:?}", again.take_findings());
    for (name, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        assert_eq!(read(&again, id, name).as_deref(), Some(value));
    }
    let metadata = again.metadata(id, "b", 0).expect("readable").expect("there");
    assert_eq!(metadata.expiry, Some(100));
    assert_eq!(metadata.json.as_deref().map(Vec::as_slice), Some(b"{}".as_slice()));
}

#[test]
fn a_rotation_that_was_cut_short_goes_on_after_a_restart() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let names: Vec<_> = (0..1200).map(|number| format!("{number:04}")).collect();
    let puts: Vec<_> = names.iter().map(|name| put(name, name.as_bytes())).collect();
    store.put(id, &puts, 0).expect("written");
    store.rotate(&Actor::SERVICE, id).expect("rotated");
    let first = store.reseal(id).expect("written");
    assert!(first > 0 && first < 1200, "a bounded batch: {first}");
    drop(store);
    let again = home.open();
    let mut moved = first;
    loop {
        match again.reseal(id).expect("written") {
            0 => break,
            more => moved += more,
        }
    }
    assert_eq!(moved, 1200, "each once");
    assert_eq!(again.destroy_unneeded(&Actor::SERVICE, id).expect("written"), [1]);
    assert_eq!(read(&again, id, "0777").as_deref(), Some("0777"));
}

#[test]
fn a_revoked_version_is_read_by_nobody_until_its_records_are_sealed_anew() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let with = Put { metadata: Some(b"{}"), ..put("old", b"1") };
    store.put(id, &[with], 0).expect("written");
    store.rotate(&Actor::SERVICE, id).expect("rotated");
    write(&store, id, "new", "2");
    store.revoke(&Actor::SERVICE, id, 1).expect("revoked");
    for store in [store, home.open()] {
        assert!(matches!(store.get(id, "old", 0), Err(KvError::Revoked { version: 1, .. })));
        assert!(matches!(store.metadata(id, "old", 0), Err(KvError::Revoked { version: 1, .. })));
        assert_eq!(read(&store, id, "new").as_deref(), Some("2"));
    }
    let store = home.open();
    assert_eq!(store.reseal(id).expect("written"), 1);
    assert_eq!(read(&store, id, "old").as_deref(), Some("1"));
}

#[test]
fn what_a_destroyed_version_sealed_is_named_and_the_rest_goes_on() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "old", "1");
    store.rotate(&Actor::SERVICE, id).expect("rotated");
    write(&store, id, "new", "2");
    store.keyring().destroy(&Actor::SERVICE, id, 1).expect("destroyed");
    let again = home.open();
    assert!(matches!(again.get(id, "old", 0), Err(KvError::Destroyed { version: 1, .. })));
    assert_eq!(read(&again, id, "new").as_deref(), Some("2"));
}

#[test]
fn a_copy_of_the_store_does_not_open_once_the_namespace_is_deleted() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    let copy = home.memory.rows();
    store.delete_namespace(&Actor::SERVICE, id).expect("deleted");
    home.memory.set_rows(copy);
    let again = home.open();
    assert!(matches!(again.get(id, "a", 0), Err(KvError::UnknownNamespace(_))));
    assert_eq!(home.memory.rows().len(), 2, "nobody's rows are removed");
}

/// Every nonce in the rows of a storage.
fn nonces(memory: &MemoryStorage) -> Vec<[u8; 12]> {
    let mut found = Vec::new();
    for (table, key, row) in memory.rows() {
        let starts: &[usize] = match table {
            // The record key's and the value's; the entry's; the sum's and the count's.
            Table::Values => &[13, 13 + 60],
            Table::Entries => &[13],
            Table::Store if key == b"format" => &[],
            Table::Sums | Table::Store => &[0],
        };
        found.extend(starts.iter().map(|at| *row[*at..].first_chunk().expect("a nonce")));
    }
    found
}

#[test]
fn no_nonce_comes_twice_over_restarts_and_restored_snapshots() {
    let home = Home::new();
    let id = home.open().create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let mut seen = HashSet::new();
    let mut add = |memory: &MemoryStorage| {
        for nonce in nonces(memory) {
            assert!(seen.insert(nonce), "a nonce twice");
        }
    };
    // Each round writes the same records again: after a restart, and from the snapshot of the first.
    let snapshot = home.memory.rows();
    for round in 0..20 {
        let store = home.open();
        for number in 0..50 {
            write(&store, id, &number.to_string(), "the same");
        }
        store.reseal(id).expect("nothing to do");
        add(&home.memory);
        if round % 2 == 1 {
            home.memory.set_rows(snapshot.clone());
        }
    }
    // In 20 rounds of 152 nonces a repetition would come by chance once in 2⁷³ runs.
    assert_eq!(seen.len(), 20 * (50 * 3 + 2));
}
