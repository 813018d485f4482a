//! One bit of a file is another than was written: in the store, the keyring, the seal's file, the anchor.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use lavawall::Actor;
use lavawall::NamespaceId;
use lavawall::{KvError, Put, Store};
use lavawall_entropy::Generator;

use super::kept;

/// Records, over several commits and several pages.
const RECORDS: usize = 400;

/// Bytes from one flip to the next: prime, so that flips come at every place of a row and a page.
const STEP: usize = 509;

/// Longer than opening takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

fn name(number: usize) -> String {
    format!("name-{number}")
}

fn put(store: &Store, id: NamespaceId, names: &[String]) -> Result<(), KvError> {
    let puts =
        names.iter().map(|name| Put { name, value: name.as_bytes(), metadata: None, expiry: None });
    store.put(id, &puts.collect::<Vec<_>>(), 0)
}

/// Makes a store of many records, closed again.
fn fill(folder: &Path, generator: &Arc<Generator>) -> NamespaceId {
    let store = kept::open(folder, generator).expect("opened");
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let names: Vec<_> = (0..RECORDS).map(name).collect();
    for some in names.chunks(40) {
        put(&store, id, some).expect("written");
    }
    store.anchor_commits().expect("the anchor");
    id
}

/// Opens and uses a store of which something is damaged. Each record is what was written, or refused;
/// none is another, none is said never to have been there.
fn use_damaged(folder: &Path, generator: &Arc<Generator>, id: NamespaceId) {
    let Ok(store) = kept::open(folder, generator) else { return };
    for number in 0..RECORDS {
        let name = name(number);
        match store.get(id, &name, 0) {
            Ok(Some(value)) => assert_eq!(value.bytes.as_slice(), name.as_bytes()),
            Ok(None) => panic!("{name} is said not to be there"),
            Err(_) => {}
        }
    }
    // Whether it can be written or not, it ends.
    drop(put(&store, id, &["new".to_owned()]));
    drop(store.list(id, "", None, RECORDS, 0));
}

#[test]
fn a_flipped_bit_of_the_store_is_refused_and_is_no_panic_no_loop_and_no_other_value() {
    let folder = tempfile::tempdir().expect("a directory");
    let generator = kept::generator(None);
    let id = fill(folder.path(), &generator);
    let good = fs::read(folder.path().join("store")).expect("a store");
    let (done, finished) = mpsc::channel();
    let path = folder.path().to_owned();
    std::thread::spawn(move || {
        let file = path.join("store");
        for at in (0..good.len()).step_by(STEP).chain(0..320) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&file, &bad).expect("written");
            let used = catch_unwind(AssertUnwindSafe(|| use_damaged(&path, &generator, id)));
            done.send((at, used.is_ok())).expect("the test waits");
        }
        // What was acknowledged is there again with the right bytes.
        fs::write(&file, &good).expect("written");
        let store = kept::open(&path, &generator).expect("opened");
        assert_eq!(store.list(id, "", None, RECORDS, 0).expect("readable").records.len(), RECORDS);
    });
    loop {
        match finished.recv_timeout(PATIENCE) {
            Ok((at, is_ok)) => assert!(is_ok, "with a bit of byte {at} flipped"),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs on a damaged store"),
        }
    }
}

#[test]
fn a_store_cut_short_anywhere_is_refused_and_is_no_panic() {
    let folder = tempfile::tempdir().expect("a directory");
    let generator = kept::generator(None);
    let id = fill(folder.path(), &generator);
    let file = folder.path().join("store");
    let good = fs::read(&file).expect("a store");
    for part in 1..40 {
        fs::write(&file, &good[..good.len() * part / 40]).expect("written");
        use_damaged(folder.path(), &generator, id);
    }
    // An empty one is one that was put back: the anchor knows better.
    fs::write(&file, []).expect("written");
    let refused = kept::open(folder.path(), &generator).err().expect("refused");
    assert!(refused.contains("rolled back"), "{refused}");
    fs::write(&file, &good).expect("written");
    kept::open(folder.path(), &generator).expect("opened");
}

