//! `/metrics`: what is counted is what happened.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use lavawall::{LiveFigure, SourceState};
use lavawall_entropy::{Kind, Readiness};

use crate::appliance::{Appliance, config, quorum, seed};
use crate::board::report;
use crate::client::Client;

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
        ("credit_rate", "12.5"),
        ("credited_entropy_total", "4096"),
        ("samples_total", "77"),
        ("alarms_total", "2"),
        ("live_min_entropy", "5.75"),
    ] {
        assert_eq!(
            metrics.get(&format!("lavawall_source_{name}{os}")).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    let absent = r#"lavawall_source_live_min_entropy{source="quo\"ted\\",kind="tpm"}"#;
    assert!(!metrics.contains_key(absent), "nothing is known of it yet: {metrics:#?}");
    let tpm = r#"lavawall_source_healthy{source="quo\"ted\\",kind="tpm"}"#;
    assert_eq!(metrics[tpm], "0", "{metrics:#?}");
    assert_eq!(metrics["lavawall_incidents_total"], "150", "those no longer kept count too");
    assert!(metrics.keys().all(|name| !name.contains("SERIAL-NUMBER")));
}

/// What Prometheus 2.42 accepts.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,\
                          application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

#[test]
fn the_text_format_is_the_answer_unless_openmetrics_is_asked_for() {
    let appliance = Appliance::ready();
    let mut client = Client::connect(appliance.address);
    for accept in [
        None,
        Some("*/*"),
        Some("text/plain"),
        Some("text/html, application/json;q=0.5"),
        Some("application/openmetrics-text;version=1.0.0;q=0, text/plain"),
    ] {
        let headers: Vec<_> = accept.map(|accept| ("accept", accept)).into_iter().collect();
        let answer = client.call("GET", "/metrics", &headers);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        assert_eq!(answer.header("vary"), Some("accept"));
        let text = answer.text();
        assert!(text.contains("# TYPE lavawall_requests_total counter\n"), "{text}");
        assert!(text.contains("# TYPE lavawall_build_info gauge\n"), "{text}");
        for line in text.lines() {
            let is_description = ["# HELP lavawall_", "# TYPE lavawall_"];
            let is_known = is_description.iter().any(|start| line.starts_with(start));
            assert!(is_known || line.starts_with("lavawall_"), "{line}");
        }
        // Every sample is of the family that was described last.
        let mut family = "";
        for line in text.lines() {
            if let Some(description) = line.strip_prefix("# TYPE ") {
                family = description.split(' ').next().expect("a name");
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().expect("a name");
                assert_eq!(name, family, "{line}");
            }
        }
    }
    for accept in [PROMETHEUS, "Application/OpenMetrics-Text"] {
        let answer = client.call("GET", "/metrics", &[("accept", accept)]);
        let media_type = answer.header("content-type").expect("a type");
        assert!(media_type.starts_with("application/openmetrics-text"), "{accept}");
    }
    // One list in several lines (RFC 9110, 5.3).
    let lines = [("accept", "text/plain;q=0.5"), ("accept", "application/openmetrics-text")];
    let answer = client.call("GET", "/metrics", &lines);
    let media_type = answer.header("content-type").expect("a type");
    assert!(media_type.starts_with("application/openmetrics-text"), "{media_type}");
    let lines = [("accept", "text/html"), ("accept", "application/json")];
    let answer = client.call("GET", "/random", &lines);
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn a_monitor_can_ask_what_health_answers() {
    let appliance = Appliance::starting(config());
    let mut client = Client::connect(appliance.address);
    for path in ["/health/live", "/health/ready", "/status", "/random"] {
        let answer = client.call("OPTIONS", path, &[]);
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("allow"), Some("GET,HEAD,OPTIONS"), "{path}");
    }
    assert_eq!(client.call("OPTIONS", "/nowhere", &[]).status, 404);
    assert_eq!(client.call("POST", "/health/live", &[]).status, 405);
}

/// Every sample of a metrics answer: the name with its labels, and the value.
fn metrics(appliance: &Appliance) -> BTreeMap<String, String> {
    let mut client = Client::connect(appliance.address);
    let answer = client.call("GET", "/metrics", &[("accept", PROMETHEUS)]);
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
