//! The information in a stolen disk.

use super::*;

/// Marks that no file holds by chance.
const NAME: &str = "xylophone-name";
const VALUE: &str = "xylophone-value";
const METADATA: &str = "xylophone-metadata";
const TITLE: &str = "xylophone-title";

#[test]
fn nothing_that_a_user_wrote_is_readable_in_any_file() {
    let home = Home::new();
    let store = home.open_file();
    let id = store.create_namespace(&Actor::SERVICE, TITLE).expect("made").id;
    let records: Vec<_> = (0..10_000)
        .map(|number| {
            let (name, value) = (format!("{NAME}-{number}"), format!("{VALUE}-{number}"));
            (name, value, format!("{{\"mark\":\"{METADATA}-{number}\"}}"))
        })
        .collect();
    for chunk in records.chunks(1000) {
        let puts: Vec<_> = chunk
            .iter()
            .map(|(name, value, metadata)| Put {
                name,
                value: value.as_bytes(),
                metadata: Some(metadata.as_bytes()),
                expiry: None,
            })
            .collect();
        store.put(id, &puts, 0).expect("written");
    }
    store.rename_namespace(&Actor::SERVICE, id, &format!("{TITLE}-2")).expect("renamed");
    let listed = store.list(id, NAME, None, 10, 0).expect("readable");
    assert_eq!(listed.records.len(), 10, "prefixes can be listed all the same");
    let seen = format!("{:?} {:?}", store.report().expect("open"), store.take_findings());
    drop(store);
    let mut files = 0;
    for entry in std::fs::read_dir(home.folder.path()).expect("a directory") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(!holds(&bytes, b"xylophone"));
        files += 1;
    }
    assert_eq!(files, 4, "keyring, seal, audit log and store");
    assert!(!holds(seen.as_bytes(), b"xylophone"));
}

fn holds(bytes: &[u8], mark: &[u8]) -> bool {
    // The first letter is looked for first: this goes over many megabytes.
    bytes.iter().enumerate().any(|(at, byte)| *byte == mark[0] && bytes[at..].starts_with(mark))
}

#[test]
fn the_same_record_written_twice_or_in_two_namespaces_looks_different() {
    let home = Home::new();
    let store = home.open();
    let first = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let second = store.create_namespace(&Actor::SERVICE, "second").expect("made").id;
    write(&store, first, "same", "same");
    let before = home.memory.rows();
    write(&store, first, "same", "same");
    write(&store, second, "same", "same");
    let rows = home.memory.rows();
    let of = |rows: &[(Table, Vec<u8>, Vec<u8>)], id: NamespaceId| {
        let value = rows.iter().find(|row| row.0 == Table::Values && row.1.starts_with(&id.0));
        value.cloned().expect("there")
    };
    assert_ne!(of(&before, first).2, of(&rows, first).2);
    assert_ne!(of(&rows, first).1[16..], of(&rows, second).1[16..], "record ids");
}
