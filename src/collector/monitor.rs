//! Monitor assessment: every source's raw noise is assessed again and again while it runs.
//!
//! ```text
//! runner: noise ─► start-up window ─┐ at once    ┌─► the end of the start-up test, or a finding
//!              └─► live window ─────┴─► assessor ─┴─► running min-entropy, or a finding
//!                             when rested  (one thread)
//! ```
//! A start-up test ends once a window of its symbols is worth the claim. Live windows do not
//! overlap: the next one begins when the last has been assessed. They continue over drop-outs of the
//! source. A source whose window is worth less than its claim fails, and keeps failing until a later
//! window is worth enough; then it earns its credit back as after any alarm.
//!
//! # Security
//! A window is as secret as its samples: it is moved, never copied, and zeroized. Assessment sees no
//! more than health tests do and returns a figure; it can withdraw credit and never grant any.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, TrySendError, bounded};
use zeroize::Zeroizing;

use crate::collector::status::LiveFigure;
use lavawall_entropy::{Finding, HealthLimit, HealthTest, Severity};

/// Symbols in a window: four times as many as every estimator needs, and few enough for a slow
/// source to give them within half an hour or so.
pub(crate) const WINDOW: usize = 16_384;

/// The most symbols of a window that are taken from one sample, so that a window of pictures is not
/// a strip of one of them.
pub(super) const MOST_PER_SAMPLE: usize = WINDOW / 4;

/// The time in which a source must fill a start-up window. `os`, `cpu` and `jitter` take
/// milliseconds, a camera that has settled a second. A slower source, such as a Geiger counter, is
/// credited after the 1,024 symbols of the start-up test; its live window is assessed when it is
/// full.
const START_UP_PATIENCE: Duration = Duration::from_secs(30);

/// The longest wait of a runner for the figure of its start-up window.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The part of a claim that a window must be worth. So few symbols cannot show the whole: of some
/// sixty windows of honest sources the least was worth 71 % of a claim of 8 bits, 61 % of 4 bits
/// (eight biased bits), 63 % of 2 bits and 60 % of one.
const REQUIRED_PART: f64 = 0.5;

/// A full window, and the channel for its figure. Without a figure the channel is dropped.
pub(super) struct Window {
    pub(super) symbols: Zeroizing<Vec<u8>>,
    pub(super) answer: Sender<LiveFigure>,
}

/// The limit for a source with this claim, in bits per symbol, for reports.
#[must_use]
pub(crate) fn limit(claimed: f64) -> HealthLimit {
    let rule = format!(
        "{WINDOW} symbols assessed at less than {} bits each: half of the claim of {claimed}",
        least_worth(claimed)
    );
    HealthLimit::threshold(HealthTest::BelowClaim, Severity::Intermittent, rule)
}

/// The least that a window of a source with this claim must be worth, in bits per symbol.
fn least_worth(claimed: f64) -> f64 {
    claimed * REQUIRED_PART
}

/// The assessment of one source, owned by its runner.
pub(crate) struct Monitor {
    live: Gathering,
    start_up: StartUp,
    at_once: Sender<Window>,
    last: Option<LiveFigure>,
    /// The last window has already been reported as low.
    reported: bool,
}

/// The start-up window.
struct StartUp {
    /// The number of its start-up test.
    number: u64,
    began: Instant,
    /// `None` once the window has been assessed, or the source is too slow for it.
    gathering: Option<Gathering>,
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
    /// The assessment of a source whose live windows go to `when_rested`, and whose start-up
    /// windows go to `at_once`.
    pub(super) fn new(when_rested: Sender<Window>, at_once: Sender<Window>) -> Self {
        Self {
            live: Gathering::new(when_rested),
            start_up: StartUp { number: 0, began: Instant::now(), gathering: None },
            at_once,
            last: None,
            reported: false,
        }
    }

    /// The source is in its start-up test of this number; every number has a window of its own.
    pub(crate) fn start_up(&mut self, number: u64, now: Instant) {
        if number != self.start_up.number {
            let gathering = Some(Gathering::new(self.at_once.clone()));
            self.start_up = StartUp { number, began: now, gathering };
        }
    }

