//! The decisions, the credit, the symbols and the running figures of every recipe, to the last bit: a
//! faster computation gives the same.
//!
//! The answers are those of this program's first implementation, which looked at one reading after
//! another. They depend on IEEE 754 arithmetic alone.

use std::fmt::Write as _;

use hex_literal::hex;
use sha2::{Digest, Sha256};

use super::*;

/// Pictures with blocks that are not whole, at the right, at the bottom and both, and of one column.
const OTHER_SIZES: [&str; 5] = [
    "size 150x90\nlit 130\nfiltered 40",
    "size 129x97\nlit 130\nnoise=6.0 60",
    "size 36x300\nlit 130\nsmeared 60",
    "size 500x20\nlit 130\nbiased 60",
    "size 5x90\nlit 60\nsticky 20",
];

/// The first eight bytes of SHA-256 over all that a sequence led to, by name.
const ANSWERS: &[(&str, [u8; 8])] = &[
    ("amplified", hex!("8a8048c757b8f595")),
    ("biased", hex!("668f49c179364169")),
    ("covered-lens", hex!("1f0ecfbf43141e0f")),
    ("damaged", hex!("27abf8f8970783d4")),
    ("filtered", hex!("70dcc4c4b7e7e972")),
    ("frozen", hex!("e106a3527518a66a")),
    ("frozen-compressed", hex!("47e46615b75cb3af")),
    ("gap", hex!("81de0b4509e6a05a")),
    ("healthy-amplified", hex!("ae8d69cdcd24c955")),
    ("healthy-bright", hex!("08bfd68a278649b9")),
    ("healthy-compressed", hex!("980b714be2832287")),
    ("healthy-dim", hex!("6cd8be6a557d43a4")),
    ("healthy-filtered", hex!("0d9c52436281633f")),
    ("healthy-lit", hex!("2386bd7b45c20623")),
    ("healthy-loud", hex!("a767cb0cf62c59b9")),
    ("healthy-smeared", hex!("a48b15c1f192919e")),
    ("healthy-sparse", hex!("d810603906d3609d")),
    ("looped-replay", hex!("c991ba39fac0807d")),
    ("loud", hex!("47e6e9871dc96415")),
    ("muted", hex!("84c7a2f8e1c18fc3")),
    ("quiet-sensor", hex!("23a75439f74c3253")),
    ("saturated", hex!("dcc3e24d0beb5fd9")),
    ("short", hex!("21d17659aa0fe3cf")),
    ("smeared", hex!("9fcfa31bb908f1dd")),
    ("static-scene", hex!("a719531c87c24a91")),
    ("sticky", hex!("5c3c25e73d4d4927")),
    ("too-quiet", hex!("46e26191ebfd2b1b")),
    ("unchanged", hex!("f6f4e7f408c763d9")),
    ("size 150x90", hex!("78188b9f0fafc65e")),
    ("size 150x90 without colour", hex!("78188b9f0fafc65e")),
    ("size 150x90 shaken", hex!("ef1ad09873dd5602")),
    ("size 129x97", hex!("90cb78c118101a26")),
    ("size 129x97 without colour", hex!("90cb78c118101a26")),
    ("size 129x97 shaken", hex!("34c011bb4a6ee5ec")),
    ("size 36x300", hex!("47e6652d9eb25c24")),
    ("size 36x300 without colour", hex!("47e6652d9eb25c24")),
    ("size 36x300 shaken", hex!("9f59b097f0ef261b")),
    ("size 500x20", hex!("916d1510481e7d6b")),
    ("size 500x20 without colour", hex!("916d1510481e7d6b")),
    ("size 500x20 shaken", hex!("78180ead367eadf7")),
    ("size 5x90", hex!("dd1499fabafcdadc")),
    ("size 5x90 without colour", hex!("dd1499fabafcdadc")),
    ("size 5x90 shaken", hex!("6c1f88f07ed53e66")),
];

/// What is made of the sample of this number.
type Variation = fn(Sample, usize) -> Sample;

