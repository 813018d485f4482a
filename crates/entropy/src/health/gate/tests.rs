//! What counts, when, and for how long not.

use super::*;
use crate::health::finding::HealthTest;
use crate::health::inspect::Inspection;
use crate::sample::Shape;

/// Each sample sets its own result: byte 0 is the severity of a finding, if any. After a
/// lasting one it finds fault with everything, until it is reset.
#[derive(Default)]
struct Scripted {
    spoilt: bool,
    assessed: Option<f64>,
}

const FINE: u8 = 0;
const NOTICE: u8 = 1;
const INTERMITTENT: u8 = 2;
const PERSISTENT: u8 = 3;
const LASTING: u8 = 4;

impl Inspect for Scripted {
    fn inspect(&mut self, sample: &Sample) -> Inspection {
        self.spoilt |= sample.bytes()[0] == LASTING;
        let severity = match sample.bytes()[0] {
            _ if self.spoilt => Some(Severity::Intermittent),
            NOTICE => Some(Severity::Notice),
            INTERMITTENT => Some(Severity::Intermittent),
            PERSISTENT => Some(Severity::Persistent),
            _ => None,
        };
        let finding = |severity| Finding {
            test: HealthTest::RepetitionCount,
            severity,
            detail: String::new(),
        };
        Inspection {
            symbols: 128,
            credit_bits: 100,
            findings: severity.map(finding).into_iter().collect(),
            fingerprint: None,
        }
    }

    fn claimed(&self) -> Option<f64> {
        Some(self.assessed.unwrap_or(1.0))
    }

    fn claim(&mut self, assessed: Option<f64>) -> bool {
        std::mem::replace(&mut self.assessed, assessed) != assessed
    }

    fn limits(&self) -> Vec<HealthLimit> {
        let (test, severity) = (HealthTest::RepetitionCount, Severity::Intermittent);
        vec![HealthLimit::threshold(test, severity, "a rule".to_owned())]
    }

    fn noise(&self, sample: &Sample, into: &mut Vec<u8>) {
        into.extend_from_slice(sample.bytes());
    }

    fn reset(&mut self) {
        self.spoilt = false;
    }
}

struct Rig {
    gate: Gate,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        Self { gate: Gate::new(Box::<Scripted>::default()), now: Instant::now() }
    }

    fn admit(&mut self, what: u8) -> Admission {
        self.gate.admit(&Sample::of(Shape::Bytes, &[what], std::time::Instant::now()), self.now)
    }

    /// Passes the start-up test.
    fn start_up(&mut self) {
        for _ in 0..START_UP_SYMBOLS {
            if matches!(self.gate.state(), GateState::Healthy { .. }) {
                return;
            }
            self.admit(FINE);
        }
        panic!("it does not start up: {:?}", self.gate.state());
    }

    /// Raises an alarm and gives the length of the back-off.
    fn back_off(&mut self) -> Duration {
        self.start_up();
        self.admit(INTERMITTENT);
        match self.gate.state() {
            GateState::Alarmed { until } => {
                let wait = until - self.now;
                self.now = until;
                wait
            }
            state => panic!("no alarm: {state:?}"),
        }
    }
}

#[test]
fn a_fresh_start_up_test_begins_with_nothing_remembered() {
    let mut rig = Rig::new();
    rig.start_up();
    rig.admit(LASTING);
    rig.admit(FINE);
    rig.now += BACK_OFF_FIRST;
    rig.start_up();
    assert_eq!(rig.admit(FINE).credit_bits, 100);
}

#[test]
fn no_credit_counts_before_1024_symbols_have_passed() {
    let mut rig = Rig::new();
    for passed in 1..=8 {
        assert_eq!(rig.admit(FINE).credit_bits, 0, "after {passed} samples of 128");
    }
    assert!(matches!(rig.gate.state(), GateState::Healthy { .. }));
    assert_eq!(rig.admit(FINE).credit_bits, 100);
}

#[test]
fn every_start_up_test_waits_for_an_assessment_of_its_own_where_one_is_required() {
    let mut rig = Rig::new();
    rig.gate.require_assessment();
    for number in 1..=2 {
        for _ in 0..100 {
            assert_eq!(rig.admit(FINE).credit_bits, 0, "however many symbols have passed");
        }
        assert!(matches!(rig.gate.state(), GateState::Starting { .. }));
        assert_eq!(rig.gate.start_ups(), number);
        rig.gate.assessed();
        assert_eq!(rig.admit(FINE).credit_bits, 0, "the sample that ends the test");
        assert_eq!(rig.admit(FINE).credit_bits, 100);
        rig.admit(INTERMITTENT);
        rig.now += BACK_OFF_LONGEST;
    }
}

