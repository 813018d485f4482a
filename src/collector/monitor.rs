//! Live assessment: every source's raw noise is assessed again and again while it runs.
//!
//! ```text
//! runner: noise ─► window ─┐ bounded                 ┌─► running min-entropy, or a finding
//!                          └─► assessor (one thread) ─┘
//! ```
//! A window is fresh: the next one begins when the last has been judged. A source whose window is worth
//! less than is claimed of it fails, and goes on failing until a later window is worth enough; then it
//! earns its credit back as after any alarm.
//!
//! # Security
//! A window is as secret as the samples it is of: it is moved, never copied, and wiped. Assessment
//! sees no more than health tests do and hands out a figure; it can take credit away and never give any.

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
pub const WINDOW: usize = 16_384;

/// The most symbols of a window that are taken from one sample, so that a window of pictures is not
/// a strip of one of them.
const PIECE: usize = WINDOW / 4;

/// For each second of work the assessor rests so many: it takes at most a hundredth of one
/// processor.
pub const REST: u32 = 99;

/// The most that is asked of a window, in bits a symbol. Of 60 windows of perfect bytes the least
/// was worth 5.67: a claim of 8 bits cannot be shown by so few symbols.
const MOST_ASKED: f64 = 4.0;

/// Windows that may wait for the assessor: one for each of as many sources as there can be.
const WINDOWS_WAITING: usize = 32;

/// The thread that assesses. Dropping this ends it.
pub(crate) struct Assessor {
    windows: Sender<Window>,
    /// Dropped with this, which tells the thread.
    _stop: Sender<()>,
}

/// A full window, and where its figure goes.
struct Window {
    symbols: Zeroizing<Vec<u8>>,
    answer: Sender<LiveFigure>,
}

impl Assessor {
    /// Starts the thread. Without one there is no live assessment, and everything else goes on.
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

    /// The live assessment of one more source.
    pub(crate) fn watch(&self) -> Live {
        let (answer, answers) = bounded(1);
        Live {
            windows: self.windows.clone(),
            answer,
            answers,
            filling: Some(room()),
            offset: 0,
            last: None,
            told: false,
        }
    }
}

/// The limit for a source of which so many bits a symbol are claimed, for people to look at.
#[must_use]
pub fn limit(claimed: f64) -> HealthLimit {
    let rule = format!(
        "{WINDOW} symbols assessed at less than {} bits each: the claim, at most {MOST_ASKED}",
        asked(claimed)
    );
    HealthLimit::threshold(HealthTest::BelowClaim, Severity::Intermittent, rule)
}

/// What is asked of a window of a source of which so many bits a symbol are claimed.
fn asked(claimed: f64) -> f64 {
    claimed.min(MOST_ASKED)
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

/// What a window is worth. A constant, which cannot be assessed, is worth nothing.
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

/// Memory for a window, all of it at once: what grows while it holds noise leaves a copy behind.
fn room() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(WINDOW))
}

/// The live assessment of one source, in its runner's hands.
pub(crate) struct Live {
    windows: Sender<Window>,
    answer: Sender<LiveFigure>,
    answers: Receiver<LiveFigure>,
    /// The window that is being filled; none while one is being assessed.
    filling: Option<Zeroizing<Vec<u8>>>,
    /// Where in the next sample the piece begins.
    offset: usize,
    last: Option<LiveFigure>,
    /// The last window was found fault with already.
    told: bool,
}

/// What follows from the last window.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Fine,
    /// It was worth less than is claimed: this is new.
    Low(Finding),
    /// It was, and nothing is known of a later one.
    StillLow,
}

impl Live {
    /// Takes noise of one sample, while a window is being filled.
    pub(crate) fn take(&mut self, noise: impl FnOnce(&mut Vec<u8>)) {
        let Some(mut window) = self.filling.take() else { return };
        if window.len() < WINDOW {
            let mut all = Zeroizing::new(Vec::new());
            noise(&mut all);
            let piece = all.len().min(PIECE).min(WINDOW - window.len());
            let from = if self.offset + piece <= all.len() { self.offset } else { 0 };
            window.extend_from_slice(&all[from..from + piece]);
            self.offset = from + piece;
        }
        if window.len() < WINDOW {
            self.filling = Some(window);
            return;
        }
        let full = Window { symbols: window, answer: self.answer.clone() };
        // Busy: it is tried again with the next sample. Gone: there is nobody to assess.
        if let Err(TrySendError::Full(full)) = self.windows.try_send(full) {
            self.filling = Some(full.symbols);
        }
    }

    /// No samples come: what comes later is no continuation of what came before.
    pub(crate) fn interrupt(&mut self) {
        if let Some(window) = &mut self.filling {
            window.zeroize();
        }
    }

