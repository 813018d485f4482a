//! The encrypted store against the engine under it, and how it grows; medians of interleaved rounds.
//!
//! ```text
//! writes    1 KiB values, 100 to 10,000 records in a batch   peer: the same rows in clear, same engine
//! reads     1 KiB values, held opened, or opened each time   peer: the same rows, from the engine's cache
//! rotation  records sealed anew, without the bound of `kv.rotation-rate`
//! growth    time to open, and resident memory, by the number of records
//! ```
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "figures of a few digits")]

#[path = "common/seeded.rs"]
mod seeded;

#[path = "kv/growth.rs"]
mod growth;
#[path = "kv/home.rs"]
mod home;
#[path = "kv/plain.rs"]
mod plain;

use lavawall::Actor;
use std::hint::black_box;
use std::time::{Duration, Instant};

use home::{Home, VALUE, name};
use plain::Plain;

/// Rounds of each, interleaved so that a busy machine slows both alike.
const ROUNDS: usize = 41;

/// Records that are read in a round, each once.
const READS: usize = 20_000;

/// Memory for values that are held opened: as much is taken from the engine's.
const HELD: usize = 32 << 20;

fn main() {
    if let Some(folder) = std::env::args_os().nth(2) {
        growth::open(folder.as_ref());
        return;
    }
    for batch in [100, 1000, 10_000] {
        writes(batch);
    }
    for held in [HELD, 0] {
        reads(held);
    }
    rotation();
    growth::measure();
}

fn writes(batch: usize) {
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "bench").expect("made").id;
    let plain = Plain::in_folder(home.folder());
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let numbers = round * batch..(round + 1) * batch;
        times[0].push(timed(|| home::write(&store, id, numbers.clone())));
        times[1].push(timed(|| plain.write(numbers)));
    }
    report(&format!("writes of {batch}"), batch, times, 0.9);
}

fn reads(held: usize) {
    let home = Home::new();
    let store = home.open_with(home::CACHE - held).with_value_cache(held);
    let id = store.create_namespace(&Actor::SERVICE, "bench").expect("made").id;
    let plain = Plain::in_folder(home.folder());
    for first in (0..READS).step_by(1000) {
        home::write(&store, id, first..first + 1000);
        plain.write(first..first + 1000);
    }
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        // A step that meets all of them in an order unlike that of their names.
        let numbers = (0..READS).map(|read| (round + read * 7919) % READS);
        times[0].push(timed(|| {
            for number in numbers.clone() {
                let value = store.get(id, &name(number), 0).expect("readable").expect("there");
                assert_eq!(black_box(value.bytes).len(), VALUE.len());
            }
        }));
        times[1].push(timed(|| {
            for number in numbers {
                assert_eq!(black_box(plain.read(number)).len(), VALUE.len());
            }
        }));
    }
    let what = if held > 0 { "reads, held opened" } else { "reads, opened anew" };
    report(what, READS, times, 0.8);
}

fn rotation() {
    const RECORDS: usize = 50_000;
    let home = Home::new();
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "bench").expect("made").id;
    for first in (0..RECORDS).step_by(1000) {
        home::write(&store, id, first..first + 1000);
    }
    store.rotate(&Actor::SERVICE, id).expect("rotated");
    let start = Instant::now();
    while store.reseal(id).expect("sealed anew") > 0 {}
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(store.destroy_unneeded(&Actor::SERVICE, id).expect("destroyed"), [1]);
    println!("rotation             {:.0} records a second\n", RECORDS as f64 / seconds);
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn report(what: &str, records: usize, times: [Vec<Duration>; 2], aim: f64) {
    let [ours, theirs] = times.map(|mut rounds| {
        rounds.sort_unstable();
        records as f64 / rounds[ROUNDS / 2].as_secs_f64()
    });
    println!("{what:20} {ours:.0} records a second");
    println!("in clear             {theirs:.0} records a second");
    println!("ratio                {:.2}  (aim {aim})\n", ours / theirs);
}