    /// Takes noise of one sample, while a window is being filled.
    pub(crate) fn take(&mut self, noise: impl FnOnce(&mut Vec<u8>)) {
        let mut symbols = Zeroizing::new(Vec::new());
        noise(&mut symbols);
        self.live.take(&symbols);
        if let Some(gathering) = &mut self.start_up.gathering {
            gathering.take(&symbols);
        }
    }

    /// The figure of the last window, once. The next window begins.
    pub(crate) fn new_figure(&mut self) -> Option<LiveFigure> {
        let first = self.start_up.gathering.as_mut().and_then(Gathering::figure);
        if first.is_some() {
            self.start_up.gathering = None;
        }
        let figure = first.or_else(|| self.live.figure())?;
        self.last = Some(figure.clone());
        self.reported = false;
        Some(figure)
    }

    /// The outcome of the last window for a source with this claim, in bits per symbol.
    pub(crate) fn verdict(&mut self, claimed: Option<f64>) -> Verdict {
        let claimed = claimed.unwrap_or(0.0);
        let required = least_worth(claimed);
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
                "a window of {} symbols is worth {} bits a symbol by {}, at least {required:.3} \
                 needed for a claim of {claimed:.3}",
                last.samples,
                Finding::figure(last.min_entropy, 3, &format!("{required:.3}")),
                last.estimator
            ),
        })
    }

    /// Whether the start-up test waits for no window: it has been assessed, or the source is too
    /// slow to fill one.
    pub(crate) fn is_start_up_over(&mut self, now: Instant) -> bool {
        let StartUp { began, gathering, .. } = &mut self.start_up;
        let is_late = now.saturating_duration_since(*began) >= START_UP_PATIENCE;
        // A full window waits for its figure, however long that takes.
        if is_late && gathering.as_ref().is_some_and(|it| !it.is_full()) {
            *gathering = None;
        }
        gathering.is_none()
    }

    /// Waits for the figure of a full start-up window, for at most `most`: the source has nothing to
    /// do until then.
    pub(crate) fn wait_for_start_up(&self, most: Duration) {
        if let Some(Stage::Judging(answer)) = self.start_up.gathering.as_ref().map(|it| &it.stage) {
            let mut select = Select::new();
            select.recv(answer);
            // Either way the caller looks for the figure next.
            let _ = select.ready_timeout(most.min(LONGEST_WAIT));
        }
    }
}

/// A window that is being filled, or assessed.
struct Gathering {
    to: Sender<Window>,
    stage: Stage,
    /// The first symbol that is taken from the next sample.
    offset: usize,
}

enum Stage {
    Filling(Zeroizing<Vec<u8>>),
    Judging(Receiver<LiveFigure>),
}

impl Gathering {
    fn new(to: Sender<Window>) -> Self {
        Self { to, stage: Stage::Filling(empty_window()), offset: 0 }
    }

    fn take(&mut self, all: &[u8]) {
        let Stage::Filling(window) = &mut self.stage else { return };
        if window.len() < WINDOW {
            let piece = all.len().min(MOST_PER_SAMPLE).min(WINDOW - window.len());
            let from = if self.offset + piece <= all.len() { self.offset } else { 0 };
            window.extend_from_slice(&all[from..from + piece]);
            self.offset = from + piece;
        }
        if window.len() < WINDOW {
            return;
        }
        let (answer, figure) = bounded(1);
        let symbols = std::mem::take(window);
        self.stage = match self.to.try_send(Window { symbols, answer }) {
            Ok(()) => Stage::Judging(figure),
            // Busy: retried with the next sample.
            Err(TrySendError::Full(full) | TrySendError::Disconnected(full)) => {
                Stage::Filling(full.symbols)
            }
        };
    }

    fn is_full(&self) -> bool {
        match &self.stage {
            Stage::Filling(window) => window.len() == WINDOW,
            Stage::Judging(_) => true,
        }
    }

    /// The figure, once. Then, and when there is none to come, the next window begins.
    fn figure(&mut self) -> Option<LiveFigure> {
        let Stage::Judging(answer) = &self.stage else { return None };
        let figure = match answer.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => None,
            Ok(figure) => Some(figure),
        };
        self.stage = Stage::Filling(empty_window());
        figure
    }
}

/// Memory for a window, reserved whole: a vector that grows while it holds noise leaves a copy
/// behind.
fn empty_window() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(WINDOW))
}

#[cfg(test)]
mod tests;
