//! Turns to read rows, and to write large ones: redb keeps the whole page of a row in memory while it is read or
//! written, 32 MiB for the largest.

use parking_lot::{Condvar, Mutex};

/// Rows that are read at a time; one less while a large row is written.
const READS: usize = 2;

/// The turns.
#[derive(Debug)]
pub(crate) struct ReadTurns {
    free: Mutex<usize>,
    given_back: Condvar,
}

impl Default for ReadTurns {
    fn default() -> Self {
        Self { free: Mutex::new(READS), given_back: Condvar::new() }
    }
}

/// A turn. Given back when dropped.
pub(crate) struct ReadTurn<'a>(&'a ReadTurns);

impl ReadTurns {
    /// Waits for a turn.
    pub(crate) fn take(&self) -> ReadTurn<'_> {
        let mut free = self.free.lock();
        self.given_back.wait_while(&mut free, |free| *free == 0);
        *free -= 1;
        ReadTurn(self)
    }
}

impl Drop for ReadTurn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.given_back.notify_one();
    }
}
