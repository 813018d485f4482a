//! Repeats from sorted 64-bit keys, for sequences without repeats longer than a key, which are
//! those of healthy sources. It takes a third of the time of a suffix array.

use zeroize::Zeroizing;

use crate::samples::Sequence;
use crate::tuples::repeats::{Counter, Repeats};

/// Keys are first put into buckets by this many leading bits, so that each sort fits in the cache.
const BUCKET_BITS: u32 = 11;

/// One key in 2⁸ is checked beforehand.
const SAMPLED_BITS: u32 = 8;

/// The golden ratio in 64 bits, to choose keys by all their bits (Knuth 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The repeated tuples; `None` when a tuple as long as a key repeats.
pub(super) fn repeats(sequence: Sequence<'_>) -> Option<Repeats> {
    let keys = Keys::of(sequence);
    if keys.recur_in_sample() {
        return None;
    }
    let sorted = keys.sorted();
    let mut counter = Counter::new(keys.symbols as usize);
    let mut ends = keys.ends().into_iter().peekable();
    let mut before: Option<Suffix> = None;
    for &key in sorted.iter() {
        // A suffix sorts before the longer suffixes that it is a prefix of.
        while let Some(end) = ends.next_if(|end| end.key <= key) {
            keys.count(&mut counter, before.replace(end), end);
        }
        let suffix = Suffix { key, len: keys.symbols };
        if keys.count(&mut counter, before.replace(suffix), suffix) == keys.symbols {
            return None;
        }
    }
    for end in ends {
        keys.count(&mut counter, before.replace(end), end);
    }
    Some(counter.finish())
}

/// The keys of a sequence: the first symbols of each suffix.
struct Keys<'a> {
    sequence: &'a [u8],
    /// Bits per symbol.
    width: u32,
    /// Symbols per key.
    symbols: u32,
}

/// The start of a suffix: its key, and the number of symbols in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Suffix {
    key: u64,
    len: u32,
}

impl<'a> Keys<'a> {
    fn of(sequence: Sequence<'a>) -> Self {
        let width = (sequence.alphabet - 1).ilog2() + 1;
        Self { sequence: sequence.symbols, width, symbols: u64::BITS / width }
    }

    /// The key of each suffix, from the last to the first, including those shorter than a key.
    fn backwards(&self) -> impl Iterator<Item = u64> {
        let unused = u64::BITS % self.width;
        let (top, mask) = (u64::BITS - self.width, u64::MAX << unused);
        let width = self.width;
        self.sequence.iter().rev().scan(0, move |key, symbol| {
            *key = (*key >> width | u64::from(*symbol) << top) & mask;
            Some(*key)
        })
    }

    /// The keys of the suffixes at least as long as a key.
    fn full(&self) -> impl Iterator<Item = u64> {
        self.backwards().skip(self.symbols as usize - 1)
    }

    /// The suffixes shorter than a key, sorted.
    fn ends(&self) -> Vec<Suffix> {
        let mut ends: Vec<_> = self
            .backwards()
            .take(self.symbols as usize - 1)
            .zip(1..)
            .map(|(key, len)| Suffix { key, len })
            .collect();
        ends.sort_unstable();
        ends
    }

    /// Whether a key repeats in a subset. The subset is chosen by the bits of the keys, so that it
    /// has either all equal keys or none of them.
    fn recur_in_sample(&self) -> bool {
        let mut sample: Vec<_> = self
            .full()
            .filter(|key| key.wrapping_mul(SPREAD) >> (u64::BITS - SAMPLED_BITS) == 0)
            .collect();
        sample.sort_unstable();
        sample.windows(2).any(|pair| pair[0] == pair[1])
    }

    fn sorted(&self) -> Zeroizing<Vec<u64>> {
        let bucket = |key: u64| (key >> (u64::BITS - BUCKET_BITS)) as usize;
        let mut ends = vec![0; 1 << BUCKET_BITS];
        let mut len = 0;
        for key in self.full() {
            ends[bucket(key)] += 1;
            len += 1;
        }
        let mut end = 0;
        for bucket in &mut ends {
            end += *bucket;
            *bucket = end;
        }
        // Keys are parts of the sequence, and as secret.
        let mut sorted = Zeroizing::new(vec![0; len]);
        let mut next = ends.clone();
        for key in self.full() {
            let place = &mut next[bucket(key)];
            *place -= 1;
            sorted[*place] = key;
        }
        for (start, end) in next.into_iter().zip(ends) {
            sorted[start..end].sort_unstable();
        }
        sorted
    }

    /// Counts the symbols that two neighbours share, and returns their number.
    #[inline]
    fn count(&self, counter: &mut Counter, before: Option<Suffix>, suffix: Suffix) -> u32 {
        let Some(before) = before else { return 0 };
        let equal = (before.key ^ suffix.key).leading_zeros() / self.width;
        let shared = equal.min(before.len).min(suffix.len);
        counter.next(shared);
        shared
    }
}
