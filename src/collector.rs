//! From sources to seeds: runs every source on a thread of its own, owns the pool, and reseeds
//! the generator.
//!
//! ```text
//! runner thread (one a source): open ─► read ─► gate ─► conditioner ─┐ bounded, one way
//!                        └─► live assessment (one thread for all), back to the gate
//! collector thread:                        pool ◄─ blocks, alarms ◄──┘
//!                                          pool ─► generator.reseed, generator.report_quorum
//! ```
//! A source hands over hashed blocks only, and learns nothing but whether more are wanted: it
//! commits blindly, before anything is combined.

pub mod monitor;
pub mod status;
pub(crate) mod wakeup;

pub mod config;
pub mod feed;
pub(crate) mod rate;
pub(crate) mod runner;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Select, Sender, bounded};
use tokio::sync::oneshot;

use lavawall_entropy::{
    Block, Contribution, Generator, Kind, Pool, PoolMember, Primitives, Provenance, Quorum,
    Release, run_self_tests,
};

use crate::collector::monitor::Assessor;
use crate::collector::status::Board;
use crate::collector::wakeup::Bell;
use feed::Feed;

/// Blocks that may wait between a source and the pool. Few: a block that waits is a block that
/// gets old.
const BLOCKS_WAITING: usize = 4;

/// Requests that may wait for the collector, and callers for a fresh seed. More are turned away,
/// not queued.
const COMMANDS_WAITING: usize = 1024;

/// How long the collector sleeps when nothing comes: the resolution of its deadlines.
const TICK: Duration = Duration::from_millis(200);

/// How often the primitives are tested against known answers.
const SELF_TEST_EVERY: Duration = Duration::from_mins(10);

/// When seeds are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many distinct kinds must each give enough for a seed.
    pub quorum: usize,
    /// How often a new seed is due.
    pub reseed_interval: Duration,
    /// For each second of live assessment the assessor rests so many; taken at the start only.
    pub assessment_rest: u32,
}

/// The collector is not running, or too busy to take another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the collector takes no more requests")]
pub struct Unavailable;

/// A handle on the collector's thread. Dropping it stops the collector and its sources.
#[derive(Debug)]
pub struct Collector {
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

enum Command {
    Fresh(oneshot::Sender<()>),
    Replace(Vec<Feed>, Settings, Sender<std::io::Result<()>>),
    Stop,
}

impl Collector {
    /// Starts every source and the collector. A boot seed, if there is one, is mixed in uncredited.
    ///
    /// # Errors
    /// When the kernel gives no memory or no thread.
    pub fn start(
        feeds: Vec<Feed>,
        settings: Settings,
        generator: Arc<Generator>,
        board: Arc<Board>,
        boot_seed: Option<&[u8]>,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = bounded(COMMANDS_WAITING);
        let mut pool = Pool::new(Vec::new(), settings.quorum)?;
        if let Some(bytes) = boot_seed {
            pool.mix_in_boot_seed(bytes);
        }
        let mut work = Work::new(settings, pool, generator, board, inbox);
        work.replace(feeds, settings)?;
        let thread =
            std::thread::Builder::new().name("collector".into()).spawn(move || work.run())?;
        Ok(Self { commands, thread: Some(thread) })
    }

    /// Waits for a seed whose every credited sample was taken after this call
    /// (prediction resistance).
    ///
    /// # Errors
    /// When the collector has stopped, or too many already wait.
    pub async fn fresh(&self) -> Result<(), Unavailable> {
        let (done, wait) = oneshot::channel();
        self.commands.try_send(Command::Fresh(done)).map_err(|_| Unavailable)?;
        wait.await.map_err(|_| Unavailable)
    }

    /// Replaces the sources. One whose name and configuration are unchanged goes on undisturbed.
    ///
    /// # Errors
    /// When the kernel gives no memory; then the old sources go on.
    pub fn replace(&self, feeds: Vec<Feed>, settings: Settings) -> std::io::Result<()> {
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

/// What a runner tells the collector.
pub(crate) enum Event {
    Block(Block),
    Withdrawn,
}

/// One source as the collector sees it. Its place in `Work::running` is its number in the pool.
struct Running {
    member: PoolMember,
    key: String,
    events: Receiver<Event>,
    bell: Arc<Bell>,
    /// When the last credited block came, unless credit was withdrawn since.
    credited_at: Option<Instant>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.bell.stop();
    }
}

/// Everything the collector's thread owns.
struct Work {
    settings: Settings,
    pool: Pool,
    generator: Arc<Generator>,
    board: Arc<Board>,
    inbox: Receiver<Command>,
    running: Vec<Running>,
    seeded_at: Option<Instant>,
    /// A source came back: its noise should be in the next answers, not in a minute.
    reseed_soon: bool,
    /// Waiting for the fresh seed that is being collected.
    waiting: Vec<oneshot::Sender<()>>,
    /// Came too late for it, and wait for the one after.
    late: Vec<oneshot::Sender<()>>,
    primitives: Primitives,
    tested_at: Option<Instant>,
    assessor: Assessor,
}

impl Work {
    fn new(
        settings: Settings,
        pool: Pool,
        generator: Arc<Generator>,
        board: Arc<Board>,
        inbox: Receiver<Command>,
    ) -> Self {
        Self {
            settings,
            pool,
            generator,
            board,
            inbox,
            running: Vec::new(),
            seeded_at: None,
            reseed_soon: false,
            waiting: Vec::new(),
            late: Vec::new(),
            primitives: Primitives::REAL,
            tested_at: None,
            assessor: Assessor::start(settings.assessment_rest),
        }
    }

