//! Disks that fail, generators that refuse.

use std::sync::mpsc;

use super::*;
use crate::crypto::test_support::hooked;
use crate::keyring::KeyringError;
use crate::kv::engine::Fault;

#[test]
fn what_cannot_be_written_has_not_happened_and_is_possible_again_later() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    home.memory.fail(Some(Fault::Write));
    assert!(matches!(store.put(id, &[put("a", b"2")], 0), Err(KvError::Storage(_))));
    assert!(matches!(store.put(id, &[put("b", b"2")], 0), Err(KvError::Storage(_))));
    assert!(matches!(store.delete(id, &["a"]), Err(KvError::Storage(_))));
    assert!(store.create_namespace(&Actor::SERVICE, "second").is_err());
    assert_eq!(read(&store, id, "a").as_deref(), Some("1"));
    assert_eq!(read(&store, id, "b"), None);
    home.memory.fail(None);
    write(&store, id, "a", "3");
    let again = home.open();
    assert_eq!(read(&again, id, "a").as_deref(), Some("3"));
    assert!(again.take_findings().is_empty(), "{:?}", again.take_findings());
    assert_eq!(again.namespaces().expect("open").len(), 1);
}

/// A store with a record that was written, although the storage said that it was not.
fn written_late() -> (Home, Store, NamespaceId) {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    home.memory.fail(Some(Fault::LateWrite));
    assert!(store.put(id, &[put("a", b"2")], 0).is_err(), "nobody can be told that it is kept");
    home.memory.fail(None);
    (home, store, id)
}

#[test]
fn a_write_that_is_there_although_it_failed_is_read_and_is_no_damage() {
    let (home, store, id) = written_late();
    assert_eq!(read(&store, id, "a").as_deref(), Some("2"));
    write(&store, id, "b", "3");
    assert!(home.open().take_findings().is_empty());
}

#[test]
fn who_writes_first_after_such_a_write_knows_of_it_too() {
    let (home, store, id) = written_late();
    write(&store, id, "b", "3");
    let again = home.open();
    assert!(again.take_findings().is_empty(), "{:?}", again.take_findings());
    assert_eq!(read(&again, id, "a").as_deref(), Some("2"));
}

#[test]
fn when_it_cannot_be_told_what_was_written_everything_is_read_again() {
    let home = Home::new();
    let treacherous = Arc::new(AtomicBool::new(false));
    let is_treacherous = Arc::clone(&treacherous);
    // Writes, says that it did not, and cannot be read until it is mended.
    let storage = Double::over(&home.memory).committing(move |memory, batch| {
        memory.commit(batch)?;
        if is_treacherous.load(Ordering::Relaxed) {
            memory.fail(Some(Fault::Read));
            return Err(StorageError {
                what: StorageAccess::Write,
                reason: "a test says so".to_owned(),
            });
        }
        Ok(())
    });
    let store = home.store_over(Box::new(storage));
    store.open().expect("opened");
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    treacherous.store(true, Ordering::Relaxed);
    assert!(store.put(id, &[put("a", b"2"), put("b", b"2")], 0).is_err());
    assert!(store.get(id, "a", 0).is_err(), "the disk cannot be read");
    treacherous.store(false, Ordering::Relaxed);
    home.memory.fail(None);
    assert_eq!(read(&store, id, "a").as_deref(), Some("2"));
    assert_eq!(read(&store, id, "b").as_deref(), Some("2"));
    write(&store, id, "c", "3");
    assert!(home.open().take_findings().is_empty());
}

#[test]
fn a_generator_that_refuses_stops_writing_and_no_reading() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    home.generator.halt("a test".into());
    assert!(matches!(store.put(id, &[put("a", b"2")], 0), Err(KvError::NotReady(_))));
    assert!(matches!(store.delete(id, &["a"]), Err(KvError::NotReady(_))));
    assert_eq!(read(&store, id, "a").as_deref(), Some("1"));
}

