//! The upper tail of the chi-square distribution.

/// A series ends at a term below this share of the sum.
const PRECISION: f64 = 1e-16;

/// The probability that a chi-square variable of `degrees` degrees of freedom is `x` or more:
/// Q(degrees/2, x/2), the regularised upper incomplete gamma function. 1 for zero degrees of
/// freedom, where there is nothing to test.
pub(super) fn tail(x: f64, degrees: f64) -> f64 {
    let (a, x) = (degrees / 2.0, x / 2.0);
    if a <= 0.0 || x <= 0.0 {
        return 1.0;
    }
    let scale = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 { 1.0 - scale * series(a, x) } else { scale * fraction(a, x) }
}

/// Σ xⁿ/(a(a+1)…(a+n)) (DLMF 8.11.4).
fn series(a: f64, x: f64) -> f64 {
    let mut term = 1.0 / a;
    let mut sum = term;
    let mut n = a;
    while term > sum * PRECISION {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    sum
}

/// 1/(x + 1 − a − 1(1 − a)/(x + 3 − a − …)) (DLMF 8.9.2), by Lentz's method.
fn fraction(a: f64, x: f64) -> f64 {
    let mut denominator = x + 1.0 - a;
    let (mut above, mut below) = (f64::INFINITY, 1.0 / denominator);
    let mut value = below;
    let mut step = 0.0;
    loop {
        step += 1.0;
        let numerator = step * (a - step);
        denominator += 2.0;
        below = 1.0 / (denominator + numerator * below);
        above = denominator + numerator / above;
        value *= above * below;
        if (above * below - 1.0).abs() <= f64::EPSILON {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tail;

    #[test]
    fn the_tail_is_that_of_published_tables() {
        // The 5 % and 0.1 % points of NIST's Engineering Statistics Handbook, 1.3.6.7.4.
        for (degrees, x, p) in [
            (1.0, 3.841, 0.05),
            (1.0, 10.828, 0.001),
            (9.0, 16.919, 0.05),
            (9.0, 27.877, 0.001),
            (100.0, 124.342, 0.05),
            (100.0, 149.449, 0.001),
        ] {
            assert!((tail(x, degrees) - p).abs() < p * 2e-3, "{degrees} {x}: {}", tail(x, degrees));
        }
    }

    #[test]
    fn two_degrees_of_freedom_are_exponential() {
        for x in [0.1, 1.0, 3.9, 4.1, 50.0] {
            assert!((tail(x, 2.0) - (-x / 2.0_f64).exp()).abs() < 1e-14, "{x}");
        }
    }

    #[test]
    fn nothing_to_test_passes() {
        assert!((tail(0.0, 5.0) - 1.0).abs() < 1e-15 && (tail(5.0, 0.0) - 1.0).abs() < 1e-15);
    }
}
