//! Items of JSON collected into one array, for calls about many records.

use crate::cli::error::CommandError;
use crate::cli::kv::namespace::NamespaceClient;
use crate::client::Payload;
use crate::client::SecretBuffer;

/// An array that grows until it would be too large for one call.
pub(crate) struct Batch {
    body: SecretBuffer,
    count: usize,
    most: usize,
    bytes: usize,
}

impl Batch {
    /// An empty array, for at most `most` items and `bytes` bytes.
    pub(crate) fn new(most: usize, bytes: usize) -> Self {
        Self { body: opened(0), count: 0, most, bytes }
    }

    /// Whether one more item of `bytes` bytes stays within the limits. The first always does: the
    /// service decides on it.
    pub(crate) fn takes(&self, bytes: usize) -> bool {
        // With a comma before it and the closing bracket.
        let fits = self.body.len() + bytes + 2 <= self.bytes;
        self.count == 0 || (self.count < self.most && fits)
    }

    /// Adds an item.
    pub(crate) fn add(&mut self, item: &[u8]) {
        if self.count > 0 {
            self.body.extend(b",");
        }
        self.body.extend(item);
        self.count += 1;
    }

    /// Sends the array and starts an empty one; returns the number of items sent.
    pub(crate) fn send(
        &mut self,
        space: &NamespaceClient,
        method: &str,
        path: &str,
    ) -> Result<usize, CommandError> {
        if self.count == 0 {
            return Ok(0);
        }
        self.body.extend(b"]");
        let next = opened(self.body.len());
        let body = std::mem::replace(&mut self.body, next);
        space.call(method, path, Some(Payload::json(body)), &[200])?;
        Ok(std::mem::take(&mut self.count))
    }
}

/// The start of an array, with room for `bytes`.
fn opened(bytes: usize) -> SecretBuffer {
    let mut body = SecretBuffer::with_capacity(bytes);
    body.extend(b"[");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_at_either_limit() {
        let mut batch = Batch::new(2, 100);
        assert!(batch.takes(1000), "the first");
        batch.add(b"1");
        assert!(batch.takes(96) && !batch.takes(97));
        batch.add(b"2");
        assert!(!batch.takes(1), "two are enough");
        assert_eq!((batch.count, &*batch.body), (2, b"[1,2".as_slice()));
    }
}
