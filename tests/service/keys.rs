//! Keys as their operator handles them: seals, rotation, provenance, the audit log.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::TWO_KINDS;
use crate::running::{Running, get, lavawall};

const UNAVAILABLE: i32 = 69;
const REFUSED: i32 = 77;
const DATA: i32 = 65;
const IO: i32 = 74;

fn with_records(configuration: &str, records: usize) -> Running {
    let service = Running::start(&format!("{configuration}{TWO_KINDS}"));
    service.done(&["kv", "namespaces", "create", "first"], "");
    let pairs: Vec<_> = (0..records)
        .map(|number| serde_json::json!({ "key": format!("name{number}"), "value": "value" }))
        .collect();
    let file = service.state_dir().join("../pairs.json");
    std::fs::write(&file, serde_json::to_vec(&pairs).expect("JSON")).expect("written");
    service.done(&["kv", "bulk", "first", "put", &file.display().to_string()], "");
    service
}

fn keys(service: &Running) -> Vec<Value> {
    let text = service.done(&["keys", "--json"], "");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// State and records of every key version of the one namespace.
fn versions(service: &Running) -> Vec<(String, u64)> {
    let is_version = |key: &&Value| !key["namespace"].is_null();
    keys(service)
        .iter()
        .filter(is_version)
        .map(|key| {
            let state = key["state"].as_str().expect("a state").to_owned();
            (state, key["records"].as_u64().expect("the store is open"))
        })
        .collect()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < end, "{what} does not come");
        std::thread::yield_now();
    }
}

fn destroyed_and_active(records: u64) -> Vec<(String, u64)> {
    vec![("destroyed".to_owned(), 0), ("active".to_owned(), records)]
}

#[test]
fn every_described_call_of_the_operator_is_served_on_the_socket_alone() {
    let service = Running::start(TWO_KINDS);
    let over_socket = |method: &str, path: &str| {
        let socket = service.state_dir().join("admin.sock");
        let mut socket = UnixStream::connect(socket).expect("the admin socket");
        // No body that a call takes: none of them is done.
        let head = "Host: localhost\r\nConnection: close\r\nContent-Length: 2";
        write!(socket, "{method} {path} HTTP/1.1\r\n{head}\r\n\r\n[]").expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer
    };
    assert!(over_socket("GET", "/admin/other").contains("there is no such administrator's call"));
    let description: Value =
        serde_json::from_slice(&get(&service, "/openapi.json").body).expect("JSON");
    let mut calls = 0;
    for (template, item) in description["paths"].as_object().expect("paths") {
        if !template.starts_with("/admin/") {
            continue;
        }
        assert!(item["servers"][0]["description"].as_str().is_some_and(|it| it.contains("socket")));
        let path = template.replace("{id}", "00112233445566778899aabbccddeeff");
        let path = path.replace("{tenant}", "acme").replace("{number}", "1");
        assert_eq!(get(&service, &path).status, 404, "{template} over TCP");
        for method in item.as_object().expect("an item").keys().filter(|it| *it != "servers") {
            let answer = over_socket(&method.to_uppercase(), &path);
            assert!(!answer.contains("no such administrator's call"), "{method} {path}: {answer}");
            calls += 1;
        }
    }
    assert_eq!(calls, 26);
}

#[test]
fn with_shares_nobody_alone_opens_records_and_random_goes_on() {
    let mut service = with_records("", 1);
    let shares =
        service.done(&["rekey", "--seal", "shares", "--threshold", "2", "--shares", "3"], "");
    let shares: Vec<_> = shares.lines().collect();
    assert_eq!(shares.len(), 3);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    service.start_again();
    let sealed = service.operate(&["kv", "get", "first", "name0"], "");
    assert_eq!(sealed.code, UNAVAILABLE, "{}", sealed.err);
    assert!(sealed.err.contains("sealed: run lavawall unseal"), "{}", sealed.err);
    assert_eq!(get(&service, "/random").status, 200);
    assert!(get(&service, "/status").text().contains("\"state\":\"sealed\""));
    // One holder comes: the share is taken, and that is a success. Then a mistyped share, and the other
    // holder.
    let none = service.operate(&["unseal"], "");
    assert_eq!(none.code, DATA, "{}", none.err);
    let one = service.operate(&["unseal"], &format!("{}\n", shares[0]));
    assert_eq!(one.code, 0, "{}", one.err);
    assert!(one.err.contains("1 of 2 shares are given"), "{}", one.err);
    let mistyped = service.operate(&["unseal"], "lava1:AAAA\n");
    assert_eq!(mistyped.code, DATA, "{}", mistyped.err);
    let again = service.operate(&["unseal"], &format!("{}\n", shares[0]));
    assert_eq!(again.code, DATA, "{}", again.err);
    assert!(again.err.contains("share 1 was given already"), "{}", again.err);
    service.done(&["unseal"], &format!("{}\n", shares[2]));
    assert_eq!(service.done(&["kv", "get", "first", "name0"], ""), "value");
    // Changing the seal back needs two of them again.
    let without = service.operate(&["rekey", "--seal", "file"], &format!("{}\n", shares[1]));
    assert_eq!(without.code, DATA, "{}", without.err);
    service.done(&["rekey", "--seal", "file"], &format!("{}\n{}\n", shares[1], shares[2]));
}

