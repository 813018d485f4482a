//! The nineteen statistics that shuffling should not change (SP 800-90B §5.1.1 to §5.1.11).

use std::fmt;
use std::io::Write;

use bzip2::Compression;
use bzip2::write::BzEncoder;

use crate::Samples;
use crate::bound::real;

/// A statistic of a sequence of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// §5.1.1: how far the sum strays from the average.
    Excursion,
    /// §5.1.2: runs of rises and falls.
    DirectionalRuns,
    /// §5.1.3: the longest of them.
    LongestDirectionalRun,
    /// §5.1.4: rises or falls, whichever are more.
    IncreasesOrDecreases,
    /// §5.1.5: runs on one side of the median.
    MedianRuns,
    /// §5.1.6: the longest of them.
    LongestMedianRun,
    /// §5.1.7: samples until one repeats, on average.
    AverageCollision,
    /// §5.1.8: samples until one repeats, at the most.
    LongestCollision,
    /// §5.1.9: samples that equal the one so far on.
    Periodicity(usize),
    /// §5.1.10: the sum of products with the one so far on.
    Covariance(usize),
    /// §5.1.11: how long bzip2 makes it.
    Compression,
}

/// All of them, in the order of the standard.
pub const STATISTICS: [Statistic; 19] = [
    Statistic::Excursion,
    Statistic::DirectionalRuns,
    Statistic::LongestDirectionalRun,
    Statistic::IncreasesOrDecreases,
    Statistic::MedianRuns,
    Statistic::LongestMedianRun,
    Statistic::AverageCollision,
    Statistic::LongestCollision,
    Statistic::Periodicity(1),
    Statistic::Periodicity(2),
    Statistic::Periodicity(8),
    Statistic::Periodicity(16),
    Statistic::Periodicity(32),
    Statistic::Covariance(1),
    Statistic::Covariance(2),
    Statistic::Covariance(8),
    Statistic::Covariance(16),
    Statistic::Covariance(32),
    Statistic::Compression,
];

impl fmt::Display for Statistic {
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

/// What stays the same when the samples are shuffled.
pub(super) struct Frame<'a> {
    /// The sample of each symbol.
    values: &'a [u8],
    mean: f64,
    median: f64,
}

/// One order of the symbols, with the forms the statistics take them in.
pub(super) struct Order<'a> {
    frame: &'a Frame<'a>,
    symbols: &'a [u8],
    /// Symbols, or for bits the number of ones in each eight (conversion I).
    counts: Vec<u8>,
    /// Symbols, or for bits the byte that each eight make (conversion II).
    bytes: Vec<u8>,
}

impl<'a> Frame<'a> {
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

impl<'a> Order<'a> {
    pub(super) fn new(frame: &'a Frame<'a>, symbols: &'a [u8]) -> Self {
        let convert = |convert: fn(&[u8]) -> u8| {
            if frame.is_binary() {
                symbols.chunks(8).map(convert).collect()
            } else {
                symbols.to_vec()
            }
        };
        let counts = convert(|bits| bits.iter().sum());
        let bytes = convert(|bits| (0..).zip(bits).map(|(at, bit)| bit << (7 - at)).sum());
        Self { frame, symbols, counts, bytes }
    }

    /// The value of a statistic.
    pub(super) fn value(&self, statistic: Statistic) -> f64 {
        match statistic {
            Statistic::Excursion => self.excursion(),
            Statistic::DirectionalRuns => real(runs(self.directions()).0),
            Statistic::LongestDirectionalRun => real(runs(self.directions()).1),
            Statistic::IncreasesOrDecreases => {
                let rises = self.directions().filter(|rises| *rises).count();
                real(rises.max(self.counts.len() - 1 - rises))
            }
            Statistic::MedianRuns => real(runs(self.sides()).0),
            Statistic::LongestMedianRun => real(runs(self.sides()).1),
            Statistic::AverageCollision => {
                let (count, sum, _) = collisions(&self.bytes);
                real(sum) / real(count)
            }
            Statistic::LongestCollision => real(collisions(&self.bytes).2),
            Statistic::Periodicity(lag) => {
                let pairs = self.counts.iter().zip(&self.counts[lag..]);
                real(pairs.filter(|(a, b)| a == b).count())
            }
            Statistic::Covariance(lag) => self.covariance(lag),
            Statistic::Compression => real(self.compressed_len()),
        }
    }

    fn excursion(&self) -> f64 {
        let (mut sum, mut most) = (0.0_f64, 0.0_f64);
        for (symbol, count) in self.symbols.iter().zip(1..) {
            sum += f64::from(self.frame.value(*symbol));
            most = most.max((sum - real(count) * self.frame.mean).abs());
        }
        most
    }

    /// Whether each step rises, or stays.
    fn directions(&self) -> impl Iterator<Item = bool> {
        self.counts.windows(2).map(|pair| pair[0] <= pair[1])
    }

    /// Whether each symbol is at or above the median.
    fn sides(&self) -> impl Iterator<Item = bool> {
        self.symbols.iter().map(|symbol| f64::from(*symbol) >= self.frame.median)
    }

    /// For bits of the converted ones, else of the samples themselves.
    fn covariance(&self, lag: usize) -> f64 {
        let value = |symbol: u8| {
            usize::from(if self.frame.is_binary() { symbol } else { self.frame.value(symbol) })
        };
        let pairs = self.counts.iter().zip(&self.counts[lag..]);
        real(pairs.map(|(a, b)| value(*a) * value(*b)).sum())
    }

    /// The length in bytes of what bzip2 makes of the samples, written out in decimal with spaces
    /// between.
    fn compressed_len(&self) -> usize {
        let decimals: Vec<_> = self.frame.values.iter().map(|value| format!("{value} ")).collect();
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

/// How many runs of equal values there are, and how long the longest is.
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

/// How often a symbol repeats within a stretch that begins after the last repeat, and how long the
/// stretches are: their sum and the longest.
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

/// The middle of the sorted symbols; half for bits.
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
