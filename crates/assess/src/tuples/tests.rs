//! The two ways to count repeats, and counting by hand.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{Repeats, from_repeats, keys, suffixes};
use crate::samples::Sequence;

/// The example of SP 800-90B §6.3.5 and §6.3.6, where 3 times are often.
const EXAMPLE: [u8; 21] = [2, 2, 0, 1, 0, 2, 0, 1, 2, 1, 2, 0, 1, 2, 1, 0, 0, 1, 0, 0, 0];

#[test]
fn the_standards_example_comes_out() {
    let repeats = suffixes::repeats(&EXAMPLE);
    assert_eq!([1, 2, 3, 4].map(|t| repeats.most(t)), [9, 4, 3, 2]);
    assert_eq!(repeats.longest(), 5);
    let (t_tuple, lrs) = from_repeats(&repeats, 3, EXAMPLE.len());
    assert!((t_tuple.expect("often") - 0.273_1).abs() < 5e-5, "{t_tuple:?}");
    assert!((lrs.expect("repeats") - 0.614_6).abs() < 5e-5, "{lrs:?}");
}

#[test]
fn a_repeat_as_long_as_a_key_is_left_to_the_suffixes() {
    let mut bits: Vec<u8> = (0..200_u32).map(|i| u8::from(i * i % 7 > i % 3)).collect();
    let copy = bits[..80].to_vec();
    bits.extend(copy);
    assert!(keys::repeats(Sequence { symbols: &bits, alphabet: 2 }).is_none());
    assert!(suffixes::repeats(&bits).longest() >= 80);
}

proptest! {
    #[test]
    fn repeats_are_those_counted_by_hand(
        symbols in prop::collection::vec(0_u8..3, 2..120),
    ) {
        agrees(&suffixes::repeats(&symbols), &symbols);
    }

    #[test]
    fn keys_count_as_suffixes_do(
        alphabet in 2_usize..=256,
        raw in prop::collection::vec(any::<u8>(), 70..400),
    ) {
        let symbols: Vec<_> = raw
            .iter()
            .map(|value| u8::try_from(usize::from(*value) % alphabet).expect("a byte"))
            .collect();
        if let Some(repeats) = keys::repeats(Sequence { symbols: &symbols, alphabet }) {
            agrees(&repeats, &symbols);
        }
    }
}

/// Compares with tuples counted one by one.
fn agrees(repeats: &Repeats, symbols: &[u8]) {
    for length in 1..=repeats.longest() + 1 {
        let mut counts: HashMap<_, u32> = HashMap::new();
        symbols.windows(length).for_each(|tuple| *counts.entry(tuple).or_default() += 1);
        let most = counts.values().copied().max().unwrap_or(0);
        if length > repeats.longest() {
            assert!(most <= 1, "tuples of {length} recur");
            continue;
        }
        assert_eq!(repeats.most(length), most, "length {length}");
        let equal: u32 = counts.values().map(|count| count * (count - 1) / 2).sum();
        let all = (symbols.len() - length + 1) * (symbols.len() - length) / 2;
        let share = f64::from(equal) / f64::from(u32::try_from(all).expect("few"));
        assert!((repeats.collisions(length, symbols.len()) - share).abs() < 1e-15);
    }
}
