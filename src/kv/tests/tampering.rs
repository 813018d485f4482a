//! Changes on the disk are detected and reported, and the other records stay readable.

use zeroize::Zeroizing;

use std::collections::BTreeMap;

use super::*;
use crate::crypto::key_material::KeyMaterial;
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::name::RecordName;
use crate::kv::record;
use crate::kv::record::{Entry, RecordAddress, RowHeader};
use crate::kv::record_id::RecordId;

/// A row as it is kept.
type Kept = (Table, Vec<u8>, Vec<u8>);

/// A namespace with three records, closed, and how its rows look.
fn three() -> (Home, NamespaceId, Vec<Kept>) {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    for name in ["a", "b", "c"] {
        let with = Put { metadata: Some(b"{}"), ..put(name, name.as_bytes()) };
        store.put(id, &[with], 0).expect("written");
    }
    let rows = home.memory.rows();
    (home, id, rows)
}

/// The id of a record, from the row that only it has.
fn id_of(home: &Home, id: NamespaceId, name: &str) -> RecordId {
    let keys = home.keyring().namespace_keys(id).expect("open");
    DerivedKeys::new(&keys).record_id(name)
}

fn rows_of(rows: &[Kept], table: Table, record: RecordId) -> usize {
    let is_it = |(at, key, _): &Kept| *at == table && key.ends_with(&record.0);
    rows.iter().position(is_it).expect("it has a row")
}

/// Reads `name`, which must be named as damaged, and the others, which must be there.
fn only_this_is_damaged(home: &Home, store: &Store, id: NamespaceId, name: &str) {
    let record = id_of(home, id, name);
    let error = store.get(id, name, 0).expect_err("damaged");
    assert!(matches!(error, KvError::Damaged(at) if at == record), "{error}");
    assert!(error.to_string().contains(&record.to_string()));
    for other in ["a", "b", "c"].into_iter().filter(|other| *other != name) {
        assert_eq!(read(store, id, other).as_deref(), Some(other));
    }
}

#[test]
fn any_flipped_bit_of_a_value_is_noticed_and_named() {
    let (home, id, rows) = three();
    let at = rows_of(&rows, Table::Values, id_of(&home, id, "b"));
    for byte in 0..rows[at].2.len() {
        let mut changed = rows.clone();
        changed[at].2[byte] ^= 1 << (byte % 8);
        home.memory.set_rows(changed);
        let store = home.open();
        // The record's version in clear says which key opens it: another one may not exist.
        let error = store.get(id, "b", 0).expect_err("damaged").to_string();
        assert!(error.contains(&id_of(&home, id, "b").to_string()), "byte {byte}: {error}");
        assert_eq!(read(&store, id, "a").as_deref(), Some("a"));
        assert_eq!(read(&store, id, "c").as_deref(), Some("c"));
    }
}

#[test]
fn any_flipped_bit_of_an_entry_is_noticed_and_named() {
    let (home, id, rows) = three();
    let record = id_of(&home, id, "b");
    let at = rows_of(&rows, Table::Entries, record);
    for byte in 0..rows[at].2.len() {
        let mut changed = rows.clone();
        changed[at].2[byte] ^= 1 << (byte % 8);
        home.memory.set_rows(changed);
        let store = home.open();
        let error = store.get(id, "b", 0).expect_err("damaged").to_string();
        assert!(error.contains(&record.to_string()), "byte {byte}: {error}");
        let findings = store.take_findings().join("\n");
        assert!(findings.contains(&record.to_string()), "{findings}");
        assert_eq!(names(&store.list(id, "", None, 9, 0).expect("readable")), ["a", "c"]);
    }
}

#[test]
fn a_row_that_is_cut_short_or_gone_is_noticed_and_named() {
    let (home, id, rows) = three();
    let at = rows_of(&rows, Table::Values, id_of(&home, id, "b"));
    for len in 0..rows[at].2.len() {
        let mut changed = rows.clone();
        changed[at].2.truncate(len);
        home.memory.set_rows(changed);
        only_this_is_damaged(&home, &home.open(), id, "b");
    }
    let mut changed = rows.clone();
    changed.remove(at);
    home.memory.set_rows(changed);
    only_this_is_damaged(&home, &home.open(), id, "b");
}

