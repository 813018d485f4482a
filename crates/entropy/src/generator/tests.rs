//! The generator's promises.

use std::sync::atomic::AtomicU8;
use std::time::{Duration, SystemTime};

use super::*;
use crate::sample::Kind;

const LIMITS: LeaseLimits =
    LeaseLimits { reseed_interval: Duration::from_mins(1), grace_period: Duration::from_mins(15) };

/// An operating system whose bytes an attacker knows.
fn known_os(byte: u8) -> Box<OsFill> {
    Box::new(move |out| {
        out.fill(byte);
        Ok(())
    })
}

fn provenance(generation: u64, seeded_at: Instant) -> Provenance {
    Provenance { generation, seeded_at, seeded_on: SystemTime::now(), sources: Vec::new() }
}

fn seeded(seed: u8, os: Box<OsFill>) -> Generator {
    let generator = Generator::new(1, LIMITS, Machine { os, clock: Instant::now })
        .expect("memory for a generator");
    generator.reseed(&Secret::take(&mut [seed; KEY_BYTES]), provenance(1, Instant::now()));
    generator
}

fn answer(generator: &Generator, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    generator.fill(&mut out).expect("the generator is seeded");
    out
}

#[test]
fn an_answer_is_that_of_the_formula() {
    let mut shard = Shard::unseeded().expect("memory for a shard");
    shard.reseed(&Secret::take(&mut [5; KEY_BYTES]), 0);
    let mut expected = vec![0; 3 * MAX_ANSWER_BYTES / 2];
    for piece in expected.chunks_mut(MAX_ANSWER_BYTES) {
        let mut draw = [0; KEY_BYTES];
        shard.draw(&mut draw).expect("the shard is seeded");
        let key = Sha256::digest([b"lavawall v1 answer".as_slice(), &draw, &[9; 32]].concat());
        drbg::expand(&key.into(), piece);
    }
    assert_eq!(answer(&seeded(5, known_os(9)), expected.len()), expected);
}

#[test]
fn the_seed_protects_when_the_operating_system_is_known() {
    assert_ne!(answer(&seeded(1, known_os(0)), 32), answer(&seeded(2, known_os(0)), 32));
}

#[test]
fn the_operating_system_protects_when_the_seed_is_known() {
    assert_ne!(answer(&seeded(1, known_os(0)), 32), answer(&seeded(1, known_os(1)), 32));
}

#[test]
fn two_restores_of_one_snapshot_answer_differently() {
    // The same state twice, as a restored machine has it; the real operating system's bytes.
    let os = || -> Box<OsFill> { Box::new(getrandom::fill) };
    assert_ne!(answer(&seeded(1, os()), 32), answer(&seeded(1, os()), 32));
}

#[test]
fn every_16_kib_of_a_long_answer_has_fresh_bytes_of_the_operating_system() {
    static CALLS: AtomicU8 = AtomicU8::new(0);
    let generator = seeded(
        1,
        Box::new(|out| {
            out.fill(CALLS.fetch_add(1, Ordering::Relaxed));
            Ok(())
        }),
    );
    for (len, calls) in [(1, 1), (MAX_ANSWER_BYTES, 1), (MAX_ANSWER_BYTES + 1, 2), (1 << 17, 8)] {
        CALLS.store(0, Ordering::Relaxed);
        answer(&generator, len);
        assert_eq!(CALLS.load(Ordering::Relaxed), calls, "for {len} bytes");
    }
}

#[test]
fn pieces_of_a_long_answer_differ_even_under_a_stuck_operating_system() {
    let long = answer(&seeded(1, known_os(0)), 4 * MAX_ANSWER_BYTES);
    let pieces: std::collections::HashSet<_> = long.chunks(MAX_ANSWER_BYTES).collect();
    assert_eq!(pieces.len(), 4);
}

#[test]
fn nothing_is_given_before_the_first_seed() {
    let generator =
        Generator::new(2, LIMITS, Machine { os: Box::new(getrandom::fill), clock: Instant::now })
            .expect("memory for a generator");
    let mut out = [7; 64];
    assert!(matches!(generator.fill(&mut out), Err(NotReady::Starting(_))));
    assert_eq!(out, [0; 64]);
    assert_eq!(generator.state(Instant::now()), Readiness::Starting);
}

