//! Cutoffs of the two continuous tests, computed from min-entropy and false-alarm probability.

/// Number of raw symbols that must pass before a source is credited (SP 800-90B §4.3, requirement
/// 9).
pub const START_UP_SYMBOLS: u32 = 1024;

/// The usual false-alarm probability of one test at one symbol, 2⁻²⁰ (SP 800-90B §4.4.1).
pub const ALPHA_USUAL: Alpha = Alpha(20);

/// The smallest false-alarm probability SP 800-90B allows for, 2⁻⁴⁰: for sources so fast that the
/// usual one would raise a false alarm every week.
pub const ALPHA_FAST: Alpha = Alpha(40);

/// APT window for symbols of more than one bit (SP 800-90B §4.4.2).
pub const WINDOW: u32 = 512;

/// APT window for binary symbols (SP 800-90B §4.4.2).
pub const WINDOW_BINARY: u32 = 1024;

/// The least min-entropy that can be claimed of a symbol, in bits. For less, so many equal symbols
/// would have to pass before an alarm that a stuck device would be credited for hours.
pub const LEAST_H: f64 = 0.01;

/// How [`repetition_cutoff`] computes.
pub(crate) const REPETITION_FORMULA: &str = "1 + ⌈a / H⌉";

/// How [`adaptive_cutoff`] computes.
pub(crate) const ADAPTIVE_FORMULA: &str = "2 + qbinom(1 − 2⁻ᵃ, W − 1, 2⁻ᴴ)";

/// A false-alarm probability, as the exponent `a` of 2⁻ᵃ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alpha(pub u32);

impl Alpha {
    /// The persistent level's probability: that of two independent intermittent alarms.
    #[must_use]
    pub fn squared(self) -> Self {
        Self(self.0 * 2)
    }

    fn probability(self) -> f64 {
        (-f64::from(self.0)).exp2()
    }
}

/// The RCT cutoff C = 1 + ⌈a / H⌉, with α = 2⁻ᵃ and H bits of min-entropy per symbol
/// (SP 800-90B §4.4.1). That many equal symbols in a row raise an alarm. Less than [`LEAST_H`]
/// counts as that.
///
/// ```rust
/// use lavawall_entropy::{ALPHA_USUAL, RepetitionCount, repetition_cutoff};
///
/// let cutoff = repetition_cutoff(4.0, ALPHA_USUAL);
/// assert_eq!(cutoff, 6);
/// let mut test = RepetitionCount::new(cutoff);
/// assert!((0..5).all(|_| test.push(7).is_none()));
/// assert_eq!(test.push(7), Some(6));
/// ```
#[must_use]
pub fn repetition_cutoff(h: f64, alpha: Alpha) -> u32 {
    let repeats = (f64::from(alpha.0) / h.max(LEAST_H)).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "H is at least 0.01 and a at most 80, so this is a small positive integer"
    )]
    let repeats = repeats as u32;
    repeats + 1
}

/// The APT cutoff C = 2 + qbinom(1 − α, W − 1, 2⁻ᴴ): that many symbols equal to the first of a
/// window of W raise an alarm.
///
/// This is the corrected form (UL's comment 10b on SP 800-90B §4.4.2, used by jitterentropy): the
/// window's first symbol matches itself, so only W − 1 are random, and the published
/// 1 + CRITBINOM(W, …) is one too low in places.
///
/// At most W: a window of equal symbols always fails. Where that would be more probable than α, the
/// window is too small for the claim: see [`adaptive_window`].
///
/// ```rust
/// use lavawall_entropy::{ALPHA_USUAL, WINDOW, WINDOW_BINARY, adaptive_cutoff};
///
/// assert_eq!(adaptive_cutoff(4.0, WINDOW, ALPHA_USUAL), 63);
/// assert_eq!(adaptive_cutoff(0.5, WINDOW_BINARY, ALPHA_USUAL), 793);
/// ```
#[must_use]
pub fn adaptive_cutoff(h: f64, window: u32, alpha: Alpha) -> u32 {
    uncapped_cutoff(h, window, alpha).min(window)
}

/// The window of the APT for H bits per symbol: `least` symbols, doubled until a window of equal
/// symbols has odds of at most α, so that the cutoff can be reached. Less than [`LEAST_H`] counts as
/// that.
///
/// ```rust
/// use lavawall_entropy::{ALPHA_FAST, WINDOW, adaptive_cutoff, adaptive_window};
///
/// assert_eq!(adaptive_window(1.0, WINDOW, ALPHA_FAST.squared()), 512);
/// let window = adaptive_window(0.15, WINDOW, ALPHA_FAST.squared());
/// assert_eq!(window, 1024, "512 equal symbols are more probable than 2^-80");
/// assert!(adaptive_cutoff(0.15, window, ALPHA_FAST.squared()) <= window);
/// ```
#[must_use]
pub fn adaptive_window(h: f64, least: u32, alpha: Alpha) -> u32 {
    let h = h.max(LEAST_H);
    let mut window = least;
    while uncapped_cutoff(h, window, alpha) > window {
        window *= 2;
    }
    window
}