#[test]
fn an_alarm_in_the_start_up_test_starts_it_over() {
    let mut rig = Rig::new();
    (0..7).for_each(|_| assert_eq!(rig.admit(FINE).credit_bits, 0));
    rig.admit(INTERMITTENT);
    rig.now += BACK_OFF_FIRST;
    (0..8).for_each(|_| assert_eq!(rig.admit(FINE).credit_bits, 0));
    assert_eq!(rig.admit(FINE).credit_bits, 100);
}

#[test]
fn an_alarm_withdraws_at_once_and_the_sample_that_raised_it_earns_nothing() {
    let mut rig = Rig::new();
    rig.start_up();
    let admission = rig.admit(INTERMITTENT);
    assert!(admission.withdrawn && !admission.incident);
    assert_eq!(admission.credit_bits, 0);
    assert_eq!(admission.findings.len(), 1);
    assert_eq!(rig.admit(FINE).credit_bits, 0, "still in back-off");
}

#[test]
fn a_notice_is_reported_and_the_credit_stands() {
    let mut rig = Rig::new();
    rig.start_up();
    let admission = rig.admit(NOTICE);
    assert_eq!((admission.credit_bits, admission.withdrawn), (100, false));
    assert_eq!(admission.findings.len(), 1);
}

#[test]
fn a_persistent_failure_is_an_incident() {
    let mut rig = Rig::new();
    rig.start_up();
    assert!(rig.admit(PERSISTENT).incident);
}

#[test]
fn the_back_off_doubles_and_is_capped() {
    let mut rig = Rig::new();
    let waits: Vec<_> = (0..12).map(|_| rig.back_off().as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
}

#[test]
fn alarms_during_the_back_off_do_not_prolong_it() {
    let mut rig = Rig::new();
    rig.start_up();
    rig.admit(INTERMITTENT);
    let alarmed = rig.gate.state();
    for _ in 0..100 {
        assert!(!rig.admit(PERSISTENT).withdrawn, "there is nothing left to withdraw");
    }
    assert_eq!(rig.gate.state(), alarmed);
}

#[test]
fn a_persistent_failure_during_an_alarm_is_one_incident() {
    let mut rig = Rig::new();
    rig.start_up();
    assert!(!rig.admit(INTERMITTENT).incident);
    let incidents: Vec<bool> = (0..3).map(|_| rig.admit(PERSISTENT).incident).collect();
    assert_eq!(incidents, [true, false, false]);
    // The next alarm is another one.
    rig.now += BACK_OFF_FIRST;
    rig.start_up();
    assert!(!rig.admit(INTERMITTENT).incident);
    assert!(rig.admit(PERSISTENT).incident);
}

#[test]
fn credit_is_earned_back_only_by_a_fresh_start_up_test() {
    let mut rig = Rig::new();
    rig.back_off();
    for _ in 0..8 {
        assert_eq!(rig.admit(FINE).credit_bits, 0);
    }
    assert_eq!(rig.admit(FINE).credit_bits, 100);
}

#[test]
fn an_hour_of_health_is_forgiveness() {
    let mut rig = Rig::new();
    for seconds in [1, 2, 4, 8] {
        assert_eq!(rig.back_off().as_secs(), seconds);
    }
    rig.start_up();
    rig.now += FORGIVEN_AFTER;
    rig.admit(FINE);
    assert_eq!(rig.back_off(), BACK_OFF_FIRST);
}

#[test]
fn the_fifth_failure_without_forgiveness_is_an_incident() {
    let mut rig = Rig::new();
    for failure in 1..=6 {
        rig.start_up();
        assert_eq!(rig.admit(INTERMITTENT).incident, failure == 5, "failure {failure}");
        if let GateState::Alarmed { until } = rig.gate.state() {
            rig.now = until;
        }
    }
}

#[test]
fn a_source_that_gives_nothing_is_withdrawn_as_well() {
    let mut rig = Rig::new();
    rig.start_up();
    assert_eq!(rig.gate.fail(Severity::Intermittent, rig.now), (true, false));
    assert_eq!(rig.gate.fail(Severity::Intermittent, rig.now), (false, false), "only once");
    assert_eq!(rig.admit(FINE).credit_bits, 0);
}

#[test]
fn what_others_find_fault_with_is_withdrawn_and_held_until_it_is_mended() {
    let mut rig = Rig::new();
    rig.start_up();
    let finding = || Finding {
        test: HealthTest::BelowClaim,
        severity: Severity::Intermittent,
        detail: String::new(),
    };
    let mut admission = rig.admit(FINE);
    assert_eq!(admission.credit_bits, 100);
    rig.gate.object(&mut admission, finding(), rig.now);
    assert_eq!((admission.credit_bits, admission.withdrawn), (0, true));
    assert_eq!(admission.findings, [finding()]);
    // Held far longer than its back-off, with samples that are fine; each comes late.
    for _ in 0..20 {
        rig.now += BACK_OFF_FIRST * 2;
        let mut admission = rig.admit(FINE);
        rig.gate.hold(&mut admission, rig.now);
        assert_eq!(admission.credit_bits, 0);
        assert!(matches!(rig.gate.state(), GateState::Alarmed { .. }));
    }
    // Each repeat is another failure: the fifth is an incident.
    let incidents: Vec<bool> = (2..=5)
        .map(|_| {
            let mut admission = rig.admit(FINE);
            rig.gate.object(&mut admission, finding(), rig.now);
            admission.incident
        })
        .collect();
    assert_eq!(incidents, [false, false, false, true]);
    // Mended: the back-off, then a start-up test, then credit.
    let GateState::Alarmed { until } = rig.gate.state() else { panic!("it is alarmed") };
    rig.now = until;
    assert_eq!(rig.admit(FINE).credit_bits, 0);
    assert_eq!(rig.gate.state(), GateState::Starting { passed: 128 });
    rig.start_up();
    assert_eq!(rig.admit(FINE).credit_bits, 100);
}

#[test]
fn a_changed_claim_needs_a_start_up_test_and_an_equal_one_does_not() {
    let mut rig = Rig::new();
    rig.start_up();
    assert_eq!(rig.gate.claimed(), Some(1.0));
    for (number, claim) in (2..).zip([Some(0.5), None, Some(0.25)]) {
        rig.gate.claim(claim);
        assert_eq!(rig.gate.state(), GateState::Starting { passed: 0 });
        assert_eq!(rig.gate.start_ups(), number);
        assert_eq!(rig.gate.claimed(), Some(claim.unwrap_or(1.0)));
        rig.start_up();
        rig.gate.claim(claim);
        assert_eq!(rig.admit(FINE).credit_bits, 100, "the same claim");
    }
}

#[test]
fn a_changed_claim_during_an_alarm_does_not_end_its_back_off() {
    let mut rig = Rig::new();
    rig.start_up();
    rig.admit(INTERMITTENT);
    let (alarmed, start_ups) = (rig.gate.state(), rig.gate.start_ups());
    rig.gate.claim(Some(0.5));
    assert_eq!((rig.gate.state(), rig.gate.start_ups()), (alarmed, start_ups));
    assert_eq!(rig.admit(FINE).credit_bits, 0);
    assert_eq!(rig.gate.state(), alarmed);
}

#[test]
fn a_restart_forgets_failures_alarms_and_what_the_tests_remember() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.back_off();
    }
    rig.start_up();
    rig.admit(LASTING);
    let start_ups = rig.gate.start_ups();
    rig.gate.restart();
    assert_eq!(rig.gate.state(), GateState::Starting { passed: 0 });
    assert_eq!(rig.gate.start_ups(), start_ups + 1);
    assert_eq!(rig.back_off(), BACK_OFF_FIRST, "as for a new source");
}

