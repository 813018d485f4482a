//! Calls that were turned away before they reached a key: counted, and summed up in a line of the log.
//!
//! Whoever reaches the port can make any number of them, so that the log must not follow: the first is
//! written at once, what comes after it once a minute, or before the next line of another kind.

use std::fmt::Write;
use std::time::{Duration, Instant};

/// The least time between two such lines: at some 300 bytes each they are less than half a megabyte a day.
const EVERY: Duration = Duration::from_mins(1);

/// What a call was about that was turned away, as far as its path tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Asked {
    /// Making, naming, listing or deleting namespaces.
    Namespaces,
    /// Reading, writing, listing or deleting records.
    Records,
    /// Nothing there is.
    Elsewhere,
    /// The operator's socket, by another user.
    Socket,
}

impl Asked {
    /// All of them, in the order of their numbers, with their names in the log.
    const ALL: [(Self, &'static str); 4] = [
        (Self::Namespaces, "namespaces"),
        (Self::Records, "records"),
        (Self::Elsewhere, "elsewhere"),
        (Self::Socket, "socket"),
    ];
}

/// What was turned away and is in no line yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    counts: Counts,
    /// When a line was last written, or could not be.
    tried: Option<Instant>,
}

/// How many calls, by what they were about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts([u64; Asked::ALL.len()]);

impl Pending {
    /// Counts one.
    pub(super) fn add(&mut self, asked: Asked) {
        self.counts.0[asked as usize] += 1;
    }

    /// Whether a line is to be written.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let is_time = self.tried.is_none_or(|tried| now.saturating_duration_since(tried) >= EVERY);
        is_time && self.counts.total() > 0
    }

    /// Begins the time until the next line.
    pub(super) fn try_at(&mut self, now: Instant) {
        self.tried = Some(now);
    }

    /// Takes out what is to be written, if there is anything.
    pub(super) fn take(&mut self) -> Option<Counts> {
        let counts = std::mem::take(&mut self.counts);
        (counts.total() > 0).then_some(counts)
    }

    /// Puts back what could not be written.
    pub(super) fn put_back(&mut self, counts: Counts) {
        for (count, more) in self.counts.0.iter_mut().zip(counts.0) {
            *count += more;
        }
    }
}

impl Counts {
    /// All together.
    pub(super) fn total(self) -> u64 {
        self.0.iter().sum()
    }

    /// As the log has it: `namespaces 1, records 12`.
    pub(super) fn text(self) -> String {
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
