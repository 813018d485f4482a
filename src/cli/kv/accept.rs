//! `lavawall kv accept`: a store that has lost commits is written again.

use clap::Args;

use crate::api::keys::AcceptanceAnswer;
use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::operator::Operator;
use crate::cli::print;

/// Go on without the last commits of the store, which are lost
///
/// A store that has fewer commits than it has acknowledged was damaged or rolled back: it is read, and not
/// written. If there is a copy that has them, stop the service and restore it instead. Which
/// records the lost commits wrote is not known.
#[derive(Debug, Args)]
pub(crate) struct KvAcceptArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(crate) fn run(arguments: &KvAcceptArguments) -> Result<(), CommandError> {
    let operator = Operator::new(&arguments.admin)?;
    let accepted: AcceptanceAnswer = operator.post("/admin/store/accept", &())?;
    let text = if arguments.json {
        serde_json::to_string(&accepted).map_err(CommandError::data)?
    } else {
        match accepted.lost_commits {
            0 => "nothing is missing".to_owned(),
            lost => format!("the store is written again; commits that are lost: {lost}"),
        }
    };
    Ok(print::line_if_read(&text)?)
}
