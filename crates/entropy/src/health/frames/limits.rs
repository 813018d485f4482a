//! The limits of the frame tests, in words: the thresholds beside the two tests of the lowest bits.

use crate::health::finding::{HealthTest, Severity};
use crate::health::frames::config::FramesConfig;
use crate::health::frames::differences::MOST_UNCHANGED;
use crate::health::frames::variance::LEAST_ACTIVE;
use crate::health::frames::{correlation, lags, motion, noise_model, scene};
use crate::health::limit::HealthLimit;

/// Every threshold, in the order in which a picture is looked at.
pub(super) fn of(config: FramesConfig) -> Vec<HealthLimit> {
    let alarm = |test, rule| HealthLimit::threshold(test, Severity::Intermittent, rule);
    let mut limits = vec![
        alarm(HealthTest::BadTransfer, "damaged, short, or out of order".to_owned()),
        alarm(
            HealthTest::CoveredLens,
            format!("99 % of readings below {}, blocks within {} steps", scene::DARK, scene::FLAT),
        ),
        alarm(
            HealthTest::Saturated,
            format!(
                "over {} of the readings at {} or more",
                percent(scene::MOST_WHITE),
                scene::WHITE
            ),
        ),
        alarm(
            HealthTest::Frozen,
            format!("the same picture again, or over {} unchanged", percent(MOST_UNCHANGED)),
        ),
    ];
    if config.remember {
        let rule = format!(
            "a picture or most of the blocks given before, or noise that correlates by over ±{} \
             with that of 2 to {} frames before or of one of the last hours",
            lags::MOST,
            lags::MOST_LAG
        );
        limits.push(HealthLimit::threshold(HealthTest::LoopedReplay, Severity::Persistent, rule));
    }
    limits.extend([
        alarm(
            HealthTest::NoiseModel,
            format!(
                "variance over {} steps², or {} times what it was, or that part of it",
                noise_model::MOST_VARIANCE,
                noise_model::MOST_CHANGE
            ),
        ),
        alarm(
            HealthTest::Denoised,
            format!("neighbours in space or in time correlate by over ±{}", correlation::MOST),
        ),
        alarm(
            HealthTest::TooQuiet,
            format!("noise in less than {} of the readings", percent(LEAST_ACTIVE)),
        ),
        HealthLimit::threshold(
            HealthTest::StaticScene,
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
