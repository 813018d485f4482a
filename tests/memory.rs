//! Secrets leave nothing behind: freed memory is searched for what it held.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use lavawall::Actor;
use lavawall::SealChoice;
use lavawall::aead;
use lavawall::key;
use lavawall::label;
use lavawall::{Keyring, NamespaceId, Places};
use lavawall::{MemoryStorage, Table};
use lavawall::{Put, Store};
use lavawall::{aead::AssociatedData, aead::SEALED_KEY_BYTES};
use lavawall_entropy::{
    Conditioner, Generator, Kind, LeaseLimits, Locked, Machine, Pool, PoolMember, Provenance,
    Sample, Secret, Shape, on_scrubbed_stack,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use zeroize::Zeroizing;

/// How much of a secret is looked for: its second half. Freeing overwrites the first 16 bytes of what
/// is freed with the allocator's own, so that the whole of it would never be found.
const WINDOW: usize = 16;

/// Writes a pattern that no other part of this process holds, made at run time so that it is not in
/// the binary either (Marsaglia's xorshift64). In place: a copy by value would be found on the stack.
fn write_pattern(tag: u8, to: &mut [u8], inverted: bool) {
    let mut next = 0x9e37_79b9_7f4a_7c15 ^ u64::from(tag);
    for byte in to {
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        *byte = next.to_le_bytes()[4] ^ if inverted { 0xff } else { 0 };
    }
}

/// The pattern, inverted.
fn inverted_pattern(tag: u8) -> Inverted {
    let mut bytes = vec![0; 32];
    write_pattern(tag, &mut bytes, true);
    Inverted(bytes)
}

/// One test at a time: what one reads of memory would be found by another.
static MEMORY: Mutex<()> = Mutex::new(());

/// How many windows of this process's writable memory are what is looked for; the stack of this thread is
/// left out unless it counts too.
fn copies_where(is_it: impl Fn(&[u8]) -> bool, with_stack: bool) -> usize {
    let here = std::ptr::from_ref(&with_stack) as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the memory map");
    let memory = std::fs::File::open("/proc/self/mem").expect("the memory");
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
        let Some((range, _)) = line.split_once(' ') else { continue };
        let Some((start, end)) = range.split_once('-') else { continue };
        let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16))
        else {
            continue;
        };
        if !with_stack && (start..end).contains(&here) {
            continue;
        }
        found += copies_in_range(&memory, start, end, &is_it);
    }
    found
}

/// What is searched at a time. Not on the heap, where it would take the place of what was freed.
static PIECE: Mutex<[u8; 1 << 16]> = Mutex::new([0; 1 << 16]);

fn copies_in_range(
    memory: &std::fs::File,
    start: u64,
    end: u64,
    is_it: &impl Fn(&[u8]) -> bool,
) -> usize {
    let mut piece = PIECE.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut found, mut at) = (0, start);
    loop {
        let left = usize::try_from(end - at).expect("a 64-bit machine");
        let len = left.min(piece.len());
        let read = memory.read_at(&mut piece[..len], at).unwrap_or(0);
        found += piece[..read].windows(WINDOW).filter(|window| is_it(window)).count();
        // It is searched itself.
        piece.fill(0);
        std::hint::black_box(&piece);
        if read < len || len == left {
            return found;
        }
        // What lies across the end of a piece begins the next one.
        at += (len - WINDOW + 1) as u64;
    }
}

/// Runs `hold` with the pattern and says whether it was seen while held, and after.
fn before_and_after<T>(tag: u8, hold: impl FnOnce(&mut [u8; 32]) -> T) -> (usize, usize) {
    // Made first, since it would take the place of what is freed.
    let needle = inverted_pattern(tag);
    let mut work = [0; 32];
    write_pattern(tag, &mut work, false);
    let kept = hold(&mut work);
    work.fill(0);
    std::hint::black_box(&work);
    let before = needle.copies();
    drop(kept);
    (before, needle.copies())
}

