//! The inspector of every source whose samples are plain symbols: RCT and APT, at two levels.

use crate::health::adaptive::AdaptiveProportion;
use crate::health::bits::Bits;
use crate::health::cutoff::{self, Alpha, LEAST_H};
use crate::health::finding::{Finding, HealthTest, Severity};
use crate::health::inspect::{Inspect, Inspection};
use crate::health::limit::{Cutoff, HealthLimit};
use crate::health::repetition::RepetitionCount;
use crate::sample::{DELTA_BYTES, Sample, Shape};

/// The min-entropy claim for a source's symbols.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntropyClaim {
    /// Min-entropy of one symbol in bits, above zero. Cutoffs follow from it.
    pub h_per_symbol: f64,
    /// False-alarm probability of the intermittent level; the persistent one has its square.
    pub alpha: Alpha,
    /// Whether passing samples are credited H per symbol, or nothing.
    pub credited: bool,
}

impl EntropyClaim {
    /// The claim with an assessed min-entropy in place of its own. A claim without credit
    /// stays without.
    pub(super) fn assessed(self, h: Option<f64>) -> Self {
        match h.filter(|_| self.credited) {
            None => self,
            // The comparison is false for NaN.
            Some(h) if h >= LEAST_H => Self { h_per_symbol: h, ..self },
            Some(_) => Self { credited: false, ..self },
        }
    }

    /// ⌊symbols · H⌋
    pub(super) fn bits(&self, symbols: u32) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float cast saturates, and neither factor is negative"
        )]
        let bits = (f64::from(symbols) * self.h_per_symbol).floor() as u32;
        bits
    }
}

/// RCT and APT on each symbol of each sample.
#[derive(Debug)]
pub struct SymbolTests {
    window: u32,
    provisional: EntropyClaim,
    claim: EntropyClaim,
    intermittent: Level,
    persistent: Level,
}

impl SymbolTests {
    /// Tests for symbols of more than one bit, with this claim.
    #[must_use]
    pub fn new(claim: EntropyClaim) -> Self {
        Self::over(cutoff::WINDOW, claim)
    }

    /// Tests for symbols of one bit, with this claim.
    #[must_use]
    pub fn binary(claim: EntropyClaim) -> Self {
        Self::over(cutoff::WINDOW_BINARY, claim)
    }

    fn over(window: u32, claim: EntropyClaim) -> Self {
        Self {
            window,
            provisional: claim,
            claim,
            intermittent: Level::new(window, claim.h_per_symbol, claim.alpha),
            persistent: Level::new(window, claim.h_per_symbol, claim.alpha.squared()),
        }
    }

    /// The current claim: assessed, or provisional.
    pub(super) fn claim_now(&self) -> EntropyClaim {
        self.claim
    }

    /// Tests one symbol and adds failed tests to `findings`, each test at most once per sample.
    pub fn push(&mut self, symbol: u64, findings: &mut Vec<Finding>) {
        for (level, severity) in [
            (&mut self.persistent, Severity::Persistent),
            (&mut self.intermittent, Severity::Intermittent),
        ] {
            for (test, count, limit) in level.push(symbol).into_iter().flatten() {
                report(findings, test, severity, count, limit);
            }
        }
    }

    /// As [`push`](Self::push) of one symbol after another, and at once where none of them can fail.
    pub(super) fn push_bits(&mut self, bits: Bits, findings: &mut Vec<Finding>) {
        let levels = self.persistent.after(bits).zip(self.intermittent.after(bits));
        match levels {
            Some((persistent, intermittent)) => {
                self.persistent = persistent;
                self.intermittent = intermittent;
            }
            None => bits.symbols().for_each(|symbol| self.push(symbol, findings)),
        }
    }
}

impl Inspect for SymbolTests {
    fn inspect(&mut self, sample: &Sample) -> Inspection {
        let mut inspection = Inspection::default();
        for symbol in symbols(sample) {
            self.push(symbol, &mut inspection.findings);
            inspection.symbols += 1;
        }
        if self.claim.credited {
            inspection.credit_bits = self.claim.bits(inspection.symbols);
        }
        inspection
    }

    fn limits(&self) -> Vec<HealthLimit> {
        let levels = [
            (&self.intermittent, Severity::Intermittent, self.claim.alpha),
            (&self.persistent, Severity::Persistent, self.claim.alpha.squared()),
        ];
        let limits = |(level, severity, alpha): (&Level, _, _)| {
            level.limits(self.claim.h_per_symbol, severity, alpha)
        };
        levels.into_iter().flat_map(limits).collect()
    }

