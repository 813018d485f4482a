//! Callers that wait for a fresh seed.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::collector::command::COMMANDS_WAITING;

/// The least time between two fresh seeds. Callers that come between share the next one: a flood of
/// calls costs one seed per second.
pub(super) const FRESH_EVERY: Duration = Duration::from_secs(1);

/// Two rounds of callers: a caller that comes while a fresh seed is being collected cannot use that
/// one, since some of its samples are older than the call.
#[derive(Debug, Default)]
pub(super) struct FreshQueue {
    /// Served by the seed that is being collected.
    current: Vec<oneshot::Sender<()>>,
    /// Served by the one after it.
    next: Vec<oneshot::Sender<()>>,
    began_at: Option<Instant>,
}

impl FreshQueue {
    /// Adds a caller. A caller beyond the bound is dropped, which answers it.
    pub(super) fn add(&mut self, done: oneshot::Sender<()>) {
        if self.len() >= COMMANDS_WAITING {
            // Without a quorum no caller is served, and those that gave up would stay.
            self.current.retain(|waiting| !waiting.is_closed());
            self.next.retain(|waiting| !waiting.is_closed());
        }
        if self.len() < COMMANDS_WAITING {
            self.next.push(done);
        }
    }

    /// Begins a collection for those who wait, if none is under way and the last one began long
    /// enough ago. True when one begins: it counts samples from `now` on.
    #[must_use]
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let is_due = self.began_at.is_none_or(|at| now >= at + FRESH_EVERY);
        if self.is_collecting() || self.next.is_empty() || !is_due {
            return false;
        }
        self.current = std::mem::take(&mut self.next);
        self.began_at = Some(now);
        true
    }

    /// Answers those who wait for the seed that has been collected.
    pub(super) fn serve(&mut self) {
        for done in self.current.drain(..) {
            let _ = done.send(());
        }
    }

    /// Whether a fresh seed is being collected.
    pub(super) fn is_collecting(&self) -> bool {
        !self.current.is_empty()
    }

    /// Callers in both rounds.
    fn len(&self) -> usize {
        self.current.len() + self.next.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_wait_for_a_fresh_seed_are_bounded_and_those_who_gave_up_make_room() {
        let mut queue = FreshQueue::default();
        for _ in 0..COMMANDS_WAITING * 3 {
            let (done, wait) = oneshot::channel();
            drop(wait);
            queue.add(done);
        }
        assert!(queue.len() <= COMMANDS_WAITING);
        let waits: Vec<_> = (0..COMMANDS_WAITING * 2)
            .map(|_| {
                let (done, wait) = oneshot::channel();
                queue.add(done);
                wait
            })
            .collect();
        assert_eq!(queue.len(), COMMANDS_WAITING);
        let turned_away = waits.into_iter().filter_map(|mut wait| wait.try_recv().err());
        let closed = turned_away.filter(|why| *why == oneshot::error::TryRecvError::Closed).count();
        assert_eq!(closed, COMMANDS_WAITING);
    }

    #[test]
    fn callers_share_one_collection_per_second_that_begins_after_their_call() {
        let (mut queue, now) = (FreshQueue::default(), Instant::now());
        let call = |queue: &mut FreshQueue| {
            let (done, wait) = oneshot::channel();
            queue.add(done);
            wait
        };
        let is_waiting = |wait: &mut oneshot::Receiver<()>| {
            wait.try_recv() == Err(oneshot::error::TryRecvError::Empty)
        };
        assert!(!queue.begin(now), "nobody waits");
        let mut first = call(&mut queue);
        assert!(queue.begin(now) && !queue.begin(now));
        let mut later = [call(&mut queue), call(&mut queue)];
        queue.serve();
        assert_eq!(first.try_recv(), Ok(()));
        assert!(later.iter_mut().all(is_waiting), "it had begun before they came");
        assert!(!queue.begin(now + FRESH_EVERY / 2), "one per second");
        let mut last = call(&mut queue);
        assert!(queue.begin(now + FRESH_EVERY));
        queue.serve();
        assert!(later.iter_mut().chain([&mut last]).all(|wait| wait.try_recv() == Ok(())));
        assert!(!queue.is_collecting());
    }
}
