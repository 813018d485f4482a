//! The only threads of this crate: a queue of tasks, with the results in order.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

/// Runs `work` for each of `tasks` on up to `threads` threads, including the caller's, and returns
/// the results in the order of the tasks. `finished` is called after each task, one call at a time,
/// from any of these threads.
pub(super) fn map<T: Sync, R: Send>(
    threads: NonZeroUsize,
    tasks: &[T],
    work: &(dyn Fn(&T) -> R + Sync),
    finished: &(dyn Fn(&T) + Sync),
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(tasks.iter().map(|_| None).collect::<Vec<Option<R>>>());
    let run = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(number) else { break };
            let result = work(task);
            let mut results = results.lock();
            results[number] = Some(result);
            finished(task);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.get().min(tasks.len()) {
            scope.spawn(run);
        }
        run();
    });
    let results = results.into_inner();
    results.into_iter().map(|result| result.expect("every task was taken and done")).collect()
}
