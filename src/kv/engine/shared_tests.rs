//! The contract of a shared storage, over each engine.

use super::*;
use Change::{Clear, Delete, Put};
use Table::{Entries, Store, Sums, Values};

fn over_each(test: impl Fn(&dyn SharedStorage)) {
    test(&SharedMemory::default());
    #[cfg(feature = "etcd")]
    test(&etcd_server::EtcdServer::start().storage("test", 1));
}

fn put(table: Table, key: &[u8], row: &[u8]) -> Change {
    Put(table, key.to_vec(), row.to_vec())
}

fn row(key: &[u8], unchanged_since: Option<Revision>) -> Expectation {
    Expectation { table: Entries, key: key.to_vec(), unchanged_since }
}

/// Commits what is expected to be committed.
fn commit(storage: &dyn SharedStorage, changes: Vec<Change>) -> Revision {
    match storage.commit_expecting(changes, &[]).expect("written") {
        CommitOutcome::Committed(revision) => revision,
        conflict @ CommitOutcome::Conflict(_) => panic!("nothing was expected: {conflict:?}"),
    }
}

#[test]
fn each_commit_has_a_higher_revision() {
    over_each(|storage| {
        let first = commit(storage, vec![put(Values, b"a", b"1")]);
        assert_eq!(storage.revision().expect("readable"), first);
        let second = commit(storage, vec![put(Values, b"a", b"1")]);
        assert!(second > first, "{second:?} {first:?}");
        assert_eq!(storage.revision().expect("readable"), second);
    });
}

#[test]
fn a_commit_is_made_whole_or_not_at_all_as_its_rows_are_expected() {
    over_each(|storage| {
        let start = storage.revision().expect("readable");
        let attempt = |value: &[u8], expected: &[Expectation]| {
            let changes = vec![put(Entries, b"a", value), put(Values, b"b", value)];
            let outcome = storage.commit_expecting(changes, expected).expect("written");
            let is_made = matches!(outcome, CommitOutcome::Committed(_));
            for (table, key) in [(Entries, b"a"), (Values, b"b")] {
                let row = storage.get(table, key).expect("readable");
                assert_eq!(row.as_deref() == Some(value), is_made);
            }
            match outcome {
                CommitOutcome::Committed(revision) => Ok(revision),
                CommitOutcome::Conflict(revision) => Err(revision),
            }
        };
        attempt(b"1", &[row(b"a", Some(start))]).expect_err("it is not there");
        let first = attempt(b"2", &[row(b"a", None)]).expect("it is not there");
        let conflict = attempt(b"3", &[row(b"a", None)]).expect_err("it is there");
        assert!(conflict >= first, "the conflict shows at that revision");
        attempt(b"4", &[row(b"a", Some(start))]).expect_err("written since");
        let second = attempt(b"5", &[row(b"a", Some(first))]).expect("as it was");
        attempt(b"6", &[row(b"a", Some(first))]).expect_err("written since");
        let (there, no) = (Some(second), None);
        attempt(b"7", &[row(b"a", there), row(b"c", there)]).expect_err("one is missing");
        attempt(b"8", &[row(b"c", no), row(b"a", no)]).expect_err("one is there");
        attempt(b"9", &[row(b"a", there), row(b"c", no)]).expect("both as they were");
    });
}

#[test]
fn a_row_that_was_deleted_or_made_again_is_not_as_it_was() {
    over_each(|storage| {
        let first = commit(storage, vec![put(Entries, b"a", b"1")]);
        commit(storage, vec![Delete(Entries, b"a".to_vec())]);
        let outcome = |unchanged_since| {
            let expected = [row(b"a", unchanged_since)];
            let changes = vec![put(Values, b"a", b"1")];
            storage.commit_expecting(changes, &expected).expect("written")
        };
        assert!(matches!(outcome(Some(first)), CommitOutcome::Conflict(_)), "deleted");
        assert!(matches!(outcome(None), CommitOutcome::Committed(_)), "not there");
        commit(storage, vec![put(Entries, b"a", b"1")]);
        assert!(matches!(outcome(Some(first)), CommitOutcome::Conflict(_)), "made again");
    });
}

