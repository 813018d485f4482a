//! The recurrence test: a word that came before shows a device that repeats itself.
//!
//! ```text
//! word          w = ⌈64 / H⌉ symbols, so that the claim gives each word at least 64 bits
//! remembered    one word in about eight, the last 8,192 to 16,384 of them
//! compared      the word that ends at every symbol, so that any period is found
//! odds          at most 2¹⁴ · 2⁻⁶⁴ = 2⁻⁵⁰ per symbol that an honest source is found to repeat
//! ```
//! A word that was claimed to hold w · H ≥ 64 bits equals a given earlier one with odds of at most
//! 2⁻⁶⁴, and one of 2¹⁴ with at most 2⁻⁵⁰: less than the 2⁻⁴⁰ of the other tests. So a single
//! recurrence is an alarm. At 8 bits per byte a word has 8 bytes, at 4 bits 16 bytes, and the
//! memory spans at least 512 KiB or 1 MiB of the source's output. Every shorter period is found,
//! whatever it is a multiple of, and also one that lasts over restarts of the source.
//!
//! # Security
//! Words are remembered as fingerprints and only in part: a reader of this memory learns at most an
//! eighth of a source's recent output on average, and lacks more than the 256 bits of a block that
//! 320 credited bits went into. The memory is zeroized when it is dropped.
//!
//! Limit: a device that makes its output from a counter by a cipher never repeats.

use zeroize::{Zeroize, Zeroizing};

use crate::health::finding::{Finding, HealthTest, Severity};
use crate::health::limit::HealthLimit;

/// Claimed min-entropy of a word, in bits.
const WORD_BITS: f64 = 64.0;

/// Words in each of the two generations of the memory.
const GENERATION: usize = 1 << 13;

/// Slots of a generation: at most half of them are filled, so that probing ends soon.
const SLOTS: usize = GENERATION * 2;

/// One word in this many is remembered, on average.
const ONE_IN: usize = 8;

/// Finds words that came before.
#[derive(Debug)]
pub(super) struct Recurrence {
    /// Symbols in a word.
    word: usize,
    /// The last word, as a ring: as secret as the samples.
    last: Zeroizing<Vec<u64>>,
    /// Symbols since the start, the reset or the last recurrence.
    seen: usize,
    rolling: [Rolling; 2],
    /// Symbols until the next word that is remembered is complete.
    until_next: usize,
    newer: Fingerprints,
    older: Fingerprints,
}

impl Recurrence {
    /// A test of symbols that are claimed to hold `h` bits each.
    pub(super) fn new(h: f64) -> Self {
        let word = word(h);
        Self {
            word,
            last: Zeroizing::new(vec![0; word]),
            seen: 0,
            rolling: BASES.map(|base| Rolling::new(base, word)),
            until_next: word,
            newer: Fingerprints::default(),
            older: Fingerprints::default(),
        }
    }

    /// The limit, for display.
    pub(super) fn limit(&self) -> HealthLimit {
        let rule = format!(
            "{} symbols in a row equal one of {GENERATION} to {} remembered words of that length",
            self.word,
            GENERATION * 2
        );
        HealthLimit::threshold(HealthTest::Recurrence, Severity::Persistent, rule)
    }

    /// Takes the next symbol. Adds a finding if the last word came before, at most one per sample.
    pub(super) fn push(&mut self, symbol: u64, findings: &mut Vec<Finding>) {
        let slot = self.seen % self.word;
        let first = std::mem::replace(&mut self.last[slot], symbol);
        self.seen += 1;
        let leaves = (self.seen > self.word).then_some(first);
        self.rolling.iter_mut().for_each(|hash| hash.push(symbol, leaves));
        self.until_next -= 1;
        if self.seen < self.word {
            return;
        }
        let fingerprint = self.fingerprint();
        if self.newer.contains(fingerprint) || self.older.contains(fingerprint) {
            if !findings.iter().any(|known| known.test == HealthTest::Recurrence) {
                findings.push(Finding {
                    test: HealthTest::Recurrence,
                    severity: Severity::Persistent,
                    detail: format!("{} symbols in a row came before", self.word),
                });
            }
            self.reset();
        } else if self.until_next == 0 {
            self.remember(fingerprint);
        }
    }

