//! The nineteen statistics that shuffling should not change (SP 800-90B §5.1.1 to §5.1.11).

use std::fmt;
use std::io::Write;

use bzip2::Compression;
use bzip2::write::BzEncoder;

use crate::bound::real;
use crate::samples::Samples;

/// A statistic of the permutation tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermutationStatistic {
    /// §5.1.1: the largest distance of a partial sum from its expectation.
    Excursion,
    /// §5.1.2: the number of runs of increases and decreases.
    DirectionalRuns,
    /// §5.1.3: the length of the longest of these runs.
    LongestDirectionalRun,
    /// §5.1.4: the number of increases or of decreases, whichever is larger.
    IncreasesOrDecreases,
    /// §5.1.5: the number of runs on one side of the median.
    MedianRuns,
    /// §5.1.6: the length of the longest of these runs.
    LongestMedianRun,
    /// §5.1.7: the average number of samples until one repeats.
    AverageCollision,
    /// §5.1.8: the largest number of samples until one repeats.
    LongestCollision,
    /// §5.1.9: the number of samples equal to the one at this lag.
    Periodicity(usize),
    /// §5.1.10: the sum of products with the sample at this lag.
    Covariance(usize),
    /// §5.1.11: the length after compression by bzip2, in bytes.
    Compression,
}

impl PermutationStatistic {
    /// All 19 statistics, in the order of the standard.
    pub const ALL: [Self; 19] = [
        Self::Excursion,
        Self::DirectionalRuns,
        Self::LongestDirectionalRun,
        Self::IncreasesOrDecreases,
        Self::MedianRuns,
        Self::LongestMedianRun,
        Self::AverageCollision,
        Self::LongestCollision,
        Self::Periodicity(1),
        Self::Periodicity(2),
        Self::Periodicity(8),
        Self::Periodicity(16),
        Self::Periodicity(32),
        Self::Covariance(1),
        Self::Covariance(2),
        Self::Covariance(8),
        Self::Covariance(16),
        Self::Covariance(32),
        Self::Compression,
    ];
}

impl fmt::Display for PermutationStatistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Excursion => f.pad("excursion"),
            Self::DirectionalRuns => f.pad("directional-runs"),
            Self::LongestDirectionalRun => f.pad("longest-directional-run"),
            Self::IncreasesOrDecreases => f.pad("increases-or-decreases"),
            Self::MedianRuns => f.pad("median-runs"),
            Self::LongestMedianRun => f.pad("longest-median-run"),
            Self::AverageCollision => f.pad("average-collision"),
            Self::LongestCollision => f.pad("longest-collision"),
            Self::Periodicity(lag) => f.pad(&format!("periodicity-{lag}")),
            Self::Covariance(lag) => f.pad(&format!("covariance-{lag}")),
            Self::Compression => f.pad("compression"),
        }
    }
}

/// Properties that do not change when the samples are shuffled.
pub(super) struct Invariants<'a> {
    /// The sample value of each symbol.
    values: &'a [u8],
    mean: f64,
    median: f64,
}

/// One permutation of the symbols, in the forms that the statistics take.
pub(super) struct Permutation<'a> {
    invariants: &'a Invariants<'a>,
    symbols: &'a [u8],
    /// Symbols; for bits, the number of ones in each group of eight (conversion I).
    counts: Vec<u8>,
    /// Symbols; for bits, the byte of each group of eight (conversion II).
    bytes: Vec<u8>,
}

impl<'a> Invariants<'a> {
    pub(super) fn of(samples: &'a Samples) -> Self {
        let symbols = samples.symbols().symbols;
        let values = samples.values();
        let sum: usize =
            symbols.iter().map(|symbol| usize::from(values[usize::from(*symbol)])).sum();
        Self {
            values,
            mean: real(sum) / real(symbols.len()),
            median: median(symbols, values.len()),
        }
    }

    fn is_binary(&self) -> bool {
        self.values.len() == 2
    }

    fn value(&self, symbol: u8) -> u8 {
        self.values[usize::from(symbol)]
    }
}

impl<'a> Permutation<'a> {
    pub(super) fn new(invariants: &'a Invariants<'a>, symbols: &'a [u8]) -> Self {
        let convert = |convert: fn(&[u8]) -> u8| {
            if invariants.is_binary() {
                symbols.chunks(8).map(convert).collect()
            } else {
                symbols.to_vec()
            }
        };
        let counts = convert(|bits| bits.iter().sum());
        let bytes = convert(|bits| (0..).zip(bits).map(|(at, bit)| bit << (7 - at)).sum());
        Self { invariants, symbols, counts, bytes }
    }

