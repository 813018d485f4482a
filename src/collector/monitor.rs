//! Monitor assessment: every source's raw noise is assessed again and again while it runs.
//!
//! ```text
//! runner: noise ─► window ─┐ bounded                 ┌─► running min-entropy, or a finding
//!                          └─► assessor (one thread) ─┘
//! ```
//! Windows do not overlap: the next one begins when the last has been assessed. A source whose
//! window is worth less than its claim fails, and keeps failing until a later window is worth enough;
//! then it earns its credit back as after any alarm.
//!
//! # Security
//! A window is as secret as its samples: it is moved, never copied, and zeroized. Assessment sees no
//! more than health tests do and returns a figure; it can withdraw credit and never grant any.

use std::num::NonZeroUsize;
use std::time::{Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, bounded};
use zeroize::{Zeroize, Zeroizing};

use crate::collector::status::LiveFigure;
use lavawall_assess as assess;
use lavawall_assess::Samples;
use lavawall_entropy::{Finding, HealthLimit, HealthTest, Severity};

/// Symbols in a window: four times as many as every estimator needs, and few enough for a slow
/// source to give them within half an hour or so.
pub(crate) const WINDOW: usize = 16_384;

/// The most symbols of a window that are taken from one sample, so that a window of pictures is not
/// a strip of one of them.
const MOST_PER_SAMPLE: usize = WINDOW / 4;

/// Seconds that the assessor rests for each second of work: it uses at most a hundredth of one
/// processor.
pub(crate) const ASSESSMENT_REST: u32 = 99;

/// The most that a window is required to be worth, in bits per symbol. Of 60 windows of perfect
/// bytes the least was worth 5.67: this few symbols cannot show a claim of 8 bits.
const MOST_REQUIRED: f64 = 4.0;

/// Windows that may wait for the assessor: one for each source of the largest configuration.
const WINDOWS_WAITING: usize = 32;

/// The thread that assesses. Dropping this ends it.
pub(crate) struct Assessor {
    windows: Sender<Window>,
    /// Dropped with this, which ends the thread.
    _stop: Sender<()>,
}

/// A full window, and the channel for its figure.
struct Window {
    symbols: Zeroizing<Vec<u8>>,
    answer: Sender<LiveFigure>,
}

impl Assessor {
    /// Starts the thread. Without it, live assessment is off and everything else works.
    pub(crate) fn start(rest: u32) -> Self {
        let (windows, waiting) = bounded(WINDOWS_WAITING);
        let (stop, stopped) = bounded(0);
        let started = std::thread::Builder::new()
            .name("assessor".into())
            .spawn(move || assess_all(&waiting, &stopped, rest));
        if let Err(error) = started {
            tracing::error!("no thread for live assessment: {error}");
        }
        Self { windows, _stop: stop }
    }

    /// Adds a source.
    pub(crate) fn monitor(&self) -> Monitor {
        let (answer, answers) = bounded(1);
        Monitor {
            windows: self.windows.clone(),
            answer,
            answers,
            filling: Some(empty_window()),
            offset: 0,
            last: None,
            reported: false,
        }
    }
}

/// The limit for a source with this claim, in bits per symbol, for reports.
#[must_use]
pub(crate) fn limit(claimed: f64) -> HealthLimit {
    let rule = format!(
        "{WINDOW} symbols assessed at less than {} bits each: the claim, at most {MOST_REQUIRED}",
        least_worth(claimed)
    );
    HealthLimit::threshold(HealthTest::BelowClaim, Severity::Intermittent, rule)
}

/// The least that a window of a source with this claim must be worth, in bits per symbol.
fn least_worth(claimed: f64) -> f64 {
    claimed.min(MOST_REQUIRED)
}

