//! The chi-square tests (SP 800-90B §5.2.1 to §5.2.4).

use crate::bound::real;
use crate::iid::gamma;
use crate::samples::Sequence;

/// Independent samples fail each chi-square test (SP 800-90B §5.2) and the test for the longest
/// repeated substring (§5.2.5) with this probability.
pub(super) const SIGNIFICANCE: f64 = 0.001;

/// The least expected count of a bin (SP 800-90B §5.2.1).
const BIN: f64 = 5.0;

/// The most by which the mean score of independent samples may be above the degrees of freedom, in standard
/// deviations of the score: at half of one they fail with 0.005 instead of 0.001.
const EXCESS_MOST: f64 = 0.5;

/// Number of parts whose distributions are compared (§5.2.2, §5.2.4).
const PARTS: usize = 10;

/// The longest tuple of bits, in bits (§5.2.3).
const LONGEST: usize = 11;

/// The result of one chi-square test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquare {
    /// The statistic, T.
    pub score: f64,
    /// Degrees of freedom.
    pub degrees: f64,
    /// The probability of this score or a higher one, 0 to 1.
    pub p_value: f64,
    /// Where these samples are too few for the chi-square distribution to hold: about the number of samples
    /// from which it does, for the same symbols. Then the p-value says nothing.
    pub needed: Option<usize>,
}

impl ChiSquare {
    fn new(score: f64, degrees: f64) -> Self {
        Self { score, degrees, p_value: gamma::tail(score, degrees), needed: None }
    }

    /// Whether the p-value is at least 0.001 (§5.2). The reference program decides by this alone.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.p_value >= SIGNIFICANCE
    }

    /// Whether the samples are enough for a verdict.
    #[must_use]
    pub fn is_decisive(&self) -> bool {
        self.needed.is_none()
    }
}

/// Whether neighbouring symbols are independent.
pub(super) fn independence(sequence: Sequence<'_>, proportions: &[f64]) -> ChiSquare {
    if sequence.is_binary() {
        return independence_of_bits(sequence.symbols);
    }
    let bins = pair_bins(sequence.symbols.len(), proportions);
    let mut observed = vec![0; bins.expected.len()];
    for pair in sequence.symbols.chunks_exact(2) {
        let [first, second] = [pair[0], pair[1]].map(usize::from);
        observed[bins.of[first * sequence.alphabet + second]] += 1;
    }
    let degrees = real(bins.expected.len()) - real(sequence.alphabet);
    let needed = (!holds_for_pairs(&bins, proportions)).then(|| {
        needed(sequence.symbols.len(), |len| {
            holds_for_pairs(&pair_bins(len, proportions), proportions)
        })
    });
    ChiSquare { needed, ..ChiSquare::new(bins.score(&observed), degrees) }
}

/// The bins of all pairs of symbols, among `len` samples.
fn pair_bins(len: usize, proportions: &[f64]) -> Bins {
    let pairs = real(len / 2);
    let expected = proportions.iter().flat_map(|p| proportions.iter().map(move |q| p * q * pairs));
    Bins::new(&expected.collect::<Vec<_>>())
}

/// Whether the score of independent samples has the distribution that §5.2.1 takes it for, with the bins less
/// the symbols as its degrees of freedom.
///
/// That counts every estimated proportion as one degree. Where a bin holds many pairs, the proportions decide
/// little of what falls into it, and the score of independent samples is higher (Chernoff and Lehmann 1954). The
/// degrees that are used up are the trace of the bins' information on the proportions over the full one. The test
/// is decisive if the difference is within [`EXCESS_MOST`] standard deviations of the score.
fn holds_for_pairs(bins: &Bins, proportions: &[f64]) -> bool {
    let alphabet = proportions.len();
    let degrees = real(bins.expected.len()) - real(alphabet);
    if degrees < 1.0 {
        return false;
    }
    let pairs: f64 = bins.expected.iter().sum();
    // How much of each bin changes with one proportion.
    let mut changes = vec![0.0; bins.expected.len()];
    let used_up: f64 = (0..alphabet)
        .map(|symbol| {
            let touched = (0..alphabet).flat_map(|other| {
                let expected = proportions[symbol] * proportions[other] * pairs;
                [(symbol, other), (other, symbol)]
                    .map(|(first, second)| (bins.of[first * alphabet + second], expected))
            });
            for (bin, expected) in touched.clone() {
                changes[bin] += expected;
            }
            let in_bins: f64 = touched
                .map(|(bin, _)| {
                    let change = std::mem::take(&mut changes[bin]);
                    change * change / bins.expected[bin]
                })
                .sum();
            let p = proportions[symbol];
            let in_all = 2.0 * pairs * p * (1.0 + p);
            if in_all > 0.0 { in_bins / in_all } else { 0.0 }
        })
        .sum();
    real(alphabet) - used_up <= EXCESS_MOST * (2.0 * degrees).sqrt()
}

