//! The contract of an opened noise source, and the errors of all sources.

use std::time::Instant;

use lavawall_entropy::Sample;

/// A noise source.
///
/// An implementation
/// - MUST fill the sample with bytes the device produced after the call to `read` began, or fail;
/// - MUST set [`Sample::taken`] to a moment no later than the production of the oldest byte;
/// - MUST return by `deadline`, with [`SourceError::Timeout`] if nothing came;
/// - MUST NOT repeat, condition, whiten, substitute or pad the device's output: short is an error;
/// - MUST NOT see the pool, the generator or another source;
/// - MUST NOT put a sample's bytes in an error, a log line or a `Debug` form.
pub trait Source: Send {
    /// Fills `sample` with fresh raw bytes. The sample comes cleared.
    ///
    /// # Errors
    /// Names the failure. The caller reports it, drops the source and opens it again after a
    /// back-off.
    fn read(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError>;

    /// Facts for the operator about the opened device.
    fn facts(&self) -> Facts {
        Facts::default()
    }
}

/// Facts about an opened device, shown in `/status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The device's identity, for example `usb:046d:0825:SERIAL at usb-0000:00:14.0-3`.
    pub identity: Option<String>,
    /// The device sits on a bus that software can fake, and the configuration allows that.
    pub virtual_device: bool,
    /// Remarks that do not stop it, for example a setting that the driver would not lock.
    pub notes: Vec<String>,
}

/// Why a source gave no sample.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The device is missing.
    #[error("{what} not found: {reason}")]
    Absent {
        /// The device asked for.
        what: String,
        /// The system's error.
        reason: String,
    },
    /// The device gave nothing before the deadline.
    #[error("{what} gave no data within {waited_ms} ms")]
    Timeout {
        /// The device asked for.
        what: String,
        /// The wait, in milliseconds.
        waited_ms: u64,
    },
    /// The device is there but must not be used, for example a virtual camera.
    #[error("{what} refused: {reason}")]
    Refused {
        /// The device asked for.
        what: String,
        /// The rule it breaks, and the setting that would allow it, if any.
        reason: String,
    },
    /// The device that answers is not the one that was enrolled.
    #[error("{what} is another device: enrolled {expected}, found {found}")]
    IdentityChanged {
        /// The device asked for.
        what: String,
        /// The identity seen first.
        expected: String,
        /// The identity seen now.
        found: String,
    },
    /// The device, or its driver, failed.
    #[error("{what} failed: {reason}")]
    Device {
        /// The device asked for.
        what: String,
        /// The error of the system or the device.
        reason: String,
    },
    /// A recording has come to its end.
    #[error("{what} has ended")]
    Ended {
        /// The recording.
        what: String,
    },
}
