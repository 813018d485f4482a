//! The gate between a source and its credit: start-up test, withdrawal, and a back-off that grows.

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

/// Decides what counts.
pub struct Gate {
    inspect: Box<dyn Inspect>,
    state: GateState,
    failures: u32,
}

/// Where a source stands.
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

/// What the gate says of one sample.
#[derive(Debug)]
pub struct Admission {
    /// Credit that counts, in bits. Zero unless healthy before and after this sample.
    pub credit_bits: u32,
    /// The source lost its credit with this sample: whatever it was credited since the last block
    /// must be taken back.
    pub withdrawn: bool,
    /// An incident: a persistent failure, or too many failures in a row.
    pub incident: bool,
    /// What was wrong.
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
        Self { inspect, state: GateState::Starting { passed: 0 }, failures: 0 }
    }

    /// Where the source stands.
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
                self.state = if passed >= START_UP_SYMBOLS {
                    GateState::Healthy { since: now }
                } else {
                    GateState::Starting { passed }
                };
            }
            GateState::Alarmed { .. } => {}
        }
        admission
    }

    /// The limits that samples are held to.
    #[must_use]
    pub fn limits(&self) -> Vec<HealthLimit> {
        self.inspect.limits()
    }

    /// Something besides the inspector found fault with the sample that was just admitted: the
    /// credit is withdrawn as by a finding of the inspector's own. A failure that is already known
    /// does not excuse this one.
    pub fn object(&mut self, admission: &mut Admission, finding: Finding, now: Instant) {
        self.state = GateState::Starting { passed: 0 };
        let (withdrawn, incident) = self.raise(finding.severity, now);
        admission.credit_bits = 0;
        admission.withdrawn |= withdrawn;
        admission.incident |= incident;
        admission.findings.push(finding);
    }

    /// What was found fault with is not mended: the back-off does not end yet, and the sample that was
    /// just admitted counts nothing.
    pub fn hold(&mut self, admission: &mut Admission, now: Instant) {
        let least = now + BACK_OFF_FIRST;
        let until = match self.state {
            GateState::Alarmed { until } => until.max(least),
            GateState::Starting { .. } | GateState::Healthy { .. } => least,
        };
        self.state = GateState::Alarmed { until };
        admission.credit_bits = 0;
    }

    /// What assessment is to look at in the sample that was admitted last.
    pub fn noise(&self, sample: &Sample, into: &mut Vec<u8>) {
        self.inspect.noise(sample, into);
    }

    /// Takes an assessed min-entropy of one symbol, in bits, for the provisional one, or the
    /// provisional one again with `None`. When that changes the claim, credit has to be earned by a
    /// fresh start-up test; a back-off that runs goes on.
    pub fn claim(&mut self, assessed: Option<f64>) {
        if self.inspect.claim(assessed) && !matches!(self.state, GateState::Alarmed { .. }) {
            self.state = GateState::Starting { passed: 0 };
        }
    }

    /// The most min-entropy that one symbol is credited, in bits; `None` where none is.
    #[must_use]
    pub fn claimed(&self) -> Option<f64> {
        self.inspect.claimed()
    }

    /// Starts over, as if the source had never been looked at.
    pub fn restart(&mut self) {
        self.inspect.reset();
        self.state = GateState::Starting { passed: 0 };
        self.failures = 0;
    }

    /// The source itself failed: no sample came, or it must not be trusted. Returns whether credit
    /// was withdrawn and whether this is an incident.
    pub fn fail(&mut self, severity: Severity, now: Instant) -> (bool, bool) {
        self.leave_back_off(now);
        self.raise(severity, now)
    }

    /// Withdraws, and sets the back-off: 1, 2, 4, … s. Alarms while already alarmed do not
    /// lengthen it, or a source that fails at every sample would never be tried again.
    fn raise(&mut self, severity: Severity, now: Instant) -> (bool, bool) {
        if matches!(self.state, GateState::Alarmed { .. }) {
            return (false, false);
        }
        let wait =
            BACK_OFF_FIRST.saturating_mul(2u32.saturating_pow(self.failures)).min(BACK_OFF_LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.state = GateState::Alarmed { until: now + wait };
        (true, severity == Severity::Persistent || self.failures == INCIDENT_AT_FAILURES)
    }

    fn leave_back_off(&mut self, now: Instant) {
        if let GateState::Alarmed { until } = self.state
            && now >= until
        {
            self.inspect.reset();
            self.state = GateState::Starting { passed: 0 };
        }
    }
}

#[cfg(test)]
mod tests;
