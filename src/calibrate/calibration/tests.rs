//! The credited part of a figure. The feeds test when a figure does not hold.

use super::*;
use crate::source::Facts;

const IDENTITY: &str = "usb:046d:0825 at 0 port 1";

fn spec(type_name: &str) -> SourceSpec {
    SourceSpec::with_defaults(type_name).expect("a type with defaults")
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

#[test]
fn noise_is_credited_half_of_its_figure_and_no_more_than_can_be_argued() {
    let jitter = spec("jitter");
    let cpu = spec("cpu");
    for (spec, found, credited) in [
        (spec("camera"), 0.6, 0.3),
        (spec("camera"), 3.0, 0.5),
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
fn a_figure_of_a_device_that_software_can_fake_is_refused() {
    let spec = spec("jitter");
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
    let spec = spec("jitter");
    let known = Calibration { credited: 8.0, ..calibration(&spec, 1.0) };
    let assessed = known.apply(&spec, &known.setup).expect("it holds");
    assert!((assessed.credited - 0.5).abs() < 1e-12);
    let known = Calibration { credited: 0.1, ..calibration(&spec, 1.0) };
    assert!((known.apply(&spec, &known.setup).expect("it holds").credited - 0.1).abs() < 1e-12);
}
