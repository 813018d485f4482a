//! Whether samples may be taken as independent and identically distributed (SP 800-90B §5).

mod chi_square;
mod gamma;
mod permutation;
mod statistics;

use std::num::NonZeroUsize;

use crate::bound::real;
use crate::samples::Sequence;
use crate::{Samples, most_common, tuples};

pub use chi_square::ChiSquare;
pub use permutation::{Counts, SEED_BYTES};
pub use statistics::{STATISTICS, Statistic};

/// Data that are independent fail the test for repeated substrings this often (§5.2.5), and each
/// chi-square test (§5.2).
const SIGNIFICANCE: f64 = 0.001;

/// What the tests found.
#[derive(Debug, Clone, PartialEq)]
pub struct Iid {
    /// Min-entropy by the most common symbol and the most common bit, which is what counts if the
    /// tests pass (§6.1): bits a sample.
    pub min_entropy: f64,
    /// Whether pairs of symbols are as common as independence has it (§5.2.1, §5.2.3).
    pub independence: ChiSquare,
    /// Whether symbols are as common in each tenth of the samples (§5.2.2, §5.2.4).
    pub goodness_of_fit: ChiSquare,
    /// The length of the longest repeated substring, in symbols, and whether independent samples
    /// may have it (§5.2.5).
    pub longest_repeat: (usize, bool),
    /// Each statistic of the samples, and how those of shuffled samples compared (§5.1).
    pub statistics: Vec<(Statistic, f64, Counts)>,
}

impl Iid {
    /// Whether every test passed.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.independence.passes()
            && self.goodness_of_fit.passes()
            && self.longest_repeat.1
            && self.statistics.iter().all(|(_, _, counts)| counts.pass())
    }
}

/// Tests samples as the reference program does. The shuffles come from `seed`, and are the same for
/// any number of threads; a seed nobody chose makes for a fair test. `progress` hears which share
/// of the 10,000 shuffles is done: mostly a hundred are enough.
#[must_use]
pub fn iid(
    samples: &Samples,
    seed: [u8; SEED_BYTES],
    threads: NonZeroUsize,
    progress: &(dyn Fn(f64) + Sync),
) -> Iid {
    after_shuffles(permutation::SHUFFLES, samples, seed, threads, progress)
}

/// As [`iid`], with so many shuffles at the most.
fn after_shuffles(
    shuffles: u32,
    samples: &Samples,
    seed: [u8; SEED_BYTES],
    threads: NonZeroUsize,
    progress: &(dyn Fn(f64) + Sync),
) -> Iid {
    let symbols = samples.symbols();
    let proportions = proportions(symbols);
    let longest = tuples::longest_repeat(symbols);
    Iid {
        min_entropy: min_entropy(samples),
        independence: chi_square::independence(symbols, &proportions),
        goodness_of_fit: chi_square::goodness_of_fit(symbols, &proportions),
        longest_repeat: (longest, may_repeat(longest, symbols.symbols.len(), &proportions)),
        statistics: permutation::test(shuffles, samples, seed, threads, progress),
    }
}

fn min_entropy(samples: &Samples) -> f64 {
    let bits = f64::from(samples.bits());
    let original = most_common::estimate(samples.symbols()).min(bits);
    let of_bits = samples.bitstring().map(most_common::estimate);
    of_bits.map_or(original, |h| original.min(h.min(1.0) * bits))
}

/// Each symbol's share, added up from one part at a time as in the reference program: its rounding
/// decides the order of equal bins.
fn proportions(sequence: Sequence<'_>) -> Vec<f64> {
    let part = 1.0 / real(sequence.symbols.len());
    let mut proportions = vec![0.0; sequence.alphabet];
    for symbol in sequence.symbols {
        proportions[usize::from(*symbol)] += part;
    }
    proportions
}

/// Whether the longest repeated substring may be as long as `longest` among `len` independent
/// symbols: Pr(X ≥ 1) = 1 − (1 − p^W)^N ≥ 0.001, with p the probability that two symbols are
/// equal, W the length, and N the number of pairs of substrings (§5.2.5).
fn may_repeat(longest: usize, len: usize, proportions: &[f64]) -> bool {
    let equal: f64 = proportions.iter().map(|p| p * p).sum();
    let substrings = real(len - longest + 1);
    let pairs = substrings * (substrings - 1.0) / 2.0;
    let log_none = pairs * (-equal.powf(real(longest))).ln_1p();
    (1.0 - SIGNIFICANCE).ln() >= log_none
}

#[cfg(test)]
mod tests;
