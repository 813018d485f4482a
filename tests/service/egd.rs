//! The entropy gathering daemon's protocol, over a unix socket and TCP.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::process::Signal;

use crate::TWO_KINDS;
use crate::running::{PATIENCE, Running, ended, lavawall};

const CONFIGURATION: i32 = 78;

/// A service with these keys of an `[[egd]]` at a socket in its folder.
fn start(keys: &str) -> Running {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.keep().join("egd.sock");
    Running::start(&format!("[[egd]]\nlisten = \"unix:{}\"\n{keys}{TWO_KINDS}", path.display()))
}

/// A client of the service's last listener.
fn connect(service: &Running) -> UnixStream {
    let addresses = service.addresses();
    let address = addresses.last().expect("an address");
    let path = address.strip_prefix("unix:").expect("a unix socket");
    let stream = UnixStream::connect(path).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// What a client gets that sends these commands and no more.
fn ask(service: &Running, commands: &[u8]) -> Vec<u8> {
    let mut stream = connect(service);
    stream.write_all(commands).expect("sent");
    stream.shutdown(Shutdown::Write).expect("the end of the commands");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer and its end");
    answer
}

#[test]
fn every_command_is_answered_and_commands_sent_together_in_order() {
    let service = start("");
    assert_eq!(ask(&service, &[0]), 256_u32.to_be_bytes());
    let read = ask(&service, &[1, 200]);
    assert_eq!((read.len(), read[0]), (201, 200));
    assert_ne!(read[1..], ask(&service, &[1, 200])[1..], "random");
    assert_eq!(ask(&service, &[2, 255]).len(), 255);
    assert_eq!(ask(&service, &[1, 0]), [0]);
    assert!(ask(&service, &[2, 0]).is_empty());
    let pid = service.pid().as_raw_nonzero().to_string();
    let length = u8::try_from(pid.len()).expect("short");
    assert_eq!(ask(&service, &[4]), [&[length], pid.as_bytes()].concat());
    // What a client adds is read and goes nowhere.
    let together = ask(&service, &[&[3, 0, 64, 8], &[9; 8][..], &[0, 2, 64, 1, 64]].concat());
    assert_eq!((together.len(), &together[..4]), (4 + 64 + 65, &[0, 0, 1, 0][..]));
    assert_eq!(ask(&service, &[0, 5, 0]), [0, 0, 1, 0], "an unknown command ends it");
    service.wait_for_log("0x05 is no command of this protocol");
}

#[test]
fn a_socket_has_its_mode_and_is_gone_after_the_service() {
    let mut service = start("mode = \"0640\"\n");
    let path = service.addresses().last().expect("an address").replace("unix:", "");
    let mode = std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o640);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    assert!(std::fs::metadata(&path).is_err());
}

#[test]
fn a_client_that_waits_for_commands_is_answered_to_its_last_one_before_a_stop() {
    let mut service = start("");
    let mut client = connect(&service);
    let mut read = [0; 64];
    for _ in 0..3 {
        client.write_all(&[2, 64]).expect("sent");
        client.read_exact(&mut read).expect("answered");
    }
    service.signal(Signal::STOP);
    client.write_all(&[2, 64, 2, 64]).expect("sent");
    service.signal(Signal::TERM);
    service.signal(Signal::CONT);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("answers and an end");
    assert_eq!(rest.len(), 128);
    assert_eq!(service.wait(), 0);
}

#[test]
fn clients_that_go_on_asking_or_read_nothing_hold_up_no_stop() {
    let mut service = start("");
    let mut asks = connect(&service);
    let mut reads = asks.try_clone().expect("the same connection");
    std::thread::spawn(move || while asks.write_all(&[2, 1]).is_ok() {});
    std::thread::spawn(move || while reads.read_exact(&mut [0]).is_ok() {});
    let mut deaf = connect(&service);
    deaf.set_nonblocking(true).expect("set");
    // Until neither side has room.
    while deaf.write(&[2, 255].repeat(1000)).is_ok() {}
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    service.wait_for_log("a command is left without an answer");
    assert!(!service.log().contains("drain timeout"), "{}", service.log());
}