#[test]
fn a_fault_found_outside_does_not_clear_what_the_sample_itself_lost() {
    let mut rig = Rig::new();
    rig.start_up();
    let finding =
        |severity| Finding { test: HealthTest::BelowClaim, severity, detail: String::new() };
    // Four failures: the sample's own is the fourth, and the other one the fifth.
    for _ in 0..3 {
        rig.back_off();
    }
    rig.start_up();
    let mut admission = rig.admit(PERSISTENT);
    assert!(admission.withdrawn && admission.incident);
    rig.gate.object(&mut admission, finding(Severity::Intermittent), rig.now);
    assert!(admission.withdrawn && admission.incident);
    let mut admission = rig.admit(FINE);
    rig.gate.object(&mut admission, finding(Severity::Notice), rig.now);
    assert!(admission.withdrawn && !admission.incident);
}

#[test]
fn a_hold_without_an_alarm_is_one_of_the_shortest_back_off() {
    let mut rig = Rig::new();
    rig.start_up();
    let mut admission = rig.admit(FINE);
    rig.gate.hold(&mut admission, rig.now);
    assert_eq!(rig.gate.state(), GateState::Alarmed { until: rig.now + BACK_OFF_FIRST });
}

#[test]
fn limits_and_noise_are_those_of_the_tests() {
    let mut rig = Rig::new();
    rig.admit(FINE);
    assert_eq!(rig.gate.limits().len(), 1);
    let mut noise = Vec::new();
    rig.gate.noise(&Sample::of(Shape::Bytes, &[7], rig.now), &mut noise);
    assert_eq!(noise, [7]);
}
