//! A clock that leaps under the running service: libfaketime shifts the calendar clock, and no other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::TWO_KINDS;
use crate::running::{NAMESPACES, Running, get, lavawall};
use crate::tenants::{call, create, header, namespace};

/// The library of Debian's package libfaketime.
fn faketime() -> PathBuf {
    let libraries = std::fs::read_dir("/usr/lib").expect("a directory");
    libraries
        .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")))
        .find(|path| path.exists())
        .expect("libfaketime is not installed: make test installs it")
}

/// The program under a calendar clock that is shifted by the text in `shift`, which is read at every look.
pub(crate) fn shifted(shift: &Path) -> Command {
    let mut command = Command::new(lavawall());
    command
        .env("LD_PRELOAD", faketime())
        .env("FAKETIME_TIMESTAMP_FILE", shift)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < end, "{what} does not come");
        std::thread::yield_now();
    }
}

fn records(service: &Running) -> u64 {
    let status: Value = serde_json::from_slice(&get(service, "/status").body).expect("JSON");
    status["keyring"]["records"].as_u64().expect("a number")
}

#[test]
fn a_clock_leap_hides_expired_records_and_removes_them_only_once_it_is_confirmed() {
    let folder = tempfile::tempdir().expect("a directory");
    let shift = folder.path().join("shift");
    let leap = |by: &str| std::fs::write(&shift, by).expect("written");
    leap("+0s");
    let service = Running::start_with(TWO_KINDS, |_| shifted(&shift));
    service.done(&["kv", "namespaces", "create", "first"], "");
    service.done(&["kv", "put", "first", "short", "value", "--ttl", "10min"], "");
    service.done(&["kv", "put", "first", "long", "value"], "");
    let read = || service.operate(&["kv", "get", "first", "short"], "").out;
    // After the start the clock is in doubt, unless this machine's is synchronized.
    service.done(&["clock", "--confirm"], "");
    let said = |words: &str| get(&service, "/status").text().matches(words).count();

    for round in 1..=2 {
        leap("+2h");
        until("the doubt", || service.operate(&["clock"], "").code == 1);
        until("the incident", || {
            said("s: expired records are hidden and not removed; ") == 2 * round - 1
        });
        let doubt = service.operate(&["clock"], "");
        assert_eq!(doubt.code, 1, "{}", doubt.err);
        assert!(doubt.out.contains("hidden and not removed"), "{}", doubt.out);
        assert_eq!((read().as_str(), records(&service)), ("", 2), "hidden, and there");
        leap("+0s");
        until("the incident", || {
            said("s: expired records are hidden and not removed; ") == 2 * round
        });
        assert_eq!((read().as_str(), records(&service)), ("value", 2));
        service.done(&["clock", "--confirm"], "");
    }

    leap("+2h");
    until("the doubt", || service.operate(&["clock"], "").code == 1);
    service.done(&["clock", "--confirm"], "");
    until("the removal", || records(&service) == 1);
    let log = std::fs::read_to_string(service.state_dir().join("audit.log")).expect("a log");
    assert_eq!(log.matches("\"operation\":\"confirm-clock\"").count(), 4, "{log}");
}

#[test]
fn a_start_with_a_wrong_clock_removes_nothing() {
    let folder = tempfile::tempdir().expect("a directory");
    let shift = folder.path().join("shift");
    std::fs::write(&shift, "+0s").expect("written");
    let mut service = Running::start_with(TWO_KINDS, |_| shifted(&shift));
    service.done(&["kv", "namespaces", "create", "first"], "");
    service.done(&["kv", "put", "first", "short", "value", "--ttl", "10min"], "");
    // Years ahead, as a dead battery leaves it, until time synchronization sets it.
    std::fs::write(&shift, "+4000d").expect("written");
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    service.start_again_with(shifted(&shift));
    assert_eq!(service.operate(&["kv", "get", "first", "short"], "").out, "");
    let clock = service.operate(&["clock", "--json"], "");
    let clock: Value = serde_json::from_str(&clock.out).expect("JSON");
    if clock["synchronized"] == true {
        // The kernel vouches for a clock that only this process sees shifted.
        return;
    }
    std::fs::write(&shift, "+0s").expect("written");
    until("the incident", || get(&service, "/status").text().contains("went back by"));
    assert_eq!(service.done(&["kv", "get", "first", "short"], ""), "value");
}

