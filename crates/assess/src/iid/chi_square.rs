//! The chi-square tests (SP 800-90B §5.2.1 to §5.2.4).

use crate::bound::real;
use crate::iid::gamma;
use crate::samples::Sequence;

/// Independent samples fail each chi-square test (SP 800-90B §5.2) and the test for the longest
/// repeated substring (§5.2.5) with this probability.
pub(super) const SIGNIFICANCE: f64 = 0.001;

/// The least expected count of a bin (SP 800-90B §5.2.1).
const BIN: f64 = 5.0;

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
}

impl ChiSquare {
    fn new(score: f64, degrees: f64) -> Self {
        Self { score, degrees, p_value: gamma::tail(score, degrees) }
    }

    /// Whether the p-value is at least 0.001 (§5.2).
    #[must_use]
    pub fn passes(&self) -> bool {
        self.p_value >= SIGNIFICANCE
    }
}

/// Whether neighbouring symbols are independent.
pub(super) fn independence(sequence: Sequence<'_>, proportions: &[f64]) -> ChiSquare {
    if sequence.is_binary() {
        return independence_of_bits(sequence.symbols);
    }
    let pairs = real(sequence.symbols.len() / 2);
    let expected = proportions
        .iter()
        .flat_map(|first| proportions.iter().map(move |second| first * second * pairs));
    let bins = Bins::new(&expected.collect::<Vec<_>>());
    let mut observed = vec![0; bins.expected.len()];
    for pair in sequence.symbols.chunks_exact(2) {
        let [first, second] = [pair[0], pair[1]].map(usize::from);
        observed[bins.of[first * sequence.alphabet + second]] += 1;
    }
    let degrees = real(bins.expected.len()) - real(sequence.alphabet);
    ChiSquare::new(bins.score(&observed), degrees)
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
    ChiSquare::new(score, real((PARTS - 1) * (bins.expected.len() - 1)))
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
