//! Repeats from a suffix array: linear on any input.

use crate::tuples::repeats::{Counter, Repeats};

/// The repeated tuples of `symbols`.
pub(super) fn repeats(symbols: &[u8]) -> Repeats {
    let shared = shared_lengths(symbols);
    let longest = shared.iter().max().map_or(0, |longest| *longest as usize);
    let mut counter = Counter::new(longest);
    shared[1..].iter().for_each(|length| counter.next(*length));
    drop(shared);
    counter.finish()
}

/// The number of symbols each suffix shares with the one before it in sorted order.
///
/// The lengths are found in the order of the text, where from one suffix to the next they fall by
/// one at most, so that no symbol is compared twice (Kärkkäinen, Manzini, Puglisi: Permuted
/// longest-common-prefix array, 2009).
fn shared_lengths(symbols: &[u8]) -> Vec<u32> {
    let mut suffixes = vec![0_i32; symbols.len()];
    divsufsort::sort_in_place(symbols, &mut suffixes);
    let mut suffixes: Vec<u32> = suffixes.into_iter().map(i32::cast_unsigned).collect();
    // Each entry holds first the preceding suffix, then the length that the two share.
    let mut by_place = vec![u32::MAX; symbols.len()];
    for pair in suffixes.windows(2) {
        by_place[pair[1] as usize] = pair[0];
    }
    let mut shared = 0;
    for (place, entry) in by_place.iter_mut().enumerate() {
        shared = match *entry {
            u32::MAX => 0,
            before => {
                shared + common(&symbols[place + shared..], &symbols[before as usize + shared..])
            }
        };
        *entry = u32::try_from(shared).expect("lengths are counted in 31 bits");
        shared = shared.saturating_sub(1);
    }
    for suffix in &mut suffixes {
        *suffix = by_place[*suffix as usize];
    }
    suffixes
}

/// The length of the common start of two texts.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
