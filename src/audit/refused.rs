//! Calls of unknown callers, refused before they reached a key: counted, and summed up in one line.
//!
//! Any client that reaches the port can make any number of them, and the log must not grow with them: the
//! first is written at once, later ones once a minute, or before the next line of another kind.

use std::fmt::Write;
use std::time::{Duration, Instant};

/// The least time between two such lines: at some 300 bytes each they are less than half a megabyte a day.
const EVERY: Duration = Duration::from_mins(1);

/// The subject of a refused call, from its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Asked {
    /// Making, naming, listing or deleting namespaces.
    Namespaces,
    /// Reading, writing, listing or deleting records.
    Records,
    /// No endpoint.
    Elsewhere,
    /// The operator's socket, by another user.
    Socket,
    /// Using or changing keys of callers.
    Keys,
}

impl Asked {
    /// All of them, in the order of their numbers, with their names in the log.
    const ALL: [(Self, &'static str); 5] = [
        (Self::Namespaces, "namespaces"),
        (Self::Records, "records"),
        (Self::Elsewhere, "elsewhere"),
        (Self::Socket, "socket"),
        (Self::Keys, "keys"),
    ];
}

/// Refused calls that are in no line yet.
#[derive(Debug, Default)]
pub(crate) struct PendingRefusals {
    counts: RefusedCounts,
    /// When a line was last written or tried.
    tried: Option<Instant>,
}

/// The number of calls by subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RefusedCounts([u64; Asked::ALL.len()]);

impl PendingRefusals {
    /// Counts one.
    pub(crate) fn add(&mut self, asked: Asked) {
        self.counts.0[asked as usize] += 1;
    }

    /// Whether a line is to be written.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let is_time = self.tried.is_none_or(|tried| now.saturating_duration_since(tried) >= EVERY);
        is_time && self.counts.total() > 0
    }

    /// Starts the interval until the next line.
    pub(crate) fn try_at(&mut self, now: Instant) {
        self.tried = Some(now);
    }

    /// Takes the counts of the next line, if there are any.
    pub(crate) fn take(&mut self) -> Option<RefusedCounts> {
        let counts = std::mem::take(&mut self.counts);
        (counts.total() > 0).then_some(counts)
    }

    /// Puts counts back that could not be written.
    pub(crate) fn put_back(&mut self, counts: RefusedCounts) {
        for (count, more) in self.counts.0.iter_mut().zip(counts.0) {
            *count += more;
        }
    }
}

impl RefusedCounts {
    /// The sum.
    pub(crate) fn total(self) -> u64 {
        self.0.iter().sum()
    }

    /// The text in the log: `namespaces 1, records 12`.
    pub(crate) fn text(self) -> String {
        let mut text = String::new();
        for (asked, name) in Asked::ALL {
            let count = self.0[asked as usize];
            if count > 0 {
                let comma = if text.is_empty() { "" } else { ", " };
                // Writing to a String cannot fail.
                let _ = write!(text, "{comma}{name} {count}");
            }
        }
        text
    }
}
