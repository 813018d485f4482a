//! A store whose process is killed at any moment, again and again: what was acknowledged is there, what
//! was under way is there whole or not at all, and it opens every time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lavawall::Actor;
use lavawall::RedbStorage;
use lavawall::SealChoice;
use lavawall::{Condition, Keyring, NamespaceId, Places};
use lavawall::{Put, Store};
use lavawall_entropy::{Generator, LeaseLimits, Provenance, Secret};

/// How often the process is killed.
const KILLS: u64 = 200;

/// Names of a key each, so that a step meets what an earlier one left.
const NAMES: usize = 40;

/// Where the child works, what its steps are made from, and where it says which are done.
const DIR: &str = "LAVAWALL_CRASH_DIR";
const SEED: &str = "LAVAWALL_CRASH_SEED";
const DONE: &str = "done";

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// One thing the child does, and acknowledges.
#[derive(Debug, Clone)]
enum Step {
    Put(usize, String),
    Bulk(Vec<(usize, String)>),
    Delete(Vec<usize>),
    Rotate,
    Reseal,
    Destroy,
}

/// Numbers that are the same for the same seed (Marsaglia's xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// The steps of one life of the child, endless.
fn steps(seed: u64) -> impl Iterator<Item = Step> {
    let mut numbers = Numbers(seed | 1);
    (0..).map(move |number| {
        let value =
            |numbers: &mut Numbers| format!("{seed}-{number}-{}", "x".repeat(numbers.below(2000)));
        match numbers.below(12) {
            0..5 => Step::Put(numbers.below(NAMES), value(&mut numbers)),
            5..8 => {
                Step::Bulk((0..numbers.below(20)).map(|name| (name, value(&mut numbers))).collect())
            }
            8 => Step::Delete((0..numbers.below(5)).map(|_| numbers.below(NAMES)).collect()),
            9 => Step::Rotate,
            10 => Step::Reseal,
            _ => Step::Destroy,
        }
    })
}

fn name(number: usize) -> String {
    format!("name-{number}")
}

fn open(folder: &Path) -> (Store, NamespaceId) {
    let limits = LeaseLimits {
        reseed_interval: Duration::from_mins(1),
        grace_period: Duration::from_mins(15),
    };
    let generator = Arc::new(Generator::new(1, limits, lavawall::this_machine()).expect("memory"));
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system's bytes");
    let provenance = Provenance {
        generation: 1,
        seeded_at: Instant::now(),
        seeded_on: std::time::SystemTime::now(),
        sources: Vec::new(),
    };
    generator.reseed(&Secret::take(&mut seed), provenance);
    let places = Places {
        keyring: folder.join("keyring"),
        seal_file: folder.join("seal-key"),
        audit: folder.join("audit.log"),
        anchor: Some(folder.join("anchor")),
    };
    let keyring = Arc::new(Keyring::load(places, Arc::clone(&generator)).expect("a keyring"));
    match keyring.condition() {
        Condition::Absent => drop(keyring.init(&Actor::SERVICE, &SealChoice::File).expect("made")),
        _ => assert!(keyring.unseal_stored(&Actor::SERVICE).expect("the seal's file")),
    }
    let storage = RedbStorage::open(&folder.join("store"), 1 << 20).expect("a store");
    let store = Store::new(keyring, generator, Box::new(storage), BTreeSet::new())
        .with_commit_mark(folder.join("store.commits"));
    store.open().expect("it opens every time");
    let findings = store.take_findings();
    // A kill between the head of a commit and its pages, which are written at once, is rare.
    let is_cut_short = |finding: &String| finding.contains("short before it was acknowledged");
    assert!(findings.iter().all(is_cut_short), "{findings:?}");
    let id = match store.namespaces().expect("open").first() {
        Some(info) => info.id,
        None => store.create_namespace(&Actor::SERVICE, "crash").expect("made").id,
    };
    (store, id)
}

fn take(store: &Store, id: NamespaceId, step: &Step) {
    let put = |records: &[(usize, String)]| {
        let names: Vec<_> = records.iter().map(|(number, _)| name(*number)).collect();
        let puts: Vec<_> = names
            .iter()
            .zip(records)
            .map(|(name, (_, value))| Put {
                name,
                value: value.as_bytes(),
                metadata: Some(b"{}"),
                expiry: None,
            })
            .collect();
        store.put(id, &puts, 0).expect("written");
    };
    match step {
        Step::Put(number, value) => put(&[(*number, value.clone())]),
        Step::Bulk(records) => put(records),
        Step::Delete(numbers) => {
            let names: Vec<_> = numbers.iter().map(|number| name(*number)).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            store.delete(id, &names).expect("written");
        }
        Step::Rotate => drop(store.rotate(&Actor::SERVICE, id).expect("rotated")),
        Step::Reseal => drop(store.reseal(id).expect("written")),
        Step::Destroy => drop(store.destroy_unneeded(&Actor::SERVICE, id).expect("written")),
    }
}

