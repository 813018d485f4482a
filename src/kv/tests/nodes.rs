//! Several nodes over one shared storage.

use std::collections::BTreeMap;
use std::iter;

use proptest::prelude::*;

use super::*;
use crate::kv::derived_keys::DerivedKeys;
use crate::kv::engine::{
    Change, CommitLimits, CommitOutcome, Expectation, Fault, Revision, RevisionSnapshot,
    SharedMemory, SharedStorage, Watch,
};

/// Nodes that share a keyring and a storage.
struct Cluster {
    home: Home,
    keyring: Arc<Keyring>,
    storage: SharedMemory,
}

impl Cluster {
    fn new() -> Self {
        let home = Home::new();
        let keyring = home.keyring();
        Self { home, keyring, storage: SharedMemory::default() }
    }

    fn closed(&self, node: u16, storage: Arc<dyn SharedStorage>) -> Store {
        self.accepting(node, storage, BTreeSet::new())
    }

    fn accepting(
        &self,
        node: u16,
        storage: Arc<dyn SharedStorage>,
        accept: BTreeSet<NamespaceId>,
    ) -> Store {
        let (keyring, generator) = (Arc::clone(&self.keyring), Arc::clone(&self.home.generator));
        let node = NodeNumber::of(node).expect("not 0");
        Store::shared(keyring, generator, storage, node, accept).with_value_cache(1 << 10)
    }

    fn node_over(&self, node: u16, storage: Arc<dyn SharedStorage>) -> Store {
        let store = self.closed(node, storage);
        store.open().expect("opened");
        assert_eq!(store.take_findings(), Vec::<String>::new());
        store
    }

    fn node(&self, node: u16) -> Store {
        self.node_over(node, Arc::new(self.storage.clone()))
    }

    /// The first row of a namespace whose key ends so.
    fn row_of(&self, table: Table, id: NamespaceId, ends_with: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let rows = self.storage.rows().into_iter();
        let mut found = rows.filter(|(at, key, _)| {
            *at == table && key.starts_with(&id.0) && key.ends_with(ends_with)
        });
        let (_, key, row) = found.next().expect("a row");
        (key, row)
    }

    /// The key of the rows of a record.
    fn key_of(&self, id: NamespaceId, name: &str) -> Vec<u8> {
        let keys = DerivedKeys::new(&self.keyring.namespace_keys(id).expect("there"));
        [id.0, keys.record_id(name).0].concat()
    }

    /// The row of the multiset hash that a node wrote.
    fn sum(&self, id: NamespaceId, node: u16) -> (Vec<u8>, Vec<u8>) {
        self.row_of(Table::Sums, id, &node.to_be_bytes())
    }
}

fn listed(store: &Store, id: NamespaceId) -> Vec<String> {
    let page = store.list(id, "", None, 1000, 0).expect("readable");
    names(&page).into_iter().map(str::to_owned).collect()
}

#[test]
fn what_one_node_writes_the_others_read_at_once() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node(1), cluster.node(2));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&two, id, "a", "of two");
    assert_eq!(read(&one, id, "a").as_deref(), Some("of two"));
    write(&one, id, "a", "of one");
    write(&one, id, "b", "of one");
    assert_eq!(read(&two, id, "a").as_deref(), Some("of one"));
    assert_eq!(listed(&two, id), ["a", "b"]);
    two.delete(id, &["a"]).expect("deleted");
    assert_eq!(read(&one, id, "a"), None);
    assert_eq!(listed(&one, id), ["b"]);
    let three = cluster.node(3);
    assert_eq!(read(&three, id, "b").as_deref(), Some("of one"));
}

#[test]
fn a_namespace_that_another_node_made_is_known_and_stays() {
    let cluster = Cluster::new();
    let two = cluster.node(2);
    let one = cluster.node(1);
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&one, id, "a", "1");
    // It was opened before the namespace was made, and opens again.
    assert_eq!(read(&two, id, "a").as_deref(), Some("1"));
    let two = cluster.node(2);
    assert_eq!(read(&two, id, "a").as_deref(), Some("1"));
    assert_eq!(read(&one, id, "a").as_deref(), Some("1"));
    assert_eq!(two.report().expect("open")[0].records, 1);
}

