//! Counters: requests by endpoint and status, connections, and bytes of randomness.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;

/// Status codes have three digits, 100 to 599 (RFC 9110 §15); a code beyond counts as the last.
const STATUSES: usize = 500;
const FIRST_STATUS: u16 = 100;

/// The number of an endpoint's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MeterId(pub(crate) usize);

/// The counters.
#[derive(Debug)]
pub(crate) struct Meters {
    /// By the number of the endpoint.
    requests: Vec<(&'static str, [AtomicU64; STATUSES])>,
    bytes: AtomicU64,
    connections: AtomicU64,
    turned_away: AtomicU64,
}

impl Meters {
    /// Counters for endpoints with these labels.
    pub(crate) fn new(labels: &[&'static str]) -> Self {
        let counters = || [const { AtomicU64::new(0) }; STATUSES];
        Self {
            requests: labels.iter().map(|label| (*label, counters())).collect(),
            bytes: AtomicU64::default(),
            connections: AtomicU64::default(),
            turned_away: AtomicU64::default(),
        }
    }

    /// Counts one answer.
    pub(crate) fn add_request(&self, endpoint: MeterId, status: StatusCode) {
        let column = usize::from(status.as_u16().saturating_sub(FIRST_STATUS)).min(STATUSES - 1);
        self.requests[endpoint.0].1[column].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes of randomness handed out, in any form.
    pub(crate) fn add_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a connection that was served, or turned away.
    pub(crate) fn add_connection(&self, is_admitted: bool) {
        let counter = if is_admitted { &self.connections } else { &self.turned_away };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes handed out.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Connections served, and connections turned away.
    pub(crate) fn connections(&self) -> (u64, u64) {
        (self.connections.load(Ordering::Relaxed), self.turned_away.load(Ordering::Relaxed))
    }

    /// Every count that is not zero: endpoint, status, requests.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (&'static str, u16, u64)> {
        self.requests.iter().flat_map(|(label, counters)| {
            counters.iter().zip(FIRST_STATUS..).filter_map(|(count, status)| {
                let count = count.load(Ordering::Relaxed);
                (count > 0).then_some((*label, status, count))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_and_every_status_is_counted_as_itself() {
        let meters = Meters::new(&["/random", "other"]);
        for (endpoint, status) in [(0, 200), (0, 200), (0, 413), (1, 404), (1, 599), (1, 100)] {
            let status = StatusCode::from_u16(status).expect("a status");
            meters.add_request(MeterId(endpoint), status);
        }
        let counts: Vec<_> = meters.requests().collect();
        let expected = [
            ("/random", 200, 2),
            ("/random", 413, 1),
            ("other", 100, 1),
            ("other", 404, 1),
            ("other", 599, 1),
        ];
        assert_eq!(counts, expected);
    }
}
