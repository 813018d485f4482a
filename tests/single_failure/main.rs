//! The single-failure table: with any one source known to the attacker, stuck, absent, slow,
//! crashing or hung, seeds keep coming from the others, and what is reported is right.

mod doubles;

use std::time::Duration;

use doubles::{Behaviour, Rig, Scripted};
use lavawall::SourceState;
use lavawall_entropy::{HealthTest, Kind, NotReady, Readiness};

const KINDS: [Kind; 3] = [Kind::OperatingSystem, Kind::PhysicalCamera, Kind::Tpm];

/// Three healthy sources of three kinds.
fn three() -> Vec<Scripted> {
    ["a", "b", "c"]
        .into_iter()
        .zip(KINDS)
        .map(|(id, kind)| Scripted::new(id, kind, Behaviour::Healthy))
        .collect()
}

/// Three sources of which number `which` fails in this way.
fn with_one(which: usize, behaviour: Behaviour) -> Rig {
    let mut sources = three();
    sources[which].behaviour = behaviour;
    Rig::start(&sources, 2)
}

#[test]
fn healthy_sources_make_seeds_and_all_are_in_them() {
    let rig = Rig::start(&three(), 2);
    rig.wait_for("every source credited", |rig| {
        rig.credited_in_seed().len() == 3 && rig.state() == Readiness::Ready
    });
    let mut out = [0; 64];
    rig.generator.fill(&mut out).expect("ready");
    assert_ne!(out, [0; 64]);
}

#[test]
fn any_one_stuck_source_loses_its_credit_and_the_others_carry_on() {
    for which in 0..3 {
        let rig = with_one(which, Behaviour::Stuck);
        rig.wait_for("a seed without it", |rig| rig.credited_in_seed().len() == 2);
        rig.wait_for("its alarm", |rig| rig.report(which).last_alarm.is_some());
        let report = rig.report(which);
        assert_eq!(report.credited_bits, 0);
        assert!(report.live.is_none(), "what fails a health test needs no second judge");
        assert_eq!(report.last_alarm.expect("an alarm").test, HealthTest::RepetitionCount);
        assert_eq!(rig.alarmed_sources(), [report.id], "and no other alarm rose");
        assert_eq!(rig.state(), Readiness::Ready);
    }
}

#[test]
fn any_one_absent_source_is_reported_and_the_others_carry_on() {
    for which in 0..3 {
        let rig = with_one(which, Behaviour::Absent);
        rig.wait_for("a seed and a report", |rig| {
            rig.credited_in_seed().len() == 2 && rig.report(which).state == SourceState::Absent
        });
        assert_eq!(rig.report(which).last_alarm.expect("an alarm").test, HealthTest::Unreadable);
        assert_eq!(rig.state(), Readiness::Ready);
    }
}

#[test]
fn why_a_source_is_missing_is_told_again_when_it_changes_and_not_before() {
    let rig = with_one(2, Behaviour::Absent);
    rig.wait_for("a report", |rig| rig.report(2).last_alarm.is_some());
    rig.set(2, Behaviour::Refused);
    let is_refused = |rig: &Rig| {
        rig.report(2).last_alarm.is_some_and(|alarm| alarm.detail.contains("against the rules"))
    };
    rig.wait_for("the new reason", is_refused);
    assert_eq!(rig.report(2).alarms, 2, "one for each reason, however often it was tried");
}

#[test]
fn any_one_crashing_source_takes_nobody_with_it() {
    for which in 0..3 {
        let rig = with_one(which, Behaviour::Crashing);
        rig.wait_for("a seed and a report", |rig| {
            rig.credited_in_seed().len() == 2 && rig.report(which).state == SourceState::Absent
        });
        let alarm = rig.report(which).last_alarm.expect("an alarm");
        assert_eq!(alarm.test, HealthTest::Crashed);
        assert!(alarm.detail.contains("on purpose"), "{}", alarm.detail);
    }
}

#[test]
fn any_one_slow_source_is_not_waited_for() {
    for which in 0..3 {
        let rig = with_one(which, Behaviour::Slow);
        rig.wait_for("a seed without it", |rig| rig.credited_in_seed().len() == 2);
        rig.wait_for("its deadline", |rig| rig.report(which).last_alarm.is_some());
        assert_eq!(rig.report(which).last_alarm.expect("an alarm").test, HealthTest::Deadline);
    }
}

