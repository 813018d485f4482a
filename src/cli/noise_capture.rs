//! Captures noise for the commands, with remarks on it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use crate::calibrate::Sidecar;
use crate::calibrate::capture;
use crate::calibrate::capture::{Amount, CaptureError, CapturedNoise, MOST_SYMBOLS};
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::config::{Config, SourceEntry};
use crate::plan::feeds;
use lavawall_assess::{LEAST_SAMPLES, WANTED_SAMPLES};

/// The time that a device may take beyond the end of a capture: more than the deadline of any read.
const HUNG_AFTER: Duration = Duration::from_secs(15);

/// Captures noise of a source, with a progress bar.
pub(crate) fn capture(
    config: &Config,
    entry: &SourceEntry,
    amount: Amount,
) -> Result<CapturedNoise, CaptureError> {
    let bar = Bar::new("capturing");
    let feed = feeds::feed(entry.clone(), config, None);
    capture::capture(feed, entry, amount, None, &|done| bar.set(done))
}

/// As [`capture()`], with the symbols that there are after `most`. A device that hangs is left on its thread.
pub(crate) fn capture_within(
    config: &Config,
    entry: &SourceEntry,
    symbols: usize,
    most: Duration,
) -> Result<CapturedNoise, CaptureError> {
    let (sender, receiver) = sync_channel(1);
    let (config, id) = (config.clone(), entry.id.clone());
    let entry = entry.clone();
    let work = move || {
        let bar = Bar::new("capturing");
        let feed = feeds::feed(entry.clone(), &config, None);
        let (amount, until) = (Amount::Sequence(symbols), Some(Instant::now() + most));
        // The other side may have stopped waiting.
        let _ = sender.send(capture::capture(feed, &entry, amount, until, &|done| bar.set(done)));
    };
    let thread = std::thread::Builder::new().name(format!("capture-{id}")).spawn(work);
    let hung = || CaptureError::Hung { id, waited: most + HUNG_AFTER };
    match thread {
        Ok(_) => receiver.recv_timeout(most + HUNG_AFTER).unwrap_or_else(|_| Err(hung())),
        Err(_) => Err(hung()),
    }
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