#[test]
fn secrets_samples_and_locked_pages_are_wiped_when_dropped() {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let (held, left) = before_and_after(1, Secret::take);
    assert!(held >= 1 && left == 0, "Secret: {held} held, {left} left");

    let (held, left) = before_and_after(2, |bytes| Sample::of(Shape::Bytes, bytes, Instant::now()));
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
    let generator = seeded(9);
    let folder = tempfile::tempdir().expect("a directory");
    let keyring = Keyring::load(places(&folder), generator).expect("nothing there");
    keyring.init(&Actor::SERVICE, &SealChoice::Shares { threshold: 2, count: 3 }).expect("made");
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    keyring.rotate(&Actor::SERVICE, id).expect("rotated");
    let keys = keyring.namespace_keys(id).expect("open");
    let versions = keys.versions.iter().map(|(_, _, key)| Inverted::of(key.expose()));
    let kept: Vec<_> = versions.chain([Inverted::of(keys.index_key.expose())]).collect();
    drop(keys);
    for key in &kept {
        assert!(key.copies() >= 1, "it is held while the keyring is open");
    }
    keyring.seal(&Actor::SERVICE).expect("sealed");
    for key in &kept {
        assert_eq!(key.copies(), 0, "left after sealing");
    }
}

#[test]
fn a_store_leaves_no_value_name_or_key_behind() {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a directory");
    let generator = seeded(14);
    let keyring = Keyring::load(places(&folder), Arc::clone(&generator)).expect("nothing there");
    keyring.init(&Actor::SERVICE, &SealChoice::File).expect("made");
    let rows = MemoryStorage::default();
    let storage = Box::new(rows.clone());
    let store = Store::new(Arc::new(keyring), generator, storage, BTreeSet::new());
    let store = store.with_value_cache(1 << 20);
    store.open().expect("opened");
    let id = store.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let (value, name) = (inverted_pattern(15), Inverted::of(hex_pattern(16).as_bytes()));
    for _ in 0..2 {
        // Long: what is freed of this size is not soon given to somebody else.
        let mut given = Zeroizing::new(vec![0; 9000]);
        write_pattern(15, &mut given[4000..4032], false);
        let put = Put { name: &hex_pattern(16), value: &given, metadata: None, expiry: None };
        store.put(id, &[put], 0).expect("written");
        assert!(value.copies_on_the_heap() >= 1, "it is held by its writer");
        drop(given);
        assert_eq!(value.copies_on_the_heap(), 0, "a value is left after writing");
        let read = store.get(id, &hex_pattern(16), 0).expect("readable").expect("there");
        assert!(value.copies_on_the_heap() >= 1, "it is held by its reader");
        drop(read);
        assert_eq!(value.copies_on_the_heap(), 1, "it is held for its next reader alone");
        // Once more, with the index read from the rows.
        store.close();
        assert_eq!(value.copies_on_the_heap(), 0, "a value is left after closing");
        store.open().expect("opened");
    }
    let keys = keys_of_the_store(&store, &rows, id);
    assert!(name.copies_on_the_heap() >= 1, "names are held while the store is open");
    let [record_key, entry_key, sum_key, store_key] = &keys;
    assert_eq!(record_key.copies(), 0, "a record's key is left after use");
    for key in [entry_key, sum_key, store_key] {
        assert!(key.copies_on_the_heap() >= 1, "it is held while the store is open");
    }
    store.seal(&Actor::SERVICE).expect("sealed");
    assert_eq!(name.copies_on_the_heap(), 0, "a name is left after sealing");
    for key in &keys {
        assert_eq!(key.copies(), 0, "a key is left after sealing");
    }
}

/// The key of the one record, and those of its namespace and the store (`src/kv/record.rs`).
fn keys_of_the_store(store: &Store, rows: &MemoryStorage, id: NamespaceId) -> [Inverted; 4] {
    let keys = store.keyring().namespace_keys(id).expect("open");
    let (_, key) = keys.get(keys.active).expect("the active version");
    let row = rows.rows().into_iter().find(|(table, ..)| *table == Table::Values);
    let (_, place, row) = row.expect("the one record");
    let (head, sealed) = row.split_at(1 + 4 + 8);
    let (key_version, version) = head[1..].split_at(4);
    let bound = AssociatedData::of(label::RECORD_KEY)
        .and(&place[..16])
        .and(&place[16..])
        .and_number(u64::from(u32::from_be_bytes(key_version.try_into().expect("four bytes"))))
        .and(version);
    let record_key = aead::open_key(key, &bound, &sealed[..SEALED_KEY_BYTES]).expect("opens");
    let entry_key = key::derive(key, label::ENTRY_KEY);
    let sum_key = key::derive(&keys.index_key, label::SUM_KEY);
    let store_key = store.keyring().store_key().expect("open");
    [&record_key, &entry_key, &sum_key, &store_key].map(|key| Inverted::of(key.expose()))
}