/// The least number of samples, to about a sixteenth, above `len` for which this holds.
fn needed(len: usize, holds: impl Fn(usize) -> bool) -> usize {
    let mut enough = len.max(1) * 2;
    while !holds(enough) && enough < usize::MAX / 2 {
        enough *= 2;
    }
    let mut few = (enough / 2).max(len);
    while enough - few > enough / 16 + 1 {
        let middle = few + (enough - few) / 2;
        if holds(middle) {
            enough = middle;
        } else {
            few = middle;
        }
    }
    enough
}

/// Whether each tenth has the same distribution.
pub(super) fn goodness_of_fit(sequence: Sequence<'_>, proportions: &[f64]) -> ChiSquare {
    if sequence.is_binary() {
        return goodness_of_fit_of_bits(sequence.symbols);
    }
    let len = sequence.symbols.len() / PARTS;
    let bins = Bins::new(&proportions.iter().map(|p| p * real(len)).collect::<Vec<_>>());
    let score = sequence.symbols.chunks_exact(len).take(PARTS).fold(0.0, |score, part| {
        let mut observed = vec![0; bins.expected.len()];
        for symbol in part {
            observed[bins.of[usize::from(*symbol)]] += 1;
        }
        score + bins.score(&observed)
    });
    let needed = (bins.expected.len() < 2).then(|| {
        needed(sequence.symbols.len(), |len| {
            let len = real(len / PARTS);
            Bins::new(&proportions.iter().map(|p| p * len).collect::<Vec<_>>()).expected.len() > 1
        })
    });
    ChiSquare { needed, ..ChiSquare::new(score, real((PARTS - 1) * (bins.expected.len() - 1))) }
}

fn independence_of_bits(bits: &[u8]) -> ChiSquare {
    let ones: f64 = real(bits.iter().map(|bit| usize::from(*bit)).sum());
    let p1 = ones / real(bits.len());
    let p0 = 1.0 - p1;
    let rare = p0.min(p1);
    let Some(len) =
        (2..=LONGEST).rev().find(|len| power(rare, *len) * real(bits.len() / len) >= BIN)
    else {
        return ChiSquare::new(0.0, 0.0);
    };
    let mut observed = vec![0_usize; 1 << len];
    for tuple in bits.chunks_exact(len) {
        observed[tuple.iter().fold(0, |tuple, bit| tuple << 1 | usize::from(*bit))] += 1;
    }
    let tuples = real(bits.len() / len);
    let score = observed.iter().enumerate().fold(0.0, |score, (tuple, observed)| {
        let ones = tuple.count_ones() as usize;
        let expected = power(p1, ones) * power(p0, len - ones) * tuples;
        score + distance(*observed, expected)
    });
    ChiSquare::new(score, real((1 << len) - 2))
}

fn goodness_of_fit_of_bits(bits: &[u8]) -> ChiSquare {
    let count = |bits: &[u8]| bits.iter().map(|bit| usize::from(*bit)).sum::<usize>();
    let p = real(count(bits)) / real(bits.len());
    let len = bits.len() / PARTS;
    let [zeros, ones] = [1.0 - p, p].map(|p| p * real(len));
    let score = bits.chunks_exact(len).take(PARTS).fold(0.0, |score, part| {
        let found = count(part);
        score + distance(len - found, zeros) + distance(found, ones)
    });
    ChiSquare::new(score, real(PARTS - 1))
}

/// Outcomes grouped in bins, each with an expected count of at least [`BIN`].
struct Bins {
    /// The bin of each outcome.
    of: Vec<usize>,
    /// The expected count of each bin.
    expected: Vec<f64>,
}

impl Bins {
    /// Fills bins from the least expected outcome on. A last bin that is too small is merged into
    /// the one before.
    fn new(outcomes: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..outcomes.len()).collect();
        order.sort_by(|a, b| outcomes[*a].total_cmp(&outcomes[*b]).then(a.cmp(b)));
        let mut bins = Self { of: vec![0; outcomes.len()], expected: vec![0.0] };
        for outcome in order {
            if bins.expected[bins.expected.len() - 1] >= BIN {
                bins.expected.push(0.0);
            }
            let last = bins.expected.len() - 1;
            bins.of[outcome] = last;
            bins.expected[last] += outcomes[outcome];
        }
        let last = bins.expected.len() - 1;
        if last > 0 && bins.expected[last] < BIN {
            let small = bins.expected.pop().expect("there are two at least");
            bins.expected[last - 1] += small;
            for bin in &mut bins.of {
                *bin = (*bin).min(last - 1);
            }
        }
        bins
    }

    fn score(&self, observed: &[usize]) -> f64 {
        let pairs = observed.iter().zip(&self.expected);
        pairs.fold(0.0, |score, (observed, expected)| score + distance(*observed, *expected))
    }
}

/// (o − e)²/e.
fn distance(observed: usize, expected: f64) -> f64 {
    (real(observed) - expected).powi(2) / expected
}

fn power(p: f64, times: usize) -> f64 {
    p.powf(real(times))
}