    /// The value of a statistic.
    pub(super) fn value(&self, statistic: PermutationStatistic) -> f64 {
        match statistic {
            PermutationStatistic::Excursion => self.excursion(),
            PermutationStatistic::DirectionalRuns => real(runs(self.directions()).0),
            PermutationStatistic::LongestDirectionalRun => real(runs(self.directions()).1),
            PermutationStatistic::IncreasesOrDecreases => {
                let rises = self.directions().filter(|rises| *rises).count();
                real(rises.max(self.counts.len() - 1 - rises))
            }
            PermutationStatistic::MedianRuns => real(runs(self.sides()).0),
            PermutationStatistic::LongestMedianRun => real(runs(self.sides()).1),
            PermutationStatistic::AverageCollision => {
                let (count, sum, _) = collisions(&self.bytes);
                real(sum) / real(count)
            }
            PermutationStatistic::LongestCollision => real(collisions(&self.bytes).2),
            PermutationStatistic::Periodicity(lag) => {
                let pairs = self.counts.iter().zip(&self.counts[lag..]);
                real(pairs.filter(|(a, b)| a == b).count())
            }
            PermutationStatistic::Covariance(lag) => self.covariance(lag),
            PermutationStatistic::Compression => real(self.compressed_len()),
        }
    }

    fn excursion(&self) -> f64 {
        let (mut sum, mut most) = (0.0_f64, 0.0_f64);
        for (symbol, count) in self.symbols.iter().zip(1..) {
            sum += f64::from(self.invariants.value(*symbol));
            most = most.max((sum - real(count) * self.invariants.mean).abs());
        }
        most
    }

    /// Whether each step increases or stays the same.
    fn directions(&self) -> impl Iterator<Item = bool> {
        self.counts.windows(2).map(|pair| pair[0] <= pair[1])
    }

    /// Whether each symbol is at or above the median.
    fn sides(&self) -> impl Iterator<Item = bool> {
        self.symbols.iter().map(|symbol| f64::from(*symbol) >= self.invariants.median)
    }

    /// For bits from the converted values, otherwise from the samples.
    fn covariance(&self, lag: usize) -> f64 {
        let value = |symbol: u8| {
            usize::from(if self.invariants.is_binary() {
                symbol
            } else {
                self.invariants.value(symbol)
            })
        };
        let pairs = self.counts.iter().zip(&self.counts[lag..]);
        real(pairs.map(|(a, b)| value(*a) * value(*b)).sum())
    }

    /// The length in bytes of the samples as decimal numbers, separated by spaces, after
    /// compression by bzip2.
    fn compressed_len(&self) -> usize {
        let decimals: Vec<_> =
            self.invariants.values.iter().map(|value| format!("{value} ")).collect();
        let mut text = String::with_capacity(4 * self.symbols.len());
        for symbol in self.symbols {
            text.push_str(&decimals[usize::from(*symbol)]);
        }
        text.pop();
        // Blocks of 500 kB, as in the reference program.
        let mut encoder = BzEncoder::new(Vec::new(), Compression::new(5));
        encoder.write_all(text.as_bytes()).expect("a vector takes everything");
        encoder.finish().expect("a vector takes everything").len()
    }
}

/// The number of runs of equal values, and the length of the longest.
fn runs(values: impl Iterator<Item = bool>) -> (usize, usize) {
    let (mut count, mut run, mut longest) = (0, 0, 0);
    let mut before = None;
    for value in values {
        if before == Some(value) {
            run += 1;
        } else {
            count += 1;
            run = 1;
        }
        before = Some(value);
        longest = longest.max(run);
    }
    (count, longest)
}

/// The number of repeats, each within a stretch that starts after the last repeat, and the lengths
/// of the stretches: their sum and the longest.
fn collisions(symbols: &[u8]) -> (usize, usize, usize) {
    let (mut count, mut sum, mut longest) = (0, 0, 0);
    let mut last = [0_usize; 256];
    let mut start = 1;
    for (place, symbol) in (1..).zip(symbols) {
        let last = &mut last[usize::from(*symbol)];
        if *last >= start {
            let len = place - start + 1;
            count += 1;
            sum += len;
            longest = longest.max(len);
            start = place + 1;
        }
        *last = place;
    }
    (count, sum, longest)
}

/// The median of the symbols; 0.5 for bits.
fn median(symbols: &[u8], alphabet: usize) -> f64 {
    if alphabet == 2 {
        return 0.5;
    }
    let mut sorted = symbols.to_vec();
    sorted.sort_unstable();
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        f64::from(sorted[half])
    } else {
        f64::midpoint(f64::from(sorted[half]), f64::from(sorted[half - 1]))
    }
}
