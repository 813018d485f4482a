//! Runs the estimators that apply, on several threads.

use std::num::NonZeroUsize;

use parking_lot::Mutex;

use crate::bound::real;
use crate::estimator::Estimator;
use crate::samples::Sequence;
use crate::{
    collision, compression, lag, lz78y, markov, most_common, multi_mcw, multi_mmc, parallel, tuples,
};

/// The min-entropy per symbol of every estimator that applies, for up to two sequences. The result
/// does not depend on the number of threads.
pub(super) fn estimates(
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
        let mut done = done.lock();
        *done += task.cost();
        progress(*done / total);
    });
    let mut estimates = Estimator::ALL.map(|estimator| (estimator, [None; 2]));
    for (task, found) in tasks.iter().zip(results) {
        for (estimator, h) in found {
            estimates[estimator as usize].1[task.side] = h;
        }
    }
    estimates
}

/// Estimators that run together because they share work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// t-tuple and LRS: they share the sorted suffixes.
    Tuples,
    /// All estimators of one or two passes over the symbols.
    Simple,
    MultiMcw,
    Lag,
    MultiMmc,
    Lz78y,
}

impl Work {
    /// All of them, the longest first, so that two threads finish at about the same time.
    const ALL: [Self; 6] =
        [Self::Tuples, Self::MultiMmc, Self::MultiMcw, Self::Lag, Self::Lz78y, Self::Simple];

    /// Approximate time in nanoseconds per symbol, for the progress.
    fn cost(self) -> f64 {
        match self {
            Self::Tuples => 90.0,
            Self::MultiMmc => 60.0,
            Self::Lag => 15.0,
            Self::MultiMcw | Self::Lz78y | Self::Simple => 10.0,
        }
    }

    /// The min-entropy per symbol of each estimator in this group that applies.
    fn run(self, sequence: Sequence<'_>) -> Vec<(Estimator, Option<f64>)> {
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

/// One group of estimators on one sequence.
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
