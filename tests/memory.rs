//! Secrets leave nothing behind: freed memory is searched for what it held.

use lavawall::generator::{Generator, Limits, Provenance};
use lavawall::keyring::seal::Choice;
use lavawall::keyring::{Keyring, Places};
use lavawall::sample::{Sample, Shape};
use lavawall::secret::{Locked, Secret};
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A pattern no other part of this process holds, built at run time so that it is not in the
/// binary either.
fn pattern(tag: u8) -> [u8; 32] {
    let mut next = tag;
    std::array::from_fn(|_| {
        next = next.wrapping_mul(37).wrapping_add(11);
        next ^ 0xA5
    })
}

/// One test at a time: what one reads of memory would be found by another.
static MEMORY: Mutex<()> = Mutex::new(());

/// How many times `needle` stands in this process's writable memory, besides `needle` itself.
fn copies_in_memory(needle: &[u8; 32]) -> usize {
    copies_where(|window| window == needle, needle.as_ptr() as u64)
}

/// How many windows of 32 bytes are what is looked for, besides the one at `here`.
fn copies_where(is_it: impl Fn(&[u8]) -> bool, here: u64) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the memory map");
    let mut memory = std::fs::File::open("/proc/self/mem").expect("the memory");
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
        let Some((range, _)) = line.split_once(' ') else { continue };
        let Some((start, end)) = range.split_once('-') else { continue };
        let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16))
        else {
            continue;
        };
        found += copies_in_range(&mut memory, start, end, &is_it, here);
    }
    found
}

fn copies_in_range(
    memory: &mut std::fs::File,
    start: u64,
    end: u64,
    is_it: &impl Fn(&[u8]) -> bool,
    here: u64,
) -> usize {
    use std::io::{Seek, SeekFrom};
    if memory.seek(SeekFrom::Start(start)).is_err() {
        return 0;
    }
    // XOR-ed while it is held, so that the copy being searched is not itself found later.
    let mut bytes = vec![0; usize::try_from(end - start).expect("a 64-bit machine")];
    let read = memory.read(&mut bytes).unwrap_or(0);
    let found = bytes[..read]
        .windows(32)
        .enumerate()
        .filter(|(at, window)| is_it(window) && start + *at as u64 != here)
        .count();
    bytes.fill(0);
    std::hint::black_box(&bytes);
    found
}

/// Runs `hold` with the pattern and says whether it was seen while held, and after.
fn before_and_after<T>(tag: u8, hold: impl FnOnce(&mut [u8; 32]) -> T) -> (usize, usize) {
    let mut work = pattern(tag);
    let kept = hold(&mut work);
    work.fill(0);
    std::hint::black_box(&work);
    let needle = pattern(tag);
    let before = copies_in_memory(&needle);
    drop(kept);
    let after = copies_in_memory(&needle);
    (before, after)
}

#[test]
fn secrets_samples_and_locked_pages_are_wiped_when_dropped() {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let (held, left) = before_and_after(1, Secret::take);
    assert!(held >= 1 && left == 0, "Secret: {held} held, {left} left");

    let (held, left) = before_and_after(2, |bytes| Sample::of(Shape::Bytes, bytes));
    assert!(held >= 1 && left == 0, "Sample: {held} held, {left} left");

    let (held, left) = before_and_after(3, |bytes| {
        let mut locked = Locked::<[u8; 32]>::zeroed().expect("a page");
        locked.copy_from_slice(bytes);
        locked
    });
    assert!(held >= 1 && left == 0, "Locked: {held} held, {left} left");
}

#[test]
fn a_keyring_leaves_no_key_behind_when_it_is_sealed_or_dropped() {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let limits =
        Limits { reseed_interval: Duration::from_mins(1), grace_period: Duration::from_mins(1) };
    let generator = Arc::new(Generator::new(1, limits).expect("memory"));
    let provenance = Provenance {
        generation: 1,
        seeded_at: Instant::now(),
        seeded_on: SystemTime::now(),
        sources: Vec::new(),
    };
    generator.reseed(&Secret::take(&mut pattern(9)), provenance);
    let folder = tempfile::tempdir().expect("a directory");
    let places = Places {
        keyring: folder.path().join("keyring"),
        seal_file: folder.path().join("seal-key"),
        audit: folder.path().join("audit.log"),
        anchor: None,
    };
    let keyring = Keyring::load(places, generator).expect("nothing there");
    keyring.init(&Choice::Shares { threshold: 2, count: 3 }).expect("made");
    let id = keyring.create_namespace("first").expect("made").id;
    keyring.rotate(id).expect("rotated");
    // Kept inverted, byte by byte, so that the test makes no copy of its own.
    let mut kept = Vec::new();
    for (_, _, key) in keyring.namespace_keys(id).expect("open").versions {
        let mut inverted = [0; 32];
        for (to, from) in inverted.iter_mut().zip(key.expose()) {
            *to = !from;
        }
        kept.push(inverted);
    }
    let copies = |kept: &[u8; 32]| {
        copies_where(|window| window.iter().zip(kept).all(|(here, not)| *here == !not), 0)
    };
    for key in &kept {
        assert!(copies(key) >= 1, "it is held while the keyring is open");
    }
    keyring.seal().expect("sealed");
    for key in &kept {
        assert_eq!(copies(key), 0, "left after sealing");
    }
}
