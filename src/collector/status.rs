//! What is known of every source, for people to look at: status, dashboard, metrics.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use lavawall_entropy::{Frame, HealthTest, Kind, Severity};

/// How many past incidents are kept.
const INCIDENTS_KEPT: usize = 100;

/// The notice board. Sources' runners write to it; nothing on the entropy path reads it.
#[derive(Debug, Default)]
pub struct Board {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    sources: Vec<SourceReport>,
    incidents: Vec<Incident>,
    incident_count: u64,
    picture: Option<Arc<Picture>>,
}

impl Board {
    /// A report on every source, in configuration order.
    pub fn sources(&self) -> Vec<SourceReport> {
        self.lock().sources.clone()
    }

    /// The last incidents, oldest first.
    pub fn incidents(&self) -> Vec<Incident> {
        self.lock().incidents.clone()
    }

    /// Incidents since the service started, those no longer kept among them.
    pub fn incident_count(&self) -> u64 {
        self.lock().incident_count
    }

    /// The last picture of a recorded or rendered wall. Never one of a live camera: a live frame
    /// is a secret.
    pub fn picture(&self) -> Option<Arc<Picture>> {
        self.lock().picture.clone()
    }

    /// Puts up the sources there are, all new.
    pub fn set_sources(&self, sources: Vec<SourceReport>) {
        self.lock().sources = sources;
    }

    /// Changes the report on the source of this name.
    pub fn update(&self, id: &str, change: impl FnOnce(&mut SourceReport)) {
        if let Some(report) = self.lock().sources.iter_mut().find(|report| report.id == id) {
            change(report);
        }
    }

    /// Adds an incident.
    pub fn add_incident(&self, source: Option<String>, text: String) {
        tracing::error!(source, "incident: {text}");
        let mut entries = self.lock();
        entries.incident_count += 1;
        if entries.incidents.len() == INCIDENTS_KEPT {
            entries.incidents.remove(0);
        }
        entries.incidents.push(Incident { source, text, at: SystemTime::now() });
    }

    /// Shows a picture of a wall that is not a secret.
    pub fn show(&self, picture: Picture) {
        self.lock().picture = Some(Arc::new(picture));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// How it is.
    pub state: SourceState,
    /// The quorum cannot stand without it.
    pub required: bool,
    /// Credit over the last minute, in bits a second.
    pub credit_bits_per_second: f64,
    /// Credit since the service started, in bits.
    pub credited_bits: u64,
    /// Samples read since the service started.
    pub samples: u64,
    /// Alarms since the service started.
    pub alarms: u64,
    /// The last alarm.
    pub last_alarm: Option<Alarm>,
    /// What the credit rests on, in one sentence.
    pub credit_basis: String,
    /// The assessment it rests on; `None` while it is provisional.
    pub assessed: Option<Assessed>,
    /// What the last window of its noise was worth; `None` before there was one.
    pub live: Option<LiveFigure>,
    /// The device's identity, when it has one.
    pub identity: Option<String>,
    /// The device sits on a bus that software can fake.
    pub virtual_device: bool,
    /// Things that are not as they should be.
    pub notes: Vec<String>,
}

/// What was assessed of a source, on noise captured from it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Assessed {
    /// Min-entropy of one symbol as the estimators found it, in bits.
    pub min_entropy: f64,
    /// What of it is credited, in bits a symbol.
    pub credited: f64,
    /// On how many symbols.
    pub samples: usize,
    /// The estimator whose figure was the least.
    pub estimator: String,
    /// When, RFC 3339.
    pub at: String,
}

/// What a window of a running source's noise was worth.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveFigure {
    /// Min-entropy of one symbol, in bits.
    pub min_entropy: f64,
    /// The estimator whose figure was the least.
    pub estimator: &'static str,
    /// How many symbols the window had.
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

/// How a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceState {
    /// Its start-up test has not finished.
    Starting,
    /// Its samples pass.
    Healthy,
    /// It failed a health test and waits for a fresh start-up test.
    Alarmed,
    /// It could not be opened or read; it is tried again.
    Absent,
}

/// One alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// The test that failed.
    pub test: HealthTest,
    /// What followed.
    pub severity: Severity,
    /// The figures.
    pub detail: String,
    /// When.
    pub at: SystemTime,
}

/// Something an operator must look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// The source it concerns, if any.
    pub source: Option<String>,
    /// What happened and what to do.
    pub text: String,
    /// When.
    pub at: SystemTime,
}

/// One frame that may be shown.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Which source drew it.
    pub source: String,
    /// Size and format.
    pub frame: Frame,
    /// The payload.
    pub bytes: Vec<u8>,
}