#[test]
fn every_recipe_leads_to_the_same_decisions_credit_symbols_and_figures_as_ever() {
    let plain = recipes().into_iter().map(|(name, recipe)| (name, answer(&recipe, as_it_is)));
    let others = OTHER_SIZES.into_iter().flat_map(|text| {
        let recipe = Recipe::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let size = text.lines().next().unwrap_or_default();
        let variations: [(&str, Variation); 3] =
            [("", as_it_is), (" without colour", without_colour), (" shaken", shaken)];
        variations.map(|(name, variation)| (format!("{size}{name}"), answer(&recipe, variation)))
    });
    let all: Vec<_> = plain.chain(others).collect();
    let mut wrong = String::new();
    for (name, answer) in &all {
        if !ANSWERS.contains(&(name, *answer)) {
            let digits =
                answer.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            writeln!(wrong, "    (\"{name}\", hex!(\"{digits}\")),").expect("a string");
        }
    }
    assert!(wrong.is_empty(), "other than ever:\n{wrong}");
    assert_eq!(ANSWERS.len(), all.len());
}

fn answer(recipe: &Recipe, variation: Variation) -> [u8; 8] {
    let mut frames = FrameTests::new(LIVE, &[]);
    let mut hash = Sha256::new();
    for (number, sample) in recipe.samples().enumerate() {
        let sample = variation(sample, number);
        let inspection = frames.inspect(&sample);
        hash.update(inspection.credit_bits.to_be_bytes());
        hash.update(inspection.symbols.to_be_bytes());
        for finding in inspection.findings {
            hash.update(format!("{} {:?} {}", finding.test, finding.severity, finding.detail));
        }
        let mut noise = Vec::new();
        frames.noise(&sample, &mut noise);
        hash.update(&noise);
        for figure in figures(&frames) {
            hash.update(figure.to_be_bytes());
        }
    }
    *hash.finalize().first_chunk().expect("SHA-256 gives 32 bytes")
}

/// The running figures that later decisions depend on.
fn figures(frames: &FrameTests) -> Vec<u64> {
    let curve = noise_model::curve(&frames.variance, &frames.differences);
    // After a damaged frame there are no differences, and none is active.
    let has_pair = !frames.differences.steps.is_empty();
    let active = if has_pair { frames.variance.active_share() } else { 0.0 };
    let mut figures = vec![
        u64::from(frames.correlation.space.to_bits()),
        u64::from(frames.correlation.time.to_bits()),
        u64::from(frames.correlation.is_judged),
        active.to_bits(),
        frames.differences.unchanged_share().to_bits(),
    ];
    figures.extend(curve.map(|level| level.map_or(0, f64::to_bits)));
    figures.extend(
        lags::readings(&frames.correlation.now).into_iter().map(|it| u64::from(it.cast_unsigned())),
    );
    figures
}

fn as_it_is(sample: Sample, _: usize) -> Sample {
    sample
}

/// The luma alone.
fn without_colour(sample: Sample, _: usize) -> Sample {
    let Shape::Frame(frame) = sample.shape else { return sample };
    let luma: Vec<_> = sample.bytes().iter().copied().step_by(2).collect();
    Sample::of(Shape::Frame(Frame { format: PixelFormat::Grey, ..frame }), &luma, sample.taken)
}

/// Moved by up to two pixels to the left, in light that flickers by rows.
fn shaken(mut sample: Sample, number: usize) -> Sample {
    let Shape::Frame(frame) = sample.shape else { return sample };
    let row_bytes = 2 * usize::try_from(frame.width).expect("a small picture");
    for (y, row) in sample.buffer().chunks_exact_mut(row_bytes).enumerate() {
        row.rotate_left(2 * (number * number % 7 % 3));
        let light = u8::try_from((y + 5 * number) % 4).expect("below 4");
        row.iter_mut().step_by(2).for_each(|luma| *luma = luma.saturating_add(light));
    }
    sample
}
