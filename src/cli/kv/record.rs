//! `lavawall kv put`, `get` and `delete`: single records.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::api::json::Json;
use crate::api::store::BULK_RECORDS;
use crate::cli::connection_arguments::ConnectionArguments;
use crate::cli::error::CommandError;
use crate::cli::kv::expiration_arguments::ExpirationArguments;
use crate::cli::kv::multipart_form::MultipartForm;
use crate::cli::kv::namespace;
use crate::cli::kv::namespace::{NamespaceClient, escaped, value_of, write_of};
use crate::cli::print;
use crate::cli::print::shown;
use crate::client::SecretBuffer;
use crate::client::{ClientError, Payload, ServiceAnswer};
use crate::durable;
use crate::exitcode::Exit;
use crate::kv::{METADATA_LIMIT, VALUE_LIMIT};

/// Write one record
///
/// Give secret values on standard input: the command line is visible to every user of the machine and
/// kept in the shell's history. For example:
///   lavawall kv put keys database/password < password
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PutArguments {
    /// Title or id of the namespace
    namespace: String,
    /// Name of the record
    name: String,
    /// The value, if it is not secret; - is standard input, the default
    #[arg(conflicts_with = "file")]
    value: Option<String>,
    /// Read the value from a file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// JSON to store with it, at most 1,024 bytes; lists show it
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    #[command(flatten)]
    expiration: ExpirationArguments,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// Write a record's value to standard output, byte by byte as it was put
///
/// Exits with 1 when the record does not exist.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// Title or id of the namespace
    namespace: String,
    /// Name of the record
    name: String,
    /// Show the metadata, as JSON, instead of the value
    #[arg(long)]
    metadata: bool,
    /// Write to a file that only you can read; - is standard output, even if it is a terminal
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// Delete records; absent ones are ignored
#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// Title or id of the namespace
    namespace: String,
    /// Names of the records
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) fn put(arguments: &PutArguments) -> Result<(), CommandError> {
    if let Some(metadata) = &arguments.metadata {
        check_metadata(metadata)?;
    }
    let value = value(arguments)?;
    let space = NamespaceClient::find(&arguments.connection, &arguments.namespace)?;
    let path = format!("{}{}", write_of(&arguments.name), arguments.expiration.query());
    let payload = match &arguments.metadata {
        None => Payload { media_type: "application/octet-stream".into(), bytes: value },
        Some(metadata) => MultipartForm::new(&value, metadata).into_payload(),
    };
    space.call("PUT", &path, Some(payload), &[200])?;
    Ok(())
}

pub(crate) fn get(arguments: &GetArguments) -> Result<(), CommandError> {
    let space = NamespaceClient::find(&arguments.connection, &arguments.namespace)?;
    if arguments.metadata {
        let path = format!("/metadata/{}", escaped(&arguments.name));
        let answer = found(space.call("GET", &path, None, &[200]), &space, &arguments.name)?;
        let metadata: Json = namespace::result(&answer.read(METADATA_BYTES)?)?;
        return write(arguments.output.as_deref(), format!("{}\n", metadata.text()).as_bytes());
    }
    let answer = space.call("GET", &value_of(&arguments.name), None, &[200]);
    let value = found(answer, &space, &arguments.name)?.read(VALUE_LIMIT)?;
    write(arguments.output.as_deref(), &value)
}

pub(crate) fn delete(arguments: &DeleteArguments) -> Result<(), CommandError> {
    let space = NamespaceClient::find(&arguments.connection, &arguments.namespace)?;
    for names in arguments.names.chunks(BULK_RECORDS) {
        let body = Value::from(names).to_string();
        space.call("POST", "/bulk/delete", Some(Payload::json(body.into_bytes())), &[200])?;
    }
    Ok(())
}

/// The most bytes of metadata in its envelope, every character escaped.
const METADATA_BYTES: usize = 8 * METADATA_LIMIT;

fn check_metadata(metadata: &str) -> Result<(), CommandError> {
    if metadata.len() > METADATA_LIMIT {
        let got = metadata.len();
        let reason = format!("--metadata: at most {METADATA_LIMIT} bytes (got {got})");
        return Err(CommandError::usage(reason));
    }
    Json::read(metadata.as_bytes())
        .map(|_| ())
        .map_err(|error| CommandError::usage(format!("--metadata: is not JSON: {error}")))
}

fn value(arguments: &PutArguments) -> Result<SecretBuffer, CommandError> {
    if let Some(path) = &arguments.file {
        let unreadable = |error: io::Error| CommandError::unreadable(path, &error);
        return bounded(File::open(path).map_err(unreadable)?, path);
    }
    match arguments.value.as_deref() {
        Some(value) if value != "-" => bounded(value.as_bytes(), Path::new("the value")),
        _ => {
            let input = io::stdin();
            if rustix::termios::isatty(&input) {
                print::note(&"Enter the value, then Control-D:");
            }
            bounded(input.lock(), Path::new("standard input"))
        }
    }
}

fn bounded(from: impl Read, named: &Path) -> Result<SecretBuffer, CommandError> {
    SecretBuffer::read(from, VALUE_LIMIT).map_err(|error| CommandError::unreadable(named, &error))
}

/// Turns 404 into an error that names the record.
fn found(
    answer: Result<ServiceAnswer, ClientError>,
    space: &NamespaceClient,
    name: &str,
) -> Result<ServiceAnswer, CommandError> {
    match answer {
        Err(ClientError::Refused { status: 404, .. }) => Err(CommandError::failure(format!(
            "there is no record {} in namespace {}",
            shown(name),
            shown(&space.info.title)
        ))),
        other => Ok(other?),
    }
}

fn write(to: Option<&Path>, bytes: &[u8]) -> Result<(), CommandError> {
    match to {
        Some(path) if path != Path::new("-") => durable::replace(path, bytes).map_err(|error| {
            CommandError::new(Exit::CannotCreate, format!("{}: {error}", path.display()))
        }),
        None if rustix::termios::isatty(io::stdout()) && !is_text(bytes) => {
            Err(CommandError::usage(
                "the value is not plain text, and could control the terminal: use -o FILE, or -o - to \
             print it anyway",
            ))
        }
        _ => Ok(print::write(bytes)?),
    }
}

/// Whether a terminal shows these bytes as they are.
fn is_text(bytes: &[u8]) -> bool {
    let is_plain = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\r' | '\t');
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_could_control_a_terminal_are_not_text() {
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
