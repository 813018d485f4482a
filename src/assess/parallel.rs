//! The one place of this module with threads: pieces of work in a queue, and results put in order.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::assess::bound::real;
use crate::assess::estimator::Work;
use crate::assess::samples::Sequence;
use crate::assess::{Assessment, Estimator, Figure, Samples};

/// One piece of work on one sequence.
#[derive(Clone, Copy)]
struct Task<'a> {
    work: Work,
    sequence: Sequence<'a>,
    is_literal: bool,
}

impl Task<'_> {
    fn cost(&self) -> f64 {
        self.work.cost() * real(self.sequence.symbols.len())
    }
}

/// The pieces still to be taken, and what the finished ones found.
struct Board<'a> {
    tasks: Vec<Task<'a>>,
    next: AtomicUsize,
    finished: Mutex<Finished>,
}

#[derive(Default)]
struct Finished {
    cost: f64,
    found: Vec<(Estimator, bool, f64)>,
}

/// Runs every estimator that applies, and blocks until all are done.
pub(super) fn run(
    samples: &Samples,
    threads: NonZeroUsize,
    progress: &(dyn Fn(f64) + Sync),
) -> Assessment {
    let board =
        Board { tasks: tasks(samples), next: AtomicUsize::new(0), finished: Mutex::default() };
    thread::scope(|scope| {
        for _ in 1..threads.get().min(board.tasks.len()) {
            scope.spawn(|| board.work(progress));
        }
        board.work(progress);
    });
    let Finished { found, .. } =
        board.finished.into_inner().unwrap_or_else(PoisonError::into_inner);
    let figures = Estimator::ALL.map(|estimator| figure(estimator, &found));
    Assessment { samples: samples.len(), bits: samples.bits(), figures: figures.to_vec() }
}

/// Every piece of work, the most costly first.
fn tasks(samples: &Samples) -> Vec<Task<'_>> {
    let sequences = [(true, samples.literal()), (false, samples.bitstring())];
    let mut tasks: Vec<_> = sequences
        .into_iter()
        .filter_map(|(is_literal, sequence)| Some((is_literal, sequence?)))
        .flat_map(|(is_literal, sequence)| {
            Work::ALL.map(|work| Task { work, sequence, is_literal })
        })
        .collect();
    tasks.sort_by(|a, b| b.cost().total_cmp(&a.cost()));
    tasks
}

impl Board<'_> {
    /// Takes pieces of work until there are none.
    fn work(&self, progress: &(dyn Fn(f64) + Sync)) {
        let total: f64 = self.tasks.iter().map(Task::cost).sum();
        while let Some(task) = self.tasks.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let found = task.work.run(task.sequence);
            let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
            finished.cost += task.cost();
            finished.found.extend(
                found
                    .into_iter()
                    .filter_map(|(estimator, h)| Some((estimator, task.is_literal, h?))),
            );
            progress(finished.cost / total);
        }
    }
}

fn figure(estimator: Estimator, found: &[(Estimator, bool, f64)]) -> Figure {
    let of = |literal| {
        found.iter().find(|(e, l, _)| *e == estimator && *l == literal).map(|(_, _, h)| *h)
    };
    Figure { estimator, literal: of(true), bitstring: of(false) }
}
