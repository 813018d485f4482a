//! Which sources run, and how each is judged: the one place where a source meets its health tests.

use std::sync::Arc;
use std::time::Duration;

use crate::calibrate::calibration::{Calibration, CalibrationError};
use crate::calibrate::setup::Setup;
use crate::collector::feed::{Calibrated, Feed, Open, Remember};
use crate::config::{Config, SourceEntry};
use crate::source::{Spec, camera, cpu, hwrng, jitter, os, rendered, replay, serial, tpm};
use crate::state::StateDir;
use crate::state::fingerprints::Journal;
use crate::state::identity::Enrolment;
use lavawall_entropy::{
    ALPHA_FAST, ALPHA_USUAL, Alpha, EntropyClaim, FrameTests, FramesConfig, Gate, Inspect,
    JitterTests, Kind, PixelFormat, SymbolTests,
};

/// How long one read of a device may take. Virtio-rng and TPMs take milliseconds, a busy TPM a
/// second.
const DEVICE_DEADLINE: Duration = Duration::from_secs(5);

/// As long as a serial line that gives a few bytes a second needs for a sample.
const SERIAL_DEADLINE: Duration = Duration::from_secs(30);

/// The entropy a byte is tested for where none is claimed: enough that a stuck device is noticed.
const UNCLAIMED_H: f64 = 1.0;

/// Blocks each source gives in one reseed interval when nobody is in a hurry.
const BLOCKS_PER_INTERVAL: u32 = 8;

/// Feeds for the configured sources, or for every source that is there.
#[must_use]
pub(crate) fn build(config: &Config, demo: bool, state_dir: Option<&Arc<StateDir>>) -> Vec<Feed> {
    entries(config, demo).into_iter().map(|entry| feed(entry, config, state_dir)).collect()
}

/// The configured sources, or every source that is there.
pub(crate) fn entries(config: &Config, demo: bool) -> Vec<SourceEntry> {
    config.sources.clone().unwrap_or_else(|| present(demo, &config.pool.required))
}

/// How many distinct credited kinds these feeds could give.
#[must_use]
pub(crate) fn kinds(feeds: &[Feed]) -> usize {
    let mut kinds: Vec<_> =
        feeds.iter().map(|feed| feed.kind).filter(|kind| *kind != Kind::None).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.len()
}

/// Every source this machine has, and those that it must have.
fn present(demo: bool, required: &[String]) -> Vec<SourceEntry> {
    let is_required = |name: &str| required.iter().any(|required| required == name);
    let mut specs = vec![Spec::Os(os::Config::default())];
    if cpu::is_present() || is_required("cpu") {
        specs.push(Spec::Cpu(cpu::Config::default()));
    }
    specs.push(Spec::Jitter(jitter::Config::default()));
    if hwrng::is_present() || is_required("hwrng") {
        specs.push(Spec::Hwrng(hwrng::Config::default()));
    }
    if tpm::is_present() || is_required("tpm") {
        specs.push(Spec::Tpm(tpm::Config::default()));
    }
    if camera::is_present() || is_required("camera") {
        specs.push(Spec::Camera(camera::Config::default()));
    } else if demo {
        tracing::info!("this machine has no camera: the wall is drawn, and credited nothing");
        specs.push(Spec::Rendered(rendered::Config::default()));
    } else {
        tracing::info!("this machine has no camera");
    }
    let entry = |spec: Spec| SourceEntry { id: spec.type_name().to_owned(), spec };
    specs.into_iter().map(entry).collect()
}

/// What differs from source to source.
struct Parts {
    open: Open,
    inspect: Box<dyn Inspect>,
    credit_basis: String,
    deadline: Duration,
    /// The wait between two blocks when nobody is in a hurry.
    pace: Option<Duration>,
    shown: bool,
    remember: Option<Remember>,
}

pub(crate) fn feed(entry: SourceEntry, config: &Config, state_dir: Option<&Arc<StateDir>>) -> Feed {
    let required = config.pool.required.iter().any(|name| entry.is_called(name));
    let calibrated = state_dir.and_then(|dir| Calibration::read(dir.path(), &entry.id).transpose());
    // A source that was calibrated anew is another to a reload.
    let key = format!("{:?} {calibrated:?}", entry.spec);
    let calibrated = calibrated.map(|known| calibrated_as(known, entry.spec.clone()));
    let (source_type, kind) = (entry.spec.type_name(), entry.spec.kind());
    let parts = parts(entry.spec, &entry.id, state_dir);
    Feed {
        id: entry.id,
        source_type,
        kind,
        required,
        credit_basis: parts.credit_basis,
        calibrated,
        key,
        open: parts.open,
        gate: Gate::new(parts.inspect),
        deadline: parts.deadline,
        pace: parts.pace.unwrap_or(config.pool.reseed_interval / BLOCKS_PER_INTERVAL),
        shown: parts.shown,
        remember: parts.remember,
    }
}