#[test]
fn records_are_read_and_not_written_by_a_service_that_gets_no_seed() {
    let mut service = with_records("", 1);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    service.configure(crate::ONE_KIND);
    service.start_again();
    assert_eq!(get(&service, "/random").status, 503);
    until("the store", || service.operate(&["kv", "get", "first", "name0"], "").code == 0);
    assert_eq!(service.done(&["kv", "get", "first", "name0"], ""), "value");
    let refused = service.operate(&["kv", "put", "first", "name1"], "value");
    assert_eq!(refused.code, UNAVAILABLE, "{}", refused.err);
    let status: Value = serde_json::from_slice(&get(&service, "/status").body).expect("JSON");
    assert_eq!(status["incidents"], serde_json::json!([]), "{status}");
}

#[test]
fn shares_that_could_not_be_shown_are_not_in_force() {
    let mut service = with_records("", 1);
    let (file, seal) = (service.state_dir().join("keyring"), service.state_dir().join("seal-key"));
    let before = std::fs::read(&file).expect("a keyring");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let (unread, gone) = std::io::pipe().expect("a pipe");
    drop(unread);
    for nowhere in [std::process::Stdio::from(full), gone.into()] {
        let mut command = std::process::Command::new(lavawall());
        command.args(["rekey", "--seal", "shares", "--state-dir"]).arg(service.state_dir());
        let ended = command.stdout(nowhere).status().expect("the program");
        assert_eq!(ended.code(), Some(IO));
        assert_eq!(std::fs::read(&file).expect("a keyring"), before);
        assert!(seal.exists());
    }
    // Shown, and then the keyring cannot be written.
    let draft = service.state_dir().join("keyring.new");
    std::fs::create_dir(&draft).expect("a directory in the way");
    let failed = service.operate(&["rekey", "--seal", "shares"], "");
    assert_eq!((failed.code, failed.out.lines().count()), (UNAVAILABLE, 3));
    assert!(failed.err.contains("that were shown do not count"), "{}", failed.err);
    std::fs::remove_dir(&draft).expect("out of the way");
    service.signal(Signal::KILL);
    service.wait();
    service.start_again();
    assert_eq!(service.done(&["kv", "get", "first", "name0"], ""), "value");
}

#[test]
fn a_store_whose_keyring_was_moved_away_is_whole_once_it_is_back() {
    let mut service = with_records("", 1);
    let shares = service.done(&["rekey", "--seal", "shares"], "");
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    let (file, elsewhere) = (service.state_dir().join("keyring"), service.state_dir().join("k"));
    std::fs::rename(&file, &elsewhere).expect("moved");
    service.start_again();
    service.wait_for_log("there is a store and no keyring");
    assert_eq!(get(&service, "/random").status, 200);
    let refused = service.operate(&["init", "--seal", "file"], "");
    assert!(refused.err.contains("move the store away"), "{}", refused.err);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    assert!(!file.exists());
    std::fs::rename(&elsewhere, &file).expect("moved back");
    service.start_again();
    service.done(&["unseal"], &shares);
    assert_eq!(service.done(&["kv", "get", "first", "name0"], ""), "value");
}

