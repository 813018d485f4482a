//! The one place of this module with threads: pieces of work in a queue, results in order.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does `work` for each of `tasks` on up to `threads` threads, the caller's among them, and blocks
/// until all is done. The results are in the order of the tasks. `finished` hears of each task that
/// is done, one at a time, from any of the threads.
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
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
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
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().map(|result| result.expect("every task was taken and done")).collect()
}
