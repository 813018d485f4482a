//! Memory for the bodies and answers of the store's calls, within `kv.memory`.
//!
//! ```text
//! a call of        up to 64 KiB        up to 1 MiB        more
//! takes from       4 MiB               8 MiB              the rest
//! ```
//! A permit is taken before the bytes, and travels with them until they are freed: of an answer, until it was
//! written to the socket. Each class has its own queue: a small call never waits for a large one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::http::refusal::Refusal;
use crate::kv::{CALLS_SMALL_BYTES, CALLS_TINY_BYTES};

/// The largest call of the first class in bytes: 64 of these fit its share.
pub(crate) const TINY_BYTES: usize = 64 << 10;

/// The largest call of the second class in bytes: 8 of these fit its share.
pub(crate) const SMALL_BYTES: usize = 1 << 20;

/// The unit of a permit in bytes. Every call takes one at least, for its names and headers.
const UNIT_BYTES: usize = 4 << 10;

/// Memory that calls share.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    classes: [Arc<Semaphore>; 3],
    /// The most that one call can have, in bytes.
    most: usize,
    /// The most time that a call waits for its permit.
    wait: Duration,
}

/// The permit for some bytes. Returned when dropped.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    /// Bytes that it is for.
    bytes: usize,
    units: OwnedSemaphorePermit,
}

impl MemoryBudget {
    /// A budget whose large calls have `large` bytes together.
    pub(crate) fn new(large: usize, wait: Duration) -> Self {
        let shares = [CALLS_TINY_BYTES, CALLS_SMALL_BYTES, large];
        let classes = shares.map(|bytes| Arc::new(Semaphore::new(units(bytes) as usize)));
        Self { classes, most: large, wait }
    }

    /// The most that one call can have, in bytes.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// A permit for `bytes` bytes, once they are free.
    ///
    /// # Errors
    /// When they could never be, or are not in time.
    pub(crate) async fn take(&self, bytes: usize) -> Result<MemoryPermit, Refusal> {
        if bytes > self.most {
            return Err(Refusal::beyond_memory(bytes, self.most));
        }
        let [tiny, small, large] = &self.classes;
        let class = if bytes <= TINY_BYTES {
            tiny
        } else if bytes <= SMALL_BYTES {
            small
        } else {
            large
        };
        let acquire = Arc::clone(class).acquire_many_owned(units(bytes));
        match timeout(self.wait, acquire).await {
            Ok(Ok(units)) => Ok(MemoryPermit { bytes, units }),
            _ => Err(Refusal::unavailable("too much is read and written at once, try later")),
        }
    }
}

impl MemoryPermit {
    /// The bytes that it is for.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns all but `bytes` bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let excess = units(self.bytes).saturating_sub(units(bytes));
        if let Some(excess) = self.units.split(excess as usize) {
            self.bytes = bytes;
            drop(excess);
        }
    }
}

/// At least one, and never more than a share has: [`MemoryBudget::take`] has checked the limit.
fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const LARGE: usize = 64 << 20;

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(test)
    }

    #[test]
    fn a_small_call_passes_large_ones_that_wait() {
        run(async {
            let budget = MemoryBudget::new(LARGE, Duration::from_mins(1));
            let mut held = budget.take(LARGE).await.expect("all of it");
            let mut next = pin!(budget.take(LARGE / 2));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(next.as_mut().poll(&mut cx).is_pending());
            for bytes in [0, 1, TINY_BYTES, TINY_BYTES + 1, SMALL_BYTES] {
                assert_eq!(budget.take(bytes).await.expect("its own share").bytes(), bytes);
            }
            held.shrink(LARGE / 2);
            assert!(matches!(next.as_mut().poll(&mut cx), Poll::Ready(Ok(_))));
        });
    }

    #[test]
    fn a_call_takes_every_unit_of_which_it_needs_a_part() {
        run(async {
            let budget = MemoryBudget::new(LARGE + 1, Duration::from_millis(1));
            let half = budget.take(LARGE / 2 + 1).await.expect("half of it");
            assert!(budget.take(LARGE / 2 - UNIT_BYTES + 1).await.is_ok());
            assert!(budget.take(LARGE / 2 + 1).await.is_err(), "one unit is needed by both");
            drop(half);
            assert!(budget.take(LARGE + 1).await.is_ok(), "all of it");
        });
    }

    #[test]
    fn a_call_that_could_never_fit_is_refused_at_once_and_one_that_must_wait_too_long_is_later() {
        run(async {
            let budget = MemoryBudget::new(LARGE, Duration::from_millis(1));
            let refusal = budget.take(LARGE + 1).await.expect_err("more than there is");
            assert_eq!(refusal.class.status(), 413);
            assert!(refusal.message.contains("kv.memory"), "{}", refusal.message);
            let _held = budget.take(LARGE).await.expect("all of it");
            let refusal = budget.take(LARGE).await.expect_err("taken");
            assert_eq!(refusal.class.status(), 503);
        });
    }
}
