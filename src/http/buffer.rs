//! Buffers of answers: reused, zeroized before reuse.

use std::cell::RefCell;

use hyper::body::Bytes;
use zeroize::Zeroize;

/// The size of one buffer of a long answer. Large enough that a system call costs little beside
/// it, small enough to stay in the processor's cache from the generator to the socket.
pub(crate) const BUFFER_BYTES: usize = 1 << 16;

/// Buffers that a thread keeps for reuse: 4 MiB.
const KEPT: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// `len` zero bytes to be filled and sent. Zeroized when dropped.
pub(crate) struct AnswerBuffer(Vec<u8>);

impl AnswerBuffer {
    /// A buffer of `len` bytes; those of up to [`BUFFER_BYTES`] that are not small are reused.
    pub(crate) fn new(len: usize) -> Self {
        if len <= BUFFER_BYTES / 16 || len > BUFFER_BYTES {
            return Self(vec![0; len]);
        }
        let mut buffer =
            SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES));
        buffer.resize(len, 0);
        Self(buffer)
    }

    /// The bytes, to be filled.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The buffer, to be sent.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for AnswerBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for AnswerBuffer {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
        if self.0.capacity() != BUFFER_BYTES {
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
        for len in [BUFFER_BYTES, BUFFER_BYTES - 1, BUFFER_BYTES / 2, BUFFER_BYTES] {
            let mut buffer = AnswerBuffer::new(len);
            assert_eq!(buffer.as_ref(), vec![0; len]);
            buffer.bytes().fill(7);
            assert_eq!(buffer.into_bytes(), vec![7; len]);
        }
        assert_eq!(SPARE.with_borrow(Vec::len), 1);
    }

    #[test]
    fn no_more_than_the_bound_is_kept() {
        let buffers: Vec<_> = (0..KEPT + 9).map(|_| AnswerBuffer::new(BUFFER_BYTES)).collect();
        drop(buffers);
        assert_eq!(SPARE.with_borrow(Vec::len), KEPT);
    }
}
