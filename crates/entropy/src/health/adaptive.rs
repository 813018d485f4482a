//! The adaptive proportion test (SP 800-90B §4.4.2).

use crate::health::bits::Bits;

/// Counts how often the first symbol of a window comes again within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdaptiveProportion {
    window: u32,
    cutoff: u32,
    first: u64,
    seen: u32,
    matches: u32,
}

impl AdaptiveProportion {
    /// A test over windows of `window` symbols that fails at `cutoff` symbols equal to the first,
    /// itself included.
    #[must_use]
    pub fn new(window: u32, cutoff: u32) -> Self {
        Self { window, cutoff, first: 0, seen: 0, matches: 0 }
    }

    /// Takes the next symbol; the count when it reaches the cutoff.
    pub fn push(&mut self, symbol: u64) -> Option<u32> {
        if self.seen == 0 {
            self.first = symbol;
            self.matches = 0;
        }
        self.seen += 1;
        let matched = symbol == self.first;
        self.matches += u32::from(matched);
        if self.seen == self.window {
            self.seen = 0;
        }
        (matched && self.matches >= self.cutoff).then_some(self.matches)
    }

    /// The test after these symbols; `None` where one of them could fail.
    pub(super) fn after(&self, bits: Bits) -> Option<Self> {
        let (mut after, mut rest) = (*self, bits);
        while let Some(first) = rest.first() {
            if after.seen == 0 {
                after.first = first;
                after.matches = 0;
            }
            let (now, later) = rest.split_at(self.window.checked_sub(after.seen)?);
            after.matches += now.equal_to(after.first);
            if after.matches >= self.cutoff {
                return None;
            }
            after.seen += now.count();
            if after.seen == self.window {
                after.seen = 0;
            }
            rest = later;
        }
        Some(after)
    }

    /// Forgets the window.
    pub fn reset(&mut self) {
        self.seen = 0;
        self.matches = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window of `window` symbols in which the first comes `matches` times in all.
    fn window(window: u32, matches: u32) -> impl Iterator<Item = u64> {
        (0..window).map(move |at| if at < matches { 1 } else { u64::from(at) + 2 })
    }

    #[test]
    fn one_match_short_of_the_cutoff_passes_and_the_cutoff_fails() {
        let mut test = AdaptiveProportion::new(512, 411);
        assert!(window(512, 410).all(|symbol| test.push(symbol).is_none()));
        assert_eq!(window(512, 411).find_map(|symbol| test.push(symbol)), Some(411));
    }

    #[test]
    fn counts_start_over_with_each_window() {
        let mut test = AdaptiveProportion::new(8, 5);
        for _ in 0..10 {
            assert!(window(8, 4).all(|symbol| test.push(symbol).is_none()));
        }
    }

    #[test]
    fn a_reset_begins_a_window_and_counts_from_zero() {
        let mut test = AdaptiveProportion::new(8, 5);
        for _ in 0..10 {
            // Half a window, all of it matches: the next symbol begins a window of its own.
            assert!(window(4, 4).all(|symbol| test.push(symbol).is_none()));
            test.reset();
        }
        assert!(window(7, 0).all(|symbol| test.push(symbol + 100).is_none()));
        assert_eq!(test.push(102), None, "the first symbol is the first since the reset");
    }
}
