//! `lavawall clock`: the clock that removes expired records, and the operator's word that it is right.

use clap::Args;

use crate::api::keys::ClockAnswer;
use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::operator::Operator;
use crate::cli::print;
use crate::exitcode::Exit;

/// Show whether the clock is trusted to remove expired records, or confirm it
///
/// When the calendar clock and the monotonic clock part by more than a minute, expired records are hidden
/// and not removed. Removal goes on once time synchronization has held the clock for five minutes, or
/// after --confirm. Exits with 1 while the clock is in doubt.
#[derive(Debug, Args)]
pub(crate) struct ClockArguments {
    /// The clock is right: remove expired records again
    #[arg(long)]
    confirm: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(crate) fn run(arguments: &ClockArguments) -> Result<(), CommandError> {
    let operator = Operator::new(&arguments.admin)?;
    let clock: ClockAnswer = if arguments.confirm {
        operator.post("/admin/clock/confirm", &())?
    } else {
        operator.get("/admin/clock")?
    };
    if arguments.json {
        let text = serde_json::to_string(&clock)
            .map_err(|error| CommandError::new(Exit::Software, error))?;
        print::line_if_read(text)?;
    } else {
        let synchronized = if clock.synchronized { "synchronized" } else { "not synchronized" };
        print::line_if_read(format_args!("{} ({synchronized})", clock.now))?;
        let doubt = clock.doubt.as_deref().unwrap_or("expired records are removed");
        print::line_if_read(doubt)?;
    }
    if clock.doubt.is_some() { Err(Exit::Failure.into()) } else { Ok(()) }
}
