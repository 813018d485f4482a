//! Pipeline of a large batch: one thread seals it in chunks, while the storage writes the sealed chunks.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::vec;

use crate::kv::engine::{Change, StorageAccess, StorageError};

/// The most chunks that wait for the storage.
const AHEAD: usize = 4;

/// Sends chunks. Dropped before `end`, it makes the batch incomplete, and the storage must discard it.
pub(crate) struct ChunkSender(SyncSender<Chunk>);

/// The changes of the batch, ending with an error when it is incomplete.
pub(crate) struct SealedChanges {
    chunks: Receiver<Chunk>,
    chunk: vec::IntoIter<Change>,
    is_whole: bool,
}

struct Chunk {
    changes: Vec<Change>,
    is_last: bool,
}

/// Both ends of a pipeline.
pub(crate) fn channel() -> (ChunkSender, SealedChanges) {
    let (sender, chunks) = sync_channel(AHEAD);
    (ChunkSender(sender), SealedChanges { chunks, chunk: Vec::new().into_iter(), is_whole: false })
}

/// The last item of a batch that is not whole.
pub(crate) fn incomplete() -> StorageError {
    let reason = "not all of the batch could be sealed".to_owned();
    StorageError { what: StorageAccess::Write, reason }
}

impl ChunkSender {
    /// Sends a chunk, and waits while too many are pending. Whether the storage still receives.
    pub(crate) fn send(&self, changes: Vec<Change>) -> bool {
        self.0.send(Chunk { changes, is_last: false }).is_ok()
    }

    /// Sends the last chunk, which completes the batch.
    pub(crate) fn end(self, changes: Vec<Change>) {
        // A receiver that is gone has its own error.
        let _ = self.0.send(Chunk { changes, is_last: true });
    }
}

impl Iterator for SealedChanges {
    type Item = Result<Change, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(change) = self.chunk.next() {
                return Some(Ok(change));
            }
            if self.is_whole {
                return None;
            }
            let Ok(Chunk { changes, is_last }) = self.chunks.recv() else {
                return Some(Err(incomplete()));
            };
            (self.chunk, self.is_whole) = (changes.into_iter(), is_last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::engine::Table;

    fn change(number: u8) -> Change {
        Change::Delete(Table::Values, vec![number])
    }

    #[test]
    fn changes_come_in_their_order_and_end_with_the_last_piece() {
        let (sender, changes) = channel();
        assert!(sender.send(vec![change(1), change(2)]));
        assert!(sender.send(Vec::new()));
        sender.end(vec![change(3)]);
        let all: Result<Vec<_>, _> = changes.collect();
        assert_eq!(all.expect("whole"), [change(1), change(2), change(3)]);
    }

    #[test]
    fn a_batch_that_ends_too_early_ends_with_an_error() {
        let (sender, mut changes) = channel();
        assert!(sender.send(vec![change(1)]));
        drop(sender);
        assert!(changes.next().is_some_and(|change| change.is_ok()));
        for _ in 0..3 {
            assert!(changes.next().is_some_and(|change| change.is_err()));
        }
    }

    #[test]
    fn who_seals_learns_that_nobody_wants_more() {
        let (sender, changes) = channel();
        drop(changes);
        assert!(!sender.send(vec![change(1)]));
    }
}
