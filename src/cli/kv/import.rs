//! `lavawall kv import`: writes the records of an export into a namespace.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor};
use clap::Args;

use crate::api::store::{BULK_RECORDS, LIFE_SECONDS};
use crate::cli::connection_arguments::ConnectionArguments;
use crate::cli::error::CommandError;
use crate::cli::kv::age_identity;
use crate::cli::kv::batch::Batch;
use crate::cli::kv::bulk_pair::BulkPair;
use crate::cli::kv::namespace::{BULK_PUT, NamespaceClient};
use crate::cli::kv::secret_lines::SecretLines;
use crate::cli::print;
use crate::cli::print::shown;
use crate::cli::progress::Bar;
use crate::kv::VALUE_LIMIT;
use crate::machine::unix_now;

/// The most bytes of a line: a value in base64, a name and metadata with every character escaped.
const LINE_LIMIT: usize = VALUE_LIMIT / 3 * 4 + 16 * 1024;

/// How many bytes are sent in one call: many enough that the cost of a call is small, and few enough
/// for memory.
const CALL_BYTES: usize = 4 << 20;

/// A record that expires within this many seconds is skipped: the service refuses lives of less than a
/// minute, and the call itself takes some seconds.
const ALMOST_EXPIRED: u64 = LIFE_SECONDS + 10;

/// Write the records of an export into a namespace
///
/// Records of the same names are replaced and others stay, so that an import can be repeated. Records
/// that have expired, or will within about a minute, are skipped and counted. The file is
/// authenticated as it is read: of a changed or truncated file, only the records before the damage are
/// written.
#[derive(Debug, Args)]
pub(crate) struct KvImportArguments {
    /// Title or id of the namespace, which must exist
    namespace: String,
    /// The export; - is standard input
    file: PathBuf,
    /// File with the identity that opens it, as age-keygen makes it; asks for the passphrase of one that
    /// age -p encrypted
    #[arg(long, short, value_name = "KEYFILE")]
    identity: PathBuf,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// The progress of an import.
#[derive(Default)]
struct Counts {
    written: usize,
    expired: usize,
    /// Lines read.
    lines: usize,
}

pub(crate) fn run(arguments: &KvImportArguments) -> Result<(), CommandError> {
    let path = &arguments.file;
    let unreadable = |error: io::Error| CommandError::unreadable(path, &error);
    let file = if path.as_os_str() == "-" {
        io::stdin().as_fd().try_clone_to_owned().map(File::from)
    } else {
        File::open(path)
    };
    let file = file.map_err(unreadable)?;
    // 0 for a pipe, whose length is unknown.
    let total = file.metadata().map_err(unreadable)?.len();
    let read = Rc::new(Cell::new(0));
    let file = Counted { file, read: Rc::clone(&read) };
    let clear = BufReader::with_capacity(1 << 16, open(file, arguments)?);
    let space = NamespaceClient::find(&arguments.connection, &arguments.namespace)?;
    let bar = Bar::new("importing");
    let mut counts = Counts::default();
    let done = lines(SecretLines::new(clear, LINE_LIMIT), &space, path, &mut counts, || {
        #[expect(clippy::cast_precision_loss, reason = "a share of a bar")]
        if total > 0 {
            bar.set(read.get() as f64 / total as f64);
        }
    });
    drop(bar);
    let Counts { written, expired, .. } = counts;
    let title = shown(&space.info.title);
    let said = format!("{written} records imported into {title}, {expired} skipped as expired");
    done.map_err(|error| error.and(&format!("; {said}")))?;
    print::note(&said);
    Ok(())
}

/// Opens the file with the identity.
fn open(file: Counted, arguments: &KvImportArguments) -> Result<impl Read + use<>, CommandError> {
    let path = &arguments.file;
    let key = &arguments.identity;
    let keys = age_identity::read(key, path.as_os_str() == "-")?;
    let wrong = |error: DecryptError| {
        let reason = match error {
            DecryptError::NoMatchingKeys => format!("{} does not open it", key.display()),
            error => format!("not an export, or changed: {error}"),
        };
        CommandError::data(format!("{}: {reason}", path.display()))
    };
    let file = ArmoredReader::new(BufReader::with_capacity(1 << 17, file));
    let opened = Decryptor::new_buffered(file).map_err(wrong)?;
    opened.decrypt(keys.iter().map(|key| key.as_ref() as &dyn age::Identity)).map_err(wrong)
}

/// Writes the record of every line.
fn lines<R: io::BufRead>(
    mut lines: SecretLines<R>,
    space: &NamespaceClient,
    path: &Path,
    counts: &mut Counts,
    progress: impl Fn(),
) -> Result<(), CommandError> {
    let mut batch = Batch::new(BULK_RECORDS, CALL_BYTES);
    let damaged = |line: usize, reason: &dyn std::fmt::Display| {
        CommandError::data(format!("{}: record {line}: {reason}", path.display()))
    };
    loop {
        let number = counts.lines + 1;
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                // The lines before the damage are authentic.
                counts.written += batch.send(space, "PUT", BULK_PUT)?;
                let reason = format!("the file is truncated or was changed: {error}");
                return Err(damaged(number, &reason));
            }
        };
        counts.lines = number;
        let pair: BulkPair = serde_json::from_slice(line)
            .map_err(|error| damaged(number, &format!("invalid at column {}", error.column())))?;
        pair.check().map_err(|reason| damaged(number, &reason))?;
        let now = unix_now();
        if pair.expires_at().is_some_and(|expiry| expiry < now + ALMOST_EXPIRED) {
            counts.expired += 1;
            continue;
        }
        if !batch.takes(line.len()) {
            counts.written += batch.send(space, "PUT", BULK_PUT)?;
            progress();
        }
        batch.add(line);
    }
    counts.written += batch.send(space, "PUT", BULK_PUT)?;
    Ok(())
}

/// A file that counts the bytes read from it.
struct Counted {
    file: File,
    read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.set(self.read.get() + read as u64);
        Ok(read)
    }
}
