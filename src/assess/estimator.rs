//! The ten estimators by name, and what each applies to.

use std::fmt;

use crate::assess::samples::Sequence;
use crate::assess::{
    collision, compression, lag, lz78y, markov, most_common, multi_mcw, multi_mmc, tuples,
};

/// An estimator of SP 800-90B §6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Estimator {
    /// §6.3.1: how common the most common symbol is.
    MostCommonValue,
    /// §6.3.2: how soon a symbol repeats. For bits.
    Collision,
    /// §6.3.3: how much a symbol depends on the one before. For bits.
    Markov,
    /// §6.3.4: how well the sequence compresses. For bits.
    Compression,
    /// §6.3.5: how common the most common tuples are.
    TTuple,
    /// §6.3.6: how often long substrings repeat.
    Lrs,
    /// §6.3.7: how well the most common symbols of four windows predict.
    MultiMcw,
    /// §6.3.8: how well a symbol up to 128 back predicts.
    Lag,
    /// §6.3.9: how well Markov models of up to 16 symbols predict.
    MultiMmc,
    /// §6.3.10: how well a dictionary of past strings predicts.
    Lz78y,
}

impl Estimator {
    /// All of them, in the order of the standard.
    pub const ALL: [Self; 10] = [
        Self::MostCommonValue,
        Self::Collision,
        Self::Markov,
        Self::Compression,
        Self::TTuple,
        Self::Lrs,
        Self::MultiMcw,
        Self::Lag,
        Self::MultiMmc,
        Self::Lz78y,
    ];

    /// The name used in output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MostCommonValue => "most-common-value",
            Self::Collision => "collision",
            Self::Markov => "markov",
            Self::Compression => "compression",
            Self::TTuple => "t-tuple",
            Self::Lrs => "lrs",
            Self::MultiMcw => "multi-mcw",
            Self::Lag => "lag",
            Self::MultiMmc => "multi-mmc",
            Self::Lz78y => "lz78y",
        }
    }
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A piece of work: the estimators that are cheapest together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// t-tuple and LRS share a suffix array.
    Tuples,
    /// All that make one or two passes over the symbols.
    Simple,
    MultiMcw,
    Lag,
    MultiMmc,
    Lz78y,
}

impl Work {
    /// All of it, the longest first, so that two threads end at about the same time.
    pub(super) const ALL: [Self; 6] =
        [Self::Tuples, Self::MultiMmc, Self::MultiMcw, Self::Lag, Self::Lz78y, Self::Simple];

    /// About how long it takes, in nanoseconds a symbol: for the progress bar.
    pub(super) fn cost(self) -> f64 {
        match self {
            Self::Tuples => 90.0,
            Self::MultiMmc => 60.0,
            Self::Lag => 15.0,
            Self::MultiMcw | Self::Lz78y | Self::Simple => 10.0,
        }
    }

    /// The min-entropy of one symbol by each estimator of this piece that applies.
    pub(super) fn run(self, sequence: Sequence<'_>) -> Vec<(Estimator, Option<f64>)> {
        match self {
            Self::Tuples => {
                let (t_tuple, lrs) = tuples::estimate(sequence);
                vec![(Estimator::TTuple, t_tuple), (Estimator::Lrs, lrs)]
            }
            Self::Simple => simple(sequence),
            Self::MultiMcw => vec![(Estimator::MultiMcw, Some(multi_mcw::estimate(sequence)))],
            Self::Lag => vec![(Estimator::Lag, Some(lag::estimate(sequence)))],
            Self::MultiMmc => vec![(Estimator::MultiMmc, Some(multi_mmc::estimate(sequence)))],
            Self::Lz78y => vec![(Estimator::Lz78y, Some(lz78y::estimate(sequence)))],
        }
    }
}

fn simple(sequence: Sequence<'_>) -> Vec<(Estimator, Option<f64>)> {
    let mut found = vec![(Estimator::MostCommonValue, Some(most_common::estimate(sequence)))];
    if sequence.is_binary() {
        found.extend([
            (Estimator::Collision, Some(collision::estimate(sequence.symbols))),
            (Estimator::Markov, Some(markov::estimate(sequence.symbols))),
            (Estimator::Compression, compression::estimate(sequence.symbols)),
        ]);
    }
    found
}