#[test]
fn a_passphrase_opens_what_a_wrong_one_does_not() {
    let service = with_records("", 1);
    service.done(&["rekey", "--seal", "passphrase"], "correct horse battery\n");
    service.done(&["seal"], "");
    let wrong = service.operate(&["unseal"], "incorrect horse battery\n");
    assert_eq!(wrong.code, REFUSED, "{}", wrong.err);
    assert!(wrong.err.contains("this is not the passphrase"), "{}", wrong.err);
    assert!(!wrong.err.contains("incorrect"), "{}", wrong.err);
    service.done(&["unseal"], "correct horse battery\n");
    assert_eq!(service.done(&["kv", "get", "first", "name0"], ""), "value");
    let short = service.operate(&["rekey", "--seal", "passphrase"], "correct horse battery\nx\n");
    assert!(short.err.contains("at least"), "{}", short.err);
    service.done(&["rotate", "root"], "correct horse battery\n");
    let log = std::fs::read_to_string(service.state_dir().join("audit.log")).expect("a log");
    assert!(!log.contains("horse") && log.contains("this is not the passphrase"), "{log}");
    assert!(!service.log().contains("horse"));
}

#[test]
fn a_keyring_that_was_sealed_by_hand_stays_sealed() {
    let service = with_records("", 1);
    service.done(&["seal"], "");
    // The service looks for work about ten times meanwhile.
    let looks_until = Instant::now() + Duration::from_secs(1);
    until("a second", || Instant::now() >= looks_until);
    assert_eq!(service.operate(&["keys"], "").code, UNAVAILABLE);
    service.done(&["unseal"], "");
    assert_eq!(service.done(&["kv", "get", "first", "name0"], ""), "value");
}

#[test]
fn init_makes_the_keyring_of_ones_choice_when_the_service_leaves_it_to_the_operator() {
    let service = Running::start(&format!("keyring.init = false\n{TWO_KINDS}"));
    let none = service.operate(&["keys"], "");
    assert!(none.err.contains("run lavawall init"), "{}", none.err);
    let shares = service.done(&["init", "--seal", "shares"], "");
    assert_eq!(shares.lines().count(), 3);
    assert!(!service.state_dir().join("seal-key").exists(), "nothing opens it from the disk");
    let again = service.operate(&["init", "--seal", "file"], "");
    assert_eq!(again.code, 1);
    assert!(again.err.contains("lavawall rekey"), "{}", again.err);
    service.done(&["kv", "namespaces", "create", "first"], "");
}

#[test]
fn a_rotation_survives_a_kill_and_destroys_the_old_version() {
    let mut service = with_records("kv.rotation-rate = 500\n", 2000);
    service.done(&["rotate", "namespace", "first", "--no-wait"], "");
    until("a part", || versions(&service)[1].1 > 0);
    let status: Value = serde_json::from_slice(&get(&service, "/status").body).expect("JSON");
    let rotation = &status["keyring"]["rotations"][0];
    assert!(rotation["done"].as_u64() > Some(0), "{rotation}");
    assert_eq!(rotation["left"], rotation["dependents"]["1"]);
    assert!(service.done(&["status", "--url", &service.url()], "").contains("resealing"));
    service.signal(Signal::KILL);
    service.wait();
    service.configure(TWO_KINDS);
    service.start_again();
    until("the end", || versions(&service) == destroyed_and_active(2000));
    assert_eq!(service.done(&["kv", "get", "first", "name1999"], ""), "value");
    service.done(&["rotate", "namespace", "first"], "");
    until("the next", || versions(&service)[1] == ("destroyed".to_owned(), 0));
}

#[test]
fn keys_are_rotated_also_when_the_list_is_not_read() {
    let service = with_records("", 1);
    let before = versions(&service).len();
    let code = service.operate_unread(&["keys", "--rotate", "--made-while", "ready"]);
    assert_eq!((code, versions(&service).len()), (0, before + 1));
}

#[test]
fn exactly_the_keys_of_a_bad_hour_are_rotated() {
    let service = with_records("", 10);
    service.done(&["kv", "namespaces", "create", "second"], "");
    let named = keys(&service).into_iter().find(|key| key["title"] == "first").expect("made");
    let first = named["namespace"].as_str().expect("an id").to_owned();
    let now = jiff::Timestamp::now();
    let (hour_ago, soon) = (now - jiff::Span::new().hours(1), now + jiff::Span::new().hours(1));
    let before = keys(&service).len();
    let none = service.done(&["keys", "--json", "--rotate", "--made-while", "degraded"], "");
    assert_eq!((none.as_str(), keys(&service).len()), ("", before));
    let (from, until_then) = (hour_ago.to_string(), soon.to_string());
    let shown =
        service.done(&["keys", "--json", "--rotate", "--made-between", &from, &until_then], "");
    assert_eq!(shown.lines().count(), 3, "the root key and one of each namespace");
    let after = keys(&service);
    assert_eq!(after.len(), before + 2, "one more of each namespace, the root key in its place");
    let of_first = after.iter().filter(|key| key["namespace"] == first.as_str());
    assert_eq!(
        of_first.map(|key| key["records"].as_u64()).collect::<Vec<_>>(),
        [Some(0), Some(10)]
    );
}

