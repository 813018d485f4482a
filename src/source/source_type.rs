//! The contract of a `type` of source: its properties before any device is opened.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::source::claim::{Claim, Derating};
use crate::source::contract::{Source, SourceError};
use crate::source::setup_facts::SetupFacts;
use lavawall_entropy::{FRAME_STEP, Kind};

/// How long one read may take unless the type needs longer. Virtio-rng and TPMs take milliseconds,
/// a busy TPM a second.
const READ_DEADLINE: Duration = Duration::from_secs(5);

/// The configuration of one `type` of source, with everything specific to that type: opening, claim,
/// derating, and the settings that a calibration is bound to.
pub(super) trait SourceType: Clone + std::fmt::Debug + PartialEq + DeserializeOwned {
    /// The independence class, as far as it is known without a device.
    const KIND: Kind;

    /// The form of its samples.
    const SAMPLES: SampleForm;

    /// The effect of opening the source again: the parts that restart, and those that keep running. SP 800-90B §3.1.4 means a
    /// power cycle, which no program can do to every device.
    const RESTART: &'static str;

    /// Whether a service without any `[[source]]` runs it.
    const PRESENCE: Presence = Presence::Configured;

    /// How long one read may take.
    const DEADLINE: Duration = READ_DEADLINE;

    /// Opens the device. With `enrolled`, the identity of the device first opened, no other may
    /// answer; only types with [`Self::enrolled_as`] receive it.
    ///
    /// # Errors
    /// Says why the device cannot be used. The caller reports it and tries again later.
    fn open(&self, enrolled: Option<&str>) -> Result<Box<dyn Source>, SourceError>;

    /// The independence class with the device that is there now.
    fn kind(&self) -> Kind {
        Self::KIND
    }

    /// The provisional claim, while no assessment replaces it, and the health tests that hold the
    /// samples to it. `seen` are the fingerprints of earlier frames, oldest first.
    fn claim(&self, seen: &[u64]) -> Claim;

    /// How an assessed min-entropy becomes credit.
    fn derating(&self) -> Derating;

    /// The settings that a calibration is bound to.
    fn setup(&self) -> SetupFacts;

    /// Whether this configuration can ever be credited.
    fn may_be_credited(&self) -> bool {
        Self::KIND != Kind::None
    }

    /// Why samples of this configuration have no symbols to capture.
    fn without_symbols(&self) -> Option<&'static str> {
        None
    }

    /// The configured name of a device whose identity is enrolled at the first opening and held to
    /// from then on; `None` for a type without enrolment.
    fn enrolled_as(&self) -> Option<String> {
        None
    }
}

/// The form of a source's samples: its symbols, and whether pictures may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleForm {
    /// Bytes of a generator.
    Bytes,
    /// Timing differences.
    Deltas,
    /// Pictures of a live scene: as secret as output. Never shown; their fingerprints are kept
    /// across restarts, to notice a replay.
    SecretFrames,
    /// Pictures of a recording or a drawing: shown, not remembered.
    PublicFrames,
}

impl SampleForm {
    /// Whether the samples are pictures. Pictures come at their own rate: a reader that pauses
    /// would mistake its own gaps for the camera's.
    #[must_use]
    pub fn are_frames(self) -> bool {
        matches!(self, Self::SecretFrames | Self::PublicFrames)
    }

    /// One symbol, in words.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Bytes => "one byte as the device gave it",
            Self::Deltas => "low eight bits of a timing difference in nanoseconds",
            Self::SecretFrames | Self::PublicFrames => {
                "low eight bits of the difference in luma of one active pixel between the two \
                 frames of a pair"
            }
        }
    }

    /// The sampling grid of pictures, in words.
    #[must_use]
    pub fn grid(self) -> Option<String> {
        self.are_frames().then(|| {
            format!("every {FRAME_STEP}th pixel each way, non-overlapping pairs of frames")
        })
    }
}

/// Whether a service without any `[[source]]` runs a type.
#[derive(Debug, Clone, Copy)]
pub enum Presence {
    /// Only where the configuration lists it.
    Configured,
    /// Always.
    Always,
    /// Where this machine has the device.
    Detected(fn() -> bool),
    /// In a demonstration, where no source of pictures was detected.
    Demonstration,
}

impl Presence {
    /// Whether the type can run without being configured, outside a demonstration.
    #[must_use]
    pub fn is_automatic(self) -> bool {
        matches!(self, Self::Always | Self::Detected(_))
    }
}
