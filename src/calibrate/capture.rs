//! Captures raw noise of one source exactly as the service reads it: opened the same way, with the
//! same health tests and the same credited symbols.

use std::time::{Duration, Instant, SystemTime};

use zeroize::Zeroizing;

use crate::calibrate::setup::Setup;
use crate::calibrate::sidecar::{RestartMatrix, Sidecar};
use crate::collector::feed::Feed;
use crate::config::{Config, SourceEntry};
use crate::machine::rfc3339;
use crate::source::{Facts, SOURCE_TYPES, Source, SourceError, SourceSpec};
use lavawall_entropy::Sample;

/// The most symbols that are captured: the most of eight bits each that can be assessed.
pub(crate) const MOST_SYMBOLS: usize = lavawall_assess::MOST_BITS / 8;

/// The longest time without new symbols: long enough for a camera at one frame per second to settle.
const PATIENCE: Duration = Duration::from_mins(3);

/// Starts in a row that the source's own test may refuse: a timer that happens to be quiet is refused
/// now and then.
const REFUSALS: u32 = 100;

/// The amount of noise to capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// This many consecutive symbols.
    Sequence(usize),
    /// A matrix: the source is opened again for every row.
    Restarts {
        /// The number of starts.
        rows: usize,
        /// Symbols kept from each start.
        columns: usize,
    },
}

impl Amount {
    /// The total number of symbols, or `None` when it overflows.
    #[must_use]
    pub(crate) fn symbols(self) -> Option<usize> {
        match self {
            Self::Sequence(symbols) => Some(symbols),
            Self::Restarts { rows, columns } => rows.checked_mul(columns),
        }
    }
}

/// Captured noise.
pub(crate) struct CapturedNoise {
    /// One symbol per byte, as secret as any noise of this source.
    pub symbols: Zeroizing<Vec<u8>>,
    /// Their description.
    pub sidecar: Sidecar,
}

/// Why a capture failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CaptureError {
    /// There is no source of this name.
    #[error("--source {name}: no such source; known are {}", known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The known names.
        known: Vec<String>,
    },
    /// Its samples have no symbols.
    #[error("{id}: {reason}")]
    NoSymbols {
        /// The source.
        id: String,
        /// Why.
        reason: &'static str,
    },
    /// It failed.
    #[error("{id}: {error}")]
    Source {
        /// The source.
        id: String,
        /// Its error.
        error: SourceError,
    },
    /// A call to its device did not return.
    #[error("{id}: its device did not answer within {} s", waited.as_secs())]
    Hung {
        /// The source.
        id: String,
        /// The time that was waited.
        waited: Duration,
    },
    /// It gave no noise that passes its tests.
    #[error("{id}: no noise that passes within {} s: {reason}", waited.as_secs())]
    Stalled {
        /// The source.
        id: String,
        /// The time without noise.
        waited: Duration,
        /// The last finding.
        reason: String,
    },
}

/// The source of this name, else the first of this type; with no `[[source]]` at all, the type with
/// its defaults.
///
/// # Errors
/// [`CaptureError::Unknown`], with the known names.
pub(crate) fn find(config: &Config, name: &str) -> Result<SourceEntry, CaptureError> {
    let unknown = |known| CaptureError::Unknown { name: name.to_owned(), known };
    let Some(sources) = &config.sources else {
        let known = || SOURCE_TYPES.iter().map(|entry| entry.name.to_owned()).collect();
        return SourceSpec::with_defaults(name)
            .map(|spec| SourceEntry { id: name.to_owned(), spec })
            .ok_or_else(|| unknown(known()));
    };
    let exact = sources.iter().find(|source| source.id == name);
    exact
        .or_else(|| sources.iter().find(|source| source.is_called(name)))
        .cloned()
        .ok_or_else(|| unknown(sources.iter().map(|source| source.id.clone()).collect()))
}

