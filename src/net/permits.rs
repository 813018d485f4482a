//! The limit on the number of connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Permits for connections, shared by all threads that accept them.
#[derive(Debug)]
pub(crate) struct ConnectionPermits {
    taken: AtomicUsize,
    limit: usize,
}

impl ConnectionPermits {
    /// As many as `limit`.
    pub(crate) fn new(limit: usize) -> Self {
        Self { taken: AtomicUsize::new(0), limit }
    }

    /// A permit for one connection, unless all are taken.
    pub(crate) fn take(permits: &Arc<Self>) -> Option<ConnectionPermit> {
        if permits.taken.fetch_add(1, Ordering::Relaxed) < permits.limit {
            return Some(ConnectionPermit(Arc::clone(permits)));
        }
        permits.taken.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

/// The permit of one connection. Given back when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit(Arc<ConnectionPermits>);

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_permits_are_given_than_the_limit_and_a_dropped_one_is_given_again() {
        let permits = Arc::new(ConnectionPermits::new(2));
        let first = ConnectionPermits::take(&permits).expect("one of two");
        let _second = ConnectionPermits::take(&permits).expect("two of two");
        assert!(ConnectionPermits::take(&permits).is_none());
        drop(first);
        assert!(ConnectionPermits::take(&permits).is_some());
    }
}
