//! Group commit: edits that arrive while another commit is in progress.

use std::sync::mpsc::{self, Sender};
use std::thread::scope;

use super::*;
use crate::kv::engine::Change;

/// A store whose next commit after `holds_next` waits for `go_on`.
struct Held {
    store: Store,
    has_begun: mpsc::Receiver<()>,
    go_on: Sender<()>,
    holds_next: Arc<AtomicBool>,
}

impl Held {
    /// `commit` takes the place of the storage's, for those that were not held.
    fn new(
        home: &Home,
        commit: impl Fn(&MemoryStorage, &mut Changes<'_>) -> Result<(), StorageError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let may_go_on = Mutex::new(may_go_on);
        let holds_next = Arc::new(AtomicBool::new(false));
        let holds = Arc::clone(&holds_next);
        let storage = Double::over(&home.memory).committing(move |memory, batch| {
            if !holds.swap(false, Ordering::AcqRel) {
                return commit(memory, batch);
            }
            let _ = begun.send(());
            let _ = may_go_on.lock().recv();
            memory.commit(batch)
        });
        let store = home.store_over(Box::new(storage));
        store.open().expect("opened");
        Self { store, has_begun, go_on, holds_next }
    }

    /// Has these written while a commit is under way; gives what became of each.
    fn write_meanwhile(&self, puts: &[(NamespaceId, String)]) -> Vec<Result<(), KvError>> {
        self.change_meanwhile(puts, |store, id, name| {
            store.put(id, &[put(name, name.as_bytes())], 0)
        })
    }

    /// Has each of these changed, by a thread of its own, while a commit is under way.
    fn change_meanwhile(
        &self,
        records: &[(NamespaceId, String)],
        change: impl Fn(&Store, NamespaceId, &str) -> Result<(), KvError> + Sync,
    ) -> Vec<Result<(), KvError>> {
        let (first, store) = (records[0].0, &self.store);
        self.holds_next.store(true, Ordering::Release);
        scope(|scope| {
            let holder = scope.spawn(move || write(store, first, "holder", "1"));
            self.has_begun.recv().expect("a commit begins");
            let change = &change;
            let one = |(id, name): &'_ (NamespaceId, String)| {
                let (id, name) = (*id, name.clone());
                scope.spawn(move || change(store, id, &name))
            };
            let writers: Vec<_> = records.iter().map(one).collect();
            while store.queue.len() < writers.len() {
                std::thread::yield_now();
            }
            self.go_on.send(()).expect("the commit waits");
            holder.join().expect("no panic");
            writers.into_iter().map(|writer| writer.join().expect("no panic")).collect()
        })
    }
}

fn numbered(id: NamespaceId, count: usize) -> Vec<(NamespaceId, String)> {
    (0..count).map(|number| (id, format!("name {number}"))).collect()
}

#[test]
fn writers_that_come_together_share_a_commit_and_each_has_its_record() {
    let home = Home::new();
    let held = Held::new(&home, MemoryStorage::commit);
    let id = held.store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let puts = numbered(id, 20);
    let before = held.store.commits();
    let results = held.write_meanwhile(&puts);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(held.store.commits() - before, 2, "the one that was under way, and one for all");
    assert_eq!(held.store.queue.len(), 0);
    let again = home.open();
    for (_, name) in &puts {
        assert_eq!(read(&again, id, name).as_ref(), Some(name));
    }
    assert!(again.take_findings().is_empty(), "{:?}", again.take_findings());
}

#[test]
fn deletions_share_a_commit_with_each_other_and_with_writers() {
    let home = Home::new();
    let held = Held::new(&home, MemoryStorage::commit);
    let id = held.store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let records = numbered(id, 20);
    let (gone, written) = records.split_at(10);
    for (_, name) in gone {
        write(&held.store, id, name, name);
    }
    let before = held.store.commits();
    let results = held.change_meanwhile(&records, |store, id, name| {
        if gone.iter().any(|(_, other)| other == name) {
            store.delete(id, &[name])
        } else {
            store.put(id, &[put(name, name.as_bytes())], 0)
        }
    });
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(held.store.commits() - before, 2, "the one that was under way, and one for all");
    let again = home.open();
    assert!(gone.iter().all(|(_, name)| read(&again, id, name).is_none()));
    assert!(written.iter().all(|(_, name)| read(&again, id, name).as_ref() == Some(name)));
    assert!(again.take_findings().is_empty(), "{:?}", again.take_findings());
}

#[test]
fn writers_of_one_name_leave_the_record_of_one_of_them() {
    let home = Home::new();
    let held = Held::new(&home, MemoryStorage::commit);
    let id = held.store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let results = held.write_meanwhile(&[(id, "same".to_owned()), (id, "same".to_owned())]);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let again = home.open();
    assert_eq!(read(&again, id, "same").as_deref(), Some("same"));
    assert!(again.take_findings().is_empty(), "{:?}", again.take_findings());
}

#[test]
fn writers_of_other_namespaces_wait_for_their_own_commit() {
    let home = Home::new();
    let held = Held::new(&home, MemoryStorage::commit);
    let first = held.store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let second = held.store.create_namespace(&Actor::SERVICE, "second").expect("made").id;
    let puts: Vec<_> = [numbered(first, 3), numbered(second, 3)].concat();
    let results = held.write_meanwhile(&puts);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let again = home.open();
    for (id, name) in &puts {
        assert_eq!(read(&again, *id, name).as_ref(), Some(name));
    }
    assert_eq!(names(&again.list(second, "", None, 10, 0).expect("listed")).len(), 3);
}

#[test]
fn when_a_shared_commit_fails_each_writes_alone() {
    let home = Home::new();
    // As if one row of the batch could not be written: two rows of a record, and the sum, the count and the
    // format can.
    let held = Held::new(&home, |memory, batch| {
        let batch: Vec<_> = batch.collect();
        if batch.len() > 5 {
            return Err(StorageError {
                what: StorageAccess::Write,
                reason: "a test says so".to_owned(),
            });
        }
        memory.commit(&mut batch.into_iter())
    });
    let id = held.store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let results = held.write_meanwhile(&numbered(id, 5));
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(names(&home.open().list(id, "", None, 10, 0).expect("listed")).len(), 6);
}

#[test]
fn when_nothing_can_be_written_nobody_is_told_otherwise() {
    let home = Home::new();
    let held = Held::new(&home, |memory, batch| {
        let batch: Vec<_> = batch.collect();
        if batch.iter().any(|change| matches!(change, Ok(Change::Put(Table::Values, ..)))) {
            return Err(StorageError {
                what: StorageAccess::Write,
                reason: "a test says so".to_owned(),
            });
        }
        memory.commit(&mut batch.into_iter())
    });
    let id = held.store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let results = held.write_meanwhile(&numbered(id, 5));
    assert!(results.iter().all(Result::is_err), "{results:?}");
    assert_eq!(held.store.queue.len(), 0);
    assert_eq!(names(&home.open().list(id, "", None, 10, 0).expect("listed")), ["holder"]);
}
