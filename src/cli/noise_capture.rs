//! Captures noise for the commands, with remarks on it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::calibrate::Sidecar;
use crate::calibrate::capture;
use crate::calibrate::capture::{Amount, CaptureError, CapturedNoise, MOST_SYMBOLS};
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::config::{Config, SourceEntry};
use crate::plan::feeds;
use lavawall_assess::{LEAST_SAMPLES, WANTED_SAMPLES};

/// Captures noise of a source, with a progress bar.
pub(crate) fn capture(
    config: &Config,
    entry: &SourceEntry,
    amount: Amount,
) -> Result<CapturedNoise, CaptureError> {
    let bar = Bar::new("capturing");
    let feed = feeds::feed(entry.clone(), config, None);
    capture::capture(feed, entry, amount, &|done| bar.set(done))
}

/// Remarks on fewer samples than the standard requires.
pub(crate) fn note_few_samples(samples: usize) {
    if samples < WANTED_SAMPLES {
        print::note(&format!(
            "SP 800-90B requires {WANTED_SAMPLES} samples; figures of {samples} are less reliable"
        ));
    }
}

/// Remarks on alarms of the health tests.
pub(crate) fn note_alarms(sidecar: &Sidecar) {
    if let Some(alarm) = &sidecar.last_alarm {
        print::note(&format!("{} alarms during the capture, the last: {alarm}", sidecar.alarms));
    }
}

/// The file that describes a capture: `raw.bin.json` beside `raw.bin`.
pub(crate) fn sidecar_of(output: &Path) -> PathBuf {
    let mut name = OsString::from(output);
    name.push(".json");
    name.into()
}

/// Parses a number of symbols to capture.
pub(crate) fn symbols_to_capture(text: &str) -> Result<usize, String> {
    symbols(text, 1)
}

/// Parses a number of symbols to capture and assess.
pub(crate) fn symbols_to_assess(text: &str) -> Result<usize, String> {
    symbols(text, LEAST_SAMPLES)
}

fn symbols(text: &str, least: usize) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (least..=MOST_SYMBOLS).contains(count))
        .ok_or_else(|| format!("must be from {least} to {MOST_SYMBOLS} (got {text})"))
}
