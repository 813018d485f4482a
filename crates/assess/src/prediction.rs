//! Min-entropy from the hits of a predictor (the last steps of SP 800-90B §6.3.7 to §6.3.10).

use crate::bisection;
use crate::bound::{real, upper};

/// The confidence in the longest run of correct predictions (SP 800-90B §6.3.7).
const ALPHA: f64 = 0.99;

/// The precision of the reference program's long double, 2⁻⁶³.
const PRECISION: f64 = f64::EPSILON / 2048.0;

/// Iterations for x, as in the reference program.
const STEPS: usize = 66;

/// Counts correct predictions and their longest run.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tally {
    correct: usize,
    run: usize,
    longest: usize,
}

impl Tally {
    /// Counts one prediction.
    #[inline]
    pub(super) fn count(&mut self, is_correct: bool) {
        self.correct += usize::from(is_correct);
        self.run = if is_correct { self.run + 1 } else { 0 };
        self.longest = self.longest.max(self.run);
    }

    /// Min-entropy per symbol of an alphabet of `alphabet` symbols, after `predictions`: from the
    /// greater of the upper bound on the share of correct predictions and the probability that
    /// explains their longest run.
    pub(super) fn estimate(&self, predictions: usize, alphabet: usize) -> f64 {
        let share = real(self.correct) / real(predictions);
        let global = if self.correct > 0 {
            upper(share, predictions)
        } else {
            1.0 - 0.01_f64.powf(1.0 / real(predictions))
        };
        let p = global.max(1.0 / real(alphabet));
        let run = self.longest + 1;
        let log_no_run = |p| log_no_run(p, run, predictions);
        // Only a p above the bound matters, so the search starts there.
        let p = if p < 1.0 && log_no_run(p) > ALPHA.ln() {
            p.max(bisection::falling(p, ALPHA.ln(), log_no_run))
        } else {
            p
        };
        p.log2().abs()
    }
}

/// The logarithm of the probability that N predictions, each correct with probability p, have no
/// run of r correct ones (Feller): ln((1 − px) / ((r + 1 − rx)q)) − (N + 1) ln x, where x is the
/// root of x = 1 + q pʳ xʳ⁺¹ next to one.
///
/// It is computed with y = x − 1, to keep the digits where x is almost one.
fn log_no_run(p: f64, run: usize, predictions: usize) -> f64 {
    let (r, q) = (real(run), 1.0 - p);
    let log_first = q.ln() + r * p.ln();
    let (mut y, mut before) = (0.0_f64, -1.0);
    for _ in 0..STEPS {
        if y - before <= PRECISION * (1.0 + y) {
            break;
        }
        before = y;
        y = (log_first + (r + 1.0) * y.ln_1p()).exp();
    }
    // 1 − px = q − py; beyond the other root, at y = q/p, the probability is zero.
    let rest = p * y / q;
    if rest >= 1.0 {
        return f64::NEG_INFINITY;
    }
    (-rest).ln_1p() - (-r * y).ln_1p() - (real(predictions) + 1.0) * y.ln_1p()
}
