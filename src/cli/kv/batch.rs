//! Pieces of JSON gathered into one array, for calls about many records.

use crate::cli::error::Stop;
use crate::cli::kv::space::{Space, json};
use crate::client::wiped::Wiped;

/// An array that grows until one call would be too large.
pub(crate) struct Batch {
    body: Wiped,
    count: usize,
    most: usize,
    bytes: usize,
}

impl Batch {
    /// Nothing yet; at most so many items, and so many bytes.
    pub(crate) fn new(most: usize, bytes: usize) -> Self {
        let mut body = Wiped::default();
        body.extend(b"[");
        Self { body, count: 0, most, bytes }
    }

    /// Whether one more item of so many bytes stays within the limits. The first always does: the
    /// service has the last word on it.
    pub(crate) fn takes(&self, bytes: usize) -> bool {
        // A comma before it and the closing bracket.
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

    /// Sends what there is and begins anew; says how many items that were.
    pub(crate) fn send(&mut self, space: &Space, method: &str, path: &str) -> Result<usize, Stop> {
        if self.count == 0 {
            return Ok(0);
        }
        self.body.extend(b"]");
        space.call(method, path, Some(json(&self.body)), &[200])?;
        self.body.clear();
        self.body.extend(b"[");
        Ok(std::mem::take(&mut self.count))
    }
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
