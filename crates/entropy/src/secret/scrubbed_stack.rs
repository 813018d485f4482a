//! Scrubbing of the stack: a cipher or a hash leaves keys there, in copies that no type zeroizes.

use std::hint::black_box;
use std::mem::MaybeUninit;

/// The stack that is overwritten, in bytes: three times what a computation of this crate uses, which
/// is 5 KiB for a reseed. Above that fits the frame of a signal. A test compares them.
const SCRUBBED_BYTES: usize = 16 << 10;

/// Unused stack in bytes between the caller and the computation: more than the frames between the
/// caller and the first byte that is overwritten, of which there are three at the most.
const GAP_BYTES: usize = 256;

/// Calls `compute` and then overwrites the stack that it used, also when it panics.
///
/// Ciphers, hashes and key derivations keep keys in local variables and in spilled registers, and
/// a secret that is returned by value is copied. All of that remains on the stack until other calls
/// overwrite it, which on an idle thread is never. For that reason `compute` writes a secret result
/// in place, and what it returns is not secret.
///
/// ```rust
/// use lavawall_entropy::{Secret, on_scrubbed_stack};
/// use sha2::{Digest, Sha256};
///
/// let seed = Secret::take(&mut [7; 32]);
/// let key = Secret::filled_by(|key| {
///     on_scrubbed_stack(|| Sha256::new_with_prefix(seed.expose()).finalize_into(key.into()));
/// });
/// # assert_eq!(key.expose(), &*Sha256::digest([7; 32]));
/// ```
///
/// # Security
/// Overwrites 16 KiB. What `compute` leaves below that, in registers or on the heap stays.
pub fn on_scrubbed_stack<T>(compute: impl FnOnce() -> T) -> T {
    scrubbing_stack::<SCRUBBED_BYTES, T>(compute)
}

/// As [`on_scrubbed_stack`], and overwrites `BYTES` bytes, for computations that use more.
pub fn scrubbing_stack<const BYTES: usize, T>(compute: impl FnOnce() -> T) -> T {
    let _scrub = Scrub::<BYTES>;
    below_a_gap(compute)
}

/// Overwrites when it is dropped: then the frames of the computation are gone.
struct Scrub<const BYTES: usize>;

impl<const BYTES: usize> Drop for Scrub<BYTES> {
    fn drop(&mut self) {
        zeroize::zeroize_stack::<BYTES>();
    }
}

#[inline(never)]
fn below_a_gap<T>(compute: impl FnOnce() -> T) -> T {
    let gap = [MaybeUninit::<u8>::uninit(); GAP_BYTES];
    black_box(&gap);
    let computed = apart(compute);
    // In use after the call, or the compiler could give the gap up before it.
    black_box(&gap);
    computed
}

#[inline(never)]
fn apart<T>(compute: impl FnOnce() -> T) -> T {
    compute()
}

#[cfg(test)]
mod tests;
