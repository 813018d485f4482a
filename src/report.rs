//! A report on the noise sources for an auditor: one self-contained HTML page.
//!
//! ```text
//! noise, limits, status, configuration ─► Report ─► HTML with its style, plots and pictures inside
//! ```
//! # Security
//! All text is escaped as it is written. The page has no script, loads nothing, and declares that to the
//! browser (`Content-Security-Policy`), so that a source, file or service with a hostile name can only
//! look odd. The page holds raw noise: noise that was captured for it, and that is in no seed.

mod conformance;
mod content;
mod noise;
mod page;
mod planes;
mod plots;
mod requirement;

pub(crate) use content::{
    Analysis, Fact, Report, ReportedIncident, ReportedSource, RunningService, RunningSource,
};
pub(crate) use noise::Noise;
pub use requirement::requirements;

#[cfg(test)]
mod tests;
