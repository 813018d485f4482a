//! A store of a later format is refused by name, and everything else goes on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lavawall::{Change, RedbStorage, Storage, Table};
use rustix::process::Signal;

use crate::running::{Running, get};
use crate::{TWO_KINDS, namespace};

/// The offsets of the formats in redb's file: the first byte of each commit slot.
const REDB_FORMATS: [usize; 2] = [64, 192];

/// A stopped service with one record; its path and that of the store's file.
fn stopped() -> (Running, String, PathBuf) {
    let mut service = Running::start(TWO_KINDS);
    let id = namespace(&service, "first");
    let record = format!("{id}/values/a");
    assert_eq!(service.namespaces("PUT", &record, "kept").0, 200);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    let store = service.state_dir().join("store");
    (service, record, store)
}

/// Sets or removes the row with the store's format.
fn set_format(store: &std::path::Path, format: Option<u32>) {
    let storage = RedbStorage::open(store, 1 << 20).expect("opened");
    let key = b"format".to_vec();
    let change = match format {
        Some(format) => {
            let row = [format.to_be_bytes(), (!format).to_be_bytes()].concat();
            Change::Put(Table::Store, key, row)
        }
        None => Change::Delete(Table::Store, key),
    };
    storage.commit(&mut std::iter::once(Ok(change))).expect("written");
}

fn rows(store: &std::path::Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let storage = RedbStorage::open(store, 1 << 20).expect("opened");
    let scan = |table| storage.scan(table, b"", None, usize::MAX).expect("readable");
    Table::ALL.into_iter().flat_map(scan).collect()
}

/// Waits until the status has this text.
fn wait_for_status(service: &Running, text: &str) {
    let end = Instant::now() + Duration::from_mins(1);
    while !get(service, "/status").text().contains(text) {
        assert!(Instant::now() < end, "{}", get(service, "/status").text());
        std::thread::yield_now();
    }
}

#[test]
fn a_store_of_a_later_format_is_named_and_kept_and_randomness_goes_on() {
    let (mut service, record, store) = stopped();
    set_format(&store, Some(2));
    let before = rows(&store);
    service.start_again();
    wait_for_status(&service, "the store has format 2; this version reads format 1");
    assert_eq!(get(&service, "/random").status, 200);
    assert_eq!(service.namespaces("GET", &record, "").0, 503);
    assert_eq!(service.namespaces("PUT", &record, "other").0, 503);
    assert_eq!(service.namespaces("POST", "", r#"{"title":"second"}"#).0, 503);
    assert!(get(&service, "/status").text().contains("\"keyring\":{\"state\":\"open\""));
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    assert_eq!(rows(&store), before);
    set_format(&store, Some(1));
    service.start_again();
    assert_eq!(service.namespaces("GET", &record, ""), (200, "kept".to_owned()));
}

#[test]
fn a_store_without_a_format_is_served_and_gets_one_with_the_next_write() {
    let (mut service, record, store) = stopped();
    let format = |store: &std::path::Path| {
        let storage = RedbStorage::open(store, 1 << 20).expect("opened");
        storage.get(Table::Store, b"format").expect("readable")
    };
    assert_eq!(format(&store), Some(vec![0, 0, 0, 1, 255, 255, 255, 254]));
    set_format(&store, None);
    service.start_again();
    assert_eq!(service.namespaces("GET", &record, ""), (200, "kept".to_owned()));
    assert_eq!(service.namespaces("PUT", &record, "other").0, 200);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    assert_eq!(format(&store), Some(vec![0, 0, 0, 1, 255, 255, 255, 254]));
}

#[test]
fn a_file_of_another_format_of_redb_is_not_called_damaged() {
    let (mut service, record, store) = stopped();
    let good = std::fs::read(&store).expect("a store");
    for format in [2, 4] {
        let mut other = good.clone();
        for offset in REDB_FORMATS {
            assert_eq!(other[offset], 3, "the format of redb");
            other[offset] = format;
        }
        std::fs::write(&store, &other).expect("written");
        service.start_again();
        wait_for_status(&service, &format!("its file has format {format} of redb"));
        let status = get(&service, "/status").text();
        assert!(!status.contains("damaged:"), "{status}");
        assert_eq!(get(&service, "/random").status, 200);
        assert_eq!(service.namespaces("GET", &record, "").0, 503);
        service.signal(Signal::TERM);
        assert_eq!(service.wait(), 0);
        assert_eq!(std::fs::read(&store).expect("a store"), other);
    }
    std::fs::write(&store, &good).expect("written");
    service.start_again();
    assert_eq!(service.namespaces("GET", &record, ""), (200, "kept".to_owned()));
}
