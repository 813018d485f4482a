//! `lavawall calibrate`: measures the min-entropy of a source on this machine, for its credit.

use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use crate::calibrate::calibration::{Calibration, CalibrationError};
use crate::calibrate::capture::{Amount, CapturedNoise};
use crate::cli::error::CommandError;
use crate::cli::progress::Bar;
use crate::cli::source_arguments::SourceArguments;
use crate::cli::thread_arguments::one_per_core;
use crate::cli::{noise_capture, print};
use crate::config::{Config, SourceEntry};
use crate::exitcode::Exit;
use crate::state::{StateDir, StateDirError};
use lavawall_assess as assess;
use lavawall_assess::{Samples, WANTED_SAMPLES};

/// Measure the min-entropy of a source on this machine, and credit that from now on
///
/// Captures raw noise, assesses it by SP 800-90B, derates the figure and writes it to the state
/// directory. `lavawall serve` then credits it in place of the provisional figure, as long as device,
/// format, resolution and settings are the same. Stop the service first, and give a camera its usual
/// light. For example:
/// lavawall calibrate --source camera --state-dir /var/lib/lavawall
#[derive(Debug, Args)]
pub(crate) struct CalibrateArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// How many symbols to assess
    #[arg(long, value_name = "N", default_value_t = WANTED_SAMPLES, value_parser = noise_capture::symbols_to_assess)]
    samples: usize,
    /// State directory of the service
    #[arg(long, value_name = "DIR", env = "LAVAWALL_STATE_DIR")]
    state_dir: Option<PathBuf>,
}

pub(crate) fn run(arguments: &CalibrateArguments) -> Result<(), CommandError> {
    let calibration = arguments.calibrate()?;
    Ok(print::line(describe(&arguments.source.source, &calibration))?)
}

impl CalibrateArguments {
    fn calibrate(&self) -> Result<Calibration, CommandError> {
        let config = self.source.config()?;
        let entry = self.source.find(&config)?;
        let refused = |error| refused(&entry.id, &error);
        // Before the capture, which takes minutes.
        Calibration::is_possible(&entry.spec).map_err(refused)?;
        let dir = self.open_state_dir(&config)?;
        let captured = self.capture(&config, &entry)?;
        let found = assess_noise(captured.symbols)?;
        let calibration =
            Calibration::of(&entry.spec, &captured.sidecar, &found).map_err(refused)?;
        calibration.save(&dir, &entry.id).map_err(refused)?;
        Ok(calibration)
    }

    /// Locks the state directory, so that no service uses it at the same time.
    fn open_state_dir(&self, config: &Config) -> Result<StateDir, CommandError> {
        let named = self.state_dir.clone().or_else(|| config.state_dir.clone());
        named
            .map_or_else(StateDir::default_path, Ok)
            .and_then(|path| StateDir::open(&path))
            .map_err(|error| match error {
                StateDirError::InUse { .. } => {
                    CommandError::new(Exit::Refused, format!("{error}; stop the service first"))
                }
                other => CommandError::new(Exit::CannotCreate, other),
            })
    }

    fn capture(&self, config: &Config, entry: &SourceEntry) -> Result<CapturedNoise, CommandError> {
        let amount = Amount::Sequence(self.samples);
        let captured = noise_capture::capture(config, entry, amount)?;
        noise_capture::note_few_samples(self.samples);
        noise_capture::note_alarms(&captured.sidecar);
        Ok(captured)
    }
}

fn refused(id: &str, error: &CalibrationError) -> CommandError {
    let exit = match error {
        CalibrationError::File { .. } => Exit::CannotCreate,
        _ => Exit::Failure,
    };
    CommandError::new(exit, format!("{id}: {error}"))
}

fn assess_noise(mut symbols: Zeroizing<Vec<u8>>) -> Result<assess::Assessment, CommandError> {
    let samples =
        Samples::new(std::mem::take(&mut *symbols), Some(8)).map_err(CommandError::data)?;
    let bar = Bar::new("assessing");
    Ok(assess::assess(&samples, one_per_core(), &|done| bar.set(done)))
}

fn describe(source: &str, calibration: &Calibration) -> String {
    format!(
        "{source}: {:.6} bits per symbol of {}, by {} on {} symbols\n\
         credited from the next start on: {:.6} bits per symbol ({})",
        calibration.min_entropy,
        calibration.setup.symbol,
        calibration.estimator,
        calibration.samples,
        calibration.credited,
        calibration.derating
    )
}
