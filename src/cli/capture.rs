//! `lavawall capture`: writes raw noise of a source to a file.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::calibrate::Sidecar;
use crate::calibrate::capture::{Amount, CapturedNoise, MOST_SYMBOLS};
use crate::cli::error::CommandError;
use crate::cli::source_arguments::SourceArguments;
use crate::cli::{noise_capture, print};
use crate::durable;
use lavawall_assess::WANTED_SAMPLES;

/// Capture raw noise of a source, as its health tests and its credit see it
///
/// Writes one symbol per byte, for `lavawall assess`, and beside FILE a FILE.json that describes the
/// capture: device, format, settings, sampling grid, date. The service must not hold the device at the
/// same time. Noise is as secret as the output made from it: assess it, and use it for nothing else.
/// For example:
/// lavawall capture --source jitter -o raw.bin && lavawall assess raw.bin --bits 8
#[derive(Debug, Args)]
pub(crate) struct CaptureArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// How many symbols
    #[arg(long, value_name = "N", default_value_t = WANTED_SAMPLES, value_parser = noise_capture::symbols_to_capture)]
    samples: usize,
    /// Reopen the source for every row, and take this many rows of this many symbols. The restart
    /// test needs 1000x1000
    #[arg(long, value_name = "ROWSxCOLUMNS", value_parser = matrix, conflicts_with = "samples")]
    restart: Option<Amount>,
    /// The file for the noise
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Replace FILE and FILE.json
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &CaptureArguments) -> Result<(), CommandError> {
    arguments.capture()
}

impl CaptureArguments {
    fn capture(&self) -> Result<(), CommandError> {
        let config = self.source.config()?;
        let (output, sidecar) = (&self.output, noise_capture::sidecar_of(&self.output));
        let existing = [output, &sidecar].into_iter().find(|path| path.exists());
        if let Some(existing) = existing.filter(|_| !self.force) {
            return Err(CommandError::exists(existing));
        }
        let entry = self.source.find(&config)?;
        // Before the capture, which takes minutes.
        for path in [output, &sidecar] {
            durable::check_can_replace(path)
                .map_err(|error| CommandError::unwritable(path, &error))?;
        }
        let amount = self.restart.unwrap_or(Amount::Sequence(self.samples));
        let captured = noise_capture::capture(&config, &entry, amount)?;
        write(output, &sidecar, &captured)
            .map_err(|error| CommandError::unwritable(output, &error))?;
        remark(&captured.sidecar);
        Ok(())
    }
}

/// Writes both files, each whole or not at all.
fn write(output: &Path, sidecar: &Path, captured: &CapturedNoise) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(&captured.sidecar)?;
    text.push('\n');
    durable::replace(output, &captured.symbols)?;
    durable::replace(sidecar, text.as_bytes())
}

/// Remarks that matter for an assessment.
fn remark(sidecar: &Sidecar) {
    print::note(&format!("{} symbols of {}", sidecar.samples, sidecar.source));
    if let Some(why) = &sidecar.credited_nothing {
        print::note(&format!("credited 0, whatever its assessment: {why}"));
    }
    if sidecar.refusals > 0 {
        print::note(&format!("{} starts were refused by the source's own test", sidecar.refusals));
    }
    noise_capture::note_alarms(sidecar);
}

fn matrix(text: &str) -> Result<Amount, String> {
    let number = |text: &str| text.parse().ok().filter(|number: &usize| *number > 0);
    text.split_once('x')
        .and_then(|(rows, columns)| {
            Some(Amount::Restarts { rows: number(rows)?, columns: number(columns)? })
        })
        .filter(|amount| amount.symbols().is_some_and(|all| all <= MOST_SYMBOLS))
        .ok_or_else(|| {
            format!("must be like 1000x1000, at most {MOST_SYMBOLS} in all (got {text})")
        })
}
