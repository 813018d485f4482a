//! The supervisor's duties, one step at a time: self-tests, lost threads, replacing sources.

use crossbeam_channel::bounded;

use super::*;
use crate::collector::assessor::ASSESSMENT_REST;
use crate::collector::self_test::SELF_TEST_EVERY;
use crate::source::SourceError;
use lavawall_entropy::{
    ALPHA_FAST, Block, EntropyClaim, Gate, LeaseLimits, NotReady, Readiness, Secret, SymbolTests,
};

/// A supervisor with no sources, before its thread has begun.
fn supervisor() -> Supervisor {
    let reseed_interval = Duration::from_mins(1);
    let settings =
        CollectorSettings { quorum: 2, reseed_interval, assessment_rest: ASSESSMENT_REST };
    let limits = LeaseLimits { reseed_interval: settings.reseed_interval, grace_period: TICK };
    let generator =
        Arc::new(Generator::new(1, limits, crate::machine::this_machine()).expect("memory"));
    let pool = Pool::new(Vec::new(), settings.quorum).expect("memory");
    let (_, inbox) = bounded(1);
    Supervisor::new(settings, pool, generator, Arc::default(), Arc::default(), inbox)
}

#[test]
fn a_primitive_that_breaks_while_the_service_runs_stops_output_at_the_next_test() {
    let (mut it, start) = (supervisor(), Instant::now());
    it.self_test(start);
    assert_eq!(it.generator.state(start), Readiness::Starting, "nothing is wrong");

    it.self_tests.primitives.chacha20 = |_| [0; 64];
    let before = start + SELF_TEST_EVERY / 2;
    it.self_test(before);
    assert_eq!(it.generator.state(before), Readiness::Starting, "not tested yet");
    let due = start + SELF_TEST_EVERY;
    it.self_test(due);
    assert_eq!(it.generator.state(due), Readiness::Refusing);
    assert!(matches!(it.generator.fill(&mut [0; 32]), Err(NotReady::Halted(_))));
    let incident = it.incidents.list().pop().expect("an incident");
    assert!(incident.text.contains("ChaCha20"), "{}", incident.text);
}

/// A source that is not there, configured like this.
fn absent(key: &str) -> Feed {
    let claim = EntropyClaim { h_per_symbol: 8.0, alpha: ALPHA_FAST, credited: true };
    Feed {
        id: "device".to_owned(),
        source_type: "double",
        kind: Kind::Device,
        required: false,
        credit_basis: String::new(),
        calibrated: None,
        key: key.to_owned(),
        open: Box::new(|| {
            Err(SourceError::Absent { what: "double".to_owned(), reason: "gone".to_owned() })
        }),
        gate: Gate::new(Box::new(SymbolTests::new(claim))),
        deadline: TICK,
        pace: TICK,
        shown: false,
        remember: None,
    }
}

#[test]
fn credit_outlasts_a_reload_only_under_the_same_configuration() {
    let mut it = supervisor();
    let settings = it.settings;
    it.replace(vec![absent("one")], settings).expect("memory");
    for _ in 0..2 {
        let bytes = Secret::take(&mut [7; 32]);
        let block = Block { bytes, credit_bits: 256, taken: Instant::now() };
        it.take_event(0, &RunnerEvent::Block(block));
    }
    assert!(it.pool.is_satisfied(0));
    it.replace(vec![absent("one")], settings).expect("memory");
    assert!(it.pool.is_satisfied(0), "nothing has changed");
    it.replace(vec![absent("another")], settings).expect("memory");
    assert!(!it.pool.is_satisfied(0), "this is another device");
}

#[test]
fn a_source_whose_thread_has_ended_is_reported_once_and_the_loop_does_not_spin() {
    let mut it = supervisor();
    let settings = it.settings;
    // Kept: the handle's end of the channel is open in a running collector.
    let (_handle, inbox) = bounded(1);
    it.inbox = inbox;
    it.replace(vec![absent("one")], settings).expect("memory");
    it.sources[0].events = bounded(1).1;
    for _ in 0..3 {
        assert!(it.take_next().is_continue());
    }
    assert_eq!(it.incidents.count(), 1);
}
