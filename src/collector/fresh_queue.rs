//! Callers that wait for a fresh seed.

use tokio::sync::oneshot;

use crate::collector::command::COMMANDS_WAITING;

/// Two rounds of callers: a caller that comes while a fresh seed is being collected cannot use that
/// one, since some of its samples are older than the call.
#[derive(Debug, Default)]
pub(super) struct FreshQueue {
    /// Served by the seed that is being collected.
    current: Vec<oneshot::Sender<()>>,
    /// Served by the one after it.
    next: Vec<oneshot::Sender<()>>,
}

impl FreshQueue {
    /// Adds a caller. True when a new collection has to begin. A caller beyond the bound is
    /// dropped, which answers it.
    #[must_use]
    pub(super) fn add(&mut self, done: oneshot::Sender<()>) -> bool {
        if self.len() >= COMMANDS_WAITING {
            // Without a quorum no caller is served, and those that gave up would stay.
            self.current.retain(|waiting| !waiting.is_closed());
            self.next.retain(|waiting| !waiting.is_closed());
        }
        if self.current.is_empty() {
            self.current.push(done);
            return true;
        }
        if self.len() < COMMANDS_WAITING {
            self.next.push(done);
        }
        false
    }

    /// Answers the current round, after a seed. True when the next round needs a new collection.
    #[must_use]
    pub(super) fn serve(&mut self) -> bool {
        for done in self.current.drain(..) {
            let _ = done.send(());
        }
        self.current = std::mem::take(&mut self.next);
        !self.current.is_empty()
    }

    /// Whether a caller waits for the seed that is being collected.
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_empty()
    }

    /// Callers in both rounds.
    pub(super) fn len(&self) -> usize {
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
            let _ = queue.add(done);
        }
        assert!(queue.len() <= COMMANDS_WAITING);
        let waits: Vec<_> = (0..COMMANDS_WAITING * 2)
            .map(|_| {
                let (done, wait) = oneshot::channel();
                let _ = queue.add(done);
                wait
            })
            .collect();
        assert_eq!(queue.len(), COMMANDS_WAITING);
        let turned_away = waits.into_iter().filter_map(|mut wait| wait.try_recv().err());
        let closed = turned_away.filter(|why| *why == oneshot::error::TryRecvError::Closed).count();
        assert_eq!(closed, COMMANDS_WAITING);
    }

    #[test]
    fn a_caller_that_comes_during_a_collection_waits_for_the_one_after() {
        let mut queue = FreshQueue::default();
        let ((first, mut first_waits), (second, mut second_waits)) =
            (oneshot::channel(), oneshot::channel());
        assert!(queue.add(first), "a collection begins");
        assert!(!queue.add(second), "it has begun already");
        assert!(queue.serve(), "another one begins");
        assert_eq!(first_waits.try_recv(), Ok(()));
        assert_eq!(second_waits.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert!(!queue.serve());
        assert_eq!(second_waits.try_recv(), Ok(()));
    }
}
