//! Records in the real program: from the first start, over crashes, and at rest.

mod compaction;
mod formats;
#[path = "../service/running.rs"]
#[allow(dead_code, reason = "shared with the service's tests, which use all of it")]
mod running;
mod snapshots;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use running::{Running, get};
use rustix::process::Signal;

const TWO_KINDS: &str = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n";

/// Makes a namespace and gives its path.
fn namespace(service: &Running, title: &str) -> String {
    let body = service.made_namespace(title);
    let made: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    format!("/{}", made["result"]["id"].as_str().expect("an id"))
}

#[test]
fn the_first_call_needs_nothing_but_the_token_that_the_first_start_made() {
    let mut service = Running::start(TWO_KINDS);
    let token = service.token_file();
    let mode = token.metadata().expect("made").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let first = std::fs::read(&token).expect("a token");
    let id = namespace(&service, "first");
    assert_eq!(service.namespaces("PUT", &format!("{id}/values/a"), "kept").0, 200);
    // Also after a kill, and with the same token.
    service.signal(Signal::KILL);
    service.wait();
    service.start_again();
    assert_eq!(std::fs::read(&token).expect("a token"), first);
    assert_eq!(service.namespaces("GET", &format!("{id}/values/a"), ""), (200, "kept".to_owned()));
    assert!(!service.log().contains(String::from_utf8_lossy(&first).trim()));
    let status = get(&service, "/status").text();
    assert!(status.contains("\"keyring\":{\"state\":\"open\",\"seal\":\"file\""), "{status}");
}

#[test]
fn nothing_a_user_wrote_is_in_the_state_directory_or_the_log() {
    let mut service = Running::start(TWO_KINDS);
    let id = namespace(&service, "xylophone-title");
    let pairs: Vec<_> = (0..10_000)
        .map(|number| {
            format!(
                "{{\"key\":\"xylophone-name-{number}\",\"value\":\"xylophone-value-{number}\",\
                 \"metadata\":{{\"xylophone\":{number}}}}}"
            )
        })
        .collect();
    let (status, body) =
        service.namespaces("PUT", &format!("{id}/bulk"), &format!("[{}]", pairs.join(",")));
    assert_eq!(status, 200, "{body}");
    // Refusals must not tell either.
    assert_eq!(service.namespaces("GET", &format!("{id}/values/xylophone-absent"), "").0, 404);
    assert_eq!(service.namespaces("PUT", &format!("{id}/bulk"), "[\"xylophone\"]").0, 400);
    for path in ["/status", "/metrics"] {
        assert!(!get(&service, path).text().contains("xylophone"), "{path}");
    }
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    assert!(!service.log().contains("xylophone"), "{}", service.log());
    no_file_holds(&service.state_dir(), b"xylophone");
}

#[test]
fn a_body_that_no_call_needs_is_taken_and_the_connection_goes_on() {
    let service = Running::start(TWO_KINDS);
    let id = namespace(&service, "first");
    let token = std::fs::read_to_string(service.token_file()).expect("a token");
    let path = format!("/client/v4/accounts/default/storage/kv/namespaces{id}/values/absent");
    let authorization = format!("host: localhost\r\nauthorization: Bearer {}", token.trim());
    // Longer than what the server has read along with the head.
    let body = "x".repeat(60_000);
    let asks = format!(
        "DELETE {path} HTTP/1.1\r\n{authorization}\r\ncontent-length: {}\r\n\r\n{body}\
         GET {path} HTTP/1.1\r\n{authorization}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut connection = service.connect();
    connection.write_all(asks.as_bytes()).expect("sent");
    let mut answers = String::new();
    connection.read_to_string(&mut answers).expect("both answers");
    let statuses: Vec<_> =
        answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "404"], "{answers}");
}

/// Stops the service, puts this keyring in the place of its own, and starts it again.
fn restart_with_keyring(service: &mut Running, keyring: &[u8]) {
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0, "{}", service.log());
    std::fs::write(service.state_dir().join("keyring"), keyring).expect("written");
    service.start_again();
}

