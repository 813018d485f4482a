//! `/status`: the service, its sources, its keyring and its incidents.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::names::{
    ConditionName, KindName, SealName, SeverityName, SourceStateName, StateName,
};

/// The answer of `/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Status {
    /// Whether randomness is served.
    #[schemars(with = "StateName")]
    pub state: String,
    /// Why it is not ready, in a sentence.
    pub reason: Option<String>,
    /// Version of the program.
    pub version: String,
    /// Seeds since the start; 0 before the first.
    pub generation: u64,
    /// Age of the seed in use; null before the first.
    pub seed_age_seconds: Option<u64>,
    /// Time since the start.
    pub uptime_seconds: u64,
    /// The independent kinds of source, present and needed.
    pub quorum: QuorumStatus,
    /// The generator's state is kept out of swap.
    pub memory_locked: bool,
    /// The TCP listener speaks TLS.
    pub tls: bool,
    /// Lines of the service's log that could not be written since the start.
    #[serde(default)]
    pub log_lines_lost: u64,
    /// Lines that callers caused and that were suppressed since the start.
    #[serde(default)]
    pub log_lines_suppressed: u64,
    /// The keyring and its seal; null if the keyring could not be read.
    pub keyring: Option<KeyringStatus>,
    /// The recorded or drawn source that /wall.png shows.
    pub picture: Option<String>,
    /// Every source, in the order of the configuration.
    pub sources: Vec<SourceStatus>,
    /// The last ones, oldest first.
    pub incidents: Vec<IncidentStatus>,
}

/// The quorum: how many independent kinds of source a seed needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Quorum")]
pub(crate) struct QuorumStatus {
    /// Distinct kinds that a seed needs.
    pub needed: u64,
    /// Kinds of source that are healthy.
    #[schemars(with = "Vec<KindName>")]
    pub present: Vec<String>,
    /// Required sources that are not healthy: without them there is no seed.
    pub missing_required: Vec<String>,
    /// The next seed should have been made by now.
    pub overdue: bool,
}

/// The keyring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Keyring")]
pub(crate) struct KeyringStatus {
    /// Whether keys can be used.
    #[schemars(with = "ConditionName")]
    pub state: String,
    /// The seal; null without a keyring. A file seal opens for anyone who has the disk.
    #[schemars(with = "Option<SealName>")]
    pub seal: Option<String>,
    /// Open namespaces; this and the next are null for a tenant that may not know what others keep.
    pub namespaces: Option<u64>,
    /// Records in them.
    pub records: Option<u64>,
    /// Records that do not open, and namespaces whose count or sum disagrees with their records.
    pub damaged: Option<u64>,
    /// Why expired records are hidden and not removed; null when they are removed.
    #[serde(default)]
    pub clock_doubt: Option<String>,
    /// Why nothing is written; null while the store can be written.
    #[serde(default)]
    pub read_only: Option<String>,
    /// Records that the scrub has read in this round.
    #[serde(default)]
    pub scrubbed: Option<u64>,
    /// When the scrub had read every record; null before it has.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    pub scrub_completed_at: Option<String>,
    /// Namespaces with records under older key versions.
    #[serde(default)]
    pub rotations: Vec<RotationStatus>,
    /// The size of the store; null while its file is not open, or is being compacted.
    #[serde(default)]
    pub store: Option<StoreSize>,
}

/// The size of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StoreSize {
    /// Bytes of its rows.
    pub live_bytes: u64,
    /// Bytes of its file. `lavawall kv compact` gives free space back to the disk.
    pub file_bytes: u64,
}

/// The rotation of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Rotation")]
pub(crate) struct RotationStatus {
    /// Id of the namespace.
    pub namespace: String,
    /// The active key version, under which records are resealed.
    pub version: u32,
    /// Records resealed since the service started or the rotation began.
    pub done: u64,
    /// Records that are still under older versions.
    pub left: u64,
    /// Records per older version.
    pub dependents: BTreeMap<u32, u64>,
}

/// A source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Source")]
pub(crate) struct SourceStatus {
    /// Name, unique in the service.
    pub id: String,
    /// Type, as in the configuration.
    #[serde(rename = "type")]
    pub source_type: String,
    /// Independence class.
    #[schemars(with = "KindName")]
    pub kind: String,
    /// Health.
    #[schemars(with = "SourceStateName")]
    pub state: String,
    /// There is no seed without this source.
    pub required: bool,
    /// Credit over the last minute.
    pub credit_bits_per_second: f64,
    /// Credit since the start.
    pub credited_bits: u64,
    /// The reason for the credit, in a sentence that begins with assessed, provisional or none.
    pub credit_basis: String,
    /// The assessment that the credit is based on; null if the credit is provisional or none.
    pub assessed: Option<AssessedStatus>,
    /// The running assessment of its noise; null before the first window is full.
    pub live: Option<LiveStatus>,
    /// It was credited in the seed in use.
    pub in_last_seed: bool,
    /// On a bus that software can fake.
    #[serde(rename = "virtual")]
    pub is_virtual: bool,
    /// Identity of the device.
    pub identity: Option<String>,
    /// Samples since the start.
    pub samples: u64,
    /// Alarms since the start.
    pub alarms: u64,
    /// The last alarm.
    pub last_alarm: Option<AlarmStatus>,
    /// Remarks for the operator.
    pub notes: Vec<String>,
}

/// The assessment of noise that was captured from a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Assessed")]
pub(crate) struct AssessedStatus {
    /// Bits per symbol, as the estimators of SP 800-90B found it.
    pub min_entropy: f64,
    /// Bits per symbol that are credited.
    pub credited: f64,
    /// Symbols assessed.
    pub samples: u64,
    /// The estimator with the least figure.
    pub estimator: String,
    /// Time of the assessment.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
}

/// The running assessment: the last window of a source's noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Live")]
pub(crate) struct LiveStatus {
    /// Bits per symbol.
    pub min_entropy: f64,
    /// The estimator with the least figure.
    pub estimator: String,
    /// Symbols in the window.
    pub samples: u64,
    /// Time of the assessment.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// Time since the assessment.
    #[serde(default)]
    pub age_seconds: u64,
}

/// An alarm of a health test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Alarm")]
pub(crate) struct AlarmStatus {
    /// The health test.
    pub test: String,
    /// The consequence.
    #[schemars(with = "SeverityName")]
    pub severity: String,
    /// The figures.
    pub detail: String,
    /// Time of the alarm.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
}

/// An event that an operator must look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Incident")]
pub(crate) struct IncidentStatus {
    /// The source it concerns; null for the service itself.
    pub source: Option<String>,
    /// The event, and the remedy.
    pub text: String,
    /// Time of the event.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
}
