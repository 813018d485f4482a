//! Restart tests (SP 800-90B §3.1.4): are samples taken right after a start as good as others, and
//! are the starts independent of each other?

mod cutoff;

use std::num::NonZeroUsize;

use crate::bound::real;
use crate::estimator::Estimator;
use crate::samples::{Samples, Sequence};
use crate::{most_common, work};

pub use cutoff::RESTART_MATRIX_SIDE;

const SIDE: usize = RESTART_MATRIX_SIDE;

/// The results of the restart tests, in bits of min-entropy per sample.
#[derive(Debug, Clone, PartialEq)]
pub struct RestartTests {
    /// The initial estimate, `H_I`.
    pub initial: f64,
    /// The highest count of one symbol in a row or in a column.
    pub most: u32,
    /// The highest count that passes (§3.1.4.3).
    pub cutoff: u32,
    /// Each estimator's results, for the concatenated rows and for the concatenated columns.
    pub estimates: Vec<(Estimator, [Option<f64>; 2])>,
    /// The lowest estimate for rows and for columns, `H_r` and `H_c`.
    pub least: [f64; 2],
}

/// Why restart data cannot be tested.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RestartError {
    /// The samples are not a square matrix of the size needed.
    #[error("samples: {} are needed, {SIDE} from each of {SIDE} starts (got {samples})", SIDE * SIDE)]
    Size {
        /// The number of samples.
        samples: usize,
    },
    /// An initial estimate that is impossible for these samples.
    #[error(
        "initial estimate: must be above 0 and at most log2 of the {alphabet} distinct symbols (got {initial})"
    )]
    Initial {
        /// The estimate.
        initial: f64,
        /// The number of distinct symbols.
        alphabet: usize,
    },
}

impl RestartTests {
    /// The sanity check: no symbol is too common in a row or column (§3.1.4.3).
    #[must_use]
    pub fn is_sane(&self) -> bool {
        self.most <= self.cutoff
    }

    /// The validation test: the sanity check passes, and the estimates for rows and columns are at
    /// least half the initial one (§3.1.4.2).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.is_sane() && self.least[0].min(self.least[1]) >= self.initial / 2.0
    }

    /// min(`H_r`, `H_c`, `H_I`): the min-entropy that may be claimed. `None` when a test failed.
    #[must_use]
    pub fn min_entropy(&self) -> Option<f64> {
        self.is_valid().then(|| self.least[0].min(self.least[1]).min(self.initial))
    }
}

/// Tests restart data against the initial estimate, in bits per sample. The samples are those of
/// [`RESTART_MATRIX_SIDE`] starts, the same number from each, in order.
///
/// As in the reference program the symbols are assessed, without their bitstring. With `iid`, for
/// samples that passed [`test_iid`](crate::test_iid), only the most common value is estimated.
/// `threads` and `progress` are those of [`assess`](crate::assess).
///
/// The cutoff is computed exactly. The standard and the reference program simulate 5,000,000
/// rounds, and their result can differ by one.
///
/// # Errors
/// [`RestartError::Size`] unless there are 1,000 samples of each of 1,000 starts;
/// [`RestartError::Initial`] unless the initial estimate is above 0 and at most the logarithm of
/// the number of distinct symbols.
///
/// ```rust
/// use std::num::NonZeroUsize;
///
/// use lavawall_assess::{RESTART_MATRIX_SIDE, Samples, test_restarts};
///
/// # let mut state = 1_u64;
/// # let mut noise = move || {
/// #     state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
/// #     state
/// # };
/// let mut raw: Vec<u8> = (0..RESTART_MATRIX_SIDE * RESTART_MATRIX_SIDE)
///     .map(|_| (noise() >> 60) as u8)
///     .collect();
/// let threads = NonZeroUsize::MIN;
/// let samples = Samples::new(raw.clone(), Some(4))?;
/// assert!(test_restarts(&samples, 3.9, true, threads, &|_| ())?.is_valid());
///
/// // The first sample after each start is always the same.
/// raw.iter_mut().step_by(RESTART_MATRIX_SIDE).for_each(|first| *first = 9);
/// let samples = Samples::new(raw, Some(4))?;
/// let found = test_restarts(&samples, 3.9, true, threads, &|_| ())?;
/// assert_eq!((found.most, found.min_entropy()), (1000, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn test_restarts(
    samples: &Samples,
    initial: f64,
    iid: bool,
    threads: NonZeroUsize,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<RestartTests, RestartError> {
    if samples.len() != SIDE * SIDE {
        return Err(RestartError::Size { samples: samples.len() });
    }
    let rows = samples.symbols();
    let alphabet = rows.alphabet;
    if !(initial > 0.0 && initial.exp2() <= real(alphabet) + 1e-9) {
        return Err(RestartError::Initial { initial, alphabet });
    }
    let transposed: Vec<u8> = (0..SIDE)
        .flat_map(|column| rows.symbols.iter().skip(column).step_by(SIDE).copied())
        .collect();
    let columns = Sequence { symbols: &transposed, alphabet };
    let mut estimates = if iid {
        let sides = [rows, columns].map(|side| Some(most_common::estimate(side)));
        vec![(Estimator::MostCommonValue, sides)]
    } else {
        work::estimates([Some(rows), Some(columns)], threads, progress).to_vec()
    };
    estimates.retain(|(_, sides)| *sides != [None; 2]);
    let least = [0, 1].map(|side| {
        let all = estimates.iter().filter_map(|(_, sides)| sides[side]);
        all.fold(f64::from(samples.bits()), f64::min)
    });
    let most = most_common_in_a_line(rows).max(most_common_in_a_line(columns));
    Ok(RestartTests { initial, most, cutoff: cutoff::of(initial), estimates, least })
}

/// The highest count of one symbol in a line of [`SIDE`] symbols.
fn most_common_in_a_line(sequence: Sequence<'_>) -> u32 {
    let count = |line: &[u8]| {
        let mut counts = [0_u32; 256];
        for symbol in line {
            counts[usize::from(*symbol)] += 1;
        }
        counts.into_iter().max().unwrap_or(0)
    };
    sequence.symbols.chunks_exact(SIDE).map(count).max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
