//! The real program on a real small disk: a tmpfs in a mount namespace of the test's own.
//!
//! Each test runs itself once more under `unshare`, so that mounting needs no privileges but those that
//! a user namespace gives. Where none may be made the tests fail and say so; they do not pass.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::running::{self, NAMESPACES, Running, get, lavawall};

const TWO_KINDS: &str = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n";

/// Set where the mounts are the test's own.
const INSIDE: &str = "LAVAWALL_DISK_INSIDE";

const PATIENCE: Duration = Duration::from_mins(1);

/// Runs the test of this name again in namespaces of its own; whether this is that run.
fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture", &format!("served::{test}")])
        .env(INSIDE, "1")
        .output()
        .expect("unshare of util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "failed, or no user namespace may be made here (needed for a small disk): {said}{complained}"
    );
    assert!(said.contains("1 passed"), "{said}");
    false
}

/// A disk of its own at a place.
struct Disk(PathBuf);

impl Disk {
    fn of(size: &str, at: &Path) -> Self {
        fs::create_dir(at).expect("a directory");
        let options = format!("size={size},mode=0700");
        mount(&["-t", "tmpfs", "-o", &options, "none"], at);
        Self(at.to_owned())
    }

    fn set(&self, options: &str) {
        mount(&["-o", &format!("remount,{options}")], &self.0);
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("filler")).expect("a file");
        let chunk = vec![0; 64 << 10];
        while file.write_all(&chunk).is_ok() {}
        let rest = vec![0; 1];
        while file.write_all(&rest).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filler")).expect("removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn mount(options: &[&str], at: &Path) {
    let status = Command::new("mount").args(options).arg(at).status().expect("mount");
    assert!(status.success(), "mount {options:?}: {status}");
}

/// A service whose state directory is a disk of this size.
fn start(size: &str) -> (Disk, Running) {
    let mut disk = None;
    let service = Running::start_with(TWO_KINDS, |state| {
        disk = Some(Disk::of(size, state));
        Command::new(lavawall())
    });
    (disk.expect("made"), service)
}

/// Asks with this token; gives status and body.
fn call(service: &Running, token: &str, ask: (&str, &str), body: &[u8]) -> (u16, Vec<u8>) {
    let (method, path) = ask;
    let mut connection = service.connect();
    let head = format!(
        "{method} {NAMESPACES}{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         authorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(&[head.as_bytes(), body].concat()).expect("sent");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
    (status, answer.split_off(end + 4))
}

/// The administrator's token and the path of a new namespace.
fn first(service: &Running) -> (String, String) {
    let token = fs::read_to_string(service.token_file()).expect("a token");
    let token = token.trim().to_owned();
    let (status, body) = call(service, &token, ("POST", ""), b"{\"title\":\"first\"}");
    assert_eq!(status, 200);
    let made: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let path = format!("/{}/values/", made["result"]["id"].as_str().expect("an id"));
    (token, path)
}

/// A refusal that a client understands: 5xx, and the envelope.
fn is_refused((status, body): &(u16, Vec<u8>)) {
    assert!((500..600).contains(status), "{status}");
    let body: serde_json::Value = serde_json::from_slice(body).expect("the envelope");
    assert_eq!(body["success"], false);
    assert_eq!(body["errors"].as_array().expect("a list").len(), 1, "{body}");
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

fn value(number: usize) -> Vec<u8> {
    format!("{number} ").repeat(20_000).into_bytes()
}

/// Every value that was acknowledged is there.
fn all_there(service: &Running, token: &str, path: &str, acknowledged: usize) {
    for number in 0..acknowledged {
        let got = call(service, token, ("GET", &format!("{path}{number}")), b"");
        assert!(got == (200, value(number)), "{number}: {}", got.0);
    }
}

#[test]
fn a_full_disk_refuses_writes_loses_nothing_and_is_written_again_when_there_is_room() {
    if !is_inside(
        "a_full_disk_refuses_writes_loses_nothing_and_is_written_again_when_there_is_room",
    ) {
        return;
    }
    let (disk, mut service) = start("12m");
    let (token, path) = first(&service);
    let write = |service: &Running, number: usize| {
        call(service, &token, ("PUT", &format!("{path}{number}")), &value(number))
    };
    let mut acknowledged = 0;
    let refused = loop {
        let answer = write(&service, acknowledged);
        if answer.0 != 200 {
            break answer;
        }
        acknowledged += 1;
        assert!(acknowledged < 1000, "the disk is small");
    };
    is_refused(&refused);
    disk.fill();
    // The store's file may still have room of its own.
    let until_refused = |service: &Running, acknowledged: &mut usize| {
        let mut last = (200, Vec::new());
        eventually("a full disk is never full", || {
            last = write(service, *acknowledged);
            *acknowledged += usize::from(last.0 == 200);
            last.0 != 200
        });
        is_refused(&last);
    };
    until_refused(&service, &mut acknowledged);
    is_refused(&call(&service, &token, ("POST", ""), b"{\"title\":\"second\"}"));
    assert!(acknowledged > 5, "{acknowledged}");
    assert_eq!(get(&service, "/random").status, 200);
    // The first that is refused may be there all the same; what was acknowledged must be.
    eventually("nothing is read any more", || {
        call(&service, &token, ("GET", &format!("{path}0")), b"").0 == 200
    });
    all_there(&service, &token, &path, acknowledged);
    // Killed or stopped while it is full, and started while it is full, until the lines about it fill more than
    // a page: what the disk holds is read.
    for round in 0..20 {
        service.signal(if round % 2 == 0 { Signal::KILL } else { Signal::TERM });
        service.wait();
        service.start_again();
        assert_eq!(get(&service, "/random").status, 200);
        let status = get(&service, "/status").text();
        assert!(status.contains("\"keyring\":{\"state\":\"open\""), "{round}: {status}");
        assert_eq!(call(&service, &token, ("GET", &format!("{path}0")), b"").0, 200, "{round}");
        // A key operation does not use the space that is kept for unsealing.
        is_refused(&call(&service, &token, ("POST", ""), b"{\"title\":\"second\"}"));
    }
    all_there(&service, &token, &path, acknowledged);
    until_refused(&service, &mut acknowledged);
    disk.empty();
    disk.set("size=64m");
    eventually("it does not recover", || write(&service, acknowledged).0 == 200);
    all_there(&service, &token, &path, acknowledged + 1);
    assert!(!service.log().contains("panicked"), "{}", service.log());
    assert_eq!(call(&service, &token, ("POST", ""), b"{\"title\":\"second\"}").0, 200);
}

#[test]
fn a_disk_that_fills_and_empties_while_it_runs_needs_no_restart() {
    if !is_inside("a_disk_that_fills_and_empties_while_it_runs_needs_no_restart") {
        return;
    }
    let (disk, service) = start("12m");
    let (token, path) = first(&service);
    let write =
        |number: usize| call(&service, &token, ("PUT", &format!("{path}{number}")), &value(number));
    let mut acknowledged = 0;
    for _ in 0..5 {
        assert_eq!(write(acknowledged).0, 200);
        acknowledged += 1;
        disk.fill();
        // The file may still have room of its own.
        eventually("a full disk is never full", || {
            let answer = write(acknowledged);
            acknowledged += usize::from(answer.0 == 200);
            answer.0 != 200
        });
        disk.empty();
        disk.set("size=64m");
        eventually("it does not recover", || write(acknowledged).0 == 200);
        acknowledged += 1;
        all_there(&service, &token, &path, acknowledged);
        disk.set("size=64m");
    }
    assert!(!service.log().contains("panicked"), "{}", service.log());
}

#[test]
fn a_read_only_disk_is_named_and_what_it_holds_is_served_once_it_can_be_written() {
    if !is_inside("a_read_only_disk_is_named_and_what_it_holds_is_served_once_it_can_be_written") {
        return;
    }
    let (disk, mut service) = start("64m");
    let (token, path) = first(&service);
    let put = call(&service, &token, ("PUT", &format!("{path}0")), &value(0));
    assert_eq!(put.0, 200);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    disk.set("ro");
    let state_dir = service.state_dir();
    let state_dir = state_dir.to_str().expect("text");
    let refused = running::run(&["serve", "--listen", "127.0.0.1:0", "--state-dir", state_dir]);
    assert_eq!(refused.code, 73, "EX_CANTCREAT: {}", refused.err);
    assert!(refused.err.contains("Read-only file system"), "{}", refused.err);
    // What of it needs no start: records are refused with the reason, and opened when it is possible.
    let generator = crate::kept::generator(None);
    let folder = Path::new(state_dir);
    let why = crate::kept::open(folder, &generator).err().expect("refused");
    assert!(why.contains("Read-only file system"), "{why}");
    disk.set("rw");
    service.start_again();
    all_there(&service, &token, &path, 1);
}

#[test]
fn a_repair_on_a_full_disk_is_refused_and_leaves_the_salvaged_store_as_it_is() {
    if !is_inside("a_repair_on_a_full_disk_is_refused_and_leaves_the_salvaged_store_as_it_is") {
        return;
    }
    let (disk, mut service) = start("24m");
    let (token, path) = first(&service);
    for number in 0..20 {
        let put = call(&service, &token, ("PUT", &format!("{path}{number}")), &value(number));
        assert_eq!(put.0, 200);
    }
    service.signal(Signal::KILL);
    service.wait();
    // The checksum of the last commit's slot, so that nothing is lost.
    let store = service.state_dir().join("store");
    let mut bytes = fs::read(&store).expect("readable");
    let primary = 64 + 128 * usize::from(bytes[9] & 1);
    bytes[primary + 120] ^= 1;
    fs::write(&store, bytes).expect("written");
    service.start_again();
    disk.fill();
    let repair = service.operate(&["kv", "repair"], "");
    assert_ne!(repair.code, 0);
    assert!(repair.err.contains("No space left"), "{}", repair.err);
    let names = fs::read_dir(service.state_dir()).expect("a directory");
    let names: Vec<_> = names.map(|it| it.expect("a name").file_name()).collect();
    let is_of_store = |name: &&std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.starts_with("store") && name != "store.commits"
    };
    assert_eq!(names.iter().filter(is_of_store).count(), 1, "{names:?}");
    all_there(&service, &token, &path, 20);
    let (code, _) = call(&service, &token, ("PUT", &format!("{path}0")), b"new");
    assert_eq!(code, 503);
    disk.empty();
    service.done(&["kv", "repair"], "");
    all_there(&service, &token, &path, 20);
    let (code, _) = call(&service, &token, ("PUT", &format!("{path}20")), &value(20));
    assert_eq!(code, 200);
    all_there(&service, &token, &path, 21);
}
