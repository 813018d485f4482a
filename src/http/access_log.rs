//! The access log: one line per answer, in a file or on standard error, which a journal reads.

use std::fs::File;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Instant, SystemTime};

use hyper::Method;
use serde::Serialize;

use crate::durable;
use crate::http::listener::Ingress;
use crate::machine::rfc3339_exact;
use crate::service_log::{LineWriter, StandardError};

/// Lines that wait to be written: 2 MB of some 250 bytes each.
const QUEUE_LINES: usize = 8192;

/// The name of standard error in the configuration.
pub(crate) const JOURNAL: &str = "journal";

/// One line: JSON. It has no query, and no name that a caller chose but that of its request.
#[derive(Debug, Serialize)]
struct AccessLine<'a> {
    at: String,
    id: &'a str,
    caller: &'a str,
    listener: &'a str,
    /// `null` over a unix socket.
    peer: Option<IpAddr>,
    dialect: &'static str,
    method: &'a str,
    endpoint: &'static str,
    status: u16,
    /// Announced; `null` when the answer has no length.
    bytes: Option<u64>,
    /// From the head of the request to that of the answer.
    microseconds: u64,
}

/// A request whose answer is logged.
#[derive(Debug)]
pub(crate) struct LoggedRequest {
    pub(crate) at: SystemTime,
    pub(crate) began: Instant,
    pub(crate) caller: String,
    pub(crate) ingress: Ingress,
    pub(crate) dialect: &'static str,
    pub(crate) method: Method,
    pub(crate) endpoint: &'static str,
}

/// Takes lines and never waits: those that cannot be written are lost and counted.
#[derive(Debug)]
pub(crate) struct AccessLog {
    queue: SyncSender<Vec<u8>>,
    state: Arc<AccessLogState>,
}

#[derive(Debug, Default)]
struct AccessLogState {
    lost: AtomicU64,
    is_to_reopen: AtomicBool,
}

impl AccessLog {
    /// Opens the log, in a file or in the [`JOURNAL`], and starts the thread that writes it.
    ///
    /// # Errors
    /// When the file cannot be opened, or the system gives no thread.
    pub(crate) fn open(place: &Path) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE_LINES);
        let state = Arc::<AccessLogState>::default();
        let shared = Arc::clone(&state);
        let path = Some(place.to_owned()).filter(|path| *path != Path::new(JOURNAL));
        let file = path.as_deref().map(open).transpose()?;
        let work = move || match (path, file) {
            (Some(path), Some(file)) => write_file(&lines, &shared, &path, file),
            _ => write_lines(&lines, &shared, &mut LineWriter::new(StandardError)),
        };
        std::thread::Builder::new().name("access-log".into()).spawn(work)?;
        Ok(Self { queue, state })
    }

    /// Writes the line of a request: the id, status and announced length of its answer.
    pub(crate) fn write(&self, request: &LoggedRequest, id: &str, status: u16, bytes: Option<u64>) {
        let line = AccessLine {
            at: rfc3339_exact(request.at),
            id,
            caller: &request.caller,
            listener: request.ingress.listener.name(),
            peer: request.ingress.from.address(),
            dialect: request.dialect,
            method: request.method.as_str(),
            endpoint: request.endpoint,
            status,
            bytes,
            microseconds: u64::try_from(request.began.elapsed().as_micros()).unwrap_or(u64::MAX),
        };
        let mut line = serde_json::to_vec(&line).expect("text and numbers");
        line.push(b'\n');
        if self.queue.try_send(line).is_err() {
            self.state.lost.fetch_add(1, Relaxed);
        }
    }

    /// Opens the file again before the next line: it was renamed by a rotation.
    pub(crate) fn reopen(&self) {
        self.state.is_to_reopen.store(true, Relaxed);
    }

    /// Lines lost since the start.
    pub(crate) fn lost_lines(&self) -> u64 {
        self.state.lost.load(Relaxed)
    }
}

fn open(path: &Path) -> io::Result<File> {
    durable::open(path, durable::private().append(true))
}

fn write_file(lines: &Receiver<Vec<u8>>, state: &AccessLogState, path: &Path, file: File) {
    let mut writer = LineWriter::new(file);
    for line in lines {
        if state.is_to_reopen.swap(false, Relaxed) {
            match open(path) {
                Ok(file) => writer = LineWriter::new(file),
                Err(error) => tracing::error!("access log {}: {error}", path.display()),
            }
        }
        write_line(&line, state, &mut writer);
    }
}

fn write_lines(
    lines: &Receiver<Vec<u8>>,
    state: &AccessLogState,
    writer: &mut LineWriter<impl Write>,
) {
    for line in lines {
        write_line(&line, state, writer);
    }
}

fn write_line(line: &[u8], state: &AccessLogState, writer: &mut LineWriter<impl Write>) {
    if writer.write_line(line).is_err() {
        state.lost.fetch_add(1, Relaxed);
    }
}
