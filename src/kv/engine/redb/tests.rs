//! The file of redb: its mode, and reading it while it cannot be written.

use super::*;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ::redb::StorageBackend;
use ::redb::backends::FileBackend;

#[test]
fn the_file_belongs_to_its_owner_alone() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("store");
    RedbStorage::open(&path, 1 << 20).expect("opened");
    let mode = path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn a_file_that_may_not_be_written_is_read_and_is_written_again_once_it_may() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("store");
    let put =
        |row: &str| std::iter::once(Ok(Change::Put(Table::Values, b"key".to_vec(), row.into())));
    let storage = RedbStorage::open(&path, 1 << 20).expect("opened");
    storage.commit(&mut put("first")).expect("written");
    let read = |storage: &RedbStorage| storage.get(Table::Values, b"key").expect("readable");
    // As after a crash: closing would tidy up, and it may not.
    let crashed = std::fs::read(&path).expect("there");
    drop(storage);
    std::fs::write(&path, &crashed).expect("written");
    // As after a write that a read-only disk refused, which tests/disk has the system do.
    let storage = RedbStorage::at(&path, 1 << 20);
    *storage.opened.write() = Some(OpenFile::Sound(OpenDatabase {
        database: Builder::new()
            .create_with_backend(ReadOnlyFile::open(&path).expect("readable"))
            .expect("mended in memory"),
        live_bytes: None,
        refused: Some("a test says so".to_owned()),
    }));
    assert_eq!(read(&storage).as_deref(), Some(b"first".as_slice()));
    let refused = storage
        .with(StorageAccess::Write, |_| Ok(()), |_| Ok(()))
        .expect_err("it would stay in memory");
    assert_eq!(refused.to_string(), "the store cannot write: a test says so");
    assert_eq!(std::fs::read(&path).expect("there"), crashed, "nothing was written");
    storage.commit(&mut put("second")).expect("it may be written again");
    drop(storage);
    let again = RedbStorage::open(&path, 1 << 20).expect("opened");
    assert_eq!(read(&again).as_deref(), Some(b"second".as_slice()));
}

#[test]
fn a_crash_while_the_file_is_made_leaves_none() {
    let folder = tempfile::tempdir().expect("a directory");
    let (path, draft) = (folder.path().join("store"), folder.path().join("store.new"));
    std::fs::write(&draft, vec![0; 73_728]).expect("written");
    RedbStorage::open(&path, 1 << 20).expect("made anew");
    assert!(path.exists() && !draft.exists());
    // What cannot be made under its other name is not begun under its own.
    std::fs::remove_file(&path).expect("removed");
    std::fs::create_dir(&draft).expect("a directory");
    assert!(RedbStorage::open(&path, 1 << 20).is_err());
    assert!(!path.exists());
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("store");
    std::fs::write(&path, "something else entirely").expect("written");
    assert!(RedbStorage::open(&path, 1 << 20).is_err());
    assert_eq!(std::fs::read(&path).expect("there"), b"something else entirely");
}

/// Writes rows of 1,000 bytes and deletes all but every hundredth.
fn write_and_delete(storage: &RedbStorage, rows: u16) {
    let key = |number: u16| number.to_be_bytes().to_vec();
    let put = |number| Ok(Change::Put(Table::Values, key(number), vec![7; 1000]));
    storage.commit(&mut (0..rows).map(put)).expect("written");
    let delete = |number| Ok(Change::Delete(Table::Values, key(number)));
    let deleted = (0..rows).filter(|number| number % 100 != 0);
    storage.commit(&mut deleted.map(delete)).expect("written");
}

#[test]
fn the_rows_of_a_store_without_the_count_are_counted_when_it_is_opened() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("store");
    let storage = RedbStorage::open(&path, 1 << 20).expect("opened");
    write_and_delete(&storage, 1000);
    let counted = storage.size().expect("open").live_bytes;
    assert_eq!(counted, 10 * 1002);
    drop(storage);
    let database = Builder::new().create(&path).expect("opened");
    let transaction = database.begin_write().expect("begun");
    transaction.delete_table(tables::FIGURES).expect("deleted");
    transaction.commit().expect("written");
    drop(database);
    let storage = RedbStorage::open(&path, 1 << 20).expect("opened");
    assert_eq!(storage.size().expect("open").live_bytes, counted);
}

