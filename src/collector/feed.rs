//! A feed: everything the collector needs to run one source.

use std::fmt;
use std::time::Duration;

use crate::collector::status::{Assessed, SourceReport, SourceState};
use crate::source::{Facts, Source, SourceError};
use lavawall_entropy::{Gate, Kind, PoolMember};

/// Opens, or opens again, the device of a source.
pub(crate) type OpenSource = Box<dyn FnMut() -> Result<Box<dyn Source>, SourceError> + Send>;

/// The assessment that holds for an opened source with these facts, or why its calibration does
/// not.
pub(crate) type Calibrated = Box<dyn FnMut(&Facts) -> Result<Assessed, String> + Send>;

/// Remembers the fingerprint of a picture across restarts.
pub(crate) type Remember = Box<dyn FnMut(u64) + Send>;

/// One source, ready to be run.
pub struct Feed {
    /// Its name, unique in this service.
    pub id: String,
    /// The `type` of its configuration.
    pub source_type: &'static str,
    /// Its independence class.
    pub kind: Kind,
    /// The quorum requires it.
    pub required: bool,
    /// The basis of its provisional credit, in one sentence for the operator.
    pub credit_basis: String,
    /// Its calibration, if it has one.
    pub calibrated: Option<Calibrated>,
    /// Its configuration in text form: two feeds with equal names and keys are the same source.
    pub key: String,
    /// How to open it.
    pub open: OpenSource,
    /// The health tests of its samples.
    pub gate: Gate,
    /// How long one read may take.
    pub deadline: Duration,
    /// The wait between two blocks while the pool does not wait for this source.
    pub pace: Duration,
    /// Its pictures are public and may be shown.
    pub shown: bool,
    /// Keeps fingerprints of its pictures.
    pub remember: Option<Remember>,
}

impl Feed {
    /// The source as a member of the pool.
    pub(crate) fn member(&self) -> PoolMember {
        PoolMember { id: self.id.clone(), kind: self.kind, required: self.required }
    }

    /// The source's first report.
    pub(crate) fn report(&self) -> SourceReport {
        SourceReport {
            id: self.id.clone(),
            source_type: self.source_type,
            kind: self.kind,
            state: SourceState::Starting,
            required: self.required,
            credit_bits_per_second: 0.0,
            credited_bits: 0,
            samples: 0,
            alarms: 0,
            last_alarm: None,
            credit_basis: self.credit_basis.clone(),
            assessed: None,
            live: None,
            identity: None,
            virtual_device: false,
            notes: Vec::new(),
        }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