#[test]
fn an_older_keyring_keeps_newer_namespaces_aside_and_its_own_records_go_on() {
    let mut service = Running::start(TWO_KINDS);
    let old = namespace(&service, "old");
    assert_eq!(service.namespaces("PUT", &format!("{old}/values/first"), "1").0, 200);
    let keyring = service.state_dir().join("keyring");
    let older = std::fs::read(&keyring).expect("a keyring");
    // Newer than the copy: a namespace, a key version with records under it, and a deleted namespace.
    let new = namespace(&service, "new");
    let gone = namespace(&service, "gone");
    for at in [&new, &gone] {
        for number in 0..50 {
            let path = format!("{at}/values/name{number}");
            assert_eq!(service.namespaces("PUT", &path, &format!("value{number}")).0, 200);
        }
    }
    service.done(&["rotate", "namespace", &old[1..]], "");
    assert_eq!(service.namespaces("PUT", &format!("{old}/values/second"), "2").0, 200);
    assert_eq!(service.namespaces("DELETE", &gone, "").0, 200);
    let right = std::fs::read(&keyring).expect("a keyring");

    for _ in 0..2 {
        restart_with_keyring(&mut service, &older);
        let status = get(&service, "/status").text();
        assert!(
            status.contains(&format!("does not know 1 namespaces of the store: {}", &new[1..])),
            "{status}"
        );
        // Its own namespaces can be used.
        let path = format!("{old}/values/third");
        assert_eq!(service.namespaces("PUT", &path, "3").0, 200);
        assert_eq!(service.namespaces("GET", &path, ""), (200, "3".to_owned()));
        assert_eq!(service.namespaces("GET", &format!("{new}/values/name0"), "").0, 404);
        // The one in use may be newer by now.
        restart_with_keyring(&mut service, &right);
        assert!(!get(&service, "/status").text().contains("does not know"));
        for number in 0..50 {
            let path = format!("{new}/values/name{number}");
            assert_eq!(service.namespaces("GET", &path, ""), (200, format!("value{number}")));
        }
        for (name, value) in [("first", "1"), ("second", "2")] {
            let read = service.namespaces("GET", &format!("{old}/values/{name}"), "");
            assert_eq!(read, (200, value.to_owned()), "{name}");
        }
        assert_eq!(service.namespaces("GET", &gone, "").0, 404);
    }
}

/// Flips a bit in the head of the store's file, in the slot of the last commit: byte 9 of the head names the slot,
/// and the slots, of 128 bytes, begin at byte 64 (redb's documented format).
fn damage_the_last_commit(store: &Path) {
    let mut bytes = std::fs::read(store).expect("a store");
    let slot = 64 + 128 * usize::from(bytes[9] & 1);
    bytes[slot + 40] ^= 1;
    std::fs::write(store, bytes).expect("written");
}

#[test]
fn a_damaged_head_undoes_no_acknowledged_commit_and_nothing_is_written_until_repaired() {
    let mut service = Running::start(TWO_KINDS);
    let id = namespace(&service, "first");
    let write = |service: &Running, name: &str| {
        service.namespaces("PUT", &format!("{id}/values/{name}"), name)
    };
    let read = |service: &Running, name: &str| {
        service.namespaces("GET", &format!("{id}/values/{name}"), "").0
    };
    for name in ["one", "two", "last"] {
        assert_eq!(write(&service, name).0, 200);
    }
    // A crash alone loses nothing, and nothing is said.
    service.signal(Signal::KILL);
    service.wait();
    service.start_again();
    assert!(!get(&service, "/status").text().contains("acknowledged"));
    assert_eq!(write(&service, "last").0, 200);
    assert_eq!(service.namespaces("DELETE", &format!("{id}/values/two"), "").0, 200);

    service.signal(Signal::KILL);
    service.wait();
    damage_the_last_commit(&service.state_dir().join("store"));
    service.start_again();
    let status = get(&service, "/status").text();
    assert!(status.contains("lavawall kv repair"), "{status}");
    assert_eq!((read(&service, "one"), read(&service, "two")), (200, 404), "nothing comes back");
    for (method, path, body) in [
        ("PUT", format!("{id}/values/new"), "new"),
        ("DELETE", format!("{id}/values/one"), ""),
        ("POST", String::new(), "{\"title\":\"second\"}"),
        ("DELETE", id.clone(), ""),
    ] {
        let (status, body) = service.namespaces(method, &path, body);
        assert!(status == 503 && body.contains("lavawall kv repair"), "{method} {path}: {body}");
    }
    // It stays so over a restart, until the operator repairs it.
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    service.start_again();
    assert_eq!(write(&service, "new").0, 503);
    assert!(service.done(&["kv", "repair"], "").contains("0 records are known to be lost"));
    assert_eq!(write(&service, "new").0, 200);
    assert_ne!(service.operate(&["kv", "repair"], "").code, 0, "it is sound");
    service.signal(Signal::KILL);
    service.wait();
    service.start_again();
    let status = get(&service, "/status").text();
    assert!(status.contains("\"read_only\":null") && !status.contains("kv repair"), "{status}");
    assert_eq!((read(&service, "new"), read(&service, "two")), (200, 404));
}

