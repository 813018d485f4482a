//! Timing jitter: how long the processor takes for the same work, again and again.
//!
//! Each delta is the time, in nanoseconds, that one round of work took: a walk through memory larger
//! than the first-level cache, with a stride that depends on the values read. Raw deltas are given,
//! not folded or filtered; the health tests inspect exactly the credited values.
//!
//! # Credit
//! 0.15 bits per delta. The noise comes from caches, pipelines, refresh, interrupts and clock
//! domains that do not run in step. It cannot be argued from first principles, only measured, and
//! differs from machine to machine: jitterentropy 3.6 and later assume a third of a bit by default
//! (oversampling rate 3); the two machines where this loop was assessed showed 0.31 bits at the least
//! (`docs/entropy.md`), of which less than half is claimed without a calibration. `lavawall calibrate`
//! measures. Limit: it does not protect from an
//! attacker who runs on the same core and measures the same events, or an emulator that counts
//! time in instructions.

use std::hint::black_box;
use std::time::Instant;

use serde::Deserialize;

use crate::source::claim::{Claim, Derating};
use crate::source::contract::{Facts, Source, SourceError};
use crate::source::processor;
use crate::source::setup_facts::SetupFacts;
use crate::source::source_type::{Presence, SampleForm, SourceType};
use lavawall_entropy::{ALPHA_FAST, DELTA_BYTES, Kind, Sample, Shape};

/// Claimed min-entropy of one delta, in bits.
const H_PER_SYMBOL: f64 = 0.15;

/// Deltas in a sample.
const SAMPLE_DELTAS: usize = 256;

/// Memory that is walked through: larger than any first-level data cache in use, smaller than any
/// second-level one.
const MEMORY_BYTES: usize = 128 * 1024;

/// Reads in one round.
const READS: usize = 64;

/// Deltas tested when the source is opened.
const SELF_TEST_DELTAS: usize = 1024;

/// Distinct values required among them: with fewer, the timer is too coarse to show noise. A clock
/// that ticks every 10 ns shows at least ten (of 2,000 starts on a KVM guest), worth more than the
/// claim; one that shows only its own rounding, two or four. The health tests judge how often each
/// occurs.
const SELF_TEST_DISTINCT: usize = 6;

/// The most that is credited of one delta, in bits: what jitterentropy assumes at its best
/// oversampling rate, 1.
const CEILING: f64 = 1.0;

const WHAT: &str = "timing jitter";

/// Nothing to set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct JitterConfig {}

impl SourceType for JitterConfig {
    const KIND: Kind = Kind::CpuTiming;
    const SAMPLES: SampleForm = SampleForm::Deltas;
    const PRESENCE: Presence = Presence::Always;
    const RESTART: &'static str = "new memory, a new walk through it and a new warm-up; the \
                                   processor and the program keep running";

    /// Warms up and tests the timer: [`SourceError::Refused`] when it cannot show jitter.
    fn open(&self, _: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
        let mut jitter = Jitter::new();
        let deltas: Vec<_> = (0..SELF_TEST_DELTAS).map(|_| jitter.delta()).collect();
        test_timer(&deltas)?;
        Ok(Box::new(jitter))
    }

    fn claim(&self, _: &[u64]) -> Claim {
        Claim::deltas(H_PER_SYMBOL, ALPHA_FAST)
    }

    fn derating(&self) -> Derating {
        Derating::Halved { ceiling: CEILING }
    }

    fn setup(&self) -> SetupFacts {
        SetupFacts::new("deltas", format!("{READS} reads in {MEMORY_BYTES} bytes"))
    }
}

struct Jitter {
    memory: Vec<u8>,
    at: usize,
    last: Instant,
}

impl Jitter {
    fn new() -> Self {
        Self { memory: vec![1; MEMORY_BYTES], at: 0, last: Instant::now() }
    }

    /// One round of work, and how long it took since the end of the last one.
    fn delta(&mut self) -> u64 {
        for _ in 0..READS {
            // A stride slightly above a cache line that depends on the value read, so that
            // neither the compiler nor a prefetcher can run ahead.
            let cell = &mut self.memory[self.at];
            *cell = black_box(cell.wrapping_add(1));
            self.at = (self.at + 71 + usize::from(*cell & 15)) % MEMORY_BYTES;
        }
        let now = Instant::now();
        let delta = now.duration_since(self.last);
        self.last = now;
        u64::try_from(delta.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Source for Jitter {
    fn read(&mut self, sample: &mut Sample, _: Instant) -> Result<(), SourceError> {
        sample.shape = Shape::Deltas;
        // The first delta spans the pause since the last sample, which others can see.
        self.delta();
        let bytes = sample.resize(SAMPLE_DELTAS * DELTA_BYTES);
        for delta in bytes.as_chunks_mut::<DELTA_BYTES>().0 {
            *delta = self.delta().to_le_bytes();
        }
        Ok(())
    }

    fn facts(&self) -> Facts {
        Facts { identity: processor::identity(), ..Facts::default() }
    }
}

/// Whether a timer is fine enough: it must move in every round, and by different amounts.
fn test_timer(deltas: &[u64]) -> Result<(), SourceError> {
    let refused =
        |reason: &str| Err(SourceError::Refused { what: WHAT.into(), reason: reason.into() });
    let still = deltas.iter().filter(|delta| **delta == 0).count();
    if still * 10 > deltas.len() {
        return refused("the timer stands still for whole rounds of work");
    }
    let coarse = deltas.iter().filter(|delta| **delta % 100 == 0).count();
    if coarse * 10 > deltas.len() * 9 {
        return refused("the timer counts in steps of 100 ns or more");
    }
    let mut values = deltas.to_vec();
    values.sort_unstable();
    values.dedup();
    if values.len() < SELF_TEST_DISTINCT {
        return refused("rounds of work take hardly any different times");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_holds_that_many_deltas_and_no_two_samples_agree() {
        let mut source = JitterConfig::default().open(None).expect("a machine with a fine timer");
        let (mut first, mut second) = (Sample::new(Instant::now()), Sample::new(Instant::now()));
        source.read(&mut first, Instant::now()).expect("deltas");
        source.read(&mut second, Instant::now()).expect("deltas");
        assert_eq!(first.bytes().len(), SAMPLE_DELTAS * DELTA_BYTES);
        assert_ne!(first.bytes(), second.bytes());
    }

    #[test]
    fn timers_that_cannot_show_jitter_are_refused() {
        let good: Vec<u64> = (0..1024).map(|n| 300 + n * n % 97).collect();
        let in_ticks: Vec<u64> = (0..1024).map(|n| 260 + n * n % 5 * 10 + n % 2).collect();
        assert!(test_timer(&good).is_ok() && test_timer(&in_ticks).is_ok());
        for (deltas, reason) in [
            (vec![0; 1024], "stands still"),
            ((0..1024).map(|n| 100 * (n % 50 + 1)).collect(), "steps of 100 ns"),
            (vec![333; 1024], "hardly any"),
            ((0..1024).map(|n| 301 + n % 5).collect(), "hardly any"),
        ] {
            let error = test_timer(&deltas).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