#[test]
fn swapped_values_are_noticed_and_named() {
    let (home, id, mut rows) = three();
    let a = rows_of(&rows, Table::Values, id_of(&home, id, "a"));
    let b = rows_of(&rows, Table::Values, id_of(&home, id, "b"));
    let row = rows[a].2.clone();
    rows[a].2 = std::mem::replace(&mut rows[b].2, row);
    home.memory.set_rows(rows);
    let store = home.open();
    for name in ["a", "b"] {
        assert!(matches!(store.get(id, name, 0), Err(KvError::Damaged(_))));
    }
    assert_eq!(read(&store, id, "c").as_deref(), Some("c"));
}

#[test]
fn a_record_filed_under_another_name_or_namespace_is_noticed() {
    let (home, id, rows) = three();
    let (a, b) = (id_of(&home, id, "a"), id_of(&home, id, "b"));
    // Both rows of a, in the place of b.
    let mut renamed = rows.clone();
    for table in [Table::Values, Table::Entries] {
        let (from, to) = (rows_of(&rows, table, a), rows_of(&rows, table, b));
        renamed[to].2 = rows[from].2.clone();
    }
    home.memory.set_rows(renamed);
    only_this_is_damaged(&home, &home.open(), id, "b");
    // And in another namespace.
    home.memory.set_rows(rows.clone());
    let other = home.open().create_namespace(&Actor::SERVICE, "second").expect("made").id;
    let mut moved = home.memory.rows();
    for (table, key, row) in &rows {
        if key.ends_with(&a.0) {
            moved.push((*table, [other.0.as_slice(), &a.0].concat(), row.clone()));
        }
    }
    home.memory.set_rows(moved);
    let store = home.open();
    assert!(read(&store, id, "a").is_some());
    assert!(names(&store.list(other, "", None, 9, 0).expect("readable")).is_empty());
    assert!(store.take_findings().join("\n").contains(&a.to_string()));
}

#[test]
fn an_entry_that_names_another_record_than_its_place_is_refused_although_it_opens() {
    let (home, id, mut rows) = three();
    let keys = DerivedKeys::new(&home.keyring().namespace_keys(id).expect("open"));
    let address = RecordAddress { namespace: id, id: keys.record_id("b") };
    let at = rows_of(&rows, Table::Entries, address.id);
    let (head, _) = RowHeader::read(&rows[at].2).expect("a head");
    let entry = Entry { name: RecordName::of("other"), expiry: 0, metadata: Zeroizing::default() };
    // Only an owner of the keys can make this, for example by a bug.
    let key = &keys.active().entry_key;
    let mut material = KeyMaterial::of(&home.generator, record::DRAWN_BYTES);
    rows[at].2 = record::seal_entry(&mut material, key, address, head, &entry).expect("seeded");
    home.memory.set_rows(rows);
    only_this_is_damaged(&home, &home.open(), id, "b");
    assert_eq!(read(&home.open(), id, "other"), None);
}

/// Rows of a store in which `b` was written a second time, and its rows from before.
fn rewritten() -> (Home, NamespaceId, Vec<Kept>, Vec<Kept>) {
    let (home, id, before) = three();
    write(&home.open(), id, "b", "newer");
    let after = home.memory.rows();
    (home, id, before, after)
}

#[test]
fn an_older_value_put_back_is_noticed_and_named() {
    let (home, id, before, mut after) = rewritten();
    let record = id_of(&home, id, "b");
    let old = rows_of(&before, Table::Values, record);
    let new = rows_of(&after, Table::Values, record);
    after[new].2 = before[old].2.clone();
    home.memory.set_rows(after.clone());
    only_this_is_damaged(&home, &home.open(), id, "b");
    // Also while the store is open.
    write(&home.open(), id, "b", "newest");
    let store = home.open();
    home.memory.set_rows(after);
    assert!(matches!(store.get(id, "b", 0), Err(KvError::Damaged(at)) if at == record));
}