#[test]
fn a_file_becomes_smaller_by_compaction() {
    let folder = tempfile::tempdir().expect("a directory");
    let storage = RedbStorage::open(&folder.path().join("store"), 1 << 20).expect("opened");
    write_and_delete(&storage, 10_000);
    let before = storage.size().expect("open");
    storage.compact().expect("compacted");
    let after = storage.size().expect("open");
    assert!(before.file_bytes > 10 << 20, "{before:?}");
    assert!(after.file_bytes < 2 << 20, "{after:?}");
}

/// A file that refuses everything after a number of writes, as after a crash.
#[derive(Debug)]
struct Crashing {
    file: FileBackend,
    writes_left: Arc<AtomicUsize>,
}

impl Crashing {
    fn check(&self) -> io::Result<()> {
        if self.writes_left.load(Ordering::Relaxed) > 0 {
            Ok(())
        } else {
            Err(io::Error::other("a test says so"))
        }
    }
}

impl StorageBackend for Crashing {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.check()?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.writes_left.fetch_sub(1, Ordering::Relaxed);
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.writes_left.fetch_sub(1, Ordering::Relaxed);
        self.file.write(offset, data)
    }
}

/// A file that crashes once `writes_left` is used up.
fn crashing(path: &Path, writes_left: &Arc<AtomicUsize>) -> Crashing {
    let file = std::fs::File::options().read(true).write(true).open(path).expect("opened");
    let file = FileBackend::new(file).expect("a file");
    Crashing { file, writes_left: Arc::clone(writes_left) }
}

fn is_sound(storage: &RedbStorage) -> bool {
    matches!(*storage.opened.read(), Some(OpenFile::Sound(_)))
}

#[test]
fn a_crash_at_any_write_of_an_opening_a_commit_and_a_closing_is_no_damage() {
    let folder = tempfile::tempdir().expect("a directory");
    let (path, copy) = (folder.path().join("store"), folder.path().join("copy"));
    let storage = RedbStorage::open(&path, 1 << 20).expect("opened");
    let put = |write| TABLES.map(|table| Ok(Change::Put(table, key(1), row(table, 1, write))));
    storage.commit(&mut put(1).into_iter()).expect("written");
    let crashed = std::fs::read(&path).expect("there");
    drop(storage);
    let closed = std::fs::read(&path).expect("there");
    for (before, bytes) in [("crashed", &crashed), ("closed", &closed)] {
        let mut is_complete = false;
        for writes in 0.. {
            std::fs::write(&copy, bytes).expect("written");
            let writes_left = Arc::new(AtomicUsize::new(writes));
            let work = || -> Result<(), ::redb::Error> {
                let backend = crashing(&copy, &writes_left);
                let storage = RedbStorage::at(&copy, 1 << 20);
                let database = storage.builder().create_with_backend(backend)?;
                let opened = OpenDatabase::of(database, None);
                storage.apply(&opened, &mut put(2).into_iter())?;
                opened.database.close()?;
                Ok(())
            };
            is_complete = contained(work).is_ok();
            let again = RedbStorage::open(&copy, 1 << 20).expect("opened");
            assert!(is_sound(&again), "{before}, after {writes} writes");
            let found = |write| {
                let is_found = |table| {
                    let found = again.get(table, &key(1)).expect("readable");
                    found == Some(row(table, 1, write))
                };
                TABLES.iter().all(|table| is_found(*table))
            };
            assert!(found(2) || (found(1) && !is_complete), "{before}, after {writes} writes");
            if is_complete {
                break;
            }
        }
        assert!(is_complete);
    }
}

