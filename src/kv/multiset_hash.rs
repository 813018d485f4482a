//! Multiset hash over the records of a namespace: detects a record that is missing or older.
//!
//! Each record adds `HMAC-SHA-256(term key, record id ‖ record version ‖ expiry)` to a number of 256 bits,
//! and subtracts it when it is removed (an additive multiset hash: Clarke, Devadas, van Dijk, Gassend, Suh,
//! ASIACRYPT 2003). The terms and the hash are secret, so that records with the same hash cannot be chosen.

/// The hash, in words of 64 bits, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct MultisetHash([u64; 4]);

impl MultisetHash {
    /// Adds a term.
    pub(crate) fn add(&mut self, term: &[u8; 32]) {
        let mut carry = false;
        for (word, more) in self.0.iter_mut().zip(words(term)) {
            let (sum, over) = word.overflowing_add(more);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            (*word, carry) = (sum, over || over_again);
        }
    }

    /// Subtracts a term.
    pub(crate) fn subtract(&mut self, term: &[u8; 32]) {
        let mut borrow = false;
        for (word, less) in self.0.iter_mut().zip(words(term)) {
            let (rest, under) = word.overflowing_sub(less);
            let (rest, under_again) = rest.overflowing_sub(u64::from(borrow));
            (*word, borrow) = (rest, under || under_again);
        }
    }

    /// The bytes on disk.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (to, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, from) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(from.try_into().expect("eight bytes"));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn carries_and_borrows_go_through_all_words() {
        let mut one = [0; 32];
        one[0] = 1;
        let mut sum = MultisetHash([u64::MAX; 4]);
        sum.add(&one);
        assert_eq!(sum, MultisetHash::default());
        sum.subtract(&one);
        assert_eq!(sum, MultisetHash([u64::MAX; 4]));
        let mut sum = MultisetHash([u64::MAX, u64::MAX, 0, 0]);
        sum.add(&one);
        assert_eq!(sum, MultisetHash([0, 0, 1, 0]));
        let all = [0xff; 32];
        let mut sum = MultisetHash([u64::MAX, 5, 0, 0]);
        sum.add(&all);
        assert_eq!(sum, MultisetHash([u64::MAX - 1, 5, 0, 0]));
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter_and_taking_undoes_adding(
            terms in proptest::collection::vec(any::<[u8; 32]>(), 1..20),
            first in 0..20usize,
        ) {
            let mut sum = MultisetHash::default();
            for term in &terms {
                sum.add(term);
            }
            let mut rotated = terms.clone();
            rotated.rotate_left(first % terms.len());
            let mut other = MultisetHash::default();
            for term in &rotated {
                other.add(term);
            }
            prop_assert_eq!(sum, other);
            for term in rotated.iter().rev() {
                other.subtract(term);
            }
            prop_assert_eq!(other, MultisetHash::default());
        }
    }
}