#[test]
fn an_older_record_put_back_whole_while_the_store_is_open_is_named() {
    let (home, id, before, after) = rewritten();
    let store = home.open();
    let mut changed = after.clone();
    for table in [Table::Values, Table::Entries] {
        let record = id_of(&home, id, "b");
        let (old, new) = (rows_of(&before, table, record), rows_of(&after, table, record));
        changed[new].2 = before[old].2.clone();
    }
    home.memory.set_rows(changed);
    only_this_is_damaged(&home, &store, id, "b");
    assert!(store.metadata(id, "a", 0).expect("readable").is_some());
}

#[test]
fn older_metadata_put_back_while_the_store_is_open_is_named() {
    let (home, id, before) = three();
    let store = home.open();
    let newer = Put { metadata: Some(b"[2]"), ..put("b", b"b") };
    store.put(id, &[newer], 0).expect("written");
    let mut rows = home.memory.rows();
    let record = id_of(&home, id, "b");
    let (old, new) =
        (rows_of(&before, Table::Entries, record), rows_of(&rows, Table::Entries, record));
    rows[new].2 = before[old].2.clone();
    home.memory.set_rows(rows);
    assert!(matches!(store.metadata(id, "b", 0), Err(KvError::Damaged(at)) if at == record));
    assert!(store.metadata(id, "a", 0).expect("readable").is_some());
    let listed = store.list(id, "b", None, 9, 0).expect("readable");
    assert!(listed.records[0].metadata.json.is_none(), "listed, without what does not open");
}

#[test]
fn a_record_that_was_put_back_is_not_sealed_anew_and_its_key_version_is_kept() {
    let (home, id, before, after) = rewritten();
    let store = home.open();
    let record = id_of(&home, id, "b");
    let mut rows = after.clone();
    for table in [Table::Values, Table::Entries] {
        let (old, new) = (rows_of(&before, table, record), rows_of(&after, table, record));
        rows[new].2 = before[old].2.clone();
    }
    home.memory.set_rows(rows);
    store.rotate(&Actor::SERVICE, id).expect("rotated");
    assert_eq!(store.reseal(id).expect("written"), 2, "a and c");
    assert_eq!(store.reseal(id).expect("nothing that can be"), 0);
    assert_eq!(store.report().expect("open")[0].dependents, BTreeMap::from([(1, 1), (2, 2)]));
    assert!(store.destroy_unneeded(&Actor::SERVICE, id).expect("nothing to do").is_empty());
}

#[test]
fn no_key_version_is_destroyed_while_a_record_that_does_not_open_may_need_it() {
    let (home, id, mut rows) = three();
    let at = rows_of(&rows, Table::Entries, id_of(&home, id, "b"));
    rows[at].2[20] ^= 1;
    home.memory.set_rows(rows);
    let store = home.open();
    store.rotate(&Actor::SERVICE, id).expect("rotated");
    assert_eq!(store.reseal(id).expect("written"), 2, "a and c");
    assert!(store.destroy_unneeded(&Actor::SERVICE, id).expect("nothing to do").is_empty());
    store.delete(id, &["b"]).expect("deleted");
    assert_eq!(store.destroy_unneeded(&Actor::SERVICE, id).expect("written"), [1]);
}

/// Opens over these rows and expects the namespace to be refused, and another to go on.
fn is_refused(home: &Home, id: NamespaceId, rows: Vec<Kept>) {
    home.memory.set_rows(rows);
    let store = home.open();
    assert!(matches!(store.get(id, "a", 0), Err(KvError::Disagrees(at)) if at == id));
    assert!(matches!(store.list(id, "", None, 9, 0), Err(KvError::Disagrees(_))));
    assert!(matches!(store.put(id, &[put("a", b"")], 0), Err(KvError::Disagrees(_))));
    assert!(store.take_findings().join("\n").contains(&id.to_string()));
    let other = store.create_namespace(&Actor::SERVICE, "another").expect("made").id;
    write(&store, other, "goes", "on");
    store.delete_namespace(&Actor::SERVICE, other).expect("deleted");
}

