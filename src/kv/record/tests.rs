//! The rows of a record open only with their own address, versions, name and expiry.

use super::*;
use crate::crypto::test_support::generator;
use lavawall_entropy::{Generator, Secret};

const ADDRESS: RecordAddress =
    RecordAddress { namespace: NamespaceId([1; 16]), id: RecordId([2; 16]) };
const HEAD: RowHeader = RowHeader { key_version: 3, version: 4 };

fn material(generator: &Generator) -> KeyMaterial<'_> {
    KeyMaterial::of(generator, DRAWN_BYTES)
}

fn key(byte: u8) -> Key {
    Secret::take(&mut [byte; 32])
}

fn entry(metadata: &[u8]) -> Entry {
    Entry { name: RecordName::of("a name"), expiry: 5, metadata: Zeroizing::new(metadata.to_vec()) }
}

#[test]
fn a_value_opens_only_with_its_own_place_name_versions_and_expiry() {
    let row =
        seal_value(&mut material(&generator()), &key(9), ADDRESS, HEAD, &entry(b""), b"a value");
    let row = row.expect("seeded");
    let (head, _) = RowHeader::read(&row).expect("whole");
    assert_eq!(head, HEAD);
    let open = |address, head, name, expiry| {
        open_value(&key(9), address, head, name, expiry, row.clone()).map(|value| value.to_vec())
    };
    assert_eq!(open(ADDRESS, HEAD, "a name", 5), Ok(b"a value".to_vec()));
    let elsewhere = RecordAddress { namespace: NamespaceId([7; 16]), ..ADDRESS };
    let renamed = RecordAddress { id: RecordId([7; 16]), ..ADDRESS };
    let other_key = RowHeader { key_version: 7, ..HEAD };
    let older = RowHeader { version: 3, ..HEAD };
    for refused in [
        open(elsewhere, HEAD, "a name", 5),
        open(renamed, HEAD, "a name", 5),
        open(ADDRESS, other_key, "a name", 5),
        open(ADDRESS, older, "a name", 5),
        open(ADDRESS, HEAD, "b name", 5),
        open(ADDRESS, HEAD, "a name", 0),
    ] {
        assert_eq!(refused, Err(OpenError));
    }
}

#[test]
fn each_write_has_a_record_key_of_its_own() {
    let generator = generator();
    let record_key = || {
        let row =
            seal_value(&mut material(&generator), &key(9), ADDRESS, HEAD, &entry(b""), b"the same");
        let row = row.expect("seeded");
        let (head, sealed) = RowHeader::read(&row).expect("whole");
        let bound = ADDRESS.data(label::RECORD_KEY, head);
        aead::open_key(&key(9), &bound, &sealed[..SEALED_KEY_BYTES]).expect("opens")
    };
    assert_ne!(record_key(), record_key());
}

#[test]
fn the_value_alone_is_bound_to_all_of_it_too() {
    // As if the record's key were known, or had been opened elsewhere.
    let bound = value_data;
    let all = [
        bound(ADDRESS, HEAD, "a name", 5),
        bound(RecordAddress { namespace: NamespaceId([7; 16]), ..ADDRESS }, HEAD, "a name", 5),
        bound(ADDRESS, RowHeader { version: 3, ..HEAD }, "a name", 5),
        bound(ADDRESS, HEAD, "b name", 5),
        bound(ADDRESS, HEAD, "a name", 0),
    ];
    for (place, data) in all.iter().enumerate() {
        assert!(!all[place + 1..].contains(data), "number {place} equals a later one");
    }
    assert!(bound(ADDRESS, RowHeader { key_version: 7, ..HEAD }, "a name", 5) == all[0]);
}

#[test]
fn an_entry_opens_only_in_its_own_place() {
    let row = seal_entry(&mut material(&generator()), &key(9), ADDRESS, HEAD, &entry(b"{}"))
        .expect("seeded");
    let (head, sealed) = RowHeader::read(&row).expect("whole");
    let Ok(read) = open_entry(&key(9), ADDRESS, head, sealed) else { panic!("it opens") };
    assert_eq!(
        (read.name.as_str(), read.expiry, read.metadata.as_slice()),
        ("a name", 5, &b"{}"[..])
    );
    for (address, head) in [
        (RecordAddress { namespace: NamespaceId([7; 16]), ..ADDRESS }, HEAD),
        (RecordAddress { id: RecordId([7; 16]), ..ADDRESS }, HEAD),
        (ADDRESS, RowHeader { key_version: 7, ..HEAD }),
        (ADDRESS, RowHeader { version: 3, ..HEAD }),
    ] {
        assert!(open_entry(&key(9), address, head, sealed).is_err());
    }
}

#[test]
fn a_value_sealed_anew_opens_under_the_new_key_version_alone() {
    let generator = generator();
    let row =
        seal_value(&mut material(&generator), &key(9), ADDRESS, HEAD, &entry(b""), b"a value");
    let row = row.expect("seeded");
    let new_head = RowHeader { key_version: 4, ..HEAD };
    let (old_key, new_key) = (key(9), key(8));
    let keys = (&old_key, &new_key);
    let heads = (HEAD, new_head);
    let again = reseal_value(&mut material(&generator), keys, ADDRESS, heads, row.clone());
    let again = again.expect("seeded").expect("opens");
    let (head, _) = RowHeader::read(&again).expect("whole");
    assert_eq!(head, new_head);
    let open = |key| open_value(key, ADDRESS, head, "a name", 5, again.clone());
    assert_eq!(open(&new_key).expect("opens").as_slice(), b"a value");
    assert!(open(&old_key).is_err());
    let short = reseal_value(&mut material(&generator), keys, ADDRESS, heads, row[..40].to_vec());
    assert!(short.expect("seeded").is_none(), "a row that is cut short is not sealed anew");
    let wrong = reseal_value(&mut material(&generator), (&new_key, &new_key), ADDRESS, heads, row);
    assert!(wrong.expect("seeded").is_none(), "what does not open is not sealed anew");
}
