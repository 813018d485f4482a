//! The permutation test (SP 800-90B §5.1).

use std::num::NonZeroUsize;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::statistics::{Frame, Order, STATISTICS, Statistic};
use crate::bound::real;
use crate::{Samples, parallel};

/// How many orders are compared, at the most (§5.1, step 2).
pub(super) const SHUFFLES: u32 = 10_000;

/// Orders that are compared before it is looked at which statistics are decided. The same for any
/// number of threads, so that the counts are as well.
const ROUND: u32 = 16;

/// A statistic passes when more orders than this are at or above it, and as many at or below
/// (§5.1, step 3).
const ENOUGH: u32 = 5;

/// The size of a seed for the shuffles, in bytes.
pub const SEED_BYTES: usize = 32;

/// How the statistic of shuffled samples compared with that of the samples as they came. Counting
/// ends when it is decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Orders in which it was greater.
    pub greater: u32,
    /// Orders in which it was equal.
    pub equal: u32,
    /// Orders in which it was less.
    pub less: u32,
}

impl Counts {
    /// Whether the samples are not among the extremes.
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

/// Compares the samples with as many shuffled ones.
pub(super) fn test(
    shuffles: u32,
    samples: &Samples,
    seed: [u8; SEED_BYTES],
    threads: NonZeroUsize,
    progress: &(dyn Fn(f64) + Sync),
) -> Vec<(Statistic, f64, Counts)> {
    let frame = Frame::of(samples);
    let symbols = samples.symbols().symbols;
    let order = Order::new(&frame, symbols);
    let mut results: Vec<_> =
        STATISTICS.map(|statistic| (statistic, order.value(statistic), Counts::default())).to_vec();
    let mut number = 0;
    while number < shuffles && results.iter().any(|(_, _, counts)| !counts.pass()) {
        let open: Vec<_> = results.iter().map(|(_, _, counts)| !counts.pass()).collect();
        let round: Vec<u32> = (number..shuffles.min(number + ROUND)).collect();
        let compared = parallel::map(
            threads,
            &round,
            &|number| {
                let symbols = shuffle(symbols, seed, *number);
                let order = Order::new(&frame, &symbols);
                let value = |(statistic, is_open)| bool::then(is_open, || order.value(statistic));
                STATISTICS.into_iter().zip(open.iter().copied()).map(value).collect::<Vec<_>>()
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

/// The symbols in order number `number` of those that a seed gives (Fisher and Yates).
fn shuffle(symbols: &[u8], mut seed: [u8; SEED_BYTES], number: u32) -> Vec<u8> {
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

/// A number below `range`, all alike (Lemire, 2018).
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
