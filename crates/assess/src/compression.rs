//! The compression estimate (SP 800-90B §6.3.4), for bits: Maurer's universal statistic.

use crate::bisection;
use crate::bound::{Z_99, real};

/// Bits per block (b in the standard).
const BLOCK_BITS: usize = 6;

/// Number of values of a block.
const VALUES: usize = 1 << BLOCK_BITS;

/// Number of blocks that only fill the dictionary (d in the standard).
const DICTIONARY: usize = 1000;

/// The corrective factor of the deviation, for b = 6 (SP 800-90B §6.3.4, step 4).
const DEVIATION_FACTOR: f64 = 0.5907;

/// Terms below this are left out of a sum that starts near one: together they are below its last
/// digit.
const NEGLIGIBLE: f64 = 1e-25;

/// Min-entropy per bit, from the average distance between equal blocks. `None` below 1,001 blocks.
pub(super) fn estimate(bits: &[u8]) -> Option<f64> {
    estimate_after(DICTIONARY, bits)
}

/// As [`estimate`], with a dictionary of `dictionary` blocks.
pub(super) fn estimate_after(dictionary: usize, bits: &[u8]) -> Option<f64> {
    let blocks = bits.len() / BLOCK_BITS;
    if blocks <= dictionary {
        return None;
    }
    let tested = real(blocks - dictionary);
    let (sum, squares) = distances(dictionary, bits);
    let mean = sum / tested;
    let deviation = DEVIATION_FACTOR * (squares / (tested - 1.0) - mean * mean).sqrt();
    let lower = mean - Z_99 * deviation / tested.sqrt();
    let uniform = 1.0 / real(VALUES);
    let expected = |p| expected(p, dictionary, blocks);
    if expected(uniform) <= lower {
        return Some(1.0);
    }
    let p = bisection::falling(uniform, lower, expected);
    Some(if p > uniform { p.log2().abs() / real(BLOCK_BITS) } else { 1.0 })
}

/// The sums, over the tested blocks, of the logarithm of the distance to the last equal block, and
/// of its square.
fn distances(dictionary: usize, bits: &[u8]) -> (f64, f64) {
    let mut last = [0_usize; VALUES];
    let (mut sum, mut squares) = (Sum::default(), Sum::default());
    for (at, block) in bits.chunks_exact(BLOCK_BITS).enumerate() {
        let value = block.iter().fold(0, |value, bit| value << 1 | usize::from(*bit));
        if at >= dictionary {
            let distance = real(at + 1 - last[value]).log2();
            sum.add(distance);
            squares.add(distance * distance);
        }
        last[value] = at + 1;
    }
    (sum.total, squares.total)
}

/// The expected average when one value has probability p and the others share the rest.
fn expected(p: f64, dictionary: usize, blocks: usize) -> f64 {
    let others = real(VALUES - 1);
    g(p, dictionary, blocks) + others * g((1.0 - p) / others, dictionary, blocks)
}

/// G(z) = 1/v · Σ_{t=d+1}^{L} Σ_{u=1}^{t} log₂(u) · F(z, t, u), with F = z²(1−z)^{u−1} for u < t
/// and z(1−z)^{t−1} for u = t (SP 800-90B §6.3.4, step 6), as a single sum: the term of u occurs
/// min(L − u, L − d) times with z², once for each t > u, and once with z if u > d.
fn g(z: f64, dictionary: usize, blocks: usize) -> f64 {
    let (mut inner, mut last) = (Sum::default(), Sum::default());
    let mut power = 1.0 - z;
    for u in 2..=blocks {
        let term = real(u).log2() * power;
        inner.add(real((blocks - u).min(blocks - dictionary)) * term);
        if u > dictionary {
            last.add(term);
            if real(blocks) * term < NEGLIGIBLE {
                break;
            }
        }
        power *= 1.0 - z;
    }
    z * (z * inner.total + last.total) / real(blocks - dictionary)
}

/// A sum with Kahan's error compensation.
#[derive(Default)]
struct Sum {
    total: f64,
    error: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        let term = term - self.error;
        let total = self.total + term;
        self.error = (total - self.total) - term;
        self.total = total;
    }
}