#[test]
fn a_failing_operating_system_gives_an_error_and_no_partial_output() {
    static CALLS: AtomicU8 = AtomicU8::new(0);
    let generator = seeded(
        1,
        Box::new(|_| match CALLS.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(getrandom::Error::UNSUPPORTED),
        }),
    );
    let mut out = vec![7; 2 * MAX_ANSWER_BYTES];
    assert!(matches!(generator.fill(&mut out), Err(NotReady::OperatingSystem(_))));
    assert!(out.iter().all(|byte| *byte == 0), "the first piece is wiped too");
}

#[test]
fn a_failed_self_test_stops_output_for_good() {
    let generator = seeded(1, known_os(0));
    generator.halt("SHA-256".into());
    assert!(matches!(generator.fill(&mut [0; 32]), Err(NotReady::Halted(_))));
    generator.reseed(&Secret::take(&mut [2; KEY_BYTES]), provenance(2, Instant::now()));
    assert!(matches!(generator.fill(&mut [0; 32]), Err(NotReady::Halted(_))));
}

#[test]
fn a_reseed_changes_what_comes() {
    let (reseeded, left) = (seeded(1, known_os(0)), seeded(1, known_os(0)));
    reseeded.reseed(&Secret::take(&mut [2; KEY_BYTES]), provenance(2, Instant::now()));
    assert_ne!(answer(&reseeded, 32), answer(&left, 32));
    assert_eq!(reseeded.provenance().expect("seeded").generation, 2);
}

#[test]
fn the_traits_of_rand_core_give_fresh_numbers() {
    let generator = seeded(1, known_os(0));
    let mut rng = &generator;
    assert_ne!(rng.try_next_u64().expect("seeded"), rng.try_next_u64().expect("seeded"));
    assert_ne!(rng.try_next_u32().expect("seeded"), rng.try_next_u32().expect("seeded"));
    let mut bytes = [0; 40];
    rng.try_fill_bytes(&mut bytes).expect("seeded");
    assert_ne!(bytes, [0; 40]);
}

#[test]
fn one_bits_are_half_of_a_megabyte() {
    // 8,388,608 fair bits: six standard deviations are 8,689. A correct generator fails this once
    // in 5 · 10⁸ runs; a stuck bit or a zeroed block fails it always.
    let bytes = answer(&Generator::seeded_at_random(), 1 << 20);
    let ones: u64 = bytes.iter().map(|byte| u64::from(byte.count_ones())).sum();
    assert!(ones.abs_diff(1 << 22) < 8_689, "{ones} of {} bits", 1 << 23);
}

#[test]
fn byte_values_are_even_over_a_megabyte() {
    // χ² with 255 degrees of freedom over 2²⁰ bytes; 400 is passed by chance once in 10⁸ runs.
    let bytes = answer(&Generator::seeded_at_random(), 1 << 20);
    let mut counts = [0i64; 256];
    for byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let squares: i64 = counts.iter().map(|count| (count - 4096) * (count - 4096)).sum();
    assert!(squares < 400 * 4096, "chi-square {}", squares / 4096);
}

impl Generator {
    /// A generator with a random seed and the real operating system.
    fn seeded_at_random() -> Self {
        let mut seed = [0; KEY_BYTES];
        getrandom::fill(&mut seed).expect("the operating system's bytes");
        let generator =
            Self::new(1, LIMITS, Machine { os: Box::new(getrandom::fill), clock: Instant::now })
                .expect("memory for a generator");
        generator.reseed(&Secret::take(&mut seed), provenance(1, Instant::now()));
        generator
    }
}

fn quorum(present: &[Kind]) -> Quorum {
    Quorum { present: present.to_vec(), needed: 2, missing_required: Vec::new(), overdue: false }
}

const BOTH: [Kind; 2] = [Kind::OperatingSystem, Kind::PhysicalCamera];

