//! Known-answer tests of the primitives, repeated while the service runs.

use std::time::{Duration, Instant};

use lavawall_entropy::{Primitives, SelfTestFailure, run_self_tests};

/// How often the primitives are tested against known answers.
pub(super) const SELF_TEST_EVERY: Duration = Duration::from_mins(10);

/// The primitives, and when they were last tested.
pub(super) struct SelfTests {
    pub(super) primitives: Primitives,
    tested_at: Option<Instant>,
}

impl SelfTests {
    /// Not tested yet.
    pub(super) fn new() -> Self {
        Self { primitives: Primitives::REAL, tested_at: None }
    }

    /// Tests the primitives if a test is due.
    ///
    /// # Errors
    /// Names the primitive that gave a wrong answer.
    pub(super) fn run_if_due(&mut self, now: Instant) -> Result<(), SelfTestFailure> {
        if self.tested_at.is_some_and(|at| now < at + SELF_TEST_EVERY) {
            return Ok(());
        }
        self.tested_at = Some(now);
        run_self_tests(&self.primitives)
    }
}