#[test]
fn every_row_is_there_after_a_crash_at_any_write_of_a_compaction() {
    let folder = tempfile::tempdir().expect("a directory");
    let (path, copy) = (folder.path().join("store"), folder.path().join("copy"));
    let storage = RedbStorage::open(&path, 1 << 20).expect("opened");
    write_and_delete(&storage, 2000);
    let rows =
        |storage: &RedbStorage| storage.scan(Table::Values, b"", None, 100).expect("readable");
    let expected = rows(&storage);
    assert_eq!(expected.len(), 20);
    drop(storage);
    let mut is_complete = false;
    for writes in 0.. {
        std::fs::copy(&path, &copy).expect("copied");
        let writes_left = Arc::new(AtomicUsize::new(usize::MAX));
        let backend = crashing(&copy, &writes_left);
        let mut database = Builder::new().create_with_backend(backend).expect("opened");
        writes_left.store(writes, Ordering::Relaxed);
        let compacted = contained(|| Ok(database.compact()?));
        is_complete = compacted.is_ok();
        writes_left.store(0, Ordering::Relaxed);
        let _ = contained(|| {
            drop(database);
            Ok(())
        });
        let again = RedbStorage::open(&copy, 1 << 20).expect("opened");
        assert!(is_sound(&again), "after {writes} writes");
        assert_eq!(rows(&again), expected, "after {writes} writes");
        if is_complete {
            break;
        }
    }
    assert!(is_complete);
}

/// The key of a record's rows by its number.
fn key(number: u64) -> Vec<u8> {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes().repeat(4)
}

/// The row of a record in one of the two tables: first the bytes that both rows of one write have.
fn row(table: Table, number: u64, write: u64) -> Vec<u8> {
    let pair = [&[1; 5][..], &write.to_be_bytes()].concat();
    [pair, format!("{number} {write} {table:?}").repeat(12).into_bytes()].concat()
}

const TABLES: [Table; 2] = [Table::Values, Table::Entries];

const ROWS: u64 = 3000;

/// The last write of a record; `None` when it is removed.
fn last_write(number: u64) -> Option<u64> {
    (!number.is_multiple_of(10)).then_some(if number % 40 == 7 { 2 } else { 1 })
}

/// A file with records over three levels of a tree, some of them written again or removed, as a crash leaves it.
fn crashed(path: &std::path::Path) -> Vec<u8> {
    let storage = RedbStorage::open(path, 1 << 20).expect("opened");
    let put = |numbers: Vec<u64>, write| {
        let puts = numbers.into_iter().flat_map(|number| {
            TABLES.map(|table| Ok(Change::Put(table, key(number), row(table, number, write))))
        });
        storage.commit(&mut puts.collect::<Vec<_>>().into_iter()).expect("written");
    };
    for first in (0..ROWS).step_by(500) {
        put((first..first + 500).collect(), 1);
    }
    put((0..ROWS).filter(|number| last_write(*number) == Some(2)).collect(), 2);
    let mut removed = (0..ROWS)
        .step_by(10)
        .flat_map(|number| TABLES.map(|table| Ok(Change::Delete(table, key(number)))));
    storage.commit(&mut removed).expect("written");
    let file = std::fs::read(path).expect("there");
    drop(storage);
    file
}

/// Reads every row of a salvaged file: each is as it was written last, or is known to be lost. Where the last
/// commit has lost its root, all rows are those of the commit before, which the commit mark tells. Gives the
/// number of lost rows.
fn lost_rows(salvaged: &SalvagedRows) -> usize {
    let salvage = salvaged.salvage();
    let (mut lost, mut removed) = (0, 0);
    for (table, number) in TABLES.into_iter().flat_map(|it| (0..ROWS).map(move |at| (it, at))) {
        let key = key(number);
        let is_lost = salvage.is_lost(table, &key) || salvage.unpaired.contains(&key);
        match (salvaged.get(table, &key).expect("readable"), last_write(number)) {
            (Some(found), Some(write)) => {
                assert!(found == row(table, number, write), "{table:?} {number}");
            }
            (Some(_), None) => removed += 1,
            (None, Some(_)) => {
                assert!(is_lost, "{table:?} {number} is gone");
                lost += 1;
            }
            (None, None) => {}
        }
    }
    let is_commit_before = removed == 2 * ROWS / 10 && salvage.lost_pages == 0;
    assert!(removed == 0 || is_commit_before, "{removed} removed rows came back");
    lost
}

/// The pages of a file that hold something.
fn used_pages(file: &[u8]) -> Vec<usize> {
    let is_used = |page: &usize| file[page * 4096..][..4096].iter().any(|byte| *byte != 0);
    (1..file.len() / 4096).filter(is_used).collect()
}

