//! Tests on the order of symbols: the lag predictor for short periods, the recurrence test for long ones.

use crate::health::finding::Finding;
use crate::health::lag_predictor::LagPredictor;
use crate::health::limit::HealthLimit;
use crate::health::recurrence::Recurrence;
use crate::health::symbols::EntropyClaim;

/// Both tests, for the same claim.
#[derive(Debug)]
pub(super) struct SequenceTests {
    /// How far back the predictor looks, in symbols.
    lags: usize,
    predictor: LagPredictor,
    recurrence: Recurrence,
}

impl SequenceTests {
    /// Tests for symbols with this claim; the predictor looks `lags` symbols back.
    pub(super) fn new(lags: usize, claim: EntropyClaim) -> Self {
        Self {
            lags,
            predictor: LagPredictor::new(lags, claim.h_per_symbol, claim.alpha),
            recurrence: Recurrence::new(claim.h_per_symbol),
        }
    }

    /// Takes the next symbol.
    pub(super) fn push(&mut self, symbol: u64, findings: &mut Vec<Finding>) {
        self.predictor.push(symbol, findings);
        self.recurrence.push(symbol, findings);
    }

    /// The limits under this claim.
    pub(super) fn limits(&self, claim: EntropyClaim) -> [HealthLimit; 3] {
        let [row, window] = self.predictor.limits(claim.h_per_symbol, claim.alpha);
        [row, window, self.recurrence.limit()]
    }

    /// Begins again, under another claim.
    pub(super) fn renew(&mut self, claim: EntropyClaim) {
        *self = Self::new(self.lags, claim);
    }

    /// Forgets the symbols.
    pub(super) fn reset(&mut self) {
        self.predictor.reset();
        self.recurrence.reset();
    }
}