#[test]
fn a_namespace_that_another_node_deleted_is_gone() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node(1), cluster.node(2));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&two, id, "a", "1");
    one.delete_namespace(&Actor::SERVICE, id).expect("deleted");
    assert!(matches!(two.get(id, "a", 0), Err(KvError::UnknownNamespace(_))));
    assert!(matches!(two.put(id, &[put("a", b"2")], 0), Err(KvError::UnknownNamespace(_))));
    assert!(cluster.storage.rows().iter().all(|(_, key, _)| !key.starts_with(&id.0)));
}

#[test]
fn commits_of_several_nodes_write_no_row_in_common() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node(1), cluster.node(2));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&two, id, "first", "1");
    let before = cluster.storage.rows();
    let changed = |since: &[(Table, Vec<u8>, Vec<u8>)]| -> BTreeSet<_> {
        let now = cluster.storage.rows().into_iter().filter(|row| !since.contains(row));
        now.map(|(table, key, _)| (table, key)).collect()
    };
    write(&one, id, "a", "1");
    let of_one = changed(&before);
    let between = cluster.storage.rows();
    write(&two, id, "b", "1");
    let of_two = changed(&between);
    assert_eq!((of_one.len(), of_two.len()), (4, 4), "two rows of a record, the sum, the count");
    assert!(of_one.is_disjoint(&of_two), "{of_one:?} {of_two:?}");
}

#[test]
fn nodes_that_write_in_turn_give_no_version_twice_and_no_roll_back_is_reported() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node(1), cluster.node(2));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    let mut heads = BTreeSet::new();
    for turn in 0..10 {
        let store = if turn % 3 == 0 { &one } else { &two };
        write(store, id, "a", &turn.to_string());
        let (_, row) = cluster.row_of(Table::Entries, id, b"");
        assert!(heads.insert(row[..13].to_vec()), "a record version is used twice");
    }
    for node in 1..4 {
        assert_eq!(read(&cluster.node(node), id, "a").as_deref(), Some("9"));
    }
}

#[test]
fn a_node_that_was_away_overwrites_nothing_unseen() {
    let cluster = Cluster::new();
    let held = Arc::new(Interposed::over(&cluster.storage));
    let (one, two) = (cluster.node(1), cluster.node_over(2, held.clone()));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&two, id, "a", "1");
    write(&two, id, "gone", "1");
    // Between the look at its index and its commit, another node writes, deletes and makes.
    let of_one = Arc::new(one);
    for name in ["a", "gone", "new"] {
        let other = Arc::clone(&of_one);
        *held.before_commit.lock() = Some(Box::new(move || match name {
            "gone" => other.delete(id, &[name]).expect("deleted"),
            _ => write(&other, id, name, "of one"),
        }));
        write(&two, id, name, "of two");
        assert!(held.before_commit.lock().is_none(), "the other came between");
        assert_eq!(read(&of_one, id, name).as_deref(), Some("of two"), "the last one counts");
    }
    assert_eq!(read(&cluster.node(3), id, "gone").as_deref(), Some("of two"));
}

#[test]
fn of_many_writers_at_once_nothing_is_lost_or_invented() {
    let cluster = Cluster::new();
    many_writers(|node| cluster.node(node));
}

#[cfg(feature = "etcd")]
#[test]
fn of_many_writers_over_etcd_nothing_is_lost_or_invented() {
    let cluster = Cluster::new();
    let etcd = crate::kv::engine::etcd_server::EtcdServer::start();
    many_writers(|node| cluster.node_over(node, Arc::new(etcd.storage("lavawall", node))));
}

/// Writers of three nodes at once.
fn many_writers(node: impl Fn(u16) -> Store) {
    let stores = [node(1), node(2), node(3)];
    let id = stores[0].create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    std::thread::scope(|scope| {
        for (node, store) in stores.iter().enumerate() {
            for thread in 0..2 {
                scope.spawn(move || {
                    for number in 0..20 {
                        write(store, id, &format!("{node}/{thread}/{number}"), "own");
                        // All write this one.
                        let value = format!("{node}/{thread}/{number}");
                        match store.put(id, &[put("common", value.as_bytes())], 0) {
                            Ok(()) | Err(KvError::Contended) => {}
                            Err(error) => panic!("{error}"),
                        }
                        assert!(read(store, id, "common").is_some());
                    }
                });
            }
        }
    });
    for store in stores.iter().chain([&node(4)]) {
        assert_eq!(listed(store, id).len(), 3 * 2 * 20 + 1);
        assert_eq!(read(store, id, "common"), read(&stores[0], id, "common"));
        assert!(store.report().expect("open")[0].agrees);
    }
}

