//! The upper confidence bound of a probability. Every estimator uses it in place of the observed
//! probability.

/// The standard normal quantile at 0.995, for a two-sided interval of 99 % (SP 800-90B §6.3.1,
/// step 2).
pub(super) const Z_99: f64 = 2.575_829_303_548_901;

/// min(1, p + Z · √(p(1 − p)/(n − 1))) for a probability p observed in n trials.
pub(super) fn upper(p: f64, n: usize) -> f64 {
    (p + Z_99 * (p * (1.0 - p) / (real(n) - 1.0)).sqrt()).min(1.0)
}

/// A count as a real number.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
pub(super) fn real(count: usize) -> f64 {
    count as f64
}
