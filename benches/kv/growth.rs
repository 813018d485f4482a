//! How long opening takes and what memory it needs, by the number of records. Each is opened in a
//! process of its own, whose memory is then its alone.

use lavawall::Actor;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::home::{self, Home, name, put};

/// Records that are written in one batch.
const BATCH: usize = 10_000;

/// Opens are measured this often.
const ROUNDS: usize = 3;

/// Makes stores of three sizes and has each opened.
pub(crate) fn measure() {
    for records in [1_000, 100_000, 1_000_000] {
        let home = Home::new();
        fill(&home, records);
        let mut rounds: Vec<_> = (0..ROUNDS).map(|_| opened(home.folder())).collect();
        rounds.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, kib) = rounds[ROUNDS / 2];
        let each = seconds * 1e6 / records as f64;
        println!("{records:>9} records    opened in {seconds:.3} s, {each:.1} µs each");
        println!("                     resident {:.1} MiB", kib / 1024.0);
    }
}

fn fill(home: &Home, records: usize) {
    let store = home.open();
    let id = store.create_namespace(&Actor::SERVICE, "bench").expect("made").id;
    for first in (0..records).step_by(BATCH) {
        let names: Vec<_> = (first..records.min(first + BATCH)).map(name).collect();
        // Small values: opening reads none of them.
        let puts: Vec<_> = names.iter().map(|name| put(name, b"0123456789abcdef")).collect();
        store.put(id, &puts, 0).expect("written");
    }
}

/// Seconds and KiB that another process says it needed.
fn opened(folder: &Path) -> (f64, f64) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let output = command.arg("open").arg(folder).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut figures = text.split_whitespace().map(|figure| figure.parse().expect("a number"));
    let mut next = || figures.next().unwrap_or_else(|| panic!("{text}"));
    (next(), next())
}

/// What that process does: opens the store and prints the seconds and its resident KiB.
pub(crate) fn open(folder: &Path) {
    let store = home::closed(folder, home::CACHE);
    let start = Instant::now();
    store.open().expect("opened");
    let seconds = start.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    println!("{seconds} {}", kib.trim().trim_end_matches(" kB"));
}