#[test]
fn rotation_on_one_node_seals_on_all_and_no_key_is_destroyed_that_a_late_write_needs() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node(1), cluster.node(2));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    for number in 0..10 {
        write(&two, id, &number.to_string(), "v");
    }
    assert_eq!(one.rotate(&Actor::SERVICE, id).expect("rotated"), 2);
    write(&two, id, "after", "v");
    assert_eq!(two.report().expect("open")[0].dependents, BTreeMap::from([(1, 10), (2, 1)]));
    while one.reseal(id).expect("written") > 0 || two.reseal(id).expect("written") > 0 {}
    for store in [&one, &two] {
        assert_eq!(read(store, id, "3").as_deref(), Some("v"));
        assert_eq!(store.report().expect("open")[0].dependents, BTreeMap::from([(2, 11)]));
        assert_eq!(store.destroy_unneeded(&Actor::SERVICE, id).expect("open"), Vec::<u32>::new());
    }
}

#[test]
fn expired_records_are_swept_by_any_node_and_not_those_that_another_wrote_again() {
    let cluster = Cluster::new();
    let held = Arc::new(Interposed::over(&cluster.storage));
    let (one, two) = (Arc::new(cluster.node(1)), cluster.node_over(2, held.clone()));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    let short = |name| Put { expiry: Some(100), ..put(name, b"v") };
    one.put(id, &[short("a"), short("b")], 50).expect("written");
    assert!(two.get(id, "a", 50).expect("readable").is_some());
    let other = Arc::clone(&one);
    *held.before_commit.lock() = Some(Box::new(move || write(&other, id, "a", "again")));
    two.sweep(100).expect("written");
    two.sweep(100).expect("written");
    assert_eq!(listed(&one, id), ["a"]);
    assert_eq!(read(&two, id, "a").as_deref(), Some("again"));
}

#[test]
fn a_write_of_unknown_outcome_is_looked_up() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node(1), cluster.node(2));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&one, id, "a", "1");
    cluster.storage.fail(Some(Fault::LateWrite));
    write(&one, id, "a", "2");
    assert_eq!(read(&two, id, "a").as_deref(), Some("2"));
    cluster.storage.fail(Some(Fault::Write));
    assert!(one.put(id, &[put("a", b"3")], 0).is_err(), "it was not written");
    one.anchor_commits().expect("no attempt counts");
    cluster.storage.fail(None);
    assert_eq!(read(&one, id, "a").as_deref(), Some("2"));
    write(&one, id, "a", "4");
    assert_eq!(read(&two, id, "a").as_deref(), Some("4"));
    cluster.node(3);
}

#[test]
fn a_commit_that_comes_late_is_not_made_over_a_later_one() {
    let cluster = Cluster::new();
    let held = Arc::new(Interposed::over(&cluster.storage));
    let one = cluster.node_over(1, held.clone());
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&one, id, "a", "1");
    // Of the commits that are delayed, one is made after the next of the node, and one before it.
    for (is_before, now) in [(false, "after"), (true, "before")] {
        held.is_delayed.store(true, Ordering::Relaxed);
        assert!(one.put(id, &[put("a", b"delayed"), put("b", b"delayed")], 0).is_err());
        held.is_delayed.store(false, Ordering::Relaxed);
        let deliver = || {
            let (changes, expected) = held.delayed.lock().take().expect("delayed");
            cluster.storage.commit_expecting(changes, &expected).expect("written")
        };
        if is_before {
            assert!(matches!(deliver(), CommitOutcome::Committed(_)));
        }
        write(&one, id, "a", now);
        if !is_before {
            assert!(matches!(deliver(), CommitOutcome::Conflict(_)));
        }
        assert_eq!(read(&one, id, "a").as_deref(), Some(now));
        assert_eq!(read(&one, id, "b").as_deref(), is_before.then_some("delayed"));
        assert_eq!(read(&cluster.node(2), id, "a").as_deref(), Some(now));
    }
}

