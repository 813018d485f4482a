//! Bytes that are wiped when dropped, and wherever they grew from.

use std::io::{self, Read, Write};
use std::ops::Deref;

use zeroize::{Zeroize, Zeroizing};

use lavawall_entropy::append_secret;

/// How much is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Bytes that may be secret, as many as come.
#[derive(Default)]
pub(crate) struct Wiped(Zeroizing<Vec<u8>>);

impl Wiped {
    /// None yet, with room for `bytes`.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    /// Adds these. When there is no room they move, and the old place is wiped.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        append_secret(&mut self.0, bytes);
    }

    /// Takes all of them away; the room stays.
    pub(crate) fn clear(&mut self) {
        // Not the whole room: it may be much larger.
        self.0.as_mut_slice().zeroize();
        self.0.clear();
    }

    /// Reads to the end, but no more than `limit` bytes.
    ///
    /// # Errors
    /// What the system said, or [`io::ErrorKind::FileTooLarge`].
    pub(crate) fn read(mut from: impl Read, limit: usize) -> io::Result<Self> {
        let mut all = Self::default();
        let mut piece = Zeroizing::new(vec![0; PIECE_BYTES]);
        loop {
            let read = match from.read(&mut piece) {
                Ok(0) => return Ok(all),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if all.len() + read > limit {
                let reason = format!("it has more than {limit} bytes");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
            }
            all.extend(&piece[..read]);
        }
    }
}

impl Deref for Wiped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_bounded_on_the_byte() {
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES] {
            let bytes = vec![7; length];
            assert_eq!(&*Wiped::read(bytes.as_slice(), length).expect("within"), bytes);
            if length > 0 {
                let error = Wiped::read(bytes.as_slice(), length - 1).err().expect("beyond");
                assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
            }
        }
    }
}
