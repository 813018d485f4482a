//! The audit log: one line for each key operation, done or refused, each bound to the one before it.
//!
//! ```text
//! {"sequence":7,"at":"2026-01-31T08:00:00Z","actor":"socket, uid 0","operation":"rotate",
//!  "namespace":"00…ff","version":3,"outcome":"done","previous":"SHA-256 of line 6"}↵
//! ```
//! Each line is one JSON object, whole; the first one's `previous` is 64 zeros. `done` is on the disk
//! before the operation takes effect, so that nothing happens unseen. Should it fail after that, a line
//! with `failed` follows; when it did take effect and something that belongs to it was not done, one
//! with `incomplete`. A log that lacks a line which the keyring knows of gets one that says `missing`.
//! Calls that were turned away have no line each: one says how many there were (`count`) since the last.

mod chain;
mod refused;

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use serde::Serialize;

use crate::durable;
use crate::machine::rfc3339_exact;
pub use chain::Chain;
pub use chain::LINE_LIMIT;
pub use chain::check;
pub use refused::Asked;
use refused::Pending;

/// Who acts when nobody was named: the service itself.
const SERVICE: &str = "service";

/// Who calls without a token that is known.
const STRANGER: &str = "unknown";

thread_local! {
    static ACTOR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Names who is responsible for the key operations that `work` does on this thread.
pub fn acting<T>(actor: impl Into<String>, work: impl FnOnce() -> T) -> T {
    struct Restore(String);
    impl Drop for Restore {
        fn drop(&mut self) {
            ACTOR.set(std::mem::take(&mut self.0));
        }
    }
    let _restore = Restore(ACTOR.replace(actor.into()));
    work()
}

/// Why an operation cannot be written down, and so is not done.
#[derive(Debug, thiserror::Error)]
#[error("audit log {path}: {error}; no key is used or changed that it does not know of")]
pub struct AuditError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub error: io::Error,
}

/// A key operation. Holds nothing secret, and nothing that a user wrote.
#[derive(Debug, Default)]
pub struct Event {
    operation: &'static str,
    namespace: Option<String>,
    version: Option<u32>,
    detail: Option<String>,
    stage: Cell<Stage>,
}

/// How far an operation has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Begun,
    /// The log says that it is done.
    Written,
    /// It cannot be taken back.
    InEffect,
}

impl Event {
    /// An operation on the keyring as a whole.
    #[must_use]
    pub fn new(operation: &'static str) -> Self {
        Self { operation, ..Self::default() }
    }

    /// On this namespace.
    #[must_use]
    pub fn on(self, namespace: impl Display) -> Self {
        Self { namespace: Some(namespace.to_string()), ..self }
    }

    /// On this key version.
    #[must_use]
    pub fn version(self, version: u32) -> Self {
        Self { version: Some(version), ..self }
    }

    /// With this to be known about it.
    #[must_use]
    pub fn detail(self, detail: impl Display) -> Self {
        Self { detail: Some(detail.to_string()), ..self }
    }

    /// With this to be known about it, as it turned out.
    pub fn set_detail(&mut self, detail: impl Display) {
        self.detail = Some(detail.to_string());
    }

    /// On a key version whose number is known only now.
    pub fn set_version(&mut self, version: u32) {
        self.version = Some(version);
    }

    /// It has taken effect: an error that follows is of what comes after.
    pub fn took_effect(&self) {
        self.stage.set(Stage::InEffect);
    }
}

/// One line, but for what binds it to the others.
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

/// How an operation went, and who is responsible.
struct Told<'a> {
    actor: &'a str,
    outcome: &'static str,
    reason: Option<String>,
    /// How many operations it stands for, if not one.
    count: Option<u64>,
}

/// The log in a file. Opened, and its chain checked, when it is first written or asked about.
///
/// # Security
/// A line that was changed, taken out or put in does not fit the next one. That lines were taken from the
/// end, or written anew from some line on, only a head tells that is kept elsewhere: the keyring keeps that
/// of its last change. For later lines keep copies, or the head that `lavawall audit` prints, where
/// whoever can write the state directory cannot.
pub struct Log {
    path: PathBuf,
    open: Mutex<Option<Open>>,
    /// Of its own: counting waits for no disk.
    pending: Mutex<Pending>,
}

struct Open {
    file: File,
    chain: Chain,
    findings: Vec<String>,
}

