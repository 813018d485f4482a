//! Bisection: the probability at which a decreasing function takes a given value.

/// Two values are equal within this many units in the last place, as in the reference program.
const ULPS: u64 = 4;

/// The p in `low..=1` at which the decreasing function `f` equals `target`.
///
/// It stops where the reference program stops: at a value within four units in the last place, when
/// no number is left between the bounds, or where `f` does not decrease. In the last two cases the
/// result is the upper bound.
pub(super) fn falling(low: f64, target: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (mut lower, mut upper) = (low, 1.0);
    let (mut most, mut least) = (f64::INFINITY, f64::NEG_INFINITY);
    loop {
        let p = f64::midpoint(lower, upper);
        if !(lower < p && p < upper) {
            return upper;
        }
        let value = f(p);
        if !(least <= value && value <= most) {
            return upper;
        }
        if is_equal(value, target) {
            return p;
        }
        if target < value {
            (lower, most) = (p, value);
        } else {
            (upper, least) = (p, value);
        }
    }
}

/// Whether two numbers of one sign are within [`ULPS`].
fn is_equal(a: f64, b: f64) -> bool {
    a.signum() == b.signum() && a.abs().to_bits().abs_diff(b.abs().to_bits()) <= ULPS
}

#[cfg(test)]
mod tests {
    use super::falling;

    #[test]
    fn the_root_of_a_falling_function_is_found() {
        assert!((falling(0.0, 0.25, |p| 1.0 - p) - 0.75).abs() < 1e-15);
    }

    #[test]
    fn a_value_above_the_function_everywhere_leaves_the_lower_end() {
        assert!((falling(0.5, 2.0, |p| 1.0 - p) - 0.5).abs() < 1e-15);
    }

    #[test]
    fn a_function_that_is_no_number_leaves_the_upper_end() {
        assert!((falling(0.0, 0.25, |_| f64::NAN) - 1.0).abs() < 1e-15);
    }
}
