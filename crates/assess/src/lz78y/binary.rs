//! The dictionary for bits: contexts are numbers, so one table takes the place of the tree.

use crate::contexts::LONGEST;
use crate::lz78y::forecast::Forecast;
use crate::prediction::Tally;

/// Counts of the bits after each context of up to 16 bits.
struct Dictionary {
    /// Counts of zeros and ones; both zero for a context that is not in the dictionary. The context
    /// c of n bits is number 2ⁿ + c.
    counts: Vec<[u32; 2]>,
    /// Number of contexts that can still be added.
    room: usize,
}

/// The predictions of all of `bits`.
pub(super) fn run(bits: &[u8], room: usize) -> Tally {
    let mut dictionary = Dictionary { counts: vec![[0; 2]; 2 << LONGEST], room };
    let mut tally = Tally::default();
    let mut past = bits[..LONGEST].iter().fold(0, |past, bit| past << 1 | usize::from(*bit));
    // The first bit fills the dictionary, and is not predicted.
    dictionary.grow(past, bits[LONGEST]);
    for pair in bits[LONGEST..].windows(2) {
        past = past << 1 | usize::from(pair[0]);
        let predicted = if dictionary.room > 0 {
            dictionary.grow(past, pair[1])
        } else {
            dictionary.step(past, pair[1])
        };
        tally.count(predicted == Some(pair[1]));
    }
    tally
}

impl Dictionary {
    /// Predicts and learns `bit`, and adds the new contexts, the longest first.
    fn grow(&mut self, past: usize, bit: u8) -> Option<u8> {
        let mut forecast = Forecast::default();
        for len in 1..=LONGEST {
            let counts = &mut self.counts[number(past, len)];
            if *counts != [0, 0] {
                let (symbol, most) = prediction(*counts);
                forecast.offer(symbol, most);
                counts[usize::from(bit)] += 1;
            }
        }
        for len in (1..=LONGEST).rev() {
            let counts = &mut self.counts[number(past, len)];
            if *counts == [0, 0] && self.room > 0 {
                counts[usize::from(bit)] = 1;
                self.room -= 1;
            }
        }
        forecast.symbol
    }

    /// Predicts and learns `bit` with a full dictionary.
    #[inline]
    fn step(&mut self, past: usize, bit: u8) -> Option<u8> {
        let mut forecast = Forecast::default();
        let mut often = 0;
        for len in 1..=LONGEST {
            let counts = &mut self.counts[number(past, len)];
            if *counts == [0, 0] {
                continue;
            }
            let (symbol, most) = prediction(*counts);
            let is_taken = forecast.offer(symbol, most);
            let count = &mut counts[usize::from(bit)];
            *count += 1;
            if *count < often && !is_taken {
                break;
            }
            often = often.max(*count);
        }
        forecast.symbol
    }
}

/// The more common bit, for equal counts 1, and its count.
#[inline]
fn prediction(counts: [u32; 2]) -> (u8, u32) {
    (u8::from(counts[1] >= counts[0]), counts[0].max(counts[1]))
}

/// The number of the context of the last `len` bits.
#[inline]
fn number(past: usize, len: usize) -> usize {
    (1 << len) | (past & ((1 << len) - 1))
}
