//! The credit of a source: provisional, and after an assessment.

use std::fmt;

use lavawall_entropy::{
    Alpha, ByteTests, EntropyClaim, FrameTests, FramesConfig, Inspect, JitterTests,
};

/// The entropy a byte is tested for where none is claimed: enough that a stuck device is noticed.
const UNCLAIMED_H: f64 = 1.0;

/// The provisional credit of a source, while no assessment replaces it.
pub struct Claim {
    /// The basis of the credit, in one sentence for the operator.
    pub basis: String,
    /// The health tests, whose cutoffs follow from the claim.
    pub inspect: Box<dyn Inspect>,
}

impl Claim {
    /// `h` bits per byte of a generator; zero claims nothing.
    #[must_use]
    pub fn bytes(h: f64, alpha: Alpha, basis: &str) -> Self {
        let credited = h > 0.0;
        let h_per_symbol = if credited { h } else { UNCLAIMED_H };
        let basis = if credited {
            format!("provisional: {h} bits a byte, {basis}")
        } else {
            "none claimed".to_owned()
        };
        let tests = ByteTests::new(EntropyClaim { h_per_symbol, alpha, credited });
        Self { basis, inspect: Box::new(tests) }
    }

    /// `h` bits per timing difference.
    #[must_use]
    pub fn deltas(h: f64, alpha: Alpha) -> Self {
        let claim = EntropyClaim { h_per_symbol: h, alpha, credited: true };
        let basis = format!("provisional: {h} bits a delta");
        Self { basis, inspect: Box::new(JitterTests::new(claim)) }
    }

    /// Sensor noise of live pictures. `seen` are the fingerprints of earlier ones.
    #[must_use]
    pub fn sensor_noise(seen: &[u64], basis: &str) -> Self {
        Self::frames(FramesConfig { credited: true, remember: true }, seen, basis)
    }

    /// Pictures that are tested and credited nothing.
    #[must_use]
    pub fn uncredited_frames(basis: &str) -> Self {
        Self::frames(FramesConfig { credited: false, remember: false }, &[], basis)
    }

    /// Live pictures that are tested, remembered and credited nothing.
    #[must_use]
    pub fn uncredited_camera(seen: &[u64], basis: &str) -> Self {
        Self::frames(FramesConfig { credited: false, remember: true }, seen, basis)
    }

    /// Pictures of a recording, credited nothing; `as_camera`: one that was seen before is an alarm.
    #[must_use]
    pub fn recording(as_camera: bool) -> Self {
        let config = FramesConfig { credited: false, remember: as_camera };
        Self::frames(config, &[], "none claimed: a recording")
    }

    fn frames(config: FramesConfig, seen: &[u64], basis: &str) -> Self {
        Self { basis: basis.to_owned(), inspect: Box::new(FrameTests::new(config, seen)) }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("basis", &self.basis).finish_non_exhaustive()
    }
}

/// How an assessed min-entropy becomes credit (the argument is in `calibrate::calibration`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Derating {
    /// Raw noise: half of the estimate, at most this ceiling in bits per symbol.
    Halved {
        /// What can be argued without any measurement.
        ceiling: f64,
    },
    /// Bytes of a generator, which look perfect whatever their origin: the estimate, at most this
    /// claim in bits per symbol.
    AtMostClaim(f64),
    /// No assessment changes the credit, for this reason.
    Never(&'static str),
}
