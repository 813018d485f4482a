//! Calibration: captures raw noise of a source, and keeps the assessed figure with the setup it was
//! measured with.

pub(crate) mod calibration;
pub(crate) mod capture;
pub(crate) mod setup;
mod sidecar;

pub(crate) use sidecar::Sidecar;