#[test]
fn any_one_hung_source_blocks_nobody() {
    for which in 0..3 {
        let rig = with_one(which, Behaviour::Hung);
        rig.wait_for("a seed without it", |rig| rig.credited_in_seed().len() == 2);
        let first = rig.generation();
        rig.wait_for("and another", |rig| rig.generation() > first);
        rig.wait_for("its alarm, raised outside its thread", |rig| {
            rig.report(which).state == SourceState::Absent
        });
        assert_eq!(rig.report(which).last_alarm.expect("an alarm").test, HealthTest::Deadline);
        assert_eq!(rig.incidents.count(), 1);
    }
}

#[test]
fn a_source_that_hangs_after_it_was_credited_is_withdrawn_and_the_quorum_is_lost() {
    let rig = Rig::start(&three()[..2], 2);
    rig.wait_for("the first seed", |rig| rig.state() == Readiness::Ready);
    rig.set(1, Behaviour::Hung);
    rig.wait_for("degraded", |rig| rig.state() == Readiness::Degraded);
    rig.wait_for("its alarm", |rig| rig.report(1).state == SourceState::Absent);
    assert!(rig.report(1).credit_bits_per_second < f64::EPSILON);
}

#[test]
fn a_thread_that_dies_outside_its_source_is_one_incident_and_is_started_again() {
    let rig = with_one(2, Behaviour::Forgetful);
    rig.wait_for("its incident", |rig| rig.incidents.count() > 0);
    assert!(rig.incidents.list()[0].text.contains("thread has ended"));
    rig.wait_for("its return", |rig| {
        rig.report(2).state == SourceState::Healthy && rig.credited_in_seed().len() == 3
    });
    assert_eq!(rig.incidents.count(), 1);
}

#[test]
fn with_any_one_source_known_to_the_attacker_two_runs_still_differ() {
    // The known source gives the same bytes in both runs, and the operating system's bytes in the
    // answers are fixed as well: only the two other sources are left to make the difference.
    for which in 0..3 {
        let run = || {
            let mut sources = three();
            sources[which].behaviour = Behaviour::Known;
            let rig = Rig::start_with_known_os(&sources, 2);
            rig.wait_for("a seed", |rig| rig.state() == Readiness::Ready);
            let mut out = [0; 32];
            rig.generator.fill(&mut out).expect("ready");
            out
        };
        assert_ne!(run(), run(), "source {which} known");
    }
}

#[test]
fn one_kind_alone_is_refused_and_the_refusal_says_why() {
    let rig = Rig::start(&three()[..1], 2);
    rig.wait_for("its credit", |rig| rig.generator.quorum().present == [KINDS[0]]);
    let refusal = rig.generator.fill(&mut [0; 32]).expect_err("one kind of two");
    assert!(matches!(refusal, NotReady::Starting(_)));
    assert!(refusal.to_string().contains("1 of 2"), "{refusal}");
    assert_eq!(rig.state(), Readiness::Starting);
}

#[test]
fn sources_that_are_never_credited_cannot_carry_a_quorum() {
    let sources = vec![
        Scripted::new("a", KINDS[0], Behaviour::Healthy),
        Scripted::new("b", Kind::None, Behaviour::Healthy),
        Scripted::new("c", Kind::None, Behaviour::Healthy),
    ];
    let rig = Rig::start(&sources, 2);
    rig.wait_for("samples of all", |rig| (0..3).all(|which| rig.report(which).samples > 100));
    assert_eq!(rig.state(), Readiness::Starting);
}

#[test]
fn a_source_that_fails_later_degrades_and_its_return_restores() {
    let rig = Rig::start(&three()[..2], 2);
    rig.wait_for("the first seed", |rig| rig.state() == Readiness::Ready);
    rig.set(1, Behaviour::Stuck);
    rig.wait_for("degraded", |rig| rig.state() == Readiness::Degraded);
    rig.generator.fill(&mut [0; 32]).expect("the grace period has begun");
    let before = rig.generation();
    rig.set(1, Behaviour::Healthy);
    rig.wait_for("ready again", |rig| rig.state() == Readiness::Ready && rig.generation() > before);
}

#[test]
fn when_the_grace_period_is_over_output_stops() {
    let rig = Rig::start_with_grace(&three()[..2], 2, Duration::ZERO);
    rig.wait_for("the first seed", |rig| rig.state() == Readiness::Ready);
    rig.set(0, Behaviour::Stuck);
    rig.wait_for("refusing", |rig| rig.state() == Readiness::Refusing);
    assert!(matches!(rig.generator.fill(&mut [0; 32]), Err(NotReady::Expired(_))));
}

