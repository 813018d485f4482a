//! The service log: lines on standard error.
//!
//! ```text
//! any thread ─ LogQueue ─ bounded channel ─ thread "log" ─ standard error
//!                 └ full: lost                  └ cannot be written: lost
//! ```
//! A thread that logs neither waits for standard error nor ends because of it: a line that cannot be
//! written is counted as lost.

pub(crate) mod log_limit;

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::service_log::log_limit::{LogLimit, suppressed_lines};

/// Lines that wait to be written. More are written in a burst only at the level `trace`; with 1,024
/// lines of some 200 bytes the queue takes 200 KiB.
const QUEUE_LINES: usize = 1024;

/// The most time that [`flush`] waits: standard error may be a pipe that is not read.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The target of events that come from the crate `log`: those of dependencies, as of TLS, which any
/// client can cause. Their details, at `debug` and `trace`, are written for the operator who asks.
const DEPENDENCY: &str = "log";
static DEPENDENCY_LINES: LogLimit = LogLimit::new();

/// Lines lost since the start. One process has one standard error.
static LOST: AtomicU64 = AtomicU64::new(0);

/// The queue, once [`start`] has been called.
static QUEUE: OnceLock<LogQueue> = OnceLock::new();

/// Lines of the service log that were lost since the start.
pub(crate) fn lost_lines() -> u64 {
    LOST.load(Relaxed)
}

/// Starts the thread that writes the log, and sends panic messages through it.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start() -> io::Result<LogQueue> {
    let (sender, receiver) = sync_channel(QUEUE_LINES);
    let mut writer = LineWriter::new(StandardError);
    std::thread::Builder::new()
        .name("log".into())
        .spawn(move || write_all(&receiver, &mut writer))?;
    let queue = QUEUE.get_or_init(|| LogQueue(sender)).clone();
    let panics = queue.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        let trace = std::backtrace::Backtrace::capture();
        let trace = match trace.status() {
            std::backtrace::BacktraceStatus::Captured => format!("\n{trace}"),
            _ => String::new(),
        };
        panics.push(format!("thread '{name}' {panic}{trace}\n").into_bytes());
        flush();
    }));
    Ok(queue)
}

/// Waits until the lines so far have been written or lost, for one second at most.
pub(crate) fn flush() {
    let Some(LogQueue(sender)) = QUEUE.get() else { return };
    let (done, wait) = sync_channel(1);
    if sender.try_send(LogMessage::Flush(done)).is_ok() {
        // On a timeout the lines stay in the queue.
        let _ = wait.recv_timeout(FLUSH_TIMEOUT);
    }
}

/// Takes lines for the log and never waits.
#[derive(Debug, Clone)]
pub(crate) struct LogQueue(SyncSender<LogMessage>);

#[derive(Debug)]
enum LogMessage {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl LogQueue {
    fn push(&self, line: Vec<u8>) {
        if self.0.try_send(LogMessage::Line(line)).is_err() {
            LOST.fetch_add(1, Relaxed);
        }
    }
}

impl MakeWriter<'_> for LogQueue {
    type Writer = EventWriter;

    fn make_writer(&self) -> EventWriter {
        EventWriter(Some(self.clone()))
    }

    fn make_writer_for(&self, event: &Metadata<'_>) -> EventWriter {
        let is_of_dependency = event.target() == DEPENDENCY && *event.level() <= Level::INFO;
        EventWriter((!is_of_dependency || DEPENDENCY_LINES.passes()).then(|| self.clone()))
    }
}

/// Writes one event, which the subscriber does at once; without a queue it is suppressed.
pub(crate) struct EventWriter(Option<LogQueue>);

impl Write for EventWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(queue) = &self.0 {
            queue.push(line.to_vec());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The work of the log's thread.
fn write_all(messages: &Receiver<LogMessage>, writer: &mut LineWriter<impl Write>) {
    let (mut reported, mut reported_suppressed) = (0, 0);
    let reports = LogLimit::new();
    for message in messages {
        let line = match message {
            LogMessage::Line(line) => line,
            LogMessage::Flush(done) => {
                // The other side may have stopped waiting.
                let _ = done.try_send(());
                continue;
            }
        };
        if writer.write_line(&line).is_err() {
            LOST.fetch_add(1, Relaxed);
            continue;
        }
        let lost = lost_lines();
        if lost > reported {
            reported = lost;
            // The total: this line too may be lost.
            tracing::error!("the log works again: {lost} lines of it were lost since the start");
        }
        let suppressed = suppressed_lines();
        if suppressed > reported_suppressed && reports.passes() {
            reported_suppressed = suppressed_lines();
            tracing::warn!(
                "{suppressed} lines that callers caused were suppressed since the start"
            );
        }
    }
}

/// Writes whole lines, and begins a new line after one that was cut off.
pub(crate) struct LineWriter<W> {
    to: W,
    is_torn: bool,
}

impl<W: Write> LineWriter<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, is_torn: false }
    }

    /// # Errors
    /// When the line cannot be written whole.
    pub(crate) fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.write_whole(b"\n")?;
        }
        self.write_whole(line)
    }

    fn write_whole(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.to.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    self.is_torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Descriptor 2. The standard library's own takes a closed one for written.
pub(crate) struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stderr(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, and then fails.
    struct Disk {
        room: usize,
        text: String,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.text.push_str(std::str::from_utf8(&bytes[..taken]).expect("text"));
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_line_after_one_that_was_cut_off_begins_a_new_line() {
        let mut writer = LineWriter::new(Disk { room: 9, text: String::new() });
        writer.write_line(b"first\n").expect("there is room");
        assert!(writer.write_line(b"second\n").is_err());
        assert!(writer.write_line(b"third\n").is_err());
        writer.to.room = 100;
        writer.write_line(b"fourth\n").expect("there is room");
        writer.write_line(b"fifth\n").expect("there is room");
        assert_eq!(writer.to.text, "first\nsec\nfourth\nfifth\n");
    }
}
