//! The real program on a store of which bytes are damaged.

use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::running::{Running, get};

const TWO_KINDS: &str = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n";

const PATIENCE: Duration = Duration::from_mins(1);

/// A page of the engine, in bytes.
const PAGE: usize = 4096;

fn store_file(service: &Running) -> PathBuf {
    service.state_dir().join("store")
}

fn status(service: &Running) -> Value {
    serde_json::from_slice(&get(service, "/status").body).expect("JSON")
}

fn incidents(service: &Running, part: &str) -> usize {
    let status = status(service);
    let incidents = status["incidents"].as_array().expect("a list").clone();
    incidents.iter().filter(|it| it["text"].as_str().expect("text").contains(part)).count()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what} does not come");
        std::thread::yield_now();
    }
}

/// Changes one byte of a file, which may be open.
fn flip(path: &Path, at: usize) {
    let file = File::options().read(true).write(true).open(path).expect("opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).expect("read");
    file.write_all_at(&[byte[0] ^ 0x10], at as u64).expect("written");
}

/// A place in the middle of the first long run of pages without an empty one: the one large value.
fn inside_large_value(path: &Path) -> usize {
    *inside_large_values(path).first().expect("there is a large value")
}

/// Places in all long runs of pages without an empty one: large values, and what they were before.
fn inside_large_values(path: &Path) -> Vec<usize> {
    let bytes = fs::read(path).expect("readable");
    let is_full = |page: &[u8]| page.chunks(64).all(|some| some.iter().any(|byte| *byte != 0));
    let mut full = 0;
    let mut places = Vec::new();
    for (number, page) in bytes.chunks(PAGE).enumerate() {
        full = if is_full(page) { full + 1 } else { 0 };
        if full >= 128 && full % 64 == 0 {
            places.push((number - 64) * PAGE);
        }
    }
    places
}

/// A service with one record over many pages and a small one.
fn with_a_large_value(configuration: &str) -> Running {
    let service = Running::start(configuration);
    service.done(&["kv", "namespaces", "create", "first"], "");
    let large = service.state_dir().join("large");
    fs::write(&large, vec![7; 1 << 20]).expect("written");
    let large = large.to_str().expect("text");
    service.done(&["kv", "put", "first", "large", "--file", large], "");
    service.done(&["kv", "put", "first", "small", "value"], "");
    service
}

/// Of which no part keeps the large value in memory: damage to the open file is met by the next read.
const SMALL_CACHES: &str = "kv.cache = \"1MiB\"\nkv.opened-cache = \"0B\"\n";

/// Changes a byte of the large value while the service runs.
fn damage_the_large_value(service: &Running) {
    let store = store_file(service);
    flip(&store, inside_large_value(&store));
}

#[test]
fn damage_that_a_read_meets_is_counted_and_is_one_incident_that_names_the_record() {
    // The scrub would read it too.
    let service = with_a_large_value(&format!("{SMALL_CACHES}kv.scrub-rate = 0\n{TWO_KINDS}"));
    damage_the_large_value(&service);
    assert_eq!(status(&service)["keyring"]["damaged"], 0, "it is not read yet");
    for _ in 0..3 {
        let read = service.operate(&["kv", "get", "first", "large"], "");
        assert_ne!(read.code, 0);
        assert!(read.err.contains("damaged on the disk"), "{}", read.err);
    }
    assert_eq!(status(&service)["keyring"]["damaged"], 1);
    assert!(get(&service, "/metrics").text().contains("lavawall_store_damaged_records 1"));
    until("the incident", || incidents(&service, "1 damaged records were met") == 1);
    assert_eq!(service.done(&["kv", "get", "first", "small"], "").trim(), "value");
    service.done(&["kv", "put", "first", "large", "new"], "");
    assert_eq!(status(&service)["keyring"]["damaged"], 0, "it was written again");
    assert_eq!(incidents(&service, "damaged records were met"), 1);
}

#[test]
fn the_scrub_finds_a_damaged_record_that_is_not_read_and_goes_round() {
    let service = with_a_large_value(&format!("{SMALL_CACHES}kv.scrub-rate = 1000\n{TWO_KINDS}"));
    until("a round", || !status(&service)["keyring"]["scrub_completed_at"].is_null());
    assert_eq!(status(&service)["keyring"]["damaged"], 0);
    let metrics = get(&service, "/metrics").text();
    assert!(metrics.contains("lavawall_store_scrub_completed_timestamp_seconds 1"), "{metrics}");
    damage_the_large_value(&service);
    until("the incident", || incidents(&service, "1 damaged records were met") == 1);
    assert_eq!(status(&service)["keyring"]["damaged"], 1);
    service.done(&["kv", "put", "first", "large", "new"], "");
    let round = || status(&service)["keyring"]["scrub_completed_at"].to_string();
    let before = round();
    until("another round", || round() != before);
    assert_eq!(status(&service)["keyring"]["damaged"], 0);
}

/// Records that are written, beside some that are deleted again.
const RECORDS: usize = 600;

const DELETED: usize = 60;

/// Told of a store that lost a page of the engine's own tree, or that the last commit alone has: the commit before
/// is whole, and is taken.
const COMMIT_BEFORE: &str = "its last 1 acknowledged commits are missing";

/// A service with records over many pages, and its namespace's path.
fn filled() -> (Running, String) {
    let service = Running::start(TWO_KINDS);
    let (status, made) = service.namespaces("POST", "", r#"{"title":"first"}"#);
    assert_eq!(status, 200, "{made}");
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let path = format!("/{}", made["result"]["id"].as_str().expect("an id"));
    let all: Vec<_> = (0..RECORDS + DELETED).collect();
    for some in all.chunks(60) {
        let pairs = some
            .iter()
            .map(|number| format!(r#"{{"key":"name-{number}","value":"{}"}}"#, value(*number)));
        let pairs = format!("[{}]", pairs.collect::<Vec<_>>().join(","));
        let (status, answer) = service.namespaces("PUT", &format!("{path}/bulk"), &pairs);
        assert_eq!(status, 200, "{answer}");
    }
    for number in RECORDS..RECORDS + DELETED {
        let answer = service.namespaces("DELETE", &format!("{path}/values/name-{number}"), "");
        assert_eq!(answer.0, 200, "{}", answer.1);
    }
    (service, path)
}

fn value(number: usize) -> String {
    format!("{number} ").repeat(30)
}

/// Reads every record: each has its value, or is refused as damaged; none that was deleted has one. Gives the
/// number that are refused.
fn read_all(service: &Running, path: &str) -> usize {
    let mut refused = 0;
    for number in 0..RECORDS + DELETED {
        let (status, body) = service.namespaces("GET", &format!("{path}/values/name-{number}"), "");
        match status {
            200 => {
                assert!(number < RECORDS, "{number} was deleted and is back");
                assert_eq!(body, value(number));
            }
            404 => assert!(number >= RECORDS, "{number} is said never to have been there"),
            _ => {
                assert!(body.contains("damaged on the disk"), "{number}: {status} {body}");
                refused += usize::from(number < RECORDS);
            }
        }
    }
    refused
}

fn put(service: &Running, path: &str) -> (u16, String) {
    service.namespaces("PUT", &format!("{path}/values/new"), "new")
}

/// Starts the service on another content of its store.
fn restart_on(service: &mut Running, store: &[u8]) {
    service.signal(Signal::KILL);
    service.wait();
    fs::write(store_file(service), store).expect("written");
    service.start_again();
}

fn kill(service: &mut Running) -> Vec<u8> {
    service.signal(Signal::KILL);
    service.wait();
    let store = fs::read(store_file(service)).expect("readable");
    service.start_again();
    store
}

#[test]
fn after_a_kill_and_a_changed_byte_every_record_is_served_and_nothing_is_written_until_the_repair()
{
    let (mut service, path) = filled();
    let good = kill(&mut service);
    let used: Vec<_> = (0..good.len()).filter(|at| good[*at] != 0).collect();
    let mut salvaged = 0;
    for place in 0..20 {
        let at = used[used.len() * (2 * place + 1) / 40];
        let mut bad = good.clone();
        bad[at] ^= 1 << (place % 8);
        restart_on(&mut service, &bad);
        assert_eq!(read_all(&service, &path), 0, "byte {at}");
        assert_eq!(get(&service, "/random").status, 200);
        if status(&service)["keyring"]["read_only"].is_null() {
            // The byte is in a page of no tree.
            continue;
        }
        salvaged += 1;
        assert_eq!(incidents(&service, "the store is read-only"), 1);
        assert!(get(&service, "/metrics").text().contains("lavawall_store_read_only 1"));
        let (code, why) = put(&service, &path);
        assert!(code == 503 && why.contains("lavawall kv repair"), "{code} {why}");
        assert_eq!(service.namespaces("DELETE", &path, "").0, 503);
        assert_eq!(service.namespaces("POST", "", r#"{"title":"second"}"#).0, 503);
    }
    assert!(salvaged > 0, "no byte was in a page of a tree");
}

#[test]
fn a_lost_page_costs_its_records_alone_and_the_repair_names_them_and_keeps_the_damaged_file() {
    let (mut service, path) = filled();
    let good = kill(&mut service);
    let leaves = (1..good.len() / PAGE).filter(|page| {
        // A leaf of several rows, as redb writes it.
        let page = &good[page * PAGE..];
        page[0] == 1 && (4..60).contains(&page[2]) && page[3] == 0
    });
    let mut lost = 0;
    for page in leaves {
        let mut bad = good.clone();
        bad[page * PAGE..][..PAGE].fill(0xa5);
        restart_on(&mut service, &bad);
        let why = status(&service)["keyring"]["read_only"].to_string();
        if why == "null" || why.contains(COMMIT_BEFORE) {
            continue;
        }
        lost = read_all(&service, &path);
        if lost > 0 {
            break;
        }
    }
    assert!((1..RECORDS / 4).contains(&lost), "{lost}");
    assert_eq!(put(&service, &path).0, 503);
    let before = fs::read(store_file(&service)).expect("readable");
    let repair = service.done(&["kv", "repair", "--json"], "");
    let repair: Value = serde_json::from_str(&repair).expect("JSON");
    assert_eq!(repair["lost_pages"], 1, "{repair}");
    let kept = repair["kept"].as_str().expect("a path");
    assert!(kept.contains("store.damaged-20"), "{kept}");
    assert_eq!(fs::read(kept).expect("kept"), before);
    let named = repair["lost"].as_array().expect("a list").len();
    assert!(named >= lost, "{named} of {lost}");
    let again = service.operate(&["kv", "repair"], "");
    assert!(again.code != 0 && again.err.contains("needs no repair"), "{}", again.err);
    // As a crash during a repair leaves it.
    let draft = service.state_dir().join("store.new");
    fs::write(&draft, "half").expect("written");
    for round in 0..2 {
        assert_eq!(draft.exists(), round == 0);
        assert_eq!(status(&service)["keyring"]["read_only"], Value::Null, "{round}");
        let answer = put(&service, &path);
        assert_eq!(answer.0, 200, "{}", answer.1);
        let numbers = 0..RECORDS + DELETED;
        let read = numbers.filter(|number| {
            let (status, body) =
                service.namespaces("GET", &format!("{path}/values/name-{number}"), "");
            assert!(status == 404 || (status == 200 && body == value(*number)), "{status} {body}");
            status == 200
        });
        assert_eq!(read.count(), RECORDS - lost, "{round}");
        service.signal(Signal::TERM);
        assert_eq!(service.wait(), 0);
        service.start_again();
    }
    assert_eq!(incidents(&service, ""), 0, "{}", service.log());
    let audit = fs::read_to_string(service.state_dir().join("audit.log")).expect("text");
    assert!(audit.contains("repair"), "{audit}");
}

#[test]
fn a_destroyed_branch_page_costs_no_record_and_brings_none_back() {
    let (mut service, path) = filled();
    // Older pages with other values stay in the file.
    for number in (0..RECORDS).step_by(25) {
        for content in ["older".to_owned(), value(number)] {
            let record = format!("{path}/values/name-{number}");
            assert_eq!(service.namespaces("PUT", &record, &content).0, 200);
        }
    }
    for is_killed in [true, false] {
        service.signal(if is_killed { Signal::KILL } else { Signal::TERM });
        service.wait();
        let good = fs::read(store_file(&service)).expect("readable");
        service.start_again();
        let branches: Vec<_> =
            (1..good.len() / PAGE).filter(|page| good[page * PAGE] == 2).collect();
        let mut current = Vec::new();
        for page in branches {
            let mut bad = good.clone();
            bad[page * PAGE..][..PAGE].fill(0);
            restart_on(&mut service, &bad);
            let why = status(&service)["keyring"]["read_only"].to_string();
            if why.contains(COMMIT_BEFORE) {
                continue;
            }
            assert_eq!(read_all(&service, &path), 0, "page {page}");
            if why != "null" && !why.contains(": 0 pages of it are lost") {
                assert!(why.contains("1 pages of it are lost"), "{why}");
                assert!(!why.contains(" 0 rows below lost pages were found"), "{why}");
                assert!(why.contains("0 records are known to be incomplete"), "{why}");
                assert_eq!(put(&service, &path).0, 503);
                current.push(page);
            }
        }
        assert!(current.len() >= 2, "one of the values, one of the names: {current:?}");
        // Nothing proves the rows of one table when the branch of the other is gone, too.
        let mut bad = good.clone();
        for page in current {
            bad[page * PAGE..][..PAGE].fill(0);
        }
        restart_on(&mut service, &bad);
        let why = status(&service)["keyring"]["read_only"].to_string();
        if is_killed {
            // The commit before is whole.
            assert!(why.contains("its last 1 acknowledged commits are missing"), "{why}");
        } else {
            assert_eq!(read_all(&service, &path), RECORDS);
        }
        restart_on(&mut service, &good);
    }
    let good = kill(&mut service);
    let branch = (1..good.len() / PAGE).filter(|page| good[page * PAGE] == 2);
    for page in branch {
        let mut bad = good.clone();
        bad[page * PAGE..][..PAGE].fill(0);
        restart_on(&mut service, &bad);
        let why = status(&service)["keyring"]["read_only"].to_string();
        if why.contains("rows below lost pages were found") {
            break;
        }
    }
    let repair = service.done(&["kv", "repair", "--json"], "");
    let repair: Value = serde_json::from_str(&repair).expect("JSON");
    assert_eq!((&repair["records"], &repair["lost"]), (&RECORDS.into(), &Value::Array(Vec::new())));
    assert_eq!(read_all(&service, &path), 0);
    assert_eq!(put(&service, &path).0, 200);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    service.start_again();
    assert_eq!(read_all(&service, &path), 0);
    assert_eq!(incidents(&service, ""), 0, "{}", service.log());
}

#[test]
fn a_commit_that_a_power_failure_cut_short_before_it_was_acknowledged_needs_no_repair() {
    let (mut service, path) = filled();
    let record = format!("{path}/values/name-7");
    assert_eq!(service.namespaces("PUT", &record, &value(7)).0, 200);
    let file = service.state_dir().join("store.commits");
    let mark = fs::read(&file).expect("a mark");
    assert_eq!(service.namespaces("PUT", &record, "not acknowledged").0, 200);
    service.signal(Signal::KILL);
    service.wait();
    let marked = fs::read(&file).expect("a mark");
    let good = fs::read(store_file(&service)).expect("readable");
    service.start_again();
    let mut given_up = 0;
    for page in (1..good.len() / PAGE).filter(|page| good[page * PAGE] == 2) {
        let mut bad = good.clone();
        bad[page * PAGE..][..PAGE].fill(0);
        // The commit was acknowledged: it is salvaged. It was not: it is given up.
        for (mark, is_acknowledged) in [(&marked, true), (&mark, false)] {
            service.signal(Signal::KILL);
            service.wait();
            fs::write(&file, mark).expect("written");
            fs::write(store_file(&service), &bad).expect("written");
            service.start_again();
            let why = status(&service)["keyring"]["read_only"].to_string();
            if is_acknowledged {
                if !why.contains("rows below lost pages were found") {
                    break;
                }
                assert_eq!(service.namespaces("GET", &record, "").1, "not acknowledged");
                continue;
            }
            assert_eq!(why, "null", "page {page}");
            assert_eq!(incidents(&service, "cut the last commit of the store short"), 1);
            assert_eq!(read_all(&service, &path), 0, "page {page}");
            assert_eq!(put(&service, &path).0, 200);
            given_up += 1;
        }
    }
    assert!(given_up >= 2, "one branch of the values, one of the names: {given_up}");
}

#[test]
fn a_repair_that_cannot_be_logged_is_not_done_and_one_that_is_done_is_logged_once() {
    let (mut service, path) = filled();
    let before = kill(&mut service);
    assert_eq!(put(&service, &path).0, 200);
    drop(kill(&mut service));
    // A store that is behind its mark, and one that is salvaged: the checksum of the last commit's slot.
    let mut salvaged = fs::read(store_file(&service)).expect("readable");
    let slot = 64 + 128 * usize::from(salvaged[9] & 1);
    salvaged[slot + 120] ^= 1;
    let log = service.state_dir().join("audit.log");
    let aside = service.state_dir().join("audit.aside");
    let repairs = || {
        let lines = fs::read_to_string(&log).expect("a log");
        lines.lines().filter(|line| line.contains(r#""operation":"repair""#)).count()
    };
    for (number, store) in [before, salvaged].iter().enumerate() {
        restart_on(&mut service, store);
        assert_ne!(status(&service)["keyring"]["read_only"], Value::Null, "{number}");
        let found = fs::read(store_file(&service)).expect("readable");
        fs::rename(&log, &aside).expect("moved");
        fs::create_dir(&log).expect("a directory in the way");
        let refused = service.operate(&["kv", "repair"], "");
        assert!(refused.code != 0 && refused.err.contains("audit log"), "{}", refused.err);
        assert!(fs::read(store_file(&service)).expect("readable") == found, "the file has changed");
        assert_ne!(status(&service)["keyring"]["read_only"], Value::Null, "{number}");
        assert_eq!(put(&service, &path).0, 503);
        fs::remove_dir(&log).expect("out of the way");
        fs::rename(&aside, &log).expect("moved back");
        assert_eq!(repairs(), number);
        service.done(&["kv", "repair"], "");
        assert_eq!(repairs(), number + 1);
        assert_eq!(put(&service, &path).0, 200);
    }
    service.done(&["audit"], "");
}

#[test]
fn each_page_of_the_commit_mark_tells_of_lost_commits_and_so_does_an_earlier_file() {
    let (mut service, path) = filled();
    let before = kill(&mut service);
    for number in 0..3 {
        let answer = service.namespaces("PUT", &format!("{path}/values/later-{number}"), "new");
        assert_eq!(answer.0, 200, "{}", answer.1);
    }
    drop(kill(&mut service));
    let file = service.state_dir().join("store.commits");
    let good = fs::read(&file).expect("a mark");
    let lose = |page: usize| {
        let mut bad = good.clone();
        bad[page * PAGE..][..PAGE].fill(0xff);
        bad
    };
    let earlier = [&good[..512], &good[PAGE..][..512]].concat();
    for (mark, least) in [(lose(0), 2), (lose(1), 2), (earlier, 3)] {
        fs::write(&file, &mark).expect("written");
        restart_on(&mut service, &before);
        let why = status(&service)["keyring"]["read_only"].to_string();
        let is_told =
            |lost| why.contains(&format!("its last {lost} acknowledged commits are missing"));
        assert!((least..=3).any(is_told), "{why}");
        assert_eq!(incidents(&service, "commit mark is damaged"), 0);
    }
    let repair = service.done(&["kv", "repair", "--json"], "");
    assert!(repair.contains("lost_commits"), "{repair}");
    assert_eq!(put(&service, &path).0, 200);
    assert_eq!(fs::read(&file).expect("a mark").len(), 2 * PAGE);
}

#[test]
fn a_store_that_lost_its_last_commits_in_a_crash_is_told_and_not_written_until_the_repair() {
    let (mut service, path) = filled();
    let before = kill(&mut service);
    for number in 0..3 {
        let answer = service.namespaces("PUT", &format!("{path}/values/later-{number}"), "new");
        assert_eq!(answer.0, 200, "{}", answer.1);
    }
    let after = kill(&mut service);
    restart_on(&mut service, &before);
    let why = status(&service)["keyring"]["read_only"].to_string();
    assert!(why.contains("its last 3 acknowledged commits are missing"), "{why}");
    assert_eq!(incidents(&service, "acknowledged commits are missing"), 1);
    assert_eq!(read_all(&service, &path), 0);
    assert_eq!(put(&service, &path).0, 503);
    // One bit of the head, after which the engine would take its other slot.
    for at in (9..10).chain((64..320).step_by(23)) {
        let mut bad = after.clone();
        bad[at] ^= 1;
        restart_on(&mut service, &bad);
        let last = service.namespaces("GET", &format!("{path}/values/later-2"), "").0;
        assert_eq!(last, 200, "byte {at}");
        assert_eq!(read_all(&service, &path), 0);
    }
    restart_on(&mut service, &before);
    let repair = service.done(&["kv", "repair", "--json"], "");
    let repair: Value = serde_json::from_str(&repair).expect("JSON");
    assert_eq!(repair["lost_commits"], 3, "{repair}");
    assert_eq!(put(&service, &path).0, 200);
    service.signal(Signal::KILL);
    service.wait();
    service.start_again();
    assert_eq!(status(&service)["keyring"]["read_only"], Value::Null);
    assert_eq!(incidents(&service, ""), 0, "{}", service.log());
    // Another store's mark, and none.
    for content in [Some(vec![7; 2 * PAGE]), None] {
        service.signal(Signal::TERM);
        assert_eq!(service.wait(), 0);
        let mark = service.state_dir().join("store.commits");
        let damaged = usize::from(content.is_some());
        content.map_or_else(|| fs::remove_file(&mark), |it| fs::write(&mark, it)).expect("done");
        service.start_again();
        assert_eq!(incidents(&service, "commit mark is damaged"), damaged);
        assert_eq!(put(&service, &path).0, 200);
        assert_eq!(fs::read(&mark).expect("made").len(), 2 * PAGE);
    }
}

#[test]
fn a_damaged_record_of_a_tenant_costs_it_alone_and_makes_room_for_another() {
    let mut service = Running::start(TWO_KINDS);
    let whole = service.done(&["tenant", "create", "whole"], "");
    let broken = service.done(&["tenant", "create", "broken"], "");
    let asked = |service: &Running, token: &str| {
        let header = format!("Bearer {}", token.trim());
        service.get_with("/random", &[("authorization", &header)]).status
    };
    // A record of many pages.
    for some in 0..10 {
        let title = "x".repeat(560);
        let allow: Vec<_> =
            (0..99).map(|number| format!("--allow=kv:read:{some}-{number}-{title}")).collect();
        let allow: Vec<_> = allow.iter().map(String::as_str).collect();
        service.done(&[&["tenant", "permit", "broken"], &allow[..]].concat(), "");
    }
    assert_eq!([asked(&service, &whole), asked(&service, &broken)], [200; 2]);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    // Free pages have it as it was before.
    let store = store_file(&service);
    for place in inside_large_values(&store) {
        flip(&store, place);
    }
    service.start_again();
    until("the tenants", || asked(&service, &whole) == 200);
    assert_eq!(asked(&service, &broken), 401);
    service.wait_for_log("tenant broken is not known, and its tokens do not count");
    assert!(!service.done(&["tenant", "list", "--json"], "").contains("broken"));
    let taken = service.operate(&["tenant", "create", "broken"], "");
    assert!(taken.code != 0 && taken.err.contains("there is a tenant broken already"));
    let kept = service.operate(&["tenant", "remove", "broken"], "");
    assert!(kept.code != 0 && kept.err.contains("lavawall kv repair"), "{}", kept.err);
    service.done(&["kv", "repair"], "");
    assert_eq!([asked(&service, &whole), asked(&service, &broken)], [200, 401]);
    let made = service.done(&["tenant", "create", "broken"], "");
    assert_eq!([asked(&service, &made), asked(&service, &broken)], [200, 401]);
}

#[test]
fn damage_after_a_clean_stop_is_found_at_the_start_and_makes_no_record_absent() {
    let (mut service, path) = filled();
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    let good = fs::read(store_file(&service)).expect("readable");
    service.start_again();
    let pages: Vec<_> = (1..good.len() / PAGE)
        .filter(|page| good[page * PAGE..][..PAGE].iter().any(|byte| *byte != 0))
        .collect();
    let (mut salvaged, mut refused) = (0, 0);
    for (number, page) in pages.iter().step_by(pages.len() / 20).enumerate() {
        let mut bad = good.clone();
        let damaged = &mut bad[page * PAGE..][..PAGE];
        if number % 2 == 0 {
            damaged.fill(0);
        } else {
            // A bit of the head of the page, which says what it holds and where.
            damaged[4 + number % 60] ^= 1 << (number % 8);
        }
        restart_on(&mut service, &bad);
        let why = status(&service)["keyring"]["read_only"].to_string();
        if why == "null" {
            // No tree has the page.
            assert_eq!(read_all(&service, &path), 0, "page {page}");
            continue;
        }
        salvaged += 1;
        if !why.contains(COMMIT_BEFORE) {
            refused += read_all(&service, &path);
        }
        let (code, why) = put(&service, &path);
        assert!(code == 503 && why.contains("lavawall kv repair"), "{code} {why}");
        assert_eq!(get(&service, "/random").status, 200);
    }
    assert!(salvaged >= 10 && refused > 0, "{salvaged} {refused}");
}

#[test]
fn a_page_of_a_tree_that_is_damaged_while_the_service_runs_is_found_when_a_row_is_missing() {
    let (mut service, path) = filled();
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    let good = fs::read(store_file(&service)).expect("readable");
    let configuration = "kv.scrub-rate = 0\nkv.opened-cache = \"0B\"\n";
    service.configure(&format!("{configuration}{TWO_KINDS}"));
    let branches = (1..good.len() / PAGE).filter(|page| good[page * PAGE] == 2);
    let mut found = 0;
    for page in branches {
        fs::write(store_file(&service), &good).expect("written");
        service.start_again();
        // The first child takes the place of the second, and the last key of the second that of the first.
        let children = 1 + usize::from(good[page * PAGE + 2]);
        let second = page * PAGE + 8 + 16 * children + 8;
        let file = File::options().write(true).open(store_file(&service)).expect("opened");
        file.write_all_at(&good[second - 8..second], second as u64).expect("written");
        let refused = read_all(&service, &path);
        if refused > 0 {
            // The next use of the store verifies the file.
            assert_eq!(read_all(&service, &path), 0, "page {page}");
            assert_ne!(status(&service)["keyring"]["read_only"], Value::Null);
            until("the incident", || incidents(&service, "the store is read-only") == 1);
            assert_eq!(put(&service, &path).0, 503);
            found += 1;
        }
        service.signal(Signal::KILL);
        service.wait();
    }
    assert!(found > 0);
}