#[test]
fn the_bytes_and_key_uses_of_a_day_begin_at_midnight_and_a_clock_that_goes_back_finds_them_again() {
    const DAY: i64 = 24 * 60 * 60;
    let folder = tempfile::tempdir().expect("a directory");
    let shift = folder.path().join("shift");
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let of_day = i64::try_from(since).expect("a time") % DAY;
    // To this second of today; faketime reads it at every look.
    let set = |second: i64| {
        std::fs::write(&shift, format!("{:+}s", second - of_day)).expect("written");
    };
    set(DAY / 2);
    let service = Running::start_with(TWO_KINDS, |_| shifted(&shift));
    let token = create(
        &service,
        "acme",
        &["--allow", "random", "--allow", "kv:read:acme/*", "--allow", "kv:write:acme/*"],
    );
    let id = namespace(&service, "acme/data");
    let limit = ["tenant", "limit", "acme", "--bytes", "100B/day", "--key-uses", "2/day"];
    service.done(&limit, "");
    let value = format!("{NAMESPACES}/{id}/values/a");
    let bytes = |bytes: u64| {
        let path = format!("/random?bytes={bytes}");
        call(&service, &token, "GET", &path, "").status
    };
    let uses = || [(); 3].map(|()| call(&service, &token, "PUT", &value, "x").status);
    assert_eq!([bytes(100), bytes(1)], [200, 429]);
    assert_eq!(uses(), [200, 200, 429]);
    let refused = call(&service, &token, "GET", "/random?bytes=1", "");
    let retry = header(&refused, "retry-after").and_then(|it| it.parse::<i64>().ok());
    assert!((DAY / 2 - 120..=DAY / 2).contains(&retry.expect("seconds")), "{retry:?}");
    // What is written is of the day on which it is written.
    let written = |records: u64| {
        let text = service.done(&["keys", "--json"], "");
        let keys = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let own = keys.into_iter().find(|key| key["title"] == "lavawall/tenants");
        own.is_some_and(|own| own["records"] == records)
    };
    // The tenant, its use of the day, and the last uses of its tokens.
    until("the first day is written", || written(3));
    set(DAY + 60);
    assert_eq!([bytes(101), bytes(60), bytes(40), bytes(1)], [429, 200, 200, 429]);
    assert_eq!(uses()[2], 429);
    set(DAY / 2 + 60);
    assert_eq!(bytes(1), 429, "the clock went back");
    assert_eq!(uses(), [429; 3]);
    set(DAY + 120);
    assert_eq!(bytes(1), 429, "and on again");
    until("the second day is written", || written(4));
    {
        let text = service.done(&["tenant", "usage", "acme", "--json"], "");
        let usage: Value = serde_json::from_str(&text).expect("JSON");
        let hours = usage["hours"].as_array().cloned().unwrap_or_default();
        let days: std::collections::BTreeSet<_> =
            hours.iter().filter_map(|it| Some(it["hour"].as_str()?[..10].to_owned())).collect();
        assert_eq!((days.len(), &usage["total"]["native"]["bytes"]), (2, &200.into()), "{usage}");
    }
}

#[test]
fn a_record_that_expired_is_given_back_to_its_owner_although_it_is_not_removed() {
    let folder = tempfile::tempdir().expect("a directory");
    let shift = folder.path().join("shift");
    let leap = |by: &str| std::fs::write(&shift, by).expect("written");
    leap("+0s");
    let service = Running::start_with(TWO_KINDS, |_| shifted(&shift));
    let token = create(&service, "acme", &["--allow", "kv:write:acme/*"]);
    let id = namespace(&service, "acme/data");
    let limit = ["tenant", "limit", "acme", "--records", "1", "--stored", "100B"];
    service.done(&limit, "");
    let put = |name: &str, length: usize| {
        let path = format!("{NAMESPACES}/{id}/values/{name}?expiration_ttl=600");
        call(&service, &token, "PUT", &path, &"x".repeat(length)).status
    };
    assert_eq!([put("a", 99), put("b", 1)], [200, 429]);
    leap("+1h");
    assert_eq!([put("b", 99), put("c", 1), put("b", 100)], [200, 429, 429]);
}
