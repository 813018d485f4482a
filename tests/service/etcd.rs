//! The store in a real etcd of three members.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::TWO_KINDS;
use crate::etcd_members::EtcdMembers;
use crate::load::namespace;
use crate::running::{Running, get};
use crate::tls::Access;

/// A service over these members, and the path of a namespace.
fn started(members: &EtcdMembers) -> (Running, String) {
    let service = Running::start(&format!("{}{TWO_KINDS}", members.tables()));
    service.wait_until("the store opens", |it| it.namespaces("GET", "", "").0 == 200);
    let id = namespace(&service);
    (service, id)
}

fn put(service: &Running, id: &str, name: &str, value: &str) -> u16 {
    service.namespaces("PUT", &format!("{id}/values/{name}"), value).0
}

fn read(service: &Running, id: &str, name: &str) -> (u16, String) {
    service.namespaces("GET", &format!("{id}/values/{name}"), "")
}

/// Whether a file below a folder has this text.
fn is_found(folder: &Path, text: &str) -> bool {
    let found = Command::new("grep").args(["-raqF", text]).arg(folder).status().expect("grep");
    // 2 is an error.
    assert!(matches!(found.code(), Some(0 | 1)), "{found}");
    found.success()
}

#[test]
fn records_are_kept_in_etcd_and_nothing_of_them_is_readable_there() {
    let members = EtcdMembers::start();
    let (mut service, id) = started(&members);
    let canary = "a canary that flies over all lamps";
    // In pieces; also over one in pieces, and over one that is not.
    let long = canary.repeat((3 << 20) / canary.len());
    for value in ["short", &long, canary, &long] {
        assert_eq!(put(&service, &id, "a-canary-as-a-name", value), 200);
        assert!(read(&service, &id, "a-canary-as-a-name") == (200, value.to_owned()));
    }
    assert_eq!(put(&service, &id, "b", "b"), 200);
    service.signal(Signal::KILL);
    service.wait_patiently();
    service.start_again();
    service.wait_until("the store opens", |it| read(it, &id, "b").0 == 200);
    assert!(read(&service, &id, "a-canary-as-a-name") == (200, long));
    assert_eq!(service.namespaces("DELETE", &format!("{id}/values/b"), "").0, 200);
    assert_eq!(read(&service, &id, "b").0, 404);
    let (status, keys) = service.namespaces("GET", &format!("{id}/keys"), "");
    assert!(status == 200 && keys.contains("a-canary-as-a-name"), "{keys}");
    assert!(!service.state_dir().join("store").exists(), "there is no file beside it");
    for secret in [canary, "a-canary-as-a-name"] {
        assert!(!is_found(members.folder(), secret), "{secret}");
    }
    assert!(is_found(members.folder(), "lavawall/i/e"), "the rows are there");
}

#[test]
fn any_member_may_be_killed_or_hang_and_a_client_that_tries_twice_sees_nothing() {
    let mut members = EtcdMembers::start();
    let (service, id) = started(&members);
    let mut number = 0;
    let mut works = |what: &str| {
        number += 1;
        let (name, value) = (format!("name-{number}"), format!("value of {what}"));
        let twice = [(); 2].map(|()| put(&service, &id, &name, &value));
        assert!(twice.contains(&200), "{what}: {twice:?} {}", service.log());
        let twice = [(); 2].map(|()| read(&service, &id, &name));
        assert!(twice.contains(&(200, value)), "{what}: {twice:?} {}", service.log());
        assert_eq!(get(&service, "/random?bytes=8").status, 200);
    };
    for member in 0..3 {
        members.signal(member, Signal::STOP);
        works("a member that hangs");
        members.signal(member, Signal::CONT);
        works("a member that goes on");
        members.kill(member);
        works("a member that was killed");
        members.run(member);
        members.wait_for(member);
        works("a member that is back");
    }
    let (status, keys) = service.namespaces("GET", &format!("{id}/keys"), "");
    assert!(status == 200 && keys.matches("name-").count() == 12, "{keys}");
}

#[test]
fn without_a_majority_the_store_refuses_with_the_reason_and_random_goes_on() {
    let mut members = EtcdMembers::start();
    let (service, id) = started(&members);
    assert_eq!(put(&service, &id, "a", "1"), 200);
    members.kill(0);
    members.kill(1);
    for (method, path) in [("GET", "values/a"), ("PUT", "values/a"), ("GET", "keys")] {
        let (status, body) = service.namespaces(method, &format!("{id}/{path}"), "2");
        assert_eq!(status, 503, "{method} {path}: {body}");
    }
    assert_eq!(get(&service, "/random?bytes=8").status, 200);
    members.run(0);
    service.wait_until("the store serves again", |it| read(it, &id, "a").0 == 200);
    // What was refused may have been made: it was not known.
    assert!(["1", "2"].contains(&read(&service, &id, "a").1.as_str()));
    service.wait_until("it is written", |it| put(it, &id, "a", "3") == 200);
    assert_eq!(read(&service, &id, "a"), (200, "3".to_owned()));
}

#[test]
fn a_service_that_starts_before_etcd_serves_random_bytes_and_opens_the_store_later() {
    let mut members = EtcdMembers::start();
    (0..3).for_each(|member| members.kill(member));
    let service = Running::start(&format!("{}{TWO_KINDS}", members.tables()));
    service.wait_until("it serves", |it| get(it, "/random?bytes=8").status == 200);
    service.wait_until("it says why", |it| it.log().contains("etcd"));
    (0..3).for_each(|member| members.run(member));
    service.wait_until("the store opens", |it| it.namespaces("GET", "", "").0 == 200);
    let id = namespace(&service);
    assert_eq!(put(&service, &id, "a", "1"), 200);
}

#[test]
fn a_store_in_etcd_without_its_keyring_is_refused() {
    let members = EtcdMembers::start();
    let (_service, id) = started(&members);
    let other = Running::start(&format!("{}{TWO_KINDS}", members.tables()));
    other.wait_for_log("there is a store and no keyring");
    assert_eq!(other.namespaces("GET", &format!("{id}/keys"), "").0, 503);
    let beside = members.tables() + "prefix = \"other/\"\n";
    let beside = Running::start(&format!("{beside}{TWO_KINDS}"));
    beside.wait_until("the store opens", |it| it.namespaces("GET", "", "").0 == 200);
}

#[test]
fn members_and_service_know_each_other_by_certificates() {
    let access = Access::new();
    let text = |name: &str| access.path(name).to_str().expect("a path").to_owned();
    let (certificate, key) = (text("certificate.pem"), text("key.pem"));
    let members = EtcdMembers::start_with(
        "https",
        &[
            "--cert-file",
            &certificate,
            "--key-file",
            &key,
            "--client-cert-auth",
            "--trusted-ca-file",
            &certificate,
        ],
    );
    let with = |more: &str| format!("{}ca = {certificate:?}\n{more}{TWO_KINDS}", members.tables());
    let service = Running::start(&with(&format!("certificate = {certificate:?}\nkey = {key:?}\n")));
    service.wait_until("the store opens", |it| it.namespaces("GET", "", "").0 == 200);
    let id = namespace(&service);
    assert_eq!(put(&service, &id, "a", "1"), 200);
    let stranger = Running::start(&with(""));
    stranger.wait_for_log("etcd");
    assert_eq!(stranger.namespaces("GET", "", "").0, 503);
    assert!(!stranger.state_dir().join("store").exists());
}
