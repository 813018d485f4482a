//! Properties that hold for any samples.

use std::num::NonZeroUsize;

use proptest::prelude::*;

use crate::{Assessment, Estimator, LEAST_SAMPLES, Samples, SamplesError, assess};

const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// Symbols of `bits` bits that are biased in a way of their own.
fn symbols(bits: u8) -> impl Strategy<Value = Vec<u8>> {
    let mask = u8::try_from((1_u16 << bits) - 1).expect("a byte");
    (any::<u8>(), LEAST_SAMPLES..LEAST_SAMPLES + 1000).prop_flat_map(move |(favourite, len)| {
        let symbol = prop_oneof![any::<u8>(), Just(favourite)].prop_map(move |s| s & mask);
        prop::collection::vec(symbol, len)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn relabelling_leaves_the_estimators_that_do_not_look_at_labels(
        raw in symbols(4),
        mask in 1_u8..16,
    ) {
        // Which of two equally likely symbols is predicted depends on their order: the models and
        // the dictionary are left out.
        let relabelled = raw.iter().map(|symbol| symbol ^ mask).collect();
        let [before, after] = [raw, relabelled].map(|raw| of(raw, 4));
        for estimator in [
            Estimator::MostCommonValue,
            Estimator::TTuple,
            Estimator::Lrs,
            Estimator::MultiMcw,
            Estimator::Lag,
        ] {
            let [a, b] = [&before, &after].map(|all| figure(all, estimator).literal);
            prop_assert_eq!(a, b, "{}", estimator);
        }
    }

    #[test]
    fn a_longer_constant_run_never_raises_the_estimate(raw in symbols(3), from in 0_usize..1000) {
        let mut before = of(raw.clone(), 3).min_entropy();
        for len in [200, 800, 2000, 3000] {
            let mut stuck = raw.clone();
            let value = stuck[from];
            stuck[from..from + len].fill(value);
            let after = of(stuck, 3).min_entropy();
            prop_assert!(after <= before + 0.02, "a run of {len}: {before} to {after}");
            before = after;
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing(raw in symbols(5), threads in 2_usize..20) {
        let samples = Samples::new(raw, Some(5)).expect("samples");
        let threads = NonZeroUsize::new(threads).expect("not zero");
        prop_assert_eq!(assess(&samples, ONE, &|_| ()), assess(&samples, threads, &|_| ()));
    }

    #[test]
    fn every_figure_is_within_its_range(bits in 1_u8..=8, raw in symbols(8)) {
        let raw = raw.into_iter().map(|symbol| symbol >> (8 - bits)).collect();
        let Ok(samples) = Samples::new(raw, Some(bits)) else { return Ok(()) };
        let found = assess(&samples, ONE, &|_| ());
        for figure in &found.estimates {
            for (h, most) in [(figure.literal, f64::from(bits)), (figure.bitstring, 1.0)] {
                prop_assert!(h.is_none_or(|h| (0.0..=most).contains(&h)), "{figure:?}");
            }
        }
        prop_assert_eq!(found.h_original().is_none(), bits == 1);
    }
}

#[test]
fn progress_rises_to_one() {
    let heard = std::sync::Mutex::new(Vec::new());
    let raw = (0..5000_u32).map(|i| (i * i % 251) as u8).collect();
    let samples = Samples::new(raw, Some(8)).expect("samples");
    let two = NonZeroUsize::new(2).expect("not zero");
    let _ = assess(&samples, two, &|done| heard.lock().expect("no panic").push(done));
    let heard = heard.into_inner().expect("no panic");
    assert_eq!(heard.len(), 12, "six pieces of work on symbols and on bits");
    assert!(heard.is_sorted(), "{heard:?}");
    assert!((heard[11] - 1.0).abs() < 1e-9);
}

#[test]
fn samples_that_cannot_be_assessed_are_refused_with_the_reason() {
    let new = |raw: Vec<u8>, bits| Samples::new(raw, bits).map(|_| ()).map_err(|e| e.to_string());
    let varied: Vec<u8> = (0..5000_u32).map(|i| (i % 16) as u8).collect();
    for (raw, bits, expected) in [
        (varied.clone(), Some(0), "bits: must be from 1 to 8 (got 0)"),
        (varied.clone(), Some(9), "bits: must be from 1 to 8 (got 9)"),
        (varied[..4095].to_vec(), Some(4), "samples: at least 4096 are needed (got 4095)"),
        (varied.clone(), Some(3), "sample 8: must be below 8 for samples of 3 bits (got 8)"),
        (vec![7; 5000], Some(8), "samples: all 5000 are 7; a constant has no entropy"),
        (vec![0; 5000], None, "samples: all 5000 are 0; a constant has no entropy"),
    ] {
        assert_eq!(new(raw, bits), Err(expected.to_owned()));
    }
    assert_eq!(new(varied[..4096].to_vec(), Some(4)), Ok(()));
    assert!(matches!(Samples::new(vec![], None), Err(SamplesError::TooShort { samples: 0 })));
}

#[test]
fn the_width_is_that_of_the_largest_sample_if_none_is_given() {
    let raw: Vec<u8> = (0..5000_u32).map(|i| (i % 9) as u8).collect();
    assert_eq!(Samples::new(raw, None).expect("samples").bits(), 4);
}

#[test]
fn a_debug_form_shows_no_sample() {
    let raw: Vec<u8> = (0..5000_u32).map(|i| 201 + (i % 3) as u8).collect();
    let shown = format!("{:?}", Samples::new(raw, Some(8)).expect("samples"));
    assert!(!shown.contains("201"), "{shown}");
}

#[test]
fn two_symbols_of_more_bits_are_assessed_as_symbols_alone() {
    let raw: Vec<u8> = (0..6100_u32).map(|i| if i * i % 7 > 3 { 200 } else { 100 }).collect();
    let found = of(raw, 8);
    assert_eq!(found.h_bitstring(), None);
    assert!(figure(&found, Estimator::Markov).literal.is_some());
}

#[test]
fn the_decisive_figure_is_the_assessment() {
    let raw: Vec<u8> = (0..9000_u64).map(|i| ((i * i * 2_654_435_761) >> 13 & 7) as u8).collect();
    let found = of(raw, 3);
    let decisive = found.decisive();
    let least = decisive.literal.unwrap_or(3.0).min(decisive.bitstring.unwrap_or(1.0) * 3.0);
    assert!((least - found.min_entropy()).abs() < 1e-12);
}

fn of(raw: Vec<u8>, bits: u8) -> Assessment {
    assess(&Samples::new(raw, Some(bits)).expect("samples"), ONE, &|_| ())
}

fn figure(assessment: &Assessment, estimator: Estimator) -> crate::Estimate {
    *assessment.estimates.iter().find(|f| f.estimator == estimator).expect("every estimator")
}
