//! The generator: the only source of output. It answers under a lease, or refuses.
//!
//! ```text
//! for every 16 KiB of every answer:
//!   key    = SHA-256("lavawall v1 answer" ‖ 32 bytes drawn from this thread's shard ‖ 32 fresh OS bytes)
//!   output = ChaCha20(key)
//! ```
//! To predict an answer one must know the shard *and* the operating system's bytes. A restored
//! snapshot or a fork shares the shard and still differs; an operating system with a broken
//! generator still leaves the shard.

pub(crate) mod lease;
pub(crate) mod selftest;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::drbg::{self, KEY_BYTES, MAX_ANSWER_BYTES, Shard};
use crate::secret::{Secret, on_scrubbed_stack};

use lease::{Lease, LeaseLimits, NotReady, Provenance, Quorum, Readiness};

/// Domain separation of answer keys from everything else SHA-256 is used for.
const ANSWER_LABEL: &[u8] = b"lavawall v1 answer";

/// Fills a buffer with fresh bytes of the operating system.
pub type OsFill = dyn Fn(&mut [u8]) -> Result<(), getrandom::Error> + Send + Sync;

/// Outputs random bytes while its lease lasts.
///
/// It has several shards, so that threads rarely wait for each other. A reference is a
/// [`rand_core::TryRng`] and [`rand_core::TryCryptoRng`]; its error is [`NotReady`].
///
/// ```rust
/// use std::time::{Duration, Instant, SystemTime};
///
/// use lavawall_entropy::{Generator, LeaseLimits, Machine, NotReady, Provenance, Secret};
/// use rand_core::TryRng;
///
/// let limits = LeaseLimits {
///     reseed_interval: Duration::from_secs(60),
///     grace_period: Duration::from_secs(900),
/// };
/// let machine = Machine { os: Box::new(getrandom::fill), clock: Instant::now };
/// let generator = Generator::new(4, limits, machine)?;
///
/// let mut key = [7; 32];
/// assert!(matches!(generator.fill(&mut key), Err(NotReady::Starting(_))));
/// assert_eq!(key, [0; 32], "a refusal leaves zeros");
///
/// // In a service the seed is released by a Pool.
/// let now = Instant::now();
/// let provenance = Provenance {
///     generation: 1,
///     seeded_at: now,
///     seeded_on: SystemTime::now(),
///     sources: Vec::new(),
/// };
/// generator.reseed(&Secret::take(&mut [5; 32]), provenance);
/// generator.fill(&mut key)?;
/// let word = (&generator).try_next_u64()?;
/// # let _ = word;
///
/// // The lease of a seed lasts two reseed intervals and the grace period.
/// let later = now + Duration::from_secs(2 * 60 + 900);
/// assert!(matches!(generator.check(later), Err(NotReady::Expired(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// Output is unpredictable to anyone who lacks either the seed or the operating system's bytes.
/// It is refused before the first seed, when the lease granted by the last one has run out, and
/// when a self-test has failed. It does not protect against someone who reads this process's
/// memory while it answers.
pub struct Generator {
    /// After a panic a shard is still sound, so its lock needs no poisoning: each step leaves it
    /// either before or after a draw.
    shards: Box<[Mutex<Shard>]>,
    lease: Lease,
    provenance: ArcSwapOption<Provenance>,
    machine: Machine,
}

/// The operating system's random bytes and clock, supplied by the caller: this crate does no I/O
/// and reads no clock.
pub struct Machine {
    /// Fills a buffer with fresh bytes of the operating system (`getrandom(2)`).
    pub os: Box<OsFill>,
    /// A monotonic clock.
    pub clock: fn() -> Instant,
}

impl Generator {
    /// A generator of `shards` shards, at least one. It refuses until it is seeded.
    ///
    /// # Errors
    /// When the kernel refuses the memory.
    pub fn new(shards: usize, limits: LeaseLimits, machine: Machine) -> std::io::Result<Self> {
        let shards = (0..shards.max(1))
            .map(|_| Shard::unseeded().map(Mutex::new))
            .collect::<std::io::Result<_>>()?;
        Ok(Self {
            shards,
            lease: Lease::new(limits, (machine.clock)()),
            provenance: ArcSwapOption::empty(),
            machine,
        })
    }

