//! Sequences with one dependence each, and one without any.

use std::num::NonZeroUsize;

use super::{
    IidTests, IidVerdict, PermutationStatistic, SHUFFLE_SEED_BYTES, after_shuffles, chi_square,
    test_iid,
};
use crate::samples::Samples;

/// What `ea_iid -v -v` of usnistgov/SP800-90B_EntropyAssessment 1.1.7 finds for the noise from 2,
/// of one and of two bits.
const KNOWN: [Known; 2] = [
    Known {
        bits: 1,
        min_entropy: 0.971_976_486_030_615,
        independence: [330.168_969_498_141_9, 254.0, 0.000_905_518_719_063_149_1],
        goodness_of_fit: [9.972_819_546_726_313, 9.0, 0.352_690_111_833_537_1],
        longest_repeat: 24,
        statistics: [
            46.071,
            1608.0,
            10.0,
            1483.0,
            9965.0,
            14.0,
            20.268_292_682_926_83,
            47.0,
            480.0,
            519.0,
            486.0,
            461.0,
            475.0,
            39848.0,
            39929.0,
            39741.0,
            39707.0,
            39544.0,
            3175.0,
        ],
    },
    Known {
        bits: 2,
        min_entropy: 1.940_845_962_327_803_8,
        independence: [12.512_795_042_619_093, 12.0, 0.405_423_163_069_235_26],
        goodness_of_fit: [26.645_413_158_606_928, 27.0, 0.483_045_792_261_955_3],
        longest_repeat: 13,
        statistics: [
            104.1685,
            12482.0,
            13.0,
            12526.0,
            7555.0,
            31.0,
            3.212_851_405_622_49,
            5.0,
            5024.0,
            5059.0,
            5071.0,
            5063.0,
            4946.0,
            44608.0,
            44635.0,
            44648.0,
            44846.0,
            44629.0,
            5455.0,
        ],
    },
];

struct Known {
    bits: u8,
    min_entropy: f64,
    /// Score, degrees of freedom, p-value.
    independence: [f64; 3],
    goodness_of_fit: [f64; 3],
    longest_repeat: usize,
    statistics: [f64; 19],
}

#[test]
fn scores_and_statistics_are_those_of_the_reference_program() {
    let near = |a: f64, b: f64| (a - b).abs() < 1e-10 * b.abs().max(1.0);
    for known in KNOWN {
        let found = test(noise_from(2, known.bits), known.bits);
        assert!(near(found.min_entropy, known.min_entropy), "{found:?}");
        for (found, known) in [
            (found.independence, known.independence),
            (found.goodness_of_fit, known.goodness_of_fit),
        ] {
            let found = [found.score, found.degrees, found.p_value];
            assert!(found.into_iter().zip(known).all(|(a, b)| near(a, b)), "{found:?}");
        }
        assert_eq!(found.longest_repeat, (known.longest_repeat, true));
        for ((which, value, _), known) in found.statistics.into_iter().zip(known.statistics) {
            assert!(near(value, known), "{which}: {value}, not {known}");
        }
    }
}

#[test]
fn independent_samples_pass() {
    for bits in [1, 2, 4] {
        // As many shuffles as it takes: they end when every statistic is decided.
        let samples = Samples::new(noise(bits), Some(bits)).expect("samples");
        let found = test_iid(&samples, [1; SHUFFLE_SEED_BYTES], NonZeroUsize::MIN, &|_| ());
        assert!(found.passes(), "{bits} bits: {found:?}");
    }
}

#[test]
fn a_drift_is_found_by_the_excursion_and_the_fit() {
    let raw = noise(6)
        .chunks(4000)
        .zip(0..)
        .flat_map(|(part, drift)| part.iter().map(move |noise| noise + drift))
        .collect();
    let found = test(raw, 8);
    assert!(!found.goodness_of_fit.passes());
    assert!(!passes(&found, PermutationStatistic::Excursion));
}

