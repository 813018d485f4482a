//! The operating system's random bytes and clock, passed to parts that do no I/O.

use std::time::Instant;

use lavawall_entropy::Machine;

/// This machine: `getrandom(2)` and the monotonic clock.
#[must_use]
pub fn lend() -> Machine {
    Machine { os: Box::new(getrandom::fill), clock: Instant::now }
}