#[test]
fn two_processes_with_the_number_of_one_node_lose_nothing_and_are_told() {
    let cluster = Cluster::new();
    let one = cluster.node(1);
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    let copy = cluster.node(1);
    let mut heads = BTreeSet::new();
    for turn in 0..6 {
        let store = if turn % 2 == 0 { &copy } else { &one };
        if turn > 3 {
            // Its index has the commits of the other then.
            assert!(read(store, id, "a").is_some());
        }
        write(store, id, "a", &turn.to_string());
        let (_, row) = cluster.row_of(Table::Entries, id, &cluster.key_of(id, "a"));
        assert!(heads.insert(row[..13].to_vec()), "a record version is used twice");
        write(store, id, &turn.to_string(), "v");
    }
    for store in [&one, &copy] {
        let findings = store.take_findings();
        assert!(findings[0].starts_with("another process writes to the store as this node"));
        assert_eq!(read(store, id, "a").as_deref(), Some("5"));
        assert_eq!(listed(store, id).len(), 7);
    }
    cluster.node(2);
}

#[test]
fn a_node_that_lost_track_loads_anew() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node(1), cluster.node(2));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&one, id, "a", "1");
    assert_eq!(read(&two, id, "a").as_deref(), Some("1"));
    write(&one, id, "a", "2");
    cluster.storage.forget_past();
    assert_eq!(read(&two, id, "a").as_deref(), Some("2"));
    write(&one, id, "a", "3");
    cluster.storage.forget_past();
    write(&two, id, "a", "4");
    write(&two, id, "b", "1");
    assert_eq!(listed(&one, id), ["a", "b"]);
    assert_eq!(read(&one, id, "a").as_deref(), Some("4"));
}

#[test]
fn a_storage_that_is_away_refuses_and_serves_again() {
    let cluster = Cluster::new();
    let one = cluster.node(1);
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&one, id, "a", "1");
    cluster.storage.fail(Some(Fault::Read));
    // Also what is in memory: it may be stale.
    assert!(one.get(id, "a", 0).is_err() && one.list(id, "", None, 9, 0).is_err());
    cluster.storage.fail(None);
    assert_eq!(read(&one, id, "a").as_deref(), Some("1"));
}

/// Changes of a hostile storage, after which a namespace is refused. They get the rows of an earlier time.
type Attack = fn(&Cluster, NamespaceId, &[(Table, Vec<u8>, Vec<u8>)]) -> Vec<Change>;

fn earlier(table: Table, rows: &[(Table, Vec<u8>, Vec<u8>)]) -> impl Iterator<Item = Change> {
    let rows = rows.iter().filter(move |(at, ..)| *at == table);
    rows.map(|(table, key, row)| Change::Put(*table, key.clone(), row.clone()))
}

const ATTACKS: [(&str, Attack); 7] = [
    ("a record is rolled back", |_, _, rows| {
        earlier(Table::Entries, rows).chain(earlier(Table::Values, rows)).collect()
    }),
    ("a record is removed", |cluster, id, _| {
        let (key, _) = cluster.row_of(Table::Entries, id, b"");
        vec![Change::Delete(Table::Entries, key.clone()), Change::Delete(Table::Values, key)]
    }),
    ("the hash of one node is rolled back", |_, _, rows| earlier(Table::Sums, rows).collect()),
    ("the hash of one node is removed", |cluster, id, _| {
        vec![Change::Delete(Table::Sums, cluster.sum(id, 1).0)]
    }),
    ("the hash of one node is put in the place of another's", |cluster, id, _| {
        vec![Change::Put(Table::Sums, cluster.sum(id, 2).0, cluster.sum(id, 1).1)]
    }),
    ("the hashes of two nodes are exchanged", |cluster, id, _| {
        let (one, two) = (cluster.sum(id, 1), cluster.sum(id, 2));
        vec![Change::Put(Table::Sums, one.0, two.1), Change::Put(Table::Sums, two.0, one.1)]
    }),
    ("all hashes are removed", |cluster, id, _| {
        [1, 2].map(|node| Change::Delete(Table::Sums, cluster.sum(id, node).0)).into()
    }),
];

