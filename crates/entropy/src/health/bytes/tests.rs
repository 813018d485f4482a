//! Devices that repeat themselves, at the claims of every source of bytes.

use std::time::Instant;

use super::*;
use crate::health::cutoff::ALPHA_FAST;
use crate::health::finding::HealthTest;
use crate::sample::Shape;

/// The claims of `os`, of `hwrng`, `cpu` and `tpm`, of a low one, and of a source without one.
const CLAIMS: [f64; 4] = [8.0, 4.0, 2.0, 1.0];

/// Pseudorandom words (xorshift64*).
fn words() -> impl Iterator<Item = u64> {
    let mut state = 0x1234_5678_9abc_def1_u64;
    std::iter::repeat_with(move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    })
}

/// The bytes taken before the first finding, in samples of 64, and the tests that failed.
fn found(h: f64, bytes: &[u8]) -> Option<(usize, Vec<HealthTest>)> {
    let claim = EntropyClaim { h_per_symbol: h, alpha: ALPHA_FAST, credited: true };
    let mut tests = ByteTests::new(claim);
    bytes.chunks(64).enumerate().find_map(|(number, sample)| {
        let findings = tests.inspect(&Sample::of(Shape::Bytes, sample, Instant::now())).findings;
        let failed: Vec<_> = findings.into_iter().map(|finding| finding.test).collect();
        (!failed.is_empty()).then_some((64 * number, failed))
    })
}

fn bytes_of(words: impl Iterator<Item = u64>) -> Vec<u8> {
    words.flat_map(u64::to_le_bytes).collect()
}

#[test]
fn a_good_generator_passes_a_megabyte_at_every_claim() {
    let bytes = bytes_of(words().take(1 << 17));
    for h in CLAIMS {
        assert_eq!(found(h, &bytes), None, "{h} bits a byte");
    }
}

#[test]
fn a_device_that_repeats_a_buffer_fails_within_the_start_up_test() {
    for h in CLAIMS {
        for period in [8, 16, 64, 256] {
            let buffer: Vec<u8> = bytes_of(words().take(period / 8));
            let bytes: Vec<u8> = buffer.iter().copied().cycle().take(4096).collect();
            let (after, _) = found(h, &bytes).unwrap_or_else(|| panic!("{period} at {h}"));
            assert!(after < 1024, "{period} at {h}: after {after}");
        }
    }
}

#[test]
fn a_word_that_stays_after_good_ones_fails() {
    for h in CLAIMS {
        let good = words().take(1000);
        let stuck = words().skip(1000).take(1).flat_map(|word| std::iter::repeat_n(word, 1000));
        let (after, _) = found(h, &bytes_of(good.chain(stuck))).expect("found");
        assert!((8000 - 64..8000 + 1024).contains(&after), "{h}: after {after}");
    }
}

#[test]
fn words_that_come_twice_fail_where_the_claim_is_half_or_more() {
    for h in [8.0, 4.0] {
        for size in [1, 2, 4, 8, 16, 32, 64] {
            let noise = bytes_of(words().take(4096));
            let twice: Vec<u8> =
                noise.chunks(size).flat_map(|word| word.repeat(2)).take(32_768).collect();
            let (after, _) = found(h, &twice).unwrap_or_else(|| panic!("{size} at {h}"));
            assert!(after < 4096, "words of {size} at {h}: after {after}");
        }
    }
}

#[test]
fn a_counter_of_any_width_fails() {
    for h in CLAIMS {
        let narrow: Vec<u8> = (0..4096_u32).map(|n| n.to_le_bytes()[0]).collect();
        let halves: Vec<u8> = (0..4096_u32).flat_map(u32::to_le_bytes).collect();
        let words = bytes_of(0..4096);
        for bytes in [narrow, halves, words] {
            let (after, _) = found(h, &bytes).expect("found");
            assert!(after < 4096, "{h}: after {after}");
        }
    }
}

#[test]
fn a_shift_register_of_16_bits_fails_when_its_period_has_ended() {
    // x¹⁶ + x¹⁴ + x¹³ + x¹¹ + 1, of period 65,535; eight steps for each byte.
    let mut state = 0xace1_u16;
    let mut bit = || {
        let fed = (state ^ (state >> 2) ^ (state >> 3) ^ (state >> 5)) & 1;
        state = (state >> 1) | (fed << 15);
        u8::from(fed == 1)
    };
    let bytes: Vec<u8> =
        (0..140_000).map(|_| (0..8).fold(0, |byte, _| (byte << 1) | bit())).collect();
    for h in CLAIMS {
        let (after, failed) = found(h, &bytes).expect("found");
        assert!(after < 66_560, "{h}: after {after} by {failed:?}");
    }
}

#[test]
fn low_halves_that_are_stuck_fail() {
    for h in [8.0, 4.0] {
        for mask in [0xffff_ffff_0000_0000, 0xffff_0000_ffff_0000, 0xff00_ff00_ff00_ff00] {
            let noise = words().map(|word| (word & mask) | (0x5a5a_5a5a_1234_5678 & !mask));
            let (after, _) = found(h, &bytes_of(noise.take(4096))).expect("found");
            assert!(after < 4096, "{mask:x} at {h}: after {after}");
        }
    }
}

#[test]
fn a_period_of_65536_bytes_fails_when_it_has_ended() {
    for h in CLAIMS {
        let buffer = bytes_of(words().take(8192));
        let bytes: Vec<u8> = buffer.iter().copied().cycle().take(3 << 16).collect();
        let (after, failed) = found(h, &bytes).expect("found");
        assert_eq!(failed, [HealthTest::Recurrence]);
        assert!(after < 65_536 + 1024, "{h}: after {after}");
    }
}

#[test]
fn another_claim_takes_the_place_of_the_first_in_every_test() {
    let claim = EntropyClaim { h_per_symbol: 8.0, alpha: ALPHA_FAST, credited: true };
    let mut tests = ByteTests::new(claim);
    assert!(tests.claim(Some(2.0)) && !tests.claim(Some(2.0)));
    let limits = tests.limits();
    let other = ByteTests::new(EntropyClaim { h_per_symbol: 2.0, ..claim }).limits();
    assert_eq!(limits, other);
    let of = |test| limits.iter().filter(|limit| limit.test == test).count();
    assert_eq!((of(HealthTest::LagPredictor), of(HealthTest::Recurrence)), (2, 1));
}
