//! The Markov estimate (SP 800-90B §6.3.3), for bits.

use crate::bound::real;

/// The length of the sequence whose probability is bounded, in bits.
const LENGTH: f64 = 128.0;

/// The probability of the likeliest 128 bits of a first-order Markov chain: one of the six
/// sequences 0…0, 01…01, 01…1, 10…0, 10…10 and 1…1.
///
/// The standard's step 1 counts all bits for the first probability and all but the last for the
/// transitions; so does the reference program.
pub(super) fn estimate(bits: &[u8]) -> f64 {
    let mut pairs = [0_usize; 4];
    for pair in bits.windows(2) {
        pairs[usize::from(pair[0] << 1 | pair[1])] += 1;
    }
    let zeros = pairs[0] + pairs[1] + usize::from(bits[bits.len() - 1] == 0);
    let p0 = real(zeros) / real(bits.len());
    let p1 = 1.0 - p0;
    let [p00, p01] = transitions(pairs[0], pairs[1]);
    let [p10, p11] = transitions(pairs[2], pairs[3]);
    // The probability of the first bit; each transition's probability and number.
    let sequences = [
        (p0, [(p00, 127.0), (1.0, 0.0)]),
        (p0, [(p01, 64.0), (p10, 63.0)]),
        (p0, [(p01, 1.0), (p11, 126.0)]),
        (p1, [(p10, 1.0), (p00, 126.0)]),
        (p1, [(p10, 64.0), (p01, 63.0)]),
        (p1, [(p11, 127.0), (1.0, 0.0)]),
    ];
    let least = sequences
        .into_iter()
        .filter(|(_, steps)| steps.iter().all(|(p, _)| *p > 0.0))
        .map(|(first, steps)| {
            steps.iter().fold(-first.log2(), |sum, (p, times)| sum - times * p.log2())
        })
        .fold(LENGTH, f64::min);
    (least / LENGTH).min(1.0)
}

/// The transition probabilities to 0 and to 1, from their counts after one bit.
fn transitions(zeros: usize, ones: usize) -> [f64; 2] {
    if zeros + ones == 0 {
        return [0.0, 0.0];
    }
    let p = real(zeros) / real(zeros + ones);
    [p, 1.0 - p]
}
