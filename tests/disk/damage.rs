//! The real program on a store of which bytes are damaged.

use std::fs;
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

/// Changes one byte of a file.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("readable");
    bytes[at] ^= 0x10;
    fs::write(path, bytes).expect("written");
}

/// A place in the middle of the first long run of pages without an empty one: the one large value.
fn inside_large_value(path: &Path) -> usize {
    let bytes = fs::read(path).expect("readable");
    let is_full = |page: &[u8]| page.iter().filter(|byte| **byte == 0).count() < PAGE / 16;
    let mut full = 0;
    for (number, page) in bytes.chunks(PAGE).enumerate() {
        full = if is_full(page) { full + 1 } else { 0 };
        if full == 128 {
            return (number - 64) * PAGE;
        }
    }
    panic!("there is no large value");
}

#[test]
fn damage_that_a_read_meets_is_counted_and_is_one_incident_that_names_the_record() {
    let mut service = Running::start(TWO_KINDS);
    service.done(&["kv", "namespaces", "create", "first"], "");
    let large = service.state_dir().join("large");
    fs::write(&large, vec![7; 1 << 20]).expect("written");
    let large = large.to_str().expect("text");
    service.done(&["kv", "put", "first", "large", "--file", large], "");
    service.done(&["kv", "put", "first", "small", "value"], "");
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    let store = store_file(&service);
    flip(&store, inside_large_value(&store));
    service.start_again();
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
