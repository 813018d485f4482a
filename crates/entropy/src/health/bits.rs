//! Up to 64 symbols of one bit, which the tests take at once.

/// Symbols of one bit, the oldest in the lowest place.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits {
    /// Zero above the symbols.
    word: u64,
    count: u32,
}

impl Bits {
    /// Adds the lowest bit of `symbol`. There is room until it [`is_full`](Self::is_full).
    pub(super) fn push(&mut self, symbol: u64) {
        debug_assert!(!self.is_full(), "room for a symbol");
        self.word |= (symbol & 1) << self.count;
        self.count += 1;
    }

    pub(super) fn is_full(self) -> bool {
        self.count == u64::BITS
    }

    /// The number of symbols.
    pub(super) fn count(self) -> u32 {
        self.count
    }

    /// Each symbol, oldest first.
    pub(super) fn symbols(self) -> impl Iterator<Item = u64> {
        (0..self.count).map(move |place| self.word >> place & 1)
    }

    /// The oldest symbol.
    pub(super) fn first(self) -> Option<u64> {
        (self.count > 0).then_some(self.word & 1)
    }

    /// The newest symbol.
    pub(super) fn last(self) -> Option<u64> {
        self.count.checked_sub(1).map(|place| self.word >> place & 1)
    }

    /// The number of equal symbols from the oldest on.
    pub(super) fn first_run(self) -> u32 {
        let differ = if self.word & 1 == 1 { !self.word } else { self.word };
        differ.trailing_zeros().min(self.count)
    }

    /// The number of equal symbols up to the newest.
    pub(super) fn last_run(self) -> u32 {
        let top = self.word << (u64::BITS - self.count.max(1));
        let differ = if top >> (u64::BITS - 1) == 1 { !top } else { top };
        differ.leading_zeros().min(self.count)
    }

    /// The number of symbols equal to this one.
    pub(super) fn equal_to(self, symbol: u64) -> u32 {
        match symbol {
            0 => self.count - self.word.count_ones(),
            1 => self.word.count_ones(),
            _ => 0,
        }
    }

    /// The oldest `count` symbols, and the others.
    pub(super) fn split_at(self, count: u32) -> (Self, Self) {
        if count >= self.count {
            return (self, Self::default());
        }
        let older = Self { word: self.word & ((1 << count) - 1), count };
        (older, Self { word: self.word >> count, count: self.count - count })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(symbols: &[u64]) -> Bits {
        let mut bits = Bits::default();
        for symbol in symbols {
            bits.push(*symbol);
        }
        bits
    }

    /// Up to 64 symbols, often all but a few of them equal.
    fn symbols() -> impl Strategy<Value = Vec<u64>> {
        (0..=64_usize, 0..=8_u64, 0..2_u64).prop_flat_map(|(count, rare, usual)| {
            let symbol = move |at: u64| if at < rare { 1 - usual } else { usual };
            prop::collection::vec((0..16_u64).prop_map(symbol), count)
        })
    }

    proptest! {
        #[test]
        fn each_question_has_the_answer_of_the_symbols_themselves(
            symbols in symbols(),
            at in 0..70_usize,
        ) {
            let bits = of(&symbols);
            let run = |symbols: &mut dyn Iterator<Item = &u64>| {
                let first = symbols.next().copied();
                first.map_or(0, |first| 1 + symbols.take_while(|it| **it == first).count())
            };
            prop_assert_eq!(bits.count() as usize, symbols.len());
            prop_assert_eq!(bits.is_full(), symbols.len() == 64);
            prop_assert_eq!(bits.symbols().collect::<Vec<_>>(), symbols.clone());
            prop_assert_eq!(bits.first(), symbols.first().copied());
            prop_assert_eq!(bits.last(), symbols.last().copied());
            prop_assert_eq!(bits.first_run() as usize, run(&mut symbols.iter()));
            prop_assert_eq!(bits.last_run() as usize, run(&mut symbols.iter().rev()));
            for symbol in 0..3 {
                let equal = symbols.iter().filter(|it| **it == symbol).count();
                prop_assert_eq!(bits.equal_to(symbol) as usize, equal);
            }
            let (older, newer) = symbols.split_at(at.min(symbols.len()));
            let at = u32::try_from(at).expect("below 70");
            prop_assert_eq!(bits.split_at(at), (of(older), of(newer)));
        }
    }
}
