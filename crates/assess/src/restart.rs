//! Restart tests (SP 800-90B §3.1.4): whether samples taken right after a start are as good as
//! others, and whether one start resembles another.

mod cutoff;

use std::num::NonZeroUsize;

use crate::samples::Sequence;
use crate::{Estimator, Samples, estimator};

/// How often the source is started, and how many samples are taken each time (§3.1.4.1).
pub const SIDE: usize = 1000;

/// What the restart tests found, in bits of min-entropy a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Restarts {
    /// The initial estimate, `H_I`.
    pub initial: f64,
    /// The most often any symbol occurs in a row or in a column.
    pub most: u32,
    /// The most often it may.
    pub cutoff: u32,
    /// Each estimator's figures, for the rows one after the other and for the columns.
    pub figures: Vec<(Estimator, [Option<f64>; 2])>,
    /// The least figure for rows and for columns, `H_r` and `H_c`.
    pub least: [f64; 2],
}

/// Why restart data cannot be tested.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RestartError {
    /// Not a matrix.
    #[error("samples: {} are needed, {SIDE} from each of {SIDE} starts (got {samples})", SIDE * SIDE)]
    Size {
        /// How many there are.
        samples: usize,
    },
    /// An initial estimate that these samples cannot have.
    #[error(
        "initial estimate: must be above 0 and at most log2 of the {alphabet} symbols there are (got {initial})"
    )]
    Initial {
        /// The estimate.
        initial: f64,
        /// How many distinct symbols there are.
        alphabet: usize,
    },
}

impl Restarts {
    /// Whether no symbol is too common in a row or column (§3.1.4.3).
    #[must_use]
    pub fn is_sane(&self) -> bool {
        self.most <= self.cutoff
    }

    /// Whether the estimates for rows and columns are at least half the initial one (§3.1.4.2).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.is_sane() && self.least[0].min(self.least[1]) >= self.initial / 2.0
    }

    /// min(`H_r`, `H_c`, `H_I`), the min-entropy that may be claimed; none when a test failed.
    #[must_use]
    pub fn min_entropy(&self) -> Option<f64> {
        self.is_valid().then(|| self.least[0].min(self.least[1]).min(self.initial))
    }
}

/// Tests samples, [`SIDE`] of each start in turn, against the initial estimate. As in the reference
/// program the symbols are assessed, without their bitstring. `iid` says that the samples were found
/// independent: then only the most common value counts.
///
/// The cutoff is worked out exactly. The standard and the reference program simulate 5,000,000
/// rounds for it, and can differ by one where the distribution lets them.
///
/// # Errors
/// When the samples are no such matrix, or cannot have the initial estimate.
pub fn restarts(
    samples: &Samples,
    initial: f64,
    iid: bool,
    threads: NonZeroUsize,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Restarts, RestartError> {
    if samples.len() != SIDE * SIDE {
        return Err(RestartError::Size { samples: samples.len() });
    }
    let rows = samples.symbols();
    let alphabet = rows.alphabet;
    if !(initial > 0.0 && initial.exp2() <= crate::bound::real(alphabet) + 1e-9) {
        return Err(RestartError::Initial { initial, alphabet });
    }
    let transposed: Vec<u8> = (0..SIDE)
        .flat_map(|column| rows.symbols.iter().skip(column).step_by(SIDE).copied())
        .collect();
    let columns = Sequence { symbols: &transposed, alphabet };
    let mut figures = if iid {
        let sides = [rows, columns].map(|side| Some(crate::most_common::estimate(side)));
        vec![(Estimator::MostCommonValue, sides)]
    } else {
        estimator::figures([Some(rows), Some(columns)], threads, progress).to_vec()
    };
    figures.retain(|(_, sides)| *sides != [None; 2]);
    let least = [0, 1].map(|side| {
        let all = figures.iter().filter_map(|(_, sides)| sides[side]);
        all.fold(f64::from(samples.bits()), f64::min)
    });
    let most = most_common_in_a_line(rows).max(most_common_in_a_line(columns));
    Ok(Restarts { initial, most, cutoff: cutoff::of(initial), figures, least })
}

/// The most often any symbol occurs in a line of [`SIDE`].
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
