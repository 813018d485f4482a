//! `lavawall kv export`: a namespace in one encrypted file.
//!
//! ```text
//! age-encryption.org/v1, to one or more X25519 recipients, around
//!     one line of JSON per record, as in a bulk write, values in base64
//! ```

use std::io::{BufWriter, Write};
use std::mem;
use std::path::PathBuf;

use age::x25519::Recipient;
use age::{Encryptor, stream::StreamWriter};
use clap::Args;
use serde_json::Number;
use zeroize::Zeroizing;

use crate::api::store::{BULK_READS, BulkGet, BulkRecord, BulkValues, ValueForm};
use crate::cli::connection_arguments::ConnectionArguments;
use crate::cli::error::CommandError;
use crate::cli::kv::age_identity;
use crate::cli::kv::bulk_pair::BulkPair;
use crate::cli::kv::namespace;
use crate::cli::kv::namespace::NamespaceClient;
use crate::cli::print;
use crate::cli::print::shown;
use crate::cli::progress::Bar;
use crate::client::ClientError;
use crate::client::Payload;
use crate::client::SecretBuffer;
use crate::durable::Draft;
use crate::exitcode::Exit;

/// The most bytes of an answer: values of 25 MiB in total, in base64, and metadata of a hundred records.
const ANSWER_LIMIT: usize = 64 << 20;

/// Write all records of a namespace to one file that only named recipients can open
///
/// The file is in the age format (age-encryption.org/v1); nothing is ever written in the clear.
/// `age -d` decrypts it to one JSON object per line, as `bulk put` reads them. Records are read up to a
/// hundred at a time, each time at one moment. For example:
///   age-keygen -o key.txt
///   lavawall kv export keys -o keys.age --to age1…
///   lavawall kv export keys -o - --to age1… | ssh backup 'cat > keys.age'
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct KvExportArguments {
    /// Title or id of the namespace
    namespace: String,
    /// The file to write, which must not exist; only you can read it. - is standard output, whose content
    /// is complete only if the command succeeds
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// A recipient who can open it: age1… (repeatable)
    #[arg(long, value_name = "RECIPIENT", required_unless_present = "to_file")]
    to: Vec<String>,
    /// File with recipients, one per line (repeatable)
    #[arg(long, value_name = "FILE")]
    to_file: Vec<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) fn run(arguments: &KvExportArguments) -> Result<(), CommandError> {
    let recipients = recipients(arguments)?;
    let path = &arguments.output;
    let is_file = path.as_os_str() != "-";
    if is_file && !arguments.force && path.exists() {
        return Err(CommandError::exists(path));
    }
    let failed = |error: std::io::Error| match error.kind() {
        _ if !is_file => {
            let why = format!("standard output: {error}: the export is incomplete");
            CommandError::new(Exit::Io, why)
        }
        std::io::ErrorKind::AlreadyExists => CommandError::exists(path),
        _ => CommandError::unwritable(path, &error),
    };
    let space = NamespaceClient::find(&arguments.connection, &arguments.namespace)?;
    let out =
        if is_file { Out::File(Draft::exclusive(path).map_err(failed)?) } else { Out::Standard };
    let draft = BufWriter::with_capacity(1 << 17, out);
    let to = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(to).map_err(CommandError::usage)?;
    let mut out = encryptor.wrap_output(draft).map_err(failed)?;
    let count = records(&space, &mut out, &failed)?;
    let mut draft = out.finish().map_err(failed)?;
    draft.flush().map_err(failed)?;
    if let Out::File(draft) = draft.into_inner().map_err(|error| failed(error.into_error()))? {
        draft.finish(arguments.force).map_err(failed)?;
    }
    print::note(&format!("{count} records of {} exported", shown(&space.info.title)));
    Ok(())
}

/// The output.
enum Out {
    File(Draft),
    Standard,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(draft) => draft.write(bytes),
            Self::Standard => print::bytes(bytes).map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(draft) => draft.flush(),
            Self::Standard => Ok(()),
        }
    }
}

/// `None` for records that were deleted after they were listed. Value and metadata come in one record: read
/// one by one, they could be of two writes.
type ExportedRecords = BulkValues<Option<BulkRecord<Zeroizing<String>>>>;

/// Writes every record; returns their number.
fn records<W: Write>(
    space: &NamespaceClient,
    out: &mut StreamWriter<W>,
    failed: &dyn Fn(std::io::Error) -> CommandError,
) -> Result<u64, CommandError> {
    let progress = Progress::new(space)?;
    let mut line = SecretBuffer::default();
    let mut count = 0;
    space.pages("", None, |page| {
        let names: Vec<_> = page.into_iter().map(|listed| listed.name).collect();
        for names in names.chunks(BULK_READS) {
            read(space, names, &mut |pair| {
                line.clear();
                serde_json::to_writer(&mut line, &pair).map_err(CommandError::data)?;
                line.extend(b"\n");
                count += 1;
                out.write_all(&line).map_err(failed)
            })?;
            progress.more(names.len());
        }
        Ok(())
    })?;
    Ok(count)
}

/// Reads these records, half as many per call when they are too large for one answer, and calls `act`
/// with each that exists.
fn read(
    space: &NamespaceClient,
    names: &[String],
    act: &mut dyn FnMut(BulkPair) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let wanted = BulkGet { keys: names.to_vec(), form: ValueForm::Base64, with_metadata: true };
    let payload = Payload::json(serde_json::to_vec(&wanted).map_err(CommandError::data)?);
    let answer = match space.call("POST", "/bulk/get", Some(payload), &[200]) {
        Err(ClientError::Refused { status: 413, .. }) if names.len() > 1 => {
            let (first, second) = names.split_at(names.len() / 2);
            read(space, first, act)?;
            return read(space, second, act);
        }
        answer => answer?,
    };
    let ExportedRecords { values } = namespace::result(&answer.read(ANSWER_LIMIT)?)?;
    for (name, found) in values {
        let Some(mut found) = found else { continue };
        act(BulkPair {
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

/// A progress bar, on a terminal only: the records must be counted first.
struct Progress {
    bar: Option<(Bar, usize)>,
    done: std::cell::Cell<usize>,
}

impl Progress {
    fn new(space: &NamespaceClient) -> Result<Self, CommandError> {
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

/// The recipients, at least one.
fn recipients(arguments: &KvExportArguments) -> Result<Vec<Recipient>, CommandError> {
    let wrong = |place: String, text: &str| {
        let what = age_identity::what_is(text);
        CommandError::usage(format!(
            "{place}: not an X25519 recipient, which is age1 and 58 letters and digits: {what}"
        ))
    };
    let mut all = Vec::new();
    for text in &arguments.to {
        all.push(text.trim().parse().map_err(|_| wrong("--to".into(), text))?);
    }
    for path in &arguments.to_file {
        let text = std::fs::read(path).map_err(|error| CommandError::unreadable(path, &error))?;
        // A secret key may have been named by mistake.
        let text = Zeroizing::new(String::from_utf8_lossy(&Zeroizing::new(text)).into_owned());
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let place = || format!("{}:{}", path.display(), number + 1);
                all.push(line.parse().map_err(|_| wrong(place(), line))?);
            }
        }
    }
    if all.is_empty() {
        return Err(CommandError::usage("--to-file: holds no recipient"));
    }
    Ok(all)
}
