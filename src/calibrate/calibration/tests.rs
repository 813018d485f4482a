//! What is credited of a figure, and when a figure does not hold.

use std::sync::Arc;

use super::*;
use crate::collector::feed::Feed;
use crate::config::{Config, SourceEntry};
use crate::plan::feeds;
use crate::source::{Facts, camera, jitter, os, rendered};
use lavawall_entropy::PixelFormat;

/// What a difference of a camera is credited that nobody has measured: an eighth of half a bit.
const PROVISIONAL: f64 = 0.5 / 8.0;

const IDENTITY: &str = "usb:046d:0825 at 0 port 1";

fn camera() -> Spec {
    Spec::Camera(camera::Config::default())
}

fn facts() -> Facts {
    Facts { identity: Some(IDENTITY.to_owned()), ..Facts::default() }
}

/// A calibration of this source that found so many bits.
fn calibration(spec: &Spec, min_entropy: f64) -> Calibration {
    Calibration {
        setup: Setup::of(spec, &facts()),
        min_entropy,
        credited: min_entropy,
        derating: String::new(),
        estimator: "lag".to_owned(),
        samples: 1_000_000,
        at: "2026-01-01T00:00:00Z".to_owned(),
        lavawall: "0".to_owned(),
    }
}

fn state_dir() -> (tempfile::TempDir, Arc<StateDir>) {
    let base = tempfile::tempdir().expect("a directory");
    let dir = StateDir::open(&base.path().join("state")).expect("a state directory");
    (base, Arc::new(dir))
}

/// The feed of a source, as the service would run it.
fn feed(spec: &Spec, dir: &Arc<StateDir>) -> Feed {
    let entry = SourceEntry { id: "it".to_owned(), spec: spec.clone() };
    feeds::feed(entry, &Config::default(), Some(dir))
}

