//! Key material of one batch: its keys and nonces are drawn from the generator together, since an
//! answer of 32 bytes costs as much as one of two KiB.

use zeroize::{Zeroize, Zeroizing};

use crate::crypto::key::{KEY_BYTES, Key};
use lavawall_entropy::{Generator, MAX_ANSWER_BYTES, NotReady, Secret};

/// The size of a nonce in bytes (RFC 8452 §4).
pub const NONCE_BYTES: usize = 12;

/// Keys and nonces for one batch. No byte is given twice, and each is zeroized when it is given.
///
/// # Security
/// Must be dropped with its batch. A machine that is restored from a snapshot taken in the middle of a
/// batch seals the rest of that batch a second time, with the same keys, nonces and texts: the result
/// is the same and discloses nothing.
pub struct KeyMaterial<'a> {
    generator: &'a Generator,
    bytes: Zeroizing<Vec<u8>>,
    used: usize,
}

impl<'a> KeyMaterial<'a> {
    /// Draws `bytes` bytes at a time, at most 16 KiB; the first draw is at the first use.
    #[must_use]
    pub fn of(generator: &'a Generator, bytes: usize) -> Self {
        let bytes = vec![0; bytes.clamp(KEY_BYTES, MAX_ANSWER_BYTES)];
        Self { generator, used: bytes.len(), bytes: Zeroizing::new(bytes) }
    }

    /// A key.
    ///
    /// # Errors
    /// When the generator refuses.
    pub fn key(&mut self) -> Result<Key, NotReady> {
        self.next().map(Secret::take)
    }

    /// A nonce.
    ///
    /// # Errors
    /// When the generator refuses.
    pub fn nonce(&mut self) -> Result<[u8; NONCE_BYTES], NotReady> {
        let next = self.next()?;
        let nonce = *next;
        next.zeroize();
        Ok(nonce)
    }

    /// The next unused bytes; a remainder that is too short is skipped.
    fn next<const N: usize>(&mut self) -> Result<&mut [u8; N], NotReady> {
        if self.bytes.len() - self.used < N {
            // A generator that refuses leaves zeros: none of them may be given.
            self.used = self.bytes.len();
            self.generator.fill(&mut self.bytes)?;
            self.used = 0;
        }
        let (_, rest) = self.bytes.split_at_mut(self.used);
        self.used += N;
        Ok(rest.first_chunk_mut().expect("there is room for a key"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::crypto::test_support::{failing_after, generator};

    #[test]
    fn no_byte_is_given_twice_however_much_is_drawn_at_once() {
        let generator = generator();
        for room in [0, 32, 33, 68, 100, 1 << 20] {
            let mut material = KeyMaterial::of(&generator, room);
            let mut seen = HashSet::new();
            for _ in 0..500 {
                let (key, nonce) =
                    (material.key().expect("seeded"), material.nonce().expect("seeded"));
                // What overlaps by eight bytes or more has eight in common.
                for eight in key.expose().windows(8).chain(nonce.windows(8)) {
                    assert!(seen.insert(eight.to_vec()), "drawn {room} bytes at a time");
                }
            }
        }
    }

    #[test]
    fn what_was_given_is_wiped_where_it_was_taken_from() {
        let generator = generator();
        let mut material = KeyMaterial::of(&generator, 1000);
        material.key().expect("seeded");
        material.nonce().expect("seeded");
        let used = KEY_BYTES + NONCE_BYTES;
        assert!(material.bytes[..used].iter().all(|byte| *byte == 0));
        assert!(material.bytes[used..].iter().any(|byte| *byte != 0));
    }

    #[test]
    fn a_generator_that_refuses_later_gives_nothing_more() {
        for left in 0..KEY_BYTES {
            let generator = failing_after(1);
            let mut material = KeyMaterial::of(&generator, KEY_BYTES + left);
            assert!(material.key().is_ok());
            assert!(material.key().is_err());
            assert!(material.nonce().is_err(), "what was left is gone with the refusal");
        }
    }
}
