//! The permutation test (SP 800-90B §5.1).

use std::num::NonZeroUsize;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::bound::real;
use crate::iid::statistics::{Invariants, Permutation, PermutationStatistic};
use crate::parallel;
use crate::samples::Samples;

/// The most permutations that are compared (§5.1, step 2).
pub(super) const SHUFFLES: u32 = 10_000;

/// Permutations per round. After each round, decided statistics are dropped. It does not depend on
/// the number of threads, so the counts do not either.
const ROUND: u32 = 16;

/// A statistic passes when more permutations than this are at or above it, and more than this at or
/// below (§5.1, step 3).
const ENOUGH: u32 = 5;

/// The size of the seed of [`test_iid`](crate::test_iid) in bytes.
pub const SHUFFLE_SEED_BYTES: usize = 32;

/// The comparison of one statistic between shuffled samples and the samples as they came. Counting
/// ends when it is decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PermutationCounts {
    /// Permutations with a greater value.
    pub greater: u32,
    /// Permutations with an equal value.
    pub equal: u32,
    /// Permutations with a smaller value.
    pub less: u32,
}

impl PermutationCounts {
    /// Whether the value for the samples is not extreme: more than 5 permutations are at or above
    /// it, and more than 5 at or below.
    #[must_use]
    pub fn pass(&self) -> bool {
        self.greater + self.equal > ENOUGH && self.equal + self.less > ENOUGH
    }

    fn count(&mut self, shuffled: f64, original: f64) {
        if shuffled > original {
            self.greater += 1;
        } else if shuffled < original {
            self.less += 1;
        } else {
            self.equal += 1;
        }
    }
}

/// Compares the samples with up to `shuffles` permutations of them.
pub(super) fn test(
    shuffles: u32,
    samples: &Samples,
    seed: [u8; SHUFFLE_SEED_BYTES],
    threads: NonZeroUsize,
    progress: &(dyn Fn(f64) + Sync),
) -> Vec<(PermutationStatistic, f64, PermutationCounts)> {
    let invariants = Invariants::of(samples);
    let symbols = samples.symbols().symbols;
    let permutation = Permutation::new(&invariants, symbols);
    let mut results: Vec<_> = PermutationStatistic::ALL
        .map(|statistic| (statistic, permutation.value(statistic), PermutationCounts::default()))
        .to_vec();
    let mut number = 0;
    while number < shuffles && results.iter().any(|(_, _, counts)| !counts.pass()) {
        let open: Vec<_> = results.iter().map(|(_, _, counts)| !counts.pass()).collect();
        let round: Vec<u32> = (number..shuffles.min(number + ROUND)).collect();
        let compared = parallel::map(
            threads,
            &round,
            &|number| {
                let symbols = shuffle(symbols, seed, *number);
                let permutation = Permutation::new(&invariants, &symbols);
                let value =
                    |(statistic, is_open)| bool::then(is_open, || permutation.value(statistic));
                PermutationStatistic::ALL
                    .into_iter()
                    .zip(open.iter().copied())
                    .map(value)
                    .collect::<Vec<_>>()
            },
            &|_| (),
        );
        for values in compared {
            for ((_, original, counts), value) in results.iter_mut().zip(values) {
                if let Some(value) = value {
                    counts.count(value, *original);
                }
            }
        }
        number += ROUND;
        progress(real(number as usize) / real(shuffles as usize));
    }
    results
}

/// Permutation number `number` of a seed (Fisher and Yates).
fn shuffle(symbols: &[u8], mut seed: [u8; SHUFFLE_SEED_BYTES], number: u32) -> Vec<u8> {
    for (byte, of_number) in seed.iter_mut().zip(number.to_le_bytes()) {
        *byte ^= of_number;
    }
    let mut random = Xoshiro256PlusPlus::from_seed(seed);
    let mut shuffled = symbols.to_vec();
    for last in (1..shuffled.len()).rev() {
        let range = u64::try_from(last + 1).expect("a place fits");
        let place = below(&mut random, range);
        shuffled.swap(last, usize::try_from(place).expect("below a length"));
    }
    shuffled
}

/// A uniformly distributed number below `range` (Lemire, 2018).
fn below(random: &mut Xoshiro256PlusPlus, range: u64) -> u64 {
    loop {
        let wide = u128::from(random.next_u64()) * u128::from(range);
        let [high, low] = [wide >> 64, wide & u128::from(u64::MAX)]
            .map(|half| u64::try_from(half).expect("half of 128 bits"));
        if low >= range || low >= range.wrapping_neg() % range {
            return high;
        }
    }
}
