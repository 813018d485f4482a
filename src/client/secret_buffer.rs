//! A growing buffer for secrets: zeroized when dropped, and where it moves from when it grows.

use std::io::{self, Read, Write};
use std::ops::Deref;

#[cfg(feature = "export")]
use zeroize::Zeroize;
use zeroize::Zeroizing;

use lavawall_entropy::append_secret;

/// How much is read at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes that may be secret.
#[derive(Default)]
pub(crate) struct SecretBuffer(Zeroizing<Vec<u8>>);

impl SecretBuffer {
    /// An empty buffer with room for `bytes`.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    /// Appends `bytes`. A buffer that must move to grow zeroizes its old place.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        append_secret(&mut self.0, bytes);
    }

    /// Zeroizes and removes all bytes; keeps the allocation.
    #[cfg(feature = "export")]
    pub(crate) fn clear(&mut self) {
        // Not the whole allocation: it may be much larger.
        self.0.as_mut_slice().zeroize();
        self.0.clear();
    }

    /// Reads to the end, at most `limit` bytes.
    ///
    /// # Errors
    /// The system's, or [`io::ErrorKind::FileTooLarge`].
    pub(crate) fn read(mut from: impl Read, limit: usize) -> io::Result<Self> {
        let mut buffer = Self::default();
        let mut chunk = Zeroizing::new(vec![0; CHUNK_BYTES]);
        loop {
            let read = match from.read(&mut chunk) {
                Ok(0) => return Ok(buffer),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.len() + read > limit {
                let reason = format!("more than {limit} bytes");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
            }
            buffer.extend(&chunk[..read]);
        }
    }
}

impl From<Vec<u8>> for SecretBuffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl AsRef<[u8]> for SecretBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for SecretBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Write for SecretBuffer {
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
    fn a_read_is_bounded_to_the_byte() {
        for length in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES] {
            let bytes = vec![7; length];
            assert_eq!(&*SecretBuffer::read(bytes.as_slice(), length).expect("within"), bytes);
            if length > 0 {
                let error = SecretBuffer::read(bytes.as_slice(), length - 1).err().expect("beyond");
                assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
            }
        }
    }
}
