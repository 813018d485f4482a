//! The handle of the collector: starts it, and sends it requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};
use tokio::sync::oneshot;

use crate::collector::command::{COMMANDS_WAITING, Command, Unavailable};
use crate::collector::config::CollectorSettings;
use crate::collector::feed::Feed;
use crate::collector::status::StatusBoard;
use crate::collector::supervisor::Supervisor;
use crate::incident::IncidentLog;
use lavawall_entropy::{Generator, Pool};

/// The running collector. Dropping this stops it and its sources.
#[derive(Debug)]
pub struct Collector {
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
    rounds: Arc<AtomicU64>,
}

impl Collector {
    /// Starts every source and the supervisor. A boot seed, if there is one, is mixed in
    /// uncredited.
    ///
    /// # Errors
    /// When the kernel gives no memory or no thread.
    pub fn start(
        feeds: Vec<Feed>,
        settings: CollectorSettings,
        generator: Arc<Generator>,
        board: Arc<StatusBoard>,
        incidents: Arc<IncidentLog>,
        boot_seed: Option<&[u8]>,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = bounded(COMMANDS_WAITING);
        let mut pool = Pool::new(Vec::new(), settings.quorum)?;
        if let Some(bytes) = boot_seed {
            pool.mix_in_boot_seed(bytes);
        }
        let mut supervisor = Supervisor::new(settings, pool, generator, board, incidents, inbox);
        supervisor.replace(feeds, settings)?;
        Self::run(supervisor, commands)
    }

    /// Runs a supervisor that these commands reach.
    pub(super) fn run(supervisor: Supervisor, commands: Sender<Command>) -> std::io::Result<Self> {
        let rounds = supervisor.rounds();
        let thread =
            std::thread::Builder::new().name("collector".into()).spawn(move || supervisor.run())?;
        Ok(Self { commands, thread: Some(thread), rounds })
    }

    /// Whether the supervisor's thread has ended, which only a panic can make it do.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Counts the rounds of the supervisor, at least one per 200 ms: a count that stays shows that it
    /// hangs.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Waits for a seed whose every credited sample was taken after this call
    /// (prediction resistance).
    ///
    /// # Errors
    /// When the collector has stopped, or too many callers already wait.
    pub async fn fresh(&self) -> Result<(), Unavailable> {
        let (done, wait) = oneshot::channel();
        self.commands.try_send(Command::Fresh(done)).map_err(|_| Unavailable)?;
        wait.await.map_err(|_| Unavailable)
    }

    /// Replaces the sources. One whose name and configuration are unchanged keeps running.
    ///
    /// # Errors
    /// When the kernel gives no memory; then the old sources keep running.
    pub fn replace(&self, feeds: Vec<Feed>, settings: CollectorSettings) -> std::io::Result<()> {
        let (reply, answer) = bounded(1);
        let stopped = || std::io::Error::other(Unavailable);
        self.commands.send(Command::Replace(feeds, settings, reply)).map_err(|_| stopped())?;
        answer.recv().map_err(|_| stopped())?
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
