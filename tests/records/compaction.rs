//! The store's file becomes smaller, by the operator's command and at a start.

use rustix::process::Signal;

use crate::running::{Running, get, run};
use crate::{TWO_KINDS, namespace};

const MIB: u64 = 1 << 20;

/// A service with one record, and a file in which four values of 20 MiB were deleted. Gives the path of the
/// namespace.
fn mostly_free() -> (Running, String) {
    let service = Running::start(TWO_KINDS);
    let id = namespace(&service, "first");
    let large = "x".repeat(20 << 20);
    for name in ["a", "b", "c", "d"] {
        let path = format!("{id}/values/{name}");
        assert_eq!(service.namespaces("PUT", &path, &large).0, 200);
    }
    assert_eq!(service.namespaces("PUT", &format!("{id}/values/kept"), "here").0, 200);
    let names = r#"["a","b","c","d"]"#;
    assert_eq!(service.namespaces("POST", &format!("{id}/bulk/delete"), names).0, 200);
    (service, id)
}

/// The store's size as `/status` has it: bytes of rows and of the file.
fn size(service: &Running) -> Option<(u64, u64)> {
    let status: serde_json::Value =
        serde_json::from_slice(&get(service, "/status").body).expect("JSON");
    let store = &status["keyring"]["store"];
    Some((store["live_bytes"].as_u64()?, store["file_bytes"].as_u64()?))
}

fn file_bytes(service: &Running) -> u64 {
    service.state_dir().join("store").metadata().expect("a store").len()
}

#[test]
fn the_operator_compacts_the_store_and_its_size_is_shown() {
    let (service, id) = mostly_free();
    let (live, file) = size(&service).expect("a size");
    assert_eq!(file, file_bytes(&service));
    assert!((1..4096).contains(&live), "{live}");
    assert!(file > 64 * MIB, "{file}");
    let state = service.state_dir();
    let place = ["--state-dir", state.to_str().expect("text")];
    let compacted = run(&[&["kv", "compact", "--json"], place.as_slice()].concat());
    assert_eq!(compacted.code, 0, "{}", compacted.err);
    let sizes: serde_json::Value = serde_json::from_str(&compacted.out).expect("JSON");
    let after = file_bytes(&service);
    assert_eq!(sizes["before"], serde_json::json!({ "live_bytes": live, "file_bytes": file }));
    assert_eq!(sizes["after"], serde_json::json!({ "live_bytes": live, "file_bytes": after }));
    assert!(after < 4 * MIB, "{after}");
    assert_eq!(size(&service), Some((live, after)));
    let metrics = get(&service, "/metrics").text();
    for line in
        [format!("lavawall_store_live_bytes {live}"), format!("lavawall_store_file_bytes {after}")]
    {
        assert!(metrics.lines().any(|it| it == line), "{line}: {metrics}");
    }
    let shown = run(&["status", "--url", &service.url()]);
    assert!(shown.out.contains("of records in a file of"), "{}", shown.out);
    let again = run(&[&["kv", "compact"], place.as_slice()].concat());
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.out.starts_with("the file of the store had "), "{}", again.out);
    let log = std::fs::read_to_string(state.join("audit.log")).expect("a log");
    assert_eq!(log.lines().filter(|line| line.contains("\"compact\"")).count(), 2, "{log}");
    assert_eq!(service.namespaces("GET", &format!("{id}/values/kept"), ""), (200, "here".into()));
    assert_eq!(service.namespaces("GET", &format!("{id}/values/a"), "").0, 404);
}

#[test]
fn a_store_that_is_mostly_free_is_compacted_when_it_is_opened() {
    let (mut service, id) = mostly_free();
    service.signal(Signal::KILL);
    service.wait();
    assert!(file_bytes(&service) > 64 * MIB);
    service.start_again();
    let end = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while size(&service).is_none_or(|(_, file)| file > 4 * MIB) {
        assert!(std::time::Instant::now() < end, "{:?}: {}", size(&service), service.log());
        std::thread::yield_now();
    }
    assert_eq!(service.namespaces("GET", &format!("{id}/values/kept"), ""), (200, "here".into()));
    assert!(service.log().contains("compacted the store from "), "{}", service.log());
}