#[test]
fn rows_that_a_hostile_storage_changes_are_refused_while_it_is_followed_and_at_an_opening() {
    for (name, attack) in ATTACKS {
        let cluster = Cluster::new();
        let (one, two) = (cluster.node(1), cluster.node(2));
        let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
        let other = one.create_namespace(&Actor::SERVICE, "other").expect("made").id;
        write(&two, other, "a", "other");
        write(&one, id, "a", "1");
        let before: Vec<_> = {
            let rows = cluster.storage.rows().into_iter();
            rows.filter(|(_, key, _)| key.starts_with(&id.0)).collect()
        };
        write(&two, id, "b", "2");
        write(&one, id, "a", "3");
        assert_eq!(read(&two, id, "a").as_deref(), Some("3"));
        let changes = attack(&cluster, id, &before);
        assert!(!changes.is_empty(), "{name}");
        cluster.storage.change(changes);
        let again = cluster.closed(3, Arc::new(cluster.storage.clone()));
        again.open().expect("the other namespace is sound");
        for store in [&one, &two, &again] {
            let refused = store.get(id, "a", 0).expect_err(name);
            assert!(matches!(refused, KvError::Disagrees(_)), "{name}: {refused}");
            let refused = store.put(id, &[put("a", b"4")], 0).expect_err(name);
            assert!(matches!(refused, KvError::Disagrees(_)), "{name}: {refused}");
            assert_eq!(read(store, other, "a").as_deref(), Some("other"), "{name}");
        }
    }
}

#[test]
fn a_namespace_that_is_accepted_as_it_is_found_agrees_from_then_on() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node(1), cluster.node(2));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&one, id, "a", "1");
    write(&two, id, "b", "1");
    let (key, _) = cluster.row_of(Table::Entries, id, b"");
    let delete = [Table::Entries, Table::Values].map(|table| Change::Delete(table, key.clone()));
    // Also a part of the hash that does not open.
    let damaged = Change::Put(Table::Sums, cluster.sum(id, 2).0, vec![0; 100]);
    cluster.storage.change(delete.into_iter().chain([damaged]).collect());
    let storage = Arc::new(cluster.storage.clone());
    let accepting = cluster.accepting(1, storage, BTreeSet::from([id]));
    accepting.open().expect("opened");
    assert_eq!(listed(&accepting, id).len(), 1);
    write(&accepting, id, "c", "1");
    // What is put back later was not accepted.
    let before = cluster.storage.rows();
    write(&accepting, id, "c", "2");
    let now = cluster.storage.rows();
    let put = |rows: Vec<(Table, Vec<u8>, Vec<u8>)>| {
        let of_it = rows.into_iter().filter(|(table, key, _)| {
            matches!(table, Table::Entries | Table::Values) && key.starts_with(&id.0)
        });
        cluster
            .storage
            .change(of_it.map(|(table, key, row)| Change::Put(table, key, row)).collect());
    };
    put(before);
    assert!(matches!(accepting.get(id, "c", 0), Err(KvError::Disagrees(_))));
    put(now);
    for node in 2..4 {
        let store = cluster.node(node);
        assert_eq!(listed(&store, id).len(), 2);
        write(&store, id, "d", "1");
        store.delete(id, &["d"]).expect("deleted");
    }
}

#[test]
fn a_commit_that_meets_an_acceptance_is_made_on_top_of_it() {
    let cluster = Cluster::new();
    let held = Arc::new(Interposed::over(&cluster.storage));
    let (one, two) = (cluster.node(1), cluster.node_over(2, held.clone()));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&one, id, "a", "1");
    write(&two, id, "b", "1");
    let storage = cluster.storage.clone();
    let key = cluster.key_of(id, "a");
    let accepting = cluster.accepting(1, Arc::new(storage.clone()), BTreeSet::from([id]));
    *held.before_commit.lock() = Some(Box::new(move || {
        let delete = [Table::Entries, Table::Values].map(|it| Change::Delete(it, key.clone()));
        storage.change(delete.into());
        accepting.open().expect("opened");
    }));
    write(&two, id, "c", "2");
    for store in [&two, &cluster.node(3)] {
        assert_eq!(listed(store, id), ["b", "c"]);
    }
}

#[test]
fn a_record_that_is_damaged_is_named_and_written_again() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node(1), cluster.node(2));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&one, id, "a", "1");
    write(&two, id, "b", "1");
    let key = cluster.key_of(id, "a");
    let (_, mut row) = cluster.row_of(Table::Entries, id, &key);
    *row.last_mut().expect("not empty") ^= 1;
    cluster.storage.change(vec![Change::Put(Table::Entries, key, row)]);
    for store in [&one, &two] {
        assert!(matches!(store.get(id, "a", 0), Err(KvError::Damaged(_))));
        assert_eq!(read(store, id, "b").as_deref(), Some("1"));
    }
    write(&two, id, "a", "2");
    for store in [&one, &two, &cluster.node(3)] {
        assert_eq!(read(store, id, "a").as_deref(), Some("2"));
    }
}

