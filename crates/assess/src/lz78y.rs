//! The LZ78Y prediction estimate (SP 800-90B §6.3.10).
//!
//! The standard predicts by the context of 16 to 1 symbols whose most common follower has the
//! highest count; of equal counts, by the longest context. A shorter context occurs whenever a
//! longer one does, so the highest count is always that of the last symbol alone, and a longer
//! context wins only while its pair has occurred exactly as often. Once a pair has occurred less
//! often it can never win again and need not be counted. After the dictionary is full, a step
//! visits one or two contexts, where the standard visits sixteen.

mod binary;
mod forecast;

use crate::contexts::{Contexts, LONGEST, ROOT};
use crate::prediction::Tally;
use crate::samples::Sequence;
use forecast::Forecast;

/// The most contexts the dictionary keeps (SP 800-90B §6.3.10).
const MOST_CONTEXTS: usize = 65_536;

/// Predicts each symbol by the most common follower of the symbols before it.
pub(super) fn estimate(sequence: Sequence<'_>) -> f64 {
    let predictions = sequence.symbols.len() - LONGEST - 1;
    tally(sequence, MOST_CONTEXTS).estimate(predictions, sequence.alphabet)
}

/// The predictions of all symbols after the first 17, by a dictionary of `room` contexts, at
/// least 16.
pub(super) fn tally(sequence: Sequence<'_>, room: usize) -> Tally {
    if sequence.is_binary() {
        binary::run(sequence.symbols, room)
    } else {
        run(sequence.symbols, room)
    }
}

fn run(symbols: &[u8], room: usize) -> Tally {
    let mut dictionary = Dictionary { contexts: Contexts::new(), room };
    let mut tally = Tally::default();
    // The first symbol fills the dictionary, and is not predicted.
    dictionary.grow(&symbols[..LONGEST], symbols[LONGEST]);
    for window in symbols[1..].windows(LONGEST + 1) {
        let (past, symbol) = (&window[..LONGEST], window[LONGEST]);
        let predicted = if dictionary.room > 0 {
            dictionary.grow(past, symbol)
        } else {
            dictionary.step(past, symbol)
        };
        tally.count(predicted == Some(symbol));
    }
    tally
}

/// Counts of the followers of each context in the dictionary.
struct Dictionary {
    contexts: Contexts,
    /// Number of contexts that can still be added.
    room: usize,
}

impl Dictionary {
    /// Predicts and learns `symbol`, and adds the new contexts, the longest first: when the
    /// dictionary becomes full, the shorter ones are never added.
    fn grow(&mut self, past: &[u8], symbol: u8) -> Option<u8> {
        let mut forecast = Forecast::default();
        let mut new = Vec::with_capacity(LONGEST);
        let mut node = ROOT;
        for &before in past.iter().rev() {
            node = self.contexts.longer_or_new(node, before);
            if self.contexts.is_seen(node) {
                let (predicted, most) = self.contexts.prediction(node);
                forecast.offer(predicted, most);
                self.contexts.count(node, symbol, true);
            } else {
                new.push(node);
            }
        }
        for node in new.into_iter().rev().take(self.room) {
            self.contexts.count(node, symbol, true);
            self.room -= 1;
        }
        forecast.symbol
    }

    /// Predicts and learns `symbol` with a full dictionary.
    fn step(&mut self, past: &[u8], symbol: u8) -> Option<u8> {
        let mut forecast = Forecast::default();
        let mut often = 0;
        let mut node = ROOT;
        for &before in past.iter().rev() {
            match self.contexts.longer(node, before) {
                Some(longer) => node = longer,
                None => break,
            }
            if !self.contexts.is_seen(node) {
                continue;
            }
            let (predicted, most) = self.contexts.prediction(node);
            let is_taken = forecast.offer(predicted, most);
            let count = self.contexts.count(node, symbol, true);
            if count < often && !is_taken {
                break;
            }
            often = often.max(count);
        }
        forecast.symbol
    }
}