#[test]
fn a_flipped_bit_or_a_cut_of_the_keyring_or_its_seal_is_refused_everywhere() {
    let folder = tempfile::tempdir().expect("a directory");
    let generator = kept::generator(None);
    fill(folder.path(), &generator);
    for file in ["keyring", "seal-key"] {
        let path = folder.path().join(file);
        let good = fs::read(&path).expect("there");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, &bad).expect("written");
            let opened = kept::open(folder.path(), &generator);
            assert!(opened.is_err(), "{file} with a bit of byte {at} flipped");
            fs::write(&path, &good[..at]).expect("written");
            let opened = kept::open(folder.path(), &generator);
            assert!(opened.is_err(), "{file} cut at {at}");
        }
        fs::write(&path, &good).expect("written");
    }
    kept::open(folder.path(), &generator).expect("opened");
}

#[test]
fn a_flipped_bit_or_a_cut_of_the_anchor_is_refused_everywhere_also_with_an_older_store_and_keyring()
{
    let folder = tempfile::tempdir().expect("a directory");
    let generator = kept::generator(None);
    let id = fill(folder.path(), &generator);
    let file = |name: &str| folder.path().join(name);
    let old = ["store", "keyring"].map(|name| fs::read(file(name)).expect("there"));
    // Now the anchor knows more than the old files do, by numbers that one bit could make less.
    let store = kept::open(folder.path(), &generator).expect("opened");
    for number in 0..10 {
        put(&store, id, &[name(number)]).expect("written");
        store.keyring().rotate(&Actor::SERVICE, id).expect("rotated");
    }
    store.anchor_commits().expect("the anchor");
    drop(store);
    let new = ["store", "keyring"].map(|name| fs::read(file(name)).expect("there"));
    let good = fs::read(file("anchor")).expect("there");
    for files in [&new, &old] {
        for (name, content) in ["store", "keyring"].into_iter().zip(files) {
            fs::write(file(name), content).expect("written");
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                fs::write(file("anchor"), &bad).expect("written");
                is_damaged(kept::open(folder.path(), &generator), &format!("bit {bit} of {at}"));
            }
            fs::write(file("anchor"), &good[..at]).expect("written");
            is_damaged(kept::open(folder.path(), &generator), &format!("cut at {at}"));
        }
        fs::write(file("anchor"), &good).expect("written");
    }
    let refused = kept::open(folder.path(), &generator).err().expect("the old ones");
    assert!(refused.contains("rolled back"), "{refused}");
    for (name, content) in ["store", "keyring"].into_iter().zip(&new) {
        fs::write(file(name), content).expect("written");
    }
    kept::open(folder.path(), &generator).expect("opened");
}

/// Refused, with the anchor's name and what to think of it.
fn is_damaged(opened: Result<Store, String>, what: &str) {
    let refused = opened.err().unwrap_or_else(|| panic!("{what} is taken"));
    assert!(refused.contains("anchor: is damaged"), "{what}: {refused}");
}

#[test]
fn an_anchor_that_says_more_is_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    let generator = kept::generator(None);
    fill(folder.path(), &generator);
    let path = folder.path().join("anchor");
    let good = fs::read_to_string(&path).expect("there");
    fs::write(&path, good.replace("commits ", "commits 9")).expect("written");
    assert!(kept::open(folder.path(), &generator).is_err(), "its sum is another");
    // As an older version wrote it, without a sum.
    let (lines, _) = good.split_once("sum ").expect("a sum");
    let lines = lines.replace("anchor 2", "anchor 1");
    fs::write(&path, lines.replace("commits ", "commits 9")).expect("written");
    assert!(kept::open(folder.path(), &generator).err().expect("refused").contains("rolled back"));
    fs::write(&path, &lines).expect("written");
    kept::open(folder.path(), &generator).expect("opened");
    assert_eq!(fs::read_to_string(&path).expect("there"), good, "it has a sum from now on");
}