#[test]
fn a_namespace_whose_keyring_entry_was_not_written_leaves_nothing() {
    let home = Home::new();
    let store = home.open();
    std::fs::create_dir(home.path("keyring.new")).expect("a directory in the way");
    assert!(store.create_namespace(&Actor::SERVICE, "first").is_err());
    std::fs::remove_dir(home.path("keyring.new")).expect("removed");
    assert_eq!(home.memory.rows().len(), 2, "the count and the format");
    let again = home.open();
    assert!(again.take_findings().is_empty(), "{:?}", again.take_findings());
}

#[test]
fn rows_that_could_not_be_removed_with_their_namespace_are_removed_later() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    home.memory.fail(Some(Fault::Write));
    store.delete_namespace(&Actor::SERVICE, id).expect("its keys are gone");
    assert!(home.memory.rows().len() > 2);
    home.memory.fail(None);
    home.open();
    assert_eq!(home.memory.rows().len(), 2, "the count and the format");
}

#[test]
fn a_storage_whose_rows_lead_round_in_a_circle_is_refused_and_does_not_hang() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    // Begins from the front again and again, as a damaged tree can.
    let circle = Double::over(&home.memory)
        .scanning(|memory, range| memory.scan(range.table, range.prefix, None, range.limit));
    let circle = home.store_over(Box::new(circle));
    let error = circle.open().expect_err("refused").to_string();
    assert!(error.contains("out of order"), "{error}");
}

#[test]
fn a_store_that_is_sealed_while_it_is_being_opened_is_closed_in_the_end() {
    let home = Home::new();
    let first = home.open();
    let id = first.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&first, id, "a", "1");
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let waiting = Double::over(&home.memory).scanning(move |memory, range| {
        // The last thing that an opening reads: it has its keys by then.
        if range.table == Table::Sums {
            let _ = begun.send(());
            // An error means that it may go on for good.
            let _ = may_go_on.lock().recv();
        }
        memory.scan(range.table, range.prefix, range.after, range.limit)
    });
    let store = home.store_over(Box::new(waiting));
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| store.open());
        has_begun.recv().expect("the opening reads");
        let sealing = scope.spawn(|| store.seal(&Actor::SERVICE));
        let is_open = || matches!(store.keyring().condition(), Condition::Unsealed(_));
        while is_open() {
            std::thread::yield_now();
        }
        drop(go_on);
        opening.join().expect("no panic").expect("it has its keys");
        sealing.join().expect("no panic").expect("sealed");
    });
    assert!(!store.is_open(), "nothing can be read");
    assert!(matches!(store.get(id, "a", 0), Err(KvError::Keyring(KeyringError::Sealed))));
}

#[test]
fn what_is_left_of_a_deleted_namespace_keeps_nobody_from_the_others_while_the_disk_is_full() {
    let home = Home::new();
    let store = home.open();
    let kept = store.create_namespace(&Actor::SERVICE, "kept").expect("made").id;
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, kept, "a", "1");
    write(&store, id, "a", "1");
    home.memory.fail(Some(Fault::Write));
    store.delete_namespace(&Actor::SERVICE, id).expect("its keys are gone");
    let again = home.open();
    assert_eq!(read(&again, kept, "a").as_deref(), Some("1"));
    assert!(
        again.take_findings().iter().any(|it| it.contains("deleted")),
        "{:?}",
        again.take_findings()
    );
    home.memory.fail(None);
    assert!(home.open().take_findings().is_empty());
}

