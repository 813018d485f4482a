//! The assessment of samples that are not assumed to be independent (SP 800-90B §3.1.3).

use std::num::NonZeroUsize;

use crate::estimator::Estimator;
use crate::samples::Samples;
use crate::work;

/// The min-entropy of samples (SP 800-90B §3.1.3), without the submitter's claim `H_submitter`.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Number of samples.
    pub samples: usize,
    /// Bits per sample, 1 to 8.
    pub bits: u8,
    /// The result of each estimator, in the order of the standard.
    pub estimates: Vec<Estimate>,
}

/// The result of one estimator, in bits of min-entropy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The estimator.
    pub estimator: Estimator,
    /// Bits per symbol, for symbols of more than one bit. `None` where the estimator does not
    /// apply.
    pub literal: Option<f64>,
    /// Bits per bit of the bitstring, 0 to 1. `None` where the estimator does not apply.
    pub bitstring: Option<f64>,
}

impl Assessment {
    /// `H_original`: the lowest estimate for symbols, 0 to `bits`. `None` for samples of one bit,
    /// which are a bitstring.
    #[must_use]
    pub fn h_original(&self) -> Option<f64> {
        least(self.estimates.iter().filter_map(|estimate| estimate.literal), f64::from(self.bits))
    }

    /// `H_bitstring`: the lowest estimate for bits, 0 to 1. `None` when the samples have more than
    /// one bit but only two distinct values: the reference program then assesses the symbols
    /// alone, and applies the estimators for bits to them.
    #[must_use]
    pub fn h_bitstring(&self) -> Option<f64> {
        least(self.estimates.iter().filter_map(|estimate| estimate.bitstring), 1.0)
    }

    /// min(`H_original`, bits · `H_bitstring`): min-entropy in bits per sample, 0 to `bits`.
    #[must_use]
    pub fn min_entropy(&self) -> f64 {
        let bits = f64::from(self.bits);
        let by_bits = self.h_bitstring().map_or(bits, |h| h * bits);
        self.h_original().unwrap_or(bits).min(by_bits)
    }

    /// The estimate that sets [`Self::min_entropy`]: of equal estimates the first.
    #[must_use]
    pub fn decisive(&self) -> Estimate {
        let per_sample = |estimate: &Estimate| {
            let by_bits = estimate.bitstring.map_or(f64::INFINITY, |h| h * f64::from(self.bits));
            estimate.literal.unwrap_or(f64::INFINITY).min(by_bits)
        };
        *self
            .estimates
            .iter()
            .min_by(|a, b| per_sample(a).total_cmp(&per_sample(b)))
            .expect("an assessment has an estimate of each estimator")
    }
}

/// Assesses samples with all ten estimators (SP 800-90B §6.3).
///
/// It uses up to `threads` threads, including the caller's; the result does not depend on their
/// number. `progress` is called from any of these threads with the completed share of the work,
/// 0 to 1.
///
/// ```rust
/// use std::num::NonZeroUsize;
///
/// use lavawall_assess::{Estimator, Samples, assess};
///
/// # let mut state = 1_u64;
/// # let mut noise = move || {
/// #     state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
/// #     state
/// # };
/// // A biased coin: 1 with probability 1/4, so the min-entropy is -log2(3/4) = 0.415 bits.
/// let flips = (0..20_000).map(|_| u8::from(noise() >> 62 == 0)).collect();
/// let samples = Samples::new(flips, Some(1))?;
/// let found = assess(&samples, NonZeroUsize::MIN, &|_| ());
/// assert_eq!(found.estimates.len(), 10);
/// assert!(found.min_entropy() < 0.415);
///
/// let most_common = &found.estimates[0];
/// assert_eq!(most_common.estimator, Estimator::MostCommonValue);
/// assert!(most_common.bitstring.is_some_and(|h| h > 0.39));
/// # Ok::<(), lavawall_assess::SamplesError>(())
/// ```
#[must_use]
pub fn assess(
    samples: &Samples,
    threads: NonZeroUsize,
    progress: &(dyn Fn(f64) + Sync),
) -> Assessment {
    let sequences = [samples.literal(), samples.bitstring()];
    let estimates = work::estimates(sequences, threads, progress)
        .map(|(estimator, [literal, bitstring])| Estimate { estimator, literal, bitstring })
        .to_vec();
    Assessment { samples: samples.len(), bits: samples.bits(), estimates }
}

fn least(estimates: impl Iterator<Item = f64>, most: f64) -> Option<f64> {
    estimates.reduce(f64::min).map(|least| least.min(most))
}
