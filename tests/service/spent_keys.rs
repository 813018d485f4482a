//! Past output stays unpredictable to a reader of the process's memory: the memory of the served
//! program is searched for keys that were erased, draws that were used and keys of answers given.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

use crate::TWO_KINDS;
use crate::running::{Running, get};

/// The size of keys and draws in bytes.
const KEY_BYTES: usize = 32;

/// The parts of a key that are searched for, in bytes: a cipher spreads its key over registers of
/// 16 bytes, which are saved one by one.
const HALF_BYTES: usize = 16;

/// Clients at a time, each of which asks this many times: many batches of 31 draws each.
const CLIENTS: usize = 8;
const ANSWERS: usize = 150;

/// Distinct bytes of a window that may be a random key. 32 random bytes have fewer in one of 10⁹
/// cases.
const LEAST_DISTINCT: u32 = 20;

/// A shard's page (`crates/entropy/src/drbg.rs`): key, draws, used bytes of draws, seeded.
struct ShardPage {
    address: u64,
    key: [u8; KEY_BYTES],
    draws: Vec<[u8; KEY_BYTES]>,
}

impl ShardPage {
    const BYTES: usize = 1024 + 8;

    fn read(memory: &File, address: u64) -> Option<Self> {
        let mut page = [0; Self::BYTES];
        memory.read_exact_at(&mut page, address).ok()?;
        let number = |at: usize| u32::from_le_bytes(page[at..at + 4].try_into().expect("four"));
        let used = number(1024) as usize;
        let is_shard = number(1028) == 1 && used <= 992 && used.is_multiple_of(KEY_BYTES);
        let key = *page.first_chunk().expect("a key");
        let draws = page[KEY_BYTES + used.min(992)..1024].chunks_exact(KEY_BYTES);
        let draws = draws.map(|draw| draw.try_into().expect("32 bytes")).collect();
        (is_shard && key != [0; KEY_BYTES]).then_some(Self { address, key, draws })
    }
}

/// The memory of a service.
struct Memory {
    file: File,
    /// Writable mappings, and whether each is left out of dumps and wiped on fork.
    mappings: Vec<(std::ops::Range<u64>, bool)>,
}

impl Memory {
    fn of(service: &Running) -> Self {
        let pid = service.pid().as_raw_nonzero();
        let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).expect("the map, as root");
        let mut mappings = Vec::new();
        let mut range = None;
        for line in smaps.lines() {
            if let Some((start, end)) = line.split(' ').next().and_then(|it| it.split_once('-')) {
                let hex = |text| u64::from_str_radix(text, 16).ok();
                let writable = line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw"));
                range = hex(start).zip(hex(end)).map(|(start, end)| start..end);
                range = range.filter(|_| writable);
            }
            if let (Some(flags), Some(range)) =
                (line.strip_prefix("VmFlags:"), range.take_if(|_| line.starts_with("VmFlags:")))
            {
                let has = |flag| flags.split(' ').any(|it| it == flag);
                mappings.push((range, has("dd") && has("wf")));
            }
        }
        let file = File::open(format!("/proc/{pid}/mem")).expect("the memory, as root");
        Self { file, mappings }
    }

    fn shards(&self) -> Vec<ShardPage> {
        let own = self.mappings.iter().filter(|(_, is_locked)| *is_locked);
        let pages = own.flat_map(|(range, _)| range.clone().step_by(4096));
        pages.filter_map(|page| ShardPage::read(&self.file, page)).collect()
    }

    /// Calls `look` with each 32 bytes at an address that is divisible by four, outside locked pages.
    fn each_window(&self, mut look: impl FnMut(u64, &[u8; KEY_BYTES])) {
        let mut piece = vec![0; 1 << 20];
        for (range, _) in self.mappings.iter().filter(|(_, is_locked)| !is_locked) {
            let mut at = range.start;
            while at < range.end {
                let len = usize::try_from(range.end - at).expect("64 bits").min(piece.len());
                let Ok(read) = self.file.read_at(&mut piece[..len], at) else { break };
                for (offset, window) in
                    (at..).step_by(4).zip(piece[..read].windows(KEY_BYTES).step_by(4))
                {
                    look(offset, window.try_into().expect("32 bytes"));
                }
                if read < KEY_BYTES || len == usize::try_from(range.end - at).expect("64 bits") {
                    break;
                }
                at += (read - KEY_BYTES) as u64 / 4 * 4 + 4;
            }
        }
    }
}

/// The first 32 bytes that the cipher makes with this key: of an answer, or of a batch, which begins
/// with the next key.
fn first_bytes(key: &[u8; KEY_BYTES]) -> [u8; KEY_BYTES] {
    let mut out = [0; KEY_BYTES];
    ChaCha20::new(key.into(), &[0; 12].into()).write_keystream(&mut out);
    out
}

fn may_be_random(window: &[u8; KEY_BYTES]) -> bool {
    let mut seen = [0_u64; 4];
    for byte in window {
        seen[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }
    seen.iter().map(|bits| bits.count_ones()).sum::<u32>() >= LEAST_DISTINCT
}

/// The halves of a key, as they are and with each word in the other byte order, as a hash takes it.
fn halves(key: &[u8; KEY_BYTES]) -> impl Iterator<Item = [u8; HALF_BYTES]> {
    let mut turned = *key;
    turned.chunks_exact_mut(4).for_each(<[u8]>::reverse);
    [*key, turned].into_iter().flat_map(|key| {
        let (first, second) = key.split_at(HALF_BYTES);
        [first, second].map(|half| half.try_into().expect("16 bytes"))
    })
}

fn draw_answers(service: &Running) -> Vec<[u8; KEY_BYTES]> {
    let client = || -> Vec<_> {
        let answer = || get(service, "/random?bytes=32").body.try_into().expect("32 bytes");
        (0..ANSWERS).map(|_| answer()).collect()
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("answers")).collect()
    })
}

#[test]
fn after_answers_no_memory_holds_an_erased_key_a_used_draw_or_the_key_of_an_answer() {
    if !rustix::process::geteuid().is_root() {
        return; // others may not read the memory of the service
    }
    let service = Running::start(TWO_KINDS);
    service.token_file();
    let before = Memory::of(&service).shards();
    assert!(!before.is_empty(), "no shard's page is found");
    let answers: HashSet<_> = draw_answers(&service).into_iter().collect();
    service.wait_until_idle();
    let memory = Memory::of(&service);
    let after = memory.shards();
    let is_spent =
        |old: &&ShardPage| after.iter().any(|new| new.address == old.address && new.key != old.key);
    let spent: Vec<_> = before.iter().filter(is_spent).collect();
    assert!(!spent.is_empty(), "no shard made a batch");
    let keys = spent.iter().flat_map(|shard| shard.draws.iter().chain([&shard.key]));
    let gone: HashSet<_> = keys.flat_map(halves).collect();
    let next_keys: HashSet<_> = after.iter().map(|shard| shard.key).collect();
    let mut found = Vec::new();
    memory.each_window(|at, window| {
        if gone.contains(&window[..HALF_BYTES]) {
            found.push(format!("{at:x}: an erased key or a used draw"));
        }
        if may_be_random(window) {
            let first = first_bytes(window);
            if answers.contains(&first) {
                found.push(format!("{at:x}: the key of an answer"));
            }
            if next_keys.contains(&first) {
                found.push(format!("{at:x}: the key of the last batch"));
            }
        }
    });
    assert!(found.is_empty(), "{} of {} shards were used: {found:#?}", spent.len(), before.len());
}
