//! Detection of repeated pictures, by a short fingerprint of each.
//!
//! ```text
//! fingerprint = first 8 bytes of SHA-256("lavawall/frame-fingerprint/2" ‖ 0 ‖ picture)
//! picture     = the luma readings, row by row; the whole payload when it is coded, or has few readings
//! ```
//! A recording is found although its colour, or the pixels between the readings, were changed. Readings
//! of an honest camera have noise: those of [`LEAST_READINGS`] do not come again by chance. Version 1
//! took the whole payload of every picture; its fingerprints match no picture of version 2.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::health::frames::correlation::LEAST_BLOCKS;
use crate::health::frames::strips::BLOCK;

/// Keeps fingerprints apart from every other hash of a frame.
const DOMAIN: &[u8] = b"lavawall/frame-fingerprint/2\0";

/// With fewer readings the whole payload is compared. Of these at least 30 % are active in a picture
/// that passes, which makes 126 bits of noise at the least σ.
const LEAST_READINGS: usize = LEAST_BLOCKS * BLOCK * BLOCK;

/// Fingerprints in one of the two sets: 29 hours at ten frames a second. The odds that a new
/// picture is taken for one of 2²¹ others are 2⁻⁴³.
const KEPT: usize = 1 << 20;

/// The fingerprints of past pictures.
#[derive(Debug)]
pub(super) struct Fingerprints {
    /// When this one is full it takes the place of the older one.
    newer: HashSet<u64>,
    older: HashSet<u64>,
    last: Option<u64>,
    repeats: u32,
    new: Option<u64>,
    kept: usize,
}

/// The match of a picture with earlier ones.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// None: it is new.
    New,
    /// It equals the last one; the number of repeats.
    Repeat(u32),
    /// It equals an earlier one, with others between.
    Earlier,
}

impl Fingerprints {
    /// Remembers these, oldest first.
    pub(super) fn new(known: &[u64]) -> Self {
        Self::with_room_for(KEPT, known)
    }

    fn with_room_for(kept: usize, known: &[u64]) -> Self {
        let mut memory = Self {
            newer: HashSet::new(),
            older: HashSet::new(),
            last: None,
            repeats: 0,
            new: None,
            kept,
        };
        for fingerprint in known {
            memory.insert(*fingerprint);
        }
        memory
    }

    /// Matches a picture with earlier ones, and remembers it. Coded pictures have no readings.
    pub(super) fn push(&mut self, readings: &[u8], payload: &[u8]) -> Match {
        let fingerprint =
            fingerprint(if readings.len() < LEAST_READINGS { payload } else { readings });
        self.new = None;
        if self.last.replace(fingerprint) == Some(fingerprint) {
            self.repeats = self.repeats.saturating_add(1);
            return Match::Repeat(self.repeats);
        }
        self.repeats = 0;
        if self.newer.contains(&fingerprint) || self.older.contains(&fingerprint) {
            return Match::Earlier;
        }
        self.insert(fingerprint);
        self.new = Some(fingerprint);
        Match::New
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

fn fingerprint(picture: &[u8]) -> u64 {
    let digest = Sha256::new().chain_update(DOMAIN).chain_update(picture).finalize();
    let first = digest.first_chunk().expect("SHA-256 gives 32 bytes");
    u64::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_new_then_again_then_before() {
        let mut known = Fingerprints::new(&[]);
        assert_eq!(known.push(&[], b"a"), Match::New);
        assert!(known.take_new().is_some() && known.take_new().is_none());
        assert_eq!(known.push(&[], b"a"), Match::Repeat(1));
        assert_eq!(known.push(&[], b"a"), Match::Repeat(2));
        assert_eq!(known.take_new(), None);
        assert_eq!(known.push(&[], b"b"), Match::New);
        assert_eq!(known.push(&[], b"a"), Match::Earlier);
        assert_eq!(known.take_new(), None);
    }

    #[test]
    fn what_was_written_down_is_remembered_after_a_restart() {
        let mut known = Fingerprints::new(&[]);
        known.push(&[], b"a");
        let kept = known.take_new().expect("new");
        assert_eq!(Fingerprints::new(&[kept]).push(&[], b"a"), Match::Earlier);
    }

    #[test]
    fn it_remembers_at_least_so_many_and_does_not_grow_for_ever() {
        let mut known = Fingerprints::with_room_for(10, &[]);
        for picture in 0..100u8 {
            assert_eq!(known.push(&[], &[picture]), Match::New);
            assert!(known.newer.len() + known.older.len() <= 20);
        }
        for picture in 90..100u8 {
            assert_ne!(known.push(&[], &[picture]), Match::New, "picture {picture}");
        }
        assert_eq!(known.push(&[], &[0]), Match::New, "long forgotten");
    }

    #[test]
    fn only_the_readings_of_a_picture_count_when_there_are_enough() {
        let (many, few) = ([7; LEAST_READINGS], [7; LEAST_READINGS - 1]);
        let mut known = Fingerprints::new(&[]);
        assert_eq!(known.push(&many, b"a"), Match::New);
        assert_eq!(known.push(&many, b"other colours"), Match::Repeat(1));
        assert_eq!(known.push(&few, b"a"), Match::New);
        assert_eq!(known.push(&few, b"b"), Match::New);
        assert_eq!(known.push(&few, b"a"), Match::Earlier);
    }

    #[test]
    fn a_fingerprint_of_version_1_matches_nothing() {
        let digest = Sha256::digest([b"lavawall/frame-fingerprint/1\0".as_slice(), b"a"].concat());
        let old = u64::from_le_bytes(*digest.first_chunk().expect("32 bytes"));
        assert_eq!(Fingerprints::new(&[old]).push(&[], b"a"), Match::New);
    }

    #[test]
    fn the_fingerprint_is_no_prefix_of_the_plain_hash() {
        // SHA-256("abc"), FIPS 180-4: the plain hash of the payload.
        assert_ne!(
            fingerprint(b"abc").to_le_bytes(),
            [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea]
        );
    }
}
