//! The worked examples of SP 800-90B §6.3.1 to §6.3.4 and §6.3.7 to §6.3.10; those of §6.3.5 and
//! §6.3.6 are with the tuples. The examples of the predictors use smaller sizes than the
//! estimators; the plain predictors take them, and are then held against the estimators.

use super::plain;
use crate::prediction::Tally;
use crate::samples::Sequence;
use crate::{collision, compression, markov, most_common};

/// Forty bits of §6.3.2 and §6.3.3, and eight more for §6.3.4.
const BITS: [u8; 48] = [
    1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0,
    1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1,
];

#[test]
fn the_most_common_value_of_section_6_3_1() {
    let symbols = [0, 1, 1, 2, 0, 1, 2, 2, 0, 1, 0, 1, 1, 0, 2, 2, 1, 0, 2, 1];
    is_about(most_common::estimate(Sequence { symbols: &symbols, alphabet: 3 }), 0.5363);
}

#[test]
fn the_collisions_of_section_6_3_2() {
    is_about(collision::estimate(&BITS[..40]), 0.4483);
}

#[test]
fn the_markov_chain_of_section_6_3_3() {
    is_about(markov::estimate(&BITS[..40]), 0.7606);
}

#[test]
fn the_compression_of_section_6_3_4() {
    is_about(compression::estimate_after(4, &BITS).expect("eight blocks"), 0.1345);
}

#[test]
fn the_windows_of_section_6_3_7() {
    let symbols = [1, 2, 1, 0, 2, 1, 1, 2, 2, 0, 0, 0];
    predicts(&plain::multi_mcw(&symbols, &[3, 5, 7, 9]), 9, 3, 0.3909);
}

#[test]
fn the_lags_of_section_6_3_8() {
    predicts(&plain::lag(&[2, 1, 3, 2, 1, 3, 1, 3, 1, 2], 3), 9, 2, 0.735);
}

#[test]
fn the_models_of_section_6_3_9() {
    predicts(&plain::multi_mmc(&[2, 1, 3, 2, 1, 3, 1, 3, 1], 3, 100), 7, 3, 0.0755);
}

#[test]
fn the_dictionary_of_section_6_3_10() {
    let symbols = [2, 1, 3, 2, 1, 3, 1, 3, 1, 2, 1, 3, 2];
    predicts(&plain::lz78y(&symbols, 4, 100), 8, 4, 0.0191);
}

/// How many of `predictions` are `correct`, and the min-entropy, of three symbols.
fn predicts(predicted: &[bool], predictions: usize, correct: usize, expected: f64) {
    assert_eq!(predicted.iter().filter(|correct| **correct).count(), correct);
    let mut tally = Tally::default();
    for correct in predicted {
        tally.count(*correct);
    }
    is_about(tally.estimate(predictions, 3), expected);
}

/// Equal to the four decimal places the standard prints, cut off or rounded.
fn is_about(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
}
