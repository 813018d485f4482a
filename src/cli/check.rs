//! `lavawall check`: tries the configuration and every source.

use std::fmt::Write;
use std::time::Duration;

use clap::Args;

use crate::cli::error::CommandError;
use crate::cli::print;
use crate::cli::start_arguments::StartArguments;
use crate::collector::status::{SourceReport, SourceState};
use crate::daemon::local::LocalGenerator;
use crate::daemon::trial::try_start;
use crate::exitcode::Exit;

/// Try the configuration and every noise source, without serving
///
/// Tries what `serve` would at its start: the state directory, certificates, tokens, the address, and every
/// source. Exits with 0 when a seed can be made, 1 when not, and as `serve` would when it could not start:
/// 78 when the configuration is wrong, 77 while the service runs or another program has its address.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    start: StartArguments,
    /// How long to wait for a seed, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

pub(crate) fn run(arguments: &CheckArguments) -> Result<(), CommandError> {
    let config = arguments.start.config()?;
    let remarks = try_start(&config).map_err(|error| CommandError::new(error.exit(), error))?;
    for remark in remarks {
        print::note(&remark);
    }
    print::note(&"trying every source …");
    let local =
        LocalGenerator::start(&config).map_err(|error| CommandError::new(Exit::Refused, error))?;
    let seeded = local.wait_for_seed(Duration::from_secs(arguments.seconds));
    for report in local.board.sources() {
        print::line_if_read(describe(&report))?;
    }
    seeded.map_err(CommandError::failure)?;
    Ok(print::line("a seed was made: the service would be ready")?)
}

fn describe(report: &SourceReport) -> String {
    let state = match report.state {
        SourceState::Starting => "starting",
        SourceState::Healthy => "healthy",
        SourceState::Alarmed => "alarmed",
        SourceState::Absent => "absent",
    };
    let mut line = format!(
        "{state:<9} {:<14} {:<16} {}",
        report.id,
        report.kind,
        report.identity.as_deref().unwrap_or("")
    );
    if let Some(alarm) = &report.last_alarm {
        // Writing to a String cannot fail.
        let _ = write!(line, "\n          {}: {}", alarm.test, alarm.detail);
    }
    if report.credit_basis.starts_with("none") {
        let _ = write!(line, "\n          credit: {}", report.credit_basis);
    }
    for note in &report.notes {
        let _ = write!(line, "\n          note: {note}");
    }
    line
}
