//! Secrets leave nothing behind: freed memory is searched for what it held.

use lavawall::generator::{Generator, Limits, Provenance};
use lavawall::keyring::formula::{self, Bound, SEALED_KEY_BYTES, label};
use lavawall::keyring::seal::Choice;
use lavawall::keyring::{Keyring, Places};
use lavawall::sample::{Sample, Shape};
use lavawall::secret::{Locked, Secret};
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use zeroize::Zeroizing;

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

/// Bytes kept inverted, so that the test makes no copy of its own.
struct Inverted(Vec<u8>);

impl Inverted {
    fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|byte| !byte).collect())
    }

    /// How many copies of its first 32 bytes are in memory.
    fn copies(&self) -> usize {
        let first = &self.0[..32];
        copies_where(|window| window.iter().zip(first).all(|(here, not)| *here == !not), 0)
    }
}

fn seeded(tag: u8) -> Arc<Generator> {
    let limits =
        Limits { reseed_interval: Duration::from_mins(1), grace_period: Duration::from_mins(1) };
    let generator = Arc::new(Generator::new(1, limits).expect("memory"));
    let provenance = Provenance {
        generation: 1,
        seeded_at: Instant::now(),
        seeded_on: SystemTime::now(),
        sources: Vec::new(),
    };
    generator.reseed(&Secret::take(&mut pattern(tag)), provenance);
    generator
}

fn places(folder: &tempfile::TempDir) -> Places {
    Places {
        keyring: folder.path().join("keyring"),
        seal_file: folder.path().join("seal-key"),
        audit: folder.path().join("audit.log"),
        anchor: None,
    }
}

/// The seal's secret and the root key of a keyring under a file seal, from its two files
/// (`src/keyring/layout.rs`, `src/keyring/seal/file.rs`).
fn secret_and_root(places: &Places) -> (Inverted, Inverted) {
    let mut seal = std::fs::read(&places.seal_file).expect("a file");
    let file = std::fs::read(&places.keyring).expect("a file");
    let mut secret: [u8; 32] = seal[8 + 16 + 8..].try_into().expect("one secret");
    let kept = Inverted::of(&secret);
    seal.fill(0);
    std::hint::black_box(&seal);
    let id = &file[9..25];
    let parameters = &file[36..36 + usize::from(u16::from_be_bytes([file[34], file[35]]))];
    let bound = Bound::to(label::ROOT).and(id).and(&file[33..34]).and(parameters);
    let root = &file[36 + parameters.len()..][..SEALED_KEY_BYTES];
    let root = formula::open_key(&Secret::take(&mut secret), &bound, root).expect("opens");
    (kept, Inverted::of(root.expose()))
}

#[test]
fn the_root_key_is_held_while_a_keyring_is_open_alone_and_its_seal_s_secret_never() {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a directory");
    let keyring = Keyring::load(places(&folder), seeded(10)).expect("nothing there");
    keyring.init(&Choice::File).expect("made");
    let (secret, root) = secret_and_root(&places(&folder));
    assert!(root.copies() >= 1, "it is held while the keyring is open");
    assert_eq!(secret.copies(), 0, "the seal's secret is left after making it");
    keyring.seal().expect("sealed");
    assert_eq!(root.copies(), 0, "the root key is left after sealing");
    assert!(keyring.open_alone().expect("opens"));
    assert!(root.copies() >= 1);
    assert_eq!(secret.copies(), 0, "the seal's secret is left after opening");
    drop(keyring);
    assert_eq!(root.copies(), 0, "the root key is left after dropping");
}

#[test]
fn a_passphrase_and_shares_are_gone_once_they_were_used() {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a directory");
    let keyring = Keyring::load(places(&folder), seeded(11)).expect("nothing there");
    let phrase = Inverted::of(&pattern(12));
    let given = || Zeroizing::new(pattern(12).to_vec());
    keyring.init(&Choice::Passphrase(given())).expect("made");
    assert_eq!(phrase.copies(), 0, "left after making");
    keyring.seal().expect("sealed");
    keyring.offer(&given()).expect("opens");
    assert_eq!(phrase.copies(), 0, "left after opening");
    drop(keyring);
    let folder = tempfile::tempdir().expect("a directory");
    let keyring = Keyring::load(places(&folder), seeded(13)).expect("nothing there");
    let shares = keyring.init(&Choice::Shares { threshold: 2, count: 3 }).expect("made");
    let texts: Vec<_> = shares.iter().map(lavawall::keyring::seal::shares::Share::text).collect();
    drop(shares);
    let kept: Vec<_> = texts.iter().map(|text| Inverted::of(&text.as_bytes()[20..])).collect();
    assert!(kept[0].copies() >= 1, "the card is there while it is held");
    keyring.seal().expect("sealed");
    for text in &texts[..2] {
        keyring.offer(text.as_bytes()).expect("a share");
    }
    drop(texts);
    for card in &kept {
        assert_eq!(card.copies(), 0, "a share is left after opening");
    }
}