    /// A figure that has come since this was last asked. The next window begins.
    pub(crate) fn news(&mut self) -> Option<LiveFigure> {
        match self.answers.try_recv() {
            Ok(figure) => {
                self.filling = Some(room());
                self.last = Some(figure.clone());
                self.told = false;
                Some(figure)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }

    /// What follows from the last window for a source of which so many bits a symbol are claimed.
    pub(crate) fn verdict(&mut self, claimed: Option<f64>) -> Verdict {
        let asked = asked(claimed.unwrap_or(0.0));
        let Some(last) = self.last.as_ref().filter(|last| last.min_entropy < asked) else {
            return Verdict::Fine;
        };
        if std::mem::replace(&mut self.told, true) {
            return Verdict::StillLow;
        }
        Verdict::Low(Finding {
            test: HealthTest::BelowClaim,
            severity: Severity::Intermittent,
            detail: format!(
                "a window of {} symbols is worth {:.3} bits a symbol by {}, at least {asked:.3} claimed",
                last.samples, last.min_entropy, last.estimator
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A watch over a source whose windows this test assesses itself.
    fn watched() -> (Live, Receiver<Window>) {
        let (windows, waiting) = bounded(1);
        let assessor = Assessor { windows, _stop: bounded(0).0 };
        (assessor.watch(), waiting)
    }

    fn fill(live: &mut Live, symbol: impl Fn(usize) -> u8) {
        for sample in 0..WINDOW / 64 {
            live.take(|all| all.extend((0..64).map(|n| symbol(64 * sample + n))));
        }
    }

    fn judge(live: &mut Live, waiting: &Receiver<Window>) -> LiveFigure {
        let window = waiting.try_recv().expect("a full window");
        window.answer.send(figure(window.symbols)).expect("somebody waits");
        live.news().expect("a figure")
    }

    #[test]
    fn a_window_worth_less_than_the_claim_is_a_finding_until_a_later_one_is_worth_enough() {
        let (mut live, waiting) = watched();
        assert_eq!(live.verdict(Some(1.0)), Verdict::Fine, "nothing is known yet");
        // It passes RCT and APT, and is worth nothing.
        fill(&mut live, |n| n.to_le_bytes()[0]);
        assert!(judge(&mut live, &waiting).min_entropy < 0.01);
        assert_eq!(live.verdict(None), Verdict::Fine, "nothing is claimed of it");
        let Verdict::Low(finding) = live.verdict(Some(1.0)) else {
            panic!("a counter is no noise")
        };
        assert_eq!(
            (finding.test, finding.severity),
            (HealthTest::BelowClaim, Severity::Intermittent)
        );
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..WINDOW)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_be_bytes()[0]
            })
            .collect();
        assert_eq!(live.verdict(Some(1.0)), Verdict::StillLow, "until it is judged anew");
        fill(&mut live, |n| noise[n]);
        assert!(judge(&mut live, &waiting).min_entropy > MOST_ASKED);
        assert_eq!(live.verdict(Some(8.0)), Verdict::Fine, "so few symbols cannot show eight bits");
    }

    #[test]
    fn a_constant_is_worth_nothing() {
        let found = figure(Zeroizing::new(vec![7; WINDOW]));
        assert!(found.min_entropy < f64::EPSILON, "{found:?}");
    }

    #[test]
    fn a_window_is_fresh_whole_and_of_several_samples() {
        let (mut live, waiting) = watched();
        let picture = |count: u8| move |all: &mut Vec<u8>| all.extend(vec![count; 4 * PIECE]);
        live.take(picture(1));
        live.interrupt();
        for count in 2..=5 {
            live.take(picture(count));
        }
        let window = waiting.try_recv().expect("a full window");
        assert_eq!(window.symbols.len(), WINDOW);
        for (count, piece) in (2..=5).zip(window.symbols.chunks(PIECE)) {
            assert!(piece.iter().all(|symbol| *symbol == count), "sample {count}");
        }
        // Nothing is gathered while it is assessed.
        fill(&mut live, |_| 9);
        assert!(waiting.try_recv().is_err());
    }

    #[test]
    fn pieces_come_from_all_of_a_picture_in_turn() {
        let (mut live, waiting) = watched();
        let picture = |all: &mut Vec<u8>| {
            all.extend((0..4_u8).flat_map(|part| std::iter::repeat_n(part, PIECE)));
        };
        (0..4).for_each(|_| live.take(picture));
        let window = waiting.try_recv().expect("a full window");
        let parts: Vec<u8> = window.symbols.chunks(PIECE).map(|piece| piece[0]).collect();
        assert_eq!(parts, [0, 1, 2, 3]);
    }
}
