//! Both sides of every cutoff, and that no other test speaks.

use proptest::prelude::*;

use super::*;
use crate::health::limit::LimitRule;

const HALF: EntropyClaim = EntropyClaim { h_per_symbol: 0.5, alpha: Alpha(20), credited: true };

/// The findings on these bytes, as one sample.
fn inspect(claim: EntropyClaim, bytes: &[u8]) -> Inspection {
    SymbolTests::new(claim).inspect(&Sample::of(Shape::Bytes, bytes, std::time::Instant::now()))
}

fn tests(claim: EntropyClaim, bytes: &[u8]) -> Vec<(HealthTest, Severity)> {
    let findings = inspect(claim, bytes).findings;
    findings.into_iter().map(|finding| (finding.test, finding.severity)).collect()
}

/// Bytes that repeat no symbol within 251 places.
fn harmless(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

/// 512 bytes in which the first comes `count` times, never twice in a row more than `run`.
fn window(count: usize, run: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut left = count;
    let mut other = 1;
    while bytes.len() < 512 {
        bytes.extend(std::iter::repeat_n(0, run.min(left)));
        left = left.saturating_sub(run);
        bytes.push(other);
        other = other % 250 + 1;
    }
    bytes.truncate(512);
    bytes
}

#[test]
fn the_limits_that_are_shown_are_those_that_are_held_to() {
    for (severity, alpha) in [(Severity::Intermittent, 20), (Severity::Persistent, 40)] {
        let limits = SymbolTests::new(HALF).limits();
        let count = |test| {
            let found = limits.iter().find(|it| it.test == test && it.severity == severity);
            let Some(LimitRule::Cutoff(cutoff)) = found.map(|limit| &limit.rule) else {
                panic!("{test} has no cutoff");
            };
            assert_eq!((cutoff.h, cutoff.alpha.0), (0.5, alpha), "{test}");
            usize::try_from(cutoff.count).expect("a small number")
        };
        let run = count(HealthTest::RepetitionCount);
        let fails = |bytes: &[u8], test| tests(HALF, bytes).contains(&(test, severity));
        assert!(!fails(&vec![7; run - 1], HealthTest::RepetitionCount), "{severity:?}");
        assert!(fails(&vec![7; run], HealthTest::RepetitionCount), "{severity:?}");
        let matches = count(HealthTest::AdaptiveProportion);
        assert!(!fails(&window(matches - 1, 20), HealthTest::AdaptiveProportion), "{severity:?}");
        assert!(fails(&window(matches, 20), HealthTest::AdaptiveProportion), "{severity:?}");
    }
}

#[test]
fn harmless_bytes_raise_nothing_and_are_credited() {
    let inspection = inspect(HALF, &harmless(10_000));
    assert_eq!(inspection.findings, []);
    assert_eq!((inspection.symbols, inspection.credit_bits), (10_000, 5_000));
}

#[test]
fn credit_is_rounded_down_and_absent_where_nothing_is_claimed() {
    assert_eq!(inspect(HALF, &harmless(3)).credit_bits, 1);
    assert_eq!(inspect(EntropyClaim { credited: false, ..HALF }, &harmless(64)).credit_bits, 0);
}

#[test]
fn a_run_fails_at_41_for_half_a_bit_and_not_at_40() {
    let run = |len: usize| [vec![7; len], harmless(400)].concat();
    assert_eq!(tests(HALF, &run(40)), []);
    assert_eq!(tests(HALF, &run(41)), [(HealthTest::RepetitionCount, Severity::Intermittent)]);
}

#[test]
fn a_run_is_persistent_at_the_cutoff_of_the_squared_alpha() {
    // 1 + 40 / 0.5 = 81
    let run = |len: usize| [vec![7; len], harmless(400)].concat();
    assert_eq!(tests(HALF, &run(80)), [(HealthTest::RepetitionCount, Severity::Intermittent)]);
    assert_eq!(tests(HALF, &run(81)), [(HealthTest::RepetitionCount, Severity::Persistent)]);
}

#[test]
fn a_proportion_fails_at_411_for_half_a_bit_and_not_at_410() {
    assert_eq!(tests(HALF, &window(410, 20)), []);
    assert_eq!(
        tests(HALF, &window(411, 20)),
        [(HealthTest::AdaptiveProportion, Severity::Intermittent)]
    );
}

#[test]
fn a_full_byte_of_entropy_fails_at_four_in_a_row() {
    let full = EntropyClaim { h_per_symbol: 8.0, ..HALF };
    let run = |len: usize| [vec![7; len], harmless(240)].concat();
    assert_eq!(tests(full, &run(3)), []);
    assert_eq!(tests(full, &run(4)), [(HealthTest::RepetitionCount, Severity::Intermittent)]);
}

#[test]
fn runs_are_counted_across_samples() {
    let mut symbols = SymbolTests::new(HALF);
    let half = Sample::of(Shape::Bytes, &[7; 21], std::time::Instant::now());
    assert_eq!(symbols.inspect(&half).findings, []);
    assert_eq!(symbols.inspect(&half).findings.len(), 1);
}

#[test]
fn a_reset_forgets_the_run() {
    let mut symbols = SymbolTests::new(HALF);
    let half = Sample::of(Shape::Bytes, &[7; 21], std::time::Instant::now());
    assert_eq!(symbols.inspect(&half).findings, []);
    symbols.reset();
    assert_eq!(symbols.inspect(&half).findings, []);
}

#[test]
fn a_finding_says_the_count_and_the_limit_and_no_sample() {
    let findings = inspect(HALF, &[0xcd; 41]).findings;
    assert_eq!(findings[0].detail, "41 equal symbols, limit 41");
}

#[test]
fn sequences_in_the_fixtures_do_what_their_first_line_says() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/health");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the fixtures") {
        let path = entry.expect("a fixture").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let (expected, bytes) = parse_fixture(&text);
        let found: Vec<_> =
            tests(HALF, &bytes).into_iter().map(|(test, _)| test.name().to_owned()).collect();
        assert_eq!(found, expected, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 4);
}

