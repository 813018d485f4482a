//! `lavawall kv export`: a namespace in one encrypted file.
//!
//! ```text
//! age-encryption.org/v1, to one or more X25519 recipients, around
//!     one line of JSON a record, as a bulk write has it, values in base64
//! ```

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::mem;
use std::path::{Path, PathBuf};

use age::x25519::Recipient;
use age::{Encryptor, stream::StreamWriter};
use clap::Args;
use serde::Deserialize;
use serde_json::Number;
use zeroize::Zeroizing;

use crate::api::json::Json;
use crate::cli::error::Stop;
use crate::cli::kv::bulk::READ_LIMIT;
use crate::cli::kv::connection::Connection;
use crate::cli::kv::pair::Pair;
use crate::cli::kv::space;
use crate::cli::kv::space::{Space, json};
use crate::cli::print;
use crate::cli::print::shown;
use crate::cli::progress::Bar;
use crate::client::ClientError;
use crate::client::wiped::Wiped;
use crate::durable::Draft;
use crate::exitcode::Exit;

/// No answer is longer: values of 25 MiB together, in base64, and what belongs to a hundred records.
const ANSWER_LIMIT: usize = 64 << 20;

/// The name of a file that stands for standard input or output.
pub(crate) const STANDARD: &str = "-";

/// Write all records of a namespace to one file that only named recipients can open
///
/// The file is in the age format (age-encryption.org/v1); nothing is ever written in clear. `age -d`
/// opens it: one JSON object a line, as `bulk put` takes them. Each record is as it was at some
/// moment of the export. For example:
///   age-keygen -o key.txt
///   lavawall kv export keys -o keys.age --to age1…
///   lavawall kv export keys -o - --to age1… | ssh backup 'cat > keys.age'
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Title or id of the namespace
    namespace: String,
    /// The file to write; there must be none, and only you can read it. - is standard output: what comes
    /// there is whole only when the command succeeds
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Who can open it: age1… (repeatable)
    #[arg(long, value_name = "RECIPIENT", required_unless_present = "to_file")]
    to: Vec<String>,
    /// File with recipients, one a line (repeatable)
    #[arg(long, value_name = "FILE")]
    to_file: Vec<PathBuf>,
    /// Replace the file when there is one
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Stop> {
    let recipients = recipients(arguments)?;
    let path = &arguments.output;
    let is_there = || {
        let reason = format!("{}: is there already; --force replaces it", path.display());
        Stop::new(Exit::CannotCreate, reason)
    };
    let is_file = path.as_os_str() != STANDARD;
    if is_file && !arguments.force && path.exists() {
        return Err(is_there());
    }
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => is_there(),
        _ => Stop::new(Exit::CannotCreate, format!("{}: {error}", path.display())),
    };
    let space = Space::find(&arguments.connection, &arguments.namespace)?;
    let out =
        if is_file { Out::File(Draft::exclusive(path).map_err(failed)?) } else { Out::Standard };
    let draft = BufWriter::with_capacity(1 << 17, out);
    let to = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(to).map_err(Stop::usage)?;
    let mut out = encryptor.wrap_output(draft).map_err(failed)?;
    let count = records(&space, &mut out, path)?;
    let mut draft = out.finish().map_err(failed)?;
    draft.flush().map_err(failed)?;
    if let Out::File(draft) = draft.into_inner().map_err(|error| failed(error.into_error()))? {
        draft.finish(arguments.force).map_err(failed)?;
    }
    print::note(&format!("{count} records of {} exported", shown(&space.info.title)));
    Ok(())
}

/// Where it goes.
enum Out {
    File(Draft),
    Standard,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(draft) => draft.write(bytes),
            // It has said why.
            Self::Standard => print::write(bytes)
                .map(|()| bytes.len())
                .map_err(|_| std::io::Error::other("the export is cut short")),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(draft) => draft.flush(),
            Self::Standard => Ok(()),
        }
    }
}

