//! No key and no nonce is used twice: over restarts, after a copy of the state directory was put back, and
//! by two nodes that began from the same copy. A forked process is given nothing: `tests/fork.rs`.

#[path = "../disk/kept.rs"]
#[allow(dead_code, reason = "shared with the tests of disks, which open stores with it")]
mod kept;
#[path = "../service/running.rs"]
#[allow(dead_code, reason = "shared with the service's tests, which use all of it")]
mod running;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use lavawall::Actor;
use lavawall::NONCE_BYTES;
use lavawall::aead;
use lavawall::label;
use lavawall::{Keyring, NamespaceId, Places};
use lavawall::{RedbStorage, Storage, Table};
use lavawall::{aead::AssociatedData, aead::SEALED_KEY_BYTES};
use lavawall_entropy::Generator;
use running::Running;
use rustix::process::Signal;

const TWO_KINDS: &str = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n";

/// Records that each life of a service writes, the same ones each time.
const RECORDS: usize = 50;

/// A row's head: format, key version, record version.
const HEAD_BYTES: usize = 1 + 4 + 8;

/// All that was seen so far. A nonce of 96 bits that comes twice by chance does so once in 2⁷³ runs.
#[derive(Default)]
struct Seen {
    nonces: HashSet<[u8; NONCE_BYTES]>,
    keys: HashSet<[u8; 32]>,
}

impl Seen {
    fn nonce(&mut self, sealed: &[u8]) {
        let nonce = *sealed.first_chunk().expect("a nonce");
        assert!(self.nonces.insert(nonce), "a nonce twice");
    }

    fn key(&mut self, key: &[u8; 32]) {
        assert!(self.keys.insert(*key), "a key twice");
    }

    /// Takes in what the last life of a service wrote; all of it was written in that life.
    fn take_in(&mut self, state: &Path, generator: &Arc<Generator>, ids: &[NamespaceId; 2]) {
        let places = Places {
            keyring: state.join("keyring"),
            seal_file: state.join("seal-key"),
            audit: state.join("audit.log"),
            anchor: None,
        };
        let keyring = Keyring::load(places, Arc::clone(generator)).expect("a keyring");
        assert!(keyring.unseal_stored(&Actor::SERVICE).expect("the seal's file"));
        let storage = RedbStorage::open(&state.join("store"), 1 << 20).expect("a store");
        // The second namespace was made in this life: its keys are new.
        let made = keyring.namespace_keys(ids[1]).expect("open");
        self.key(made.index_key.expose());
        self.key(made.versions[0].2.expose());
        let keys = keyring.namespace_keys(ids[0]).expect("open");
        let values = storage.scan(Table::Values, &ids[0].0, None, usize::MAX).expect("readable");
        assert_eq!(values.len(), RECORDS);
        for (place, row) in values {
            let (head, sealed) = row.split_at(HEAD_BYTES);
            let (record_key, value) = sealed.split_at(SEALED_KEY_BYTES);
            self.nonce(record_key);
            self.nonce(value);
            // As src/kv/record.rs draws it.
            let version = u64::from_be_bytes(*head[5..].first_chunk().expect("a version"));
            let bound = AssociatedData::of(label::RECORD_KEY).and(&place[..16]).and(&place[16..]);
            let bound = bound.and_number(1).and_number(version);
            let key = aead::open_key(&keys.versions[0].2, &bound, record_key).expect("opens");
            self.key(key.expose());
        }
        for (_, row) in storage.scan(Table::Entries, &ids[0].0, None, usize::MAX).expect("rows") {
            self.nonce(&row[HEAD_BYTES..]);
        }
        self.nonce(&storage.get(Table::Sums, &ids[0].0).expect("readable").expect("a sum"));
        let count = storage.get(Table::Store, b"commits").expect("readable").expect("a count");
        self.nonce(&count);
    }
}

/// Asks with the administrator's token; gives the result of a success.
fn call(service: &Running, method: &str, path: &str, body: &str) -> serde_json::Value {
    let (_, body) = service.namespaces(method, path, body);
    let mut body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["success"], true, "{body}");
    body["result"].take()
}

fn make(service: &Running, title: &str) -> NamespaceId {
    let made = call(service, "POST", "", &format!("{{\"title\":\"{title}\"}}"));
    NamespaceId::parse(made["id"].as_str().expect("an id")).expect("an id")
}

/// Writes the same records, and makes another namespace.
fn live(service: &Running, id: NamespaceId, number: usize) -> NamespaceId {
    let pair = |at: usize| format!("{{\"key\":\"{at}\",\"value\":\"same\"}}");
    let pairs: Vec<_> = (0..RECORDS).map(pair).collect();
    call(service, "PUT", &format!("/{id}/bulk"), &format!("[{}]", pairs.join(",")));
    make(service, &format!("other {number}"))
}

fn stop(service: &mut Running) {
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
}

/// Puts the files of one directory in the place of those of another.
fn put_back(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).expect("a directory");
    fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("changed");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        if !path.is_file() {
            continue; // the admin socket is made at each start
        }
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copied");
    }
}

#[test]
fn no_key_and_no_nonce_comes_twice_over_restarts_put_back_copies_and_two_nodes() {
    let generator = kept::generator(None);
    let mut seen = Seen::default();
    let mut one = Running::start(TWO_KINDS);
    let id = make(&one, "first");
    let other = live(&one, id, 0);
    stop(&mut one);
    seen.take_in(&one.state_dir(), &generator, &[id, other]);
    let copy = tempfile::tempdir().expect("a directory");
    let copy = copy.path().join("state");
    put_back(&one.state_dir(), &copy);
    // Each round the same work: after a restart, after one from the copy, and by two nodes at a time
    // that began from it, with its boot seed.
    let mut two = Running::start(TWO_KINDS);
    stop(&mut two);
    for round in 1..=4 {
        one.start_again();
        let other = live(&one, id, round);
        stop(&mut one);
        seen.take_in(&one.state_dir(), &generator, &[id, other]);
        put_back(&copy, &one.state_dir());
        put_back(&copy, &two.state_dir());
        one.start_again();
        two.start_again();
        let others = [live(&one, id, 100 + round), live(&two, id, 100 + round)];
        stop(&mut one);
        stop(&mut two);
        seen.take_in(&one.state_dir(), &generator, &[id, others[0]]);
        seen.take_in(&two.state_dir(), &generator, &[id, others[1]]);
    }
    let lives = 1 + 4 * 3;
    assert_eq!(seen.nonces.len(), lives * (RECORDS * 3 + 2));
    assert_eq!(seen.keys.len(), lives * (RECORDS + 2));
}
