//! The models for bits: contexts are numbers, so tables take the place of the tree.

use super::Race;
use crate::contexts::LONGEST;
use crate::prediction::Tally;

/// The last model. With the standard's 100,000 pairs a model it is the only one that can be full:
/// 15 bits have 2¹⁶ pairs, 16 bits have 2¹⁷.
const LAST: usize = LONGEST - 1;

/// What a context that has been followed by as many zeros as ones has for its balance. Zero is a
/// context not seen yet.
const EVEN: u32 = 1 << 31;

/// What followed each context.
struct Models {
    /// For contexts of up to 15 bits, ones less zeros, plus [`EVEN`]. The context c of n bits is
    /// number 2ⁿ + c.
    balances: Vec<u32>,
    /// For contexts of 16 bits, zeros and ones.
    counts: Vec<[u32; 2]>,
    /// How many of the counts are not zero, and how many may be.
    pairs: u32,
    room: u32,
}

/// What the models said of one bit.
#[derive(Default)]
struct Said {
    /// Whether each model knew the context.
    seen: [bool; LONGEST],
    /// One for each model that was right.
    hits: [u32; LONGEST],
}

/// How the models predict all of `bits`, with `room` pairs in the last one.
pub(super) fn run(bits: &[u8], room: u32) -> Tally {
    let mut models = Models::new(bits, room);
    let mut race = Race::default();
    let mut past = usize::from(bits[1]);
    for (at, &bit) in bits.iter().enumerate().skip(2) {
        let mut said = Said::default();
        if at <= LONGEST {
            (0..at - 1).for_each(|model| models.step(model, past, bit, &mut said));
        } else {
            models.step_all(past, bit, &mut said);
        }
        race.count_all(&said);
        past = past << 1 | usize::from(bit);
    }
    race.tally
}

impl Models {
    /// The models after the first bits: each knows what followed the sequence's start.
    fn new(bits: &[u8], room: u32) -> Self {
        let mut models = Self {
            balances: vec![0; 1 << LONGEST],
            counts: vec![[0; 2]; 1 << LONGEST],
            pairs: 1,
            room,
        };
        let mut start = 0;
        for model in 0..LONGEST {
            start = start << 1 | usize::from(bits[model]);
            let next = bits[model + 1];
            if model < LAST {
                models.balances[(2 << model) | start] = after(EVEN, next);
            } else {
                models.counts[start][usize::from(next)] = 1;
            }
        }
        models
    }

    /// Predicts and learns `bit` with every model.
    #[inline]
    fn step_all(&mut self, past: usize, bit: u8, said: &mut Said) {
        for model in 0..LAST {
            self.step(model, past, bit, said);
        }
        self.step_last(past, bit, said);
    }

    /// Predicts and learns `bit` with a model other than the last.
    #[inline]
    fn step(&mut self, model: usize, past: usize, bit: u8, said: &mut Said) {
        let context = (2 << model) | (past & ((2 << model) - 1));
        let balance = self.balances[context];
        let is_seen = balance != 0;
        self.balances[context] = after(if is_seen { balance } else { EVEN }, bit);
        said.seen[model] = is_seen;
        said.hits[model] = u32::from(is_seen & (u8::from(balance >= EVEN) == bit));
    }

    /// Predicts and learns `bit` with the last model.
    #[inline]
    fn step_last(&mut self, past: usize, bit: u8, said: &mut Said) {
        let counts = &mut self.counts[past & ((1 << LONGEST) - 1)];
        let is_seen = *counts != [0, 0];
        said.seen[LAST] = is_seen;
        said.hits[LAST] = u32::from(is_seen & (u8::from(counts[1] >= counts[0]) == bit));
        let count = &mut counts[usize::from(bit)];
        if *count > 0 {
            *count += 1;
        } else if self.pairs < self.room {
            *count = 1;
            self.pairs += 1;
        }
    }
}

impl Race {
    /// All models have predicted one bit.
    #[inline]
    fn count_all(&mut self, said: &Said) {
        let high = self.scores[self.best];
        if said.seen[self.best] {
            self.tally.count(said.hits[self.best] == 1);
        }
        let mut scores = self.scores;
        let mut reached = 0;
        for (model, (score, hit)) in scores.iter_mut().zip(said.hits).enumerate() {
            *score += hit;
            reached |= hit & u32::from(*score >= high) & u32::from(model != self.best);
        }
        if reached == 1 {
            self.reorder(said);
        }
        self.scores = scores;
    }

    /// Finds the best model anew, as if the scores were counted one after the other.
    #[cold]
    fn reorder(&mut self, said: &Said) {
        for (model, hit) in said.hits.into_iter().enumerate().filter(|(_, hit)| *hit == 1) {
            self.scores[model] += hit;
            if self.scores[model] >= self.scores[self.best] {
                self.best = model;
            }
        }
    }
}

/// The balance after one more bit.
#[inline]
fn after(balance: u32, bit: u8) -> u32 {
    (balance + 2 * u32::from(bit)).wrapping_sub(1)
}
