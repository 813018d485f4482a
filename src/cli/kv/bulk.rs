//! `lavawall kv bulk`: many records in few calls.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::json::Json;
use crate::cli::error::Stop;
use crate::cli::kv::batch::Batch;
use crate::cli::kv::connection::Connection;
use crate::cli::kv::items;
use crate::cli::kv::pair::Pair;
use crate::cli::kv::space;
use crate::cli::kv::space::{Space, json};
use crate::cli::print;
use crate::client::wiped::Wiped;

/// The most of one call, as the service has it: 10,000 pairs, 100 MB, 100 names to read.
pub(crate) const PAIRS_LIMIT: usize = 10_000;
pub(crate) const BODY_LIMIT: usize = 100_000_000;
pub(crate) const READ_LIMIT: usize = 100;

/// The most of one answer to a bulk read.
const ANSWER_LIMIT: usize = 4 << 30;

/// Write, read or delete many records, by a file of JSON as Workers KV's bulk calls have it
///
/// A file of any length is split into calls of at most 10,000 records and 100 MB. Each call is made
/// whole or not at all.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Title or id of the namespace
    namespace: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write records: [{"key": …, "value": …, "base64": …, "metadata": …, "expiration": …,
    /// "expiration_ttl": …}, …], or the same objects one a line
    ///
    /// The whole file is checked before anything is written, unless it is standard input.
    Put(Input),
    /// Read records: ["name", …] or {"keys": ["name", …], "type": "text" or "json",
    /// "withMetadata": true}
    ///
    /// Prints {"values": {…}}; null for what is not there. Values must be text: use `lavawall kv get`
    /// for others.
    Get(Input),
    /// Delete records: ["name", …]; one that is not there is no failure
    Delete(Input),
}

#[derive(Debug, Args)]
struct Input {
    /// The file; - is standard input
    file: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

/// What a bulk read asks for, in either form.
#[derive(Deserialize)]
#[serde(untagged)]
enum Wanted {
    Names(Vec<String>),
    Object {
        keys: Vec<String>,
        #[serde(flatten)]
        rest: Map<String, Value>,
    },
}

#[derive(Deserialize)]
struct Values {
    values: BTreeMap<String, Json>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Stop> {
    let namespace = &arguments.namespace;
    match &arguments.command {
        Command::Put(input) => put(namespace, input),
        Command::Get(input) => get(namespace, input),
        Command::Delete(input) => delete(namespace, input),
    }
}

impl Input {
    fn open(&self) -> Result<Box<dyn Read>, Stop> {
        if self.is_standard() {
            return Ok(Box::new(io::stdin().lock()));
        }
        let file = File::open(&self.file).map_err(|error| Stop::unreadable(&self.file, &error))?;
        Ok(Box::new(file))
    }

    fn is_standard(&self) -> bool {
        self.file == Path::new("-")
    }

    fn named(&self) -> String {
        if self.is_standard() { "standard input".into() } else { self.file.display().to_string() }
    }
}

fn put(namespace: &str, input: &Input) -> Result<(), Stop> {
    let named = input.named();
    let check = |number: usize, pair: &Pair| {
        pair.check().map_err(|reason| Stop::data(format!("{named}: item {number}: {reason}")))
    };
    if input.file.is_file() {
        items::each(input.open()?, &named, |number, pair: Pair| check(number, &pair))?;
    }
    let space = Space::find(&input.connection, namespace)?;
    send(input, &space, "PUT", "/bulk", |number, pair: &Pair| check(number, pair))
}

fn delete(namespace: &str, input: &Input) -> Result<(), Stop> {
    let space = Space::find(&input.connection, namespace)?;
    send(input, &space, "POST", "/bulk/delete", |_, _: &String| Ok(()))
}

/// Sends all items in as few calls as there may be.
fn send<T: serde::Serialize + serde::de::DeserializeOwned>(
    input: &Input,
    space: &Space,
    method: &str,
    path: &str,
    check: impl Fn(usize, &T) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut batch = Batch::new(PAIRS_LIMIT, BODY_LIMIT);
    let mut done = 0;
    let sent = items::each(input.open()?, &input.named(), |number, item: T| {
        check(number, &item)?;
        let mut text = Wiped::default();
        serde_json::to_writer(&mut text, &item).map_err(Stop::data)?;
        if !batch.takes(text.len()) {
            done += batch.send(space, method, path)?;
        }
        batch.add(&text);
        Ok(())
    });
    match sent.and_then(|_| batch.send(space, method, path)) {
        Ok(_) => Ok(()),
        Err(stop) => Err(stop.and(&format!("; {done} records were done before"))),
    }
}

fn get(namespace: &str, input: &Input) -> Result<(), Stop> {
    let unreadable = |error: io::Error| Stop::unreadable(Path::new(&input.named()), &error);
    let text = Wiped::read(input.open()?, BODY_LIMIT).map_err(unreadable)?;
    let wanted = serde_json::from_slice(&text).map_err(|_| {
        let form = "must be [\"name\", …] or {\"keys\": [\"name\", …]}";
        Stop::data(format!("{}: {form}", input.named()))
    })?;
    let (names, mut ask) = match wanted {
        Wanted::Names(names) => (names, Map::new()),
        Wanted::Object { keys, rest } => (keys, rest),
    };
    let space = Space::find(&input.connection, namespace)?;
    let mut before = "{\"values\":{";
    for names in names.chunks(READ_LIMIT) {
        ask.insert("keys".into(), names.into());
        let body = serde_json::to_vec(&ask).map_err(Stop::data)?;
        let answer = space.call("POST", "/bulk/get", Some(json(&body)), &[200])?;
        let Values { values } = space::result(&answer.read(ANSWER_LIMIT)?)?;
        for (name, value) in values {
            let text = format!("{before}{}:{}", Value::from(name), value.text());
            print::write(text.as_bytes())?;
            before = ",";
        }
    }
    let end = if before == "," { "}}\n" } else { "{\"values\":{}}\n" };
    Ok(print::write(end.as_bytes())?)
}
