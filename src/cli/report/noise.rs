//! The noise in the report: from files, or captured now.

mod files;

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::calibrate::Sidecar;
use crate::calibrate::setup::Setup;
use crate::cli::progress::Bar;
use crate::cli::report::facts;
use crate::cli::{noise_capture, print};
use crate::config::{Config, SourceEntry};
use crate::report::{Analysis, Noise, ReportedSource};
use lavawall_assess::{RestartTests, Samples, test_restarts};

use files::NoiseFile;
pub(crate) use files::NoiseFiles;

/// The noise of one source with the setup of its capture, if known; or the reason for its absence.
pub(crate) type Found = Result<(Analysis<Noise>, Option<Setup>), String>;

/// The restart tests of one source, or why they failed.
pub(crate) type FoundRestarts = Result<Analysis<RestartTests>, String>;

/// The origin of noise, and how it is assessed.
pub(crate) struct Noises {
    pub(crate) files: NoiseFiles,
    pub(crate) threads: NonZeroUsize,
    pub(crate) samples: usize,
    /// The most time for the capture of one source.
    pub(crate) capture_time: Duration,
}

impl Noises {
    /// The noise of a source in the files.
    pub(crate) fn of_source(&mut self, id: &str) -> Option<Found> {
        let at = self.files.noise.iter().position(|raw| raw.source() == Some(id))?;
        let raw = self.files.noise.remove(at);
        let setup = raw.sidecar.as_ref().map(|sidecar| sidecar.setup.clone());
        Some(Ok((self.look_at(raw), setup)))
    }

    /// Captures noise of a source now.
    pub(crate) fn capture(&self, config: &Config, entry: &SourceEntry) -> Found {
        print::note(&format!("{}: capturing {} symbols …", entry.id, self.samples));
        let captured =
            noise_capture::capture_within(config, entry, self.samples, self.capture_time);
        let mut captured = captured.map_err(|error| error.to_string()).inspect_err(|reason| {
            print::note(&reason);
        })?;
        let symbols = std::mem::take(&mut *captured.symbols);
        let facts = facts::of_sidecar(&captured.sidecar);
        let found = self.assess(symbols, Some(&captured.sidecar));
        Ok((Analysis { facts, found }, Some(captured.sidecar.setup)))
    }

    /// The restart tests of a source against the min-entropy of its noise, if there is a file.
    pub(crate) fn restarts(
        &mut self,
        id: Option<&str>,
        noise: &Result<Analysis<Noise>, String>,
    ) -> Option<FoundRestarts> {
        let at = self.files.restarts.iter().position(|raw| raw.source() == id)?;
        let raw = self.files.restarts.remove(at);
        let assessment = noise.as_ref().map_err(Clone::clone).and_then(|noise| {
            let assessment = noise.found.assessment.as_ref();
            assessment.map_err(|reason| format!("there is no initial estimate: {reason}"))
        });
        let initial = match assessment {
            Ok(assessment) => assessment.min_entropy(),
            Err(reason) => return Some(Err(reason)),
        };
        Some(self.test_restarts(raw, initial))
    }

    /// Noise of sources outside the configuration.
    pub(crate) fn others(&mut self) -> Vec<ReportedSource> {
        let mut others = Vec::new();
        while !self.files.noise.is_empty() {
            let raw = self.files.noise.remove(0);
            let (name, sidecar) = (raw.name(), raw.sidecar.clone());
            let noise = Ok(self.look_at(raw));
            let id = sidecar.as_ref().map(|it| it.source.clone());
            let restart = self.restarts(id.as_deref(), &noise);
            others.push(ReportedSource {
                id: id.unwrap_or(name),
                source_type: sidecar
                    .as_ref()
                    .map_or_else(|| "unknown".to_owned(), |it| it.setup.source_type.clone()),
                kind: sidecar.map_or_else(|| "unknown".to_owned(), |it| it.kind.to_string()),
                credit_basis: "not in this configuration".to_owned(),
                credited: None,
                facts: Vec::new(),
                limits: Vec::new(),
                noise,
                restart,
            });
        }
        others
    }

    fn look_at(&self, raw: NoiseFile) -> Analysis<Noise> {
        print::note(&format!("{}: assessing …", raw.name()));
        let facts = raw.facts();
        Analysis { facts, found: self.assess(raw.symbols, raw.sidecar.as_ref()) }
    }

    fn assess(&self, symbols: Vec<u8>, sidecar: Option<&Sidecar>) -> Noise {
        let bar = Bar::new("assessing");
        // Only camera noise has a grid, and its symbols are differences.
        let signed = sidecar.is_some_and(|sidecar| sidecar.setup.grid.is_some());
        let bits = sidecar.map(|sidecar| sidecar.bits);
        Noise::of(symbols, bits, signed, self.threads, &|done| bar.set(done))
    }

    fn test_restarts(&self, raw: NoiseFile, initial: f64) -> FoundRestarts {
        print::note(&format!("{}: testing restarts …", raw.name()));
        let facts = raw.facts();
        let bits = raw.sidecar.as_ref().map(|sidecar| sidecar.bits);
        let samples = Samples::new(raw.symbols, bits).map_err(|error| error.to_string())?;
        let bar = Bar::new("assessing starts");
        let progress = |done| bar.set(done);
        test_restarts(&samples, initial, false, self.threads, &progress)
            .map(|found| Analysis { facts, found })
            .map_err(|error| error.to_string())
    }
}
