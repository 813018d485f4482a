//! Windows, their min-entropy, and the verdicts on it.

use super::*;

/// A watch over a source whose windows this test assesses itself.
fn watched() -> (Monitor, Receiver<Window>) {
    let (windows, waiting) = bounded(1);
    let assessor = Assessor { windows, _stop: bounded(0).0 };
    (assessor.monitor(), waiting)
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
fn a_window_worth_less_than_the_claim_is_a_finding_until_a_later_one_is_worth_enough() {
    let (mut monitor, waiting) = watched();
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
    assert!(judge(&mut monitor, &waiting).min_entropy > MOST_REQUIRED);
    assert_eq!(monitor.verdict(Some(8.0)), Verdict::Fine, "so few symbols cannot show eight bits");
}

#[test]
fn a_constant_is_worth_nothing() {
    let found = figure(Zeroizing::new(vec![7; WINDOW]));
    assert!(found.min_entropy < f64::EPSILON, "{found:?}");
}

#[test]
fn a_window_is_fresh_whole_and_of_several_samples() {
    let (mut monitor, waiting) = watched();
    let picture = |count: u8| move |all: &mut Vec<u8>| all.extend(vec![count; 4 * MOST_PER_SAMPLE]);
    monitor.take(picture(1));
    monitor.interrupt();
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
    let (mut monitor, waiting) = watched();
    let picture = |all: &mut Vec<u8>| {
        all.extend((0..4_u8).flat_map(|part| std::iter::repeat_n(part, MOST_PER_SAMPLE)));
    };
    (0..4).for_each(|_| monitor.take(picture));
    let window = waiting.try_recv().expect("a full window");
    let parts: Vec<u8> = window.symbols.chunks(MOST_PER_SAMPLE).map(|piece| piece[0]).collect();
    assert_eq!(parts, [0, 1, 2, 3]);
}
