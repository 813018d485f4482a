//! A reader of lines that may be secret, each of a bounded length.

use std::io::{self, BufRead};

use crate::client::SecretBuffer;

/// Reads one line after the other; zeroizes the last.
pub(crate) struct SecretLines<R> {
    from: R,
    line: SecretBuffer,
    limit: usize,
}

impl<R: BufRead> SecretLines<R> {
    /// Lines of at most `limit` bytes.
    pub(crate) fn new(from: R, limit: usize) -> Self {
        Self { from, line: SecretBuffer::default(), limit }
    }

    /// The next line without its newline; `None` after the last one, which must have a newline too.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        loop {
            let buffer = match self.from.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                filled => filled?,
            };
            if buffer.is_empty() {
                return if self.line.is_empty() {
                    Ok(None)
                } else {
                    Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the last line has no newline",
                    ))
                };
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(buffer.len());
            if self.line.len() + taken > self.limit {
                let reason = format!("a line has more than {} bytes", self.limit);
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
            self.line.extend(&buffer[..taken]);
            let consumed = taken + usize::from(end.is_some());
            self.from.consume(consumed);
            if end.is_some() {
                return Ok(Some(&self.line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_bounded_and_ended() {
        let mut lines =
            SecretLines::new(io::BufReader::with_capacity(2, b"abc\n\nabcd\nx".as_slice()), 4);
        assert_eq!(lines.next().expect("a line"), Some(b"abc".as_slice()));
        assert_eq!(lines.next().expect("a line"), Some(b"".as_slice()));
        assert_eq!(lines.next().expect("a line"), Some(b"abcd".as_slice()));
        assert!(lines.next().is_err(), "it has no newline");
        assert!(SecretLines::new(b"abcd\n".as_slice(), 3).next().is_err());
        assert!(SecretLines::new(b"".as_slice(), 3).next().expect("nothing").is_none());
    }
}