impl Log {
    /// The log at `path`; nothing is opened yet.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path, open: Mutex::new(None), pending: Mutex::default() }
    }

    /// Writes down that `event` is done; gives the end of the chain with that line. When this returns, the
    /// line is on the disk; only then may the operation take effect.
    ///
    /// # Errors
    /// When it cannot be written; then the log is as it was.
    pub fn done(&self, event: &Event) -> Result<Chain, AuditError> {
        let chain = self.append(event, "done", None)?;
        event.stage.set(Stage::Written);
        Ok(chain)
    }

    /// Looks for the end of an earlier chain among the lines. When it is not there, lines were cut off
    /// or written anew, or the log is another: says what is wrong, and writes that down too.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub fn find(&self, end: &Chain) -> Result<Option<String>, AuditError> {
        let read = match durable::open(&self.path, OpenOptions::new().read(true)) {
            Ok(file) => check(file, Some(&end.head())).map(|read| read.has_head),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        };
        if read.map_err(|error| self.error(error))? {
            return Ok(None);
        }
        let missing =
            format!("line {}, with head {}, that the keyring knows of", end.sequence, end.head());
        self.append(&Event::new("audit-log").detail(&missing), "missing", None)?;
        Ok(Some(format!(
            "{missing}, is missing: lines were cut off or written anew, or it was moved"
        )))
    }

    /// Writes down that `event` was refused, that it failed after [`Log::done`], or what is missing of
    /// it though it took effect.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn refused(&self, event: &Event, reason: &dyn Display) -> Result<(), AuditError> {
        let outcome = match event.stage.get() {
            Stage::Begun => "refused",
            Stage::Written => "failed",
            Stage::InEffect => "incomplete",
        };
        self.append(event, outcome, Some(reason.to_string())).map(drop)
    }

    /// Counts a call that was turned away; whether [`Log::write_turned_away`] would write a line now.
    pub fn turn_away(&self, asked: Asked, now: Instant) -> bool {
        let mut pending = self.pending();
        pending.add(asked);
        pending.is_due(now)
    }

    /// Sums up in a line the calls that were turned away since the last one, if it is time for that. When
    /// it cannot be written, it is not tried again before it is time for the next.
    ///
    /// # Errors
    /// When it cannot be written; then they are still counted.
    pub fn write_turned_away(&self, now: Instant) -> Result<(), AuditError> {
        let mut state = self.lock();
        {
            let mut pending = self.pending();
            if !pending.is_due(now) {
                return Ok(());
            }
            pending.try_at(now);
        }
        self.sum_up(&mut state)
    }

    /// As [`Log::write_turned_away`], whatever the time: nothing comes after it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&self) -> Result<(), AuditError> {
        self.sum_up(&mut self.lock())
    }

    /// What is wrong with the lines that were there when it was opened.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn findings(&self) -> Result<Vec<String>, AuditError> {
        let mut open = self.lock();
        self.opened(&mut open).map(|open| open.findings.clone())
    }

    fn append(
        &self,
        event: &Event,
        outcome: &'static str,
        reason: Option<String>,
    ) -> Result<Chain, AuditError> {
        let mut state = self.lock();
        // What came before stands before.
        self.sum_up(&mut state)?;
        let actor = ACTOR.with_borrow(String::clone);
        let actor = if actor.is_empty() { SERVICE } else { &actor };
        self.write(&mut state, event, Told { actor, outcome, reason, count: None })
    }

    /// Writes a line about the calls that were turned away, if there were any.
    fn sum_up(&self, state: &mut Option<Open>) -> Result<(), AuditError> {
        let Some(counts) = self.pending().take() else { return Ok(()) };
        let event = Event::new("call").detail(counts.text());
        let told = Told {
            actor: STRANGER,
            outcome: "refused",
            reason: Some("it is not known who called".to_owned()),
            count: Some(counts.total()),
        };
        self.write(state, &event, told).map(drop).inspect_err(|_| self.pending().put_back(counts))
    }

    fn write(
        &self,
        state: &mut Option<Open>,
        event: &Event,
        told: Told<'_>,
    ) -> Result<Chain, AuditError> {
        let open = self.opened(state)?;
        let line = Line {
            sequence: open.chain.sequence + 1,
            at: rfc3339_exact(SystemTime::now()),
            actor: told.actor,
            operation: event.operation,
            namespace: event.namespace.as_deref(),
            version: event.version,
            detail: event.detail.as_deref(),
            count: told.count,
            outcome: told.outcome,
            reason: told.reason,
            previous: open.chain.head(),
        };
        let mut line = serde_json::to_string(&line).expect("its names are strings");
        line.push('\n');
        let written =
            open.file.write_all(line.as_bytes()).and_then(|()| durable::flush(&open.file));
        if let Err(error) = written {
            // Part of it may be there. The next opening cuts that off, and says so.
            *state = None;
            return Err(self.error(error));
        }
        open.chain.add(line.trim_end());
        Ok(open.chain)
    }

    /// The file, opened if it was not: its lines are read, and half a line at the end, of a write that
    /// was cut short, is removed.
    fn opened<'a>(&self, state: &'a mut Option<Open>) -> Result<&'a mut Open, AuditError> {
        // One that was moved or removed would take lines that nobody sees.
        if !state.as_ref().is_some_and(|open| open.is_at(&self.path)) {
            *state = Some(Open::at(&self.path).map_err(|error| self.error(error))?);
        }
        Ok(state.as_mut().expect("it was opened above"))
    }

    fn error(&self, error: io::Error) -> AuditError {
        AuditError { path: self.path.clone(), error }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
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
        Ok(Self { file, chain: read.chain, findings: read.findings })
    }

    fn is_at(&self, path: &Path) -> bool {
        let (Ok(open), Ok(there)) = (self.file.metadata(), path.metadata()) else { return false };
        (open.dev(), open.ino()) == (there.dev(), there.ino())
    }
}

#[cfg(test)]
mod tests;