/// The child's whole life.
#[test]
#[ignore = "what the other test kills"]
fn child() {
    let (Some(folder), Ok(seed)) = (std::env::var_os(DIR), std::env::var(SEED)) else { return };
    let folder = PathBuf::from(folder);
    let (store, id) = open(&folder);
    let mut done = OpenOptions::new().append(true).open(folder.join(DONE)).expect("a file");
    for step in steps(seed.parse().expect("a number")) {
        take(&store, id, &step);
        // A kill loses nothing that was written, flushed or not.
        done.write_all(b".").expect("acknowledged");
        store.anchor_commits().expect("the anchor");
    }
}

type Model = BTreeMap<String, String>;

fn apply(model: &mut Model, step: &Step) {
    match step {
        Step::Put(number, value) => drop(model.insert(name(*number), value.clone())),
        Step::Bulk(records) => {
            model.extend(records.iter().map(|(number, value)| (name(*number), value.clone())));
        }
        Step::Delete(numbers) => {
            for number in numbers {
                model.remove(&name(*number));
            }
        }
        Step::Rotate | Step::Reseal | Step::Destroy => {}
    }
}

fn everything(store: &Store, id: NamespaceId) -> Model {
    let page = store.list(id, "", None, NAMES + 1, 0).expect("readable");
    let value = |name: &str| {
        let value = store.get(id, name, 0).expect("readable").expect("it is listed");
        String::from_utf8(value.bytes.to_vec()).expect("text")
    };
    page.records.iter().map(|it| (it.name.to_string(), value(&it.name))).collect()
}

/// Runs a child and kills it once it has done `after` steps and a little longer; gives how many steps
/// it has acknowledged.
fn kill_one(folder: &Path, seed: u64, after: u64, longer: Duration) -> usize {
    File::create(folder.join(DONE)).expect("a file");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--ignored"])
        .env(DIR, folder)
        .env(SEED, seed.to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child");
    let done = || std::fs::metadata(folder.join(DONE)).expect("a file").len();
    let end = Instant::now() + PATIENCE;
    while done() < after {
        assert!(Instant::now() < end, "seed {seed}: the child does nothing");
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none(), "seed {seed}: the child ended by itself: {ended:?}");
        std::thread::yield_now();
    }
    // The moment is what the test varies.
    let end = Instant::now() + longer;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    usize::try_from(done()).expect("a small number")
}

#[test]
#[expect(clippy::print_stderr, reason = "a failure can be repeated with its seed")]
fn a_store_killed_two_hundred_times_keeps_what_it_acknowledged_and_no_half_of_anything() {
    let folder = tempfile::tempdir().expect("a directory");
    let first = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).expect("the operating system's bytes");
        u64::from_le_bytes(seed) >> 1
    });
    eprintln!("{SEED}={first}, and the {KILLS} numbers from there on");
    let mut numbers = Numbers(first | 1);
    let mut model = Model::new();
    let mut acknowledged = 0;
    for round in 0..KILLS {
        let seed = first.wrapping_add(round);
        let after = u64::try_from(numbers.below(8)).expect("small");
        // Without a step to wait for, the kill comes while it starts.
        let most = if after == 0 { 30_000 } else { 6_000 };
        let longer = Duration::from_micros(u64::try_from(numbers.below(most)).expect("small"));
        let done = kill_one(folder.path(), seed, after, longer);
        acknowledged += done;
        let mut steps = steps(seed);
        for step in steps.by_ref().take(done) {
            apply(&mut model, &step);
        }
        let mut with_next = model.clone();
        let next = steps.next().expect("endless");
        apply(&mut with_next, &next);
        let (store, id) = open(folder.path());
        let found = everything(&store, id);
        assert!(
            found == model || found == with_next,
            "round {round}, seed {seed}: after {done} steps, {next:?} was under way; found {:?}, not {:?}",
            found.keys(),
            model.keys()
        );
        model = found;
    }
    eprintln!("{KILLS} kills, {acknowledged} acknowledged steps");
}