fn uncapped_cutoff(h: f64, window: u32, alpha: Alpha) -> u32 {
    2 + upper_quantile(window - 1, (-h.max(0.0)).exp2(), alpha.probability())
}

/// The least k with P(X > k) ≤ tail for X ~ Binomial(n, p).
///
/// Summed from the far tail inwards, small terms first, so that no precision is lost at tails of
/// 2⁻⁸⁰ where 1 − CDF would be rounding noise.
fn upper_quantile(n: u32, p: f64, tail: f64) -> u32 {
    if p >= 1.0 {
        return n;
    }
    let mut beyond = 0.0;
    let mut log_term = f64::from(n) * p.ln();
    for k in (1..=n).rev() {
        beyond += log_term.exp();
        if beyond > tail {
            return k;
        }
        // P(k−1) / P(k) = k / (n−k+1) · (1−p) / p
        log_term += (f64::from(k) / f64::from(n - k + 1)).ln() + (1.0 - p).ln() - p.ln();
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_that_is_as_likely_as_asked_for_is_not_beyond_it() {
        // P(X > 0) = 1/2 for one throw of a coin, and P(X > 1) = 1/4 for two.
        assert_eq!(upper_quantile(1, 0.5, 0.5), 0);
        assert_eq!(upper_quantile(1, 0.5, 0.49), 1);
        assert_eq!(upper_quantile(2, 0.5, 0.25), 1);
        assert_eq!(upper_quantile(2, 0.5, 0.24), 2);
    }

    #[test]
    fn the_cutoffs_are_those_of_the_published_tables() {
        // (a, H, RCT, APT 512, APT 1024), corrected form: jitterentropy's tables and 80-digit
        // arithmetic.
        for (a, h, rct, narrow, wide) in [
            (20, 0.5, 41, Some(411), Some(793)),
            (20, 1.0, 21, Some(311), Some(590)),
            (20, 2.0, 11, Some(178), None),
            (20, 4.0, 6, Some(63), None),
            (20, 8.0, 4, Some(14), None),
            (30, 0.5, 61, Some(422), Some(810)),
            (30, 1.0, 31, Some(325), Some(609)),
            (40, 1.0, 41, Some(337), Some(626)),
        ] {
            assert_eq!(repetition_cutoff(h, Alpha(a)), rct, "RCT at 2^-{a}, H {h}");
            if let Some(narrow) = narrow {
                assert_eq!(
                    adaptive_cutoff(h, WINDOW, Alpha(a)),
                    narrow,
                    "APT 512 at 2^-{a}, H {h}"
                );
            }
            if let Some(wide) = wide {
                assert_eq!(
                    adaptive_cutoff(h, WINDOW_BINARY, Alpha(a)),
                    wide,
                    "APT 1024 at 2^-{a}, H {h}"
                );
            }
        }
    }

    #[test]
    fn every_claim_and_level_has_a_window_in_which_its_cutoff_can_be_reached() {
        for alpha in [ALPHA_USUAL, ALPHA_FAST, ALPHA_FAST.squared()] {
            for h in [LEAST_H, 0.02, 0.078, 0.1, 0.15, 0.5, 1.0, 8.0] {
                for least in [WINDOW, WINDOW_BINARY] {
                    let window = adaptive_window(h, least, alpha);
                    let cutoff = adaptive_cutoff(h, window, alpha);
                    assert!(cutoff <= window, "{cutoff} of {window} at {h}");
                    let probability = (-h * f64::from(cutoff - 1)).exp2();
                    assert!(cutoff < window || probability <= alpha.probability(), "at {h}");
                }
            }
        }
    }

    #[test]
    fn a_window_is_doubled_only_where_a_full_one_is_more_probable_than_the_level() {
        // 511 symbols equal to the first: 2^-20.4 at 0.04 bits, 2^-19.9 at 0.039.
        assert_eq!(adaptive_window(0.04, WINDOW, ALPHA_USUAL), WINDOW);
        assert_eq!(adaptive_cutoff(0.04, WINDOW, ALPHA_USUAL), WINDOW);
        assert_eq!(adaptive_window(0.039, WINDOW, ALPHA_USUAL), 2 * WINDOW);
    }

    #[test]
    fn less_than_the_least_claim_is_watched_like_the_least_claim() {
        for h in [0.0, -1.0, f64::NAN, LEAST_H / 2.0] {
            assert_eq!(repetition_cutoff(h, ALPHA_USUAL), 2001);
            assert_eq!(adaptive_window(h, WINDOW, ALPHA_USUAL), 2048);
        }
        assert_eq!(adaptive_cutoff(0.0, WINDOW, ALPHA_USUAL), WINDOW, "a full window fails");
    }
}
