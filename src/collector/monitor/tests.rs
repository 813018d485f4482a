//! Windows, their min-entropy, and the verdicts on it.

use super::*;

use crate::collector::assessor::figure;

/// A monitor whose windows this test assesses itself: live windows, and start-up windows.
fn watched() -> (Monitor, Receiver<Window>, Receiver<Window>) {
    let ((when_rested, live), (at_once, start_ups)) = (bounded(1), bounded(1));
    (Monitor::new(when_rested, at_once), live, start_ups)
}

fn fill(monitor: &mut Monitor, symbol: impl Fn(usize) -> u8) {
    for sample in 0..WINDOW / 64 {
        monitor.take(|all| all.extend((0..64).map(|n| symbol(64 * sample + n))));
    }
}

fn judge(monitor: &mut Monitor, waiting: &Receiver<Window>) -> LiveFigure {
    let window = waiting.try_recv().expect("a full window");
    window.answer.send(figure(window.symbols)).expect("somebody waits");
    monitor.new_figure().expect("a figure")
}

#[test]
fn a_start_up_test_is_over_when_a_window_of_its_own_symbols_has_been_assessed() {
    let (mut monitor, _live, start_ups) = watched();
    let now = Instant::now();
    assert!(monitor.is_start_up_over(now), "none has begun");
    for number in 1..=2 {
        monitor.start_up(number, now);
        fill(&mut monitor, |n| n.to_le_bytes()[0]);
        monitor.start_up(number, now);
        assert!(!monitor.is_start_up_over(now));
        assert!(!monitor.is_start_up_over(now + START_UP_PATIENCE * 100), "a full window waits");
        judge(&mut monitor, &start_ups);
        assert!(monitor.is_start_up_over(now));
    }
}

#[test]
fn a_source_that_is_too_slow_for_a_start_up_window_is_not_waited_for() {
    let (mut monitor, live, start_ups) = watched();
    let now = Instant::now();
    monitor.start_up(1, now);
    monitor.take(|all| all.extend([1; 1024]));
    assert!(!monitor.is_start_up_over(now + START_UP_PATIENCE / 2));
    assert!(monitor.is_start_up_over(now + START_UP_PATIENCE));
    // Its live window has the symbols all the same, over any number of drop-outs.
    for number in 2..=16 {
        monitor.start_up(number, now);
        monitor.take(|all| all.extend([1; 1024]));
    }
    assert!(start_ups.try_recv().is_err());
    assert!(judge(&mut monitor, &live).min_entropy < 0.01);
}

#[test]
fn a_window_that_is_lost_in_the_assessor_is_followed_by_another() {
    let (mut monitor, _live, start_ups) = watched();
    let now = Instant::now();
    monitor.start_up(1, now);
    fill(&mut monitor, |n| n.to_le_bytes()[0]);
    drop(start_ups.try_recv().expect("a full window"));
    assert!(monitor.new_figure().is_none() && !monitor.is_start_up_over(now));
    fill(&mut monitor, |n| n.to_le_bytes()[0]);
    judge(&mut monitor, &start_ups);
    assert!(monitor.is_start_up_over(now));
}

#[test]
fn a_window_worth_less_than_the_claim_is_a_finding_until_a_later_one_is_worth_enough() {
    let (mut monitor, waiting, _) = watched();
    assert_eq!(monitor.verdict(Some(1.0)), Verdict::Fine, "nothing is known yet");
    // It passes RCT and APT, and is worth nothing.
    fill(&mut monitor, |n| n.to_le_bytes()[0]);
    assert!(judge(&mut monitor, &waiting).min_entropy < 0.01);
    assert_eq!(monitor.verdict(None), Verdict::Fine, "nothing is claimed of it");
    let Verdict::Low(finding) = monitor.verdict(Some(1.0)) else {
        panic!("a counter is not noise")
    };
    assert_eq!((finding.test, finding.severity), (HealthTest::BelowClaim, Severity::Intermittent));
    let mut state = 1_u64;
    let noise: Vec<u8> = (0..WINDOW)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .collect();
    assert_eq!(monitor.verdict(Some(1.0)), Verdict::StillLow, "until another window is assessed");
    fill(&mut monitor, |n| noise[n]);
    let worth = judge(&mut monitor, &waiting).min_entropy;
    assert!((4.0..8.0).contains(&worth), "so few symbols cannot show eight bits: {worth}");
    assert_eq!(monitor.verdict(Some(8.0)), Verdict::Fine);
}

#[test]
fn a_window_is_whole_and_of_several_samples() {
    let (mut monitor, waiting, _) = watched();
    let picture = |count: u8| move |all: &mut Vec<u8>| all.extend(vec![count; 4 * MOST_PER_SAMPLE]);
    for count in 2..=5 {
        monitor.take(picture(count));
    }
    let window = waiting.try_recv().expect("a full window");
    assert_eq!(window.symbols.len(), WINDOW);
    for (count, piece) in (2..=5).zip(window.symbols.chunks(MOST_PER_SAMPLE)) {
        assert!(piece.iter().all(|symbol| *symbol == count), "sample {count}");
    }
    // Nothing is gathered while it is assessed.
    fill(&mut monitor, |_| 9);
    assert!(waiting.try_recv().is_err());
}

#[test]
fn pieces_come_from_all_of_a_picture_in_turn() {
    let (mut monitor, waiting, _) = watched();
    let picture = |all: &mut Vec<u8>| {
        all.extend((0..4_u8).flat_map(|part| std::iter::repeat_n(part, MOST_PER_SAMPLE)));
    };
    (0..4).for_each(|_| monitor.take(picture));
    let window = waiting.try_recv().expect("a full window");
    let parts: Vec<u8> = window.symbols.chunks(MOST_PER_SAMPLE).map(|piece| piece[0]).collect();
    assert_eq!(parts, [0, 1, 2, 3]);
}

#[test]
fn a_figure_just_below_its_limit_is_shown_with_the_digits_that_tell_them_apart() {
    let (mut monitor, _live, _start_ups) = watched();
    let (min_entropy, samples, at) = (3.9996, WINDOW, std::time::SystemTime::now());
    monitor.last = Some(LiveFigure { min_entropy, estimator: "lag", samples, at });
    let Verdict::Low(finding) = monitor.verdict(Some(8.0)) else { panic!("worth less") };
    let figures = "is worth 3.9996 bits a symbol by lag, at least 4.000 needed";
    assert!(finding.detail.contains(figures), "{}", finding.detail);
}
