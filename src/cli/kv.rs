//! `lavawall kv`: the encrypted key-value store, from the command line.

mod batch;
mod bulk;
pub(crate) mod connection;
mod export;
mod form;
mod import;
mod items;
mod life;
mod lines;
mod list;
mod namespaces;
mod pair;
mod record;
mod space;

use clap::{Args, Subcommand};

use crate::exitcode::Exit;

use crate::cli::error::Stop;

/// Keep secrets in the service's encrypted key-value store
///
/// On the service's own machine its admin socket is asked, and no token is needed; elsewhere use
/// --url and --token-file. For example:
///   lavawall kv namespaces create keys
///   lavawall kv put keys database/password < password
///   lavawall kv get keys database/password
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Namespaces(namespaces::Arguments),
    Put(record::PutArguments),
    Get(record::GetArguments),
    Delete(record::DeleteArguments),
    List(list::Arguments),
    Bulk(bulk::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let done = match &arguments.command {
        Command::Namespaces(arguments) => namespaces::run(arguments),
        Command::Put(arguments) => record::put(arguments),
        Command::Get(arguments) => record::get(arguments),
        Command::Delete(arguments) => record::delete(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Bulk(arguments) => bulk::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Import(arguments) => import::run(arguments),
    };
    done.map_or_else(Stop::say, |()| Exit::Ok)
}