#[test]
fn a_salvage_gives_every_row_but_those_of_damaged_leaves_and_no_removed_or_older_one() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("store");
    let good = crashed(&path);
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        SalvagedRows::read(&path, "a test says so")
    };
    let sound = read(&good).expect("sound");
    let salvage = sound.salvage();
    assert_eq!((salvage.lost_pages, salvage.restored_pages, salvage.found_rows), (0, 0, 0));
    assert_eq!(lost_rows(&sound), 0);
    let (mut losses, mut found) = (std::collections::BTreeSet::new(), 0);
    for page in used_pages(&good) {
        let mut bad = good.clone();
        bad[page * 4096..][..2048].fill(0xff);
        let salvaged = read(&bad).expect("a root is left");
        losses.insert(lost_rows(&salvaged));
        found = found.max(salvaged.salvage().found_rows);
    }
    assert!(losses.first() == Some(&0) && losses.last() < Some(&50), "{losses:?}");
    assert_eq!(found, 2700, "the root of a table");
    // Of the head, only what names the root matters.
    let mut bad = good.clone();
    bad[..64].fill(0);
    assert_eq!(lost_rows(&read(&bad).expect("the slots are left")), 0);
    bad[64..320].fill(0);
    assert!(read(&bad).is_err(), "no root is left");
    assert!(read(&good[..300]).is_err(), "cut short");
}

/// The branch pages of a file.
fn branches(file: &[u8]) -> Vec<usize> {
    used_pages(file).into_iter().filter(|page| file[page * 4096] == 2).collect()
}

#[test]
fn rows_below_a_destroyed_branch_are_taken_only_when_the_other_table_proves_them() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("store");
    let mut bad = crashed(&path);
    for page in branches(&bad) {
        bad[page * 4096..][..4096].fill(0);
    }
    std::fs::write(&path, &bad).expect("written");
    let salvaged = SalvagedRows::read(&path, "a test says so").expect("a root is left");
    assert_eq!(lost_rows(&salvaged), 2 * 2700, "all leaves are there, and nothing proves one");
    assert_eq!(salvaged.salvage().found_rows, 0);
}

#[test]
fn two_rows_of_one_write_that_differ_are_both_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("store");
    let good = crashed(&path);
    // As a commit leaves them that a crash cut short, and whose number another one had again.
    let mut copies = Vec::new();
    for page in used_pages(&good) {
        let mut leaf = good[page * 4096..][..4096].to_vec();
        if let Some(at) = leaf.windows(6).position(|some| some == b"Values") {
            leaf[at] = b'v';
            copies.extend_from_slice(&leaf);
        }
    }
    let mut refused = Vec::new();
    for branch in branches(&good) {
        let mut bad = good.clone();
        bad[branch * 4096..][..4096].fill(0);
        bad.extend_from_slice(&copies);
        // Without the slot of the commit before, which is whole.
        let number = |slot: usize| u64::from_le_bytes(*bad[slot + 104..].first_chunk().expect("8"));
        let before = if number(64) < number(192) { 64 } else { 192 };
        bad[before..before + 128].fill(0);
        std::fs::write(&path, &bad).expect("written");
        let salvaged = SalvagedRows::read(&path, "a test says so").expect("a root is left");
        let lost = lost_rows(&salvaged);
        if salvaged.salvage().found_rows > 2000 {
            refused.push(lost);
        }
    }
    refused.sort_unstable();
    // One row of each leaf below the root of the values, and none below that of the entries.
    assert!(matches!(*refused, [0, some] if some > 50), "{refused:?}");
}

#[test]
fn a_page_of_which_one_byte_was_changed_is_restored() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("store");
    let good = crashed(&path);
    let mut restored = 0;
    for at in (64..320).step_by(7).chain((4096..good.len()).step_by(good.len() / 20)) {
        let mut bad = good.clone();
        bad[at] ^= 0x11;
        std::fs::write(&path, &bad).expect("written");
        let salvaged = SalvagedRows::read(&path, "a test says so").expect("a root is left");
        assert_eq!(lost_rows(&salvaged), 0, "byte {at}");
        restored += salvaged.salvage().restored_pages;
    }
    assert!(restored > 0);
}
