//! The supervisor's duties, one step at a time: self-tests, lost threads, replacing sources.

use crossbeam_channel::bounded;

use super::*;
use crate::collector::assessor::ASSESSMENT_REST;
use crate::collector::self_test::SELF_TEST_EVERY;
use crate::collector::status::SourceState;
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
    wait_for_absence(&it);
    for _ in 0..2 {
        let bytes = Secret::take(&mut [7; 32]);
        let block = Block { bytes, credit_bits: 256, taken: Instant::now() };
        it.take_event(0, RunnerEvent::Block(block, 1));
    }
    assert!(it.pool.is_satisfied(0));
    it.replace(vec![absent("one")], settings).expect("memory");
    assert!(it.pool.is_satisfied(0), "nothing has changed");
    it.replace(vec![absent("another")], settings).expect("memory");
    assert!(!it.pool.is_satisfied(0), "this is another device");
}

/// A supervisor whose handle is open, as in a running collector.
fn with_handle() -> (Supervisor, crossbeam_channel::Sender<Command>) {
    let mut it = supervisor();
    let (handle, inbox) = bounded(1);
    it.inbox = inbox;
    (it, handle)
}

#[test]
fn a_source_whose_thread_has_ended_is_one_incident_and_is_started_again_after_a_wait() {
    let (mut it, _handle) = with_handle();
    let settings = it.settings;
    it.replace(vec![absent("one")], settings).expect("memory");
    it.sources[0].events = bounded(1).1;
    let now = Instant::now();
    for _ in 0..3 {
        assert!(it.take_next().is_continue());
        it.start_threads(now);
    }
    assert_eq!(it.incidents.count(), 1);
    assert!(!it.sources[0].is_startable(now), "it waits");
    let later = now + Duration::from_mins(1);
    assert!(it.sources[0].is_startable(later));
    it.start_threads(later);
    assert!(!it.sources[0].is_startable(later), "it runs");
    assert_eq!(it.incidents.count(), 1);
}

/// A source whose next samples come when this test says so.
struct Held(crossbeam_channel::Receiver<()>);

impl crate::source::Source for Held {
    fn read(
        &mut self,
        sample: &mut lavawall_entropy::Sample,
        _: Instant,
    ) -> Result<(), SourceError> {
        let _ = self.0.recv();
        getrandom::fill(sample.resize(64)).expect("the operating system's bytes");
        Ok(())
    }
}

#[test]
fn a_device_that_does_not_return_is_reported_from_outside_and_starts_over_when_it_does() {
    let (mut it, _handle) = with_handle();
    let (go, gate) = bounded(0);
    let settings = it.settings;
    let held = Feed { open: Box::new(move || Ok(Box::new(Held(gate.clone())))), ..absent("held") };
    it.replace(vec![held], settings).expect("memory");
    // One sample, so that the next call has begun.
    go.send(()).expect("it reads");
    it.sources[0].credited_at = Some(Instant::now());
    let reports = |it: &Supervisor| it.board.sources().pop().expect("one source");
    let end = Instant::now() + Duration::from_mins(1);
    while reports(&it).alarms == 0 {
        assert!(Instant::now() < end, "no alarm: {:?}", reports(&it));
        // As if half an hour had passed.
        it.watch_calls(Instant::now() + Duration::from_mins(30));
        std::thread::yield_now();
    }
    let report = reports(&it);
    assert_eq!(report.state, SourceState::Absent);
    assert_eq!(report.last_alarm.expect("an alarm").test, HealthTest::Deadline);
    assert_eq!((it.incidents.count(), it.sources[0].credited_at), (1, None));
    it.watch_calls(Instant::now() + Duration::from_mins(30));
    assert_eq!(it.incidents.count(), 1, "told once");
    // The sample that comes at last is too late.
    go.send(()).expect("it reads");
    let end = Instant::now() + Duration::from_mins(1);
    while reports(&it).alarms < 2 {
        assert!(Instant::now() < end, "no timeout: {:?}", reports(&it));
        std::thread::yield_now();
    }
    assert_eq!(reports(&it).last_alarm.expect("an alarm").test, HealthTest::Deadline);
}

