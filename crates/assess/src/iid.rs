//! Tests for independent and identically distributed samples (SP 800-90B §5).

mod chi_square;
mod gamma;
mod permutation;
mod statistics;

use std::num::NonZeroUsize;

use crate::bound::real;
use crate::samples::{Samples, Sequence};
use crate::{most_common, tuples};

use chi_square::SIGNIFICANCE;

pub use chi_square::ChiSquare;
pub use permutation::{PermutationCounts, SHUFFLE_SEED_BYTES};
pub use statistics::PermutationStatistic;

/// The results of the tests for independent and identically distributed samples.
#[derive(Debug, Clone, PartialEq)]
pub struct IidTests {
    /// Min-entropy in bits per sample, by the most common symbol and the most common bit. It
    /// applies if the tests pass (§6.1).
    pub min_entropy: f64,
    /// The chi-square test for independence: counts of pairs of symbols (§5.2.1, §5.2.3).
    pub independence: ChiSquare,
    /// The chi-square test for goodness of fit: counts in each tenth of the samples (§5.2.2,
    /// §5.2.4).
    pub goodness_of_fit: ChiSquare,
    /// The length of the longest repeated substring in symbols, and whether that length passes
    /// (§5.2.5).
    pub longest_repeat: (usize, bool),
    /// The permutation tests: each statistic, its value for the samples as they came, and the
    /// comparison with shuffled samples (§5.1).
    pub statistics: Vec<(PermutationStatistic, f64, PermutationCounts)>,
}

/// What the tests say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IidVerdict {
    /// Every test passed.
    Independent,
    /// A test failed.
    Dependent,
    /// No test failed, and the samples are too few for one of the chi-square tests.
    Undecided {
        /// The number of samples from which all tests decide.
        needed: usize,
    },
}

impl IidTests {
    /// What the tests say together. A chi-square test whose approximation does not hold for so few samples
    /// decides nothing.
    #[must_use]
    pub fn verdict(&self) -> IidVerdict {
        let chi_square = [&self.independence, &self.goodness_of_fit];
        let is_refuted = chi_square.iter().any(|test| test.is_decisive() && !test.passes())
            || !self.longest_repeat.1
            || !self.statistics.iter().all(|(_, _, counts)| counts.pass());
        match chi_square.iter().filter_map(|test| test.needed).max() {
            _ if is_refuted => IidVerdict::Dependent,
            Some(needed) => IidVerdict::Undecided { needed },
            None => IidVerdict::Independent,
        }
    }

    /// Whether every test passed.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.verdict() == IidVerdict::Independent
    }

    /// Whether the reference program calls the samples independent and identically distributed: it decides by
    /// every test, and only warns of fewer than 1,000,000 samples.
    #[must_use]
    pub fn passes_reference(&self) -> bool {
        self.independence.passes()
            && self.goodness_of_fit.passes()
            && self.longest_repeat.1
            && self.statistics.iter().all(|(_, _, counts)| counts.pass())
    }
}

/// Tests whether samples are independent and identically distributed, as the reference program
/// does.
///
/// The shuffles follow from `seed` and are the same for any number of threads. A random seed makes
/// the test fair. `progress` is called with the completed share of the 10,000 shuffles, 0 to 1; a
/// hundred shuffles decide every statistic of most samples that pass, and the test ends. Samples
/// that fail take all shuffles.
///
/// ```rust
/// use std::num::NonZeroUsize;
///
/// use lavawall_assess::{SHUFFLE_SEED_BYTES, Samples, test_iid};
///
/// # let mut state = 1_u64;
/// # let mut noise = move || {
/// #     state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
/// #     state
/// # };
/// let seed = [1; SHUFFLE_SEED_BYTES];
/// let raw = (0..5000).map(|_| (noise() >> 61) as u8).collect();
/// let samples = Samples::new(raw, Some(3))?;
/// let found = test_iid(&samples, seed, NonZeroUsize::MIN, &|_| ());
/// assert!(found.passes());
/// assert!(found.independence.p_value >= 0.001 && found.goodness_of_fit.p_value >= 0.001);
/// assert!(found.statistics.iter().all(|(_, _, counts)| counts.pass()));
/// # Ok::<(), lavawall_assess::SamplesError>(())
/// ```
#[must_use]
pub fn test_iid(
    samples: &Samples,
    seed: [u8; SHUFFLE_SEED_BYTES],
    threads: NonZeroUsize,
    progress: &(dyn Fn(f64) + Sync),
) -> IidTests {
    after_shuffles(permutation::SHUFFLES, samples, seed, threads, progress)
}

/// As [`test_iid`], with at most `shuffles` shuffles.
fn after_shuffles(
    shuffles: u32,
    samples: &Samples,
    seed: [u8; SHUFFLE_SEED_BYTES],
    threads: NonZeroUsize,
    progress: &(dyn Fn(f64) + Sync),
) -> IidTests {
    let symbols = samples.symbols();
    let proportions = proportions(symbols);
    let longest = tuples::longest_repeat(symbols);
    IidTests {
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

/// Each symbol's share of the sequence, added up one occurrence at a time as in the reference
/// program: the rounding decides the order of equal bins.
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
