//! The file of redb: its mode, and reading it while it cannot be written.

use super::*;
use std::os::unix::fs::PermissionsExt;

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
    *storage.opened.write() = Some(OpenFile::Sound {
        database: Builder::new()
            .create_with_backend(ReadOnlyFile::open(&path).expect("readable"))
            .expect("mended in memory"),
        refused: Some("a test says so".to_owned()),
    });
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
fn what_is_no_store_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("store");
    std::fs::write(&path, "something else entirely").expect("written");
    assert!(RedbStorage::open(&path, 1 << 20).is_err());
    assert_eq!(std::fs::read(&path).expect("there"), b"something else entirely");
}
