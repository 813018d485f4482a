//! `lavawall kv import`: the records of an export, back into a namespace.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use age::{DecryptError, Decryptor, IdentityFile};
use clap::Args;

use crate::cli::error::Stop;
use crate::cli::kv::batch::Batch;
use crate::cli::kv::bulk::PAIRS_LIMIT;
use crate::cli::kv::connection::Connection;
use crate::cli::kv::export::STANDARD;
use crate::cli::kv::life;
use crate::cli::kv::lines::Lines;
use crate::cli::kv::pair::Pair;
use crate::cli::kv::space::Space;
use crate::cli::print;
use crate::cli::print::shown;
use crate::cli::progress::Bar;
use crate::keyring;
use crate::kv::VALUE_LIMIT;

/// The longest line: a value in base64, a name and metadata with every letter escaped.
const LINE_LIMIT: usize = VALUE_LIMIT / 3 * 4 + 16 * 1024;

/// How much is sent at once: enough that a call more costs little, and little enough for memory.
const CALL_BYTES: usize = 4 << 20;

/// A record that expires within so many seconds is not written any more: the service refuses lives of
/// less than a minute, and some seconds pass until it is asked.
const ALMOST_EXPIRED: u64 = life::LEAST + 10;

/// Write the records of an export into a namespace
///
/// What is there under the same names is replaced, and the rest stays, so that an import can be
/// repeated. Records that have expired, or will within a minute or so, are skipped and counted. The
/// file is checked as it is read: of a changed or shortened one the records before the damage are
/// written, no others.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Title or id of the namespace, which must be there
    namespace: String,
    /// The export; - is standard input
    file: PathBuf,
    /// File with the key that opens it, as age-keygen makes it
    #[arg(long, short, value_name = "KEYFILE")]
    identity: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

/// How far an import has come.
#[derive(Default)]
struct Counts {
    written: usize,
    expired: usize,
    /// Lines read.
    lines: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Stop> {
    let path = &arguments.file;
    let unreadable = |error: io::Error| Stop::unreadable(path, &error);
    let file = if path.as_os_str() == STANDARD {
        io::stdin().as_fd().try_clone_to_owned().map(File::from)
    } else {
        File::open(path)
    };
    let file = file.map_err(unreadable)?;
    // Nothing of a pipe, whose end nobody knows.
    let total = file.metadata().map_err(unreadable)?.len();
    let read = Rc::new(Cell::new(0));
    let file = Counted { file, read: Rc::clone(&read) };
    let clear = BufReader::with_capacity(1 << 16, open(file, arguments)?);
    let space = Space::find(&arguments.connection, &arguments.namespace)?;
    let bar = Bar::new("importing");
    let mut counts = Counts::default();
    let done = lines(Lines::new(clear, LINE_LIMIT), &space, path, &mut counts, || {
        #[expect(clippy::cast_precision_loss, reason = "a share of a bar")]
        if total > 0 {
            bar.set(read.get() as f64 / total as f64);
        }
    });
    drop(bar);
    let Counts { written, expired, .. } = counts;
    let title = shown(&space.info.title);
    let said = format!("{written} records imported into {title}, {expired} skipped as expired");
    done.map_err(|stop| stop.and(&format!("; {said}")))?;
    print::note(&said);
    Ok(())
}

/// Opens the file with the key.
fn open(file: Counted, arguments: &Arguments) -> Result<impl Read + use<>, Stop> {
    let path = &arguments.file;
    let key = &arguments.identity;
    let no_key = || Stop::usage(format!("{}: holds no key of age", key.display()));
    let keys = File::open(key).map_err(|error| Stop::unreadable(key, &error))?;
    let keys = IdentityFile::from_buffer(BufReader::new(keys)).map_err(|_| no_key())?;
    let keys = keys.into_identities().map_err(|_| no_key())?;
    if keys.is_empty() {
        return Err(no_key());
    }
    let wrong = |error: DecryptError| {
        let reason = match error {
            DecryptError::NoMatchingKeys => format!("{} does not open it", key.display()),
            error => format!("is no export, or was changed: {error}"),
        };
        Stop::data(format!("{}: {reason}", path.display()))
    };
    let opened = Decryptor::new_buffered(BufReader::with_capacity(1 << 17, file)).map_err(wrong)?;
    opened.decrypt(keys.iter().map(|key| key.as_ref() as &dyn age::Identity)).map_err(wrong)
}

/// Writes every line's record.
fn lines<R: io::BufRead>(
    mut lines: Lines<R>,
    space: &Space,
    path: &Path,
    counts: &mut Counts,
    progress: impl Fn(),
) -> Result<(), Stop> {
    let mut batch = Batch::new(PAIRS_LIMIT, CALL_BYTES);
    let damaged = |line: usize, reason: &dyn std::fmt::Display| {
        Stop::data(format!("{}: record {line}: {reason}", path.display()))
    };
    loop {
        let number = counts.lines + 1;
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                // What was read whole before the damage is good.
                counts.written += batch.send(space, "PUT", "/bulk")?;
                let reason = format!("the file is shortened or was changed: {error}");
                return Err(damaged(number, &reason));
            }
        };
        counts.lines = number;
        let pair: Pair = serde_json::from_slice(line)
            .map_err(|error| damaged(number, &format!("is none: column {}", error.column())))?;
        pair.check().map_err(|reason| damaged(number, &reason))?;
        let now = keyring::seconds(SystemTime::now());
        if pair.expires_at().is_some_and(|expiry| expiry < now + ALMOST_EXPIRED) {
            counts.expired += 1;
            continue;
        }
        if !batch.takes(line.len()) {
            counts.written += batch.send(space, "PUT", "/bulk")?;
            progress();
        }
        batch.add(line);
    }
    counts.written += batch.send(space, "PUT", "/bulk")?;
    Ok(())
}

/// A file that tells how much of it was read.
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
