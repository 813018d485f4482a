//! A source is measured by the operator, and the service credits what was found, or says why not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::TWO_KINDS;
use crate::running::{Output, Running, get, run};

/// Enough to be assessed, and no more.
const FEW: [&str; 5] = ["calibrate", "--source", "jitter", "--samples", "8192"];

#[test]
fn a_calibrated_source_says_when_on_how_much_and_by_what_it_was_assessed() {
    let mut service = Running::start(TWO_KINDS);
    let basis = wait_for_source(&service, "jitter", |it| it["identity"].is_string());
    assert!(basis["assessed"].is_null(), "{basis}");
    assert!(text(&basis["credit_basis"]).starts_with("provisional"), "{basis}");
    // The service holds its state and its devices.
    let refused = service.operate(&FEW, "");
    assert_eq!(refused.code, 77, "{}", refused.err);
    assert!(refused.err.contains("stop the service first"), "{}", refused.err);

    stop(&mut service);
    let said = service.done(&FEW, "");
    assert!(said.contains("bits per symbol") && said.contains("8192 symbols"), "{said}");
    let file = service.state_dir().join("calibration-jitter.json");
    let mode = fs::metadata(&file).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    service.start_again();
    let source = wait_for_source(&service, "jitter", |it| it["assessed"].is_object());
    assert_eq!(source["assessed"]["samples"], 8192, "{source}");
    let basis = text(&source["credit_basis"]).to_owned();
    for part in ["assessed 2", "8192 symbols", text(&source["assessed"]["estimator"])] {
        assert!(basis.contains(part), "{part} in {basis}");
    }
    let shown = run(&["status", "--url", &service.url()]);
    assert!(shown.out.contains(&basis), "{}", shown.out);
}

#[test]
fn a_calibration_of_another_device_is_not_used_and_the_operator_is_told_both() {
    let mut service = Running::start(TWO_KINDS);
    stop(&mut service);
    service.done(&FEW, "");
    let file = service.state_dir().join("calibration-jitter.json");
    let mut known: Value =
        serde_json::from_slice(&fs::read(&file).expect("written")).expect("JSON");
    known["setup"]["device"] = "another processor".into();
    fs::write(&file, known.to_string()).expect("written");
    service.start_again();
    let source = wait_for_source(&service, "jitter", |it| !it["notes"][0].is_null());
    assert!(source["assessed"].is_null(), "{source}");
    assert!(text(&source["credit_basis"]).starts_with("provisional"), "{source}");
    let note = text(&source["notes"][0]);
    for part in ["is not used", "device", "another processor", "now"] {
        assert!(note.contains(part), "{part} in {note}");
    }
    assert!(service.log().contains("another processor"), "{}", service.log());
}

#[test]
fn what_is_credited_nothing_is_not_calibrated_and_a_file_that_says_so_changes_nothing() {
    let rendered = "[[source]]\ntype = \"rendered\"\nwidth = 64\nheight = 64\nfps = 240\n";
    let config = format!("{TWO_KINDS}{rendered}");
    let mut service = Running::start(&config);
    stop(&mut service);
    let asked = |source: &str| -> Output {
        service.operate(&["calibrate", "--source", source, "--samples", "4096"], "")
    };
    for (source, reason) in [("rendered", "credited nothing"), ("os", "own accounting")] {
        let refused = asked(source);
        assert_eq!((refused.code, refused.err.contains(reason)), (1, true), "{}", refused.err);
        assert!(!service.state_dir().join(format!("calibration-{source}.json")).exists());
    }
    // As if somebody had written it by hand, with the setup that the source has.
    let raw = service.state_dir().join("raw.bin");
    let path = service.state_dir().with_file_name("lavawall.toml");
    let capture = ["capture", "--source", "rendered", "--samples", "4096", "--config"];
    let (path, raw) = (path.to_string_lossy(), raw.to_string_lossy());
    service.done(&[&capture[..], &[&*path, "-o", &*raw]].concat(), "");
    let sidecar: Value =
        serde_json::from_slice(&fs::read(format!("{raw}.json")).expect("written")).expect("JSON");
    let forged = serde_json::json!({
        "setup": sidecar["setup"], "min-entropy": 7.9, "credited": 7.9, "derating": "",
        "estimator": "lag", "samples": 1_000_000, "at": sidecar["at"], "lavawall": "0",
    });
    fs::write(service.state_dir().join("calibration-rendered.json"), forged.to_string())
        .expect("written");
    service.start_again();
    let source = wait_for_source(&service, "rendered", |it| {
        it["state"] == "healthy" && it["samples"].as_u64() > Some(200)
    });
    assert_eq!((&source["credited_bits"], &source["in_last_seed"]), (&0.into(), &false.into()));
    assert!(source["assessed"].is_null(), "{source}");
    assert!(text(&source["notes"][0]).contains("credited nothing"), "{source}");
}

fn stop(service: &mut Running) {
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0, "{}", service.log());
}

/// What `/status` says of a source once it is so.
fn wait_for_source(service: &Running, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let status: Value = serde_json::from_slice(&get(service, "/status").body).expect("JSON");
        let sources = status["sources"].as_array().expect("sources");
        let source = sources.iter().find(|it| it["id"] == id).expect("the source");
        if is_so(source) {
            return source.clone();
        }
        assert!(Instant::now() < end, "{source}");
        std::thread::yield_now();
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("text: {value}"))
}
