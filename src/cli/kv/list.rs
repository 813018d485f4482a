//! `lavawall kv list`: the names in a namespace.

use clap::Args;

use crate::cli::connection_arguments::ConnectionArguments;
use crate::cli::error::CommandError;
use crate::cli::kv::namespace::NamespaceClient;
use crate::cli::print;
use crate::cli::print::shown;

/// List the names in a namespace, in the order of their bytes
///
/// One per line. Control characters in names are escaped; --json has names exactly.
#[derive(Debug, Args)]
pub(crate) struct KvListArguments {
    /// Title or id of the namespace
    namespace: String,
    /// Only names with this prefix
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    /// At most N names [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON object per line, with expiration and metadata
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) fn run(arguments: &KvListArguments) -> Result<(), CommandError> {
    let space = NamespaceClient::find(&arguments.connection, &arguments.namespace)?;
    space.pages(&arguments.prefix, arguments.limit, |page| {
        let mut text = String::new();
        for record in page {
            if arguments.json {
                text.push_str(&serde_json::to_string(&record).map_err(CommandError::data)?);
            } else {
                text.push_str(&shown(&record.name));
            }
            text.push('\n');
        }
        Ok(print::write(text.as_bytes())?)
    })
}