#[test]
fn a_storage_that_is_rolled_back_whole_is_refused_by_who_has_an_anchor() {
    let mut home = Home::new();
    home.anchored = true;
    let keyring = home.keyring();
    let cluster = Cluster { home, keyring, storage: SharedMemory::default() };
    let one = cluster.node(1);
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    write(&one, id, "a", "1");
    let before = cluster.storage.rows();
    write(&one, id, "a", "2");
    one.anchor_commits().expect("written");
    let older = SharedMemory::default();
    older
        .change(before.into_iter().map(|(table, key, row)| Change::Put(table, key, row)).collect());
    let again = cluster.closed(1, Arc::new(older));
    let refused = again.open().expect_err("rolled back");
    assert!(refused.to_string().contains("rolled back"), "{refused}");
}

#[test]
fn a_store_of_one_process_is_taken_over_and_the_older_program_refuses_it() {
    let mut home = Home::new();
    home.anchored = true;
    let alone = home.open();
    let id = alone.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    for name in ["a", "b", "c"] {
        write(&alone, id, name, "alone");
    }
    alone.anchor_commits().expect("written");
    let keyring = Arc::clone(alone.keyring());
    drop(alone);
    let storage = SharedMemory::default();
    let rows = home.memory.rows().into_iter();
    storage.change(rows.map(|(table, key, row)| Change::Put(table, key, row)).collect());
    let cluster = Cluster { home, keyring, storage };
    let (one, two) = (cluster.node(1), cluster.node(2));
    write(&one, id, "a", "shared");
    two.delete(id, &["b"]).expect("deleted");
    for store in [&one, &two, &cluster.node(3)] {
        assert_eq!(listed(store, id), ["a", "c"]);
        assert_eq!(read(store, id, "a").as_deref(), Some("shared"));
        assert_eq!(read(store, id, "c").as_deref(), Some("alone"));
    }
    cluster.home.memory.set_rows(cluster.storage.rows());
    let alone = cluster.home.store_over(Box::new(Double::over(&cluster.home.memory)));
    let refused = alone.open().expect_err("several nodes write it");
    assert!(matches!(refused, KvError::LaterFormat { found: 2, known: 1 }), "{refused}");
}

#[test]
fn a_shared_storage_of_another_keyring_is_refused() {
    let (cluster, other) = (Cluster::new(), Cluster::new());
    let one = cluster.node(1);
    let stranger = other.closed(2, Arc::new(cluster.storage.clone()));
    assert!(matches!(stranger.open(), Err(KvError::Foreign)) || one.commits() == 0);
    one.create_namespace(&Actor::SERVICE, "shared").expect("made");
    assert!(matches!(stranger.open(), Err(KvError::Foreign)));
    cluster.node(2);
}

#[test]
fn a_bulk_larger_than_a_commit_is_written_in_several() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node(1), cluster.node(2));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    let names: Vec<_> = (0..11).map(|number| number.to_string()).collect();
    let large = vec![7; 600 << 10];
    let puts: Vec<_> = names.iter().map(|name| put(name, b"v")).collect();
    one.put(id, &puts, 0).expect("written");
    assert_eq!(one.commits(), 1 + 11_u64.div_ceil(4));
    one.put(id, &[put("large 1", &large), put("large 2", &large)], 0).expect("written");
    assert_eq!(one.commits(), 1 + 3 + 2);
    assert_eq!(listed(&two, id).len(), 13);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    two.delete(id, &names).expect("deleted");
    assert_eq!(listed(&one, id), ["large 1", "large 2"]);
}

#[test]
fn a_list_shows_one_revision_while_others_write() {
    let cluster = Cluster::new();
    let held = Arc::new(Interposed::over(&cluster.storage));
    let (one, two) = (Arc::new(cluster.node(1)), cluster.node_over(2, held.clone()));
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    let with = |name, metadata| Put { metadata: Some(metadata), ..put(name, b"v") };
    one.put(id, &[with("a", b"1"), with("b", b"1")], 0).expect("written");
    assert_eq!(listed(&two, id), ["a", "b"]);
    let other = Arc::clone(&one);
    *held.before_snapshot.lock() = Some(Box::new(move || {
        other.put(id, &[with("a", b"2"), with("b", b"2"), with("c", b"2")], 0).expect("written");
    }));
    let page = two.list(id, "", None, 10, 0).expect("readable");
    assert!(held.before_snapshot.lock().is_none(), "the other came between");
    let metadata = page.records.iter().map(|it| it.metadata.json.as_ref().expect("some").to_vec());
    assert_eq!(metadata.collect::<Vec<_>>(), [b"1", b"1"]);
    assert_eq!(listed(&two, id), ["a", "b", "c"]);
}

