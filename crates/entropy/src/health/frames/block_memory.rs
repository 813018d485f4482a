//! Detection of a recording whose pictures are not wholly equal, such as one with a running clock
//! in a corner: fingerprints of some blocks of each picture.
//!
//! ```text
//! block         8 × 8 readings, of which 56 or more are active: at least 56 · 0.55 = 30 bits
//! remembered    up to 8 blocks of each picture, the last 917,504 to 1,835,008 blocks
//! found         4 or more blocks were seen before, at the same places, and more than half
//! ```
//! At ten frames a second that is the last 3.2 to 6.4 hours. A block of an honest camera equals one
//! of 2¹⁸ earlier ones at its place with odds of at most 2⁻¹², and four of eight do so with odds of
//! at most 70 · 2⁻⁴⁸ = 2⁻⁴¹: once in 7,000 years at ten frames a second. That is at the least
//! noise; at σ = 1 the odds are below 2⁻²⁰⁰.
//!
//! # Security
//! A fingerprint is 64 bits of a keyed hash. The key is chosen at the start and never leaves this
//! process. What a player adds to every picture anew, in every block, is not found.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use zeroize::Zeroizing;

use crate::health::frames::luma::Luma;
use crate::health::frames::strips::{BLOCK, Block, for_each_block};

/// Fingerprints in one of the two sets: as many as fill a hash table of 2²⁰ places to 7/8.
const KEPT: usize = 917_504;

/// Blocks of one picture that are remembered.
const BLOCKS: usize = 8;

/// Blocks of one picture that are looked at, spread over the picture.
const LOOKED_AT: usize = 32;

/// Active readings of a block that is remembered.
const LEAST_ACTIVE: usize = 56;

/// Blocks that must have been seen before.
const LEAST_SEEN: usize = 4;

/// The fingerprints of blocks of past pictures.
#[derive(Debug, Default)]
pub(super) struct BlockMemory {
    key: RandomState,
    newer: HashSet<u64>,
    /// The set before, which was full.
    older: HashSet<u64>,
}

impl BlockMemory {
    /// Remembers blocks of a picture. The number of those seen before and of all, when most were.
    pub(super) fn push(
        &mut self,
        luma: &Luma,
        is_active: impl Fn(usize) -> bool,
    ) -> Option<(usize, usize)> {
        let mut blocks = Vec::new();
        for_each_block(luma.width, luma.values.len(), |block| blocks.push(*block));
        let apart = (blocks.len() / LOOKED_AT).max(1);
        let has_noise = |block: &&Block| {
            block.rows().flatten().filter(|place| is_active(*place)).count() >= LEAST_ACTIVE
        };
        let chosen = blocks.iter().step_by(apart).filter(has_noise).take(BLOCKS);
        let prints: Vec<_> = chosen.map(|block| self.fingerprint(luma, block)).collect();
        let is_known = |print: &&u64| self.newer.contains(print) || self.older.contains(print);
        let seen = prints.iter().filter(is_known).count();
        let all = prints.len();
        for print in prints {
            if self.newer.len() >= KEPT {
                self.older = std::mem::take(&mut self.newer);
            }
            self.newer.insert(print);
        }
        (seen >= LEAST_SEEN && seen * 2 > all).then_some((seen, all))
    }

    fn fingerprint(&self, luma: &Luma, block: &Block) -> u64 {
        let mut readings = Zeroizing::new([0_u8; BLOCK * BLOCK]);
        for (to, place) in readings.iter_mut().zip(block.rows().flatten()) {
            *to = luma.values[place];
        }
        self.key.hash_one((block.start(), &*readings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of 80 × 64 readings that differs from number to number.
    fn picture(number: u64) -> Luma {
        let key = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default();
        let value = |place: u64| 100 + (key.hash_one((number, place)) % 8) as u8;
        Luma {
            width: 80,
            values: Zeroizing::new((0..80 * 64).map(value).collect()),
            ..Luma::default()
        }
    }

    #[test]
    fn a_picture_is_known_again_although_some_of_it_differs_and_no_other_is() {
        let mut memory = BlockMemory::default();
        let active = |_| true;
        for number in 0..1000 {
            assert_eq!(memory.push(&picture(number), active), None, "{number}");
        }
        let mut again = picture(500);
        // A quarter of the blocks: the two columns at the left, of which some are remembered.
        for row in again.values.chunks_mut(80) {
            row[..16].fill(200);
        }
        assert!(memory.push(&again, active).is_some());
        assert_eq!(memory.push(&picture(1001), active), None);
    }

    #[test]
    fn blocks_without_noise_are_not_known_again() {
        let mut memory = BlockMemory::default();
        let active = |_| false;
        for _ in 0..3 {
            assert_eq!(memory.push(&picture(1), active), None);
        }
    }
}