#[test]
fn a_revoked_version_is_left_by_its_records() {
    let service = with_records("", 10);
    let active = service.operate(&["keys", "revoke", "first", "1"], "");
    assert!(active.err.contains("rotate first"), "{}", active.err);
    service.done(&["rotate", "namespace", "first"], "");
    service.operate(&["keys", "revoke", "first", "1"], "");
    until("the end", || versions(&service) == destroyed_and_active(10));
    assert_eq!(service.done(&["kv", "get", "first", "name3"], ""), "value");
    let unknown = service.operate(&["keys", "revoke", "first", "7"], "");
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("has no key version 7"), "{}", unknown.err);
    let destroyed = service.operate(&["keys", "revoke", "first", "1"], "");
    assert_eq!(destroyed.code, 1);
    assert!(destroyed.err.contains("was destroyed"), "{}", destroyed.err);
}

#[test]
fn a_record_under_a_newer_key_version_than_the_keyring_has_is_told_from_a_destroyed_one() {
    let mut service = with_records("", 1);
    let keyring = service.state_dir().join("keyring");
    let older = std::fs::read(&keyring).expect("a keyring");
    service.done(&["rotate", "namespace", "first"], "");
    service.done(&["kv", "put", "first", "new", "value"], "");
    until("the reseal", || versions(&service) == destroyed_and_active(2));
    let restart_with = |service: &mut Running, content: &[u8]| {
        service.signal(Signal::TERM);
        assert_eq!(service.wait(), 0);
        std::fs::write(&keyring, content).expect("written");
        service.start_again();
    };
    let newer = std::fs::read(&keyring).expect("a keyring");
    restart_with(&mut service, &older);
    let id = service.done(&["kv", "namespaces", "list", "--json"], "");
    let id = id.split('"').find(|part| part.len() == 32).expect("an id").to_owned();
    let (status, body) = service.namespaces("GET", &format!("/{id}/values/new"), "");
    assert!(status == 500 && body.contains("key version 2, which is not in the keyring"), "{body}");
    let read = service.operate(&["kv", "get", "first", "name0"], "");
    assert!(read.code != 0 && read.err.contains("is not in the keyring"), "{}", read.err);
    let incidents = get(&service, "/status").text();
    assert!(incidents.contains("under key versions that are not in the keyring"), "{incidents}");
    restart_with(&mut service, &newer);
    assert_eq!(service.done(&["kv", "get", "first", "new"], ""), "value");
    assert_eq!(service.done(&["kv", "get", "first", "name0"], ""), "value");
}

#[test]
fn without_its_audit_log_no_key_changes_and_random_goes_on() {
    let service = with_records("", 1);
    let log = service.state_dir().join("audit.log");
    std::fs::rename(&log, service.state_dir().join("audit.old")).expect("moved");
    std::fs::create_dir(&log).expect("a directory in the way");
    let refused = service.operate(&["rotate", "namespace", "first"], "");
    assert_eq!(refused.code, UNAVAILABLE);
    assert!(
        refused.err.contains("audit log") && refused.err.contains("audit.log"),
        "{}",
        refused.err
    );
    let refused = service.operate(&["kv", "namespaces", "create", "second"], "");
    assert!(refused.err.contains("the audit log cannot be written"), "{}", refused.err);
    assert_eq!(get(&service, "/random").status, 200);
    assert_eq!(service.done(&["kv", "get", "first", "name0"], ""), "value");
    std::fs::remove_dir(&log).expect("out of the way");
    service.done(&["rotate", "namespace", "first"], "");
    service.done(&["audit"], "");
}

