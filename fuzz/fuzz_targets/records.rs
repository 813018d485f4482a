//! Rows of the store as whoever holds the disk can make them: what is read is what was written, or it is
//! refused, and there is no panic.
#![no_main]

#[path = "../home.rs"]
mod home;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use lavawall::Actor;
use lavawall::{Keyring, NamespaceId};
use lavawall::{MemoryStorage, Table};
use lavawall::{Put, Store};
use lavawall_entropy::Generator;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// What was written: names, and a value and metadata for each.
const RECORDS: [(&str, &str); 3] = [("a", "one"), ("b", "two"), ("c", "")];

/// A store that was written once, and its rows.
struct Written {
    _folder: TempDir,
    generator: Arc<Generator>,
    keyring: Arc<Keyring>,
    id: NamespaceId,
    rows: Vec<(Table, Vec<u8>, Vec<u8>)>,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let generator = home::generator();
    let keyring = Arc::new(home::new_keyring(folder.path(), &generator));
    let rows = MemoryStorage::default();
    let store = store(&rows, &keyring, &generator);
    store.open().expect("opened");
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    for (name, value) in RECORDS {
        let metadata = Some(b"{\"colour\":\"red\"}".as_slice());
        let put = Put { name, value: value.as_bytes(), metadata, expiry: None };
        store.put(id, &[put], 0).expect("written");
    }
    Written { _folder: folder, generator, keyring, id, rows: rows.rows() }
});

// A list of changes: which row, where in it, and what is put there; or how far it is cut.
fuzz_target!(|changes: Vec<(u8, u8, Option<Vec<u8>>)>| {
    let written = &*WRITTEN;
    let mut changed = written.rows.clone();
    for (row, at, bytes) in changes {
        let row = usize::from(row) % changed.len();
        let row = &mut changed[row].2;
        let at = usize::from(at) % (row.len() + 1);
        match bytes {
            Some(bytes) => row[at..].iter_mut().zip(bytes).for_each(|(to, from)| *to = from),
            None => row.truncate(at),
        }
    }
    let rows = MemoryStorage::default();
    rows.set_rows(changed);
    let store = store(&rows, &written.keyring, &written.generator);
    if store.open().is_err() {
        return;
    }
    for (name, value) in RECORDS {
        if let Ok(Some(read)) = store.get(written.id, name, 0) {
            assert_eq!(read.bytes.as_slice(), value.as_bytes());
        }
        if let Ok(Some(read)) = store.metadata(written.id, name, 0) {
            let json = read.json.expect("written with metadata");
            assert_eq!(json.as_slice(), b"{\"colour\":\"red\"}");
        }
    }
    if let Ok(page) = store.list(written.id, "", None, 10, 0) {
        let names = page.records.iter().map(|record| record.name.as_str());
        assert!(names.into_iter().all(|name| RECORDS.iter().any(|(known, _)| *known == name)));
    }
});

fn store(rows: &MemoryStorage, keyring: &Arc<Keyring>, generator: &Arc<Generator>) -> Store {
    let (keyring, generator) = (Arc::clone(keyring), Arc::clone(generator));
    Store::new(keyring, generator, Box::new(rows.clone()), BTreeSet::new())
}