/// What a feed credits a symbol once its source is open and says this of itself.
fn claimed(mut feed: Feed, facts: &Facts) -> (Option<f64>, Option<String>) {
    let said = feed.calibrated.as_mut().map(|calibrated| calibrated(facts));
    let (assessed, why) = match said {
        Some(Ok(assessed)) => (Some(assessed.credited), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    feed.gate.claim(assessed);
    (feed.gate.claimed(), why)
}

#[test]
fn noise_is_credited_half_of_its_figure_and_no_more_than_can_be_argued() {
    let jitter = Spec::Jitter(jitter::Config::default());
    let cpu = Spec::Cpu(cpu::Config::default());
    for (spec, found, credited) in [
        (camera(), 0.6, 0.3),
        (camera(), 3.0, 0.5),
        (jitter.clone(), 0.5, 0.25),
        (jitter.clone(), 1.8, 0.9),
        (jitter, 5.0, 1.0),
        (cpu.clone(), 7.9, 4.0),
        (cpu, 3.5, 3.5),
    ] {
        let derated = Derated::of(&spec, found).unwrap_or_else(|why| panic!("{why}"));
        assert!((derated.credited - credited).abs() < 1e-12, "{spec:?} {found}");
    }
}

#[test]
fn a_calibrated_source_is_credited_its_figure_and_says_so() {
    let (_base, dir) = state_dir();
    assert_eq!(claimed(feed(&camera(), &dir), &facts()), (Some(PROVISIONAL), None), "provisional");
    calibration(&camera(), 0.6).save(&dir, "it").expect("written");
    assert_eq!(claimed(feed(&camera(), &dir), &facts()), (Some(0.3), None));
    let said = feed(&camera(), &dir).calibrated.expect("there")(&facts()).expect("it holds");
    let said = said.to_string();
    for part in ["assessed 2026-01-01", "0.600 bits", "lag", "1000000 symbols", "0.300 credited"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_calibration_is_refused_when_anything_it_was_measured_with_has_changed() {
    let (_base, dir) = state_dir();
    calibration(&camera(), 0.6).save(&dir, "it").expect("written");
    let with = |change: &dyn Fn(&mut camera::Config)| {
        let mut config = camera::Config::default();
        change(&mut config);
        Spec::Camera(config)
    };
    let other = Facts { identity: Some("usb:dead:beef".to_owned()), ..Facts::default() };
    for (spec, facts, parts) in [
        (camera(), other, ["device", "046d:0825", "dead:beef"]),
        (with(&|it| it.format = PixelFormat::Grey), facts(), ["format", "yuyv", "grey"]),
        (with(&|it| it.height = 480), facts(), ["resolution", "1280x720", "1280x480"]),
        (with(&|it| it.fps = 15), facts(), ["settings", "at 10", "at 15"]),
    ] {
        let (claimed, why) = claimed(feed(&spec, &dir), &facts);
        assert_eq!(claimed, Some(PROVISIONAL), "provisional again");
        let why = why.expect("a reason");
        assert!(why.contains("2026-01-01"), "{why}");
        for part in parts {
            assert!(why.contains(part), "{part} in {why}");
        }
    }
}

#[test]
fn what_is_credited_nothing_stays_so_however_well_it_assesses() {
    let (_base, dir) = state_dir();
    let drawn = Spec::Rendered(rendered::Config::default());
    calibration(&drawn, 7.9).save(&dir, "it").expect("written");
    let (claimed, why) = claimed(feed(&drawn, &dir), &facts());
    assert_eq!(claimed, None);
    assert!(why.expect("a reason").contains("credited nothing"));
    // Nor does its inspector listen, whoever asks.
    let mut feed = feed(&drawn, &dir);
    feed.gate.claim(Some(7.9));
    assert_eq!(feed.gate.claimed(), None);
    for spec in [drawn, Spec::Os(os::Config::default())] {
        assert!(Calibration::is_possible(&spec).is_err(), "{spec:?}");
    }
}

#[test]
fn a_figure_of_a_device_that_software_can_fake_is_refused() {
    let spec = Spec::Jitter(jitter::Config::default());
    let noise: Vec<u8> = (0..5000_u32).map(|n| (n * n % 251).to_le_bytes()[0]).collect();
    let samples = lavawall_assess::Samples::new(noise, Some(8)).expect("samples");
    let found = lavawall_assess::assess(&samples, std::num::NonZeroUsize::MIN, &|_| ());
    let sidecar = |virtual_device| Sidecar {
        source: "it".to_owned(),
        kind: spec.kind(),
        credited_nothing: None,
        virtual_device,
        setup: Setup::of(&spec, &facts()),
        bits: 8,
        samples: 5000,
        restarts: None,
        refusals: 0,
        alarms: 0,
        last_alarm: None,
        at: "2026-01-01T00:00:00Z".to_owned(),
        lavawall: "0".to_owned(),
    };
    assert!(Calibration::of(&spec, &sidecar(false), &found).is_ok());
    let refused = Calibration::of(&spec, &sidecar(true), &found);
    assert!(matches!(refused, Err(CalibrationError::Virtual)));
}

#[test]
fn a_file_that_claims_more_than_its_figure_earns_is_credited_what_it_earns() {
    let spec = Spec::Jitter(jitter::Config::default());
    let known = Calibration { credited: 8.0, ..calibration(&spec, 1.0) };
    let assessed = known.apply(&spec, &known.setup).expect("it holds");
    assert!((assessed.credited - 0.5).abs() < 1e-12);
    let known = Calibration { credited: 0.1, ..calibration(&spec, 1.0) };
    assert!((known.apply(&spec, &known.setup).expect("it holds").credited - 0.1).abs() < 1e-12);
}

#[test]
fn a_damaged_file_leaves_the_provisional_figure_and_says_why() {
    let (_base, dir) = state_dir();
    let endless = serde_json::to_string(&calibration(&camera(), 1.0)).expect("JSON");
    for text in ["{", &endless.replace("\"min-entropy\":1.0", "\"min-entropy\":9.0")] {
        dir.replace("calibration-it.json", text.as_bytes()).expect("written");
        let (claimed, why) = claimed(feed(&camera(), &dir), &facts());
        assert_eq!(claimed, Some(PROVISIONAL));
        assert!(why.expect("a reason").contains("damaged"), "{text}");
    }
}

#[test]
fn it_is_kept_for_its_owner_alone_and_a_reload_sees_it_as_another_source() {
    use std::os::unix::fs::PermissionsExt;
    let (_base, dir) = state_dir();
    let before = feed(&camera(), &dir).key;
    calibration(&camera(), 1.0).save(&dir, "it").expect("written");
    let file = dir.file("calibration-it.json");
    assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(
        Calibration::read(dir.path(), "it").expect("readable"),
        Some(calibration(&camera(), 1.0))
    );
    assert_ne!(feed(&camera(), &dir).key, before);
}
