//! The least rate of what takes memory for as long as a client needs: request bodies, and answers of the
//! store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// In bytes per second: 1 Mbit/s.
const LEAST_RATE: u64 = 128 * 1024;

/// The time that `bytes` bytes take at the least rate.
pub(crate) fn time_for(bytes: u64) -> Duration {
    Duration::from_millis(bytes.saturating_mul(1000) / LEAST_RATE)
}

/// The answers of one connection that take memory until they are sent.
#[derive(Debug, Default)]
pub(crate) struct PacedAnswers(Mutex<Vec<Arc<Pace>>>);

/// When an answer began, and the bytes of it that were sent.
#[derive(Debug)]
struct Pace {
    started: Instant,
    sent: AtomicU64,
}

/// An answer that the client must read at the least rate, until this is dropped.
#[derive(Debug)]
pub(crate) struct PacedAnswer {
    all: Arc<PacedAnswers>,
    pace: Arc<Pace>,
}

/// Counts the bytes of one answer that are sent.
#[derive(Debug)]
pub(crate) struct SentMeter(Arc<Pace>);

impl PacedAnswers {
    /// Begins an answer.
    pub(crate) fn begin(all: &Arc<Self>) -> (PacedAnswer, SentMeter) {
        let pace = Arc::new(Pace { started: Instant::now(), sent: AtomicU64::new(0) });
        all.0.lock().push(Arc::clone(&pace));
        let meter = SentMeter(Arc::clone(&pace));
        (PacedAnswer { all: Arc::clone(all), pace }, meter)
    }

    /// When the connection is to be closed unless more is sent before: each answer has `idle_timeout`, and
    /// the time of what was sent of it at the least rate. Over HTTP/2 a client may read one answer and leave
    /// another.
    pub(crate) fn deadline(&self, idle_timeout: Duration) -> Option<Instant> {
        let deadline =
            |pace: &Arc<Pace>| pace.started + idle_timeout + time_for(pace.sent.load(Relaxed));
        self.0.lock().iter().map(deadline).min()
    }
}

impl SentMeter {
    pub(crate) fn add(&self, bytes: usize) {
        self.0.sent.fetch_add(bytes as u64, Relaxed);
    }
}

impl Drop for PacedAnswer {
    fn drop(&mut self) {
        self.all.0.lock().retain(|other| !Arc::ptr_eq(other, &self.pace));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_that_of_the_slowest_answer_and_there_is_none_without() {
        let all = Arc::new(PacedAnswers::default());
        let idle = Duration::from_secs(30);
        assert_eq!(all.deadline(idle), None);
        let (first, first_sent) = PacedAnswers::begin(&all);
        let begun = all.deadline(idle).expect("one answer");
        first_sent.add(256 * 1024);
        assert_eq!(all.deadline(idle), Some(begun + Duration::from_secs(2)));
        let (second, second_sent) = PacedAnswers::begin(&all);
        let later = all.deadline(idle).expect("two answers");
        assert!(later >= begun && later < begun + Duration::from_secs(2), "nothing of it was sent");
        second_sent.add(1024 * 1024);
        assert_eq!(all.deadline(idle), Some(begun + Duration::from_secs(2)));
        drop(first);
        assert_eq!(all.deadline(idle), Some(later + Duration::from_secs(8)));
        drop(second);
        assert_eq!(all.deadline(idle), None);
    }
}
