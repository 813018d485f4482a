//! The highest count of one symbol among 1,000 samples of a given min-entropy.

use crate::bound::real;

/// The number of starts, and of samples per start (SP 800-90B §3.1.4.1).
pub const RESTART_MATRIX_SIDE: usize = 1000;

const SIDE: usize = RESTART_MATRIX_SIDE;

/// The probability that all 2,000 rows and columns pass is 0.99 (SP 800-90B §3.1.4.3).
const ALL_PASS: f64 = 0.99;

/// The least count x with P(no symbol occurs more than x times) ≥ 1 − α, where
/// 1 − α = 0.99^(1/2000) and the symbols have the distribution of min-entropy `h` with the
/// highest counts: ⌊1/p⌋ symbols of probability p = 2^-h, and one of the remaining probability.
///
/// Poisson distributed counts that add up to 1,000 are multinomial. So the probability is that of
/// 1,000 as the sum of independent, truncated Poisson counts, divided by that of 1,000 as the sum
/// of untruncated ones.
pub(super) fn of(h: f64) -> u32 {
    let p = (-h).exp2();
    let symbols = (1.0 / p).floor();
    let rest = (1.0 - symbols * p).max(0.0);
    let wanted = (ALL_PASS.ln() / real(2 * SIDE)).exp();
    let total = poisson(real(SIDE))[SIDE];
    let (mut least, mut most) = (0, SIDE);
    while least < most {
        let x = usize::midpoint(least, most);
        let of_symbols = power(&capped(p, x), symbols);
        let all = product(&of_symbols, &capped(rest, x));
        if all[SIDE] / total >= wanted { most = x } else { least = x + 1 }
    }
    u32::try_from(least).expect("at most 1,000")
}

/// The Poisson probabilities of 0 to x for a symbol of probability `p`, and 0 for more.
fn capped(p: f64, x: usize) -> Vec<f64> {
    let mut probabilities = poisson(p * real(SIDE));
    probabilities[x + 1..].fill(0.0);
    probabilities
}

/// The Poisson probabilities of 0 to 1,000. They are computed from the logarithm, because at a
/// mean of 1,000 e^-mean underflows.
fn poisson(mean: f64) -> Vec<f64> {
    let mut log = -mean;
    (0..=SIDE)
        .map(|count| {
            if count > 0 {
                log += (mean / real(count)).ln();
            }
            log.exp()
        })
        .collect()
}

/// The distribution of the sum of two counts, up to 1,000.
fn product(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; SIDE + 1];
    for (at, a) in a.iter().enumerate().filter(|(_, a)| **a > 0.0) {
        for (sum, b) in sum[at..].iter_mut().zip(b) {
            *sum += a * b;
        }
    }
    sum
}

/// The distribution of the sum of `times` counts.
fn power(one: &[f64], times: f64) -> Vec<f64> {
    let mut square = one.to_vec();
    let mut result = vec![0.0; SIDE + 1];
    result[0] = 1.0;
    let mut left = times;
    while left >= 1.0 {
        if left % 2.0 >= 1.0 {
            result = product(&result, &square);
        }
        left = (left / 2.0).floor();
        if left >= 1.0 {
            square = product(&square, &square);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::of;

    const CUTOFFS: [(f64, u32); 7] =
        [(7.9, 19), (7.5, 22), (6.0, 40), (4.3, 89), (2.0, 316), (0.9, 605), (0.5, 769)];

    #[test]
    fn the_cutoffs_are_those_the_reference_program_simulates() {
        // ea_restart 1.1.7 prints X_cutoff after 5,000,000 rounds.
        for (h, cutoff) in CUTOFFS {
            assert!(of(h).abs_diff(cutoff) <= 1, "{h}: {}", of(h));
        }
    }

    #[test]
    fn less_entropy_allows_more() {
        let cutoffs: Vec<_> = (1..80).map(|tenths| of(f64::from(tenths) / 10.0)).collect();
        assert!(cutoffs.is_sorted_by(|a, b| a >= b), "{cutoffs:?}");
        assert_eq!(of(0.01), 1000);
    }
}