#[test]
fn a_snapshot_shows_the_rows_at_its_revision() {
    over_each(|storage| {
        let first = commit(storage, vec![put(Entries, b"a", b"1"), put(Entries, b"b", b"1")]);
        let second =
            commit(storage, vec![put(Entries, b"a", b"2"), Delete(Entries, b"b".to_vec())]);
        let third = commit(storage, vec![put(Entries, b"c", b"3")]);
        for (revision, rows) in [
            (first, vec![(b"a", b"1"), (b"b", b"1")]),
            (second, vec![(b"a", b"2")]),
            (third, vec![(b"a", b"2"), (b"c", b"3")]),
        ] {
            let snapshot = storage.snapshot_at(revision).expect("kept");
            let rows: Vec<Row> =
                rows.into_iter().map(|(key, row)| (key.to_vec(), row.to_vec())).collect();
            assert_eq!(snapshot.scan(Entries, b"", None, 10).expect("readable"), rows);
            let page = snapshot.scan(Entries, b"", Some(b"a"), 1).expect("readable");
            assert_eq!(page.first(), rows.get(1));
            let a = snapshot.get(Entries, b"a").expect("readable");
            assert_eq!(a.as_ref(), rows.first().map(|(_, row)| row));
            assert_eq!(snapshot.get(Values, b"a").expect("readable"), None);
        }
    });
}

#[test]
fn a_watch_has_every_commit_after_its_revision_once_in_order_without_values() {
    over_each(|storage| {
        let before = commit(storage, vec![put(Sums, b"old", b"1")]);
        let mut watch = storage.watch(before).expect("kept");
        let first = commit(
            storage,
            vec![put(Entries, b"a", b"1"), put(Values, b"a", b"1"), put(Sums, b"old", b"2")],
        );
        let second = commit(storage, vec![Delete(Entries, b"a".to_vec()), put(Store, b"s", b"1")]);
        let change =
            |revision, table, key: &[u8], before: Option<&[u8]>, after: Option<&[u8]>| RowChange {
                revision,
                table,
                key: key.to_vec(),
                before: before.map(<[u8]>::to_vec),
                after: after.map(<[u8]>::to_vec),
            };
        let sorted = |mut changes: Vec<RowChange>| {
            assert!(changes.is_sorted_by_key(|change| change.revision), "{changes:?}");
            changes.sort_by_key(|change| (change.revision, change.table));
            changes
        };
        let seen = sorted(watch.until(second).expect("kept"));
        let expected = [
            change(first, Entries, b"a", None, Some(b"1")),
            change(first, Sums, b"old", Some(b"1"), Some(b"2")),
            change(second, Entries, b"a", Some(b"1"), None),
            change(second, Store, b"s", None, Some(b"1")),
        ];
        assert_eq!(seen, expected);
        let third = commit(storage, vec![put(Entries, b"ab", b"1"), put(Entries, b"b", b"1")]);
        let fourth = commit(storage, vec![Clear(Entries, b"a".to_vec())]);
        let seen = sorted(watch.until(fourth).expect("kept"));
        let expected = [
            change(third, Entries, b"ab", None, Some(b"1")),
            change(third, Entries, b"b", None, Some(b"1")),
            change(fourth, Entries, b"ab", Some(b"1"), None),
        ];
        assert_eq!(seen, expected);
    });
}

#[test]
fn of_commits_at_once_that_expect_the_same_row_one_is_made() {
    over_each(|storage| {
        let since = commit(storage, vec![put(Entries, b"a", b"0")]);
        let attempt = |number: u8| {
            let changes = vec![put(Entries, b"a", &[number])];
            let outcome = storage.commit_expecting(changes, &[row(b"a", Some(since))]);
            matches!(outcome.expect("written"), CommitOutcome::Committed(_))
        };
        let made = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (1..9).map(|number| scope.spawn(move || attempt(number))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
        });
        assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
    });
}
