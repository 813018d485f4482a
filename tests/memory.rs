//! Secrets leave nothing behind: freed memory is searched for what it held.

use lavawall::sample::{Sample, Shape};
use lavawall::secret::{Locked, Secret};
use std::io::Read;

/// A pattern no other part of this process holds, built at run time so that it is not in the
/// binary either.
fn pattern(tag: u8) -> [u8; 32] {
    let mut next = tag;
    std::array::from_fn(|_| {
        next = next.wrapping_mul(37).wrapping_add(11);
        next ^ 0xA5
    })
}

/// How many times `needle` stands in this process's writable memory, besides `needle` itself.
fn copies_in_memory(needle: &[u8; 32]) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the memory map");
    let mut memory = std::fs::File::open("/proc/self/mem").expect("the memory");
    let here = needle.as_ptr() as u64;
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
        let Some((range, _)) = line.split_once(' ') else { continue };
        let Some((start, end)) = range.split_once('-') else { continue };
        let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16))
        else {
            continue;
        };
        found += copies_in_range(&mut memory, start, end, needle, here);
    }
    found
}

fn copies_in_range(
    memory: &mut std::fs::File,
    start: u64,
    end: u64,
    needle: &[u8; 32],
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
        .filter(|(at, window)| *window == needle && start + *at as u64 != here)
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