/// What a calibration says of a source, each time it is opened.
fn calibrated_as(known: Result<Calibration, CalibrationError>, spec: Spec) -> Calibrated {
    Box::new(move |facts| {
        let known = known.as_ref().map_err(ToString::to_string)?;
        known.apply(&spec, &Setup::of(&spec, facts)).map_err(|why| why.to_string())
    })
}

/// A live camera: held to its identity, its pictures remembered, and never paused, so that a
/// frame that is missing is the camera's doing.
fn watch(config: camera::Config, id: &str, state_dir: Option<&Arc<StateDir>>) -> Parts {
    let (journal, seen) = match state_dir.map(|dir| Journal::open(dir, id)).transpose() {
        Ok(opened) => opened.unzip(),
        Err(error) => {
            tracing::warn!(source = id, "{error}; pictures are not remembered across a restart");
            (None, None)
        }
    };
    let frames = FramesConfig { credited: true, remember: true };
    let mut enrolment = Enrolment::load(state_dir.cloned(), id, config.device.to_string());
    let credit_basis = match config.format {
        PixelFormat::Mjpeg => "none claimed: compressed pictures",
        PixelFormat::Yuyv | PixelFormat::Grey => {
            "provisional: sensor noise, at most 256 bits a pair"
        }
    };
    Parts {
        open: Box::new(move || {
            let source = camera::open(&config, enrolment.identity())?;
            source.facts().identity.iter().for_each(|identity| enrolment.enrol(identity));
            Ok(source)
        }),
        inspect: Box::new(FrameTests::new(frames, &seen.unwrap_or_default())),
        credit_basis: credit_basis.to_owned(),
        deadline: camera::FIRST_FRAME,
        pace: Some(Duration::ZERO),
        shown: false,
        remember: journal.map(|mut journal| -> Remember {
            Box::new(move |fingerprint| journal.append(fingerprint))
        }),
    }
}

fn parts(spec: Spec, id: &str, state_dir: Option<&Arc<StateDir>>) -> Parts {
    match spec {
        Spec::Camera(config) => watch(config, id, state_dir),
        Spec::Replay(config) => {
            picture(Box::new(move || replay::open(&config)), "none claimed: a recording")
        }
        Spec::Rendered(config) => {
            picture(Box::new(move || rendered::open(&config)), "none claimed: a drawing")
        }
        Spec::Os(config) => bytes(
            Box::new(move || os::open(&config)),
            os::H_PER_SYMBOL,
            ALPHA_FAST,
            "the kernel's own accounting",
        ),
        Spec::Cpu(config) => bytes(
            Box::new(move || cpu::open(&config)),
            cpu::H_PER_SYMBOL,
            ALPHA_FAST,
            "half of what the maker assesses",
        ),
        Spec::Hwrng(config) => {
            let h = config.entropy_per_bit.per_byte();
            bytes(
                Box::new(move || hwrng::open(&config)),
                h,
                ALPHA_USUAL,
                "configured, not measured",
            )
        }
        Spec::Tpm(config) => bytes(
            Box::new(move || tpm::open(&config)),
            tpm::H_PER_SYMBOL,
            ALPHA_USUAL,
            "half of what the maker assesses",
        ),
        Spec::Serial(config) => {
            let h = config.entropy_per_bit.per_byte();
            let parts = bytes(
                Box::new(move || serial::open(&config)),
                h,
                ALPHA_USUAL,
                "configured, not measured",
            );
            Parts { deadline: SERIAL_DEADLINE, ..parts }
        }
        Spec::Jitter(config) => {
            let claim = EntropyClaim {
                h_per_symbol: jitter::H_PER_SYMBOL,
                alpha: ALPHA_FAST,
                credited: true,
            };
            Parts {
                open: Box::new(move || jitter::open(&config)),
                inspect: Box::new(JitterTests::new(claim)),
                credit_basis: format!("provisional: {} bits a delta", jitter::H_PER_SYMBOL),
                deadline: DEVICE_DEADLINE,
                pace: None,
                shown: false,
                remember: None,
            }
        }
    }
}

/// Pictures that are nobody's secret: looked at like a camera's, shown, and worth nothing.
fn picture(open: Open, basis: &str) -> Parts {
    let frames = FramesConfig { credited: false, remember: false };
    Parts {
        open,
        inspect: Box::new(FrameTests::new(frames, &[])),
        credit_basis: basis.to_owned(),
        deadline: DEVICE_DEADLINE,
        pace: Some(Duration::ZERO),
        shown: true,
        remember: None,
    }
}

/// A source whose symbols are bytes of which `h` bits are claimed.
fn bytes(open: Open, h: f64, alpha: Alpha, basis: &str) -> Parts {
    let credited = h > 0.0;
    let h_per_symbol = if credited { h } else { UNCLAIMED_H };
    let basis = if credited {
        format!("provisional: {h} bits a byte, {basis}")
    } else {
        "none claimed".to_owned()
    };
    Parts {
        open,
        inspect: Box::new(SymbolTests::new(EntropyClaim { h_per_symbol, alpha, credited })),
        credit_basis: basis,
        deadline: DEVICE_DEADLINE,
        pace: None,
        shown: false,
        remember: None,
    }
}
