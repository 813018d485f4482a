//! The inspector of one source: the tests of its samples, and the credit a sample is worth.

use crate::health::finding::Finding;
use crate::health::limit::HealthLimit;
use crate::sample::Sample;

/// Tests every raw sample of one source. A new kind of source implements it, or uses
/// [`SymbolTests`](crate::SymbolTests). [`Gate`](crate::Gate) has an example.
pub trait Inspect: Send {
    /// Tests one sample. The result has the credit that the sample earns from a healthy source; the
    /// [`Gate`](crate::Gate) decides whether it counts.
    fn inspect(&mut self, sample: &Sample) -> Inspection;

    /// The limits of the tests, for display. The default is none.
    fn limits(&self) -> Vec<HealthLimit> {
        Vec::new()
    }

    /// Appends the credited symbols of the last inspected sample, one per byte, for assessment.
    /// Wider symbols give their low eight bits, which cannot have more min-entropy than the whole.
    /// The default appends nothing.
    fn noise(&self, sample: &Sample, into: &mut Vec<u8>) {
        let _ = (sample, into);
    }

    /// Replaces the provisional min-entropy per symbol, in bits, by an assessed one; `None`
    /// restores the provisional one. An assessed value below 0.01 bits is credited nothing. Returns
    /// whether the claim changed; the inspector is then reset as by [`Self::reset`]. An inspector
    /// that credits nothing ignores the call and returns false, which is the default.
    fn claim(&mut self, assessed: Option<f64>) -> bool {
        let _ = assessed;
        false
    }

    /// The most min-entropy credited per symbol, in bits; `None` for a source without credit.
    fn claimed(&self) -> Option<f64> {
        None
    }

    /// Forgets past samples, as at the start. Memory that outlives a restart, such as the
    /// fingerprints of frames, stays.
    fn reset(&mut self);
}

/// The test results of one sample.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Number of raw symbols tested; they count towards the start-up test.
    pub symbols: u32,
    /// Min-entropy claimed for this sample, in whole bits, rounded down.
    pub credit_bits: u32,
    /// The failed tests.
    pub findings: Vec<Finding>,
    /// A fingerprint of the payload. The caller stores it across restarts, to detect a replayed
    /// recording.
    pub fingerprint: Option<u64>,
}
