//! Assessment of 1,000,000 samples: one thread and two, noise and a block that recurs, and, when
//! `ASSESS_REFERENCE` names NIST's `ea_non_iid`, that program in the same run.
//!
//! ```text
//! ASSESS_REFERENCE=/path/to/ea_non_iid cargo bench --bench assess
//! ```
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lavawall_assess::{Samples, assess};

/// Rounds of each, interleaved so that a busy machine slows both alike. The least time counts.
const ROUNDS: usize = 3;

/// How many samples are assessed.
const SAMPLES: usize = 1_000_000;

/// A block of this size recurs in the last case: the reference program does not end in minutes.
const BLOCK: usize = 100_000;

fn main() {
    let reference = std::env::var_os("ASSESS_REFERENCE");
    for (name, bits, raw) in [
        ("bytes", 8, noise(8)),
        ("bits", 1, noise(1)),
        ("bell-shaped bytes", 8, bell()),
        ("bytes, one block recurs", 8, recurring()),
    ] {
        let program = reference.as_ref().filter(|_| !name.contains("recurs")).map(Path::new);
        let mut best = [Duration::MAX; 3];
        for _ in 0..ROUNDS {
            best[0] = best[0].min(ours(&raw, bits, 1));
            best[1] = best[1].min(ours(&raw, bits, 2));
            if let Some(program) = program {
                best[2] = best[2].min(theirs(program, &raw, bits));
            }
        }
        let [one, two, reference] = best.map(|time| time.as_secs_f64());
        println!("{name}");
        println!("  one thread    {one:.3} s");
        println!("  two threads   {two:.3} s, {:.2} times one  (aim 1.7)", one / two);
        if program.is_some() {
            println!("  reference     {reference:.3} s, {:.1} times one  (aim 6)", reference / one);
        }
    }
}

fn ours(raw: &[u8], bits: u8, threads: usize) -> Duration {
    let threads = NonZeroUsize::new(threads).expect("one or two");
    let start = Instant::now();
    let samples = Samples::new(raw.to_vec(), Some(bits)).expect("samples");
    let found = assess(&samples, threads, &|_| ());
    assert!(found.min_entropy() <= f64::from(bits));
    start.elapsed()
}

fn theirs(program: &Path, raw: &[u8], bits: u8) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("raw.bin");
    fs::write(&file, raw).expect("a file");
    let start = Instant::now();
    let status = Command::new(program)
        .arg("-q")
        .arg(&file)
        .arg(bits.to_string())
        .stdout(Stdio::null())
        .status()
        .expect("the reference program");
    assert!(status.success(), "{status}");
    start.elapsed()
}

/// Independent symbols, the same every time.
fn noise(bits: u8) -> Vec<u8> {
    noise_of(SAMPLES, bits)
}

fn noise_of(samples: usize, bits: u8) -> Vec<u8> {
    let mut state = 1_u64;
    (0..samples)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0] >> (8 - bits)
        })
        .collect()
}

/// The averages of four symbols each: bell-shaped.
fn bell() -> Vec<u8> {
    let average = |sum: u32| u8::try_from(sum / 4).expect("an average of bytes");
    noise_of(4 * SAMPLES, 8)
        .chunks_exact(4)
        .map(|four| average(four.iter().copied().map(u32::from).sum()))
        .collect()
}

fn recurring() -> Vec<u8> {
    let mut raw = noise(8);
    raw.copy_within(BLOCK..2 * BLOCK, SAMPLES / 2);
    raw
}
