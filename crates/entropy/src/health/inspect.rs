//! The inspector of one source: the tests of its samples, and the credit a sample is worth.

use crate::health::finding::Finding;
use crate::health::limit::HealthLimit;
use crate::sample::Sample;

/// Looks at every raw sample of one source.
pub trait Inspect: Send {
    /// Judges one sample. The credit is what the sample is worth if the source is healthy; the
    /// [`Gate`](crate::Gate) decides whether it counts.
    fn inspect(&mut self, sample: &Sample) -> Inspection;

    /// The limits that samples are held to, for people to look at. None, unless it is overridden.
    fn limits(&self) -> Vec<HealthLimit> {
        Vec::new()
    }

    /// Appends what is credited in the sample that was inspected last, one symbol a byte: what
    /// assessment is to look at. Wider symbols give their low eight bits, which cannot have more
    /// min-entropy than the whole. Nothing, unless it is overridden.
    fn noise(&self, sample: &Sample, into: &mut Vec<u8>) {
        let _ = (sample, into);
    }

    /// Replaces the provisional min-entropy of one symbol, in bits, by an assessed one, or takes it
    /// up again with `None`; what is worth next to nothing is credited nothing. Returns whether that
    /// changes anything: then all is forgotten as by [`Self::reset`]. An inspector that credits
    /// nothing credits nothing whatever was assessed, and changes nothing; as does this, unless it is
    /// overridden.
    fn claim(&mut self, assessed: Option<f64>) -> bool {
        let _ = assessed;
        false
    }

    /// The most min-entropy that one symbol is credited, in bits; `None` where none is.
    fn claimed(&self) -> Option<f64> {
        None
    }

    /// Forgets everything about past samples, as at the start. Memory that is meant to outlive a
    /// restart, such as the frames already seen, stays.
    fn reset(&mut self);
}

/// What one sample showed.
#[derive(Debug, Default)]
pub struct Inspection {
    /// How many raw symbols were tested: they count towards the start-up test.
    pub symbols: u32,
    /// Min-entropy that can be argued for this sample, in whole bits, rounded down.
    pub credit_bits: u32,
    /// Everything that is wrong with it.
    pub findings: Vec<Finding>,
    /// A short keyed-down print of the payload, to be remembered across restarts so that a
    /// replayed recording is noticed.
    pub fingerprint: Option<u64>,
}
