//! A report on the noise sources for an auditor: one page of HTML that needs nothing beside it.
//!
//! ```text
//! noise, limits, status, configuration ─► Report ─► HTML with its style, plots and pictures inside
//! ```
//! # Security
//! All text is escaped where it is written. The page has no script, loads nothing, and says so to the
//! browser (`Content-Security-Policy`), so that a source, file or service with a hostile name can do
//! no more than look odd. It holds raw noise: the noise that was captured for it, and that no seed was
//! made of.

mod noise;
mod page;
mod planes;
mod plots;
mod requirement;

use std::fmt::Display;

use lavawall_assess::RestartTests;
use lavawall_entropy::HealthLimit;

pub use noise::LAGS;
pub use noise::Noise;
pub use noise::PICTURED;
pub use requirement::Requirement;
pub use requirement::Standing;
pub use requirement::requirements;

/// Everything there is to report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// The program and the machine.
    pub versions: Vec<Fact>,
    /// Every source.
    pub sources: Vec<Source>,
    /// The running service, or why nothing is known of it.
    pub service: Result<Service, String>,
    /// What is configured, by section.
    pub configuration: Vec<(String, Vec<Fact>)>,
}

/// A name and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The name.
    pub name: String,
    /// What it is.
    pub value: String,
}

/// One source.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its name.
    pub id: String,
    /// The `type` of its configuration.
    pub source_type: String,
    /// Its independence class.
    pub kind: String,
    /// What its credit rests on.
    pub credit_basis: String,
    /// What else is known of it.
    pub facts: Vec<Fact>,
    /// What its samples are held to.
    pub limits: Vec<HealthLimit>,
    /// Its raw noise, or why there is none.
    pub noise: Result<Captured<Noise>, String>,
    /// The restart tests, where there is data for them, or why they could not be made.
    pub restart: Option<Result<Captured<RestartTests>, String>>,
}

/// What was found in captured noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured<T> {
    /// Where it comes from: device, settings, date.
    pub facts: Vec<Fact>,
    /// What was found.
    pub found: T,
}

/// The running service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What it says of itself.
    pub facts: Vec<Fact>,
    /// What it says of its sources.
    pub sources: Vec<Running>,
    /// What an operator must look at.
    pub incidents: Vec<Incident>,
}

/// A source of the running service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its name.
    pub id: String,
    /// How it is.
    pub state: String,
    /// What its credit rests on.
    pub credit_basis: String,
    /// What the last window of its noise was worth, in words.
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

/// Something that an operator must look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The source it concerns, or the service.
    pub source: String,
    /// When, RFC 3339.
    pub at: String,
    /// What happened.
    pub text: String,
}

impl Report {
    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        page::page(self).into_string()
    }
}

impl Fact {
    /// A name and what it is.
    pub fn new(name: impl Into<String>, value: impl Display) -> Self {
        Self { name: name.into(), value: format!("{value}") }
    }
}

#[cfg(test)]
mod tests;
