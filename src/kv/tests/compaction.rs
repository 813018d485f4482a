//! Compaction as the operator asks for it.

use super::*;
use crate::kv::engine::Fault;

#[test]
fn a_compaction_is_a_line_of_the_audit_log_and_records_stay() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    let compaction = store.compact(&Actor::SERVICE).expect("compacted");
    assert_eq!(Some(compaction.after), store.size());
    assert_eq!(read(&store, id, "a").as_deref(), Some("1"));
    let log = std::fs::read_to_string(home.path("audit.log")).expect("a log");
    let last = log.lines().last().expect("a line");
    assert!(last.contains("compact") && last.contains("done"), "{last}");
}

#[test]
fn a_compaction_that_the_disk_refuses_is_told_and_logged_and_records_stay() {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    write(&store, id, "a", "1");
    home.memory.fail(Some(Fault::Write));
    let error = store.compact(&Actor::SERVICE).expect_err("refused").to_string();
    assert_eq!(error, "the store cannot be compacted: a test says so");
    home.memory.fail(None);
    let log = std::fs::read_to_string(home.path("audit.log")).expect("a log");
    let last = log.lines().last().expect("a line");
    assert!(last.contains("compact") && last.contains("failed"), "{last}");
    assert_eq!(read(&store, id, "a").as_deref(), Some("1"));
}

#[test]
fn a_closed_store_is_not_compacted() {
    let home = Home::new();
    let store = home.open();
    store.close();
    assert!(matches!(store.compact(&Actor::SERVICE), Err(KvError::Closed)));
    assert!(matches!(store.compact_if_mostly_free(), Err(KvError::Closed)));
    store.seal(&Actor::SERVICE).expect("sealed");
    assert!(matches!(store.compact(&Actor::SERVICE), Err(KvError::Keyring(_))));
}
