//! A generator with a seed, for what measures, fuzzes or tests whatever draws from one.

use std::time::{Duration, Instant, SystemTime};

use lavawall_entropy::{Generator, LeaseLimits, Provenance, Secret};

/// A generator that needs no other seed for a day. Its bytes differ in every process all the same: the
/// operating system's are in each answer.
pub(crate) fn generator() -> Generator {
    let day = Duration::from_hours(24);
    let limits = LeaseLimits { reseed_interval: day, grace_period: day };
    let generator =
        Generator::new(1, limits, lavawall::this_machine()).expect("memory for a generator");
    let provenance = Provenance {
        generation: 1,
        seeded_at: Instant::now(),
        seeded_on: SystemTime::now(),
        sources: Vec::new(),
    };
    generator.reseed(&Secret::take(&mut [7; 32]), provenance);
    generator
}
