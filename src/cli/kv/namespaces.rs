//! `lavawall kv namespaces`: list, create, rename and delete.

use std::io::BufRead;

use clap::{Args, Subcommand};

use crate::cli::connection_arguments::ConnectionArguments;
use crate::cli::error::CommandError;
use crate::cli::kv::namespace;
use crate::cli::kv::namespace::NamespaceClient;
use crate::cli::print;
use crate::cli::print::shown;
use crate::client::Payload;
use crate::exitcode::Exit;

/// List, create, rename and delete namespaces
///
/// Each namespace has keys of its own. Without a command they are listed, as by `list`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct KvNamespacesArguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: ListArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(ListArguments),
    Create(CreateArguments),
    Rename(RenameArguments),
    Delete(DeleteArguments),
}

/// List namespaces, one per line, with id and title
#[derive(Debug, Args)]
struct ListArguments {
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// Create a namespace with keys of its own; print its id
#[derive(Debug, Args)]
struct CreateArguments {
    /// Its title; encrypted at rest, as its records are
    title: String,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// Give a namespace another title; its id and its records stay
#[derive(Debug, Args)]
struct RenameArguments {
    /// Its title or id
    namespace: String,
    /// Its new title
    title: String,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// Delete a namespace by destroying its keys: its records are lost in every copy of the store
///
/// Only an earlier copy of the keyring's file could bring them back. Asks for the title first, on
/// standard input, unless --yes is given.
#[derive(Debug, Args)]
struct DeleteArguments {
    /// Its title or id
    namespace: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) fn run(arguments: &KvNamespacesArguments) -> Result<(), CommandError> {
    match &arguments.command {
        None => list(&arguments.list),
        Some(Command::List(arguments)) => list(arguments),
        Some(Command::Create(arguments)) => create(arguments),
        Some(Command::Rename(arguments)) => rename(arguments),
        Some(Command::Delete(arguments)) => delete(arguments),
    }
}

fn list(arguments: &ListArguments) -> Result<(), CommandError> {
    for info in namespace::all(&arguments.connection.client()?)? {
        let line = if arguments.json {
            serde_json::json!({ "id": info.id, "title": info.title }).to_string()
        } else {
            format!("{}  {}", shown(&info.id), shown(&info.title))
        };
        print::write(format!("{line}\n").as_bytes())?;
    }
    Ok(())
}

fn create(arguments: &CreateArguments) -> Result<(), CommandError> {
    let info = namespace::create(&arguments.connection.client()?, &arguments.title)?;
    Ok(print::write(format!("{}\n", shown(&info.id)).as_bytes())?)
}

fn rename(arguments: &RenameArguments) -> Result<(), CommandError> {
    let space = NamespaceClient::find(&arguments.connection, &arguments.namespace)?;
    let payload = Payload::json(namespace::titled(&arguments.title)?);
    space.call("PUT", "", Some(payload), &[200])?;
    Ok(())
}

fn delete(arguments: &DeleteArguments) -> Result<(), CommandError> {
    let space = NamespaceClient::find(&arguments.connection, &arguments.namespace)?;
    if !arguments.yes {
        confirm(&space.info.title, &space.info.id)?;
    }
    space.call("DELETE", "", None, &[200])?;
    Ok(())
}

/// Asks for the title, as confirmation.
fn confirm(title: &str, id: &str) -> Result<(), CommandError> {
    print::note(&format!(
        "This destroys the keys of namespace {} ({id}), and with them every record in it, \
         permanently.\nType its title to confirm:",
        shown(title)
    ));
    let mut typed = String::new();
    let read = std::io::stdin().lock().read_line(&mut typed);
    read.map_err(|error| CommandError::new(Exit::Io, format!("standard input: {error}")))?;
    if typed.trim_end_matches(['\n', '\r']) == title {
        return Ok(());
    }
    Err(CommandError::failure("the title differs: nothing was deleted"))
}
