//! `lavawall kv compact`: free space of the store goes back to the disk.

use bytesize::ByteSize;
use clap::Args;

use crate::api::keys::CompactionAnswer;
use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::operator::Operator;
use crate::cli::print;

/// Give the space of deleted and replaced records back to the disk
///
/// The file of the store keeps that space for new records; this makes the file smaller. Calls about
/// records wait for it, about a second per 80 MB of records; `/random` does not. The service does it
/// by itself when it opens a store of 64 MiB or more in which less than a quarter is in use.
#[derive(Debug, Args)]
pub(crate) struct KvCompactArguments {
    /// Print one JSON object with the sizes in bytes
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(crate) fn run(arguments: &KvCompactArguments) -> Result<(), CommandError> {
    let operator = Operator::new(&arguments.admin)?;
    let compacted: CompactionAnswer = operator.post("/admin/store/compact", &())?;
    let text = if arguments.json {
        serde_json::to_string(&compacted).map_err(CommandError::data)?
    } else {
        let CompactionAnswer { before, after } = compacted;
        let sizes = [before.file_bytes, after.file_bytes, after.live_bytes];
        let [before, after, live] = sizes.map(ByteSize::b);
        format!("the file of the store had {before} and has {after}, with {live} of records")
    };
    Ok(print::line_if_read(&text)?)
}
