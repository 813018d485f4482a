//! One source from the supervisor's side: its thread, its messages and its credit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, bounded, never};
use parking_lot::Mutex;

use crate::collector::assessor::Assessor;
use crate::collector::back_off::BackOff;
use crate::collector::device_call::DeviceCall;
use crate::collector::event::RunnerEvent;
use crate::collector::feed::Feed;
use crate::collector::runner::{Runner, Surroundings};
use crate::collector::status::StatusBoard;
use crate::collector::wakeup::Wakeup;
use crate::incident::IncidentLog;
use lavawall_entropy::{PoolMember, Severity};

/// Blocks that may wait between a source and the pool. Few: a block that waits is a block that
/// gets old.
const BLOCKS_WAITING: usize = 4;

/// A source that runs. Dropping this stops its thread.
pub(super) struct SourceThread {
    pub(super) member: PoolMember,
    key: String,
    /// Held by the thread while it runs; kept here so that another can take its place.
    feed: Arc<Mutex<Feed>>,
    pub(super) events: Receiver<RunnerEvent>,
    pub(super) wakeup: Arc<Wakeup>,
    pub(super) device_call: Arc<DeviceCall>,
    /// When the last credited block came, unless credit was withdrawn since.
    pub(super) credited_at: Option<Instant>,
    /// It was credited in the last seed, and has not lost its credit since.
    pub(super) is_in_seed: bool,
    /// Counted by the runner, and as many as have been acted on.
    pub(super) withdrawals: Arc<AtomicU64>,
    withdrawals_seen: u64,
    has_thread: bool,
    back_off: BackOff,
}

impl SourceThread {
    /// A source without a thread, which [`Self::start`] starts.
    pub(super) fn new(feed: Feed) -> Self {
        Self {
            member: feed.member(),
            key: feed.key.clone(),
            feed: Arc::new(Mutex::new(feed)),
            events: never(),
            wakeup: Arc::default(),
            device_call: Arc::default(),
            credited_at: None,
            is_in_seed: false,
            withdrawals: Arc::default(),
            withdrawals_seen: 0,
            has_thread: false,
            back_off: BackOff::default(),
        }
    }

    /// Whether it needs a thread, and one may be tried at `now`.
    pub(super) fn is_startable(&self, now: Instant) -> bool {
        !self.has_thread && self.back_off.is_over(now)
    }

    /// Starts the thread. After an earlier one has ended, the source begins with an alarm and its
    /// back-off.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(
        &mut self,
        board: &Arc<StatusBoard>,
        incidents: &Arc<IncidentLog>,
        assessor: &Assessor,
    ) -> std::io::Result<()> {
        let (sender, events) = bounded(BLOCKS_WAITING);
        let surroundings = Surroundings {
            events: sender,
            wakeup: Arc::clone(&self.wakeup),
            device_call: Arc::clone(&self.device_call),
            board: Arc::clone(board),
            incidents: Arc::clone(incidents),
            monitor: assessor.monitor(),
            withdrawals: Arc::clone(&self.withdrawals),
        };
        let (feed, was_lost) = (Arc::clone(&self.feed), self.back_off.has_failed());
        std::thread::Builder::new().name(format!("source-{}", self.member.id)).spawn(
            move || {
                let mut feed = feed.lock();
                if was_lost {
                    let _ = feed.gate.fail(Severity::Intermittent, Instant::now());
                }
                Runner::new(&mut feed, surroundings).run();
            },
        )?;
        self.events = events;
        self.has_thread = true;
        Ok(())
    }

    /// Whether the source has lost its credit since this was asked last.
    pub(super) fn was_withdrawn(&mut self) -> bool {
        let withdrawals = self.withdrawals.load(Ordering::Acquire);
        std::mem::replace(&mut self.withdrawals_seen, withdrawals) != withdrawals
    }

    /// Whether this is the source of `feed`, under an unchanged configuration.
    pub(super) fn runs(&self, feed: &Feed) -> bool {
        self.key == feed.key && self.member == feed.member()
    }

    /// Its thread has ended, or could not be started: nothing comes until another is started, after
    /// a wait. True for the first such failure in a row.
    pub(super) fn lose_thread(&mut self, now: Instant) -> bool {
        self.events = never();
        self.has_thread = false;
        let _ = self.device_call.end();
        self.back_off.fail(now)
    }
}

impl Drop for SourceThread {
    fn drop(&mut self) {
        self.wakeup.stop();
    }
}
