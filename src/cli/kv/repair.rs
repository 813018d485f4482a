//! `lavawall kv repair`: accepts the loss of a damaged store, and makes it writable again.

use clap::Args;

use crate::api::store::RepairAnswer;
use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::operator::Operator;
use crate::cli::print;
use crate::exitcode::Exit;

/// Repair a damaged store: accept the loss, and write again
///
/// A store whose file is damaged, or which misses commits that were acknowledged, is read-only until it
/// is repaired. A new file is written with every record that verifies, and takes the place of the old
/// one, which is kept beside it. Lost records are named by their ids; their names are lost with them.
/// Copy the state directory first, if somebody may be able to restore more.
#[derive(Debug, Args)]
pub(crate) struct KvRepairArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(crate) fn run(arguments: &KvRepairArguments) -> Result<(), CommandError> {
    let repair: RepairAnswer = Operator::new(&arguments.admin)?.post("/admin/store/repair", &())?;
    if arguments.json {
        let text = serde_json::to_string(&repair)
            .map_err(|error| CommandError::new(Exit::Software, error))?;
        return Ok(print::line_if_read(text)?);
    }
    if let Some(kept) = &repair.kept {
        print::line_if_read(format_args!("{} records are in the new file", repair.records))?;
        print::line_if_read(format_args!("the damaged file is kept: {}", print::shown(kept)))?;
    }
    if repair.lost_commits > 0 {
        print::line_if_read(format_args!(
            "{} commits that were acknowledged are lost",
            repair.lost_commits
        ))?;
    }
    if repair.lost_pages > 0 {
        print::line_if_read(format_args!(
            "{} pages are lost; records of which nothing is left cannot be counted",
            repair.lost_pages
        ))?;
    }
    print::line_if_read(format_args!("{} records are known to be lost", repair.lost_records))?;
    for lost in &repair.lost {
        print::line_if_read(format_args!("{} {}", lost.namespace, lost.record))?;
    }
    Ok(())
}
