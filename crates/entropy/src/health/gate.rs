//! The gate between a source and its credit: start-up test, withdrawal, exponential back-off.

use std::time::{Duration, Instant};

use crate::health::cutoff::START_UP_SYMBOLS;
use crate::health::finding::{Finding, Severity};
use crate::health::inspect::Inspect;
use crate::health::limit::HealthLimit;
use crate::sample::Sample;

/// The wait before a fresh start-up test after the first alarm.
const BACK_OFF_FIRST: Duration = Duration::from_secs(1);

/// The longest wait: failing for ever is as bad as failing silently, so a source that was mended
/// is back within this time.
const BACK_OFF_LONGEST: Duration = Duration::from_mins(10);

/// A source that has been healthy for this long starts over with the shortest wait.
const FORGIVEN_AFTER: Duration = Duration::from_hours(1);

/// This many failures without forgiveness in between are an incident, whatever their severity.
const INCIDENT_AT_FAILURES: u32 = 5;

/// Decides which samples of a source are credited.
///
/// ```rust
/// use std::time::Instant;
///
/// use lavawall_entropy::{
///     Finding, Gate, GateState, HealthTest, Inspect, Inspection, Sample, Severity, Shape,
/// };
///
/// /// The tests of a coin: both sides must occur in every sample.
/// struct Coin;
///
/// impl Inspect for Coin {
///     fn inspect(&mut self, sample: &Sample) -> Inspection {
///         let flips = sample.bytes().len();
///         let heads = sample.bytes().iter().filter(|flip| **flip == 1).count();
///         let findings = (heads == 0 || heads == flips).then(|| Finding {
///             test: HealthTest::RepetitionCount,
///             severity: Severity::Intermittent,
///             detail: format!("{flips} equal flips"),
///         });
///         Inspection {
///             symbols: u32::try_from(flips).unwrap_or(u32::MAX),
///             credit_bits: 100,
///             findings: findings.into_iter().collect(),
///             fingerprint: None,
///         }
///     }
///
///     fn reset(&mut self) {}
/// }
///
/// let now = Instant::now();
/// let flips: Vec<u8> = (0..1024_u32).map(|n| u8::from(n % 3 == 0)).collect();
/// let sample = Sample::of(Shape::Bytes, &flips, now);
/// let mut gate = Gate::new(Box::new(Coin));
/// assert_eq!(gate.admit(&sample, now).credit_bits, 0, "the start-up test");
/// assert_eq!(gate.admit(&sample, now).credit_bits, 100);
///
/// let stuck = Sample::of(Shape::Bytes, &[1; 1024], now);
/// let admission = gate.admit(&stuck, now);
/// assert!(admission.withdrawn && matches!(gate.state(), GateState::Alarmed { .. }));
/// ```
pub struct Gate {
    inspect: Box<dyn Inspect>,
    state: GateState,
    failures: u32,
    /// The current alarm, or the last one, has been a persistent failure.
    is_persistent: bool,
    /// Start-up tests that have begun.
    start_ups: u64,
    requires_assessment: bool,
    /// The current start-up test waits for no assessment.
    is_assessed: bool,
}

/// The state of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateState {
    /// The start-up test runs: this many symbols have passed in a row.
    Starting {
        /// Symbols passed so far, of [`START_UP_SYMBOLS`].
        passed: u32,
    },
    /// Samples are credited.
    Healthy {
        /// When the start-up test passed.
        since: Instant,
    },
    /// An alarm was raised; the next start-up test may begin at `until`.
    Alarmed {
        /// The end of the back-off.
        until: Instant,
    },
}

/// The gate's decision on one sample.
#[derive(Debug)]
pub struct Admission {
    /// Credit that counts, in bits. Zero unless healthy before and after this sample.
    pub credit_bits: u32,
    /// The source lost its credit with this sample: whatever it was credited since the last block
    /// must be taken back.
    pub withdrawn: bool,
    /// An incident: a persistent failure, or too many failures in a row.
    pub incident: bool,
    /// The failed tests.
    pub findings: Vec<Finding>,
    /// See [`Inspection::fingerprint`](crate::Inspection::fingerprint).
    pub fingerprint: Option<u64>,
    /// Symbols tested.
    pub symbols: u32,
}

impl Gate {
    /// A gate in front of `inspect`, at the beginning of the start-up test.
    #[must_use]
    pub fn new(inspect: Box<dyn Inspect>) -> Self {
        Self {
            inspect,
            state: GateState::Starting { passed: 0 },
            failures: 0,
            is_persistent: false,
            start_ups: 1,
            requires_assessment: false,
            is_assessed: false,
        }
    }

    /// From now on a start-up test of a credited source also waits for [`Self::assessed`].
    pub fn require_assessment(&mut self) {
        self.requires_assessment = true;
    }

    /// The current start-up test waits for no assessment any more.
    pub fn assessed(&mut self) {
        self.is_assessed = true;
    }

    /// The number of the current start-up test, or of the last one, from 1.
    #[must_use]
    pub fn start_ups(&self) -> u64 {
        self.start_ups
    }

    /// The state of the source.
    #[must_use]
    pub fn state(&self) -> GateState {
        self.state
    }