/// A record with all that belongs to it: asked for one by one, parts of two writes could be joined.
#[derive(Deserialize)]
struct Whole {
    value: Zeroizing<String>,
    metadata: Option<Json>,
    expiration: Option<u64>,
}

#[derive(Deserialize)]
struct Found {
    /// Nothing for those that have gone since they were listed.
    values: BTreeMap<String, Option<Whole>>,
}

/// Writes every record; says how many there were.
fn records<W: Write>(space: &Space, out: &mut StreamWriter<W>, path: &Path) -> Result<u64, Stop> {
    let progress = Progress::new(space)?;
    let mut line = Wiped::default();
    let mut count = 0;
    space.pages("", None, |page| {
        let names: Vec<_> = page.into_iter().map(|listed| listed.name).collect();
        for names in names.chunks(READ_LIMIT) {
            ask(space, names, &mut |pair| {
                line.clear();
                serde_json::to_writer(&mut line, &pair).map_err(Stop::data)?;
                line.extend(b"\n");
                count += 1;
                out.write_all(&line).map_err(|error| {
                    Stop::new(Exit::CannotCreate, format!("{}: {error}", path.display()))
                })
            })?;
            progress.more(names.len());
        }
        Ok(())
    })?;
    Ok(count)
}

/// Asks for these records, in fewer at a time when they are too much for one answer, and gives each that is
/// there to `act`.
fn ask(
    space: &Space,
    names: &[String],
    act: &mut dyn FnMut(Pair) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let body = serde_json::json!({ "keys": names, "type": "base64", "withMetadata": true });
    let body = body.to_string();
    let answer = match space.call("POST", "/bulk/get", Some(json(body.as_bytes())), &[200]) {
        Err(ClientError::Refused { status: 413, .. }) if names.len() > 1 => {
            let (first, second) = names.split_at(names.len() / 2);
            ask(space, first, act)?;
            return ask(space, second, act);
        }
        answer => answer?,
    };
    let Found { values } = space::result(&answer.read(ANSWER_LIMIT)?)?;
    for (name, found) in values {
        let Some(mut found) = found else { continue };
        act(Pair {
            key: name,
            value: mem::take(&mut *found.value),
            base64: true,
            metadata: found.metadata,
            expiration: found.expiration.map(Number::from),
            expiration_ttl: None,
        })?;
    }
    Ok(())
}

/// A bar, where somebody looks at it: the records must be counted first.
struct Progress {
    bar: Option<(Bar, usize)>,
    done: std::cell::Cell<usize>,
}

impl Progress {
    fn new(space: &Space) -> Result<Self, Stop> {
        let done = std::cell::Cell::new(0);
        if !rustix::termios::isatty(std::io::stderr()) {
            return Ok(Self { bar: None, done });
        }
        let mut total = 0;
        space.pages("", None, |page| {
            total += page.len();
            Ok(())
        })?;
        Ok(Self { bar: Some((Bar::new("exporting"), total.max(1))), done })
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of a bar")]
    fn more(&self, count: usize) {
        self.done.set(self.done.get() + count);
        if let Some((bar, total)) = &self.bar {
            bar.set(self.done.get() as f64 / *total as f64);
        }
    }
}

/// Everybody who is named, at least one.
fn recipients(arguments: &Arguments) -> Result<Vec<Recipient>, Stop> {
    let wrong = |place: String| {
        Stop::usage(format!("{place}: is no recipient: age1 and 58 letters and digits"))
    };
    let mut all = Vec::new();
    for text in &arguments.to {
        all.push(text.parse().map_err(|_| wrong("--to".into()))?);
    }
    for path in &arguments.to_file {
        let text = std::fs::read_to_string(path).map_err(|error| Stop::unreadable(path, &error))?;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let place = || format!("{}:{}", path.display(), number + 1);
                all.push(line.parse().map_err(|_| wrong(place()))?);
            }
        }
    }
    if all.is_empty() {
        return Err(Stop::usage("--to-file: names no recipient"));
    }
    Ok(all)
}
