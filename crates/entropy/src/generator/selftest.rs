//! Known-answer self-tests of every primitive on the path from sample to answer.
//!
//! Each has a case that must give the known answer and a case, with one bit of the input changed,
//! that must not: a comparison that always succeeds fails the test, too.

use hkdf::Hkdf;
use sha2::{Digest, Sha256, Sha512};

use crate::drbg;
use crate::health::adaptive::AdaptiveProportion;
use crate::health::repetition::RepetitionCount;

/// Extract and expand to 32 bytes: salt, input, info.
type Hkdf32 = fn(&[u8], &[u8], &[u8]) -> [u8; 32];

/// The primitives under test. Everything that makes output uses [`Primitives::REAL`]; tests break
/// one at a time.
pub struct Primitives {
    /// The conditioner's hash and that of answer keys.
    pub sha256: fn(&[u8]) -> [u8; 32],
    /// The pool's hash.
    pub sha512: fn(&[u8]) -> [u8; 64],
    /// Extract and expand: salt, input, info.
    pub hkdf: Hkdf32,
    /// One block of keystream, under nonce and counter zero.
    pub chacha20: fn(&[u8; 32]) -> [u8; 64],
    /// Whether a run of this many equal symbols fails at a cutoff of 5.
    pub repetition: fn(usize) -> bool,
    /// Whether this many equal symbols in a window of 16 fail at a cutoff of 8.
    pub proportion: fn(usize) -> bool,
}

impl Primitives {
    /// The primitives that make the output.
    pub const REAL: Self = Self {
        sha256: |input| Sha256::digest(input).into(),
        sha512: |input| Sha512::digest(input).into(),
        hkdf: |salt, input, info| {
            let mut out = [0; 32];
            Hkdf::<Sha256>::new(Some(salt), input)
                .expand(info, &mut out)
                .expect("32 bytes are within HKDF's limit of 255 hashes");
            out
        },
        chacha20: |key| {
            let mut out = [0; 64];
            drbg::expand(key, &mut out);
            out
        },
        repetition: |run| {
            let mut test = RepetitionCount::new(5);
            (0..run).any(|_| test.push(1).is_some())
        },
        proportion: |matches| {
            let mut test = AdaptiveProportion::new(16, 8);
            (0..16u64).any(|at| {
                let is_match = usize::try_from(at).is_ok_and(|at| at < matches);
                test.push(if is_match { 0 } else { at + 1 }).is_some()
            })
        },
    };
}

/// A primitive that does not give its known answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{primitive} does not give its known answer")]
pub struct SelfTestFailure {
    /// Which one.
    pub primitive: &'static str,
}

/// FIPS 180-4, example "abc".
const SHA256_ABC: [u8; 32] = [
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
];

/// FIPS 180-4, example "abc".
const SHA512_ABC: [u8; 64] = [
    0xdd, 0xaf, 0x35, 0xa1, 0x93, 0x61, 0x7a, 0xba, 0xcc, 0x41, 0x73, 0x49, 0xae, 0x20, 0x41, 0x31,
    0x12, 0xe6, 0xfa, 0x4e, 0x89, 0xa9, 0x7e, 0xa2, 0x0a, 0x9e, 0xee, 0xe6, 0x4b, 0x55, 0xd3, 0x9a,
    0x21, 0x92, 0x99, 0x2a, 0x27, 0x4f, 0xc1, 0xa8, 0x36, 0xba, 0x3c, 0x23, 0xa3, 0xfe, 0xeb, 0xbd,
    0x45, 0x4d, 0x44, 0x23, 0x64, 0x3c, 0xe8, 0x0e, 0x2a, 0x9a, 0xc9, 0x4f, 0xa5, 0x4c, 0xa4, 0x9f,
];

/// The first 32 bytes of RFC 5869, test case 1.
const HKDF_CASE_1: [u8; 32] = [
    0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36, 0x2f, 0x2a,
    0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf,
];

/// RFC 8439 appendix A.1, test vector 1: zero key.
const CHACHA20_ZERO: [u8; 64] = [
    0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28,
    0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36, 0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7,
    0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37,
    0x6a, 0x43, 0xb8, 0xf4, 0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86,
];

