//! The feeds that the collector runs: each source with its health tests, its calibration and its
//! files in the state directory.

use std::sync::Arc;
use std::time::Duration;

use crate::calibrate::calibration::{Calibration, CalibrationError};
use crate::calibrate::setup::Setup;
use crate::collector::feed::{Calibrated, Feed, OpenSource, Remember};
use crate::config::{Config, SourceEntry};
use crate::plan::automatic;
use crate::source::{SampleForm, Source, SourceError, SourceSpec};
use crate::state::StateDir;
use crate::state::fingerprints::Journal;
use crate::state::identity::Enrolment;
use lavawall_entropy::{Gate, Kind};

/// Blocks that each source gives in one reseed interval while the pool does not wait for it.
const BLOCKS_PER_INTERVAL: u32 = 8;

/// Feeds for the configured sources, or for every source that this machine has.
#[must_use]
pub(crate) fn build(config: &Config, demo: bool, state_dir: Option<&Arc<StateDir>>) -> Vec<Feed> {
    entries(config, demo).into_iter().map(|entry| feed(entry, config, state_dir)).collect()
}

/// The configured sources, or every source that this machine has.
pub(crate) fn entries(config: &Config, demo: bool) -> Vec<SourceEntry> {
    config.sources.clone().unwrap_or_else(|| automatic::sources(demo, &config.pool.required))
}

/// The number of distinct kinds that these feeds could be credited for.
#[must_use]
pub(crate) fn kinds(feeds: &[Feed]) -> usize {
    let mut kinds: Vec<_> =
        feeds.iter().map(|feed| feed.kind).filter(|kind| *kind != Kind::None).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.len()
}

/// The feed of one source.
pub(crate) fn feed(entry: SourceEntry, config: &Config, state_dir: Option<&Arc<StateDir>>) -> Feed {
    let required = config.pool.required.iter().any(|name| entry.is_called(name));
    let SourceEntry { id, spec } = entry;
    let (source_type, kind) = (spec.entry(), spec.kind());
    let calibration = state_dir.and_then(|dir| Calibration::read(dir.path(), &id).transpose());
    // After a new calibration, a reload treats the source as another one.
    let key = format!("{spec:?} {calibration:?}");
    let (remember, seen) = match source_type.samples {
        SampleForm::SecretFrames => open_journal(&id, state_dir),
        SampleForm::Bytes | SampleForm::Deltas | SampleForm::PublicFrames => (None, Vec::new()),
    };
    let claim = spec.claim(&seen);
    let pace = if source_type.samples.are_frames() {
        Duration::ZERO
    } else {
        config.pool.reseed_interval / BLOCKS_PER_INTERVAL
    };
    Feed {
        source_type: source_type.name,
        kind,
        required,
        credit_basis: claim.basis,
        calibrated: calibration.map(|calibration| apply(calibration, spec.clone())),
        key,
        gate: Gate::new(claim.inspect),
        deadline: source_type.deadline,
        pace,
        shown: source_type.samples == SampleForm::PublicFrames,
        remember,
        open: opening(spec, kind, &id, state_dir),
        id,
    }
}

/// Opens the source, and enrols the identity of its device at the first opening.
fn opening(
    spec: SourceSpec,
    kind: Kind,
    id: &str,
    state_dir: Option<&Arc<StateDir>>,
) -> OpenSource {
    let Some(device) = spec.enrolled_as() else {
        return Box::new(move || open_as(kind, &spec, None));
    };
    let mut enrolment = Enrolment::load(state_dir.cloned(), id, device);
    Box::new(move || {
        if let Some(error) = enrolment.damage() {
            return Err(error);
        }
        let source = open_as(kind, &spec, enrolment.identity())?;
        source.facts().identity.iter().for_each(|identity| enrolment.enrol(identity));
        Ok(source)
    })
}

/// Opens the source; refuses a device of another kind than the pool counts the source as.
fn open_as(
    kind: Kind,
    spec: &SourceSpec,
    enrolled: Option<&str>,
) -> Result<Box<dyn Source>, SourceError> {
    let source = spec.open(enrolled)?;
    let found = spec.kind();
    if found == kind {
        return Ok(source);
    }
    Err(SourceError::Refused {
        what: spec.type_name().to_owned(),
        reason: format!("its device is now of the kind {found}, not {kind}: reload to count it"),
    })
}

/// Applies a calibration each time the source is opened.
fn apply(calibration: Result<Calibration, CalibrationError>, spec: SourceSpec) -> Calibrated {
    Box::new(move |facts| {
        let calibration = calibration.as_ref().map_err(ToString::to_string)?;
        calibration.apply(&spec, &Setup::of(&spec, facts)).map_err(|why| why.to_string())
    })
}

/// The journal of the fingerprints of a source's pictures, and those in it, oldest first.
fn open_journal(id: &str, state_dir: Option<&Arc<StateDir>>) -> (Option<Remember>, Vec<u64>) {
    let Some(dir) = state_dir else { return (None, Vec::new()) };
    match Journal::open(dir, id) {
        Ok((mut journal, seen)) => {
            (Some(Box::new(move |fingerprint| journal.append(fingerprint))), seen)
        }
        Err(error) => {
            tracing::warn!(source = id, "{error}; pictures are not remembered across a restart");
            (None, Vec::new())
        }
    }
}

#[cfg(test)]
mod tests;
