//! Health tests on raw samples, before anything is hashed: they decide the credit of a sample.
//!
//! ```text
//! sample ─► Inspect (one per source type: RCT, APT, …) ─► Inspection ─► Gate ─► Admission
//!           test results                                                start-up, withdrawal, back-off
//! ```

pub(crate) mod adaptive;
mod bits;
pub(crate) mod bytes;
pub(crate) mod cutoff;
pub(crate) mod finding;
pub(crate) mod frames;
pub(crate) mod gate;
pub(crate) mod inspect;
pub(crate) mod jitter;
pub(crate) mod lag_predictor;
pub(crate) mod limit;
pub(crate) mod recurrence;
pub(crate) mod repetition;
pub(crate) mod sequence;
pub(crate) mod symbols;
