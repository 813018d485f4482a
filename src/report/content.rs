//! The content of a report, before it is a page.

use std::fmt::Display;

use lavawall_assess::RestartTests;
use lavawall_entropy::HealthLimit;

use crate::report::noise::Noise;

/// A report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// The program and the machine.
    pub versions: Vec<Fact>,
    /// Every source.
    pub sources: Vec<ReportedSource>,
    /// The running service, or the reason why its state is not known.
    pub service: Result<RunningService, String>,
    /// The configuration, by section.
    pub configuration: Vec<(String, Vec<Fact>)>,
    /// Where the configuration comes from, in sentences.
    pub configuration_origin: String,
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// One source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReportedSource {
    /// Its name.
    pub id: String,
    /// The `type` of its configuration.
    pub source_type: String,
    /// Its independence class.
    pub kind: String,
    /// The reason for its credit.
    pub credit_basis: String,
    /// Credited bits per symbol; `None` when nothing is credited.
    pub credited: Option<f64>,
    /// Further facts.
    pub facts: Vec<Fact>,
    /// The limits of its health tests.
    pub limits: Vec<HealthLimit>,
    /// Its raw noise, or the reason why none is shown.
    pub noise: Result<Analysis<Noise>, String>,
    /// The restart tests, if there is data for them, or the reason why they failed to run.
    pub restart: Option<Result<Analysis<RestartTests>, String>>,
}

/// The analysis of captured noise.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Analysis<T> {
    /// Where it comes from: device, settings, date.
    pub facts: Vec<Fact>,
    /// The result.
    pub found: T,
}

/// The running service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunningService {
    /// Its state.
    pub facts: Vec<Fact>,
    /// Its sources.
    pub sources: Vec<RunningSource>,
    /// Events that an operator must look at.
    pub incidents: Vec<ReportedIncident>,
}

/// A source of the running service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunningSource {
    /// Its name.
    pub id: String,
    /// Its state.
    pub state: String,
    /// The reason for its credit.
    pub credit_basis: String,
    /// The running assessment, in words.
    pub live: Option<String>,
    /// Samples since the start.
    pub samples: u64,
    /// Bits credited since the start.
    pub credited_bits: u64,
    /// Alarms since the start.
    pub alarms: u64,
    /// The last alarm in words.
    pub last_alarm: Option<String>,
}

/// An event that an operator must look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportedIncident {
    /// The source it concerns, or the service.
    pub source: String,
    /// When, RFC 3339.
    pub at: String,
    /// The event.
    pub text: String,
}

impl Fact {
    /// A name and its value.
    pub(crate) fn new(name: impl Into<String>, value: impl Display) -> Self {
        Self { name: name.into(), value: format!("{value}") }
    }
}
