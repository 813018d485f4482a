#![doc = include_str!("../README.md")]

mod bound;
mod collision;
mod compression;
pub mod conditioning;
mod contexts;
mod estimator;
pub mod iid;
mod lag;
mod lz78y;
mod markov;
mod most_common;
mod multi_mcw;
mod multi_mmc;
mod parallel;
mod prediction;
pub mod restart;
mod samples;
mod search;
mod table;
mod tuples;

use std::num::NonZeroUsize;

pub use estimator::Estimator;
pub use samples::{LEAST_SAMPLES, MOST_BITS, Samples, SamplesError, WANTED_SAMPLES};

/// The min-entropy of a noise source's samples (SP 800-90B §3.1.3), without the submitter's claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// How many samples were assessed.
    pub samples: usize,
    /// Bits a sample, 1 to 8.
    pub bits: u8,
    /// What each estimator found, in the order of the standard.
    pub figures: Vec<Figure>,
}

/// What one estimator found, in bits of min-entropy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The estimator.
    pub estimator: Estimator,
    /// For one symbol of more than one bit; none where the estimator does not apply.
    pub literal: Option<f64>,
    /// For one bit, from 0 to 1; none where the estimator does not apply.
    pub bitstring: Option<f64>,
}

impl Assessment {
    /// `H_original`, the least of the figures for symbols, from 0 to `bits`. None for samples of
    /// one bit: they are a bitstring.
    #[must_use]
    pub fn h_original(&self) -> Option<f64> {
        least(self.figures.iter().filter_map(|figure| figure.literal), f64::from(self.bits))
    }

    /// `H_bitstring`, the least of the figures for bits, from 0 to 1. None when the samples have
    /// more than one bit but only two distinct values: the reference program then assesses the
    /// symbols alone, with the estimators for bits among them.
    #[must_use]
    pub fn h_bitstring(&self) -> Option<f64> {
        least(self.figures.iter().filter_map(|figure| figure.bitstring), 1.0)
    }

    /// min(`H_original`, bits · `H_bitstring`): min-entropy in bits a sample, from 0 to `bits`.
    #[must_use]
    pub fn min_entropy(&self) -> f64 {
        let bits = f64::from(self.bits);
        let by_bits = self.h_bitstring().map_or(bits, |h| h * bits);
        self.h_original().unwrap_or(bits).min(by_bits)
    }

    /// The figure that decides [`Self::min_entropy`]. Of equal ones the first, symbols before bits.
    #[must_use]
    pub fn decisive(&self) -> Figure {
        let worth = |figure: &Figure| {
            let by_bits = figure.bitstring.map_or(f64::INFINITY, |h| h * f64::from(self.bits));
            figure.literal.unwrap_or(f64::INFINITY).min(by_bits)
        };
        *self
            .figures
            .iter()
            .min_by(|a, b| worth(a).total_cmp(&worth(b)))
            .expect("an assessment has a figure for each estimator")
    }
}

/// Assesses samples with all ten estimators on up to `threads` threads, the caller's among them.
/// The figures do not depend on their number. `progress` hears, from any of the threads, which
/// share of the work is done, from 0 to 1.
#[must_use]
pub fn assess(
    samples: &Samples,
    threads: NonZeroUsize,
    progress: &(dyn Fn(f64) + Sync),
) -> Assessment {
    let sequences = [samples.literal(), samples.bitstring()];
    let figures = estimator::figures(sequences, threads, progress);
    let figures =
        figures.map(|(estimator, [literal, bitstring])| Figure { estimator, literal, bitstring });
    Assessment { samples: samples.len(), bits: samples.bits(), figures: figures.to_vec() }
}

fn least(figures: impl Iterator<Item = f64>, most: f64) -> Option<f64> {
    figures.reduce(f64::min).map(|least| least.min(most))
}

#[cfg(test)]
mod tests;
