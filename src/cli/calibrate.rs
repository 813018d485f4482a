//! `lavawall calibrate`: what this machine's own source is worth, from now on.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use crate::calibrate::calibration::{Calibration, CalibrationError};
use crate::calibrate::capture;
use crate::calibrate::capture::{Amount, CapturedNoise, MOST_SYMBOLS};
use crate::cli::assess::remark_few;
use crate::cli::capture::remark_alarms;
use crate::cli::error::Stop;
use crate::cli::progress::Bar;
use crate::cli::{ConfigArguments, print};
use crate::config::{Config, SourceEntry};
use crate::exitcode::Exit;
use crate::plan::feeds;
use crate::state::{StateDir, StateDirError};
use lavawall_assess as assess;
use lavawall_assess::{LEAST_SAMPLES, Samples, WANTED_SAMPLES};

/// Measure what a source's noise is worth on this machine, and credit that from now on
///
/// Captures raw noise, assesses it by SP 800-90B, derates the figure and writes it to the state
/// directory. `lavawall serve` then credits it in place of the provisional figure, as long as device,
/// format, resolution and settings are those it was measured with. Stop the service first, and give
/// a camera its usual light. For example:
/// lavawall calibrate --source camera --state-dir /var/lib/lavawall
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The source, by its id or type in the configuration
    #[arg(long, value_name = "NAME")]
    source: String,
    /// How many symbols to assess
    #[arg(long, value_name = "N", default_value_t = WANTED_SAMPLES, value_parser = samples)]
    samples: usize,
    /// The service's state directory
    #[arg(long, value_name = "DIR", env = "LAVAWALL_STATE_DIR")]
    state_dir: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    match arguments.calibrate() {
        Ok(calibration) => print::line(describe(&arguments.source, &calibration)),
        Err(stop) => stop.say(),
    }
}

impl Arguments {
    fn calibrate(&self) -> Result<Calibration, Stop> {
        let config = self.config.load()?;
        let entry = capture::find(&config, &self.source)?;
        let refused = |error| refused(&entry.id, &error);
        // Before anything takes time.
        Calibration::is_possible(&entry.spec).map_err(refused)?;
        let dir = self.open_state_dir(&config)?;
        let captured = self.capture(&config, &entry)?;
        let found = assess_noise(captured.symbols)?;
        let calibration =
            Calibration::of(&entry.spec, &captured.sidecar, &found).map_err(refused)?;
        calibration.save(&dir, &entry.id).map_err(refused)?;
        Ok(calibration)
    }

    /// Takes the state directory, so that no service uses it meanwhile.
    fn open_state_dir(&self, config: &Config) -> Result<StateDir, Stop> {
        let named = self.state_dir.clone().or_else(|| config.state_dir.clone());
        named
            .map_or_else(StateDir::default_path, Ok)
            .and_then(|path| StateDir::open(&path))
            .map_err(|error| match error {
                StateDirError::InUse { .. } => {
                    Stop::new(Exit::Refused, format!("{error}; stop the service first"))
                }
                other => Stop::new(Exit::CannotCreate, other),
            })
    }

    fn capture(&self, config: &Config, entry: &SourceEntry) -> Result<CapturedNoise, Stop> {
        let bar = Bar::new("capturing");
        let amount = Amount::Sequence(self.samples);
        let feed = feeds::feed(entry.clone(), config, None);
        let captured = capture::capture(feed, entry, amount, &|done| bar.set(done));
        drop(bar);
        let captured = captured?;
        remark_few(self.samples);
        remark_alarms(&captured.sidecar);
        Ok(captured)
    }
}

fn refused(id: &str, error: &CalibrationError) -> Stop {
    let exit = match error {
        CalibrationError::File { .. } => Exit::CannotCreate,
        _ => Exit::Failure,
    };
    Stop::new(exit, format!("{id}: {error}"))
}

fn assess_noise(mut symbols: Zeroizing<Vec<u8>>) -> Result<assess::Assessment, Stop> {
    let samples = Samples::new(std::mem::take(&mut *symbols), Some(8)).map_err(Stop::data)?;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let bar = Bar::new("assessing");
    Ok(assess::assess(&samples, threads, &|done| bar.set(done)))
}

fn describe(source: &str, calibration: &Calibration) -> String {
    format!(
        "{source}: {:.6} bits a symbol of {}, by {} on {} symbols\n\
         credited from the next start on: {:.6} bits a symbol ({})",
        calibration.min_entropy,
        calibration.setup.symbol,
        calibration.estimator,
        calibration.samples,
        calibration.credited,
        calibration.derating
    )
}

fn samples(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (LEAST_SAMPLES..=MOST_SYMBOLS).contains(count))
        .ok_or_else(|| format!("must be from {LEAST_SAMPLES} to {MOST_SYMBOLS} (got {text})"))
}
