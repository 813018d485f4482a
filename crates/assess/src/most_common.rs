//! The most common value estimate (SP 800-90B §6.3.1).

use crate::bound::{real, upper};
use crate::samples::Sequence;

/// −log₂ of the upper bound of the most common symbol's share.
pub(super) fn estimate(sequence: Sequence<'_>) -> f64 {
    let mut counts = [0_usize; 256];
    for &symbol in sequence.symbols {
        counts[usize::from(symbol)] += 1;
    }
    let most = counts.into_iter().max().expect("there are 256 counts");
    let len = sequence.symbols.len();
    // The absolute value, because −log₂ 1 is a negative zero.
    upper(real(most) / real(len), len).log2().abs()
}
