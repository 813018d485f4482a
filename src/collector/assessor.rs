//! The assessor: the thread that assesses windows of noise for all sources.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use zeroize::Zeroizing;

use crate::collector::back_off::BackOff;
use crate::collector::monitor::{Monitor, Window};
use crate::collector::status::LiveFigure;
use crate::incident::IncidentLog;
use lavawall_assess as assess;
use lavawall_assess::Samples;

/// Seconds that the assessor rests for each second of work on live windows: it uses at most a
/// hundredth of one processor for them.
pub(crate) const ASSESSMENT_REST: u32 = 99;

/// Windows of each sort that may wait: one for each source of the largest configuration.
const WINDOWS_WAITING: usize = 32;

/// The wait of an idle assessor, which ends when a window comes.
const IDLE: Duration = Duration::from_hours(1);

/// Computes the figure of a window.
type Assess = fn(Zeroizing<Vec<u8>>) -> LiveFigure;

/// The thread that assesses. Dropping this ends it.
pub(crate) struct Assessor {
    when_rested: Sender<Window>,
    at_once: Sender<Window>,
    /// Dropped with this, which ends the thread.
    _stop: Sender<()>,
    worker: Worker,
    thread: Option<JoinHandle<()>>,
    back_off: BackOff,
    incidents: Arc<IncidentLog>,
}

/// Everything the thread needs, to be started again if it ends.
#[derive(Clone)]
struct Worker {
    when_rested: Receiver<Window>,
    at_once: Receiver<Window>,
    stopped: Receiver<()>,
    rest: u32,
    assess: Assess,
    incidents: Arc<IncidentLog>,
}

impl Assessor {
    /// The assessor, which [`Self::supervise`] starts.
    pub(crate) fn new(rest: u32, incidents: Arc<IncidentLog>) -> Self {
        let (when_rested, live) = bounded(WINDOWS_WAITING);
        let (at_once, start_ups) = bounded(WINDOWS_WAITING);
        let (stop, stopped) = bounded(0);
        let worker = Worker {
            when_rested: live,
            at_once: start_ups,
            stopped,
            rest,
            assess: figure,
            incidents: Arc::clone(&incidents),
        };
        Self {
            when_rested,
            at_once,
            _stop: stop,
            worker,
            thread: None,
            back_off: BackOff::default(),
            incidents,
        }
    }

    /// Adds a source.
    pub(crate) fn monitor(&self) -> Monitor {
        Monitor::new(self.when_rested.clone(), self.at_once.clone())
    }

    /// Starts the thread if it does not run. Without it no source passes its start-up test.
    pub(crate) fn supervise(&mut self, now: Instant) {
        if self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
            || !self.back_off.is_over(now)
        {
            return;
        }
        let ended = self.thread.take().is_some();
        let worker = self.worker.clone();
        let started =
            std::thread::Builder::new().name("assessor".into()).spawn(move || worker.run());
        let why = match started {
            Ok(thread) => {
                self.thread = Some(thread);
                if !ended {
                    return;
                }
                "its thread ended, and was started again".to_owned()
            }
            Err(error) => format!("no thread: {error}; it is tried again"),
        };
        if self.back_off.fail(now) {
            self.incidents.open(None, format!("live assessment: {why}"));
        }
    }
}

