//! Buffers of answers: reused, and wiped before they are.

use std::cell::RefCell;

use hyper::body::Bytes;
use zeroize::Zeroize;

/// The size of one piece of a long answer. Large enough that a system call costs little beside
/// it, small enough to stay in the processor's cache from the generator to the socket.
pub(crate) const PIECE_BYTES: usize = 1 << 16;

/// Buffers a worker keeps for reuse: 4 MiB.
const KEPT: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// `len` zero bytes to be filled and sent. Wiped when dropped.
pub(crate) struct Piece(Vec<u8>);

impl Piece {
    /// A piece of `len` bytes; those of up to [`PIECE_BYTES`] that are not small are reused.
    pub(crate) fn new(len: usize) -> Self {
        if len <= PIECE_BYTES / 16 || len > PIECE_BYTES {
            return Self(vec![0; len]);
        }
        let mut buffer =
            SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(PIECE_BYTES));
        buffer.resize(len, 0);
        Self(buffer)
    }

    /// The bytes, to be filled.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The piece, to be sent.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
        if self.0.capacity() != PIECE_BYTES {
            return;
        }
        // Of a full length the buffer needs no clearing when it is used again.
        let buffer = std::mem::take(&mut self.0);
        // The thread may be ending: then the buffer is simply freed.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < KEPT {
                spare.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_buffer_holds_nothing_of_the_last_answer() {
        for len in [PIECE_BYTES, PIECE_BYTES - 1, PIECE_BYTES / 2, PIECE_BYTES] {
            let mut piece = Piece::new(len);
            assert_eq!(piece.as_ref(), vec![0; len]);
            piece.bytes().fill(7);
            assert_eq!(piece.into_bytes(), vec![7; len]);
        }
        assert_eq!(SPARE.with_borrow(Vec::len), 1);
    }

    #[test]
    fn no_more_than_the_bound_is_kept() {
        let pieces: Vec<_> = (0..KEPT + 9).map(|_| Piece::new(PIECE_BYTES)).collect();
        drop(pieces);
        assert_eq!(SPARE.with_borrow(Vec::len), KEPT);
    }
}