#[test]
fn symbols_that_follow_their_neighbours_are_found_by_pairs() {
    let mut raw = noise(4);
    for at in (2..raw.len()).step_by(3) {
        raw[at] = raw[at - 1];
    }
    let found = test(raw, 4);
    assert!(!found.independence.passes() && !passes(&found, PermutationStatistic::Covariance(1)));
}

#[test]
fn a_period_is_found_at_its_lag_alone() {
    let mut raw = noise(8);
    for at in (16..raw.len()).step_by(9) {
        raw[at] = raw[at - 16];
    }
    let found = test(raw, 8);
    assert!(!passes(&found, PermutationStatistic::Periodicity(16)));
    assert!(passes(&found, PermutationStatistic::Periodicity(8)));
}

#[test]
fn a_recording_played_twice_is_found_by_its_length() {
    let mut raw = noise(8);
    let half = raw.len() / 2;
    raw.copy_within(..half, half);
    let found = test(raw, 8);
    assert!(found.longest_repeat.0 >= half && !found.longest_repeat.1);
}

#[test]
fn the_shuffles_do_not_depend_on_the_number_of_threads() {
    let samples = Samples::new(noise(3), Some(3)).expect("samples");
    let with = |threads| {
        let threads = NonZeroUsize::new(threads).expect("some");
        after_shuffles(100, &samples, [5; SHUFFLE_SEED_BYTES], threads, &|_| ())
    };
    assert_eq!(with(1), with(7));
}

fn test(raw: Vec<u8>, bits: u8) -> IidTests {
    let samples = Samples::new(raw, Some(bits)).expect("samples");
    after_shuffles(
        300,
        &samples,
        [1; SHUFFLE_SEED_BYTES],
        NonZeroUsize::new(2).expect("two"),
        &|_| (),
    )
}

fn passes(found: &IidTests, statistic: PermutationStatistic) -> bool {
    found.statistics.iter().any(|(which, _, counts)| *which == statistic && counts.pass())
}

fn noise(bits: u8) -> Vec<u8> {
    noise_from(3, bits)
}

/// The high bits of a congruential generator: the same every time, so no test can fail by chance.
fn noise_from(mut state: u64, bits: u8) -> Vec<u8> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8 >> (8 - bits)
    };
    (0..20_000).map(|_| next()).collect()
}

/// Independent symbols of a good generator, by the mixing function of `SplitMix64`.
fn good(seed: u64, len: usize, bits: u8) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 56) as u8 >> (8 - bits)
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn good_noise_is_condemned_at_no_size() {
    let mut undecided = 0;
    for len in [4_096, 8_192, 16_384, 40_000] {
        for bits in [1, 4, 8] {
            let mut failed = 0;
            for seed in 0..10 {
                let samples = Samples::new(good(seed + len as u64, len, bits), Some(bits));
                let samples = samples.expect("samples");
                let proportions = super::proportions(samples.symbols());
                let tests = [
                    chi_square::independence(samples.symbols(), &proportions),
                    chi_square::goodness_of_fit(samples.symbols(), &proportions),
                ];
                undecided += usize::from(tests.iter().any(|test| !test.is_decisive()));
                failed += usize::from(tests.iter().any(|it| it.is_decisive() && !it.passes()));
            }
            assert!(failed <= 1, "{failed} of 10 files of {len} samples of {bits} bits");
        }
    }
    assert!(undecided > 0);
}

#[test]
fn too_few_samples_give_no_verdict_and_the_size_that_is_needed() {
    let few = test(good(4, 8_192, 8), 8);
    assert!(!few.passes_reference() && !few.passes(), "{:?}", few.independence);
    let IidVerdict::Undecided { needed } = few.verdict() else { panic!("{few:?}") };
    assert!((100_000..1_000_000).contains(&needed), "{needed}");
    let samples = Samples::new(good(1, needed * 9 / 8, 8), Some(8)).expect("samples");
    let proportions = super::proportions(samples.symbols());
    assert!(chi_square::independence(samples.symbols(), &proportions).is_decisive());
    // What other tests find is said at any size.
    let mut twice = good(1, 4_096, 8);
    twice.extend_from_within(..);
    assert_eq!(test(twice, 8).verdict(), IidVerdict::Dependent);
}