    /// Fills `out` with random bytes.
    ///
    /// # Errors
    /// The reason of the refusal. `out` is then all zeros.
    pub fn fill(&self, out: &mut [u8]) -> Result<(), NotReady> {
        let filled = on_scrubbed_stack(|| {
            out.chunks_mut(MAX_ANSWER_BYTES).try_for_each(|piece| self.fill_piece(piece))
        });
        if filled.is_err() {
            out.zeroize();
        }
        filled
    }

    /// Mixes a seed into every shard and grants a new lease. `provenance` names its sources.
    pub fn reseed(&self, seed: &Secret<KEY_BYTES>, provenance: Provenance) {
        for (number, shard) in (0..).zip(&self.shards) {
            on_scrubbed_stack(|| shard.lock().reseed(seed, number));
        }
        self.lease.seeded(provenance.seeded_at);
        self.provenance.store(Some(Arc::new(provenance)));
    }

    /// Changes the reseed interval, and with it the lease of the current seed.
    pub fn set_reseed_interval(&self, interval: Duration) {
        let seeded_at = self.provenance().map(|provenance| provenance.seeded_at);
        self.lease.set_reseed_interval(interval, seeded_at);
    }

    /// Reports the quorum at `now`. When it is lost, the lease is cut to the grace period.
    pub fn report_quorum(&self, quorum: Quorum, now: Instant) {
        self.lease.report(quorum, now);
    }

    /// Time has passed that the clock did not count, as while the machine slept: the lease of the
    /// current seed ends that much sooner.
    pub fn skip(&self, passed: Duration) {
        self.lease.skip(passed);
    }

    /// Stops all output permanently, after a failed self-test.
    pub fn halt(&self, reason: String) {
        self.lease.halt(reason);
    }

    /// The state at `now`.
    pub fn state(&self, now: Instant) -> Readiness {
        self.lease.state(now)
    }

    /// Whether an answer at `now` would be given.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn check(&self, now: Instant) -> Result<(), NotReady> {
        self.lease.check(now)
    }

    /// The last reported quorum.
    pub fn quorum(&self) -> Arc<Quorum> {
        self.lease.quorum()
    }

    /// The origin of the current seed; `None` before the first.
    pub fn provenance(&self) -> Option<Arc<Provenance>> {
        self.provenance.load_full()
    }

    /// Whether all shards are kept out of swap.
    pub fn is_memory_locked(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().is_locked())
    }

    fn fill_piece(&self, piece: &mut [u8]) -> Result<(), NotReady> {
        self.lease.admit(piece.len(), (self.machine.clock)())?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        self.answer_key(&mut key)?;
        drbg::expand(&key, piece);
        Ok(())
    }

    fn answer_key(&self, key: &mut [u8; KEY_BYTES]) -> Result<(), NotReady> {
        let mut os = Zeroizing::new([0; KEY_BYTES]);
        self.shards[thread_number() % self.shards.len()]
            .lock()
            .draw(key)
            .map_err(|drbg::Unseeded| NotReady::Unseeded)?;
        (self.machine.os)(os.as_mut_slice()).map_err(NotReady::OperatingSystem)?;
        let mut hash = Sha256::new();
        hash.update(ANSWER_LABEL);
        hash.update(key.as_slice());
        hash.update(os.as_slice());
        hash.finalize_into(key.into());
        Ok(())
    }
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

impl TryRng for &Generator {
    type Error = NotReady;

    fn try_next_u32(&mut self) -> Result<u32, NotReady> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, NotReady> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), NotReady> {
        self.fill(out)
    }
}

impl TryCryptoRng for &Generator {}

/// A small number of this thread's own, so that threads spread over the shards.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    MINE.with(|mine| {
        mine.get().unwrap_or_else(|| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            mine.set(Some(number));
            number
        })
    })
}

#[cfg(test)]
mod tests;
