//! Secrets as types: zeroized on drop, absent from `Debug`, not `Clone`, and where it matters kept
//! out of swap, core dumps and child processes.

mod locked;
mod scrubbed_stack;

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

pub use locked::{Locked, Plain};
pub use scrubbed_stack::{on_scrubbed_stack, scrubbing_stack};

/// `N` secret bytes on the heap: zeroized on drop, moved without leaving a copy, compared in
/// constant time.
///
/// ```rust
/// use lavawall_entropy::Secret;
///
/// let mut bytes = [7; 32];
/// let secret = Secret::take(&mut bytes);
/// assert_eq!(bytes, [0; 32], "the origin is zeroized");
/// assert_eq!(secret.expose(), &[7; 32]);
/// assert_eq!(format!("{secret:?}"), "Secret(32 bytes)");
/// ```
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// `N` zero bytes, to be filled in place by `fill`.
    pub fn filled_by(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0);
        secret
    }

    /// Moves the bytes and zeroizes their origin.
    pub fn take(from: &mut [u8; N]) -> Self {
        // Copied on the heap alone: a copy by value would leave one on the stack.
        let secret = Self::filled_by(|to| to.copy_from_slice(from));
        from.zeroize();
        secret
    }

    /// The bytes. Every call is a place to review.
    #[must_use]
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

/// Appends to bytes that may be secret. When the vector reallocates, the old bytes are
/// zeroized.
pub fn append_secret(to: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    let needed = to.len() + bytes.len();
    if needed > to.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
        larger.extend_from_slice(to);
        *to = larger;
    }
    to.extend_from_slice(bytes);
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({N} bytes)")
    }
}
