//! `lavawall capture`: raw noise of a source, in a file.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::calibrate::Sidecar;
use crate::calibrate::capture;
use crate::calibrate::capture::{Amount, CapturedNoise, MOST_SYMBOLS};
use crate::cli::error::Stop;
use crate::cli::progress::Bar;
use crate::cli::{ConfigArguments, print};
use crate::durable;
use crate::exitcode::Exit;
use crate::plan::feeds;
use lavawall_assess::WANTED_SAMPLES;

/// Capture raw noise of a source, as its health tests and its credit see it
///
/// One symbol a byte, for `lavawall assess`. Beside FILE a FILE.json says what was captured: device,
/// format, settings, sampling grid, date. The service must not hold the device meanwhile. Noise is
/// as secret as what is made of it: assess it, and do not use it for anything else. For example:
/// lavawall capture --source jitter -o raw.bin && lavawall assess raw.bin --bits 8
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The source, by its id or type in the configuration
    #[arg(long, value_name = "NAME")]
    source: String,
    /// How many symbols
    #[arg(long, value_name = "N", default_value_t = WANTED_SAMPLES, value_parser = symbols)]
    samples: usize,
    /// Open the source anew for every row, and take so many rows of so many symbols. The restart
    /// test wants 1000x1000
    #[arg(long, value_name = "ROWSxCOLUMNS", value_parser = matrix, conflicts_with = "samples")]
    restart: Option<Amount>,
    /// Where the noise goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Replace FILE and FILE.json
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    arguments.capture().map_or_else(Stop::say, |()| Exit::Ok)
}

impl Arguments {
    fn capture(&self) -> Result<(), Stop> {
        let config = self.config.load()?;
        let (output, sidecar) = (&self.output, sidecar_of(&self.output));
        let there = [output, &sidecar].into_iter().find(|path| path.exists());
        if let Some(there) = there.filter(|_| !self.force) {
            return Err(Stop::there(there));
        }
        let entry = capture::find(&config, &self.source)?;
        let amount = self.restart.unwrap_or(Amount::Sequence(self.samples));
        let bar = Bar::new("capturing");
        let feed = feeds::feed(entry.clone(), &config, None);
        let captured = capture::capture(feed, &entry, amount, &|done| bar.set(done));
        drop(bar);
        let captured = captured?;
        write(output, &sidecar, &captured).map_err(|error| {
            Stop::new(Exit::CannotCreate, format!("{}: {error}", output.display()))
        })?;
        remark(&captured.sidecar);
        Ok(())
    }
}

/// Both files, each whole or not at all.
fn write(output: &Path, sidecar: &Path, captured: &CapturedNoise) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(&captured.sidecar)?;
    text.push('\n');
    durable::replace(output, &captured.symbols)?;
    durable::replace(sidecar, text.as_bytes())
}

/// What whoever assesses it should know.
fn remark(sidecar: &Sidecar) {
    print::note(&format!("{} symbols of {}", sidecar.samples, sidecar.source));
    if let Some(why) = &sidecar.credited_nothing {
        print::note(&format!("credited 0, however it assesses: {why}"));
    }
    if sidecar.refusals > 0 {
        print::note(&format!("{} starts were refused by its own test", sidecar.refusals));
    }
    remark_alarms(sidecar);
}

/// The same of its health tests alone.
pub(crate) fn remark_alarms(sidecar: &Sidecar) {
    if let Some(alarm) = &sidecar.last_alarm {
        print::note(&format!("{} alarms meanwhile, the last finding: {alarm}", sidecar.alarms));
    }
}

/// `raw.bin` has `raw.bin.json` beside it.
pub(crate) fn sidecar_of(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

pub(crate) fn symbols(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=MOST_SYMBOLS).contains(count))
        .ok_or_else(|| format!("must be from 1 to {MOST_SYMBOLS} (got {text})"))
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
