//! The repetition count test (SP 800-90B §4.4.1).

use crate::health::bits::Bits;

/// Counts how often in a row the same symbol came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepetitionCount {
    cutoff: u32,
    last: Option<u64>,
    run: u32,
}

impl RepetitionCount {
    /// A test that fails at `cutoff` equal symbols in a row.
    #[must_use]
    pub fn new(cutoff: u32) -> Self {
        Self { cutoff, last: None, run: 0 }
    }

    /// Takes the next symbol; the run's length when it has reached the cutoff.
    pub fn push(&mut self, symbol: u64) -> Option<u32> {
        if self.last == Some(symbol) {
            self.run = self.run.saturating_add(1);
        } else {
            self.last = Some(symbol);
            self.run = 1;
        }
        (self.run >= self.cutoff).then_some(self.run)
    }

    /// The test after these symbols; `None` where one of them could fail.
    pub(super) fn after(&self, bits: Bits) -> Option<Self> {
        let Some(first) = bits.first() else { return Some(*self) };
        let before = if self.last == Some(first) { self.run } else { 0 };
        let run = before.saturating_add(bits.first_run());
        // No run that begins among these symbols is longer than they are.
        if run >= self.cutoff || bits.count() >= self.cutoff {
            return None;
        }
        let is_one_run = bits.first_run() == bits.count();
        let run = if is_one_run { run } else { bits.last_run() };
        Some(Self { last: bits.last(), run, ..*self })
    }

    /// Forgets the run.
    pub fn reset(&mut self) {
        self.last = None;
        self.run = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_one_short_of_the_cutoff_passes_and_the_cutoff_fails() {
        let mut test = RepetitionCount::new(5);
        for _ in 0..4 {
            assert_eq!(test.push(7), None);
        }
        assert_eq!(test.push(7), Some(5));
    }

    #[test]
    fn another_symbol_starts_the_count_over() {
        let mut test = RepetitionCount::new(3);
        for symbol in [1, 1, 2, 2, 1, 1] {
            assert_eq!(test.push(symbol), None);
        }
        assert_eq!(test.push(1), Some(3));
    }

    #[test]
    fn a_reset_begins_a_run_and_counts_from_zero() {
        let mut test = RepetitionCount::new(3);
        for _ in 0..5 {
            assert_eq!([test.push(4), test.push(4)], [None, None]);
            test.reset();
        }
    }

    #[test]
    fn a_run_that_goes_on_keeps_failing() {
        let mut test = RepetitionCount::new(2);
        assert_eq!(test.push(0), None);
        assert_eq!(test.push(0), Some(2));
        assert_eq!(test.push(0), Some(3));
    }
}
