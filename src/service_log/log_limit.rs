//! A limit on log lines that callers can cause: one every ten seconds for each kind of event.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// The least time between two lines of one kind, in milliseconds: 8,640 a day, some 1 MB.
const INTERVAL_MS: u64 = 10_000;

/// Lines suppressed since the start, of all kinds.
static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

/// The time from which limits count.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Lines that were suppressed since the start.
pub(crate) fn suppressed_lines() -> u64 {
    SUPPRESSED.load(Relaxed)
}

/// The limit of one kind of event.
#[derive(Debug)]
pub(crate) struct LogLimit {
    /// When the last line passed, in milliseconds from `START` and one interval; 0 for never.
    last_ms: AtomicU64,
}

impl LogLimit {
    /// A limit whose first line passes.
    pub(crate) const fn new() -> Self {
        Self { last_ms: AtomicU64::new(0) }
    }

    /// Whether the next line may be written. Counts those that may not.
    pub(crate) fn passes(&self) -> bool {
        let elapsed = u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.passes_at(elapsed.saturating_add(INTERVAL_MS))
    }

    fn passes_at(&self, now_ms: u64) -> bool {
        let last = self.last_ms.load(Relaxed);
        let passes = now_ms.saturating_sub(last) >= INTERVAL_MS
            && self.last_ms.compare_exchange(last, now_ms, Relaxed, Relaxed).is_ok();
        if !passes {
            SUPPRESSED.fetch_add(1, Relaxed);
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_passes_per_interval() {
        let limit = LogLimit::new();
        let passed: Vec<_> = [10_000, 10_001, 19_999, 20_000, 20_001, 90_000, 90_001]
            .into_iter()
            .filter(|now| limit.passes_at(*now))
            .collect();
        assert_eq!(passed, [10_000, 20_000, 90_000]);
    }
}
