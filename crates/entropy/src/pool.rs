//! The pool: counts the credit of each source, and releases a seed only under a quorum.
//!
//! ```text
//! pool_s = SHA-512(pool_s ‖ block)
//! prk    = HKDF-Extract(salt = chain, IKM = "lavawall v1 seed" ‖ generation ‖ (len(id) ‖ id ‖ pool_s) for every source in the seed)
//! chain' = HKDF-Expand(prk, "lavawall v1 chain", 32)
//! seed   = HKDF-Expand(prk, "lavawall v1 seed",  32)
//! ```
//! HKDF is RFC 5869 over SHA-256; generation and lengths are eight bytes, big-endian. Pools are
//! concatenated, never XOR-ed: a source that could read another's block could cancel it with XOR.
//!
//! A regular seed takes all sources. A fresh seed, on demand, takes those that have given enough since
//! the demand and leaves the others: under a flood of demands a slow source would be spent in small
//! parts, each of which could be guessed on its own.

use std::fmt;
use std::time::Instant;

use hkdf::{Hkdf, HkdfExtract};
use sha2::{Digest, Sha256, Sha512};
use zeroize::{Zeroize, Zeroizing};

use crate::conditioner::Block;
use crate::sample::Kind;
use crate::secret::{Locked, Secret, on_scrubbed_stack};

/// The size of a seed in bytes.
pub const SEED_BYTES: usize = 32;

/// Credit in bits that each kind needs for the first seed: 3/2 of the security strength
/// (SP 800-90C, instantiation of an RBG2).
pub const FIRST_SEED_BITS: u32 = 384;

/// Credit in bits that each kind needs for every later seed: the security strength (SP 800-90C,
/// reseed).
pub const RESEED_BITS: u32 = 256;

/// The capacity of a source's state in bits: the width of SHA-512.
const POOL_BITS: u32 = 512;

const SEED_LABEL: &[u8] = b"lavawall v1 seed";
const CHAIN_LABEL: &[u8] = b"lavawall v1 chain";
const BOOT_SEED_LABEL: &[u8] = b"lavawall v1 boot seed";

/// One source of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolMember {
    /// Its name, unique in the pool.
    pub id: String,
    /// Its independence class. [`Kind::None`] never counts.
    pub kind: Kind,
    /// Whether every seed needs this source.
    pub required: bool,
}

/// Collects blocks, with one state per source, and releases seeds.
///
/// ```rust
/// use std::time::Instant;
///
/// use lavawall_entropy::{BLOCK_CREDIT_BITS, Block, Kind, Pool, PoolMember, Secret};
///
/// let member = |id: &str, kind| PoolMember { id: id.to_owned(), kind, required: false };
/// let members =
///     vec![member("camera0", Kind::PhysicalCamera), member("camera1", Kind::PhysicalCamera)];
/// let mut pool = Pool::new(members, 1)?;
/// let block = |byte| Block {
///     bytes: Secret::take(&mut [byte; 32]),
///     credit_bits: BLOCK_CREDIT_BITS,
///     taken: Instant::now(),
/// };
/// // The first seed needs 384 bits from one source of each kind.
/// pool.absorb(0, &block(1));
/// pool.absorb(1, &block(2));
/// assert!(pool.release().is_err());
/// pool.absorb(0, &block(3));
/// let release = pool.release().expect("512 bits from camera0");
/// assert_eq!((release.generation, release.credits_bits), (1, vec![512, 256]));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Pool {
    slots: Vec<Slot>,
    quorum: usize,
    chain: Locked<[u8; SEED_BYTES]>,
    generation: u64,
    fresh_since: Option<Instant>,
}

struct Slot {
    member: PoolMember,
    state: Locked<[u8; 64]>,
    /// Credit since the last seed that this source went into.
    credit_bits: u32,
    /// The part of it from samples taken since the demand, if there is one.
    fresh_bits: u32,
}

/// The credit that a seed counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// All of it.
    Regular,
    /// That since the demand.
    Fresh,
}

/// A seed and the credit of its sources.
#[derive(Debug)]
pub struct Release {
    /// The seed.
    pub seed: Secret<SEED_BYTES>,
    /// Counts the seeds, from 1.
    pub generation: u64,
    /// The credit of each source, in the order of the members.
    pub credits_bits: Vec<u32>,
}