    fn run(mut self) {
        loop {
            self.self_test(Instant::now());
            self.release_if_wanted(Instant::now());
            self.report(Instant::now());
            self.ring();
            if self.take_next().is_break() {
                return;
            }
        }
    }

    /// Waits for one event or command and acts on it.
    fn take_next(&mut self) -> std::ops::ControlFlow<()> {
        let mut select = Select::new();
        for source in &self.running {
            select.recv(&source.events);
        }
        select.recv(&self.inbox);
        let Ok(ready) = select.ready_timeout(TICK) else {
            return std::ops::ControlFlow::Continue(());
        };
        match self.running.get(ready).map(|source| source.events.try_recv()) {
            Some(Ok(event)) => self.take_event(ready, &event),
            // A runner never ends before it is told to; if one did, it has nothing to give and
            // must not make this loop spin.
            Some(Err(crossbeam_channel::TryRecvError::Disconnected)) => self.bury(ready),
            Some(Err(crossbeam_channel::TryRecvError::Empty)) => {}
            None => return self.take_command(),
        }
        std::ops::ControlFlow::Continue(())
    }

    fn take_event(&mut self, source: usize, event: &Event) {
        match event {
            Event::Block(block) => {
                self.pool.absorb(source, block);
                if block.credit_bits > 0 {
                    let back = self.running[source].credited_at.replace(Instant::now()).is_none();
                    self.reseed_soon |= back;
                }
            }
            Event::Withdrawn => {
                self.pool.withdraw(source);
                self.running[source].credited_at = None;
            }
        }
    }

    fn take_command(&mut self) -> std::ops::ControlFlow<()> {
        match self.inbox.try_recv() {
            Ok(Command::Fresh(done)) => self.take_fresh(done),
            Ok(Command::Replace(feeds, settings, reply)) => {
                let _ = reply.send(self.replace(feeds, settings));
            }
            Ok(Command::Stop) | Err(crossbeam_channel::TryRecvError::Disconnected) => {
                return std::ops::ControlFlow::Break(());
            }
            Err(crossbeam_channel::TryRecvError::Empty) => {}
        }
        std::ops::ControlFlow::Continue(())
    }

    /// Somebody waits for a fresh seed: for the one that is being collected from now on, or for the
    /// one after.
    fn take_fresh(&mut self, done: oneshot::Sender<()>) {
        if self.waiting.len() + self.late.len() >= COMMANDS_WAITING {
            // Without a quorum nobody is served, and those who gave up stay in the way.
            self.waiting.retain(|waiting| !waiting.is_closed());
            self.late.retain(|waiting| !waiting.is_closed());
        }
        if self.waiting.is_empty() {
            self.pool.demand_fresh(Instant::now());
            self.waiting.push(done);
        } else if self.waiting.len() + self.late.len() < COMMANDS_WAITING {
            self.late.push(done);
        }
        // Dropped otherwise, which tells whoever waits.
    }

    fn bury(&mut self, source: usize) {
        let (_, never) = bounded(0);
        let gone = &mut self.running[source];
        gone.events = never;
        gone.credited_at = None;
        self.pool.withdraw(source);
        self.board.add_incident(
            Some(gone.member.id.clone()),
            "its thread has ended; reload or restart the service to start it again".into(),
        );
    }

    fn is_due(&self, now: Instant) -> bool {
        self.seeded_at.is_none_or(|at| now >= at + self.settings.reseed_interval)
    }

    fn is_wanted(&self, now: Instant) -> bool {
        self.reseed_soon || !self.waiting.is_empty() || self.is_due(now)
    }