#[test]
fn the_generator_leaves_no_key_of_a_given_answer_and_no_erased_key_on_the_stack() {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let limits = LeaseLimits {
        reseed_interval: Duration::from_mins(1),
        grace_period: Duration::from_mins(1),
    };
    let os = |bytes: &mut [u8]| {
        bytes.fill(4);
        Ok(())
    };
    let machine = Machine { os: Box::new(os), clock: Instant::now };
    let generator = Generator::new(1, limits, machine).expect("memory");
    let mut spent: [[u8; 32]; 14] = [[0xff; 32]; 14];
    on_scrubbed_stack(|| keys_of_ten_answers(&mut spent));
    // Ten answers leave the keys of the batch and the last answers; a reseed leaves its own.
    generator.reseed(&Secret::filled_by(|seed| write_pattern(17, seed, false)), provenance());
    let mut answer = [0; 32];
    for _ in 0..10 {
        generator.fill(&mut answer).expect("seeded");
    }
    for (number, key) in spent.iter().enumerate() {
        assert_eq!(Inverted(key.to_vec()).copies(), 0, "secret {number} is left after answers");
    }
    generator.reseed(&Secret::filled_by(|seed| write_pattern(18, seed, false)), provenance());
    assert_eq!(inverted_pattern(18).copies(), 0, "a seed is left after a reseed");
}

/// Inverted: the seed, the shard's key that made the batch, ten draws' last one and the keys of the
/// answers (`crates/entropy/src/drbg.rs`, `generator.rs`).
fn keys_of_ten_answers(spent: &mut [[u8; 32]; 14]) {
    let [seed, shard_key, draw, prk, answers @ ..] = spent;
    write_pattern(17, seed, false);
    let (extracted, expand) = Hkdf::<Sha256>::extract(Some(&[0; 32]), seed);
    prk.copy_from_slice(&extracted);
    expand.expand(b"lavawall v1 shard\0\0\0\0", shard_key).expect("32 bytes");
    let mut batch = [0; 1024];
    ChaCha20::new((&*shard_key).into(), &[0; 12].into()).write_keystream(&mut batch);
    for (answer, drawn) in answers.iter_mut().zip(batch[32..].chunks_exact(32)) {
        let mut hash = Sha256::new_with_prefix(b"lavawall v1 answer");
        hash.update(drawn);
        hash.update([4; 32]);
        hash.finalize_into(answer.into());
        draw.copy_from_slice(drawn);
    }
    spent.iter_mut().flatten().for_each(|byte| *byte = !*byte);
}

#[test]
fn the_pool_leaves_no_block_and_no_seed_behind() {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let mut conditioner = Conditioner::new("one");
    let member = PoolMember { id: "one".to_owned(), kind: Kind::Device, required: false };
    let mut pool = Pool::new(vec![member], 1).expect("memory");
    let mut blocks = Vec::new();
    for tag in 19..21 {
        let mut sample = Zeroizing::new([0; 32]);
        write_pattern(tag, sample.as_mut_slice(), false);
        let block = conditioner.absorb(sample.as_slice(), 320, Instant::now()).expect("a block");
        blocks.push(Inverted::of(block.bytes.expose()));
        assert!(blocks[blocks.len() - 1].copies() >= 1, "it is held until it is absorbed");
        pool.absorb(0, &block);
    }
    let release = pool.release().expect("a quorum");
    let seed = Inverted::of(release.seed.expose());
    assert_eq!(seed.copies(), 1, "a seed is held once");
    drop(release);
    assert_eq!(seed.copies(), 0, "a seed is left");
    for block in &blocks {
        assert_eq!(block.copies(), 0, "a block is left");
    }
}

/// A pattern as text, so that it can be a name.
fn hex_pattern(tag: u8) -> Zeroizing<String> {
    let mut bytes = [0; 16];
    write_pattern(tag, &mut bytes, false);
    Zeroizing::new(HEXLOWER.encode(&bytes))
}

/// Bytes kept inverted, so that the test makes no copy of its own.
struct Inverted(Vec<u8>);

impl Inverted {
    fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|byte| !byte).collect())
    }

    /// How many copies of the second half of its first 32 bytes are in memory.
    fn copies(&self) -> usize {
        self.count(true)
    }

    /// The same, without this thread's stack, where values and names are while they are handled.
    fn copies_on_the_heap(&self) -> usize {
        self.count(false)
    }

    fn count(&self, with_stack: bool) -> usize {
        let half = &self.0[WINDOW..2 * WINDOW];
        copies_where(|window| window.iter().zip(half).all(|(here, not)| *here == !not), with_stack)
    }
}

