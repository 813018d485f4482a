//! Pictures that came before, by a short fingerprint of each.
//!
//! ```text
//! fingerprint = first 8 bytes of SHA-256("lavawall/frame-fingerprint/1" ‖ 0 ‖ payload)
//! ```

use std::collections::HashSet;

use sha2::{Digest, Sha256};

/// Keeps fingerprints apart from every other hash of a frame.
const DOMAIN: &[u8] = b"lavawall/frame-fingerprint/1\0";

/// Fingerprints in one of the two sets: 29 hours at ten frames a second. The odds that a new
/// picture is taken for one of 2²¹ others are 2⁻⁴³.
const KEPT: usize = 1 << 20;

/// Remembers pictures.
#[derive(Debug)]
pub(super) struct Seen {
    /// When this one is full it takes the place of the older one.
    newer: HashSet<u64>,
    older: HashSet<u64>,
    last: Option<u64>,
    repeats: u32,
    new: Option<u64>,
    kept: usize,
}

/// What is known of a picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: it is new.
    Not,
    /// It is the last one again, so many times.
    Again(u32),
    /// It came before, and others since.
    Before,
}

impl Seen {
    /// Remembers these, oldest first.
    pub(super) fn new(seen: &[u64]) -> Self {
        Self::with_room_for(KEPT, seen)
    }

    fn with_room_for(kept: usize, seen: &[u64]) -> Self {
        let mut memory = Self {
            newer: HashSet::new(),
            older: HashSet::new(),
            last: None,
            repeats: 0,
            new: None,
            kept,
        };
        for fingerprint in seen {
            memory.insert(*fingerprint);
        }
        memory
    }

    /// Is this picture known? It is from now on.
    pub(super) fn push(&mut self, payload: &[u8]) -> Known {
        let fingerprint = fingerprint(payload);
        self.new = None;
        if self.last.replace(fingerprint) == Some(fingerprint) {
            self.repeats = self.repeats.saturating_add(1);
            return Known::Again(self.repeats);
        }
        self.repeats = 0;
        if self.newer.contains(&fingerprint) || self.older.contains(&fingerprint) {
            return Known::Before;
        }
        self.insert(fingerprint);
        self.new = Some(fingerprint);
        Known::Not
    }

    /// The last picture's fingerprint, once, if it was new.
    pub(super) fn take_new(&mut self) -> Option<u64> {
        self.new.take()
    }

    fn insert(&mut self, fingerprint: u64) {
        if self.newer.len() >= self.kept {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(fingerprint);
    }
}

fn fingerprint(payload: &[u8]) -> u64 {
    let digest = Sha256::new().chain_update(DOMAIN).chain_update(payload).finalize();
    let first = digest.first_chunk().expect("SHA-256 gives 32 bytes");
    u64::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_new_then_again_then_before() {
        let mut seen = Seen::new(&[]);
        assert_eq!(seen.push(b"a"), Known::Not);
        assert!(seen.take_new().is_some() && seen.take_new().is_none());
        assert_eq!(seen.push(b"a"), Known::Again(1));
        assert_eq!(seen.push(b"a"), Known::Again(2));
        assert_eq!(seen.take_new(), None);
        assert_eq!(seen.push(b"b"), Known::Not);
        assert_eq!(seen.push(b"a"), Known::Before);
        assert_eq!(seen.take_new(), None);
    }

    #[test]
    fn what_was_written_down_is_remembered_after_a_restart() {
        let mut seen = Seen::new(&[]);
        seen.push(b"a");
        let kept = seen.take_new().expect("new");
        assert_eq!(Seen::new(&[kept]).push(b"a"), Known::Before);
    }

    #[test]
    fn it_remembers_at_least_so_many_and_does_not_grow_for_ever() {
        let mut seen = Seen::with_room_for(10, &[]);
        for picture in 0..100u8 {
            assert_eq!(seen.push(&[picture]), Known::Not);
            assert!(seen.newer.len() + seen.older.len() <= 20);
        }
        for picture in 90..100u8 {
            assert_ne!(seen.push(&[picture]), Known::Not, "picture {picture}");
        }
        assert_eq!(seen.push(&[0]), Known::Not, "long forgotten");
    }

    #[test]
    fn the_fingerprint_is_no_prefix_of_the_plain_hash() {
        // SHA-256("abc"), FIPS 180-4: what anyone else would compute of the payload.
        assert_ne!(
            fingerprint(b"abc").to_le_bytes(),
            [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea]
        );
    }
}
