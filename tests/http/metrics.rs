//! `/metrics`: what is counted is what happened.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use lavawall::{LiveFigure, SourceState};
use lavawall_entropy::{Kind, Readiness};

use crate::appliance::{Appliance, config, quorum, seed};
use crate::board::report;
use crate::client::{Client, get};

#[test]
fn metrics_count_what_was_asked_and_how_it_was_answered() {
    let appliance = Appliance::ready();
    let mut client = Client::connect(appliance.address);
    for target in ["/random?bytes=100", "/random?format=hex", "/random?bytes=0", "/nowhere"] {
        client.call("GET", target, &[]);
    }
    let metrics = metrics(&appliance);
    for (name, value) in [
        (r#"lavawall_requests_total{endpoint="/random",status="200"}"#, "2"),
        (r#"lavawall_requests_total{endpoint="/random",status="400"}"#, "1"),
        (r#"lavawall_requests_total{endpoint="other",status="404"}"#, "1"),
        ("lavawall_random_bytes_total", "165"),
        ("lavawall_connections_total", "2"),
        ("lavawall_connections_turned_away_total", "0"),
        ("lavawall_generation", "1"),
        ("lavawall_quorum_present", "2"),
        ("lavawall_quorum_needed", "2"),
    ] {
        assert_eq!(metrics.get(name).map(String::as_str), Some(value), "{name} in {metrics:#?}");
    }
    let age: u64 = metrics["lavawall_seed_age_seconds"].parse().expect("seconds");
    assert!(age < 60);
}

#[test]
fn metrics_say_which_one_state_it_is() {
    let appliance = Appliance::starting(config());
    let states = |metrics: &BTreeMap<String, String>| {
        [Readiness::Starting, Readiness::Ready, Readiness::Degraded, Readiness::Refusing]
            .map(|state| metrics[&format!("lavawall_state{{state=\"{state}\"}}")].clone())
    };
    let before = metrics(&appliance);
    assert_eq!(states(&before), ["1", "0", "0", "0"]);
    assert!(!before.contains_key("lavawall_seed_age_seconds"), "there is no seed to be of an age");
    seed(&appliance.generator, 1);
    assert_eq!(states(&metrics(&appliance)), ["0", "1", "0", "0"]);
    let lost = quorum(vec![Kind::OperatingSystem]);
    appliance.generator.report_quorum(lost, Instant::now());
    assert_eq!(states(&metrics(&appliance)), ["0", "0", "1", "0"]);
    appliance.generator.halt("a test".to_owned());
    assert_eq!(states(&metrics(&appliance)), ["0", "0", "0", "1"]);
}

#[test]
fn metrics_tell_of_every_source_but_not_which_device_it_is() {
    let appliance = Appliance::ready();
    let mut absent = report("quo\"ted\\", Kind::Tpm);
    absent.state = SourceState::Absent;
    let mut os = report("os", Kind::OperatingSystem);
    let at = SystemTime::UNIX_EPOCH;
    os.live = Some(LiveFigure { min_entropy: 5.75, estimator: "lag", samples: 16_384, at });
    appliance.board.set_sources(vec![os, absent]);
    for number in 0..150 {
        appliance.incidents.open(None, format!("incident {number}"));
    }
    let metrics = metrics(&appliance);
    let os = r#"{source="os",kind="operating-system"}"#;
    for (name, value) in [
        ("healthy", "1"),
        ("credit_bits_per_second", "12.5"),
        ("credited_bits_total", "4096"),
        ("samples_total", "77"),
        ("alarms_total", "2"),
        ("live_min_entropy_bits", "5.75"),
    ] {
        assert_eq!(
            metrics.get(&format!("lavawall_source_{name}{os}")).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    let absent = r#"lavawall_source_live_min_entropy_bits{source="quo\"ted\\",kind="tpm"}"#;
    assert!(!metrics.contains_key(absent), "nothing is known of it yet: {metrics:#?}");
    let tpm = r#"lavawall_source_healthy{source="quo\"ted\\",kind="tpm"}"#;
    assert_eq!(metrics[tpm], "0", "{metrics:#?}");
    assert_eq!(metrics["lavawall_incidents_total"], "150", "those no longer kept count too");
    assert!(metrics.keys().all(|name| !name.contains("SERIAL-NUMBER")));
}

/// Every sample of a metrics answer: the name with its labels, and the value.
fn metrics(appliance: &Appliance) -> BTreeMap<String, String> {
    let answer = get(appliance.address, "/metrics");
    assert_eq!(answer.status, 200);
    let media_type = answer.header("content-type").expect("a type");
    assert!(media_type.starts_with("application/openmetrics-text; version=1.0.0"), "{media_type}");
    assert!(answer.text().ends_with("# EOF\n"));
    let samples = answer.text().lines().filter(|line| !line.starts_with('#'));
    let samples: BTreeMap<_, _> = samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            assert!(name.starts_with("lavawall_"), "{line}");
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            (name.to_owned(), value.to_owned())
        })
        .collect();
    samples
}