#[test]
fn rows_put_back_together_taken_away_or_added_are_noticed_when_the_store_is_opened() {
    let (home, id, before, after) = rewritten();
    let record = id_of(&home, id, "b");
    let is_of_record = |(table, key, _): &Kept| *table != Table::Sums && key.ends_with(&record.0);
    // Put back: both rows of b as they were.
    let kept = after.iter().filter(|row| !is_of_record(row));
    let put_back = kept.chain(before.iter().filter(|row| is_of_record(row)));
    is_refused(&home, id, put_back.cloned().collect());
    // Taken away: both rows of b.
    is_refused(&home, id, after.iter().filter(|row| !is_of_record(row)).cloned().collect());
    // All records taken away.
    let bare = |row: &&Kept| matches!(row.0, Table::Sums | Table::Store);
    is_refused(&home, id, after.iter().filter(bare).cloned().collect());
    // And the sum with them, as if nothing had ever been written.
    is_refused(&home, id, after.iter().filter(|row| row.0 == Table::Store).cloned().collect());
    is_refused(&home, id, Vec::new());
    // Added: a record that had been deleted.
    home.memory.set_rows(after.clone());
    home.open().delete(id, &["b"]).expect("deleted");
    let mut added = home.memory.rows();
    added.extend(after.iter().filter(|row| is_of_record(row)).cloned());
    is_refused(&home, id, added);
    // An older sum alone.
    let older_sum = before.iter().filter(|row| row.0 == Table::Sums);
    let rest = after.iter().filter(|row| row.0 != Table::Sums);
    is_refused(&home, id, rest.chain(older_sum).cloned().collect());
}

#[test]
fn a_namespace_that_is_accepted_is_opened_as_it_is_found() {
    let (home, id, rows) = three();
    let record = id_of(&home, id, "b");
    let without = rows.into_iter().filter(|(_, key, _)| !key.ends_with(&record.0)).collect();
    home.memory.set_rows(without);
    let shared = || Box::new(Double::over(&home.memory));
    let store = home.accepting(shared(), BTreeSet::from([id]));
    store.open().expect("opened");
    assert_eq!(names(&store.list(id, "", None, 9, 0).expect("accepted")), ["a", "c"]);
    let again = home.open();
    assert!(again.take_findings().is_empty(), "it is so from then on: {:?}", again.take_findings());
    assert_eq!(names(&again.list(id, "", None, 9, 0).expect("open")), ["a", "c"]);
    assert!(!store.take_findings().is_empty(), "and it is said");
    // The next write writes the commit rows again.
    write(&store, id, "d", "d");
    assert!(home.open().take_findings().is_empty());
}

#[test]
fn only_rows_of_namespaces_with_a_tombstone_are_removed() {
    let home = Home::new();
    let store = home.open();
    let make = |title: &str| {
        let id = store.create_namespace(&Actor::SERVICE, title).expect("made").id;
        store.put(id, &[put("a", b"1")], 0).expect("written");
        id
    };
    let (_kept, deleted) = (make("kept"), make("deleted"));
    let path = home.path("keyring");
    let older = std::fs::read(&path).expect("a keyring");
    let newer = make("newer");
    let rows = home.memory.rows();
    store.delete_namespace(&Actor::SERVICE, deleted).expect("deleted");
    let right = std::fs::read(&path).expect("a keyring");
    let has_rows = |id: NamespaceId| {
        Table::ALL.map(|table| !home.memory.scan(table, &id.0, None, 1).expect("read").is_empty())
    };
    // Rows that no version writes.
    let odd = [(Table::Sums, vec![1, 2, 3], vec![4]), (Table::Entries, vec![9; 15], vec![4])];
    home.memory.set_rows(rows.into_iter().chain(odd.clone()).collect());

    std::fs::write(&path, &older).expect("written");
    let findings = home.open().take_findings().join("\n");
    assert!(findings.contains(&newer.to_string()), "{findings}");
    assert!(!findings.contains(&deleted.to_string()), "it is not deleted in this one: {findings}");
    assert_eq!(has_rows(newer), [true, true, true, false]);
    assert_eq!(has_rows(deleted), [true, true, true, false]);

    std::fs::write(&path, &right).expect("written");
    let store = home.open();
    assert!(store.take_findings().is_empty(), "{:?}", store.take_findings());
    assert_eq!(read(&store, newer, "a").as_deref(), Some("1"));
    assert_eq!(has_rows(deleted), [false; 4]);
    let left = home.memory.rows();
    assert!(odd.iter().all(|row| left.contains(row)), "nothing else is removed");
}

