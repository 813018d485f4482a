//! How many levels of brightness an alarm takes.

use super::*;

/// The curve whose first `count` levels have the variance of one deviation, and the others of another.
fn levels(count: usize, there: f64, elsewhere: f64) -> Curve {
    std::array::from_fn(|level| {
        let deviation = if level < count { there } else { elsewhere };
        Some(deviation * deviation)
    })
}

/// A model that has learned this curve.
fn learned(usual: &Curve) -> NoiseModel {
    let mut model = NoiseModel::default();
    for _ in 0..=LEARNED_AT {
        model.check_curve(usual).expect("the curve that is learned");
    }
    model
}

#[test]
fn more_noise_than_a_sensor_makes_is_that_of_more_than_half_of_the_levels() {
    for (loud, is_fine) in [(0, true), (4, true), (5, false), (8, false)] {
        let curve = levels(loud, 40.0, 2.0);
        assert_eq!(check_level(&curve).is_ok(), is_fine, "{loud} levels");
    }
    assert!(check_level(&Curve::default()).is_ok(), "too few readings of any level");
    // Of the levels that are known.
    let mut few = Curve::default();
    few[2] = Some(MOST_VARIANCE + 1.0);
    assert!(check_level(&few).is_err());
    few[2] = Some(MOST_VARIANCE);
    assert!(check_level(&few).is_ok(), "at the limit");
}

#[test]
fn another_curve_is_one_that_differs_on_more_than_half_of_the_levels() {
    // Ten times the deviation is a hundred times the variance.
    for changed in [20.0, 0.2] {
        for (count, is_fine) in [(0, true), (4, true), (5, false), (8, false)] {
            let mut model = learned(&levels(0, 0.0, 2.0));
            let checked = model.check_curve(&levels(count, changed, 2.0));
            assert_eq!(checked.is_ok(), is_fine, "{count} levels of {changed}");
        }
    }
}

#[test]
fn the_alarm_names_the_level_that_differs_most() {
    let mut model = learned(&levels(0, 0.0, 2.0));
    let mut other = levels(8, 6.0, 2.0);
    other[3] = Some(400.0);
    let finding = model.check_curve(&other).expect_err("another curve");
    assert!(finding.detail.contains("is 100.0"), "{}", finding.detail);
}