/// The missing part of a quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// Kinds with enough credit.
    pub present: Vec<Kind>,
    /// Number of kinds needed.
    pub needed: usize,
    /// Required sources without enough credit.
    pub missing_required: Vec<String>,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} kinds have given enough", self.present.len(), self.needed)
    }
}

impl Pool {
    /// An empty pool that needs `quorum` distinct kinds.
    ///
    /// # Errors
    /// When the kernel refuses the memory.
    pub fn new(members: Vec<PoolMember>, quorum: usize) -> std::io::Result<Self> {
        let mut pool = Self {
            slots: Vec::new(),
            quorum,
            chain: Locked::zeroed()?,
            generation: 0,
            fresh_since: None,
        };
        pool.set_members(members)?;
        Ok(pool)
    }

    /// Replaces the members and, with them, the order in which sources are numbered. Members that
    /// stay keep their state and credit; the chain is always kept.
    ///
    /// # Errors
    /// When the kernel refuses the memory; the pool is then unchanged.
    pub fn set_members(&mut self, members: Vec<PoolMember>) -> std::io::Result<()> {
        let fresh: Vec<_> = members.iter().map(|_| Locked::zeroed()).collect::<Result<_, _>>()?;
        let mut old = std::mem::take(&mut self.slots);
        self.slots = members
            .into_iter()
            .zip(fresh)
            .map(|(member, state)| match old.iter().position(|slot| slot.member == member) {
                Some(at) => old.swap_remove(at),
                None => Slot { member, state, credit_bits: 0, fresh_bits: 0 },
            })
            .collect();
        Ok(())
    }

    /// Mixes bytes from an earlier run into the chain, without credit:
    /// `chain' = HMAC-SHA-256(chain, "lavawall v1 boot seed" ‖ bytes)`, RFC 5869's extract step.
    pub fn mix_in_boot_seed(&mut self, bytes: &[u8]) {
        on_scrubbed_stack(|| {
            let salt = Zeroizing::new(*self.chain);
            let mut extract = HkdfExtract::<Sha256>::new(Some(salt.as_slice()));
            extract.input_ikm(BOOT_SEED_LABEL);
            extract.input_ikm(bytes);
            let (mut prk, _) = extract.finalize();
            self.chain.copy_from_slice(&prk);
            prk.as_mut_slice().zeroize();
        });
    }

    /// Changes how many distinct kinds a seed needs.
    pub fn set_quorum(&mut self, quorum: usize) {
        self.quorum = quorum;
    }

    /// Mixes a block into the state of source number `source`.
    pub fn absorb(&mut self, source: usize, block: &Block) {
        let Some(slot) = self.slots.get_mut(source) else { return };
        on_scrubbed_stack(|| {
            let mut hash = Sha512::new();
            hash.update(*slot.state);
            hash.update(block.bytes.expose());
            hash.finalize_into((&mut *slot.state).into());
        });
        if slot.member.kind == Kind::None {
            return;
        }
        slot.credit_bits = slot.credit_bits.saturating_add(block.credit_bits).min(POOL_BITS);
        if self.fresh_since.is_some_and(|since| block.taken >= since) {
            slot.fresh_bits = slot.fresh_bits.saturating_add(block.credit_bits).min(POOL_BITS);
        }
    }

    /// Withdraws a source's credit since the last seed, after an alarm. Its bytes stay in.
    pub fn withdraw(&mut self, source: usize) {
        if let Some(slot) = self.slots.get_mut(source) {
            (slot.credit_bits, slot.fresh_bits) = (0, 0);
        }
    }

    /// The next fresh seed counts only blocks whose every sample was taken at or after `since`
    /// (prediction resistance). Credit for the next regular seed is not touched.
    pub fn demand_fresh(&mut self, since: Instant) {
        self.fresh_since = Some(since);
        self.slots.iter_mut().for_each(|slot| slot.fresh_bits = 0);
    }

    /// Whether source number `source` has enough credit for the next regular seed.
    #[must_use]
    pub fn is_satisfied(&self, source: usize) -> bool {
        self.slots.get(source).is_none_or(|slot| self.is_enough(slot, Turn::Regular))
    }

    /// Whether source number `source` has enough credit since the demand for the next fresh seed.
    #[must_use]
    pub fn is_satisfied_since_demand(&self, source: usize) -> bool {
        self.slots.get(source).is_none_or(|slot| self.is_enough(slot, Turn::Fresh))
    }

    /// The number of seeds released.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The shortfall to the quorum of a regular seed; `None` when it can be released.
    #[must_use]
    pub fn shortfall(&self) -> Option<Shortfall> {
        self.shortfall_of(Turn::Regular)
    }