#[test]
fn a_store_put_back_beside_its_mark_is_missed_without_an_anchor_too() {
    let mut service = Running::start(TWO_KINDS);
    let id = namespace(&service, "first");
    let store = service.state_dir().join("store");
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    let older = std::fs::read(&store).expect("a store");
    service.start_again();
    for name in ["one", "two"] {
        assert_eq!(service.namespaces("PUT", &format!("{id}/values/{name}"), name).0, 200);
    }
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    std::fs::write(&store, older).expect("written");
    service.start_again();
    assert!(get(&service, "/status").text().contains("lavawall kv repair"));
    assert_eq!(service.namespaces("PUT", &format!("{id}/values/new"), "new").0, 503);
    let compacted = service.operate(&["kv", "compact"], "");
    assert_ne!(compacted.code, 0, "it rewrites the file: {}", compacted.out);
    assert!(compacted.err.contains("kv repair"), "{}", compacted.err);
    // Without a mark, as in a store of before, it is made.
    std::fs::remove_file(service.state_dir().join("store.commits")).expect("a mark");
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    service.start_again();
    assert_eq!(service.namespaces("PUT", &format!("{id}/values/new"), "new").0, 200);
}

fn no_file_holds(folder: &Path, mark: &[u8]) {
    for entry in std::fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        if !path.is_file() {
            continue; // the admin socket holds nothing
        }
        let bytes = std::fs::read(&path).expect("a file");
        let found = bytes.windows(mark.len()).any(|window| window == mark);
        assert!(!found, "{}", path.display());
    }
}

#[test]
fn an_exposed_or_damaged_key_stops_records_with_the_reason_and_no_randomness() {
    let mut service = Running::start(TWO_KINDS);
    let id = namespace(&service, "first");
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    let seal = service.state_dir().join("seal-key");
    std::fs::set_permissions(&seal, PermissionsExt::from_mode(0o644)).expect("changed");
    service.start_again();
    assert_eq!(get(&service, "/random").status, 200);
    let (status, body) = service.namespaces("GET", &id, "");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("sealed"), "{body}");
    assert!(get(&service, "/status").text().contains("chmod 600"), "the operator is told");
    // Mended while it runs: it is looked at again.
    std::fs::set_permissions(&seal, PermissionsExt::from_mode(0o600)).expect("changed");
    let end = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while service.namespaces("GET", &id, "").0 != 200 {
        assert!(std::time::Instant::now() < end, "it was not looked at again");
        std::thread::yield_now();
    }
    // A keyring that is damaged.
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    std::fs::write(service.state_dir().join("keyring"), "something else").expect("written");
    service.start_again();
    assert_eq!(get(&service, "/random").status, 200);
    assert_eq!(service.namespaces("GET", &id, "").0, 503);
    assert!(get(&service, "/status").text().contains("is not a keyring"));
}

#[test]
fn a_store_that_is_none_stops_records_with_the_reason_and_no_randomness_until_it_is_mended() {
    let mut service = Running::start(TWO_KINDS);
    let id = namespace(&service, "first");
    assert_eq!(service.namespaces("PUT", &format!("{id}/values/a"), "kept").0, 200);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    let store = service.state_dir().join("store");
    let good = std::fs::read(&store).expect("a store");
    std::fs::write(&store, "something else").expect("written");
    service.start_again();
    assert_eq!(get(&service, "/random").status, 200);
    let (status, body) = service.namespaces("GET", &format!("{id}/values/a"), "");
    assert_eq!(status, 503, "{body}");
    assert!(get(&service, "/status").text().contains("keys and records: the store cannot"));
    std::fs::write(&store, good).expect("written");
    let end = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while service.namespaces("GET", &format!("{id}/values/a"), "") != (200, "kept".to_owned()) {
        assert!(std::time::Instant::now() < end, "it was not opened again");
        std::thread::yield_now();
    }
}
