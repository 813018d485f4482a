//! Credentials for units over the served program. The client binds an address as systemd does for
//! `LoadCredential=`, connects, and reads to the end.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::Signal;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::TWO_KINDS;
use crate::running::{PATIENCE, Running, ended, lavawall};

const CONFIGURATION: i32 = 78;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("credential.sock")
    }

    fn table(&self, more: &str) -> String {
        format!("[credential]\nlisten = \"unix:{}\"\n{more}", self.path().display())
    }
}

/// Connects as the unit of an address, which is unlike all others by its number.
fn connect(path: &Path, number: u64, of: &str) -> UnixStream {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    let random = u64::from(std::process::id()) << 32 | number;
    let address = SockAddr::unix(format!("\0{random:x}{of}")).expect("an address");
    socket.bind(&address).expect("bound");
    socket.connect(&SockAddr::unix(path).expect("an address")).expect("connected");
    let stream = UnixStream::from(std::os::fd::OwnedFd::from(socket));
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn read(mut stream: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an end");
    bytes
}

/// The units in the audit log.
fn units(service: &Running) -> Vec<String> {
    let log = fs::read_to_string(service.state_dir().join("audit.log")).expect("a log");
    let lines = log.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let lines = lines.filter(|line: &serde_json::Value| line["operation"] == "credential");
    lines
        .map(|line| {
            assert_eq!(line["outcome"], "done", "{line}");
            let uid = rustix::process::geteuid().as_raw();
            assert_eq!(line["actor"], format!("socket, uid {uid}"), "{line}");
            line["detail"].as_str().expect("a detail").to_owned()
        })
        .collect()
}

#[test]
fn a_unit_gets_bytes_of_its_own_and_the_audit_log_names_it() {
    let place = Place::new();
    let service = Running::start(&format!("{}{TWO_KINDS}", place.table("")));
    let mode = place.path().metadata().expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = read(connect(&place.path(), 1, "/unit/ssh.service/host-seed"));
    let second = read(connect(&place.path(), 2, "/unit/wg\\x2dquick@a.service/key"));
    assert_eq!((first.len(), second.len()), (32, 32));
    assert_ne!(first, second);
    // Others than units get nothing, and are no key operation.
    for (number, address) in [(3, ""), (4, "/unit/ssh.service"), (5, "/unit/a b.service/c")] {
        assert!(read(connect(&place.path(), number, address)).is_empty(), "{address}");
    }
    assert!(read(UnixStream::connect(place.path()).expect("a connection")).is_empty());
    service.wait_for_log("credential: a client is turned away: it is no unit");
    assert_eq!(
        units(&service),
        ["ssh.service, credential host-seed", "wg\\x2dquick@a.service, credential key"]
    );
    let log = service.log();
    let canary = data_encoding::HEXLOWER.encode(&first);
    assert!(!log.contains(&canary) && !log.contains(&data_encoding::BASE64.encode(&first)));

    let larger = Place::new();
    let service = Running::start(&format!("{}{TWO_KINDS}", larger.table("bytes = 4096\n")));
    assert_eq!(read(connect(&larger.path(), 6, "/unit/a.service/b")).len(), 4096);
    drop(service);
    assert!(place.path().exists(), "it was killed and not stopped");
}

#[test]
fn without_a_seed_a_unit_waits_and_fails_when_the_service_stops() {
    let place = Place::new();
    let service = Running::start(&format!("{}[pool]\nquorum = 6\n{TWO_KINDS}", place.table("")));
    let mut waits = connect(&place.path(), 10, "/unit/ssh.service/host-seed");
    waits.set_nonblocking(true).expect("set");
    assert_eq!(waits.read(&mut [0]).expect_err("nothing").kind(), ErrorKind::WouldBlock);
    waits.set_nonblocking(false).expect("set");
    service.signal(Signal::TERM);
    // An end would be an empty credential.
    let error = waits.read(&mut [0]).expect_err("no end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn without_its_line_in_the_audit_log_no_credential_is_given() {
    let place = Place::new();
    let service = Running::start(&format!("{}{TWO_KINDS}", place.table("")));
    let log = service.state_dir().join("audit.log");
    service.wait_until("a log", |_| log.exists());
    let kept = service.state_dir().join("audit.kept");
    fs::create_dir(&kept).expect("a directory");
    // In one step: the service may write another line at any time.
    let exchange = || renameat_with(CWD, &log, CWD, &kept, RenameFlags::EXCHANGE);
    exchange().expect("exchanged");
    let mut waits = connect(&place.path(), 20, "/unit/ssh.service/host-seed");
    service.wait_for_log("credential: ssh.service, credential host-seed waits: audit log ");
    waits.set_nonblocking(true).expect("set");
    assert_eq!(waits.read(&mut [0]).expect_err("nothing").kind(), ErrorKind::WouldBlock);
    waits.set_nonblocking(false).expect("set");
    exchange().expect("exchanged");
    assert_eq!(read(waits).len(), 32);
    assert_eq!(units(&service), ["ssh.service, credential host-seed"]);
}

#[test]
fn a_wrong_table_is_refused_with_its_key() {
    let folder = tempfile::tempdir().expect("a directory");
    let configuration = folder.path().join("wrong.toml");
    for (keys, key) in [
        ("listen = \"127.0.0.1:8889\"", "credential.listen"),
        ("listen = \"unix:x\"", "credential"),
        ("listen = \"unix:/x\"\nbytes = 0", "credential.bytes"),
        ("listen = \"unix:/x\"\nbytes = 4097", "credential.bytes"),
        ("listen = \"unix:/x\"\nmode = \"0666\"", "credential"),
        ("listen = \"unix:/x\"\n[[egd]]\nlisten = \"unix:/x\"", "credential.listen"),
    ] {
        fs::write(&configuration, format!("[credential]\n{keys}\n")).expect("written");
        let mut command = Command::new(lavawall());
        let refused = ended(command.arg("check").arg("--config").arg(&configuration));
        assert_eq!(refused.code, CONFIGURATION, "{keys}: {}", refused.err);
        assert!(refused.err.contains(key), "{keys}: {}", refused.err);
    }
}
