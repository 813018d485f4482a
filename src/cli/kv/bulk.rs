//! `lavawall kv bulk`: many records in few calls.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::json::{Json, without_mark};
use crate::api::store::{BULK_BYTES, BULK_READS, BULK_RECORDS, BulkValues};
use crate::cli::connection_arguments::ConnectionArguments;
use crate::cli::error::CommandError;
use crate::cli::kv::batch::Batch;
use crate::cli::kv::bulk_pair::BulkPair;
use crate::cli::kv::json_items;
use crate::cli::kv::namespace;
use crate::cli::kv::namespace::{BULK_PUT, NamespaceClient};
use crate::cli::print;
use crate::client::Payload;
use crate::client::SecretBuffer;

/// The most bytes of one answer to a bulk read.
const ANSWER_LIMIT: usize = 4 << 30;

/// Write, read or delete many records, given as JSON in the form of Workers KV's bulk calls
///
/// A file of any length is split into calls of at most 10,000 records and 100 MB. Each call is applied
/// whole or not at all.
#[derive(Debug, Args)]
pub(crate) struct KvBulkArguments {
    /// Title or id of the namespace
    namespace: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write records: [{"key": …, "value": …, "base64": …, "metadata": …, "expiration": …,
    /// "expiration_ttl": …}, …], or the same objects, one per line
    ///
    /// The whole file is checked before anything is written, unless it is standard input.
    Put(Input),
    /// Read records: ["name", …] or {"keys": ["name", …], "type": "text" or "json",
    /// "withMetadata": true}
    ///
    /// Prints {"values": {…}}, with null for an absent record. Values must be text; read others with
    /// `lavawall kv get`.
    Get(Input),
    /// Delete records: ["name", …]; absent ones are ignored
    Delete(Input),
}

#[derive(Debug, Args)]
struct Input {
    /// The file; - is standard input
    file: PathBuf,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// The names of a bulk read, in either form.
#[derive(Deserialize)]
#[serde(untagged)]
enum NamesToRead {
    Names(Vec<String>),
    Object {
        keys: Vec<String>,
        #[serde(flatten)]
        rest: Map<String, Value>,
    },
}

pub(crate) fn run(arguments: &KvBulkArguments) -> Result<(), CommandError> {
    let namespace = &arguments.namespace;
    match &arguments.command {
        Command::Put(input) => put(namespace, input),
        Command::Get(input) => get(namespace, input),
        Command::Delete(input) => delete(namespace, input),
    }
}

impl Input {
    fn open(&self) -> Result<Box<dyn Read>, CommandError> {
        if self.is_standard() {
            return Ok(Box::new(io::stdin().lock()));
        }
        let file =
            File::open(&self.file).map_err(|error| CommandError::unreadable(&self.file, &error))?;
        Ok(Box::new(file))
    }

    fn is_standard(&self) -> bool {
        self.file == Path::new("-")
    }

    fn named(&self) -> String {
        if self.is_standard() { "standard input".into() } else { self.file.display().to_string() }
    }
}

fn put(namespace: &str, input: &Input) -> Result<(), CommandError> {
    let named = input.named();
    let check = |number: usize, pair: &BulkPair| {
        pair.check()
            .map_err(|reason| CommandError::data(format!("{named}: item {number}: {reason}")))
    };
    if input.file.is_file() {
        json_items::each(input.open()?, &named, |number, pair: BulkPair| check(number, &pair))?;
    }
    let space = NamespaceClient::find(&input.connection, namespace)?;
    send(input, &space, "PUT", BULK_PUT, |number, pair: &BulkPair| check(number, pair))
}

fn delete(namespace: &str, input: &Input) -> Result<(), CommandError> {
    let space = NamespaceClient::find(&input.connection, namespace)?;
    send(input, &space, "POST", "/bulk/delete", |_, _: &String| Ok(()))
}

/// Sends all items in as few calls as the limits allow.
fn send<T: serde::Serialize + serde::de::DeserializeOwned>(
    input: &Input,
    space: &NamespaceClient,
    method: &str,
    path: &str,
    check: impl Fn(usize, &T) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let mut batch = Batch::new(BULK_RECORDS, BULK_BYTES);
    let mut done = 0;
    let sent = json_items::each(input.open()?, &input.named(), |number, item: T| {
        check(number, &item)?;
        let mut text = SecretBuffer::default();
        serde_json::to_writer(&mut text, &item).map_err(CommandError::data)?;
        if !batch.takes(text.len()) {
            done += batch.send(space, method, path)?;
        }
        batch.add(&text);
        Ok(())
    });
    match sent.and_then(|_| batch.send(space, method, path)) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.and(&format!("; {done} records were done before"))),
    }
}

fn get(namespace: &str, input: &Input) -> Result<(), CommandError> {
    let unreadable = |error: io::Error| CommandError::unreadable(Path::new(&input.named()), &error);
    let text = SecretBuffer::read(input.open()?, BULK_BYTES).map_err(unreadable)?;
    let names = serde_json::from_slice(without_mark(&text)).map_err(|_| {
        let form = "must be [\"name\", …] or {\"keys\": [\"name\", …]}";
        CommandError::data(format!("{}: {form}", input.named()))
    })?;
    let (names, mut ask) = match names {
        NamesToRead::Names(names) => (names, Map::new()),
        NamesToRead::Object { keys, rest } => (keys, rest),
    };
    let space = NamespaceClient::find(&input.connection, namespace)?;
    let mut before = "{\"values\":{";
    for names in names.chunks(BULK_READS) {
        ask.insert("keys".into(), names.into());
        let body = serde_json::to_vec(&ask).map_err(CommandError::data)?;
        let answer = space.call("POST", "/bulk/get", Some(Payload::json(body)), &[200])?;
        let BulkValues::<Json> { values } = namespace::result(&answer.read(ANSWER_LIMIT)?)?;
        for (name, value) in values {
            let text = format!("{before}{}:{}", Value::from(name), value.text());
            print::write(text.as_bytes())?;
            before = ",";
        }
    }
    let end = if before == "," { "}}\n" } else { "{\"values\":{}}\n" };
    Ok(print::write(end.as_bytes())?)
}
