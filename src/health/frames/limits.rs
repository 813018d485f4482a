//! What pictures are held to, in words: the thresholds beside the two tests of the lowest bits.

use super::{FramesConfig, LEAST_ACTIVE, MOST_UNCHANGED};
use super::{correlation, model, motion, scene};
use crate::health::{Limit, Severity, Test};

/// Every threshold, in the order in which a picture is looked at.
pub(super) fn of(config: FramesConfig) -> Vec<Limit> {
    let alarm = |test, rule| Limit::threshold(test, Severity::Intermittent, rule);
    let mut limits = vec![
        alarm(Test::BadTransfer, "damaged, short, or out of order".to_owned()),
        alarm(
            Test::CoveredLens,
            format!("99 % of readings below {}, blocks within {} steps", scene::DARK, scene::FLAT),
        ),
        alarm(
            Test::Saturated,
            format!(
                "over {} of the readings at {} or more",
                percent(scene::MOST_WHITE),
                scene::WHITE
            ),
        ),
        alarm(
            Test::Frozen,
            format!("the same payload again, or over {} unchanged", percent(MOST_UNCHANGED)),
        ),
    ];
    if config.remember {
        let rule = "a payload that this camera gave before".to_owned();
        limits.push(Limit::threshold(Test::LoopedReplay, Severity::Persistent, rule));
    }
    limits.extend([
        alarm(
            Test::NoiseModel,
            format!(
                "variance over {} steps², or {} times what it was, or that part of it",
                model::MOST_VARIANCE,
                model::MOST_CHANGE
            ),
        ),
        alarm(
            Test::Denoised,
            format!("neighbours in space or in time correlate by over {}", correlation::MOST),
        ),
        alarm(
            Test::TooQuiet,
            format!("noise in less than {} of the readings", percent(LEAST_ACTIVE)),
        ),
        Limit::threshold(
            Test::StaticScene,
            Severity::Notice,
            format!(
                "no block moves by over {} steps in {} minutes",
                motion::MOVED,
                motion::PATIENCE.as_secs() / 60
            ),
        ),
    ]);
    limits
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