    /// Forgets the last symbols. The memory of words stays: a device that repeats itself after a
    /// restart is still found.
    pub(super) fn reset(&mut self) {
        self.last.as_mut_slice().zeroize();
        self.rolling.iter_mut().for_each(Rolling::reset);
        self.seen = 0;
        self.until_next = self.word;
    }

    fn fingerprint(&self) -> u128 {
        let [first, second] = &self.rolling;
        // Zero marks an empty slot.
        ((u128::from(first.value) << 64) | u128::from(second.value)).max(1)
    }

    fn remember(&mut self, fingerprint: u128) {
        if self.newer.count == GENERATION {
            std::mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
        }
        self.newer.insert(fingerprint);
        // Words that are remembered do not overlap. The distance varies with the noise: a word that
        // recurs at a fixed place of every few samples is not missed for ever.
        let most = (2 * (ONE_IN - 1) * self.word + 1) as u128;
        self.until_next = self.word + usize::try_from(fingerprint % most).unwrap_or_default();
    }
}

/// ⌈64 / H⌉ symbols.
fn word(h: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "H is at least 0.01, so this is a small positive integer"
    )]
    let word = (WORD_BITS / h).ceil() as usize;
    word
}

/// The Mersenne prime 2⁶¹ − 1.
const PRIME: u64 = (1 << 61) - 1;

/// The bases of the two rolling hashes: the first digits of π and e, below 2⁶¹. Two different words
/// of w symbols have equal hashes under a random base with odds of at most w · 2⁻⁶¹, and under two
/// with the square of that.
const BASES: [u64; 2] = [0x1415_9265_3589_7932, 0x1718_2818_2845_9045];

/// The polynomial hash of the last `w` symbols, Σ symbolᵢ · base^(w − i) modulo 2⁶¹ − 1 (Karp and
/// Rabin, "Efficient randomized pattern-matching algorithms", 1987).
#[derive(Debug)]
struct Rolling {
    base: u64,
    /// base^w
    leaving: u64,
    value: u64,
}

impl Rolling {
    fn new(base: u64, word: usize) -> Self {
        let leaving = (0..word).fold(1, |power, _| times(power, base));
        Self { base, leaving, value: 0 }
    }

    /// Takes the next symbol; `leaves` is the one that leaves the word.
    fn push(&mut self, symbol: u64, leaves: Option<u64>) {
        let added = plus(times(self.value, self.base), reduced(symbol));
        let removed = leaves.map_or(0, |symbol| times(reduced(symbol), self.leaving));
        self.value = plus(added, PRIME - removed);
    }

    fn reset(&mut self) {
        self.value = 0;
    }
}

impl Drop for Rolling {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

/// A symbol as a number below the prime, never zero: runs of zeros of two lengths differ.
fn reduced(symbol: u64) -> u64 {
    plus(symbol % PRIME, 1)
}

/// The sum of two numbers that are at most the prime.
fn plus(a: u64, b: u64) -> u64 {
    let sum = a + b;
    if sum >= PRIME { sum - PRIME } else { sum }
}

fn times(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    // 2⁶¹ ≡ 1: the high bits are added to the low ones.
    let low = u64::try_from(product & u128::from(PRIME)).expect("61 bits");
    plus(low, u64::try_from(product >> 61).expect("at most 61 bits"))
}

/// A set of fingerprints with open addressing.
#[derive(Debug, Default)]
struct Fingerprints {
    /// Empty before the first one, then [`SLOTS`] slots, zero where nothing is.
    slots: Zeroizing<Vec<u128>>,
    count: usize,
}

impl Fingerprints {
    fn contains(&self, fingerprint: u128) -> bool {
        !self.slots.is_empty() && self.slots[self.place(fingerprint)] == fingerprint
    }

    fn insert(&mut self, fingerprint: u128) {
        if self.slots.is_empty() {
            self.slots = Zeroizing::new(vec![0; SLOTS]);
        }
        let place = self.place(fingerprint);
        self.slots[place] = fingerprint;
        self.count += 1;
    }

