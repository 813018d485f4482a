//! Every camera fault as a sequence of frames, from the recipes under `fixtures/frames`: the one
//! alarm that must rise, and no other.

use std::path::Path;

use super::*;
use crate::sample::PixelFormat;

mod known_answers;
mod recipe;
mod reference;

use recipe::{Recipe, Scene};

fn recipes() -> Vec<(String, Recipe)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/frames");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "recipe"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a recipe");
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let recipe = Recipe::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, recipe)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

const LIVE: FramesConfig = FramesConfig { credited: true, remember: true };

/// Credit and alarms of a sequence.
fn watch(recipe: &Recipe) -> (u32, Vec<(HealthTest, Severity)>) {
    let mut frames = FrameTests::new(LIVE, &[]);
    let (mut credit, mut alarms) = (0, Vec::new());
    for sample in recipe.samples() {
        let inspection = frames.inspect(&sample);
        credit += inspection.credit_bits;
        for finding in inspection.findings {
            if !alarms.contains(&(finding.test, finding.severity)) {
                alarms.push((finding.test, finding.severity));
            }
        }
    }
    (credit, alarms)
}

#[test]
fn each_fault_raises_its_own_alarm_and_no_other() {
    let recipes = recipes();
    let mut wrong = Vec::new();
    for (name, recipe) in &recipes {
        let (_, alarms) = watch(recipe);
        let names: Vec<_> = alarms.iter().map(|(test, _)| test.name()).collect();
        if names != recipe.expected {
            wrong.push(format!("{name}: {names:?} instead of {:?}", recipe.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Every alarm that frames can raise has a recipe, and a limit that is shown.
    let limits = FrameTests::new(LIVE, &[]).limits();
    for test in [
        HealthTest::CoveredLens,
        HealthTest::Saturated,
        HealthTest::Frozen,
        HealthTest::LoopedReplay,
        HealthTest::StaticScene,
        HealthTest::Denoised,
        HealthTest::BadTransfer,
        HealthTest::TooQuiet,
        HealthTest::NoiseModel,
        HealthTest::RepetitionCount,
        HealthTest::AdaptiveProportion,
    ] {
        let is_there = recipes.iter().any(|(_, recipe)| recipe.expected == [test.name()]);
        assert!(is_there, "no recipe expects {test}");
        assert!(limits.iter().any(|limit| limit.test == test), "{test} has no limit");
    }
}

#[test]
fn a_frame_with_an_alarm_is_worth_nothing() {
    for (name, recipe) in recipes() {
        let mut frames = FrameTests::new(LIVE, &[]);
        for sample in recipe.samples() {
            let inspection = frames.inspect(&sample);
            let is_alarm = |finding: &Finding| finding.severity > Severity::Notice;
            if inspection.findings.iter().any(is_alarm) {
                assert_eq!((inspection.credit_bits, inspection.symbols), (0, 0), "{name}");
            }
        }
    }
}

#[test]
fn a_camera_that_is_faulty_from_the_start_earns_nothing_before_its_alarm_or_after_a_reset() {
    for fault in ["smeared=0.15", "smeared=0.5", "filtered=0.15", "filtered=0.5", "noise=17"] {
        let recipe = Recipe::parse(&format!("size 160x96\n{fault} 300")).expect("a recipe");
        let mut frames = FrameTests::new(LIVE, &[]);
        let (mut symbols, mut alarms) = (0, 0);
        for sample in recipe.samples() {
            let inspection = frames.inspect(&sample);
            assert_eq!(inspection.credit_bits, 0, "{fault} after {alarms} alarms");
            symbols += inspection.symbols;
            if !inspection.findings.is_empty() {
                alarms += 1;
                frames.reset();
            }
        }
        assert_eq!(symbols, 0, "{fault} passes no start-up test");
        assert!(alarms > 1, "{fault}");
    }
}

fn healthy(frames: usize) -> Recipe {
    Recipe::parse(&format!("size 160x96\nlit {frames}")).expect("a recipe")
}

#[test]
fn a_healthy_camera_is_credited_once_a_pair_and_never_above_the_cap() {
    let mut frames = FrameTests::new(LIVE, &[]);
    let credits: Vec<_> =
        healthy(140).samples().map(|sample| frames.inspect(&sample).credit_bits).collect();
    assert!(credits.iter().step_by(2).all(|credit| *credit == 0), "the first of each pair");
    assert!(credits[..95].iter().all(|credit| *credit == 0), "not yet: {credits:?}");
    assert!(credits[95..].iter().skip(2).step_by(2).all(|credit| *credit > 0), "{credits:?}");
    // 160 × 96 has 40 × 24 readings: at most (960 / 2 − 128) / 8 bits.
    assert!(credits.iter().all(|credit| *credit <= 44), "{credits:?}");
}

#[test]
fn credit_is_half_a_bit_a_pixel_less_the_fingerprints_an_eighth_of_it_and_capped() {
    assert_eq!([0, 255, 256, 271, 272].map(credit), [0, 0, 0, 0, 1]);
    assert_eq!([4351, 4352, 4353, 1_000_000].map(credit), [255, 256, 256, 256]);
}

#[test]
fn what_is_not_a_live_camera_is_worth_nothing_however_good_it_looks() {
    let mut frames = FrameTests::new(FramesConfig { credited: false, remember: false }, &[]);
    for sample in healthy(80).samples() {
        let inspection = frames.inspect(&sample);
        assert_eq!((inspection.credit_bits, inspection.fingerprint), (0, None));
        assert!(inspection.findings.is_empty(), "{:?}", inspection.findings);
    }
}

#[test]
fn compressed_pictures_pass_and_are_worth_nothing() {
    let recipe = Recipe::parse("size 160x96\nmjpeg 40").expect("a recipe");
    let (credit, alarms) = watch(&recipe);
    assert_eq!((credit, alarms), (0, vec![]));
}

#[test]
fn a_replay_is_noticed_across_a_restart() {
    let mut first = FrameTests::new(LIVE, &[]);
    let kept: Vec<_> =
        healthy(10).samples().filter_map(|sample| first.inspect(&sample).fingerprint).collect();
    assert_eq!(kept.len(), 10);
    let mut second = FrameTests::new(LIVE, &kept);
    let again = second.inspect(&healthy(10).samples().nth(4).expect("ten"));
    assert_eq!(again.findings[0].test, HealthTest::LoopedReplay);
    assert_eq!(again.findings[0].severity, Severity::Persistent);
}

#[test]
fn a_replay_in_other_colours_is_noticed() {
    let samples: Vec<_> = healthy(10).samples().collect();
    let mut frames = FrameTests::new(LIVE, &[]);
    for sample in &samples {
        assert!(frames.inspect(sample).findings.is_empty());
    }
    for (number, place, what) in [(4, 1, "colour"), (6, 2, "a pixel between the readings")] {
        let mut bytes = samples[number].bytes().to_vec();
        bytes[place] ^= 1;
        // The driver's frame counter starts again.
        let frame = Frame { sequence: None, ..frame_of(&samples[number]) };
        let other = Sample::of(Shape::Frame(frame), &bytes, samples[9].taken);
        let findings = frames.inspect(&other).findings;
        let found: Vec<_> = findings.iter().map(|it| (it.test, it.severity)).collect();
        assert_eq!(found, [(HealthTest::LoopedReplay, Severity::Persistent)], "{what}");
    }
}

fn frame_of(sample: &Sample) -> Frame {
    let Shape::Frame(frame) = sample.shape else { panic!("no frame: {sample:?}") };
    frame
}

#[test]
fn a_reset_forgets_the_pixels_and_not_the_pictures() {
    let mut frames = FrameTests::new(LIVE, &[]);
    let samples: Vec<_> = healthy(60).samples().collect();
    for sample in &samples {
        frames.inspect(sample);
    }
    frames.reset();
    assert_eq!(frames.inspect(&samples[3]).findings[0].test, HealthTest::LoopedReplay);
    let anew = Scene::lit(7).sample(1000);
    let inspection = frames.inspect(&anew);
    assert!(inspection.findings.is_empty() && inspection.credit_bits == 0);
}

#[test]
fn another_size_starts_over() {
    let mut frames = FrameTests::new(LIVE, &[]);
    let sizes = "size 160x96\nlit 40\nsize 64x64\nlit 40\nsize 160x96\nlit 40";
    let other = Recipe::parse(sizes).expect("a recipe");
    for sample in other.samples() {
        let findings = frames.inspect(&sample).findings;
        assert!(
            findings.iter().all(|finding| finding.severity == Severity::Notice),
            "{findings:?}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn no_frame_whatever_makes_it_panic_or_pay_above_the_cap(
        frames in proptest::collection::vec(
            (0..3u8, 0..70u32, 0..20u32, proptest::collection::vec(0..=255u8, 0..3000), 0..4u32),
            1..12,
        ),
        fit: bool,
    ) {
        let mut inspector = FrameTests::new(LIVE, &[]);
        for (format, width, height, mut bytes, sequence) in frames {
            let format = [PixelFormat::Yuyv, PixelFormat::Grey, PixelFormat::Mjpeg][usize::from(format)];
            if fit && let Some(length) = format.payload_bytes(width, height) {
                bytes.resize(length, 77);
            }
            let frame = Frame { format, width, height, sequence: Some(sequence), damaged: false };
            let inspection = inspector.inspect(&Sample::of(Shape::Frame(frame), &bytes, std::time::Instant::now()));
            proptest::prop_assert!(inspection.credit_bits <= MOST_BITS);
        }
    }
}

#[test]
fn an_assessed_camera_is_credited_its_figure_less_the_fingerprints() {
    let credits = |h: Option<f64>| -> Vec<u32> {
        let mut frames = FrameTests::new(LIVE, &[]);
        assert_eq!(frames.claim(h), h.is_some());
        assert!(!frames.claim(h), "the same again changes nothing");
        healthy(120).samples().map(|sample| frames.inspect(&sample).credit_bits).collect()
    };
    // 960 readings: a bit under (960 · 0.2 − 128) bits, with all of them active.
    let assessed = credits(Some(0.2)).into_iter().max().expect("credits");
    assert!((32..=64).contains(&assessed), "{assessed}");
    assert_eq!(credits(Some(0.5)).into_iter().max(), Some(256), "the cap holds");
    assert_eq!(credits(Some(0.0)).into_iter().max(), Some(0));
    let mut frames = FrameTests::new(LIVE, &[]);
    frames.claim(Some(0.0099));
    assert_eq!(
        frames.claimed(),
        None,
        "next to nothing is nothing, however many readings there are"
    );
}

#[test]
fn pictures_that_are_credited_nothing_earn_nothing_whatever_is_assessed() {
    let mut frames = FrameTests::new(FramesConfig { credited: false, remember: false }, &[]);
    assert!(!frames.claim(Some(8.0)));
    assert_eq!(frames.claimed(), None);
    let (mut credit, mut symbols) = (0, 0);
    for sample in healthy(120).samples() {
        let inspection = frames.inspect(&sample);
        credit += inspection.credit_bits;
        symbols += inspection.symbols;
    }
    assert!(credit == 0 && symbols > 0, "{credit} bits for {symbols} symbols");
}
