//! ChaCha20 with fast key erasure: one shard of the generator, as pure state.
//!
//! ```text
//! batch  = ChaCha20(key, nonce 0)[..1024]
//! key    = batch[..32]                       the old key is gone: backtracking resistance
//! draws  = batch[32..], 32 bytes at a time   each zeroized after use
//! ```
//! The construction is Bernstein's ("Fast-key-erasure random-number generators", 2017); the
//! cipher is RFC 8439 §2.3 with a 64-bit or 32-bit counter alike, since no key makes more than
//! 16 KiB.

use std::fmt;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::secret::{Locked, Plain, Secret};

/// The size of keys, seeds and draws in bytes (RFC 8439 §2.3: a 256-bit key).
pub const KEY_BYTES: usize = 32;

/// One batch: 16 ChaCha20 blocks, the width of the widest implementation in use.
const BATCH_BYTES: usize = 1024;

/// The bytes of a batch that are output: all but the next key, its first 32 bytes.
const DRAW_BYTES: usize = BATCH_BYTES - KEY_BYTES;

/// The most bytes made with one answer key: 2¹⁷ bits (SP 800-90C §5.2.3, AIS 20/31 DRG.4.10).
pub const MAX_ANSWER_BYTES: usize = 1 << 14;

/// Two blocks of keystream, in bytes: with AVX-512 the cipher makes two in a fifth of the time that
/// it takes for one.
const PAIR_BYTES: usize = 128;

/// Domain separation of the key that a reseed gives a shard.
const SHARD_LABEL: &[u8] = b"lavawall v1 shard";

/// The shard holds no key: it was never seeded, or the process is a forked child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the generator holds no seed in this process")]
pub(crate) struct Unseeded;

/// The state of one generator, in memory of its own.
///
/// # Security
/// After a draw the state no longer determines it (backtracking resistance). Someone who reads the
/// state can compute its output until the next [`Shard::reseed`]; for that reason the key of an
/// answer also takes fresh bytes of the operating system. In a forked child the state reads as
/// zeros and every draw is refused.
pub(crate) struct Shard {
    state: Locked<State>,
}

impl Shard {
    /// A shard without a key.
    ///
    /// # Errors
    /// When the kernel refuses the memory.
    pub(crate) fn unseeded() -> std::io::Result<Self> {
        Ok(Self { state: Locked::zeroed()? })
    }

    /// Whether the state is kept out of swap.
    #[must_use]
    pub(crate) fn is_locked(&self) -> bool {
        self.state.is_locked()
    }

    /// As if the kernel had refused to keep the state out of swap.
    #[cfg(test)]
    pub(crate) fn forget_lock(&mut self) {
        self.state.forget_lock();
    }

    /// ```text
    /// old  = a draw from the shard as it is, or zeros when it has no key
    /// key' = HKDF-Expand(HKDF-Extract(salt = old, IKM = seed), "lavawall v1 shard" ‖ number)
    /// ```
    /// (RFC 5869 §2). The old key stays in, so that a seed chosen by an attacker cannot undo an
    /// unknown one; the number gives each shard of one seed its own key.
    pub(crate) fn reseed(&mut self, seed: &Secret<KEY_BYTES>, number: u32) {
        let mut old = Zeroizing::new([0; KEY_BYTES]);
        // Unseeded is the one failure, and then the salt is zeros as RFC 5869 §2.2 has it.
        let _ = self.draw(&mut old);
        let (mut prk, expand) = Hkdf::<Sha256>::extract(Some(old.as_slice()), seed.expose());
        expand
            .expand_multi_info(&[SHARD_LABEL, &number.to_be_bytes()], &mut self.state.key)
            .expect("32 bytes are within HKDF's limit of 255 hashes");
        prk.as_mut_slice().zeroize();
        self.state.draws.zeroize();
        self.state.used = u32::try_from(DRAW_BYTES).expect("a batch is 1 KiB");
        self.state.seeded = 1;
    }

    /// Outputs 32 bytes and erases them from the state.
    ///
    /// # Errors
    /// [`Unseeded`], and `out` is untouched.
    pub(crate) fn draw(&mut self, out: &mut [u8; KEY_BYTES]) -> Result<(), Unseeded> {
        let state = &mut *self.state;
        if state.seeded != 1 {
            return Err(Unseeded);
        }
        let mut at = state.used as usize;
        if at + KEY_BYTES > DRAW_BYTES {
            state.next_batch();
            at = 0;
        }
        let draw = &mut state.draws[at..at + KEY_BYTES];
        out.copy_from_slice(draw);
        draw.zeroize();
        state.used = u32::try_from(at + KEY_BYTES).expect("a batch is 1 KiB");
        Ok(())
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}

/// The content of the locked pages.
#[derive(Zeroize)]
#[repr(C)]
struct State {
    key: [u8; KEY_BYTES],
    draws: [u8; DRAW_BYTES],
    used: u32,
    seeded: u32,
}

#[expect(unsafe_code, reason = "an unsafe trait: the promise is about the layout just above")]
// SAFETY: arrays and integers only; zero means "no seed"; nothing to drop.
unsafe impl Plain for State {}

impl State {
    fn next_batch(&mut self) {
        let mut batch = Zeroizing::new([0; BATCH_BYTES]);
        expand(&self.key, batch.as_mut_slice());
        let (key, draws) = batch.split_at(KEY_BYTES);
        self.key.copy_from_slice(key);
        self.draws.copy_from_slice(draws);
    }
}

/// out = ChaCha20(key, nonce 0, counter 0) (RFC 8439 §2.3). The caller uses a key once.
pub(crate) fn expand(key: &[u8; KEY_BYTES], out: &mut [u8]) {
    debug_assert!(out.len() <= MAX_ANSWER_BYTES, "a key makes at most 2^17 bits");
    let mut cipher = ChaCha20::new(key.into(), &[0; 12].into());
    if out.len() >= PAIR_BYTES {
        return cipher.write_keystream(out);
    }
    let mut pair = Zeroizing::new([0; PAIR_BYTES]);
    cipher.write_keystream(pair.as_mut_slice());
    out.copy_from_slice(&pair[..out.len()]);
}

#[cfg(test)]
mod tests;