    /// Makes a regular seed of the states of all sources, credited or not, and starts over.
    ///
    /// # Errors
    /// The shortfall; the pool is then unchanged.
    pub fn release(&mut self) -> Result<Release, Shortfall> {
        on_scrubbed_stack(|| self.release_of(Turn::Regular))
    }

    /// Makes a seed that answers a demand: of the states of the sources with enough credit since
    /// then, which start over. The others keep state and credit for the next regular seed: a slow
    /// source is not spent in parts too small to count.
    ///
    /// # Errors
    /// The shortfall; the pool is then unchanged.
    pub fn release_fresh(&mut self) -> Result<Release, Shortfall> {
        let release = on_scrubbed_stack(|| self.release_of(Turn::Fresh))?;
        self.fresh_since = None;
        Ok(release)
    }

    fn release_of(&mut self, turn: Turn) -> Result<Release, Shortfall> {
        if let Some(shortfall) = self.shortfall_of(turn) {
            return Err(shortfall);
        }
        // Who goes in is decided by what was needed before this seed is counted.
        let goes_in = |slot: &Slot| turn == Turn::Regular || self.is_enough(slot, turn);
        let included: Vec<bool> = self.slots.iter().map(goes_in).collect();
        self.generation += 1;
        let (mut prk, expand) = self.extract(&included);
        expand
            .expand(CHAIN_LABEL, &mut *self.chain)
            .expect("32 bytes are within HKDF's limit of 255 hashes");
        let seed = Secret::filled_by(|seed: &mut [u8; SEED_BYTES]| {
            expand.expand(SEED_LABEL, seed).expect("32 bytes are within HKDF's limit");
        });
        prk.as_mut_slice().zeroize();
        let start_over = |(slot, is_included): (&mut Slot, bool)| {
            if is_included { slot.start_over(turn) } else { 0 }
        };
        let credits_bits = self.slots.iter_mut().zip(included).map(start_over).collect();
        Ok(Release { seed, generation: self.generation, credits_bits })
    }

    fn shortfall_of(&self, turn: Turn) -> Option<Shortfall> {
        let enough = |slot: &&Slot| self.is_enough(slot, turn);
        let mut present: Vec<_> =
            self.slots.iter().filter(enough).map(|slot| slot.member.kind).collect();
        present.sort_unstable();
        present.dedup();
        let missing_required: Vec<_> = self
            .slots
            .iter()
            .filter(|slot| slot.member.required && !enough(slot))
            .map(|slot| slot.member.id.clone())
            .collect();
        (present.len() < self.quorum || !missing_required.is_empty()).then_some(Shortfall {
            present,
            needed: self.quorum,
            missing_required,
        })
    }

    fn is_enough(&self, slot: &Slot, turn: Turn) -> bool {
        slot.credit_in(turn) >= self.needed_bits()
    }

    fn needed_bits(&self) -> u32 {
        if self.generation == 0 { FIRST_SEED_BITS } else { RESEED_BITS }
    }

    /// HKDF-Extract over the states of the included sources.
    fn extract(&self, included: &[bool]) -> (hkdf::hmac::digest::Output<Sha256>, Hkdf<Sha256>) {
        let salt = Zeroizing::new(*self.chain);
        let mut extract = HkdfExtract::<Sha256>::new(Some(salt.as_slice()));
        extract.input_ikm(SEED_LABEL);
        extract.input_ikm(&self.generation.to_be_bytes());
        let included = self.slots.iter().zip(included).filter(|(_, is_included)| **is_included);
        for (slot, _) in included {
            extract.input_ikm(&(slot.member.id.len() as u64).to_be_bytes());
            extract.input_ikm(slot.member.id.as_bytes());
            extract.input_ikm(slot.state.as_slice());
        }
        extract.finalize()
    }
}

impl Slot {
    fn credit_in(&self, turn: Turn) -> u32 {
        match turn {
            Turn::Regular => self.credit_bits,
            Turn::Fresh => self.fresh_bits,
        }
    }

    /// Zeroizes the slot and returns the credit in bits that the seed counted.
    fn start_over(&mut self, turn: Turn) -> u32 {
        let credit_bits = self.credit_in(turn);
        self.state.zeroize();
        (self.credit_bits, self.fresh_bits) = (0, 0);
        credit_bits
    }
}

#[cfg(test)]
mod tests;
