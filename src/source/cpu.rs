//! The processor's noise source, through the instruction RDSEED.
//!
//! # Credit
//! Half a bit per bit. RDSEED gives the output of a conditioner over a physical source (Intel DRNG
//! Software Implementation Guide §3.2.2), which its maker assesses at full entropy; no one else
//! can inspect it, and microcode has broken it before. Half is a discount for that, not a
//! measurement. Limit: a processor built to lie is not detected.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::source::claim::{Claim, Derating};
use crate::source::contract::{Facts, Source, SourceError};
use crate::source::processor;
use crate::source::setup_facts::SetupFacts;
use crate::source::source_type::{Presence, SampleForm, SourceType};
use lavawall_entropy::{ALPHA_FAST, Kind, Sample, Shape};

/// Claimed min-entropy of one byte, in bits.
const H_PER_SYMBOL: f64 = 4.0;

/// Bytes in a sample.
const SAMPLE_BYTES: usize = 64;

/// The wait after a failed try: three of four back-to-back tries fail while the conditioner
/// refills.
const PAUSE: Duration = Duration::from_micros(5);

/// Words read when the source is opened, before any is used.
const SELF_TEST_WORDS: usize = 16;

/// Distinct words required among them: two equal words by chance are one case in 2⁵⁷.
const SELF_TEST_DISTINCT: usize = SELF_TEST_WORDS;

/// Values that broken processors give, with success reported: all ones after resume on AMD family
/// 15h and 17h (Linux commit 7879fc4bdc75), and zero in the low half on Zen 5 before its 2025
/// microcode (AMD-SB-7055).
const STUCK: [u64; 2] = [0, u64::MAX];

/// Nothing to set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CpuConfig {}

impl SourceType for CpuConfig {
    const KIND: Kind = Kind::CpuInstruction;
    const SAMPLES: SampleForm = SampleForm::Bytes;
    const PRESENCE: Presence = Presence::Detected(|| instruction().is_some());
    const RESTART: &'static str =
        "the self-test runs again; the processor's generator cannot be restarted";

    /// Finds the instruction and tests it: [`SourceError::Absent`] where the processor lacks it,
    /// [`SourceError::Refused`] when it fails its self-test.
    fn open(&self, _: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
        let rdseed = instruction().ok_or_else(|| SourceError::Absent {
            what: WHAT.into(),
            reason: "this processor does not have it".into(),
        })?;
        Ok(Box::new(Cpu::tested(rdseed)?))
    }

    fn claim(&self, _: &[u64]) -> Claim {
        Claim::bytes(H_PER_SYMBOL, ALPHA_FAST, "half of what the maker assesses")
    }

    fn derating(&self) -> Derating {
        Derating::AtMostClaim(H_PER_SYMBOL)
    }

    fn setup(&self) -> SetupFacts {
        SetupFacts::bytes(String::new())
    }
}

/// One try of the instruction: a word, or `None` when it has none ready.
type Instruction = fn() -> Option<u64>;

const WHAT: &str = "RDSEED";

#[derive(Debug)]
struct Cpu {
    rdseed: Instruction,
}

impl Cpu {
    /// Reads some words and refuses the instruction if they repeat.
    fn tested(rdseed: Instruction) -> Result<Self, SourceError> {
        let cpu = Self { rdseed };
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut words = Vec::with_capacity(SELF_TEST_WORDS);
        for _ in 0..SELF_TEST_WORDS {
            words.push(cpu.word(deadline)?);
        }
        words.sort_unstable();
        words.dedup();
        if words.len() < SELF_TEST_DISTINCT {
            return Err(refused("it repeats itself"));
        }
        Ok(cpu)
    }

    /// One word, tried until the deadline.
    fn word(&self, deadline: Instant) -> Result<u64, SourceError> {
        let started = Instant::now();
        loop {
            match (self.rdseed)() {
                Some(word) if STUCK.contains(&word) => {
                    return Err(refused("it gives a value known from broken processors"));
                }
                Some(word) if word.trailing_zeros() >= u32::BITS => {
                    return Err(refused("its low half is zero, as on Zen 5 with old microcode"));
                }
                Some(word) => return Ok(word),
                None if Instant::now() >= deadline => {
                    let waited = started.elapsed().as_millis();
                    return Err(SourceError::Timeout {
                        what: WHAT.into(),
                        waited_ms: u64::try_from(waited).unwrap_or(u64::MAX),
                    });
                }
                None => std::thread::sleep(PAUSE),
            }
        }
    }
}

