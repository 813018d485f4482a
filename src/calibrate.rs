//! Calibration: captures raw noise of a source, and keeps the assessed figure with the setup it was
//! measured with.

pub mod calibration;
pub mod capture;
pub mod setup;
mod sidecar;

pub use sidecar::{RestartMatrix, Sidecar};
