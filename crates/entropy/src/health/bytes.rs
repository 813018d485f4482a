//! The inspector of a generator's bytes: RCT, APT, lag predictor and recurrence.

use crate::health::inspect::{Inspect, Inspection};
use crate::health::lag_predictor::LagPredictor;
use crate::health::limit::HealthLimit;
use crate::health::recurrence::Recurrence;
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
    predictor: LagPredictor,
    recurrence: Recurrence,
}

impl ByteTests {
    /// Tests for bytes with this claim.
    #[must_use]
    pub fn new(claim: EntropyClaim) -> Self {
        Self {
            symbols: SymbolTests::new(claim),
            predictor: LagPredictor::new(LAGS, claim.h_per_symbol, claim.alpha),
            recurrence: Recurrence::new(claim.h_per_symbol),
        }
    }
}

impl Inspect for ByteTests {
    fn inspect(&mut self, sample: &Sample) -> Inspection {
        let mut inspection = self.symbols.inspect(sample);
        for byte in sample.bytes() {
            self.predictor.push(u64::from(*byte), &mut inspection.findings);
            self.recurrence.push(u64::from(*byte), &mut inspection.findings);
        }
        inspection
    }

    fn limits(&self) -> Vec<HealthLimit> {
        let claim = self.symbols.claim_now();
        let mut limits = self.symbols.limits();
        limits.extend(self.predictor.limits(claim.h_per_symbol, claim.alpha));
        limits.push(self.recurrence.limit());
        limits
    }

    fn noise(&self, sample: &Sample, into: &mut Vec<u8>) {
        self.symbols.noise(sample, into);
    }

    fn claim(&mut self, assessed: Option<f64>) -> bool {
        let is_new = self.symbols.claim(assessed);
        if is_new {
            let claim = self.symbols.claim_now();
            self.predictor = LagPredictor::new(LAGS, claim.h_per_symbol, claim.alpha);
            self.recurrence = Recurrence::new(claim.h_per_symbol);
        }
        is_new
    }

    fn claimed(&self) -> Option<f64> {
        self.symbols.claimed()
    }

    fn reset(&mut self) {
        self.symbols.reset();
        self.predictor.reset();
        self.recurrence.reset();
    }
}

#[cfg(test)]
mod tests;