#[test]
fn a_count_that_is_damaged_or_written_again_as_it_was_is_told_and_replaced() {
    let cluster = Cluster::new();
    let one = cluster.node(1);
    let id = one.create_namespace(&Actor::SERVICE, "shared").expect("made").id;
    let rows = cluster.storage.rows().into_iter();
    let mut counts =
        rows.filter(|(table, key, _)| *table == Table::Store && key.starts_with(b"commits"));
    let (_, key, row) = counts.next_back().expect("a count");
    cluster.storage.change(vec![Change::Put(Table::Store, key.clone(), row.clone())]);
    write(&one, id, "a", "1");
    cluster.storage.change(vec![Change::Put(Table::Store, key, vec![0; 50])]);
    let again = cluster.closed(1, Arc::new(cluster.storage.clone()));
    again.open().expect("opened");
    assert_eq!(again.take_findings(), ["the store's count of commits of this node is damaged"]);
    write(&again, id, "a", "2");
    assert_eq!(read(&cluster.node(2), id, "a").as_deref(), Some("2"));
    assert_eq!(read(&cluster.node(1), id, "a").as_deref(), Some("2"));
}

/// A shared storage in memory, with something in between.
struct Interposed {
    memory: SharedMemory,
    before_commit: Mutex<Option<Hook>>,
    before_snapshot: Mutex<Option<Hook>>,
    is_delayed: AtomicBool,
    delayed: Mutex<Option<(Vec<Change>, Vec<Expectation>)>>,
}

type Hook = Box<dyn FnOnce() + Send>;

impl Interposed {
    fn over(memory: &SharedMemory) -> Self {
        Self {
            memory: memory.clone(),
            before_commit: Mutex::default(),
            before_snapshot: Mutex::default(),
            is_delayed: AtomicBool::new(false),
            delayed: Mutex::default(),
        }
    }
}

fn call(hook: &Mutex<Option<Hook>>) {
    let hook = hook.lock().take();
    if let Some(hook) = hook {
        hook();
    }
}

impl Storage for Interposed {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.memory.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        self.memory.scan(table, prefix, after, limit)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StorageError> {
        self.memory.snapshot()
    }

    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError> {
        self.memory.commit(batch)
    }

    fn size(&self) -> Option<StorageSize> {
        self.memory.size()
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.memory.compact()
    }
}

impl SharedStorage for Interposed {
    fn limits(&self) -> CommitLimits {
        self.memory.limits()
    }

    fn revision(&self) -> Result<Revision, StorageError> {
        self.memory.revision()
    }

    fn commit_expecting(
        &self,
        changes: Vec<Change>,
        expected: &[Expectation],
    ) -> Result<CommitOutcome, StorageError> {
        call(&self.before_commit);
        if self.is_delayed.load(Ordering::Relaxed) {
            *self.delayed.lock() = Some((changes, expected.to_vec()));
            let reason = "a test delays it".to_owned();
            return Err(StorageError { what: StorageAccess::Write, reason });
        }
        self.memory.commit_expecting(changes, expected)
    }

    fn snapshot_at(
        &self,
        revision: Revision,
    ) -> Result<Box<dyn RevisionSnapshot + '_>, StorageError> {
        call(&self.before_snapshot);
        self.memory.snapshot_at(revision)
    }

    fn watch(&self, after: Revision) -> Result<Box<dyn Watch>, StorageError> {
        self.memory.watch(after)
    }
}

