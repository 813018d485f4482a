//! The inspector of a generator's bytes: RCT, APT, lag predictor and recurrence.

use crate::health::inspect::{Inspect, Inspection};
use crate::health::limit::HealthLimit;
use crate::health::sequence::SequenceTests;
use crate::health::symbols::{EntropyClaim, SymbolTests};
use crate::sample::Sample;

/// How far back the predictor looks, in bytes: the size of a sample, so that stuck samples and words,
/// and words of which a part is stuck, are predicted.
const LAGS: usize = 64;

/// Tests on the bytes of a generator.
///
/// RCT and APT look at single bytes. The predictor finds short periods, words that come twice and
/// stuck parts of words; the recurrence test finds long periods. Limit: bytes that depend on each
/// other in another way, such as those of a counter behind a cipher, pass.
#[derive(Debug)]
pub struct ByteTests {
    symbols: SymbolTests,
    sequence: SequenceTests,
}

impl ByteTests {
    /// Tests for bytes with this claim.
    #[must_use]
    pub fn new(claim: EntropyClaim) -> Self {
        Self { symbols: SymbolTests::new(claim), sequence: SequenceTests::new(LAGS, claim) }
    }
}

impl Inspect for ByteTests {
    fn inspect(&mut self, sample: &Sample) -> Inspection {
        let mut inspection = self.symbols.inspect(sample);
        for byte in sample.bytes() {
            self.sequence.push(u64::from(*byte), &mut inspection.findings);
        }
        inspection
    }

    fn limits(&self) -> Vec<HealthLimit> {
        let mut limits = self.symbols.limits();
        limits.extend(self.sequence.limits(self.symbols.claim_now()));
        limits
    }

    fn noise(&self, sample: &Sample, into: &mut Vec<u8>) {
        self.symbols.noise(sample, into);
    }

    fn claim(&mut self, assessed: Option<f64>) -> bool {
        let is_new = self.symbols.claim(assessed);
        if is_new {
            self.sequence.renew(self.symbols.claim_now());
        }
        is_new
    }

    fn claimed(&self) -> Option<f64> {
        self.symbols.claimed()
    }

    fn reset(&mut self) {
        self.symbols.reset();
        self.sequence.reset();
    }
}

#[cfg(test)]
mod tests;
