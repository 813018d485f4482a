//! Raw noise of one source, taken as the service takes it: the same way to open it, the same tests,
//! the same symbols as are credited.

pub(crate) mod sidecar;

use std::time::{Duration, Instant, SystemTime};

use zeroize::Zeroizing;

use crate::calibrate::setup::Setup;
use crate::collector::feed::Feed;
use crate::config::{Config, SourceEntry};
use crate::machine::rfc3339;
use crate::plan::feeds;
use crate::source::{Facts, Source, SourceError, Spec};
use lavawall_entropy::{PixelFormat, Sample};

pub use sidecar::Restarts;
pub use sidecar::Sidecar;
pub use sidecar::credited_nothing;

/// The most symbols that are captured: what can be assessed of eight bits each.
pub const MOST_SYMBOLS: usize = lavawall_assess::MOST_BITS / 8;

/// A source that gives samples and nothing of worth in them for so long gives nothing more: long
/// enough for a camera at one frame a second to settle.
const PATIENCE: Duration = Duration::from_mins(3);

/// So many starts in a row may be refused by the source's own test before it is given up: a timer that
/// happens to be quiet is refused now and then.
const REFUSALS: u32 = 100;

/// How much is captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many symbols, one after the other.
    Sequence(usize),
    /// From so many starts so many symbols each: the source is opened anew for every row.
    Restarts {
        /// How often it is opened.
        rows: usize,
        /// How many symbols are kept each time.
        columns: usize,
    },
}

impl Amount {
    /// Symbols in all, or `None` when they cannot be counted.
    #[must_use]
    pub fn symbols(self) -> Option<usize> {
        match self {
            Self::Sequence(symbols) => Some(symbols),
            Self::Restarts { rows, columns } => rows.checked_mul(columns),
        }
    }
}

/// What was captured.
pub struct Captured {
    /// One symbol a byte. As secret as any noise of this source.
    pub symbols: Zeroizing<Vec<u8>>,
    /// What they are.
    pub sidecar: Sidecar,
}

/// Why nothing was captured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// No such source.
    #[error("--source {name}: there is none; there are {}", known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// Its samples have no symbols.
    #[error("{0}: compressed pictures hold no raw noise; format = \"yuyv\" does")]
    Coded(String),
    /// It gave nothing.
    #[error("{id}: {error}")]
    Source {
        /// The source.
        id: String,
        /// What happened.
        error: SourceError,
    },
    /// It gave nothing that passes.
    #[error("{id}: no noise that passes within {} s: {reason}", PATIENCE.as_secs())]
    Stalled {
        /// The source.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The source of this name, else the first of this type; with no `[[source]]` at all, the type with
/// its defaults.
///
/// # Errors
/// [`CaptureError::Unknown`], with the names there are.
pub fn find(config: &Config, name: &str) -> Result<SourceEntry, CaptureError> {
    let unknown = |known| CaptureError::Unknown { name: name.to_owned(), known };
    let Some(sources) = &config.sources else {
        let defaults = serde_json::Value::Object(serde_json::Map::new());
        let spec = Spec::parse(name, defaults).and_then(Result::ok);
        let known = || Spec::TYPES.iter().map(|name| (*name).to_owned()).collect();
        return spec
            .map(|spec| SourceEntry { id: name.to_owned(), spec })
            .ok_or_else(|| unknown(known()));
    };
    let exact = sources.iter().find(|source| source.id == name);
    exact
        .or_else(|| sources.iter().find(|source| source.is_called(name)))
        .cloned()
        .ok_or_else(|| unknown(sources.iter().map(|source| source.id.clone()).collect()))
}

/// Captures raw noise. `progress` hears which share is done, from 0 to 1.
///
/// # Errors
/// Says why there is none.
pub fn capture(
    config: &Config,
    entry: &SourceEntry,
    amount: Amount,
    progress: &dyn Fn(f64),
) -> Result<Captured, CaptureError> {
    if matches!(&entry.spec, Spec::Camera(camera) if camera.format == PixelFormat::Mjpeg) {
        return Err(CaptureError::Coded(entry.id.clone()));
    }
    let mut run = Run::new(feeds::feed(entry.clone(), config, None));
    let wanted = amount.symbols().unwrap_or(MOST_SYMBOLS).min(MOST_SYMBOLS);
    let mut symbols = Zeroizing::new(Vec::with_capacity(wanted));
    let (rows, columns) = match amount {
        Amount::Sequence(wanted) => (1, wanted),
        Amount::Restarts { rows, columns } => (rows, columns),
    };
    for _ in 0..rows {
        run.start()?;
        run.take(&mut symbols, columns, &|taken| progress(share(taken, wanted)))?;
    }
    let sidecar = Sidecar {
        source: entry.id.clone(),
        kind: entry.spec.kind(),
        credited_nothing: credited_nothing(&entry.spec).map(str::to_owned),
        virtual_device: run.facts.virtual_device,
        setup: Setup::of(&entry.spec, &run.facts),
        bits: 8,
        samples: symbols.len(),
        restarts: matches!(amount, Amount::Restarts { .. }).then(|| Restarts {
            rows,
            columns,
            meaning: sidecar::meaning_of_restart(&entry.spec).to_owned(),
        }),
        refusals: run.refusals,
        alarms: run.alarms,
        last_alarm: run.last_alarm,
        at: now(),
        lavawall: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok(Captured { symbols, sidecar })
}

/// Now, RFC 3339, to the second, in UTC.
#[must_use]
pub fn now() -> String {
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

    /// Opens the source, anew if it is open.
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

    /// Appends exactly `count` symbols.
    fn take(
        &mut self,
        symbols: &mut Vec<u8>,
        count: usize,
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
            } else if moved.elapsed() > PATIENCE {
                let reason = self.last_alarm.clone().unwrap_or_else(|| "nothing new".to_owned());
                return Err(CaptureError::Stalled { id: self.feed.id.clone(), reason });
            }
            let wanted = noise.len().min(end - symbols.len());
            symbols.extend_from_slice(&noise[..wanted]);
            progress(symbols.len());
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

fn share(part: usize, whole: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 symbols")]
    let share = part as f64 / whole.max(1) as f64;
    share
}
