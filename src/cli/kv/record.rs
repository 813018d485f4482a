//! `lavawall kv put`, `get` and `delete`: single records.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::api::json::Json;
use crate::cli::error::Stop;
use crate::cli::kv::bulk;
use crate::cli::kv::connection::Connection;
use crate::cli::kv::form::Form;
use crate::cli::kv::life::Life;
use crate::cli::kv::space;
use crate::cli::kv::space::{Space, escaped, json, value_of};
use crate::cli::print;
use crate::cli::print::shown;
use crate::client::wiped::Wiped;
use crate::client::{Answer, ClientError, Payload};
use crate::durable;
use crate::exitcode::Exit;
use crate::kv::{METADATA_LIMIT, VALUE_LIMIT};

/// Write one record
///
/// The value is read from standard input unless it is given: what stands on the command line is seen
/// by every user of the machine and kept in the shell's history. For example:
///   lavawall kv put keys database/password < password
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PutArguments {
    /// Title or id of the namespace
    namespace: String,
    /// Name of the record
    name: String,
    /// The value itself, for what is no secret; - is standard input
    #[arg(conflicts_with = "file")]
    value: Option<String>,
    /// Read the value from a file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// JSON to keep with it, at most 1,024 bytes; lists show it
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    #[command(flatten)]
    life: Life,
    #[command(flatten)]
    connection: Connection,
}

/// Write a record's value to standard output, byte by byte as it was put
///
/// Exits with 1 when there is none.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// Title or id of the namespace
    namespace: String,
    /// Name of the record
    name: String,
    /// Show the metadata, as JSON, and not the value
    #[arg(long)]
    metadata: bool,
    /// Write to a file, which only you can read; - is standard output, also when it is a terminal
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

/// Delete records; one that is not there is no failure
#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// Title or id of the namespace
    namespace: String,
    /// Names of the records
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn put(arguments: &PutArguments) -> Result<(), Stop> {
    if let Some(metadata) = &arguments.metadata {
        check_metadata(metadata)?;
    }
    let value = value(arguments)?;
    let space = Space::find(&arguments.connection, &arguments.namespace)?;
    let path = format!("{}{}", value_of(&arguments.name), arguments.life.query());
    let payload = Payload { media_type: "application/octet-stream", bytes: &value };
    match &arguments.metadata {
        None => space.call("PUT", &path, Some(payload), &[200])?,
        Some(metadata) => {
            let form = Form::new(&value, metadata);
            space.call("PUT", &path, Some(form.payload()), &[200])?
        }
    };
    Ok(())
}

pub(crate) fn get(arguments: &GetArguments) -> Result<(), Stop> {
    let space = Space::find(&arguments.connection, &arguments.namespace)?;
    if arguments.metadata {
        let path = format!("/metadata/{}", escaped(&arguments.name));
        let answer = found(space.call("GET", &path, None, &[200]), &space, &arguments.name)?;
        let metadata: Json = space::result(&answer.read(METADATA_BYTES)?)?;
        return write(arguments.output.as_deref(), format!("{}\n", metadata.text()).as_bytes());
    }
    let answer = space.call("GET", &value_of(&arguments.name), None, &[200]);
    let value = found(answer, &space, &arguments.name)?.read(VALUE_LIMIT)?;
    write(arguments.output.as_deref(), &value)
}

pub(crate) fn delete(arguments: &DeleteArguments) -> Result<(), Stop> {
    let space = Space::find(&arguments.connection, &arguments.namespace)?;
    for names in arguments.names.chunks(bulk::PAIRS_LIMIT) {
        let body = Value::from(names).to_string();
        space.call("POST", "/bulk/delete", Some(json(body.as_bytes())), &[200])?;
    }
    Ok(())
}

/// Metadata and its envelope, every letter escaped.
const METADATA_BYTES: usize = 8 * METADATA_LIMIT;

fn check_metadata(metadata: &str) -> Result<(), Stop> {
    if metadata.len() > METADATA_LIMIT {
        let got = metadata.len();
        let reason = format!("--metadata: at most {METADATA_LIMIT} bytes (got {got})");
        return Err(Stop::usage(reason));
    }
    Json::read(metadata.as_bytes())
        .map(|_| ())
        .map_err(|error| Stop::usage(format!("--metadata: is not JSON: {error}")))
}

fn value(arguments: &PutArguments) -> Result<Wiped, Stop> {
    if let Some(path) = &arguments.file {
        let unreadable = |error: io::Error| Stop::unreadable(path, &error);
        return bounded(File::open(path).map_err(unreadable)?, path);
    }
    match arguments.value.as_deref() {
        Some(value) if value != "-" => bounded(value.as_bytes(), Path::new("the value")),
        _ => {
            let input = io::stdin();
            if rustix::termios::isatty(&input) {
                print::note(&"The value, and Control-D to end it:");
            }
            bounded(input.lock(), Path::new("standard input"))
        }
    }
}

fn bounded(from: impl Read, named: &Path) -> Result<Wiped, Stop> {
    Wiped::read(from, VALUE_LIMIT).map_err(|error| Stop::unreadable(named, &error))
}

/// Says in so many words that there is no such record.
fn found(answer: Result<Answer, ClientError>, space: &Space, name: &str) -> Result<Answer, Stop> {
    match answer {
        Err(ClientError::Refused { status: 404, .. }) => Err(Stop::no(format!(
            "there is no record {} in namespace {}",
            shown(name),
            shown(&space.info.title)
        ))),
        other => Ok(other?),
    }
}

fn write(to: Option<&Path>, bytes: &[u8]) -> Result<(), Stop> {
    match to {
        Some(path) if path != Path::new("-") => durable::replace(path, bytes)
            .map_err(|error| Stop::new(Exit::CannotCreate, format!("{}: {error}", path.display()))),
        None if rustix::termios::isatty(io::stdout()) && !is_text(bytes) => Err(Stop::usage(
            "the value is not plain text, and would disturb the terminal: use -o FILE, or -o - to \
             see it all the same",
        )),
        _ => Ok(print::write(bytes)?),
    }
}

/// Whether a terminal shows it as it is.
fn is_text(bytes: &[u8]) -> bool {
    let is_plain = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\r' | '\t');
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_no_text() {
        for (bytes, expected) in [
            (b"plain\ttext\r\n".as_slice(), true),
            ("\u{e4}".as_bytes(), true),
            (b"", true),
            (b"\xff", false),
            (b"\x1b[2J", false),
            (b"a\0b", false),
        ] {
            assert_eq!(is_text(bytes), expected, "{bytes:?}");
        }
    }
}
