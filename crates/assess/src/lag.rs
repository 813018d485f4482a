//! The lag prediction estimate (SP 800-90B §6.3.8).

use crate::prediction::Tally;
use crate::samples::Sequence;

/// The longest lag (D in the standard).
const LAGS: usize = 128;

/// Symbols between two selections of the lags that can win. Counts within a stretch fit in a byte.
const STRETCH: u32 = 32;

/// Predicts each symbol by the symbol at the lag with the highest score.
///
/// Updating 128 scores for every symbol would be most of the work. But within a stretch a lag can
/// overtake the best only if its score is less than a stretch behind. The other lags are counted
/// together, and their scores are updated at the end of the stretch.
pub(super) fn estimate(sequence: Sequence<'_>) -> f64 {
    tally(sequence).estimate(sequence.symbols.len() - 1, sequence.alphabet)
}

/// The predictions of all symbols after the first. The sequence has more than 128 symbols.
pub(super) fn tally(sequence: Sequence<'_>) -> Tally {
    let symbols = sequence.symbols;
    let mut scoreboard = Scoreboard::new();
    scoreboard.start(symbols);
    for start in (LAGS..symbols.len()).step_by(STRETCH as usize) {
        scoreboard.run(symbols, start, symbols.len().min(start + STRETCH as usize));
    }
    scoreboard.tally
}

/// The scores of the lags, and the predictions of the best. Lag number k is k + 1 symbols.
struct Scoreboard {
    scores: [u32; LAGS],
    /// The lag that predicts next: of equal scores the last lag to reach it.
    best: usize,
    tally: Tally,
}

impl Scoreboard {
    fn new() -> Self {
        Self { scores: [0; LAGS], best: 0, tally: Tally::default() }
    }

    /// Predicts the first symbols, where not all lags apply.
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