#[test]
fn a_store_whose_keyring_is_not_there_is_kept_until_it_is_there_again() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    drop(store);
    let rows = home.memory.rows();
    let files = ["keyring", "seal-key"];
    let moved = |file: &str| home.path(&format!("{file}.elsewhere"));
    for file in files {
        std::fs::rename(home.path(file), moved(file)).expect("moved");
    }
    // No other keyring is made beside it.
    let storage = Box::new(home.memory.clone());
    let keyring = home.keyring_as_found();
    let orphaned = Store::new(keyring, Arc::clone(&home.generator), storage, BTreeSet::new());
    assert!(matches!(orphaned.init(&Actor::SERVICE, &SealChoice::File), Err(KvError::Orphaned)));
    assert!(!home.path("keyring").exists());
    // And another keyring removes nothing of it.
    let other = home.store_over(Box::new(home.memory.clone()));
    assert!(matches!(other.open(), Err(KvError::Foreign)));
    assert_eq!(home.memory.rows(), rows);
    for file in files {
        std::fs::rename(moved(file), home.path(file)).expect("moved back");
    }
    assert_eq!(read(&home.open(), id, "a").as_deref(), Some("1"));
}

#[test]
fn what_took_effect_although_it_was_not_complete_is_what_readers_and_writers_see() {
    let (generator, hook) = hooked();
    let home = Home { generator: Arc::new(generator), anchored: true, ..Home::new() };
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    let in_the_way = home.path("anchor.new");
    // The anchor fails between the change, whose last draw is its nonce, and its own writing.
    let incomplete = |draws_before: usize, work: &dyn Fn() -> Result<(), KvError>| {
        let path = in_the_way.clone();
        let mut due: Box<dyn FnOnce() + Send> =
            Box::new(move || std::fs::create_dir(path).expect("a directory in the way"));
        for _ in 0..draws_before {
            let hook = Arc::clone(&hook);
            due = Box::new(move || *hook.lock() = Some(due));
        }
        *hook.lock() = Some(due);
        let error = work().expect_err("not complete");
        assert!(matches!(error, KvError::Keyring(KeyringError::Incomplete(_))), "{error}");
        std::fs::remove_dir(&in_the_way).expect("out of the way");
    };
    incomplete(1, &|| store.rotate(&Actor::SERVICE, id).map(drop));
    assert_eq!(store.report().expect("open")[0].active_version, 2);
    incomplete(0, &|| store.revoke(&Actor::SERVICE, id, 1));
    assert!(matches!(store.get(id, "a", 0), Err(KvError::Revoked { .. })));
    incomplete(0, &|| store.delete_namespace(&Actor::SERVICE, id));
    let written = store.put(id, &[put("b", b"2")], 0);
    assert!(matches!(written, Err(KvError::UnknownNamespace(_))), "nobody could read it later");
    // Its key, its index key, its id, and the nonces of the sum and the count come before.
    incomplete(5, &|| store.create_namespace(&Actor::SERVICE, "second").map(drop));
    let id = store.namespaces().expect("open")[0].id;
    write(&store, id, "a", "1");
}

#[test]
fn records_that_are_deleted_while_a_page_is_read_are_on_it_and_it_is_not_the_end_of_the_list() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let with_metadata = |name| Put { metadata: Some(b"{}"), ..put(name, b"1") };
    store.put(id, &["a", "b", "c"].map(with_metadata), 0).expect("written");
    drop(store);
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let once = Mutex::new(Some((begun, may_go_on)));
    let storage = Double::over(&home.memory).getting(move |memory, table, key| {
        // Stops once, at the first entry that is read.
        let stop = once.lock().take_if(|_| table == Table::Entries);
        if let Some((begun, go_on)) = stop {
            begun.send(()).expect("somebody waits");
            go_on.recv().expect("somebody tells");
        }
        memory.get(table, key)
    });
    let store = home.store_over(Box::new(storage));
    store.open().expect("opened");
    let page = std::thread::scope(|scope| {
        let listing = scope.spawn(|| store.list(id, "", None, 2, 0));
        has_begun.recv().expect("it reads");
        store.delete(id, &["a", "b"]).expect("deleted");
        go_on.send(()).expect("it waits");
        listing.join().expect("no panic").expect("listed")
    });
    assert_eq!((names(&page), page.more), (vec!["a", "b"], true));
    let rest = store.list(id, "", Some("b"), 2, 0).expect("listed");
    assert_eq!((names(&rest), rest.more), (vec!["c"], false));
}
