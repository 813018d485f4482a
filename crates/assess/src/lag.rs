//! The lag prediction estimate (SP 800-90B §6.3.8).

use crate::prediction::Tally;
use crate::samples::Sequence;

/// The longest lag (D in the standard).
const LAGS: usize = 128;

/// Symbols between two looks at which lags can win. Counts within it fit a byte.
const STRETCH: u32 = 32;

/// Predicts each symbol by the one that is as far back as has been right most often.
///
/// Keeping 128 scores in order for every symbol would be most of the work. But a lag can overtake
/// the best within a stretch only if it is less than a stretch behind; the others are just counted,
/// many at once, and their scores brought up to date at its end.
pub(super) fn estimate(sequence: Sequence<'_>) -> f64 {
    tally(sequence).estimate(sequence.symbols.len() - 1, sequence.alphabet)
}

/// How the best lag predicts all symbols after the first. There are more than 128.
pub(super) fn tally(sequence: Sequence<'_>) -> Tally {
    let symbols = sequence.symbols;
    let mut race = Race::new();
    race.start(symbols);
    for start in (LAGS..symbols.len()).step_by(STRETCH as usize) {
        race.run(symbols, start, symbols.len().min(start + STRETCH as usize));
    }
    race.tally
}

/// The lags' scores, and how the best lag predicted. Lag number k is k + 1 symbols.
struct Race {
    scores: [u32; LAGS],
    /// The lag that predicts next: of those with the highest score the last to reach it.
    best: usize,
    tally: Tally,
}

impl Race {
    fn new() -> Self {
        Self { scores: [0; LAGS], best: 0, tally: Tally::default() }
    }

    /// Predicts the first symbols, which not all lags reach back from.
    fn start(&mut self, symbols: &[u8]) {
        let lags: [usize; LAGS] = std::array::from_fn(|lag| lag);
        for at in 1..LAGS {
            self.predict(symbols, at, &lags[..at]);
        }
    }

    /// Predicts the symbols of one stretch.
    fn run(&mut self, symbols: &[u8], start: usize, end: usize) {
        let before = self.scores;
        let high = before[self.best];
        let mut contenders = [0; LAGS];
        let mut len = 0;
        for (lag, _) in before.iter().enumerate().filter(|(_, score)| **score + STRETCH >= high) {
            contenders[len] = lag;
            len += 1;
        }
        for at in start..end {
            self.predict(symbols, at, &contenders[..len]);
        }
        self.scores = before;
        self.count(symbols, start, end);
    }

    /// Predicts one symbol, then scores the contenders.
    #[inline]
    fn predict(&mut self, symbols: &[u8], at: usize, contenders: &[usize]) {
        let symbol = symbols[at];
        self.tally.count(symbols[at - 1 - self.best] == symbol);
        let mut high = self.scores[self.best];
        for &lag in contenders {
            let hit = symbols[at - 1 - lag] == symbol;
            let score = self.scores[lag] + u32::from(hit);
            self.scores[lag] = score;
            if hit && score >= high {
                high = score;
                self.best = lag;
            }
        }
    }

    /// Scores every lag for one stretch.
    fn count(&mut self, symbols: &[u8], start: usize, end: usize) {
        let mut hits = [0_u8; LAGS];
        for at in start..end {
            let symbol = symbols[at];
            for (hits, past) in hits.iter_mut().zip(&symbols[at - LAGS..at]) {
                *hits += u8::from(*past == symbol);
            }
        }
        // The window runs from the longest lag to the shortest.
        for (score, hits) in self.scores.iter_mut().zip(hits.iter().rev()) {
            *score += u32::from(*hits);
        }
    }
}
