//! `lavawall kv namespaces`: what records are kept in.

use std::io::BufRead;

use clap::{Args, Subcommand};

use crate::cli::error::Stop;
use crate::cli::kv::connection::Connection;
use crate::cli::kv::space;
use crate::cli::kv::space::{Space, json};
use crate::cli::print;
use crate::cli::print::shown;
use crate::exitcode::Exit;

/// List, make, rename and delete namespaces
///
/// Each has keys of its own. Without a command they are listed, as by `list`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
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

/// List namespaces, one a line, id and title
#[derive(Debug, Args)]
struct ListArguments {
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Make a namespace, with keys of its own; prints its id
#[derive(Debug, Args)]
struct CreateArguments {
    /// What to call it; encrypted at rest like all that is in it
    title: String,
    #[command(flatten)]
    connection: Connection,
}

/// Give a namespace another title; its id and its records stay
#[derive(Debug, Args)]
struct RenameArguments {
    /// Its title or id
    namespace: String,
    /// What to call it from now on
    title: String,
    #[command(flatten)]
    connection: Connection,
}

/// Destroy a namespace's keys: no copy of the store opens its records any more
///
/// There is no way back but a copy of the keyring's file from before. Asks for the title first, on
/// standard input, unless --yes is given.
#[derive(Debug, Args)]
struct DeleteArguments {
    /// Its title or id
    namespace: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Stop> {
    match &arguments.command {
        None => list(&arguments.list),
        Some(Command::List(arguments)) => list(arguments),
        Some(Command::Create(arguments)) => create(arguments),
        Some(Command::Rename(arguments)) => rename(arguments),
        Some(Command::Delete(arguments)) => delete(arguments),
    }
}

fn list(arguments: &ListArguments) -> Result<(), Stop> {
    for info in space::all(&arguments.connection.client()?)? {
        let line = if arguments.json {
            serde_json::json!({ "id": info.id, "title": info.title }).to_string()
        } else {
            format!("{}  {}", shown(&info.id), shown(&info.title))
        };
        print::write(format!("{line}\n").as_bytes())?;
    }
    Ok(())
}

fn create(arguments: &CreateArguments) -> Result<(), Stop> {
    let info = space::create(&arguments.connection.client()?, &arguments.title)?;
    Ok(print::write(format!("{}\n", shown(&info.id)).as_bytes())?)
}

fn rename(arguments: &RenameArguments) -> Result<(), Stop> {
    let space = Space::find(&arguments.connection, &arguments.namespace)?;
    let body = serde_json::json!({ "title": arguments.title }).to_string();
    space.call("PUT", "", Some(json(body.as_bytes())), &[200])?;
    Ok(())
}

fn delete(arguments: &DeleteArguments) -> Result<(), Stop> {
    let space = Space::find(&arguments.connection, &arguments.namespace)?;
    if !arguments.yes {
        confirm(&space.info.title, &space.info.id)?;
    }
    space.call("DELETE", "", None, &[200])?;
    Ok(())
}

/// Has the title typed.
fn confirm(title: &str, id: &str) -> Result<(), Stop> {
    print::note(&format!(
        "This destroys the keys of namespace {} ({id}), and with them every record in it, for \
         good.\nType its title to go on:",
        shown(title)
    ));
    let mut typed = String::new();
    let read = std::io::stdin().lock().read_line(&mut typed);
    read.map_err(|error| Stop::new(Exit::Io, format!("standard input: {error}")))?;
    if typed.trim_end_matches(['\n', '\r']) == title {
        return Ok(());
    }
    Err(Stop::no("that is not its title: nothing was deleted"))
}