#[test]
fn records_under_a_newer_key_version_agree_again_once_its_keyring_is_back() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    store.put(id, &[put("a", b"1")], 0).expect("written");
    let path = home.path("keyring");
    let older = std::fs::read(&path).expect("a keyring");
    store.rotate(&Actor::SERVICE, id).expect("rotated");
    store.put(id, &[put("b", b"2"), put("c", b"3")], 0).expect("written");
    let right = std::fs::read(&path).expect("a keyring");

    std::fs::write(&path, &older).expect("written");
    let store = home.open();
    assert!(matches!(store.get(id, "b", 0), Err(KvError::UnknownVersion { version: 2, .. })));
    let findings = store.take_findings().join("\n");
    assert!(
        findings.contains("2 records are sealed under key versions that are not in the keyring"),
        "{findings}"
    );
    assert!(!findings.contains("do not open"), "{findings}");
    store.put(id, &[put("d", b"4")], 0).expect("written");
    store.delete(id, &["a"]).expect("deleted");

    std::fs::write(&path, &right).expect("written");
    let store = home.open();
    assert!(store.take_findings().is_empty(), "{:?}", store.take_findings());
    let page = store.list(id, "", None, 9, 0).expect("listed");
    assert_eq!(names(&page), ["b", "c", "d"]);
}

#[test]
fn a_damaged_record_can_be_written_anew_or_deleted() {
    let (home, id, rows) = three();
    for delete in [false, true] {
        let mut changed = rows.clone();
        let at = rows_of(&rows, Table::Entries, id_of(&home, id, "b"));
        changed[at].2[20] ^= 1;
        home.memory.set_rows(changed);
        let store = home.open();
        assert_eq!(store.report().expect("open")[0].damaged, 1);
        if delete {
            store.delete(id, &["b"]).expect("deleted");
        } else {
            write(&store, id, "b", "whole");
        }
        assert_eq!(read(&store, id, "b").as_deref(), (!delete).then_some("whole"));
        let again = home.open();
        assert!(again.take_findings().is_empty(), "{:?}", again.take_findings());
        assert_eq!(read(&again, id, "b").as_deref(), (!delete).then_some("whole"));
    }
}

#[test]
fn a_store_put_back_whole_is_noticed_with_an_anchor_and_only_then() {
    for anchored in [true, false] {
        let home = Home { anchored, ..Home::new() };
        let store = home.open();
        let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
        write(&store, id, "a", "old");
        let old = home.memory.rows();
        write(&store, id, "a", "new");
        store.anchor_commits().expect("written");
        home.memory.set_rows(old);
        let again = home.store_over(Box::new(Double::over(&home.memory)));
        assert_eq!(again.open().is_err(), anchored);
    }
}

#[test]
fn a_count_of_commits_put_back_alone_does_not_bring_versions_back() {
    let (home, id, before, mut after) = rewritten();
    let count = |rows: &[Kept]| rows.iter().position(|row| row.0 == Table::Store).expect("there");
    let (old, new) = (count(&before), count(&after));
    after[new].2 = before[old].2.clone();
    home.memory.set_rows(after.clone());
    let store = home.open();
    // Four puts and the making of the namespace.
    assert_eq!(store.commits(), 5);
    after[new].2[15] ^= 1;
    home.memory.set_rows(after);
    let store = home.open();
    assert_eq!(store.commits(), 5);
    assert!(store.take_findings().join("\n").contains("count of commits"));
    assert_eq!(read(&store, id, "b").as_deref(), Some("newer"));
}

#[test]
fn a_record_whose_entry_is_filed_elsewhere_is_damaged_and_not_absent() {
    let (home, id, mut rows) = three();
    let at = rows_of(&rows, Table::Entries, id_of(&home, id, "b"));
    *rows[at].1.last_mut().expect("a key") ^= 1;
    home.memory.set_rows(rows);
    let store = home.open();
    only_this_is_damaged(&home, &store, id, "b");
    assert!(matches!(store.metadata(id, "b", 0), Err(KvError::Damaged(_))));
    assert_eq!(read(&store, id, "never there"), None);
    // It can be deleted, and then it is absent.
    store.delete(id, &["b"]).expect("deleted");
    assert_eq!(read(&store, id, "b"), None);
}
