//! One source from the supervisor's side: its thread, its messages and its credit.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, bounded};

use crate::collector::event::RunnerEvent;
use crate::collector::feed::Feed;
use crate::collector::monitor::Monitor;
use crate::collector::runner::Runner;
use crate::collector::status::StatusBoard;
use crate::collector::wakeup::Wakeup;
use crate::incident::IncidentLog;
use lavawall_entropy::PoolMember;

/// Blocks that may wait between a source and the pool. Few: a block that waits is a block that
/// gets old.
const BLOCKS_WAITING: usize = 4;

/// A source that runs. Dropping this stops its thread.
pub(super) struct SourceThread {
    pub(super) member: PoolMember,
    key: String,
    pub(super) events: Receiver<RunnerEvent>,
    pub(super) wakeup: Arc<Wakeup>,
    /// When the last credited block came, unless credit was withdrawn since.
    pub(super) credited_at: Option<Instant>,
    /// It was credited in the last seed, and has not lost its credit since.
    pub(super) is_in_seed: bool,
}

impl SourceThread {
    /// Starts the source. Without a thread, the other end of the channel is gone: the supervisor
    /// treats the source as one whose thread has ended.
    pub(super) fn spawn(
        feed: Feed,
        board: Arc<StatusBoard>,
        incidents: Arc<IncidentLog>,
        monitor: Monitor,
    ) -> Self {
        let (sender, events) = bounded(BLOCKS_WAITING);
        let wakeup = Arc::new(Wakeup::default());
        let (member, key) = (feed.member(), feed.key.clone());
        let runner = Runner::new(feed, sender, Arc::clone(&wakeup), board, incidents, monitor);
        let started = std::thread::Builder::new()
            .name(format!("source-{}", member.id))
            .spawn(move || runner.run());
        if let Err(error) = started {
            tracing::error!(source = member.id, "no thread for this source: {error}");
        }
        Self { member, key, events, wakeup, credited_at: None, is_in_seed: false }
    }

    /// Whether this is the source of `feed`, under an unchanged configuration.
    pub(super) fn runs(&self, feed: &Feed) -> bool {
        self.key == feed.key && self.member == feed.member()
    }

    /// Its thread has ended: nothing comes any more.
    pub(super) fn disconnect(&mut self) {
        self.events = crossbeam_channel::never();
        self.credited_at = None;
    }
}

impl Drop for SourceThread {
    fn drop(&mut self) {
        self.wakeup.stop();
    }
}
