//! The collector's own duties, one step at a time: self-tests, those who wait, replacing sources.

use crate::source::SourceError;
use lavawall_entropy::{
    ALPHA_FAST, EntropyClaim, Gate, LeaseLimits, NotReady, Readiness, Secret, SymbolTests,
};

use super::*;

/// A collector with no sources, before its thread has begun.
fn work() -> Work {
    let reseed_interval = Duration::from_mins(1);
    let settings = Settings { quorum: 2, reseed_interval, assessment_rest: monitor::REST };
    let limits = LeaseLimits { reseed_interval: settings.reseed_interval, grace_period: TICK };
    let generator = Arc::new(Generator::new(1, limits, crate::machine::lend()).expect("memory"));
    let pool = Pool::new(Vec::new(), settings.quorum).expect("memory");
    let (_, inbox) = bounded(1);
    Work::new(settings, pool, generator, Arc::default(), inbox)
}

#[test]
fn a_primitive_that_breaks_while_the_service_runs_stops_output_at_the_next_test() {
    let (mut work, start) = (work(), Instant::now());
    work.self_test(start);
    assert_eq!(work.generator.state(start), Readiness::Starting, "nothing is wrong");

    work.primitives.chacha20 = |_| [0; 64];
    let before = start + SELF_TEST_EVERY / 2;
    work.self_test(before);
    assert_eq!(work.generator.state(before), Readiness::Starting, "not tested yet");
    let due = start + SELF_TEST_EVERY;
    work.self_test(due);
    assert_eq!(work.generator.state(due), Readiness::Refusing);
    assert!(matches!(work.generator.fill(&mut [0; 32]), Err(NotReady::Halted(_))));
    let incident = work.board.incidents().pop().expect("an incident");
    assert!(incident.text.contains("ChaCha20"), "{}", incident.text);
}

#[test]
fn those_who_wait_for_a_fresh_seed_are_bounded_and_those_who_gave_up_make_room() {
    let mut work = work();
    for _ in 0..COMMANDS_WAITING * 3 {
        let (done, wait) = oneshot::channel();
        drop(wait);
        work.take_fresh(done);
    }
    assert!(work.waiting.len() + work.late.len() <= COMMANDS_WAITING);
    let waits: Vec<_> = (0..COMMANDS_WAITING * 2)
        .map(|_| {
            let (done, wait) = oneshot::channel();
            work.take_fresh(done);
            wait
        })
        .collect();
    assert_eq!(work.waiting.len() + work.late.len(), COMMANDS_WAITING);
    let turned_away = waits.into_iter().filter_map(|mut wait| wait.try_recv().err());
    let closed = turned_away.filter(|why| *why == oneshot::error::TryRecvError::Closed).count();
    assert_eq!(closed, COMMANDS_WAITING);
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
    let mut work = work();
    let settings = work.settings;
    work.replace(vec![absent("one")], settings).expect("memory");
    for _ in 0..2 {
        let bytes = Secret::take(&mut [7; 32]);
        let block = Block { bytes, credit_bits: 256, taken: Instant::now() };
        work.take_event(0, &Event::Block(block));
    }
    assert!(work.pool.is_satisfied(0));
    work.replace(vec![absent("one")], settings).expect("memory");
    assert!(work.pool.is_satisfied(0), "nothing has changed");
    work.replace(vec![absent("another")], settings).expect("memory");
    assert!(!work.pool.is_satisfied(0), "this is another device");
}