/// A generator that got its seed at the instant given.
fn ready_at(start: Instant) -> Generator {
    let generator =
        Generator::new(1, LIMITS, Machine { os: Box::new(getrandom::fill), clock: Instant::now })
            .expect("memory for a generator");
    generator.report_quorum(quorum(&BOTH), start);
    generator.reseed(&Secret::take(&mut [1; KEY_BYTES]), provenance(1, start));
    generator
}

#[test]
fn a_check_gives_the_refusal_that_an_answer_would_get() {
    let start = Instant::now();
    let generator = ready_at(start);
    assert!(generator.check(start).is_ok());
    let late = start + LIMITS.reseed_interval * 2 + LIMITS.grace_period;
    assert!(matches!(generator.check(late), Err(NotReady::Expired(_))));
    generator.halt("SHA-256".into());
    assert!(matches!(generator.check(start), Err(NotReady::Halted(_))));
}

#[test]
fn the_quorum_that_was_reported_is_told() {
    let generator = ready_at(Instant::now());
    assert_eq!(*generator.quorum(), quorum(&BOTH));
    generator.report_quorum(quorum(&BOTH[..1]), Instant::now());
    assert_eq!(*generator.quorum(), quorum(&BOTH[..1]));
}

#[test]
fn memory_counts_as_locked_only_when_every_shard_is() {
    let machine = Machine { os: known_os(0), clock: Instant::now };
    let generator = Generator::new(3, LIMITS, machine).expect("memory");
    let may_lock = crate::secret::Locked::<[u8; 1]>::zeroed().expect("memory").is_locked();
    assert_eq!(generator.is_memory_locked(), may_lock);
    generator.shards[1].lock().forget_lock();
    assert!(!generator.is_memory_locked());
}

#[test]
fn threads_spread_over_the_shards() {
    let machine = Machine { os: known_os(9), clock: Instant::now };
    let generator = Generator::new(2, LIMITS, machine).expect("memory");
    generator.reseed(&Secret::take(&mut [5; KEY_BYTES]), provenance(1, Instant::now()));
    // Threads get numbers in turn; other tests take numbers between. All 64 of one parity by
    // chance: once in 2⁶³ runs.
    let answers: Vec<_> = (0..64)
        .map(|_| {
            std::thread::scope(|scope| {
                scope.spawn(|| answer(&generator, 32)).join().expect("an answer")
            })
        })
        .collect();
    for number in 0..2 {
        let mut shard = Shard::unseeded().expect("memory for a shard");
        shard.reseed(&Secret::take(&mut [5; KEY_BYTES]), number);
        let mut draw = [0; KEY_BYTES];
        shard.draw(&mut draw).expect("the shard is seeded");
        let key = Sha256::digest([b"lavawall v1 answer".as_slice(), &draw, &[9; 32]].concat());
        let mut first = vec![0; 32];
        drbg::expand(&key.into(), &mut first);
        assert!(answers.contains(&first), "shard {number} is not used");
    }
}

#[test]
fn a_thread_keeps_its_number() {
    assert_eq!(thread_number(), thread_number());
    let other = std::thread::spawn(thread_number).join().expect("a number");
    assert_ne!(other, thread_number());
}

#[test]
fn debug_output_names_the_shards_and_nothing_of_them() {
    let text = format!("{:?}", seeded(7, known_os(0)));
    assert_eq!(text, "Generator { shards: 1, .. }");
}

#[test]
fn a_lost_quorum_degrades_for_the_grace_period_and_then_refuses() {
    let start = Instant::now();
    let generator = ready_at(start);
    assert_eq!(generator.state(start), Readiness::Ready);
    generator.report_quorum(quorum(&BOTH[..1]), start);
    assert_eq!(generator.state(start), Readiness::Degraded);
    let end = LIMITS.grace_period;
    assert_eq!(generator.state(start + end.mul_f64(0.99)), Readiness::Degraded);
    assert_eq!(generator.state(start + end.mul_f64(1.01)), Readiness::Refusing);
}

