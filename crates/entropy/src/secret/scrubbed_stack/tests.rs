use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::conditioner::{BLOCK_CREDIT_BITS, Block, Conditioner};
use crate::generator::lease::{LeaseLimits, Provenance};
use crate::generator::{Generator, Machine};
use crate::pool::{Pool, PoolMember};
use crate::sample::Kind;
use crate::secret::Secret;

/// The stack that the tests look at, in bytes.
const SEEN_BYTES: usize = 64 << 10;

/// A byte that no computation leaves in long runs.
const PAINT: u8 = 0xa5;

/// What a computation leaves.
const LEFT: u8 = 0x3c;

/// The stack below this thread's frame after `compute`, from the deepest byte up.
fn stack_after(compute: impl FnOnce()) -> Vec<u8> {
    let mut seen = vec![0; SEEN_BYTES];
    let memory = std::fs::File::open("/proc/self/mem").expect("proc is mounted");
    let here = std::ptr::from_ref(&memory).addr();
    paint();
    below_a_gap(compute);
    // SEEN_BYTES of stack are in use below: the paint was there.
    memory.read_exact_at(&mut seen, (here - SEEN_BYTES) as u64).expect("the stack is mapped");
    seen
}

fn paint() {
    leave::<{ SEEN_BYTES + (4 << 10) }>(PAINT);
}

/// Leaves `N` bytes on the stack.
#[inline(never)]
fn leave<const N: usize>(byte: u8) {
    black_box(&[byte; N]);
}

/// How many bytes of the stack are what a computation left.
fn left(seen: &[u8]) -> usize {
    seen.iter().map(|byte| usize::from(*byte == LEFT)).sum()
}

/// How many bytes of stack `compute` used.
fn depth(compute: impl FnOnce()) -> usize {
    let seen = stack_after(compute);
    SEEN_BYTES - seen.iter().position(|byte| *byte != PAINT).expect("it used some")
}

fn generator() -> Generator {
    let limits = LeaseLimits {
        reseed_interval: Duration::from_mins(1),
        grace_period: Duration::from_mins(1),
    };
    let machine = Machine { os: Box::new(getrandom::fill), clock: Instant::now };
    Generator::new(1, limits, machine).expect("memory")
}

fn provenance() -> Provenance {
    Provenance {
        generation: 1,
        seeded_at: Instant::now(),
        seeded_on: SystemTime::now(),
        sources: Vec::new(),
    }
}

#[test]
fn what_a_computation_leaves_on_the_stack_is_overwritten() {
    let leave = || leave::<{ 12 << 10 }>(LEFT);
    assert!(left(&stack_after(leave)) > 11 << 10, "without scrubbing it is found");
    assert!(left(&stack_after(|| on_scrubbed_stack(leave))) < 16, "with scrubbing it is not");
}

#[test]
fn what_a_computation_leaves_is_overwritten_also_when_it_panics() {
    let seen = stack_after(|| {
        let panics = std::panic::catch_unwind(|| {
            on_scrubbed_stack(|| {
                leave::<{ 12 << 10 }>(LEFT);
                std::panic::resume_unwind(Box::new(()));
            });
        });
        assert!(panics.is_err());
    });
    assert!(left(&seen) < 16);
}

#[test]
fn no_computation_uses_more_stack_than_is_scrubbed() {
    let nothing = depth(|| on_scrubbed_stack(|| ()));
    let generator = generator();
    let member = PoolMember { id: "one".to_owned(), kind: Kind::OperatingSystem, required: false };
    let mut pool = Pool::new(vec![member], 1).expect("memory");
    let mut conditioner = Conditioner::new("one");
    let seed = Secret::take(&mut [5; 32]);
    let mut answer = vec![0; 1 << 16];
    // Below what is scrubbed a computation that uses more would be seen.
    let check = |name: &str, compute: &mut dyn FnMut()| {
        // The first call of a function may resolve it, and probe the processor.
        compute();
        let used = depth(&mut *compute);
        let frames = 1 << 10;
        assert!((nothing..nothing + frames).contains(&used), "{name}: {used} bytes, {nothing}");
    };
    check("a seed for the shards", &mut || generator.reseed(&seed, provenance()));
    check("an answer", &mut || generator.fill(&mut answer).expect("seeded"));
    check("a sample", &mut || {
        conditioner.absorb(&[7; 1000], 8, Instant::now());
    });
    check("a boot seed", &mut || pool.mix_in_boot_seed(&[1; 32]));
    check("a block and a seed of the pool", &mut || {
        (0..2).for_each(|_| pool.absorb(0, &block()));
        pool.release().expect("a quorum");
    });
    check("a fresh seed of the pool", &mut || {
        pool.demand_fresh(Instant::now());
        pool.absorb(0, &block());
        pool.release_fresh().expect("a quorum");
    });
}

fn block() -> Block {
    Block {
        bytes: Secret::take(&mut [3; 32]),
        credit_bits: BLOCK_CREDIT_BITS,
        taken: Instant::now(),
    }
}
