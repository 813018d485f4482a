//! The generator against the cipher it is made of, one core, medians of interleaved rounds.
//!
//! ```text
//! bulk     64 KiB answers, fresh OS bytes every 16 KiB      peer: chacha20's write_keystream
//! answers  32-byte answers, fresh OS bytes in each          peer: getrandom(2) of 32 bytes
//! ```
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "common/seeded.rs"]
mod seeded;

use std::hint::black_box;
use std::time::{Duration, Instant};

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

/// Rounds of each, interleaved so that a busy machine slows both alike.
const ROUNDS: usize = 41;

/// Size of a bulk answer in bytes.
const BULK: u32 = 64 * 1024;

fn main() {
    let generator = seeded::generator();
    let mut ours = vec![0; BULK as usize];
    let mut theirs = vec![0; BULK as usize];
    let bulk = compare(
        256,
        || generator.fill(black_box(&mut ours)).expect("seeded"),
        || {
            // A new cipher each time, as its counter ends after 256 GiB.
            ChaCha20::new(&[1; 32].into(), &[0; 12].into()).write_keystream(black_box(&mut theirs));
        },
    );
    let [generator_gbs, cipher_gbs] = bulk.map(|each| f64::from(BULK) / each.as_secs_f64() / 1e9);
    println!("bulk output          {generator_gbs:.2} GB/s");
    println!("chacha20 keystream   {cipher_gbs:.2} GB/s");
    println!("ratio                {:.2}  (aim 0.85)\n", generator_gbs / cipher_gbs);

    let mut answer = [0; 32];
    let mut direct = [0; 32];
    let small = compare(
        20_000,
        || generator.fill(black_box(&mut answer)).expect("seeded"),
        || getrandom::fill(black_box(&mut direct)).expect("the operating system's bytes"),
    );
    let [answers, calls] = small.map(|each| 1e-6 / each.as_secs_f64());
    println!("32-byte answers      {answers:.2} million a second");
    println!("getrandom(32)        {calls:.2} million a second");
    println!("ratio                {:.2}", answers / calls);
}

/// The median time of one call of each.
fn compare(calls: u32, mut ours: impl FnMut(), mut theirs: impl FnMut()) -> [Duration; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        times[0].push(time(calls, &mut ours));
        times[1].push(time(calls, &mut theirs));
    }
    times.map(|mut rounds| {
        rounds.sort_unstable();
        rounds[ROUNDS / 2]
    })
}

fn time(calls: u32, call: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed() / calls
}
