//! Sequences of samples from a few words a line, and the figures expected of them.
//!
//! ```text
//! bits 4                     1 to 8
//! seed 7                     of the SplitMix64 generator that the random steps draw from
//! uniform 20000              this many samples
//! biased 20000 0.9           the highest symbol with this probability, any otherwise
//! normal 20000               twelve uniform numbers added up: bell-shaped over the range
//! sticky 20000 0.8           the one before with this probability, any otherwise
//! walk 20000                 the one before plus 0, 1, 1 or 2
//! counter 20000              0, 1, 2, ... and round
//! periodic 20000 37          a random period of this length, over and over
//! sparse 20000               only the lowest and the highest symbol
//! constant 5000 3            this symbol
//! again 10000                the last so many samples once more
//! expect lag 3.9 0.99        an estimator's figures for symbols and for bits; - for none
//! expect min-entropy 3.5
//! ```

use std::collections::BTreeMap;

/// A sequence, and what is expected of it.
pub(super) struct Recipe {
    pub(super) bits: u8,
    pub(super) samples: Vec<u8>,
    /// Figures for symbols and for bits, by estimator.
    pub(super) figures: BTreeMap<String, [Option<f64>; 2]>,
    pub(super) min_entropy: Option<f64>,
}

impl Recipe {
    /// Reads a recipe and makes its samples. Lines with `#` are remarks.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut recipe =
            Self { bits: 8, samples: Vec::new(), figures: BTreeMap::new(), min_entropy: None };
        let mut random = Random(0);
        for line in text.lines().map(str::trim) {
            if !line.is_empty() && !line.starts_with('#') {
                recipe.read(line, &mut random).ok_or_else(|| format!("{line:?} is no step"))?;
            }
        }
        Ok(recipe)
    }

    fn read(&mut self, line: &str, random: &mut Random) -> Option<()> {
        let words: Vec<_> = line.split_whitespace().collect();
        match *words.as_slice() {
            ["bits", bits] => self.bits = bits.parse().ok()?,
            ["seed", seed] => *random = Random(seed.parse().ok()?),
            ["expect", "min-entropy", h] => self.min_entropy = Some(h.parse().ok()?),
            ["expect", name, literal, bitstring] => {
                let figures = [literal, bitstring].map(|text| text.parse().ok());
                self.figures.insert(name.to_owned(), figures);
            }
            [word, count, ref rest @ ..] => {
                let parameter = rest.first().map_or(Some(0.0), |text| text.parse().ok())?;
                self.step(word, count.parse().ok()?, parameter, random)?;
            }
            _ => return None,
        }
        Some(())
    }

    fn step(
        &mut self,
        word: &str,
        count: usize,
        parameter: f64,
        random: &mut Random,
    ) -> Option<()> {
        let range = 1_u64 << self.bits;
        let start = self.samples.len();
        if word == "again" {
            self.samples.extend_from_within(start.checked_sub(count)?..);
            return Some(());
        }
        for place in 0..count {
            let before = self.samples.last().copied().map_or(0, u64::from);
            let symbol = match word {
                "biased" if random.unit() < parameter => range - 1,
                "sticky" if place > 0 && random.unit() < parameter => before,
                "normal" => random.bell(range),
                "walk" => (before + [0, 1, 1, 2][random.index(4)]) % range,
                "counter" => place as u64 % range,
                "periodic" if place >= parameter as usize => {
                    u64::from(self.samples[start + place - parameter as usize])
                }
                "uniform" | "biased" | "sticky" | "periodic" => random.below(range),
                "sparse" => random.below(2) * (range - 1),
                "constant" => parameter as u64,
                _ => return None,
            };
            self.samples.push(u8::try_from(symbol).ok()?);
        }
        Some(())
    }
}

/// The generator `SplitMix64` (Steele, Lea, Flood, 2014): a few lines that give the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `range`, a power of two.
    fn below(&mut self, range: u64) -> u64 {
        (self.next() >> 32) % range
    }

    fn index(&mut self, range: u64) -> usize {
        usize::try_from(self.below(range)).expect("small")
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn bell(&mut self, range: u64) -> u64 {
        let sum: f64 = (0..12).map(|_| self.unit()).sum();
        ((sum / 12.0) * range as f64) as u64
    }
}