#[test]
fn the_audit_log_names_who_did_what_and_a_changed_line_is_found() {
    let service = with_records("", 1);
    let (status, body) = service.namespaces("POST", "", "{\"title\":\"second\"}");
    assert_eq!(status, 200, "{body}");
    let log = service.state_dir().join("audit.log");
    let text = std::fs::read_to_string(&log).expect("a log");
    let actors: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["actor"].clone())
        .collect();
    let socket = format!("socket, uid {}", rustix::process::geteuid().as_raw());
    assert_eq!(actors, ["service", socket.as_str(), "token admin"]);
    let printed = service.done(&["audit"], "");
    let head = printed.trim().rsplit(' ').next().expect("split gives one at least");
    service.done(&["audit", "--head", head], "");
    service.done(&["audit", "--head", &format!(" {} ", head.to_uppercase())], "");
    // A mistyped head is no sign of missing lines.
    let other = if head.starts_with('0') { "1" } else { "0" };
    for (mistyped, expected) in [
        (format!("{other}{}", &head[1..]), "differs in 1 of 64 digits"),
        (head[1..].to_owned(), "64 hexadecimal digits (got 63 digits)"),
        (format!("{head}0"), "64 hexadecimal digits (got 65 digits)"),
        (format!("O{}", &head[1..]), "64 hexadecimal digits (got other characters)"),
        (String::new(), "64 hexadecimal digits (got 0 digits)"),
    ] {
        let refused = service.operate(&["audit", "--head", &mistyped], "");
        assert_eq!(refused.code, DATA, "{mistyped}");
        assert!(refused.err.contains(expected), "{}", refused.err);
        assert!(!refused.err.contains("missing"), "{}", refused.err);
    }
    let whole = std::fs::read(&log).expect("a log");
    let last = text.trim_end().rfind('\n').expect("lines");
    std::fs::write(&log, &text[..=last]).expect("written");
    let truncated = service.operate(&["audit", "--head", head], "");
    assert_eq!(truncated.code, 1);
    assert!(truncated.err.contains("lines are missing"), "{}", truncated.err);
    std::fs::write(&log, whole).expect("written");
    std::fs::write(&log, text.replacen("create-namespace", "rename-namespace", 1))
        .expect("written");
    let found = service.operate(&["audit"], "");
    assert_eq!(found.code, 1);
    assert!(found.err.contains("line 3 does not follow"), "{}", found.err);
}

#[test]
fn calls_that_were_turned_away_are_in_the_audit_log_once_the_service_has_stopped() {
    let mut service = Running::start(TWO_KINDS);
    for _ in 0..20 {
        assert_eq!(get(&service, crate::running::NAMESPACES).status, 401);
    }
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    let log = std::fs::read_to_string(service.state_dir().join("audit.log")).expect("a log");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let counts: Vec<_> = lines.filter_map(|line| line["count"].as_u64()).collect();
    assert_eq!((counts[0], counts.iter().sum::<u64>()), (1, 20), "{counts:?}");
}

#[test]
fn keys_are_asked_about_only_over_a_socket_that_is_the_operators() {
    let service = Running::start(TWO_KINDS);
    for path in ["/admin/keyring", "/admin/keys"] {
        assert_eq!(get(&service, path).status, 404, "{path} over TCP");
    }
    let socket = service.state_dir().join("admin.sock");
    let mode = socket.metadata().expect("a socket").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let none = service.operate(&["keys", "--socket", "/nowhere/admin.sock"], "");
    assert_eq!(none.code, UNAVAILABLE);
    assert!(
        none.err.contains("/nowhere/admin.sock") && none.err.contains("running"),
        "{}",
        none.err
    );
}

/// Only root can become somebody else; `http/admin/socket.rs` has the same for anybody.
#[test]
fn another_user_is_turned_away_even_if_the_socket_is_left_open() {
    use std::os::unix::process::CommandExt;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let service = Running::start(TWO_KINDS);
    let state = service.state_dir();
    let socket = state.join("admin.sock");
    let program = state.join("../lavawall");
    // By another process: a test that forks while this one holds it open for writing would make it busy.
    let copied = std::process::Command::new("cp").arg(lavawall()).arg(&program).status();
    assert!(copied.expect("cp").success());
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("changed");
    };
    open(&state.join(".."), 0o711);
    open(&state, 0o711);
    open(&socket, 0o666);
    open(&program, 0o755);
    let ask = |user: u32| {
        let mut command = std::process::Command::new(&program);
        command.args(["keys", "--socket"]).arg(&socket).uid(user).env_clear();
        command.output().expect("the program").status.code()
    };
    assert_eq!(ask(0), Some(0));
    assert_eq!(ask(65534), Some(UNAVAILABLE));
    service.wait_for_log("user 65534 was turned away");
    let log = || std::fs::read_to_string(state.join("audit.log")).expect("a log");
    until("its line", || log().contains("\"detail\":\"socket 1\",\"count\":1"));
}