/// Tests every primitive. Run it at start and periodically, and halt the generator on failure.
///
/// # Errors
/// The first primitive that fails.
///
/// ```rust
/// use lavawall_entropy::{Primitives, run_self_tests};
///
/// assert!(run_self_tests(&Primitives::REAL).is_ok());
///
/// let broken = Primitives { sha256: |_| [0; 32], ..Primitives::REAL };
/// let failure = run_self_tests(&broken).expect_err("a broken hash");
/// assert_eq!(failure.to_string(), "SHA-256 does not give its known answer");
/// ```
pub fn run_self_tests(primitives: &Primitives) -> Result<(), SelfTestFailure> {
    let hkdf = |input: &[u8]| {
        let salt: [u8; 13] = std::array::from_fn(|at| at.to_le_bytes()[0]);
        let info: [u8; 10] = std::array::from_fn(|at| 0xf0 | at.to_le_bytes()[0]);
        (primitives.hkdf)(&salt, input, &info)
    };
    let mut other_key = [0; 32];
    other_key[0] = 1;
    let mut other_input = [0x0b; 22];
    other_input[0] ^= 1;
    check(
        "SHA-256",
        (primitives.sha256)(b"abc") == SHA256_ABC,
        (primitives.sha256)(b"abb") == SHA256_ABC,
    )?;
    check(
        "SHA-512",
        (primitives.sha512)(b"abc") == SHA512_ABC,
        (primitives.sha512)(b"abb") == SHA512_ABC,
    )?;
    check("HKDF-SHA-256", hkdf(&[0x0b; 22]) == HKDF_CASE_1, hkdf(&other_input) == HKDF_CASE_1)?;
    check(
        "ChaCha20",
        (primitives.chacha20)(&[0; 32]) == CHACHA20_ZERO,
        (primitives.chacha20)(&other_key) == CHACHA20_ZERO,
    )?;
    check("repetition count test", (primitives.repetition)(5), (primitives.repetition)(4))?;
    check("adaptive proportion test", (primitives.proportion)(8), (primitives.proportion)(7))
}

/// Passes when `must` is true and `must_not` is false.
fn check(primitive: &'static str, must: bool, must_not: bool) -> Result<(), SelfTestFailure> {
    if must && !must_not { Ok(()) } else { Err(SelfTestFailure { primitive }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(broken: &Primitives) -> &'static str {
        run_self_tests(broken).expect_err("a broken primitive").primitive
    }

    #[test]
    fn the_real_primitives_pass() {
        assert_eq!(run_self_tests(&Primitives::REAL), Ok(()));
    }

    #[test]
    fn each_broken_primitive_is_named() {
        let real = || Primitives::REAL;
        assert_eq!(failing(&Primitives { sha256: |_| [0; 32], ..real() }), "SHA-256");
        assert_eq!(failing(&Primitives { sha512: |_| [0; 64], ..real() }), "SHA-512");
        assert_eq!(failing(&Primitives { hkdf: |_, _, _| [0; 32], ..real() }), "HKDF-SHA-256");
        assert_eq!(failing(&Primitives { chacha20: |_| [0; 64], ..real() }), "ChaCha20");
        assert_eq!(
            failing(&Primitives { repetition: |_| false, ..real() }),
            "repetition count test"
        );
        assert_eq!(
            failing(&Primitives { proportion: |_| false, ..real() }),
            "adaptive proportion test"
        );
    }

    #[test]
    fn a_primitive_that_gives_the_known_answer_to_everything_fails() {
        let real = || Primitives::REAL;
        assert_eq!(failing(&Primitives { sha256: |_| SHA256_ABC, ..real() }), "SHA-256");
        assert_eq!(failing(&Primitives { sha512: |_| SHA512_ABC, ..real() }), "SHA-512");
        assert_eq!(failing(&Primitives { hkdf: |_, _, _| HKDF_CASE_1, ..real() }), "HKDF-SHA-256");
        assert_eq!(failing(&Primitives { chacha20: |_| CHACHA20_ZERO, ..real() }), "ChaCha20");
        assert_eq!(
            failing(&Primitives { repetition: |_| true, ..real() }),
            "repetition count test"
        );
        assert_eq!(
            failing(&Primitives { proportion: |_| true, ..real() }),
            "adaptive proportion test"
        );
    }
}
