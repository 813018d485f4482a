//! The contract of a storage, over each engine.

use super::*;
use Change::{Clear, Delete, Put};
use Table::{Entries, Store, Sums, Values};

fn over_each(test: impl Fn(&dyn Storage)) {
    over_each_of_this_process(&test);
    #[cfg(feature = "etcd")]
    test(&etcd_server::EtcdServer::start().storage("test", 1));
}

/// Over those that know their size, and take a batch of any.
fn over_each_of_this_process(test: impl Fn(&dyn Storage)) {
    test(&MemoryStorage::default());
    test(&SharedMemory::default());
    for engine in ENGINES {
        let folder = tempfile::tempdir().expect("a directory");
        test(&*(engine.at)(&folder.path().join(engine.name), 1 << 20));
    }
}

fn put(storage: &dyn Storage, table: Table, key: &[u8], row: &[u8]) {
    commit(storage, [Put(table, key.to_vec(), row.to_vec())]).expect("written");
}

fn commit<const N: usize>(storage: &dyn Storage, batch: [Change; N]) -> Result<(), StorageError> {
    storage.commit(&mut batch.into_iter().map(Ok))
}

fn keys(rows: Vec<Row>) -> Vec<Vec<u8>> {
    rows.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn rows_are_read_as_written_replaced_and_deleted() {
    over_each(|storage| {
        assert_eq!(storage.get(Values, b"a").expect("readable"), None);
        put(storage, Values, b"a", b"1");
        put(storage, Values, b"b", b"");
        put(storage, Values, b"a", b"2");
        assert_eq!(storage.get(Values, b"a").expect("readable"), Some(b"2".to_vec()));
        assert_eq!(storage.get(Values, b"b").expect("readable"), Some(Vec::new()));
        commit(storage, [Delete(Values, b"a".to_vec())]).expect("written");
        commit(storage, [Delete(Values, b"a".to_vec())]).expect("deleting nothing is no error");
        assert_eq!(storage.get(Values, b"a").expect("readable"), None);
    });
}

#[test]
fn tables_are_apart() {
    over_each(|storage| {
        for (table, row) in [(Values, b"1"), (Entries, b"2"), (Sums, b"3"), (Store, b"4")] {
            put(storage, table, b"same", row);
        }
        commit(storage, [Delete(Entries, b"same".to_vec())]).expect("written");
        assert_eq!(storage.get(Values, b"same").expect("readable"), Some(b"1".to_vec()));
        assert_eq!(storage.get(Entries, b"same").expect("readable"), None);
        assert_eq!(storage.get(Store, b"same").expect("readable"), Some(b"4".to_vec()));
    });
}

#[test]
fn a_snapshot_shows_the_rows_of_one_commit_and_no_writer_waits_for_it() {
    over_each(|storage| {
        let both = |row: &[u8]| {
            [Put(Values, b"a".to_vec(), row.to_vec()), Put(Entries, b"a".to_vec(), row.to_vec())]
        };
        commit(storage, both(b"1")).expect("written");
        let before = storage.snapshot().expect("readable");
        assert_eq!(before.get(Values, b"a").expect("readable"), Some(b"1".to_vec()));
        commit(storage, both(b"2")).expect("written");
        commit(storage, [Clear(Values, Vec::new())]).expect("written");
        assert_eq!(before.get(Values, b"a").expect("readable"), Some(b"1".to_vec()));
        assert_eq!(before.get(Entries, b"a").expect("readable"), Some(b"1".to_vec()));
        assert_eq!(before.get(Entries, b"b").expect("readable"), None);
        drop(before);
        let after = storage.snapshot().expect("readable");
        assert_eq!(after.get(Values, b"a").expect("readable"), None);
        assert_eq!(after.get(Entries, b"a").expect("readable"), Some(b"2".to_vec()));
    });
}

#[test]
fn a_batch_is_applied_in_its_order() {
    over_each_of_this_process(|storage| {
        let batch = [
            Put(Values, b"a".to_vec(), b"1".to_vec()),
            Put(Values, b"ab".to_vec(), b"2".to_vec()),
            Clear(Values, b"a".to_vec()),
            Put(Values, b"a".to_vec(), b"3".to_vec()),
            Put(Values, b"b".to_vec(), b"4".to_vec()),
            Delete(Values, b"b".to_vec()),
        ];
        commit(storage, batch).expect("written");
        let rows = storage.scan(Values, b"", None, 10).expect("readable");
        assert_eq!(rows, [(b"a".to_vec(), b"3".to_vec())]);
    });
}

#[test]
fn nothing_is_kept_of_a_batch_that_is_not_whole() {
    over_each(|storage| {
        put(storage, Values, b"a", b"1");
        let why =
            || StorageError { what: StorageAccess::Write, reason: "a test says so".to_owned() };
        let batch = [
            Ok(Put(Values, b"a".to_vec(), b"2".to_vec())),
            Ok(Put(Entries, b"b".to_vec(), b"3".to_vec())),
            Err(why()),
        ];
        let refused = storage.commit(&mut batch.into_iter()).expect_err("not whole");
        assert_eq!(refused.to_string(), why().to_string());
        assert_eq!(storage.get(Values, b"a").expect("readable"), Some(b"1".to_vec()));
        assert_eq!(storage.get(Entries, b"b").expect("readable"), None);
        put(storage, Values, b"a", b"4");
        assert_eq!(storage.get(Values, b"a").expect("readable"), Some(b"4".to_vec()));
    });
}

#[test]
fn a_scan_goes_by_prefix_in_byte_order_and_by_pages() {
    over_each(|storage| {
        let all: [&[u8]; 6] = [b"a", b"p", b"p\x00", b"p1", b"p\xff", b"q"];
        for key in all.iter().rev() {
            put(storage, Values, key, b"");
        }
        let scan = |prefix: &[u8], after: Option<&[u8]>, limit| {
            keys(storage.scan(Values, prefix, after, limit).expect("readable"))
        };
        assert_eq!(scan(b"", None, 10), all);
        assert_eq!(scan(b"p", None, 10), all[1..5]);
        assert_eq!(scan(b"p", None, 2), all[1..3]);
        assert_eq!(scan(b"p", Some(all[2]), 2), all[3..5]);
        assert_eq!(scan(b"p", Some(all[4]), 2), Vec::<Vec<u8>>::new());
        assert_eq!(scan(b"p", Some(b"a"), 1), all[1..2], "what comes before the prefix is no help");
        assert_eq!(scan(b"p", Some(b"q"), 1), Vec::<Vec<u8>>::new());
        assert_eq!(scan(b"nothing", None, 10), Vec::<Vec<u8>>::new());
    });
}

#[test]
fn clearing_takes_what_begins_so_and_nothing_else() {
    over_each(|storage| {
        let all: [&[u8]; 5] = [b"\xff", b"\xff\xff", b"\xff\xff1", b"\xfe\xff", b"a"];
        for key in all {
            put(storage, Sums, key, b"x");
        }
        commit(storage, [Clear(Sums, b"\xff\xff".to_vec())]).expect("written");
        let left = keys(storage.scan(Sums, b"", None, 10).expect("readable"));
        assert_eq!(left, [b"a".to_vec(), b"\xfe\xff".to_vec(), b"\xff".to_vec()]);
        commit(storage, [Clear(Sums, b"\xfe".to_vec())]).expect("written");
        assert_eq!(storage.scan(Sums, b"", None, 10).expect("readable").len(), 2);
    });
}

fn live_bytes(storage: &dyn Storage) -> u64 {
    storage.size().expect("open").live_bytes
}

#[test]
fn the_bytes_of_the_rows_are_counted_with_every_change() {
    over_each_of_this_process(|storage| {
        commit(storage, []).expect("written");
        assert_eq!(live_bytes(storage), 0);
        put(storage, Values, b"key", b"12345");
        put(storage, Sums, b"key", b"");
        assert_eq!(live_bytes(storage), 8 + 3);
        put(storage, Values, b"key", b"1");
        assert_eq!(live_bytes(storage), 4 + 3);
        commit(storage, [Delete(Values, b"other".to_vec()), Delete(Sums, b"key".to_vec())])
            .expect("written");
        assert_eq!(live_bytes(storage), 4);
        put(storage, Values, b"keys", b"12");
        let batch = [
            Put(Values, b"key".to_vec(), b"12".to_vec()),
            Put(Values, b"other".to_vec(), b"12".to_vec()),
            Clear(Values, b"key".to_vec()),
        ];
        commit(storage, batch).expect("written");
        assert_eq!(live_bytes(storage), 7);
        let incomplete = StorageError { what: StorageAccess::Write, reason: String::new() };
        let batch = [Ok(Put(Values, b"key".to_vec(), b"1".to_vec())), Err(incomplete)];
        storage.commit(&mut batch.into_iter()).expect_err("incomplete");
        assert_eq!(live_bytes(storage), 7);
    });
}

#[test]
fn compaction_keeps_every_row_and_makes_no_file_larger() {
    over_each_of_this_process(|storage| {
        let key = |number: u16| number.to_be_bytes().to_vec();
        let rows: Vec<_> =
            (0..2000).map(|number| Ok(Put(Values, key(number), vec![7; 1000]))).collect();
        storage.commit(&mut rows.into_iter()).expect("written");
        let deleted: Vec<_> =
            (0..2000).filter(|it| it % 100 != 0).map(|it| Ok(Delete(Values, key(it)))).collect();
        storage.commit(&mut deleted.into_iter()).expect("written");
        let before = storage.size().expect("open");
        storage.compact().expect("compacted");
        let after = storage.size().expect("open");
        assert_eq!(after.live_bytes, before.live_bytes);
        assert!(after.file_bytes <= before.file_bytes, "{before:?} {after:?}");
        let rows = storage.scan(Values, b"", None, 100).expect("readable");
        assert_eq!(keys(rows), (0..2000).step_by(100).map(key).collect::<Vec<_>>());
        put(storage, Values, b"later", b"1");
        assert_eq!(storage.get(Values, b"later").expect("readable"), Some(b"1".to_vec()));
    });
}

#[test]
fn the_largest_row_is_kept() {
    over_each(|storage| {
        let row = vec![7; 26 << 20];
        put(storage, Values, &[1; 512], &row);
        assert_eq!(storage.get(Values, &[1; 512]).expect("readable"), Some(row));
    });
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join(engine.name);
        put(&*(engine.at)(&path, 1 << 20), Values, b"a", b"1");
        let again = (engine.at)(&path, 1 << 20);
        assert_eq!(again.get(Values, b"a").expect("readable"), Some(b"1".to_vec()));
    }
}
