//! Calibration: measures a source and keeps the assessed figure.

pub mod calibration;
pub mod capture;
pub mod setup;