impl Worker {
    /// Assesses start-up windows at once, and live windows between rests.
    fn run(&self) {
        let (mut rest_until, mut back_off) = (Instant::now(), BackOff::default());
        let resting = never();
        loop {
            let left = rest_until.saturating_duration_since(Instant::now());
            let live = if left.is_zero() { &self.when_rested } else { &resting };
            let wait = if left.is_zero() { IDLE } else { left };
            let (window, rest) = select! {
                recv(self.stopped) -> _ => return,
                recv(self.at_once) -> window => (window, 0),
                recv(live) -> window => (window, self.rest),
                default(wait) => continue,
            };
            let Ok(Window { symbols, answer }) = window else { return };
            let began = Instant::now();
            // A panic of an estimator loses one window; its source gathers another.
            let figure = catch_unwind(AssertUnwindSafe(|| (self.assess)(symbols)));
            if let Ok(figure) = figure {
                back_off.succeed();
                // A source that has gone needs no figure.
                let _ = answer.try_send(figure);
            } else {
                drop(answer);
                if back_off.fail(began) {
                    let text = "live assessment failed on a window; it goes on with others";
                    self.incidents.open(None, text.to_owned());
                }
                let stopped = self.stopped.recv_timeout(back_off.wait());
                if stopped.is_err_and(|it| it.is_disconnected()) {
                    return;
                }
            }
            if rest > 0 {
                rest_until = Instant::now() + began.elapsed().saturating_mul(rest);
            }
        }
    }
}

/// The min-entropy of a window. A constant, which cannot be assessed, has none.
pub(super) fn figure(mut symbols: Zeroizing<Vec<u8>>) -> LiveFigure {
    let count = symbols.len();
    let samples = Samples::new(std::mem::take(&mut *symbols), Some(8));
    let (min_entropy, estimator) =
        samples.map_or((0.0, assess::Estimator::MostCommonValue), |samples| {
            let found = assess::assess(&samples, NonZeroUsize::MIN, &|_| ());
            (found.min_entropy(), found.decisive().estimator)
        });
    LiveFigure { min_entropy, estimator: estimator.name(), samples: count, at: SystemTime::now() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::monitor::WINDOW;

    fn ask(assessor: &Assessor, symbols: Vec<u8>) -> Receiver<LiveFigure> {
        let (answer, figure) = bounded(1);
        let symbols = Zeroizing::new(symbols);
        assert!(assessor.at_once.send(Window { symbols, answer }).is_ok());
        figure
    }

    #[test]
    fn a_constant_is_worth_nothing() {
        let found = figure(Zeroizing::new(vec![7; WINDOW]));
        assert!(found.min_entropy < f64::EPSILON, "{found:?}");
    }

    #[test]
    fn a_panic_loses_one_window_and_the_next_one_is_assessed() {
        let incidents = Arc::new(IncidentLog::default());
        let mut assessor = Assessor::new(ASSESSMENT_REST, Arc::clone(&incidents));
        assessor.worker.assess = |symbols| {
            assert!(symbols[0] != 13, "on purpose");
            figure(symbols)
        };
        assessor.supervise(Instant::now());
        assert!(ask(&assessor, vec![13; WINDOW]).recv().is_err(), "no figure comes");
        assert!(ask(&assessor, vec![7; WINDOW]).recv().is_ok());
        assert_eq!(incidents.count(), 1);
        assert!(incidents.list()[0].text.contains("live assessment failed"));
    }

    #[test]
    fn a_thread_that_has_ended_is_started_again_after_a_wait_with_one_incident() {
        let incidents = Arc::new(IncidentLog::default());
        let mut assessor = Assessor::new(ASSESSMENT_REST, Arc::clone(&incidents));
        let now = Instant::now();
        let end_it = |assessor: &mut Assessor| {
            let thread = std::thread::spawn(|| ());
            while !thread.is_finished() {
                std::thread::yield_now();
            }
            assessor.thread = Some(thread);
        };
        end_it(&mut assessor);
        assessor.supervise(now);
        assert!(ask(&assessor, vec![7; WINDOW]).recv().is_ok(), "it works again");
        end_it(&mut assessor);
        assessor.supervise(now);
        assert!(assessor.thread.as_ref().is_some_and(JoinHandle::is_finished), "not at once");
        assessor.supervise(now + Duration::from_secs(1));
        assert!(assessor.thread.as_ref().is_some_and(|thread| !thread.is_finished()));
        assert_eq!(incidents.count(), 1);
    }
}
