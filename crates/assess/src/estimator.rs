//! The ten estimators by name, and what each applies to.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use crate::bound::real;
use crate::samples::Sequence;
use crate::{
    collision, compression, lag, lz78y, markov, most_common, multi_mcw, multi_mmc, parallel, tuples,
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

/// The figures of every estimator that applies, for up to two sequences. The results do not depend
/// on the number of threads.
pub(super) fn figures(
    sequences: [Option<Sequence<'_>>; 2],
    threads: NonZeroUsize,
    progress: &(dyn Fn(f64) + Sync),
) -> [(Estimator, [Option<f64>; 2]); 10] {
    let mut tasks = Vec::new();
    for (side, sequence) in sequences.into_iter().enumerate() {
        let Some(sequence) = sequence else { continue };
        tasks.extend(Work::ALL.map(|work| Task { work, sequence, side }));
    }
    tasks.sort_by(|a, b| b.cost().total_cmp(&a.cost()));
    let total: f64 = tasks.iter().map(Task::cost).sum();
    let done = Mutex::new(0.0);
    let results = parallel::map(threads, &tasks, &|task| task.work.run(task.sequence), &|task| {
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += task.cost();
        progress(*done / total);
    });
    let mut figures = Estimator::ALL.map(|estimator| (estimator, [None; 2]));
    for (task, found) in tasks.iter().zip(results) {
        for (estimator, h) in found {
            figures[estimator as usize].1[task.side] = h;
        }
    }
    figures
}

/// One piece of work on one sequence.
struct Task<'a> {
    work: Work,
    sequence: Sequence<'a>,
    side: usize,
}

impl Task<'_> {
    fn cost(&self) -> f64 {
        self.work.cost() * real(self.sequence.symbols.len())
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
