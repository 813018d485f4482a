//! The supervisor: collects blocks from every source in the pool, and reseeds the generator.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Select, TryRecvError};

use crate::collector::assessor::Assessor;
use crate::collector::command::Command;
use crate::collector::config::CollectorSettings;
use crate::collector::event::RunnerEvent;
use crate::collector::feed::Feed;
use crate::collector::fresh_queue::FreshQueue;
use crate::collector::self_test::SelfTests;
use crate::collector::source_thread::SourceThread;
use crate::collector::status::{SourceReport, StatusBoard};
use crate::incident::IncidentLog;
use lavawall_entropy::{
    Contribution, Generator, HealthTest, Kind, Pool, Provenance, Quorum, Release, Severity,
};

/// How long the supervisor sleeps when no message comes: the resolution of its deadlines.
const TICK: Duration = Duration::from_millis(200);

/// The shortest sleep of the machine: the two clocks that show it are read one after the other.
const LEAST_SLEEP: Duration = Duration::from_secs(1);

/// Everything the supervisor's thread owns.
pub(super) struct Supervisor {
    settings: CollectorSettings,
    pool: Pool,
    generator: Arc<Generator>,
    board: Arc<StatusBoard>,
    incidents: Arc<IncidentLog>,
    inbox: Receiver<Command>,
    /// A source's place is its number in the pool.
    sources: Vec<SourceThread>,
    /// When the last seed was made, regular or fresh.
    seeded_at: Option<Instant>,
    /// When the last regular seed was made.
    regular_at: Option<Instant>,
    /// A source came back, and its noise should be in the next answers, or one that was credited in
    /// the last seed lost its credit: the next seed is due at once.
    reseed_soon: bool,
    fresh: FreshQueue,
    self_tests: SelfTests,
    assessor: Assessor,
    /// How long the machine has slept: in all, and as far as was acted on.
    slept: fn() -> Duration,
    slept_before: Duration,
    /// Counts the rounds of the loop, for those who watch this thread.
    rounds: Arc<AtomicU64>,
}

impl Supervisor {
    pub(super) fn new(
        settings: CollectorSettings,
        pool: Pool,
        generator: Arc<Generator>,
        board: Arc<StatusBoard>,
        incidents: Arc<IncidentLog>,
        inbox: Receiver<Command>,
    ) -> Self {
        let assessor = Assessor::new(settings.assessment_rest, Arc::clone(&incidents));
        Self {
            settings,
            pool,
            generator,
            board,
            incidents,
            inbox,
            sources: Vec::new(),
            seeded_at: None,
            regular_at: None,
            reseed_soon: false,
            fresh: FreshQueue::default(),
            self_tests: SelfTests::new(),
            assessor,
            slept: crate::machine::slept,
            slept_before: crate::machine::slept(),
            rounds: Arc::default(),
        }
    }

