//! A batch on its way: sealed by one thread, piece by piece, while the storage takes in what is sealed.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::vec;

use crate::kv::engine::{Access, Change, StorageError};

/// Pieces that wait to be taken in, at the most.
const AHEAD: usize = 4;

/// Where pieces are put in. Dropped before its end, it leaves a batch that no storage may keep.
pub(crate) struct Sender(SyncSender<Piece>);

/// The changes of the batch, and an error where it ends too early.
pub(crate) struct Changes {
    pieces: Receiver<Piece>,
    piece: vec::IntoIter<Change>,
    is_whole: bool,
}

struct Piece {
    changes: Vec<Change>,
    is_last: bool,
}

/// Both ends.
pub(crate) fn channel() -> (Sender, Changes) {
    let (sender, pieces) = sync_channel(AHEAD);
    (Sender(sender), Changes { pieces, piece: Vec::new().into_iter(), is_whole: false })
}

impl Sender {
    /// Gives a piece away, and waits while there are too many. Whether anybody still wants one.
    pub(crate) fn send(&self, changes: Vec<Change>) -> bool {
        self.0.send(Piece { changes, is_last: false }).is_ok()
    }

    /// Gives the last piece away: with it the batch is whole.
    pub(crate) fn end(self, changes: Vec<Change>) {
        // Who has stopped asking has an error to tell already.
        let _ = self.0.send(Piece { changes, is_last: true });
    }
}

impl Iterator for Changes {
    type Item = Result<Change, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(change) = self.piece.next() {
                return Some(Ok(change));
            }
            if self.is_whole {
                return None;
            }
            let Ok(Piece { changes, is_last }) = self.pieces.recv() else {
                let reason = "not all of the batch could be sealed".to_owned();
                return Some(Err(StorageError { what: Access::Write, reason }));
            };
            (self.piece, self.is_whole) = (changes.into_iter(), is_last);
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