    fn release_if_wanted(&mut self, now: Instant) {
        if !self.is_wanted(now) {
            return;
        }
        let Ok(release) = self.pool.release() else { return };
        let provenance = self.provenance(&release, now);
        tracing::debug!(generation = provenance.generation, "reseeded");
        self.generator.reseed(&release.seed, provenance);
        self.seeded_at = Some(now);
        self.reseed_soon = false;
        for done in self.waiting.drain(..) {
            let _ = done.send(());
        }
        if !self.late.is_empty() {
            self.waiting = std::mem::take(&mut self.late);
            self.pool.demand_fresh(Instant::now());
        }
    }

    fn provenance(&self, release: &Release, now: Instant) -> Provenance {
        let contribution = |(source, credit_bits): (&Running, &u32)| Contribution {
            id: source.member.id.clone(),
            kind: source.member.kind,
            credit_bits: *credit_bits,
        };
        Provenance {
            generation: release.generation,
            seeded_at: now,
            seeded_on: SystemTime::now(),
            sources: self.running.iter().zip(&release.credits_bits).map(contribution).collect(),
        }
    }

    /// Tells the generator which kinds can be counted on.
    fn report(&self, now: Instant) {
        let recent = self.settings.reseed_interval * 2;
        let is_present = |source: &&Running| {
            source.credited_at.is_some_and(|at| now.duration_since(at) <= recent)
        };
        let mut present: Vec<_> = self
            .running
            .iter()
            .filter(is_present)
            .map(|source| source.member.kind)
            .filter(|kind| *kind != Kind::None)
            .collect();
        present.sort_unstable();
        present.dedup();
        let missing_required = self
            .running
            .iter()
            .filter(|source| source.member.required && !is_present(source))
            .map(|source| source.member.id.clone())
            .collect();
        let overdue = self.seeded_at.is_some_and(|at| now > at + recent);
        let needed = self.settings.quorum;
        self.generator.report_quorum(Quorum { present, needed, missing_required, overdue }, now);
    }

    /// Tells each source whether it should hurry.
    fn ring(&self) {
        let wanted = self.is_wanted(Instant::now());
        for (number, source) in self.running.iter().enumerate() {
            source.bell.set_hungry(wanted && !self.pool.is_satisfied(number));
        }
    }

    fn self_test(&mut self, now: Instant) {
        if self.tested_at.is_some_and(|at| now < at + SELF_TEST_EVERY) {
            return;
        }
        self.tested_at = Some(now);
        if let Err(failure) = run_self_tests(&self.primitives) {
            self.generator.halt(failure.to_string());
            self.board.add_incident(
                None,
                format!(
                    "self-test failed: {failure}; all output has stopped, replace this machine"
                ),
            );
        }
    }

    /// Starts new sources, stops those that are gone, and keeps those that have not changed.
    fn replace(&mut self, feeds: Vec<Feed>, settings: Settings) -> std::io::Result<()> {
        let members: Vec<_> = feeds.iter().map(Feed::member).collect();
        let reports = feeds.iter().map(Feed::report).collect();
        self.pool.set_members(members)?;
        self.pool.set_quorum(settings.quorum);
        self.settings = settings;
        self.generator.set_reseed_interval(settings.reseed_interval);
        let known = self.board.sources();
        self.board.set_sources(reports);
        let mut old = std::mem::take(&mut self.running);
        for feed in feeds {
            let kept = old
                .iter()
                .position(|source| source.key == feed.key && source.member == feed.member());
            let source = if let Some(at) = kept {
                restore(&self.board, &known, &feed.id);
                old.swap_remove(at)
            } else {
                // What a source of this name gave under another configuration was worth something
                // else.
                self.pool.withdraw(self.running.len());
                self.spawn(feed)
            };
            self.running.push(source);
        }
        Ok(())
    }

    /// Starts a source on a thread of its own. When there is no thread to be had, the source's end of
    /// the channel is gone, and it is buried like one whose thread has ended.
    fn spawn(&self, feed: Feed) -> Running {
        let (sender, events) = bounded(BLOCKS_WAITING);
        let bell = Arc::new(Bell::default());
        let (member, key) = (feed.member(), feed.key.clone());
        let live = self.assessor.watch();
        let board = Arc::clone(&self.board);
        let runner = runner::Runner::new(feed, sender, Arc::clone(&bell), board, live);
        let started = std::thread::Builder::new()
            .name(format!("source-{}", member.id))
            .spawn(move || runner.run());
        if let Err(error) = started {
            tracing::error!(source = member.id, "no thread for this source: {error}");
        }
        Running { member, key, events, bell, credited_at: None }
    }
}

/// Puts the report of a source that goes on back on the board.
fn restore(board: &Board, known: &[status::SourceReport], id: &str) {
    if let Some(report) = known.iter().find(|report| report.id == id) {
        board.update(id, |fresh| *fresh = report.clone());
    }
}

#[cfg(test)]
mod tests;
