//! The log's file: appending lines, and checking the chain when it is opened.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use serde::Serialize;

use crate::audit::actor::Actor;
use crate::audit::chain::{Chain, HeadFound, check};
use crate::audit::event::{AuditEvent, AuditStage};
use crate::audit::refused::{Asked, PendingRefusals};
use crate::audit::reserve::Reserve;
use crate::durable;
use crate::machine::rfc3339_exact;

/// An operation cannot be logged, and so is not done.
#[derive(Debug, thiserror::Error)]
#[error("audit log {path}: {error}; without it no key is used or changed")]
pub struct AuditError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub error: io::Error,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    at: String,
    actor: &'a str,
    operation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    previous: String,
}

/// The result of an operation.
struct Outcome {
    name: &'static str,
    reason: Option<String>,
    /// The number of operations that the line counts, if not one.
    count: Option<u64>,
}

/// The log in a file. Opened, and its chain checked, at the first use.
///
/// # Security
/// A line that was changed, removed or inserted does not fit the next one. Lines that were cut off at the
/// end, or rewritten from some line to the end, are detected only by a head that is kept elsewhere: the
/// keyring keeps that of its last change. For later lines keep copies, or the head that `lavawall audit`
/// prints, where the state directory's writers cannot change them.
pub struct AuditLog {
    path: PathBuf,
    file: Mutex<Option<LogFile>>,
    /// A lock of its own: counting does not wait for a disk.
    pending: Mutex<PendingRefusals>,
}

struct LogFile {
    file: File,
    chain: Chain,
    findings: Vec<String>,
    reserve: Reserve,
}

