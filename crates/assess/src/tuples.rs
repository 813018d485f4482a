//! The t-tuple and LRS estimates (SP 800-90B §6.3.5 and §6.3.6), from the sorted suffixes.
//!
//! Equal tuples are neighbours among the sorted suffixes. A maximal group of c suffixes that share
//! l symbols, within a group that shares p < l, means that some tuple of each length in p+1..=l
//! occurs c times. One pass over the lengths shared by neighbours visits every such group once, so
//! the work does not grow with the length of the longest repeat.

mod keys;
mod repeats;
mod suffixes;

use crate::bound::{real, upper};
use crate::samples::Sequence;
use repeats::Repeats;

/// The least count of a tuple in the t-tuple estimate (SP 800-90B §6.3.5, step 1).
const OFTEN: u32 = 35;

/// Min-entropy per symbol by the t-tuple and by the LRS estimate. The first is `None` when no
/// symbol occurs 35 times, the second when every repeated tuple does.
pub(super) fn estimate(sequence: Sequence<'_>) -> (Option<f64>, Option<f64>) {
    let repeats = keys::repeats(sequence).unwrap_or_else(|| suffixes::repeats(sequence.symbols));
    from_repeats(&repeats, OFTEN, sequence.symbols.len())
}

/// The length of the longest tuple that occurs twice.
pub(super) fn longest_repeat(sequence: Sequence<'_>) -> usize {
    keys::repeats(sequence).unwrap_or_else(|| suffixes::repeats(sequence.symbols)).longest()
}

/// The estimates from the repeats in `len` symbols. A tuple is common if it occurs `enough` times.
fn from_repeats(repeats: &Repeats, enough: u32, len: usize) -> (Option<f64>, Option<f64>) {
    // The shortest length without a common tuple is one more. Longer tuples are never more common.
    let often = (1..=repeats.longest()).take_while(|t| repeats.most(*t) >= enough).count();
    let t_tuple = (1..=often)
        .map(|t| (f64::from(repeats.most(t)) / real(len - t + 1)).powf(1.0 / real(t)))
        .reduce(f64::max);
    let lrs = (often + 1..=repeats.longest())
        .map(|w| repeats.collisions(w, len).powf(1.0 / real(w)))
        .reduce(f64::max);
    [t_tuple, lrs].map(|p| p.map(|p| upper(p, len).log2().abs())).into()
}

#[cfg(test)]
mod tests;
