//! The models for bits: contexts are numbers, so tables take the place of the tree.

use crate::contexts::LONGEST;
use crate::multi_mmc::scoreboard::{Outcome, Scoreboard};
use crate::prediction::Tally;

/// The last model. With the standard's 100,000 pairs per model, only this one can be full:
/// 15 bits have 2¹⁶ pairs, 16 bits have 2¹⁷.
const LAST: usize = LONGEST - 1;

/// The balance of a context with equal counts of zeros and ones. Zero marks an unseen context.
const EVEN: u32 = 1 << 31;

/// Counts of the bits after each context.
struct Models {
    /// For contexts of up to 15 bits: ones less zeros, plus [`EVEN`]. The context c of n bits is
    /// number 2ⁿ + c.
    balances: Vec<u32>,
    /// For contexts of 16 bits: counts of zeros and ones.
    counts: Vec<[u32; 2]>,
    /// Number of counts above zero, and its limit.
    pairs: u32,
    room: u32,
}

/// The predictions of all of `bits`, with `room` pairs in the last model.
pub(super) fn run(bits: &[u8], room: u32) -> Tally {
    let mut models = Models::new(bits, room);
    let mut scoreboard = Scoreboard::default();
    let mut past = usize::from(bits[1]);
    for (at, &bit) in bits.iter().enumerate().skip(2) {
        let mut outcome = Outcome::default();
        if at <= LONGEST {
            (0..at - 1).for_each(|model| models.step(model, past, bit, &mut outcome));
        } else {
            models.step_all(past, bit, &mut outcome);
        }
        scoreboard.count_all(&outcome);
        past = past << 1 | usize::from(bit);
    }
    scoreboard.tally
}

impl Models {
    /// The models after the first bits: each has counted the follower of the sequence's start.
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
    fn step_all(&mut self, past: usize, bit: u8, outcome: &mut Outcome) {
        for model in 0..LAST {
            self.step(model, past, bit, outcome);
        }
        self.step_last(past, bit, outcome);
    }

    /// Predicts and learns `bit` with a model other than the last.
    #[inline]
    fn step(&mut self, model: usize, past: usize, bit: u8, outcome: &mut Outcome) {
        let context = (2 << model) | (past & ((2 << model) - 1));
        let balance = self.balances[context];
        let is_seen = balance != 0;
        self.balances[context] = after(if is_seen { balance } else { EVEN }, bit);
        outcome.seen[model] = is_seen;
        outcome.hits[model] = u32::from(is_seen & (u8::from(balance >= EVEN) == bit));
    }

    /// Predicts and learns `bit` with the last model.
    #[inline]
    fn step_last(&mut self, past: usize, bit: u8, outcome: &mut Outcome) {
        let counts = &mut self.counts[past & ((1 << LONGEST) - 1)];
        let is_seen = *counts != [0, 0];
        outcome.seen[LAST] = is_seen;
        outcome.hits[LAST] = u32::from(is_seen & (u8::from(counts[1] >= counts[0]) == bit));
        let count = &mut counts[usize::from(bit)];
        if *count > 0 {
            *count += 1;
        } else if self.pairs < self.room {
            *count = 1;
            self.pairs += 1;
        }
    }
}

/// The balance after one more bit.
#[inline]
fn after(balance: u32, bit: u8) -> u32 {
    (balance + 2 * u32::from(bit)).wrapping_sub(1)
}