    /// Inspects one sample that came at `now`.
    pub fn admit(&mut self, sample: &Sample, now: Instant) -> Admission {
        self.leave_back_off(now);
        let inspection = self.inspect.inspect(sample);
        let withdraws = inspection.findings.iter().map(|finding| finding.severity).max();
        let mut admission = Admission {
            credit_bits: 0,
            withdrawn: false,
            incident: false,
            findings: inspection.findings,
            fingerprint: inspection.fingerprint,
            symbols: inspection.symbols,
        };
        if let Some(severity @ (Severity::Intermittent | Severity::Persistent)) = withdraws {
            (admission.withdrawn, admission.incident) = self.raise(severity, now);
            return admission;
        }
        match self.state {
            GateState::Healthy { since } => {
                admission.credit_bits = inspection.credit_bits;
                if now.saturating_duration_since(since) >= FORGIVEN_AFTER {
                    self.failures = 0;
                }
            }
            GateState::Starting { passed } => {
                let passed = passed.saturating_add(inspection.symbols);
                self.state = if passed >= START_UP_SYMBOLS && self.is_assessment_over() {
                    GateState::Healthy { since: now }
                } else {
                    GateState::Starting { passed }
                };
            }
            GateState::Alarmed { .. } => {}
        }
        admission
    }

    /// The limits of the tests.
    #[must_use]
    pub fn limits(&self) -> Vec<HealthLimit> {
        self.inspect.limits()
    }

    /// Withdraws the credit for a fault found outside the inspector, in the sample that was just
    /// admitted. It counts as a failure even if the source is already alarmed.
    pub fn object(&mut self, admission: &mut Admission, finding: Finding, now: Instant) {
        self.start_over();
        let (withdrawn, incident) = self.raise(finding.severity, now);
        admission.credit_bits = 0;
        admission.withdrawn |= withdrawn;
        admission.incident |= incident;
        admission.findings.push(finding);
    }

    /// Extends the back-off while a fault of [`Self::object`] lasts. The sample that was just
    /// admitted is credited nothing.
    pub fn hold(&mut self, admission: &mut Admission, now: Instant) {
        let least = now + BACK_OFF_FIRST;
        let until = match self.state {
            GateState::Alarmed { until } => until.max(least),
            GateState::Starting { .. } | GateState::Healthy { .. } => least,
        };
        self.state = GateState::Alarmed { until };
        admission.credit_bits = 0;
    }

    /// Appends the symbols of the last admitted sample for assessment: see [`Inspect::noise`].
    pub fn noise(&self, sample: &Sample, into: &mut Vec<u8>) {
        self.inspect.noise(sample, into);
    }

    /// Replaces the provisional min-entropy per symbol, in bits, by an assessed one; `None`
    /// restores the provisional one. A changed claim requires a fresh start-up test; a running
    /// back-off continues.
    pub fn claim(&mut self, assessed: Option<f64>) {
        if self.inspect.claim(assessed) && !matches!(self.state, GateState::Alarmed { .. }) {
            self.start_over();
        }
    }

    /// The most min-entropy credited per symbol, in bits; `None` for a source without credit.
    #[must_use]
    pub fn claimed(&self) -> Option<f64> {
        self.inspect.claimed()
    }

    /// Starts over, as for a new source.
    pub fn restart(&mut self) {
        self.inspect.reset();
        self.start_over();
        self.failures = 0;
    }

    /// The source itself failed: no sample came, or it must not be trusted. Returns whether credit
    /// was withdrawn and whether this is an incident.
    pub fn fail(&mut self, severity: Severity, now: Instant) -> (bool, bool) {
        self.leave_back_off(now);
        self.raise(severity, now)
    }

    /// Withdraws, and sets the back-off: 1, 2, 4, … s. Alarms while already alarmed do not
    /// lengthen it, or a source that fails at every sample would never be tried again. The first
    /// persistent failure of an alarm is an incident, also when a lesser one came before it.
    fn raise(&mut self, severity: Severity, now: Instant) -> (bool, bool) {
        let is_persistent = severity == Severity::Persistent;
        if matches!(self.state, GateState::Alarmed { .. }) {
            let was_persistent = self.is_persistent;
            self.is_persistent |= is_persistent;
            return (false, is_persistent && !was_persistent);
        }
        self.is_persistent = is_persistent;
        let wait =
            BACK_OFF_FIRST.saturating_mul(2u32.saturating_pow(self.failures)).min(BACK_OFF_LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.state = GateState::Alarmed { until: now + wait };
        (true, is_persistent || self.failures == INCIDENT_AT_FAILURES)
    }

    fn leave_back_off(&mut self, now: Instant) {
        if let GateState::Alarmed { until } = self.state
            && now >= until
        {
            self.inspect.reset();
            self.start_over();
        }
    }

    fn start_over(&mut self) {
        self.state = GateState::Starting { passed: 0 };
        self.start_ups += 1;
        self.is_assessed = false;
    }

    /// A source without credit has nothing to be assessed for.
    fn is_assessment_over(&self) -> bool {
        !self.requires_assessment || self.is_assessed || self.claimed().is_none()
    }
}

#[cfg(test)]
mod tests;