#[test]
fn a_fresh_seed_is_made_of_samples_taken_after_it_was_asked_for() {
    let rig = Rig::start(&three(), 2);
    rig.wait_for("the first seed", |rig| rig.state() == Readiness::Ready);
    let before = rig.generation();
    rig.fresh().expect("sources are there");
    assert!(rig.generation() > before);
}

#[test]
fn a_fresh_seed_is_not_made_while_the_quorum_is_lost() {
    let rig = Rig::start(&three()[..2], 2);
    rig.wait_for("the first seed", |rig| rig.state() == Readiness::Ready);
    rig.set(0, Behaviour::Stuck);
    rig.wait_for("degraded", |rig| rig.state() == Readiness::Degraded);
    let before = rig.generation();
    assert!(rig.fresh_within(Duration::from_millis(500)).is_none());
    assert_eq!(rig.generation(), before);
}

#[test]
fn a_reload_keeps_unchanged_sources_and_swaps_the_rest() {
    let rig = Rig::start(&three()[..2], 2);
    rig.wait_for("the first seed", |rig| rig.state() == Readiness::Ready);
    let kept = rig.report(0).samples;
    let mut sources = three();
    sources.remove(1);
    rig.replace(&sources, 2);
    rig.wait_for("the new one in the seed", |rig| {
        rig.credited_in_seed() == ["a", "c"] && rig.report(0).samples >= kept
    });
    assert_eq!(rig.opened("a"), 1, "the unchanged source was not opened again");
}

#[test]
fn what_a_source_gave_under_another_configuration_does_not_count_after_a_reload() {
    let mut sources = three();
    sources.truncate(2);
    let rig = Rig::start(&sources, 2);
    rig.wait_for("the first seed", |rig| rig.state() == Readiness::Ready);
    // Under its new configuration it cannot even be opened.
    sources[1].key = "another device";
    rig.set(1, Behaviour::Absent);
    rig.replace(&sources, 2);
    let seeds = rig.generation();
    rig.wait_for("its absence", |rig| rig.report(1).state == SourceState::Absent);
    rig.wait_for("degraded", |rig| rig.state() == Readiness::Degraded);
    assert_eq!(rig.generation(), seeds, "no seed was made of what was there before");
}

#[test]
fn a_source_that_passes_every_health_test_and_assesses_below_its_claim_loses_its_credit() {
    let mut sources = three();
    sources.truncate(2);
    sources[1].behaviour = Behaviour::Following;
    let rig = Rig::start(&sources, 2);
    rig.wait_for("its assessment", |rig| rig.report(1).state == SourceState::Alarmed);
    let report = rig.report(1);
    let alarm = report.last_alarm.expect("an alarm");
    assert_eq!(alarm.test, HealthTest::BelowClaim, "{alarm:?}");
    assert!(
        alarm.detail.contains("at least 4.000 needed for a claim of 8.000"),
        "{}",
        alarm.detail
    );
    assert!(report.live.expect("a figure").min_entropy < 3.5);
    // However long it waits, it earns nothing while no later window is worth more.
    rig.wait_for("another window, another alarm", |rig| rig.report(1).alarms >= 2);
    assert_eq!(rig.report(1).credited_bits, 0, "the first window comes before any credit");
    assert_eq!(rig.state(), Readiness::Starting);

    rig.set(1, Behaviour::Healthy);
    let is_back =
        |rig: &Rig| rig.report(1).state == SourceState::Healthy && rig.state() == Readiness::Ready;
    rig.wait_for("its return by a window and a start-up test", is_back);
    assert!(rig.report(1).live.expect("a figure").min_entropy > 4.0);

    // Later, the live windows find the same.
    rig.set(1, Behaviour::Following);
    rig.wait_for("degraded", |rig| rig.state() == Readiness::Degraded);
    assert_eq!(rig.report(1).last_alarm.expect("an alarm").test, HealthTest::BelowClaim);
    rig.set(1, Behaviour::Healthy);
    rig.wait_for("its second return", is_back);
    assert_eq!(rig.alarmed_sources(), ["b"], "and no other alarm rose");
}

#[test]
fn a_source_that_loses_its_credit_is_followed_by_a_seed_without_it_at_once() {
    // The next regular seed is an hour away.
    let rig = Rig::start_with_interval(&three(), 2, Duration::from_hours(1));
    rig.wait_for("every source in a seed", |rig| rig.credited_in_seed().len() == 3);
    let before = rig.generation();
    rig.set(2, Behaviour::Stuck);
    rig.wait_for("a seed without it", |rig| {
        rig.generation() > before && rig.credited_in_seed() == ["a", "b"]
    });
}