    fn noise(&self, sample: &Sample, into: &mut Vec<u8>) {
        into.extend(symbols(sample).map(low_byte));
    }

    fn claim(&mut self, assessed: Option<f64>) -> bool {
        let (provisional, claim) = (self.provisional, self.provisional.assessed(assessed));
        if claim == self.claim {
            return false;
        }
        *self = Self { provisional, ..Self::over(self.window, claim) };
        true
    }

    fn claimed(&self) -> Option<f64> {
        self.claim.credited.then_some(self.claim.h_per_symbol)
    }

    fn reset(&mut self) {
        self.intermittent.reset();
        self.persistent.reset();
    }
}

/// The low eight bits of a symbol.
pub(super) fn low_byte(symbol: u64) -> u8 {
    symbol.to_le_bytes()[0]
}

/// The symbols of a sample: bytes, or timing differences.
fn symbols(sample: &Sample) -> Box<dyn Iterator<Item = u64> + '_> {
    match sample.shape {
        Shape::Deltas => Box::new(deltas(sample)),
        Shape::Bytes | Shape::Frame(_) => Box::new(sample.bytes().iter().copied().map(u64::from)),
    }
}

/// The timing differences in a sample of them.
pub(super) fn deltas(sample: &Sample) -> impl Iterator<Item = u64> + '_ {
    sample.bytes().as_chunks::<DELTA_BYTES>().0.iter().map(|delta| u64::from_le_bytes(*delta))
}

/// Both tests at one false-alarm probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Level {
    window: u32,
    repetition: RepetitionCount,
    repetition_cutoff: u32,
    adaptive: AdaptiveProportion,
    adaptive_cutoff: u32,
}

impl Level {
    /// Both tests, with an APT over `least_window` symbols, or more where the claim is small.
    fn new(least_window: u32, h: f64, alpha: Alpha) -> Self {
        let window = cutoff::adaptive_window(h, least_window, alpha);
        let repetition_cutoff = cutoff::repetition_cutoff(h, alpha);
        let adaptive_cutoff = cutoff::adaptive_cutoff(h, window, alpha);
        Self {
            window,
            repetition: RepetitionCount::new(repetition_cutoff),
            repetition_cutoff,
            adaptive: AdaptiveProportion::new(window, adaptive_cutoff),
            adaptive_cutoff,
        }
    }

    /// Each test that fails, with its count and its cutoff.
    fn push(&mut self, symbol: u64) -> [Option<(HealthTest, u32, u32)>; 2] {
        let run = self.repetition.push(symbol);
        let count = self.adaptive.push(symbol);
        [
            run.map(|run| (HealthTest::RepetitionCount, run, self.repetition_cutoff)),
            count.map(|count| (HealthTest::AdaptiveProportion, count, self.adaptive_cutoff)),
        ]
    }

    /// Both tests after these symbols; `None` where one of them could fail.
    fn after(&self, bits: Bits) -> Option<Self> {
        let (repetition, adaptive) = self.repetition.after(bits).zip(self.adaptive.after(bits))?;
        Some(Self { repetition, adaptive, ..*self })
    }

    fn limits(&self, h: f64, severity: Severity, alpha: Alpha) -> [HealthLimit; 2] {
        let repetition = Cutoff {
            formula: cutoff::REPETITION_FORMULA,
            h,
            alpha,
            window: None,
            count: self.repetition_cutoff,
        };
        let adaptive = Cutoff {
            formula: cutoff::ADAPTIVE_FORMULA,
            window: Some(self.window),
            count: self.adaptive_cutoff,
            ..repetition
        };
        [
            HealthLimit::cutoff(HealthTest::RepetitionCount, severity, repetition),
            HealthLimit::cutoff(HealthTest::AdaptiveProportion, severity, adaptive),
        ]
    }

    fn reset(&mut self) {
        self.repetition.reset();
        self.adaptive.reset();
    }
}

/// Adds a finding, or makes the one that is there already worse.
fn report(
    findings: &mut Vec<Finding>,
    test: HealthTest,
    severity: Severity,
    count: u32,
    limit: u32,
) {
    if findings.iter().any(|known| known.test == test && known.severity >= severity) {
        return;
    }
    findings.retain(|known| known.test != test);
    findings.push(Finding {
        test,
        severity,
        detail: format!("{count} equal symbols, limit {limit}"),
    });
}

#[cfg(test)]
mod tests;
