//! Rows and columns, each with a fault of its own.

use std::num::NonZeroUsize;

use super::{RestartError, RestartTests, SIDE, test_restarts};
use crate::samples::Samples;

#[test]
fn a_good_matrix_passes_with_the_least_of_the_three() {
    let found = test(|_, _, noise| noise, 6.0).expect("a matrix");
    assert!(found.is_valid(), "{found:?}");
    let least = found.least[0].min(found.least[1]).min(6.0);
    assert_eq!(found.min_entropy(), Some(least));
}

#[test]
fn a_start_that_repeats_one_symbol_fails() {
    let found = test(|row, column, noise| if row == 7 && column < 60 { 3 } else { noise }, 6.0);
    let found = found.expect("a matrix");
    assert!(
        !found.is_sane() && found.min_entropy().is_none(),
        "{} of {}",
        found.most,
        found.cutoff
    );
}

#[test]
fn samples_that_are_the_same_after_every_start_fail_by_their_column() {
    let found = test(|_, column, noise| if column == 0 { 9 } else { noise }, 6.0).expect("one");
    assert_eq!((found.most, found.is_sane()), (1000, false));
}

#[test]
fn columns_worth_less_than_half_the_estimate_fail() {
    // Every second start repeats the one before.
    let mut raw = matrix(|_, _, noise| noise >> 7);
    for row in (1..SIDE).step_by(2) {
        raw.copy_within((row - 1) * SIDE..row * SIDE, row * SIDE);
    }
    let samples = Samples::new(raw, Some(1)).expect("samples");
    let found = test_restarts(&samples, 0.9, false, NonZeroUsize::MIN, &|_| ()).expect("a matrix");
    assert!(found.is_sane() && !found.is_valid(), "{found:?}");
    assert!(found.least[1] < 0.45, "{:?}", found.least);
}

#[test]
fn what_is_no_matrix_is_refused() {
    let raw: Vec<u8> = (0..5000_u32).map(|i| (i % 7) as u8).collect();
    let samples = Samples::new(raw, None).expect("samples");
    let refused = test_restarts(&samples, 1.0, true, NonZeroUsize::MIN, &|_| ());
    assert_eq!(refused, Err(RestartError::Size { samples: 5000 }));
}

#[test]
fn an_estimate_the_samples_cannot_have_is_refused() {
    for initial in [0.0, 8.1, f64::NAN] {
        assert!(matches!(test(|_, _, noise| noise, initial), Err(RestartError::Initial { .. })));
    }
}

/// Tests a matrix made of noise that `shape` may replace, as if it were independent.
fn test(
    shape: impl Fn(usize, usize, u8) -> u8,
    initial: f64,
) -> Result<RestartTests, RestartError> {
    let samples = Samples::new(matrix(shape), Some(8)).expect("samples");
    test_restarts(&samples, initial, true, NonZeroUsize::MIN, &|_| ())
}

fn matrix(shape: impl Fn(usize, usize, u8) -> u8) -> Vec<u8> {
    let mut state = 1_u64;
    (0..SIDE * SIDE)
        .map(|place| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shape(place / SIDE, place % SIDE, (state >> 56) as u8)
        })
        .collect()
}
