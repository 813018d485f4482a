//! The LZ78Y prediction estimate (SP 800-90B §6.3.10).
//!
//! The standard predicts by the context of 16 to 1 symbols whose most common follower has the
//! highest count, of several contexts the longest. A shorter context occurs whenever a longer one
//! does, so the highest count is always that of the last symbol alone, and a longer context wins
//! only while its pair has occurred exactly as often. Once a pair has occurred less often it can
//! never win again, and need not be counted: after the dictionary is full a step looks at one or
//! two contexts, where the standard looks at sixteen.

mod binary;

use crate::contexts::{Contexts, LONGEST, ROOT};
use crate::prediction::Tally;
use crate::samples::Sequence;

/// How many contexts the dictionary keeps.
const MOST_CONTEXTS: usize = 65_536;

/// Predicts each symbol by what most often followed the same symbols before it.
pub(super) fn estimate(sequence: Sequence<'_>) -> f64 {
    let predictions = sequence.symbols.len() - LONGEST - 1;
    tally(sequence, MOST_CONTEXTS).estimate(predictions, sequence.alphabet)
}

/// How a dictionary of `room` contexts, 16 or more, predicts all symbols after the first 17.
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

/// The prediction so far, as contexts are asked from the shortest on.
#[derive(Default)]
struct Forecast {
    symbol: Option<u8>,
    most: u32,
}

impl Forecast {
    /// A longer context predicts `symbol`, which followed it `most` times. Says whether that
    /// counts: then still longer ones may.
    #[inline]
    fn hear(&mut self, symbol: u8, most: u32) -> bool {
        let counts = most >= self.most;
        if counts {
            self.symbol = Some(symbol);
            self.most = most;
        }
        counts
    }
}

/// What followed each context in the dictionary.
struct Dictionary {
    contexts: Contexts,
    /// How many contexts can still be added.
    room: usize,
}

impl Dictionary {
    /// Predicts and learns `symbol`, and adds the contexts that are new, the longest first: when
    /// the dictionary fills up on the way, the shorter ones stay out for good.
    fn grow(&mut self, past: &[u8], symbol: u8) -> Option<u8> {
        let mut forecast = Forecast::default();
        let mut new = Vec::with_capacity(LONGEST);
        let mut node = ROOT;
        for &before in past.iter().rev() {
            node = self.contexts.longer_or_new(node, before);
            if self.contexts.is_seen(node) {
                let (predicted, most) = self.contexts.prediction(node);
                forecast.hear(predicted, most);
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
            let is_heard = forecast.hear(predicted, most);
            let count = self.contexts.count(node, symbol, true);
            if count < often && !is_heard {
                break;
            }
            often = often.max(count);
        }
        forecast.symbol
    }
}