    /// The slot of this fingerprint, or the empty one where it would be.
    fn place(&self, fingerprint: u128) -> usize {
        let start = usize::try_from(fingerprint & (SLOTS as u128 - 1)).unwrap_or_default();
        let probed = (start..SLOTS).chain(0..start);
        let mut free = probed.filter(|at| [0, fingerprint].contains(&self.slots[*at]));
        free.next().expect("half of the slots are empty")
    }

    fn clear(&mut self) {
        self.slots.as_mut_slice().zeroize();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudorandom bytes (xorshift64*).
    fn noise() -> impl Iterator<Item = u64> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        std::iter::repeat_with(move || {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56
        })
    }

    /// How many symbols are taken before the first finding.
    fn found_after(test: &mut Recurrence, symbols: impl Iterator<Item = u64>) -> Option<usize> {
        let mut findings = Vec::new();
        symbols.into_iter().position(|symbol| {
            test.push(symbol, &mut findings);
            !findings.is_empty()
        })
    }

    #[test]
    fn noise_that_does_not_repeat_passes() {
        for h in [8.0, 4.0, 1.0] {
            assert_eq!(found_after(&mut Recurrence::new(h), noise().take(1 << 20)), None, "{h}");
        }
    }

    #[test]
    fn a_period_of_any_length_is_found_soon_after_it_has_ended() {
        for h in [8.0, 4.0] {
            for period in [16, 17, 64, 255, 1000, 4096, 65_535, 65_536, 65_537, 500_000] {
                let symbols: Vec<_> = noise().take(period).collect();
                let repeated = symbols.iter().copied().cycle().take(2 * period + 256);
                let found = found_after(&mut Recurrence::new(h), repeated);
                let found = found.unwrap_or_else(|| panic!("{period} at {h} is not found"));
                assert!((period..=period + 256).contains(&found), "{period}: after {found}");
            }
        }
    }

    #[test]
    fn a_buffer_that_returns_among_fresh_ones_is_found() {
        let (buffer, mut fresh) = (noise().take(64).collect::<Vec<_>>(), noise().skip(64));
        let mut test = Recurrence::new(4.0);
        let mut findings = Vec::new();
        for _ in 0..64 {
            for symbol in buffer.iter().copied().chain(fresh.by_ref().take(64)) {
                test.push(symbol, &mut findings);
            }
        }
        assert!(!findings.is_empty());
    }

    #[test]
    fn the_memory_outlasts_a_reset_and_stays_within_its_bound() {
        let mut test = Recurrence::new(8.0);
        let symbols: Vec<_> = noise().take(8 * 1024).collect();
        assert_eq!(found_after(&mut test, symbols.iter().copied()), None);
        test.reset();
        assert!(found_after(&mut test, symbols.iter().copied()).is_some_and(|at| at < 256));
        assert_eq!(found_after(&mut test, noise().skip(8 * 1024).take(3 << 20)), None);
        assert!(test.newer.count <= GENERATION && test.older.count <= GENERATION);
        assert_eq!(found_after(&mut test, symbols.iter().copied()), None, "long forgotten");
    }

    #[test]
    fn about_one_word_in_eight_is_remembered() {
        let mut test = Recurrence::new(8.0);
        let words = 32_768;
        assert_eq!(found_after(&mut test, noise().take(8 * words)), None);
        let remembered = test.newer.count + test.older.count;
        assert!((words / 9..=words / 7).contains(&remembered), "{remembered} of {words}");
    }

    #[test]
    fn the_rolling_hash_is_that_of_the_last_word_alone() {
        let symbols: Vec<_> = noise().take(100).collect();
        let mut rolled = Rolling::new(BASES[0], 16);
        for (at, symbol) in symbols.iter().enumerate() {
            rolled.push(*symbol, at.checked_sub(16).map(|first| symbols[first]));
        }
        let mut plain = Rolling::new(BASES[0], 16);
        symbols[84..].iter().for_each(|symbol| plain.push(*symbol, None));
        assert_eq!(rolled.value, plain.value);
    }
}