impl Source for Cpu {
    fn read(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        sample.shape = Shape::Bytes;
        for word in sample.resize(SAMPLE_BYTES).as_chunks_mut().0 {
            *word = self.word(deadline)?.to_le_bytes();
        }
        Ok(())
    }

    fn facts(&self) -> Facts {
        Facts { identity: processor::identity(), ..Facts::default() }
    }
}

fn refused(reason: &str) -> SourceError {
    SourceError::Refused { what: WHAT.into(), reason: reason.into() }
}

#[cfg(target_arch = "x86_64")]
fn instruction() -> Option<Instruction> {
    #[target_feature(enable = "rdseed")]
    fn rdseed() -> Option<u64> {
        let mut word = 0;
        let carry = core::arch::x86_64::_rdseed64_step(&mut word);
        (carry == 1).then_some(word)
    }

    #[expect(unsafe_code, reason = "a function for one feature may only be called where it is")]
    fn checked() -> Option<u64> {
        // SAFETY: this function is handed out below only when the processor has the feature.
        unsafe { rdseed() }
    }

    std::arch::is_x86_feature_detected!("rdseed").then_some(checked as Instruction)
}

#[cfg(not(target_arch = "x86_64"))]
fn instruction() -> Option<Instruction> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn counting() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn why(rdseed: Instruction) -> String {
        Cpu::tested(rdseed).expect_err("it should be refused").to_string()
    }

    #[test]
    fn a_word_that_changes_passes_the_self_test() {
        assert!(Cpu::tested(|| Some(counting())).is_ok());
    }

    #[test]
    fn known_stuck_values_are_refused() {
        assert!(why(|| Some(0)).contains("broken processors"));
        assert!(why(|| Some(u64::MAX)).contains("broken processors"));
        assert!(why(|| Some(counting() << 32)).contains("low half"));
    }

    #[test]
    fn a_value_that_stays_is_refused() {
        assert!(why(|| Some(0x1234_5678_9abc_def0)).contains("repeats"));
    }

    #[test]
    fn a_stuck_value_that_comes_later_is_refused_too() {
        static LEFT: AtomicU64 = AtomicU64::new(18);
        let mut cpu = Cpu::tested(|| {
            let left = LEFT.fetch_sub(1, Ordering::Relaxed);
            Some(if left > 0 { counting() } else { u64::MAX })
        })
        .expect("good at first");
        let deadline = Instant::now() + Duration::from_secs(5);
        assert!(matches!(
            cpu.read(&mut Sample::new(Instant::now()), deadline),
            Err(SourceError::Refused { .. })
        ));
    }

    #[test]
    fn an_instruction_that_never_has_a_word_keeps_the_deadline() {
        let cpu = Cpu { rdseed: || None };
        assert!(matches!(cpu.word(Instant::now()), Err(SourceError::Timeout { .. })));
    }

    #[test]
    fn failures_in_between_are_tried_again() {
        static TRIES: AtomicU64 = AtomicU64::new(0);
        let cpu = Cpu::tested(|| {
            let tries = TRIES.fetch_add(1, Ordering::Relaxed);
            (tries % 4 == 3).then(counting)
        });
        assert!(cpu.is_ok());
    }

    #[test]
    fn where_the_instruction_is_there_it_gives_fresh_bytes() {
        let Ok(mut source) = CpuConfig::default().open(None) else { return };
        let deadline = Instant::now() + Duration::from_secs(10);
        let (mut first, mut second) = (Sample::new(Instant::now()), Sample::new(Instant::now()));
        source.read(&mut first, deadline).expect("words");
        source.read(&mut second, deadline).expect("words");
        assert_ne!(first.bytes(), second.bytes());
        assert_eq!(first.bytes().len(), SAMPLE_BYTES);
    }
}