/// `# expect: name …`, then lines of `byte × count`.
fn parse_fixture(text: &str) -> (Vec<String>, Vec<u8>) {
    let mut lines = text.lines();
    let first = lines.next().and_then(|line| line.strip_prefix("# expect:")).expect("line 1");
    let expected =
        first.split_whitespace().filter(|name| *name != "nothing").map(str::to_owned).collect();
    let mut bytes = Vec::new();
    for line in lines.filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (value, count) = line.split_once(" x ").expect("byte x count");
        let count: usize = count.trim().parse().expect("a count");
        match value {
            "harmless" => bytes.extend(harmless(count)),
            value => bytes.extend(std::iter::repeat_n(value.parse::<u8>().expect("a byte"), count)),
        }
    }
    (expected, bytes)
}

/// Tests of these cutoffs, over these windows, at both levels.
fn with_cutoffs(windows: [u32; 2], runs: [u32; 2], counts: [u32; 2]) -> SymbolTests {
    let mut tests = SymbolTests::binary(HALF);
    for (number, level) in [&mut tests.intermittent, &mut tests.persistent].into_iter().enumerate()
    {
        level.repetition = RepetitionCount::new(runs[number]);
        level.repetition_cutoff = runs[number];
        level.adaptive = AdaptiveProportion::new(windows[number], counts[number]);
        level.adaptive_cutoff = counts[number];
    }
    tests
}

/// Lengths of runs of equal bits; most are short, some longer than a word.
fn runs() -> impl Strategy<Value = Vec<usize>> {
    let run = prop_oneof![8 => 1..4_usize, 2 => 1..40_usize, 1 => 40..200_usize];
    prop::collection::vec(run, 1..60)
}

