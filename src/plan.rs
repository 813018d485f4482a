//! The sources that a service would run, and their health limits. Nothing is opened.

mod automatic;
pub(crate) mod feeds;

use std::path::Path;

use crate::calibrate::calibration::{Calibration, CalibrationError};
use crate::calibrate::setup::Setup;
use crate::collector::monitor;
use crate::config::{Config, SourceEntry};
use lavawall_entropy::{Gate, HealthLimit};

/// One source, as the service would run it.
pub(crate) struct PlannedSource {
    /// Its name and its settings.
    pub entry: SourceEntry,
    /// There is no seed without it.
    pub required: bool,
    credit_basis: String,
    gate: Gate,
    calibration: Result<Option<Calibration>, CalibrationError>,
}

/// The credit of a source, and the limits that follow.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Credit {
    /// Its basis, in a sentence.
    pub basis: String,
    /// Credited bits per symbol; `None` when nothing is credited.
    pub per_symbol: Option<f64>,
    /// The state of its calibration, in words.
    pub calibration: String,
    /// The limits of its samples.
    pub limits: Vec<HealthLimit>,
}

/// Every source that a service with this configuration would run, with the calibrations in this state
/// directory.
#[must_use]
pub(crate) fn of(config: &Config, state_dir: Option<&Path>) -> Vec<PlannedSource> {
    let plan = |entry: SourceEntry| {
        let feed = feeds::feed(entry.clone(), config, None);
        let read = |folder| Calibration::read(folder, &entry.id);
        PlannedSource {
            required: feed.required,
            credit_basis: feed.credit_basis,
            gate: feed.gate,
            calibration: state_dir.map_or(Ok(None), read),
            entry,
        }
    };
    feeds::entries(config, false).into_iter().map(plan).collect()
}

impl PlannedSource {
    /// The credit of the source with this setup; without one, with the measured setup.
    #[must_use]
    pub(crate) fn credit(&mut self, now: Option<&Setup>) -> Credit {
        let provisional = self.credit_basis.clone();
        let (basis, calibration) = match &self.calibration {
            Ok(None) => (provisional, "none".to_owned()),
            Err(error) => (provisional, error.to_string()),
            Ok(Some(known)) => match known.apply(&self.entry.spec, now.unwrap_or(&known.setup)) {
                Err(error) => (provisional, error.to_string()),
                Ok(assessed) => {
                    self.gate.claim(Some(assessed.credited));
                    let looked = if now.is_some() { "" } else { "; its setup was not looked at" };
                    (assessed.to_string(), format!("{}{looked}", known.derating))
                }
            },
        };
        let mut limits = self.gate.limits();
        limits.extend(self.gate.claimed().map(monitor::limit));
        Credit { basis, per_symbol: self.gate.claimed(), calibration, limits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Facts;
    use lavawall_entropy::{HealthTest, LimitRule};

    const JITTER: &str = "[[source]]\ntype = \"jitter\"\n";

    /// The plan of the timer with a calibration of one bit a delta, half of which is credited.
    fn plan() -> (PlannedSource, Setup) {
        let config =
            Config::parse("test", JITTER, std::iter::empty()).expect("the test's own text");
        let mut plans = of(&config, None);
        let mut plan = plans.pop().expect("one source");
        let setup = Setup::of(&plan.entry.spec, &Facts::default());
        plan.calibration = Ok(Some(Calibration {
            setup: setup.clone(),
            min_entropy: 1.0,
            credited: 0.5,
            derating: "half of the estimate".to_owned(),
            estimator: "lag".to_owned(),
            samples: 1_000_000,
            at: "2025-01-02T03:04:05Z".to_owned(),
            lavawall: "0.0.0".to_owned(),
        }));
        (plan, setup)
    }

    /// The claim that the first cutoff was computed from.
    fn claimed(credit: &Credit) -> f64 {
        let found = credit.limits.iter().find(|limit| limit.test == HealthTest::RepetitionCount);
        match found.map(|limit| &limit.rule) {
            Some(LimitRule::Cutoff(cutoff)) => cutoff.h,
            other => panic!("{other:?} is no cutoff"),
        }
    }

    #[test]
    fn cutoffs_follow_from_a_calibration_that_holds() {
        let (mut plan, setup) = plan();
        let credit = plan.credit(Some(&setup));
        assert!(credit.basis.starts_with("assessed 2025"), "{}", credit.basis);
        assert!((claimed(&credit) - 0.5).abs() < 1e-12);
        assert_eq!(credit.calibration, "half of the estimate");
        assert!(plan.credit(None).calibration.ends_with("not looked at"));
    }

    #[test]
    fn what_is_claimed_is_asked_of_live_assessment_too() {
        let (mut plan, setup) = plan();
        let credit = plan.credit(Some(&setup));
        let found = credit.limits.iter().find(|limit| limit.test == HealthTest::BelowClaim);
        match found.map(|limit| &limit.rule) {
            Some(LimitRule::Threshold(rule)) => {
                assert!(
                    rule.contains("less than 0.25 bits each: half of the claim of 0.5"),
                    "{rule}"
                );
            }
            other => panic!("{other:?} says nothing"),
        }
    }

    #[test]
    fn a_calibration_of_another_setup_changes_no_cutoff_and_what_differs_is_said() {
        let (mut plan, mut setup) = plan();
        setup.device = Some("another".to_owned());
        let credit = plan.credit(Some(&setup));
        assert!(credit.basis.starts_with("provisional"), "{}", credit.basis);
        assert!(claimed(&credit) < 0.5);
        assert!(credit.calibration.contains("another"), "{}", credit.calibration);
    }
}