impl AuditLog {
    /// The log at `path`; does not open it.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path, file: Mutex::new(None), pending: Mutex::default() }
    }

    /// Logs that `event` is done; returns the end of the chain with that line. When this returns, the
    /// line is on the disk; only then may the operation take effect.
    ///
    /// # Errors
    /// When the line cannot be written; then the log is unchanged.
    pub fn done(&self, event: &AuditEvent) -> Result<Chain, AuditError> {
        let chain = self.append(event, "done", None)?;
        event.stage.set(AuditStage::Logged);
        Ok(chain)
    }

    /// Looks for the end of an earlier chain among the lines. When it is absent, lines were cut off or
    /// rewritten, or this is another log: returns the finding, and logs it under `actor`, whose call opened the keyring.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub fn find(&self, end: &Chain, actor: &Actor) -> Result<Option<String>, AuditError> {
        let read = match durable::open(&self.path, OpenOptions::new().read(true)) {
            Ok(file) => check(file, Some(&end.head())).map(|read| read.head == HeadFound::Found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        };
        if read.map_err(|error| self.error(error))? {
            return Ok(None);
        }
        let missing =
            format!("line {}, with head {}, that the keyring knows of", end.sequence, end.head());
        let event = AuditEvent::new(actor, "audit-log").detail(&missing);
        self.append(&event, "missing", None)?;
        Ok(Some(format!(
            "{missing}, is missing: lines were cut off or rewritten, or the log was moved"
        )))
    }

    /// Logs that `event` was refused, that it failed after [`AuditLog::done`], or that it took effect and
    /// is incomplete.
    ///
    /// # Errors
    /// When the line cannot be written.
    pub fn refused(&self, event: &AuditEvent, reason: &dyn Display) -> Result<(), AuditError> {
        let outcome = match event.stage.get() {
            AuditStage::Begun => "refused",
            AuditStage::Logged => "failed",
            AuditStage::InEffect => "incomplete",
        };
        self.append(event, outcome, Some(reason.to_string())).map(drop)
    }

    /// Counts a refused call of an unknown caller; whether [`AuditLog::write_turned_away`] would write a
    /// line now.
    pub fn turn_away(&self, asked: Asked, now: Instant) -> bool {
        let mut pending = self.pending.lock();
        pending.add(asked);
        pending.is_due(now)
    }

    /// Writes one line about the calls that were refused since the last such line, if one is due. After a
    /// failure it does not try again before the next is due.
    ///
    /// # Errors
    /// When the line cannot be written; then the calls stay counted.
    pub fn write_turned_away(&self, now: Instant) -> Result<(), AuditError> {
        let mut file = self.file.lock();
        {
            let mut pending = self.pending.lock();
            if !pending.is_due(now) {
                return Ok(());
            }
            pending.try_at(now);
        }
        self.sum_up(&mut file, false)
    }

    /// As [`AuditLog::write_turned_away`], at the end of the process and at any time.
    ///
    /// # Errors
    /// When the line cannot be written.
    pub fn finish(&self) -> Result<(), AuditError> {
        self.sum_up(&mut self.file.lock(), false)
    }

    /// The errors in the lines that were there when the log was opened.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn findings(&self) -> Result<Vec<String>, AuditError> {
        self.opened(&mut self.file.lock()).map(|file| file.findings.clone())
    }

    fn append(
        &self,
        event: &AuditEvent,
        name: &'static str,
        reason: Option<String>,
    ) -> Result<Chain, AuditError> {
        let mut file = self.file.lock();
        // Earlier refusals come first.
        self.sum_up(&mut file, event.is_last_resort())?;
        self.write(&mut file, event, Outcome { name, reason, count: None }, event.is_last_resort())
    }

    /// Writes a line about the refused calls, if there are any.
    fn sum_up(&self, file: &mut Option<LogFile>, is_last_resort: bool) -> Result<(), AuditError> {
        let Some(counts) = self.pending.lock().take() else { return Ok(()) };
        let event = AuditEvent::new(&Actor::UNKNOWN, "call").detail(counts.text());
        let outcome = Outcome {
            name: "refused",
            reason: Some("it is not known who called".to_owned()),
            count: Some(counts.total()),
        };
        let written = self.write(file, &event, outcome, is_last_resort).map(drop);
        written.inspect_err(|_| self.pending.lock().put_back(counts))
    }

    fn write(
        &self,
        file: &mut Option<LogFile>,
        event: &AuditEvent,
        outcome: Outcome,
        is_last_resort: bool,
    ) -> Result<Chain, AuditError> {
        let open = self.opened(file)?;
        let line = Line {
            sequence: open.chain.sequence + 1,
            at: rfc3339_exact(SystemTime::now()),
            actor: event.actor.name(),
            operation: event.operation,
            namespace: event.namespace.as_deref(),
            version: event.version,
            detail: event.detail.as_deref(),
            count: outcome.count,
            outcome: outcome.name,
            reason: outcome.reason,
            previous: open.chain.head(),
        };
        let mut line = serde_json::to_string(&line).expect("its names are strings");
        line.push('\n');
        open.reserve
            .make_room(&open.file, line.len(), is_last_resort)
            .map_err(|error| self.error(error))?;
        let written =
            open.file.write_all(line.as_bytes()).and_then(|()| durable::flush(&open.file));
        if let Err(error) = written {
            // Part of the line may be there. The next opening cuts it off and reports it.
            *file = None;
            return Err(self.error(error));
        }
        open.chain.add(line.trim_end());
        Ok(open.chain)
    }

    /// The file, opened if necessary: its lines are checked, and an unfinished line at the end, of a write
    /// that was interrupted, is removed.
    fn opened<'a>(&self, file: &'a mut Option<LogFile>) -> Result<&'a mut LogFile, AuditError> {
        // Lines must not go to a file that was moved or removed.
        if !file.as_ref().is_some_and(|file| file.is_at(&self.path)) {
            *file = Some(LogFile::at(&self.path).map_err(|error| self.error(error))?);
        }
        Ok(file.as_mut().expect("it was opened above"))
    }

    fn error(&self, error: io::Error) -> AuditError {
        AuditError { path: self.path.clone(), error }
    }
}

impl LogFile {
    fn at(path: &Path) -> io::Result<Self> {
        let is_new = !path.exists();
        let file = durable::open(path, durable::private().read(true).append(true))?;
        if is_new {
            durable::flush_name(path)?;
        }
        let read = check(&file, None)?;
        if read.unfinished > 0 {
            file.set_len(read.whole)?;
            file.sync_data()?;
        }
        let mut reserve = Reserve::default();
        // Shortening the file gave its reserve back.
        reserve.make_room(&file, 0, true)?;
        Ok(Self { file, chain: read.chain, findings: read.findings, reserve })
    }

    fn is_at(&self, path: &Path) -> bool {
        let (Ok(open), Ok(there)) = (self.file.metadata(), path.metadata()) else { return false };
        (open.dev(), open.ino()) == (there.dev(), there.ino())
    }
}
