//! How many levels of brightness an alarm takes.

use zeroize::Zeroizing;

use super::*;

/// Readings of each level: the least that count.
const READINGS: usize = LEAST_READINGS as usize;

/// Frames after which a running variance has settled.
const SETTLED: usize = 200;

/// What lies on the levels: the difference of each reading there.
type Levels = [f32; BINS];

fn differences(levels: &Levels, readings: usize) -> Differences {
    // In the middle of each level, and in range.
    let bright = (0..BINS).map(|level| u8::try_from(level * 32 + 30).expect("a byte").min(230));
    let each = |value: u8| std::iter::repeat_n(value, readings);
    let residuals = levels.iter().flat_map(|level| std::iter::repeat_n(*level, readings));
    Differences {
        width: readings,
        values: Zeroizing::new(bright.flat_map(each).collect()),
        steps: Zeroizing::new(vec![0; BINS * readings]),
        residuals: Zeroizing::new(residuals.collect()),
        before: Zeroizing::default(),
    }
}

/// A variance that has settled on these.
fn settled(variance: &mut Variance, differences: &Differences) {
    (0..SETTLED).for_each(|_| variance.push(differences));
}

/// The first `count` levels differ from the others.
fn levels(count: usize, there: f32, elsewhere: f32) -> Levels {
    std::array::from_fn(|level| if level < count { there } else { elsewhere })
}

#[test]
fn more_noise_than_a_sensor_makes_is_that_of_more_than_half_of_the_levels() {
    for (loud, readings, is_fine) in
        [(0, READINGS, true), (4, READINGS, true), (5, READINGS, false), (8, READINGS, false)]
    {
        let differences = differences(&levels(loud, 40.0, 2.0), readings);
        let mut variance = Variance::default();
        settled(&mut variance, &differences);
        assert_eq!(check_level(&variance, &differences).is_ok(), is_fine, "{loud} levels");
    }
    let differences = differences(&levels(8, 40.0, 2.0), READINGS - 1);
    let mut variance = Variance::default();
    settled(&mut variance, &differences);
    assert!(check_level(&variance, &differences).is_ok(), "too few readings of any level");
}

#[test]
fn another_curve_is_one_that_differs_on_more_than_half_of_the_levels() {
    // Ten times the difference is a hundred times the variance.
    for changed in [20.0, 0.2] {
        for (count, is_fine) in [(0, true), (4, true), (5, false), (8, false)] {
            let (mut model, mut variance) = (NoiseModel::default(), Variance::default());
            let usual = differences(&levels(0, 0.0, 2.0), READINGS);
            settled(&mut variance, &usual);
            for _ in 0..=LEARNED_AT {
                model.check_curve(&variance, &usual).expect("the curve that is learned");
            }
            let other = differences(&levels(count, changed, 2.0), READINGS);
            settled(&mut variance, &other);
            let checked = model.check_curve(&variance, &other);
            assert_eq!(checked.is_ok(), is_fine, "{count} levels of {changed}");
        }
    }
}

#[test]
fn the_alarm_names_the_level_that_differs_most() {
    let (mut model, mut variance) = (NoiseModel::default(), Variance::default());
    let usual = differences(&levels(0, 0.0, 2.0), READINGS);
    settled(&mut variance, &usual);
    for _ in 0..=LEARNED_AT {
        model.check_curve(&variance, &usual).expect("the curve that is learned");
    }
    let mut other = levels(8, 6.0, 2.0);
    other[3] = 20.0;
    let other = differences(&other, READINGS);
    settled(&mut variance, &other);
    let finding = model.check_curve(&variance, &other).expect_err("another curve");
    assert!(finding.detail.contains("is 100.0"), "{}", finding.detail);
}