#[test]
fn its_use_is_that_of_its_tenant_whose_limits_hold() {
    let service = start("tenant = \"guest\"\n");
    assert_eq!(ask(&service, &[0, 1, 8]), [0, 0, 0, 0, 0], "there is no such tenant yet");
    service.done(&["tenant", "create", "guest"], "");
    service.done(&["tenant", "limit", "guest", "--bytes", "100B/day"], "");
    assert_eq!(ask(&service, &[1, 60]).len(), 61);
    assert_eq!(ask(&service, &[1, 41]), [0], "40 bytes are left");
    assert_eq!(ask(&service, &[1, 40]).len(), 41);
    assert_eq!(ask(&service, &[0, 1, 1]), [0, 0, 0, 0, 0]);
    // A read that waits has its bytes once there are some again.
    let mut waits = connect(&service);
    waits.write_all(&[2, 32]).expect("sent");
    waits.set_nonblocking(true).expect("set");
    assert_eq!(waits.read(&mut [0]).expect_err("none").kind(), ErrorKind::WouldBlock);
    waits.set_nonblocking(false).expect("set");
    service.done(&["tenant", "limit", "guest", "--bytes", "none"], "");
    waits.read_exact(&mut [0; 32]).expect("answered");
    let shown = service.done(&["tenant", "usage", "guest", "--json"], "");
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["total"]["egd"]["bytes"], 132, "{shown}");
    assert_eq!(shown["total"]["egd"]["requests"], 3, "{shown}");
    service.done(&["tenant", "permit", "guest", "--deny", "random"], "");
    assert_eq!(ask(&service, &[0, 1, 1]), [0, 0, 0, 0, 0], "not permitted");
}

#[test]
fn without_a_seed_nothing_is_given_over_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("egd.sock");
    let egd = format!("[[egd]]\nlisten = \"unix:{}\"\n", path.display());
    let service = Running::start(&format!("{egd}[pool]\nquorum = 6\n{TWO_KINDS}"));
    assert_eq!(ask(&service, &[0, 1, 255]), [0, 0, 0, 0, 0]);
    let mut waits = connect(&service);
    waits.write_all(&[2, 32]).expect("sent");
    service.signal(Signal::TERM);
    let mut given = Vec::new();
    waits.read_to_end(&mut given).expect("an end");
    assert!(given.is_empty(), "{given:?}");
}

#[test]
fn it_is_served_on_loopback_and_refused_on_a_network_without_device_and_tenant() {
    let service = Running::start(&format!("[[egd]]\nlisten = \"127.0.0.1:0\"\n{TWO_KINDS}"));
    let address = service.addresses().last().expect("an address").clone();
    let mut client = TcpStream::connect(address).expect("a connection");
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    client.write_all(&[2, 64]).expect("sent");
    client.read_exact(&mut [0; 64]).expect("answered");

    for (keys, key) in [
        ("listen = \"0.0.0.0:8888\"", "egd[0].listen"),
        ("listen = \"0.0.0.0:8888\"\ndevice = \"lo\"", "egd[0].listen"),
        ("listen = \"127.0.0.1:0\"\nmode = \"0600\"", "egd[0].mode"),
        ("listen = \"unix:/x\"\ndevice = \"lo\"", "egd[0].device"),
        ("listen = \"unix:x\"", "egd"),
        ("listen = \"unix:/x\"\ntenant = \"Not a name\"", "egd[0].tenant"),
    ] {
        let configuration = service.folder().join("wrong.toml");
        std::fs::write(&configuration, format!("[[egd]]\n{keys}\n")).expect("written");
        let mut command = Command::new(lavawall());
        let refused = ended(command.arg("check").arg("--config").arg(&configuration));
        assert_eq!(refused.code, CONFIGURATION, "{keys}: {}", refused.err);
        assert!(refused.err.contains(key), "{keys}: {}", refused.err);
    }
}
