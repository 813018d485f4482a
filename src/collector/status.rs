//! Source status: the state of every source, for status, dashboard and metrics.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use lavawall_entropy::{Frame, HealthTest, Kind, Severity};

/// The status of every source. Runners write it; nothing on the entropy path reads it.
#[derive(Debug, Default)]
pub struct StatusBoard {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    sources: Vec<SourceReport>,
    picture: Option<Arc<Picture>>,
}

impl StatusBoard {
    /// A report on every source, in configuration order.
    pub fn sources(&self) -> Vec<SourceReport> {
        self.entries.lock().sources.clone()
    }

    /// The last picture of a recorded or rendered wall. Never one of a live camera: a live frame
    /// is a secret.
    pub fn picture(&self) -> Option<Arc<Picture>> {
        self.entries.lock().picture.clone()
    }

    /// Replaces the reports on all sources.
    pub fn set_sources(&self, sources: Vec<SourceReport>) {
        self.entries.lock().sources = sources;
    }

    /// Changes the report on the source of this name.
    pub fn update(&self, id: &str, change: impl FnOnce(&mut SourceReport)) {
        if let Some(report) = self.entries.lock().sources.iter_mut().find(|report| report.id == id)
        {
            change(report);
        }
    }

    /// Takes back the report on the source of this name from `earlier` ones.
    pub(super) fn restore(&self, earlier: &[SourceReport], id: &str) {
        if let Some(report) = earlier.iter().find(|report| report.id == id) {
            self.update(id, |fresh| *fresh = report.clone());
        }
    }

    /// Shows a picture of a wall that is not a secret.
    pub fn show(&self, picture: Picture) {
        self.entries.lock().picture = Some(Arc::new(picture));
    }
}

/// One source as an operator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceReport {
    /// Its name, unique in this service.
    pub id: String,
    /// The `type` of its configuration.
    pub source_type: &'static str,
    /// Its independence class.
    pub kind: Kind,
    /// Its state.
    pub state: SourceState,
    /// The quorum requires it.
    pub required: bool,
    /// Credit over the last minute, in bits per second.
    pub credit_bits_per_second: f64,
    /// Credit since the service started, in bits.
    pub credited_bits: u64,
    /// Samples read since the service started.
    pub samples: u64,
    /// Alarms since the service started.
    pub alarms: u64,
    /// The last alarm.
    pub last_alarm: Option<Alarm>,
    /// The basis of the credit, in one sentence.
    pub credit_basis: String,
    /// The assessment it is based on; `None` while it is provisional.
    pub assessed: Option<Assessed>,
    /// The figure of the last window of its noise; `None` before the first.
    pub live: Option<LiveFigure>,
    /// The device's identity, when it has one.
    pub identity: Option<String>,
    /// The device sits on a bus that software can fake.
    pub virtual_device: bool,
    /// Remarks for the operator, for example a setting that the driver would not lock.
    pub notes: Vec<String>,
}

impl SourceReport {
    /// No samples come.
    pub(super) fn set_absent(&mut self) {
        self.state = SourceState::Absent;
        self.credit_bits_per_second = 0.0;
    }

    /// Counts an alarm, which becomes the last one.
    pub(super) fn add_alarm(&mut self, test: HealthTest, severity: Severity, detail: String) {
        self.alarms += 1;
        self.last_alarm = Some(Alarm { test, severity, detail, at: SystemTime::now() });
    }
}

/// The assessment of noise that was captured from a source.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Assessed {
    /// Min-entropy of one symbol as the estimators found it, in bits.
    pub min_entropy: f64,
    /// The credited part of it, in bits per symbol.
    pub credited: f64,
    /// The number of symbols.
    pub samples: usize,
    /// The estimator with the lowest figure.
    pub estimator: String,
    /// When the noise was captured, RFC 3339.
    pub at: String,
}

/// The assessment of one window of a running source's noise.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveFigure {
    /// Min-entropy of one symbol, in bits.
    pub min_entropy: f64,
    /// The estimator with the lowest figure.
    pub estimator: &'static str,
    /// Symbols in the window.
    pub samples: usize,
    /// When it was assessed.
    pub at: SystemTime,
}

impl fmt::Display for Assessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min_entropy, credited, samples, estimator, at } = self;
        write!(
            f,
            "assessed {at}: {min_entropy:.3} bits a symbol by {estimator} on {samples} symbols, \
             {credited:.3} credited"
        )
    }
}

/// The state of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceState {
    /// Its start-up test has not finished.
    Starting,
    /// Its samples pass.
    Healthy,
    /// It failed a health test and waits for a fresh start-up test.
    Alarmed,
    /// It could not be opened or read; this is retried.
    Absent,
}

/// One alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// The test that failed.
    pub test: HealthTest,
    /// The consequence.
    pub severity: Severity,
    /// The figures.
    pub detail: String,
    /// When it was raised.
    pub at: SystemTime,
}

/// One frame that may be shown.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The source that gave it.
    pub source: String,
    /// Size and format.
    pub frame: Frame,
    /// The payload.
    pub bytes: Vec<u8>,
}
