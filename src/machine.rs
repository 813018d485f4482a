//! The operating system's random bytes and clock, for the parts that are given both.

use std::time::Instant;

use lavawall_entropy::Machine;

/// This machine: `getrandom(2)` and the monotonic clock.
#[must_use]
pub fn lend() -> Machine {
    Machine { os: Box::new(getrandom::fill), clock: Instant::now }
}