    /// The number of rounds of the loop so far.
    pub(super) fn rounds(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.rounds)
    }

    /// Runs until a command stops it or the handle is gone.
    pub(super) fn run(mut self) {
        loop {
            self.rounds.fetch_add(1, Ordering::Relaxed);
            self.assessor.supervise(Instant::now());
            self.take_sleep();
            self.start_threads(Instant::now());
            self.watch_calls(Instant::now());
            self.self_test(Instant::now());
            self.release_if_needed(Instant::now());
            self.report_quorum(Instant::now());
            self.wake_sources();
            if self.take_next().is_break() {
                return;
            }
        }
    }

    /// Waits for one event or command and acts on it.
    fn take_next(&mut self) -> ControlFlow<()> {
        let mut select = Select::new();
        for source in &self.sources {
            select.recv(&source.events);
        }
        select.recv(&self.inbox);
        let Ok(ready) = select.ready_timeout(TICK) else {
            return ControlFlow::Continue(());
        };
        match self.sources.get(ready).map(|source| source.events.try_recv()) {
            Some(Ok(event)) => self.take_event(ready, event),
            // A runner ends only when it is stopped.
            Some(Err(TryRecvError::Disconnected)) => {
                self.lose_thread(ready, "its thread has ended", Instant::now());
            }
            Some(Err(TryRecvError::Empty)) => {}
            None => return self.take_command(),
        }
        ControlFlow::Continue(())
    }

    fn take_event(&mut self, source: usize, event: RunnerEvent) {
        self.take_withdrawals();
        let RunnerEvent::Block(mut block, withdrawals) = event else { return };
        if withdrawals < self.sources[source].withdrawals.load(Ordering::Acquire) {
            block.credit_bits = 0;
        }
        self.pool.absorb(source, &block);
        if block.credit_bits > 0 {
            let back = self.sources[source].credited_at.replace(Instant::now()).is_none();
            self.reseed_soon |= back;
        }
    }

    /// Withdraws what sources have lost, also while blocks from before still wait in their channels.
    fn take_withdrawals(&mut self) {
        for source in 0..self.sources.len() {
            if self.sources[source].was_withdrawn() {
                self.withdraw(source);
            }
        }
    }

    /// A source has lost its credit. The last seed may rest on it: the next one is due at once.
    fn withdraw(&mut self, source: usize) {
        self.pool.withdraw(source);
        let fallen = &mut self.sources[source];
        fallen.credited_at = None;
        self.reseed_soon |= std::mem::take(&mut fallen.is_in_seed);
    }

    fn take_command(&mut self) -> ControlFlow<()> {
        match self.inbox.try_recv() {
            Ok(Command::Fresh(done)) => self.fresh.add(done),
            Ok(Command::Replace(feeds, settings, reply)) => {
                let _ = reply.send(self.replace(feeds, settings));
            }
            Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                return ControlFlow::Break(());
            }
            Err(TryRecvError::Empty) => {}
        }
        ControlFlow::Continue(())
    }

    /// After the machine has slept, its time counts for the lease, credit from before counts for
    /// nothing, and a seed is due at once: the memory may have been read or copied.
    fn take_sleep(&mut self) {
        let slept = (self.slept)();
        let passed = slept.saturating_sub(self.slept_before);
        if passed < LEAST_SLEEP {
            return;
        }
        self.slept_before = slept;
        tracing::info!("the machine has slept for {} s", passed.as_secs());
        self.generator.skip(passed);
        (0..self.sources.len()).for_each(|source| self.pool.withdraw(source));
        self.reseed_soon = true;
    }

    /// Starts a thread for each source that has none.
    fn start_threads(&mut self, now: Instant) {
        for number in 0..self.sources.len() {
            if !self.sources[number].is_startable(now) {
                continue;
            }
            let (board, incidents) = (&self.board, &self.incidents);
            if let Err(error) = self.sources[number].start(board, incidents, &self.assessor) {
                self.lose_thread(number, &format!("no thread: {error}"), now);
            }
        }
    }

    fn lose_thread(&mut self, source: usize, why: &str, now: Instant) {
        let lost = &mut self.sources[source];
        let id = lost.member.id.clone();
        if lost.lose_thread(now) {
            self.incidents.open(Some(&id), format!("{why}; it is started again"));
        } else {
            tracing::warn!(source = id, "{why}; it is started again");
        }
        self.board.update(&id, SourceReport::set_absent);
        self.withdraw(source);
    }

    /// Raises the alarm of each source whose device has not returned from a call in time. Its thread
    /// cannot be ended from here; when the call returns, the source starts over.
    fn watch_calls(&mut self, now: Instant) {
        for number in 0..self.sources.len() {
            if !self.sources[number].device_call.is_newly_overdue(now) {
                continue;
            }
            let id = self.sources[number].member.id.clone();
            let detail = "the device does not return from a call".to_owned();
            self.incidents.open(Some(&id), format!("{}: {detail}", HealthTest::Deadline));
            self.board.update(&id, |report| {
                report.set_absent();
                report.add_alarm(HealthTest::Deadline, Severity::Persistent, detail);
            });
            self.withdraw(number);
        }
    }

    /// Whether a regular seed is due.
    fn needs_seed(&self, now: Instant) -> bool {
        let is_due = |at: Instant| now >= at + self.settings.reseed_interval;
        self.reseed_soon || self.regular_at.is_none_or(is_due)
    }

    /// Makes the seeds that are needed and that the pool allows.
    fn release_if_needed(&mut self, now: Instant) {
        self.take_withdrawals();
        if self.fresh.begin(now) {
            self.pool.demand_fresh(now);
        }
        if self.fresh.is_collecting()
            && let Ok(release) = self.pool.release_fresh()
        {
            self.reseed(&release, now);
            self.fresh.serve();
        }
        if self.needs_seed(now)
            && let Ok(release) = self.pool.release()
        {
            self.reseed(&release, now);
            self.regular_at = Some(now);
            self.reseed_soon = false;
        }
    }

    fn reseed(&mut self, release: &Release, now: Instant) {
        let provenance = self.provenance(release, now);
        tracing::debug!(generation = provenance.generation, "reseeded");
        self.generator.reseed(&release.seed, provenance);
        self.seeded_at = Some(now);
        for (source, credit_bits) in self.sources.iter_mut().zip(&release.credits_bits) {
            source.is_in_seed = *credit_bits > 0;
        }
    }

    fn provenance(&self, release: &Release, now: Instant) -> Provenance {
        let contribution = |(source, credit_bits): (&SourceThread, &u32)| Contribution {
            id: source.member.id.clone(),
            kind: source.member.kind,
            credit_bits: *credit_bits,
        };
        Provenance {
            generation: release.generation,
            seeded_at: now,
            seeded_on: SystemTime::now(),
            sources: self.sources.iter().zip(&release.credits_bits).map(contribution).collect(),
        }
    }

    /// Reports to the generator which kinds were credited lately.
    fn report_quorum(&self, now: Instant) {
        let recent = self.settings.reseed_interval * 2;
        let is_present = |source: &&SourceThread| {
            source.credited_at.is_some_and(|at| now.duration_since(at) <= recent)
        };
        let mut present: Vec<_> = self
            .sources
            .iter()
            .filter(is_present)
            .map(|source| source.member.kind)
            .filter(|kind| *kind != Kind::None)
            .collect();
        present.sort_unstable();
        present.dedup();
        let missing_required = self
            .sources
            .iter()
            .filter(|source| source.member.required && !is_present(source))
            .map(|source| source.member.id.clone())
            .collect();
        let overdue = self.seeded_at.is_some_and(|at| now > at + recent);
        let needed = self.settings.quorum;
        self.generator.report_quorum(Quorum { present, needed, missing_required, overdue }, now);
    }

    /// Wakes each source whose blocks the pool needs.
    fn wake_sources(&self) {
        let is_regular = self.needs_seed(Instant::now());
        let is_fresh = self.fresh.is_collecting();
        for (number, source) in self.sources.iter().enumerate() {
            let needed = (is_regular && !self.pool.is_satisfied(number))
                || (is_fresh && !self.pool.is_satisfied_since_demand(number));
            source.wakeup.set_needed(needed);
        }
    }

    fn self_test(&mut self, now: Instant) {
        if let Err(failure) = self.self_tests.run_if_due(now) {
            self.generator.halt(failure.to_string());
            self.incidents.open(
                None,
                format!(
                    "self-test failed: {failure}; all output has stopped, replace this machine"
                ),
            );
        }
    }

    /// Starts new sources, stops those that are gone, and keeps those that have not changed.
    ///
    /// # Errors
    /// When the kernel gives no memory; then the old sources keep running.
    pub(super) fn replace(
        &mut self,
        feeds: Vec<Feed>,
        settings: CollectorSettings,
    ) -> std::io::Result<()> {
        let members: Vec<_> = feeds.iter().map(Feed::member).collect();
        let reports = feeds.iter().map(Feed::report).collect();
        self.pool.set_members(members)?;
        self.pool.set_quorum(settings.quorum);
        self.settings = settings;
        self.generator.set_reseed_interval(settings.reseed_interval);
        let earlier = self.board.sources();
        self.board.set_sources(reports);
        let mut old = std::mem::take(&mut self.sources);
        for feed in feeds {
            let kept = old.iter().position(|source| source.runs(&feed));
            let source = if let Some(at) = kept {
                self.board.restore(&earlier, &feed.id);
                old.swap_remove(at)
            } else {
                // Credit of this name under another configuration was argued differently.
                self.pool.withdraw(self.sources.len());
                SourceThread::new(feed)
            };
            self.sources.push(source);
        }
        self.start_threads(Instant::now());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