/// Both take the same bits, one of them in words of these sizes in turn.
fn take_alike(
    tests: [&mut SymbolTests; 2],
    runs: &[usize],
    sizes: &[u32],
) -> Result<(), TestCaseError> {
    let [words, single] = tests;
    let mut left = runs.iter().enumerate().flat_map(|(number, run)| {
        std::iter::repeat_n(u64::try_from(number % 2).expect("0 or 1"), *run)
    });
    for size in sizes.iter().cycle() {
        let mut bits = Bits::default();
        (0..*size).map_while(|_| left.next()).for_each(|symbol| bits.push(symbol));
        let (mut of_words, mut of_single) = (Vec::new(), Vec::new());
        words.push_bits(bits, &mut of_words);
        bits.symbols().for_each(|symbol| single.push(symbol, &mut of_single));
        prop_assert_eq!(of_words, of_single);
        prop_assert_eq!(words.intermittent, single.intermittent);
        prop_assert_eq!(words.persistent, single.persistent);
        if bits.count() < *size {
            break;
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn bits_in_words_fail_exactly_as_one_after_another(
        runs in runs(),
        sizes in prop::collection::vec(1..=64_u32, 1..8),
        windows in [1..1100_u32, 1..1100_u32],
        cutoffs in [1..200_u32, 1..200_u32],
        counts in [1..700_u32, 1..700_u32],
        other in prop::option::of(0..4_u64),
    ) {
        let fresh = || with_cutoffs(windows, cutoffs, counts);
        let (mut words, mut single) = (fresh(), fresh());
        // A symbol that is no bit may have come before.
        if let Some(symbol) = other {
            words.push(symbol, &mut Vec::new());
            single.push(symbol, &mut Vec::new());
        }
        take_alike([&mut words, &mut single], &runs, &sizes)?;
    }

    #[test]
    fn bits_in_words_fail_exactly_at_the_cutoffs_of_every_claim(
        runs in runs(),
        sizes in prop::collection::vec(1..=64_u32, 1..8),
        h in 0.05..1.0,
        alpha in 20..=40_u32,
    ) {
        let claim = EntropyClaim { h_per_symbol: h, alpha: Alpha(alpha), credited: true };
        let (mut words, mut single) = (SymbolTests::binary(claim), SymbolTests::binary(claim));
        take_alike([&mut words, &mut single], &runs, &sizes)?;
    }
}

#[test]
fn words_of_noise_are_taken_at_once() {
    // Otherwise nothing would be gained. The cutoffs are those of a camera.
    let camera = EntropyClaim { alpha: cutoff::ALPHA_FAST, ..HALF };
    let mut tests = SymbolTests::binary(camera);
    let mut noise = 1_u64;
    for _ in 0..100 {
        let mut bits = Bits::default();
        while !bits.is_full() {
            // Knuth's MMIX generator (TAOCP 2, §3.3.4).
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bits.push(noise >> 63);
        }
        assert!(tests.intermittent.after(bits).is_some() && tests.persistent.after(bits).is_some());
        tests.push_bits(bits, &mut Vec::new());
    }
}

proptest! {
    #[test]
    fn a_longer_run_never_undoes_an_alarm(run in 41usize..600, more in 0usize..600) {
        prop_assert!(!tests(HALF, &vec![7; run]).is_empty());
        prop_assert!(!tests(HALF, &vec![7; run + more]).is_empty());
    }

    #[test]
    fn each_test_speaks_at_most_once_a_sample(bytes in prop::collection::vec(0u8..3, 0..2000)) {
        let findings = tests(HALF, &bytes);
        prop_assert!(findings.iter().filter(|(test, _)| *test == HealthTest::RepetitionCount).count() <= 1);
        prop_assert!(findings.iter().filter(|(test, _)| *test == HealthTest::AdaptiveProportion).count() <= 1);
    }
}

#[test]
fn an_assessed_figure_takes_the_place_of_the_claim_with_its_cutoffs_and_can_be_given_up() {
    let claim = EntropyClaim { h_per_symbol: 4.0, alpha: Alpha(20), credited: true };
    let noise = Sample::of(Shape::Bytes, &(0..64).collect::<Vec<u8>>(), std::time::Instant::now());
    let mut symbols = SymbolTests::new(claim);
    assert_eq!(symbols.inspect(&noise).credit_bits, 256);
    assert!(symbols.claim(Some(1.0)));
    assert_eq!((symbols.claimed(), symbols.inspect(&noise).credit_bits), (Some(1.0), 64));
    assert_eq!(symbols.intermittent.repetition_cutoff, 21, "1 + 20 / H");
    assert!(symbols.claim(Some(0.0)));
    assert_eq!((symbols.claimed(), symbols.inspect(&noise).credit_bits), (None, 0));
    assert!(symbols.claim(None) && !symbols.claim(None));
    assert_eq!((symbols.claimed(), symbols.inspect(&noise).credit_bits), (Some(4.0), 256));
    let mut nothing = SymbolTests::new(EntropyClaim { credited: false, ..claim });
    assert!(!nothing.claim(Some(8.0)));
    assert_eq!((nothing.claimed(), nothing.inspect(&noise).credit_bits), (None, 0));
}
