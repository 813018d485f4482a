//! What is counted while serving: requests by endpoint and status, and bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;

/// Everything that can be called, as metrics name it. Paths that are not known are one endpoint:
/// callers must not be able to fill the counters with names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Endpoint {
    Random,
    Integers,
    Uuids,
    Strings,
    Shuffle,
    Live,
    Ready,
    Status,
    Metrics,
    OpenApi,
    Docs,
    Dashboard,
    Wall,
    WorkersKv,
    Admin,
    Unknown,
}

impl Endpoint {
    /// Every path that is served.
    pub(crate) const PATHS: [(Self, &'static str); 13] = [
        (Self::Random, "/random"),
        (Self::Integers, "/random/integers"),
        (Self::Uuids, "/random/uuids"),
        (Self::Strings, "/random/strings"),
        (Self::Shuffle, "/random/shuffle"),
        (Self::Live, "/health/live"),
        (Self::Ready, "/health/ready"),
        (Self::Status, "/status"),
        (Self::Metrics, "/metrics"),
        (Self::OpenApi, "/openapi.json"),
        (Self::Docs, "/docs"),
        (Self::Dashboard, "/"),
        (Self::Wall, "/wall.png"),
    ];

    /// What is at `path`.
    pub(crate) fn at(path: &str) -> Self {
        Self::PATHS.iter().find(|(_, at)| *at == path).map_or(Self::Unknown, |(it, _)| *it)
    }

    /// The path, or `other`.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::WorkersKv => "/client/v4",
            Self::Admin => "/admin",
            _ => Self::PATHS.get(self as usize).map_or("other", |(_, path)| path),
        }
    }
}

/// Status codes counted one by one.
const STATUSES: [u16; 8] = [200, 400, 401, 404, 405, 406, 500, 503];

/// The endpoints of [`Endpoint::PATHS`], the dialect, the operator's and the unknown one.
const ENDPOINTS: usize = Endpoint::PATHS.len() + 3;

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    requests: [[AtomicU64; STATUSES.len() + 1]; ENDPOINTS],
    bytes: AtomicU64,
    connections: AtomicU64,
    turned_away: AtomicU64,
}

impl Meters {
    /// Counts one answer.
    pub(crate) fn add_request(&self, endpoint: Endpoint, status: StatusCode) {
        let column = STATUSES.iter().position(|code| *code == status.as_u16());
        self.requests[endpoint as usize][column.unwrap_or(STATUSES.len())]
            .fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes of randomness handed out, in whatever form.
    pub(crate) fn add_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts one connection, and one that was turned away.
    pub(crate) fn add_connection(&self, admitted: bool) {
        let counter = if admitted { &self.connections } else { &self.turned_away };
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

    /// Every count that is not zero: endpoint, status (`0` for one that is rare), requests.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (&'static str, u16, u64)> {
        let endpoints = Endpoint::PATHS.iter().map(|(it, _)| *it).chain([
            Endpoint::WorkersKv,
            Endpoint::Admin,
            Endpoint::Unknown,
        ]);
        endpoints.flat_map(|endpoint| {
            self.requests[endpoint as usize].iter().enumerate().filter_map(
                move |(column, count)| {
                    let count = count.load(Ordering::Relaxed);
                    let status = STATUSES.get(column).copied().unwrap_or(0);
                    (count > 0).then_some((endpoint.path(), status, count))
                },
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_counts_under_its_own_path() {
        let meters = Meters::default();
        for (endpoint, path) in Endpoint::PATHS {
            assert_eq!(Endpoint::at(path), endpoint);
            assert_eq!(endpoint.path(), path);
            meters.add_request(endpoint, StatusCode::OK);
        }
        meters.add_request(Endpoint::WorkersKv, StatusCode::OK);
        meters.add_request(Endpoint::Admin, StatusCode::OK);
        meters.add_request(Endpoint::at("/nowhere"), StatusCode::IM_A_TEAPOT);
        let counts: Vec<_> = meters.requests().collect();
        assert_eq!(counts.len(), ENDPOINTS);
        assert!(counts.contains(&("/random", 200, 1)));
        assert!(counts.contains(&("other", 0, 1)));
    }
}
