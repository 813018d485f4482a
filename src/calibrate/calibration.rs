//! Calibrations: the assessed min-entropy of a source and its credited part, kept in the state
//! directory, and valid only for the setup they were measured with.
//!
//! ```text
//! calibration-<source>.json    setup, figure, decisive estimator, samples, date
//! ```
//! # Derating
//! An estimate is an upper bound: ten estimators find the patterns they look for, in one session. So
//! ```text
//! raw noise (camera, jitter)                  credited = min(estimate / 2, ceiling)
//! bytes of a generator (cpu, hwrng, tpm, …)   credited = min(estimate, claim)
//! ```
//! Half, since SP 800-90B itself lets the estimate after a restart fall to half the initial one before
//! it fails a source (§3.1.4.2): a figure of one session is trusted no further. The ceiling can be
//! argued without any measurement: for a pixel's difference the bits it has at the least noise that
//! counts, for a timing difference one bit (jitterentropy's oversampling rate 1, its best). The bytes
//! of a generator look perfect whatever their origin: there an assessment can only lower the claim.
//! Each source states its own rule (`source::Derating`).

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::calibrate::setup::{Mismatch, Setup};
use crate::calibrate::sidecar::Sidecar;
use crate::collector::status::Assessed;
use crate::durable;
use crate::source::{Derating, SourceSpec};
use crate::state::StateDir;
use lavawall_assess::Assessment;

/// Divides the estimate of raw noise: no other bound limits the patterns it missed
/// (SP 800-90B §3.1.4.2).
const DERATING: f64 = 2.0;

/// A figure measured on a source's own noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Calibration {
    /// The setup it was measured with.
    pub setup: Setup,
    /// Assessed min-entropy of one symbol, in bits.
    pub min_entropy: f64,
    /// The credited part of it, in bits per symbol.
    pub credited: f64,
    /// How it was derated, in words.
    pub derating: String,
    /// The estimator with the lowest figure.
    pub estimator: String,
    /// The number of assessed symbols.
    pub samples: usize,
    /// When the symbols were captured, RFC 3339.
    pub at: String,
    /// The program's version.
    pub lavawall: String,
}

/// Why a source cannot be calibrated, or a calibration not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CalibrationError {
    /// The source is credited nothing.
    #[error("this source is credited nothing, however it assesses: {0}")]
    CreditedNothing(&'static str),
    /// Its credit does not follow from an assessment.
    #[error("{0}")]
    NotAssessable(&'static str),
    /// Software may have made the pictures.
    #[error("its device is on a bus that software can fake: an assessment proves nothing")]
    Virtual,
    /// The setup has changed.
    #[error("its calibration of {at} is not used: {mismatch}")]
    Mismatch {
        /// When the calibration was made.
        at: String,
        /// The difference.
        mismatch: Mismatch,
    },
    /// The file cannot be read or written.
    #[error("{file}: {error}")]
    File {
        /// The file.
        file: String,
        /// The system's error.
        error: io::Error,
    },
    /// The content is damaged.
    #[error("{file} is damaged: {reason}; it is not used, calibrate again")]
    Damaged {
        /// The file.
        file: String,
        /// The fault.
        reason: String,
    },
}

impl Calibration {
    /// The calibration that follows from captured and assessed noise.
    ///
    /// # Errors
    /// When this source must not be credited, or not by an assessment.
    pub(crate) fn of(
        spec: &SourceSpec,
        sidecar: &Sidecar,
        found: &Assessment,
    ) -> Result<Self, CalibrationError> {
        if sidecar.virtual_device {
            return Err(CalibrationError::Virtual);
        }
        let derated = Derated::of(spec, found.min_entropy())?;
        Ok(Self {
            setup: sidecar.setup.clone(),
            min_entropy: found.min_entropy(),
            credited: derated.credited,
            derating: derated.how,
            estimator: found.decisive().estimator.name().to_owned(),
            samples: found.samples,
            at: sidecar.at.clone(),
            lavawall: sidecar.lavawall.clone(),
        })
    }

    /// Whether a source can be calibrated at all.
    ///
    /// # Errors
    /// Says why not.
    pub(crate) fn is_possible(spec: &SourceSpec) -> Result<(), CalibrationError> {
        Derated::of(spec, 0.0).map(drop)
    }

    /// The calibration of the source of this name in a state directory, which a running service may
    /// hold; `None` when there is none.
    ///
    /// # Errors
    /// When its file cannot be read, or is damaged.
    pub(crate) fn read(folder: &Path, id: &str) -> Result<Option<Self>, CalibrationError> {
        let file = file_of(id);
        let text = match durable::read(&folder.join(&file)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CalibrationError::File { file, error }),
        };
        let damaged = |reason| CalibrationError::Damaged { file: file.clone(), reason };
        let known: Self =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if !(0.0..=8.0).contains(&known.min_entropy) || !(0.0..=8.0).contains(&known.credited) {
            return Err(damaged("a symbol of 8 bits has from 0 to 8 bits of entropy".to_owned()));
        }
        Ok(Some(known))
    }

    /// Writes it for the source of this name.
    ///
    /// # Errors
    /// The system's error; an earlier calibration is kept.
    pub(crate) fn save(&self, dir: &StateDir, id: &str) -> Result<(), CalibrationError> {
        let file = file_of(id);
        let mut text = serde_json::to_string_pretty(self).expect("numbers and names make JSON");
        text.push('\n');
        dir.replace(&file, text.as_bytes()).map_err(|error| CalibrationError::File { file, error })
    }

    /// The credit of a source with this configuration and this setup. The rules are applied again:
    /// neither an older program nor an edited file can credit more.
    ///
    /// # Errors
    /// [`CalibrationError::Mismatch`] when it was measured with another setup; others when the
    /// source must not be credited.
    pub(crate) fn apply(
        &self,
        spec: &SourceSpec,
        now: &Setup,
    ) -> Result<Assessed, CalibrationError> {
        self.setup
            .check(now)
            .map_err(|mismatch| CalibrationError::Mismatch { at: self.at.clone(), mismatch })?;
        let derated = Derated::of(spec, self.min_entropy)?;
        Ok(Assessed {
            min_entropy: self.min_entropy,
            credited: self.credited.min(derated.credited),
            samples: self.samples,
            estimator: self.estimator.clone(),
            at: self.at.clone(),
        })
    }
}

fn file_of(id: &str) -> String {
    format!("calibration-{id}.json")
}

/// The credited part of an estimate.
struct Derated {
    credited: f64,
    how: String,
}

impl Derated {
    fn of(spec: &SourceSpec, estimate: f64) -> Result<Self, CalibrationError> {
        if let Some(why) = spec.credited_nothing() {
            return Err(CalibrationError::CreditedNothing(why));
        }
        match spec.derating() {
            Derating::Halved { ceiling } => Ok(Self {
                credited: (estimate / DERATING).min(ceiling),
                how: format!("half of the estimate, at most {ceiling}"),
            }),
            Derating::AtMostClaim(claim) => Ok(Self {
                credited: estimate.min(claim),
                how: format!("the estimate, at most the claim of {claim}"),
            }),
            Derating::Never(why) => Err(CalibrationError::NotAssessable(why)),
        }
    }
}

#[cfg(test)]
mod tests;
