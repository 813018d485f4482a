//! A hash table from 29-bit keys to counts, for the predictors' look-ups at every symbol.

/// The initial size in slots, a power of two.
const FIRST_SLOTS: usize = 1 << 10;

/// The golden ratio in 32 bits: multiplying by it spreads neighbouring keys (Knuth 6.4).
const SPREAD: u32 = 0x9e37_79b9;

/// Open addressing with linear probing: eight bytes per slot, at most three quarters in use. The
/// standard map takes twice the memory and twice the time here.
#[derive(Debug)]
pub(super) struct Table {
    /// Key plus one in the high half, value in the low half; zero is empty.
    slots: Vec<u64>,
    used: usize,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { slots: vec![0; FIRST_SLOTS], used: 0 }
    }

    /// The value of a key.
    #[inline]
    pub(super) fn get(&self, key: u32) -> Option<u32> {
        let slot = self.slots[self.find(key)];
        (slot != 0).then_some(value(slot))
    }

    /// Sets the value of a key.
    #[inline]
    pub(super) fn set(&mut self, key: u32, value: u32) {
        let at = self.find(key);
        let is_new = self.slots[at] == 0;
        self.slots[at] = u64::from(key + 1) << 32 | u64::from(value);
        self.used += usize::from(is_new);
        if is_new && self.used > self.slots.len() / 4 * 3 {
            self.grow();
        }
    }

    /// Adds one to the value of a key and returns it; `None` for a missing key.
    #[inline]
    pub(super) fn increment(&mut self, key: u32) -> Option<u32> {
        let at = self.find(key);
        let slot = &mut self.slots[at];
        if *slot == 0 {
            return None;
        }
        *slot += 1;
        Some(value(*slot))
    }

    /// The slot of a key, or the empty slot for it.
    #[inline]
    fn find(&self, key: u32) -> usize {
        let mask = self.slots.len() - 1;
        let shift = u32::BITS - self.slots.len().trailing_zeros();
        let mut at = (key.wrapping_mul(SPREAD) >> shift) as usize;
        while self.slots[at] != 0 && self.slots[at] >> 32 != u64::from(key + 1) {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        let larger = vec![0; self.slots.len() * 2];
        for slot in std::mem::replace(&mut self.slots, larger) {
            if slot != 0 {
                let at = self.find((slot >> 32) as u32 - 1);
                self.slots[at] = slot;
            }
        }
    }
}

/// The low half of a slot.
#[expect(clippy::cast_possible_truncation, reason = "the high half is the key")]
#[inline]
fn value(slot: u64) -> u32 {
    slot as u32
}