fn seeded(tag: u8) -> Arc<Generator> {
    let limits = LeaseLimits {
        reseed_interval: Duration::from_mins(1),
        grace_period: Duration::from_mins(1),
    };
    let generator = Arc::new(Generator::new(1, limits, lavawall::this_machine()).expect("memory"));
    generator.reseed(&Secret::filled_by(|seed| write_pattern(tag, seed, false)), provenance());
    generator
}

fn provenance() -> Provenance {
    Provenance {
        generation: 1,
        seeded_at: Instant::now(),
        seeded_on: SystemTime::now(),
        sources: Vec::new(),
    }
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
/// (`src/keyring/format.rs`, `src/keyring/seal/file.rs`).
fn secret_and_root(places: &Places) -> (Inverted, Inverted) {
    let mut seal = std::fs::read(&places.seal_file).expect("a file");
    let file = std::fs::read(&places.keyring).expect("a file");
    let secret = &seal[8 + 16 + 8..];
    let kept = Inverted::of(secret);
    let secret = Secret::filled_by(|to| to.copy_from_slice(secret));
    seal.fill(0);
    std::hint::black_box(&seal);
    let id = &file[9..25];
    let parameters = &file[36..36 + usize::from(u16::from_be_bytes([file[34], file[35]]))];
    let bound = AssociatedData::of(label::ROOT).and(id).and(&file[33..34]).and(parameters);
    let root = &file[36 + parameters.len()..][..SEALED_KEY_BYTES];
    let root = aead::open_key(&secret, &bound, root).expect("opens");
    (kept, Inverted::of(root.expose()))
}

#[test]
fn the_root_key_is_held_while_a_keyring_is_open_alone_and_its_seal_s_secret_never() {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a directory");
    let keyring = Keyring::load(places(&folder), seeded(10)).expect("nothing there");
    keyring.init(&Actor::SERVICE, &SealChoice::File).expect("made");
    let (secret, root) = secret_and_root(&places(&folder));
    assert!(root.copies_on_the_heap() >= 1, "it is held while the keyring is open");
    assert_eq!(secret.copies(), 0, "the seal's secret is left after making it");
    keyring.seal(&Actor::SERVICE).expect("sealed");
    assert_eq!(root.copies(), 0, "the root key is left after sealing");
    assert!(keyring.unseal_stored(&Actor::SERVICE).expect("opens"));
    assert!(root.copies_on_the_heap() >= 1);
    assert_eq!(secret.copies(), 0, "the seal's secret is left after opening");
    drop(keyring);
    assert_eq!(root.copies(), 0, "the root key is left after dropping");
}

#[test]
fn a_passphrase_and_shares_are_gone_once_they_were_used() {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a directory");
    let keyring = Keyring::load(places(&folder), seeded(11)).expect("nothing there");
    let phrase = inverted_pattern(12);
    let given = || {
        let mut phrase = Zeroizing::new(vec![0; 32]);
        write_pattern(12, &mut phrase, false);
        phrase
    };
    keyring.init(&Actor::SERVICE, &SealChoice::Passphrase(given())).expect("made");
    assert_eq!(phrase.copies(), 0, "left after making");
    keyring.seal(&Actor::SERVICE).expect("sealed");
    keyring.unseal(&Actor::SERVICE, &given()).expect("opens");
    assert_eq!(phrase.copies(), 0, "left after opening");
    drop(keyring);
    let folder = tempfile::tempdir().expect("a directory");
    let keyring = Keyring::load(places(&folder), seeded(13)).expect("nothing there");
    let shares = keyring
        .init(&Actor::SERVICE, &SealChoice::Shares { threshold: 2, count: 3 })
        .expect("made");
    let texts: Vec<_> = shares.iter().map(lavawall::Share::text).collect();
    drop(shares);
    let kept: Vec<_> = texts.iter().map(|text| Inverted::of(&text.as_bytes()[20..])).collect();
    assert!(kept[0].copies() >= 1, "the card is there while it is held");
    keyring.seal(&Actor::SERVICE).expect("sealed");
    for text in &texts[..2] {
        keyring.unseal(&Actor::SERVICE, text.as_bytes()).expect("a share");
    }
    drop(texts);
    for card in &kept {
        assert_eq!(card.copies(), 0, "a share is left after opening");
    }
}

#[test]
fn taking_a_secret_over_wipes_where_it_came_from() {
    let mut from = [7; 32];
    let secret = Secret::take(&mut from);
    assert_eq!((secret.expose(), from), (&[7; 32], [0; 32]));
}