/// Captures raw noise from `feed`, the feed of `entry`. A sequence ends at `until` with the symbols that
/// there are by then. `progress` receives the completed share, from 0 to 1.
///
/// # Errors
/// When the source fails, or its samples have no symbols.
pub(crate) fn capture(
    feed: Feed,
    entry: &SourceEntry,
    amount: Amount,
    until: Option<Instant>,
    progress: &dyn Fn(f64),
) -> Result<CapturedNoise, CaptureError> {
    if let Some(reason) = entry.spec.without_symbols() {
        return Err(CaptureError::NoSymbols { id: entry.id.clone(), reason });
    }
    let mut run = Run::new(feed);
    let wanted = amount.symbols().unwrap_or(MOST_SYMBOLS).min(MOST_SYMBOLS);
    let mut symbols = Zeroizing::new(Vec::with_capacity(wanted));
    let (rows, columns) = match amount {
        Amount::Sequence(wanted) => (1, wanted),
        Amount::Restarts { rows, columns } => (rows, columns),
    };
    for _ in 0..rows {
        run.start()?;
        run.take(&mut symbols, columns, until, &|taken| progress(share(taken, wanted)))?;
    }
    let sidecar = Sidecar {
        source: entry.id.clone(),
        kind: entry.spec.kind(),
        credited_nothing: entry.spec.credited_nothing().map(str::to_owned),
        virtual_device: run.facts.virtual_device,
        setup: Setup::of(&entry.spec, &run.facts),
        bits: 8,
        samples: symbols.len(),
        restarts: matches!(amount, Amount::Restarts { .. }).then(|| RestartMatrix {
            rows,
            columns,
            meaning: entry.spec.entry().restart.to_owned(),
        }),
        refusals: run.refusals,
        alarms: run.alarms,
        last_alarm: run.last_alarm,
        at: now(),
        lavawall: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok(CapturedNoise { symbols, sidecar })
}

/// Now, RFC 3339, to the second, in UTC.
#[must_use]
pub(crate) fn now() -> String {
    rfc3339(SystemTime::now())
}

/// A source that is being captured.
struct Run {
    feed: Feed,
    source: Option<Box<dyn Source>>,
    sample: Sample,
    facts: Facts,
    refusals: u32,
    alarms: u32,
    last_alarm: Option<String>,
}

impl Run {
    fn new(feed: Feed) -> Self {
        let (sample, facts) = (Sample::new(Instant::now()), Facts::default());
        Self { feed, source: None, sample, facts, refusals: 0, alarms: 0, last_alarm: None }
    }

    /// Opens the source, again if it is open.
    fn start(&mut self) -> Result<(), CaptureError> {
        // A device that is held cannot be opened a second time.
        self.source = None;
        self.feed.gate.restart();
        let mut left = REFUSALS;
        let source = loop {
            match (self.feed.open)() {
                Ok(source) => break source,
                Err(SourceError::Refused { .. }) if left > 0 => {
                    left -= 1;
                    self.refusals += 1;
                }
                Err(error) => {
                    return Err(CaptureError::Source { id: self.feed.id.clone(), error });
                }
            }
        };
        self.facts = source.facts();
        self.source = Some(source);
        Ok(())
    }

    /// Appends `count` symbols, or as many as there are at `until`, but at least one.
    fn take(
        &mut self,
        symbols: &mut Vec<u8>,
        count: usize,
        until: Option<Instant>,
        progress: &dyn Fn(usize),
    ) -> Result<(), CaptureError> {
        let end = symbols.len() + count;
        let mut noise = Zeroizing::new(Vec::new());
        let mut moved = Instant::now();
        while symbols.len() < end {
            noise.clear();
            self.read(&mut noise)?;
            if !noise.is_empty() {
                moved = Instant::now();
            } else if moved.elapsed() > PATIENCE || (symbols.is_empty() && has_passed(until)) {
                let reason = self.last_alarm.clone().unwrap_or_else(|| "nothing new".to_owned());
                let (id, waited) = (self.feed.id.clone(), moved.elapsed());
                return Err(CaptureError::Stalled { id, waited, reason });
            }
            let wanted = noise.len().min(end - symbols.len());
            symbols.extend_from_slice(&noise[..wanted]);
            progress(symbols.len());
            if has_passed(until) {
                break;
            }
        }
        Ok(())
    }

    fn read(&mut self, noise: &mut Vec<u8>) -> Result<(), CaptureError> {
        let source = self.source.as_mut().expect("it was started");
        self.sample.clear(Instant::now());
        source
            .read(&mut self.sample, Instant::now() + self.feed.deadline)
            .map_err(|error| CaptureError::Source { id: self.feed.id.clone(), error })?;
        let admission = self.feed.gate.admit(&self.sample, Instant::now());
        self.alarms += u32::from(admission.withdrawn);
        if let Some(worst) = admission.findings.iter().max_by_key(|finding| finding.severity) {
            self.last_alarm = Some(format!("{}: {}", worst.test, worst.detail));
        }
        self.feed.gate.noise(&self.sample, noise);
        Ok(())
    }
}

fn has_passed(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}

fn share(part: usize, whole: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 symbols")]
    let share = part as f64 / whole.max(1) as f64;
    share
}