fn assess_all(windows: &Receiver<Window>, stopped: &Receiver<()>, rest: u32) {
    while let Ok(window) = windows.recv() {
        let began = Instant::now();
        // A source that has gone needs no figure.
        let _ = window.answer.try_send(figure(window.symbols));
        match stopped.recv_timeout(began.elapsed().saturating_mul(rest)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The min-entropy of a window. A constant, which cannot be assessed, has none.
fn figure(mut symbols: Zeroizing<Vec<u8>>) -> LiveFigure {
    let count = symbols.len();
    let samples = Samples::new(std::mem::take(&mut *symbols), Some(8));
    let (min_entropy, estimator) =
        samples.map_or((0.0, assess::Estimator::MostCommonValue), |samples| {
            let found = assess::assess(&samples, NonZeroUsize::MIN, &|_| ());
            (found.min_entropy(), found.decisive().estimator)
        });
    LiveFigure { min_entropy, estimator: estimator.name(), samples: count, at: SystemTime::now() }
}

/// Memory for a window, reserved whole: a vector that grows while it holds noise leaves a copy
/// behind.
fn empty_window() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(WINDOW))
}

/// The live assessment of one source, owned by its runner.
pub(crate) struct Monitor {
    windows: Sender<Window>,
    answer: Sender<LiveFigure>,
    answers: Receiver<LiveFigure>,
    /// The window that is being filled; `None` while one is being assessed.
    filling: Option<Zeroizing<Vec<u8>>>,
    /// The first symbol that is taken from the next sample.
    offset: usize,
    last: Option<LiveFigure>,
    /// The last window has already been reported as low.
    reported: bool,
}

/// The outcome of the last window.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Worth enough, or not known yet.
    Fine,
    /// Worth less than the claim: a new finding.
    Low(Finding),
    /// Worth less than the claim, as already reported.
    StillLow,
}

impl Monitor {
    /// Takes noise of one sample, while a window is being filled.
    pub(crate) fn take(&mut self, noise: impl FnOnce(&mut Vec<u8>)) {
        let Some(mut window) = self.filling.take() else { return };
        if window.len() < WINDOW {
            let mut all = Zeroizing::new(Vec::new());
            noise(&mut all);
            let piece = all.len().min(MOST_PER_SAMPLE).min(WINDOW - window.len());
            let from = if self.offset + piece <= all.len() { self.offset } else { 0 };
            window.extend_from_slice(&all[from..from + piece]);
            self.offset = from + piece;
        }
        if window.len() < WINDOW {
            self.filling = Some(window);
            return;
        }
        let full = Window { symbols: window, answer: self.answer.clone() };
        // Busy: retried with the next sample. Disconnected: the assessor has ended.
        if let Err(TrySendError::Full(full)) = self.windows.try_send(full) {
            self.filling = Some(full.symbols);
        }
    }

    /// No samples come: later samples do not continue earlier ones.
    pub(crate) fn interrupt(&mut self) {
        if let Some(window) = &mut self.filling {
            window.zeroize();
        }
    }

    /// The figure of the last window, once. The next window begins.
    pub(crate) fn new_figure(&mut self) -> Option<LiveFigure> {
        match self.answers.try_recv() {
            Ok(figure) => {
                self.filling = Some(empty_window());
                self.last = Some(figure.clone());
                self.reported = false;
                Some(figure)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }

    /// The outcome of the last window for a source with this claim, in bits per symbol.
    pub(crate) fn verdict(&mut self, claimed: Option<f64>) -> Verdict {
        let required = least_worth(claimed.unwrap_or(0.0));
        let Some(last) = self.last.as_ref().filter(|last| last.min_entropy < required) else {
            return Verdict::Fine;
        };
        if std::mem::replace(&mut self.reported, true) {
            return Verdict::StillLow;
        }
        Verdict::Low(Finding {
            test: HealthTest::BelowClaim,
            severity: Severity::Intermittent,
            detail: format!(
                "a window of {} symbols is worth {:.3} bits a symbol by {}, at least {required:.3} claimed",
                last.samples, last.min_entropy, last.estimator
            ),
        })
    }
}

#[cfg(test)]
mod tests;
