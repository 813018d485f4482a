//! `lavawall capture`: raw noise of a source, in a file.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::progress::Bar;
use crate::cli::{ConfigArguments, print};
use crate::daemon::capture::{self, Amount, Captured, MOST_SYMBOLS};
use crate::durable;
use crate::exitcode::Exit;

/// Capture raw noise of a source, as its health tests and its credit see it
///
/// One symbol a byte, for `lavawall assess`. Beside FILE a FILE.json says what was captured: device,
/// format, settings, sampling grid, date. The service must not hold the device meanwhile. Noise is
/// as secret as what is made of it: assess it, and do not use it for anything else. For example:
/// lavawall capture --source jitter -o raw.bin && lavawall assess raw.bin --bits 8
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The source, by its id or type in the configuration
    #[arg(long, value_name = "NAME")]
    source: String,
    /// How many symbols
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = symbols)]
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

pub(super) fn run(arguments: &Arguments) -> Exit {
    let config = match arguments.config.load() {
        Ok(config) => config,
        Err(error) => {
            print::error(&error);
            return Exit::Config;
        }
    };
    let sidecar = sidecar_of(&arguments.output);
    if let Some(there) = [&arguments.output, &sidecar].into_iter().find(|path| path.exists())
        && !arguments.force
    {
        print::error(&format!("{} is there already; --force replaces it", there.display()));
        return Exit::CannotCreate;
    }
    let amount = arguments.restart.unwrap_or(Amount::Sequence(arguments.samples));
    let bar = Bar::new("capturing");
    let captured = capture::find(&config, &arguments.source)
        .and_then(|entry| capture::capture(&config, &entry, amount, &|done| bar.set(done)));
    drop(bar);
    let captured = match captured {
        Ok(captured) => captured,
        Err(error @ capture::CaptureError::Unknown { .. }) => {
            print::error(&error);
            return Exit::Usage;
        }
        Err(error) => {
            print::error(&error);
            return Exit::Unavailable;
        }
    };
    if let Err(error) = write(&arguments.output, &sidecar, &captured) {
        print::error(&format!("{}: {error}", arguments.output.display()));
        return Exit::CannotCreate;
    }
    remark(&captured);
    Exit::Ok
}

/// Both files, each whole or not at all.
fn write(output: &Path, sidecar: &Path, captured: &Captured) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(&captured.sidecar)?;
    text.push('\n');
    durable::replace(output, &captured.symbols)?;
    durable::replace(sidecar, text.as_bytes())
}

/// What whoever assesses it should know.
fn remark(captured: &Captured) {
    let sidecar = &captured.sidecar;
    print::note(&format!("{} symbols of {}", sidecar.samples, sidecar.source));
    if let Some(why) = &sidecar.credited_nothing {
        print::note(&format!("credited 0, however it assesses: {why}"));
    }
    if sidecar.refusals > 0 {
        print::note(&format!("{} starts were refused by its own test", sidecar.refusals));
    }
    if let Some(alarm) = &sidecar.last_alarm {
        print::note(&format!("{} alarms meanwhile, the last finding: {alarm}", sidecar.alarms));
    }
}

/// `raw.bin` has `raw.bin.json` beside it.
pub(super) fn sidecar_of(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

pub(super) fn symbols(text: &str) -> Result<usize, String> {
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