#[test]
fn a_supervisor_that_panics_is_seen_by_its_handle_and_one_that_lives_does_rounds() {
    let (mut it, handle) = with_handle();
    it.self_tests.primitives.chacha20 = |_| panic!("on purpose");
    let collector = crate::collector::Collector::run(it, handle).expect("a thread");
    let (living, handle) = with_handle();
    let living = crate::collector::Collector::run(living, handle).expect("a thread");
    let (rounds, end) = (living.rounds(), Instant::now() + Duration::from_mins(1));
    while !collector.has_ended() || living.rounds() == rounds {
        assert!(Instant::now() < end, "it is not seen");
        std::thread::yield_now();
    }
    assert!(!living.has_ended());
}

/// A supervisor whose quorum is the one source that it has, which is absent: the test gives its blocks.
fn with_one_source() -> Supervisor {
    let mut it = supervisor();
    let settings = CollectorSettings { quorum: 1, ..it.settings };
    it.replace(vec![absent("one")], settings).expect("memory");
    wait_for_absence(&it);
    it
}

/// A block with full credit.
fn block() -> Block {
    Block { bytes: Secret::take(&mut [7; 32]), credit_bits: 256, taken: Instant::now() }
}

/// Waits until the runner of an absent source has reported that, as its first withdrawal.
fn wait_for_absence(it: &Supervisor) {
    let end = Instant::now() + Duration::from_mins(1);
    while it.sources[0].withdrawals.load(Ordering::Acquire) == 0 {
        assert!(Instant::now() < end, "it is not reported");
        std::thread::yield_now();
    }
}

#[test]
fn a_withdrawal_does_not_wait_behind_blocks_in_the_channel() {
    let mut it = with_one_source();
    it.take_event(0, RunnerEvent::Block(block(), 1));
    it.take_event(0, RunnerEvent::Block(block(), 1));
    assert!(it.pool.is_satisfied(0));
    it.sources[0].withdrawals.fetch_add(1, Ordering::AcqRel);
    it.release_if_needed(Instant::now());
    assert_eq!(it.pool.generation(), 0, "no seed slips in before the event comes");
    it.take_event(0, RunnerEvent::Block(block(), 1));
    it.take_event(0, RunnerEvent::Block(block(), 1));
    assert!(!it.pool.is_satisfied(0), "blocks from before count nothing");
    it.take_event(0, RunnerEvent::Block(block(), 2));
    it.take_event(0, RunnerEvent::Block(block(), 2));
    it.release_if_needed(Instant::now());
    assert_eq!(it.pool.generation(), 1);
}

#[test]
fn sleep_of_the_machine_counts_for_the_lease_and_is_followed_by_a_seed_of_new_samples() {
    let mut it = with_one_source();
    let give = |it: &mut Supervisor| {
        (0..2).for_each(|_| it.take_event(0, RunnerEvent::Block(block(), 1)));
    };
    give(&mut it);
    it.release_if_needed(Instant::now());
    assert_eq!(it.generator.state(Instant::now()), Readiness::Ready);
    give(&mut it);
    it.reseed_soon = false;
    it.take_sleep();
    assert!(!it.reseed_soon && it.pool.is_satisfied(0), "it has not slept");
    // Longer than two intervals and the grace period.
    it.slept = || crate::machine::slept() + Duration::from_mins(3);
    it.take_sleep();
    // The least lease ends a millisecond after the start.
    let soon = Instant::now() + Duration::from_millis(1);
    assert_eq!(it.generator.state(soon), Readiness::Refusing);
    it.release_if_needed(Instant::now());
    assert_eq!(it.pool.generation(), 1, "credit from before counts for nothing");
    give(&mut it);
    it.release_if_needed(Instant::now());
    assert_eq!(it.pool.generation(), 2);
    assert_eq!(it.generator.state(Instant::now()), Readiness::Ready);
    it.reseed_soon = false;
    it.take_sleep();
    assert!(!it.reseed_soon, "once");
}