#[test]
fn repeated_bad_news_does_not_prolong_the_grace_period() {
    let start = Instant::now();
    let generator = ready_at(start);
    for minute in 0..14 {
        generator.report_quorum(quorum(&[]), start + Duration::from_mins(minute));
    }
    assert_eq!(generator.state(start + Duration::from_mins(16)), Readiness::Refusing);
}

#[test]
fn a_quorum_regained_without_a_new_seed_is_still_degraded() {
    let start = Instant::now();
    let generator = ready_at(start);
    generator.report_quorum(quorum(&[]), start);
    generator.report_quorum(quorum(&BOTH), start);
    assert_eq!(generator.state(start), Readiness::Degraded);
    generator.reseed(&Secret::take(&mut [2; KEY_BYTES]), provenance(2, start));
    assert_eq!(generator.state(start), Readiness::Ready);
}

#[test]
fn without_any_news_the_lease_runs_out() {
    let start = Instant::now();
    let generator = ready_at(start);
    let lease = LIMITS.reseed_interval * 2 + LIMITS.grace_period;
    assert_eq!(generator.state(start + lease.mul_f64(0.99)), Readiness::Ready);
    assert_eq!(generator.state(start + lease.mul_f64(1.01)), Readiness::Refusing);
}

#[test]
fn a_degraded_generator_refuses_after_its_bytes_are_used_up() {
    let start = Instant::now();
    let standing = Lease::new(LIMITS, start);
    standing.seeded(start);
    standing.report(quorum(&[]), start);
    assert!(standing.admit(1 << 32, start).is_ok());
    assert!(standing.admit(1, start).is_err());
    assert_eq!(standing.state(start), Readiness::Refusing);
}

#[test]
fn a_refusing_generator_recovers_with_the_next_seed() {
    let start = Instant::now();
    let generator = ready_at(start);
    let late = start + Duration::from_hours(2);
    assert_eq!(generator.state(late), Readiness::Refusing);
    generator.report_quorum(quorum(&BOTH), late);
    generator.reseed(&Secret::take(&mut [2; KEY_BYTES]), provenance(2, late));
    assert_eq!(generator.state(late), Readiness::Ready);
}

#[test]
fn a_missing_required_source_and_an_overdue_seed_each_break_the_quorum() {
    let mut missing = quorum(&BOTH);
    assert!(missing.stands());
    missing.missing_required.push("camera".into());
    assert!(!missing.stands());
    assert!(!Quorum { overdue: true, ..quorum(&BOTH) }.stands());
}

#[test]
fn the_refusal_says_which_kinds_are_there_and_how_many_are_needed() {
    let generator =
        Generator::new(1, LIMITS, Machine { os: Box::new(getrandom::fill), clock: Instant::now })
            .expect("memory for a generator");
    generator.report_quorum(quorum(&BOTH[..1]), Instant::now());
    let refusal = generator.fill(&mut [0]).expect_err("not seeded").to_string();
    assert!(refusal.contains("1 of 2") && refusal.contains("operating-system"), "{refusal}");
}

#[test]
fn a_longer_interval_between_seeds_prolongs_the_lease_and_a_shorter_one_cuts_it() {
    let start = Instant::now();
    let generator = ready_at(start);
    let usual = LIMITS.reseed_interval * 2 + LIMITS.grace_period;
    let longer = LIMITS.reseed_interval * 10;
    generator.set_reseed_interval(longer);
    assert_eq!(generator.state(start + usual.mul_f64(1.01)), Readiness::Ready);
    let end = longer * 2 + LIMITS.grace_period;
    assert_eq!(generator.state(start + end.mul_f64(1.01)), Readiness::Refusing);
    generator.set_reseed_interval(LIMITS.reseed_interval);
    assert_eq!(generator.state(start + usual.mul_f64(1.01)), Readiness::Refusing);
}

#[test]
fn another_interval_does_not_prolong_the_grace_period_of_a_lost_quorum() {
    let start = Instant::now();
    let generator = ready_at(start);
    generator.report_quorum(quorum(&[Kind::OperatingSystem]), start);
    generator.set_reseed_interval(LIMITS.reseed_interval * 10);
    assert_eq!(generator.state(start + LIMITS.grace_period.mul_f64(1.01)), Readiness::Refusing);
}
