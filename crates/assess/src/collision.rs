//! The collision estimate (SP 800-90B §6.3.2), for bits.

use crate::bound::{Z_99, real};

/// Min-entropy per bit, from the average number of bits until one repeats.
///
/// Step 7 of the standard searches for p numerically. The reference program solves the equation,
/// which for bits is X̄' = −2p² + 2p + 2; so does this function. A bound of 2.5 or more has no
/// solution and means full entropy.
pub(super) fn estimate(bits: &[u8]) -> f64 {
    let (mut twos, mut threes, mut at) = (0, 0, 0);
    while at + 2 < bits.len() {
        let differ = usize::from(bits[at] ^ bits[at + 1]);
        twos += 1 - differ;
        threes += differ;
        at += 2 + differ;
    }
    // The last pair has no third bit: it counts only if its bits are equal.
    if at + 1 < bits.len() && bits[at] == bits[at + 1] {
        twos += 1;
        at += 2;
    }
    let collisions = real(twos + threes);
    let mean = real(at) / collisions;
    let squares = real(4 * twos + 9 * threes);
    let deviation = ((squares - real(at) * mean) / (collisions - 1.0)).sqrt();
    // A collision takes at least two bits.
    let lower = (mean - Z_99 * deviation / collisions.sqrt()).max(2.0);
    if lower < 2.5 { (0.5 + (1.25 - 0.5 * lower).sqrt()).log2().abs() } else { 1.0 }
}