/// One step of one node.
#[derive(Debug, Clone)]
enum Step {
    Put(&'static str, u8, Option<u64>),
    Bulk(Vec<(usize, u8)>),
    Delete(&'static str),
    List,
    Tick(u64),
    Sweep,
    Rotate,
    Reseal,
    Reopen,
    Forget,
    Lost(&'static str, u8, Fault),
}

const NAMES: [&str; 5] = ["a", "a/", "a/b", "b", "ä"];

fn step() -> impl Strategy<Value = Step> {
    let name = || (0..NAMES.len()).prop_map(|name| NAMES[name]);
    let fault = prop_oneof![Just(Fault::Write), Just(Fault::LateWrite)];
    prop_oneof![
        5 => (name(), any::<u8>(), proptest::option::of(1..20u64))
            .prop_map(|(name, value, ttl)| Step::Put(name, value, ttl)),
        2 => proptest::collection::vec((0..NAMES.len(), any::<u8>()), 0..6).prop_map(Step::Bulk),
        3 => name().prop_map(Step::Delete),
        2 => Just(Step::List),
        1 => (1..10u64).prop_map(Step::Tick),
        1 => Just(Step::Sweep),
        1 => Just(Step::Rotate),
        1 => Just(Step::Reseal),
        1 => Just(Step::Reopen),
        1 => Just(Step::Forget),
        1 => (name(), any::<u8>(), fault).prop_map(|(name, value, how)| Step::Lost(name, value, how)),
    ]
}

/// Value and expiry.
type Model = BTreeMap<&'static str, (u8, Option<u64>)>;

fn run(nodes: u16, steps: Vec<(u16, Step)>) {
    let cluster = Cluster::new();
    let mut stores: Vec<_> = (1..=nodes).map(|node| cluster.node(node)).collect();
    let id = stores[0].create_namespace(&Actor::SERVICE, "model").expect("made").id;
    let (mut model, mut now) = (Model::new(), 1000);
    for (node, step) in steps {
        let node = usize::from(node % nodes);
        let store = &stores[node];
        match step {
            Step::Put(name, value, ttl) => {
                let expiry = ttl.map(|ttl| now + ttl);
                store.put(id, &[Put { expiry, ..put(name, &[value]) }], now).expect("written");
                model.insert(name, (value, expiry));
            }
            Step::Bulk(records) => {
                let values: Vec<_> = records.iter().map(|(_, value)| [*value]).collect();
                let puts = iter::zip(&records, &values);
                let puts: Vec<_> =
                    puts.map(|((name, _), value)| put(NAMES[*name], value)).collect();
                store.put(id, &puts, now).expect("written");
                model.extend(records.into_iter().map(|(name, value)| (NAMES[name], (value, None))));
            }
            Step::Delete(name) => {
                store.delete(id, &[name]).expect("deleted");
                model.remove(name);
            }
            Step::List => {
                let page = store.list(id, "", None, 100, now).expect("readable");
                let there = model.iter().filter(|(_, it)| it.1.is_none_or(|at| at > now));
                assert_eq!(names(&page), there.map(|(name, _)| *name).collect::<Vec<_>>());
            }
            Step::Tick(seconds) => now += seconds,
            Step::Sweep => drop(store.sweep(now).expect("written")),
            Step::Rotate => drop(store.rotate(&Actor::SERVICE, id).expect("rotated")),
            Step::Reseal => while store.reseal(id).expect("written") > 0 {},
            Step::Reopen => {
                let number = u16::try_from(node + 1).expect("few");
                stores[node] = cluster.node(number);
            }
            Step::Forget => cluster.storage.forget_past(),
            Step::Lost(name, value, fault) => {
                cluster.storage.fail(Some(fault));
                let written = store.put(id, &[put(name, &[value])], now);
                cluster.storage.fail(None);
                assert_eq!(written.is_ok(), fault == Fault::LateWrite);
                if written.is_ok() {
                    model.insert(name, (value, None));
                }
            }
        }
        for store in &stores {
            for name in NAMES {
                let expected =
                    model.get(name).filter(|(_, expiry)| expiry.is_none_or(|at| at > now));
                let found = store.get(id, name, now).expect("readable");
                let found = found.map(|it| (it.bytes[0], it.expiry));
                assert_eq!(found, expected.copied(), "{name}");
            }
        }
    }
    let last = cluster.node(nodes + 1);
    assert!(last.report().expect("open").iter().all(|it| it.agrees && it.damaged == 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn two_nodes_do_what_a_plain_map_does(
        steps in proptest::collection::vec((0..2u16, step()), 1..40),
    ) {
        run(2, steps);
    }

    #[test]
    fn three_nodes_do_what_a_plain_map_does(
        steps in proptest::collection::vec((0..3u16, step()), 1..30),
    ) {
        run(3, steps);
    }
}
