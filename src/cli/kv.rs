//! `lavawall kv`: the encrypted key-value store, from the command line.

#[cfg(feature = "export")]
mod age_identity;
mod batch;
mod bulk;
mod bulk_pair;
mod compact;
mod expiration_arguments;
#[cfg(feature = "export")]
mod export;
#[cfg(feature = "export")]
#[cfg(feature = "export")]
mod import;
mod json_items;
mod list;
#[cfg(not(feature = "export"))]
mod missing_export;
mod multipart_form;
mod namespace;
mod namespaces;
mod record;
mod repair;
#[cfg(feature = "export")]
mod secret_lines;

use clap::{Args, Subcommand};

use crate::cli::error::CommandError;

/// Keep secrets in the service's encrypted key-value store
///
/// On the service's own machine the commands use its admin socket, and no token is needed; elsewhere
/// use --url and --token-file. For example:
///   lavawall kv namespaces create keys
///   lavawall kv put keys database/password < password
///   lavawall kv get keys database/password
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct KvArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Namespaces(namespaces::KvNamespacesArguments),
    Put(record::PutArguments),
    Get(record::GetArguments),
    Delete(record::DeleteArguments),
    List(list::KvListArguments),
    Bulk(bulk::KvBulkArguments),
    Compact(compact::KvCompactArguments),
    Repair(repair::KvRepairArguments),
    #[cfg(feature = "export")]
    Export(export::KvExportArguments),
    #[cfg(feature = "export")]
    Import(import::KvImportArguments),
    #[cfg(not(feature = "export"))]
    Export(missing_export::ExportArguments),
    #[cfg(not(feature = "export"))]
    Import(missing_export::ImportArguments),
}

pub(crate) fn run(arguments: &KvArguments) -> Result<(), CommandError> {
    match &arguments.command {
        Command::Namespaces(arguments) => namespaces::run(arguments),
        Command::Put(arguments) => record::put(arguments),
        Command::Get(arguments) => record::get(arguments),
        Command::Delete(arguments) => record::delete(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Bulk(arguments) => bulk::run(arguments),
        Command::Compact(arguments) => compact::run(arguments),
        Command::Repair(arguments) => repair::run(arguments),
        #[cfg(feature = "export")]
        Command::Export(arguments) => export::run(arguments),
        #[cfg(feature = "export")]
        Command::Import(arguments) => import::run(arguments),
        #[cfg(not(feature = "export"))]
        Command::Export(_) => Err(missing_export::refuse("export")),
        #[cfg(not(feature = "export"))]
        Command::Import(_) => Err(missing_export::refuse("import")),
    }
}
