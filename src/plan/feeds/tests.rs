//! How a calibration changes the feed of its source, and when it does not.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::source::Facts;

/// The provisional credit of one difference of a camera: an eighth of half a bit.
const PROVISIONAL: f64 = 0.5 / 8.0;

const IDENTITY: &str = "usb:046d:0825 at 0 port 1";

/// A source of this type with these settings.
fn spec(type_name: &str, settings: &str) -> SourceSpec {
    let table: toml::Table = settings.parse().expect("the test's own text");
    SourceSpec::parse(type_name, table).expect("a type").expect("valid settings")
}

fn camera() -> SourceSpec {
    spec("camera", "")
}

fn facts() -> Facts {
    Facts { identity: Some(IDENTITY.to_owned()), ..Facts::default() }
}

/// A calibration of this source that found this many bits.
fn calibration(spec: &SourceSpec, min_entropy: f64) -> Calibration {
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
fn feed_of(spec: &SourceSpec, dir: &Arc<StateDir>) -> Feed {
    let entry = SourceEntry { id: "it".to_owned(), spec: spec.clone() };
    feed(entry, &Config::default(), Some(dir))
}

/// The credit of one symbol once the source is open and gives these facts; and why a calibration
/// does not hold.
fn claimed(mut feed: Feed, facts: &Facts) -> (Option<f64>, Option<String>) {
    let found = feed.calibrated.as_mut().map(|calibrated| calibrated(facts));
    let (assessed, why) = match found {
        Some(Ok(assessed)) => (Some(assessed.credited), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    feed.gate.claim(assessed);
    (feed.gate.claimed(), why)
}

#[test]
fn a_calibrated_source_is_credited_its_figure_and_says_so() {
    let (_base, dir) = state_dir();
    assert_eq!(
        claimed(feed_of(&camera(), &dir), &facts()),
        (Some(PROVISIONAL), None),
        "provisional"
    );
    calibration(&camera(), 0.6).save(&dir, "it").expect("written");
    assert_eq!(claimed(feed_of(&camera(), &dir), &facts()), (Some(0.3), None));
    let said = feed_of(&camera(), &dir).calibrated.expect("there")(&facts()).expect("it holds");
    let said = said.to_string();
    for part in ["assessed 2026-01-01", "0.600 bits", "lag", "1000000 symbols", "0.300 credited"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_calibration_is_refused_when_anything_it_was_measured_with_has_changed() {
    let (_base, dir) = state_dir();
    calibration(&camera(), 0.6).save(&dir, "it").expect("written");
    let with = |settings| spec("camera", settings);
    let other = Facts { identity: Some("usb:dead:beef".to_owned()), ..Facts::default() };
    for (spec, facts, parts) in [
        (camera(), other, ["device", "046d:0825", "dead:beef"]),
        (with("format = 'grey'"), facts(), ["format", "yuyv", "grey"]),
        (with("height = 480"), facts(), ["resolution", "1280x720", "1280x480"]),
        (with("fps = 15"), facts(), ["settings", "at 10", "at 15"]),
    ] {
        let (claimed, why) = claimed(feed_of(&spec, &dir), &facts);
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
    let drawn = spec("rendered", "");
    calibration(&drawn, 7.9).save(&dir, "it").expect("written");
    let (claimed, why) = claimed(feed_of(&drawn, &dir), &facts());
    assert_eq!(claimed, None);
    assert!(why.expect("a reason").contains("credited nothing"));
    // Nor does its inspector accept a claim.
    let mut feed = feed_of(&drawn, &dir);
    feed.gate.claim(Some(7.9));
    assert_eq!(feed.gate.claimed(), None);
    for spec in [drawn, spec("os", "")] {
        assert!(Calibration::is_possible(&spec).is_err(), "{spec:?}");
    }
}

#[test]
fn a_damaged_file_leaves_the_provisional_figure_and_says_why() {
    let (_base, dir) = state_dir();
    let endless = serde_json::to_string(&calibration(&camera(), 1.0)).expect("JSON");
    for text in ["{", &endless.replace("\"min-entropy\":1.0", "\"min-entropy\":9.0")] {
        dir.replace("calibration-it.json", text.as_bytes()).expect("written");
        let (claimed, why) = claimed(feed_of(&camera(), &dir), &facts());
        assert_eq!(claimed, Some(PROVISIONAL));
        assert!(why.expect("a reason").contains("damaged"), "{text}");
    }
}

#[test]
fn it_is_kept_for_its_owner_alone_and_a_reload_sees_it_as_another_source() {
    let (_base, dir) = state_dir();
    let before = feed_of(&camera(), &dir).key;
    calibration(&camera(), 1.0).save(&dir, "it").expect("written");
    let file = dir.file("calibration-it.json");
    assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(
        Calibration::read(dir.path(), "it").expect("readable"),
        Some(calibration(&camera(), 1.0))
    );
    assert_ne!(feed_of(&camera(), &dir).key, before);
}
