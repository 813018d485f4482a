//! `lavawall kv list`: the names in a namespace.

use clap::Args;

use crate::cli::error::Stop;
use crate::cli::kv::connection::Connection;
use crate::cli::kv::space::Space;
use crate::cli::print;
use crate::cli::print::shown;

/// List the names in a namespace, in the order of their bytes
///
/// One a line; control characters in names are escaped, and --json has them exactly.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Title or id of the namespace
    namespace: String,
    /// Only names that begin so
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    /// At most so many [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON object a line, with expiration and metadata
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Stop> {
    let space = Space::find(&arguments.connection, &arguments.namespace)?;
    space.pages(&arguments.prefix, arguments.limit, |page| {
        let mut text = String::new();
        for record in page {
            if arguments.json {
                text.push_str(&serde_json::to_string(&record).map_err(Stop::data)?);
            } else {
                text.push_str(&shown(&record.name));
            }
            text.push('\n');
        }
        Ok(print::write(text.as_bytes())?)
    })
}
