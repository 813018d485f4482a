//! Samples ready to be assessed: as symbols of a dense alphabet, and as a bitstring.

use std::fmt;

use zeroize::Zeroizing;

/// How many samples SP 800-90B asks for (§3.1.1). Fewer are assessed, and give less sure figures.
pub const WANTED_SAMPLES: usize = 1_000_000;

/// The fewest samples that are assessed: the longest window of the multi-MCW predictor, 4,095, and
/// one to predict (SP 800-90B §6.3.7).
pub const LEAST_SAMPLES: usize = 4096;

/// The most bits that are assessed, samples times bits a sample: the suffix array counts in 31 bits.
pub const MOST_BITS: usize = 0x7fff_ffff;

/// Samples of 1 to 8 bits each, at least two of them different. `Debug` shows their number only:
/// they may be the noise of a live source, and are wiped when dropped.
pub struct Samples {
    bits: u8,
    alphabet: usize,
    symbols: Zeroizing<Vec<u8>>,
    /// The sample of each symbol.
    values: Vec<u8>,
    bitstring: Option<Zeroizing<Vec<u8>>>,
}

/// One sequence of symbols as the estimators take it.
#[derive(Clone, Copy)]
pub(super) struct Sequence<'a> {
    /// The symbols, each below `alphabet`.
    pub(super) symbols: &'a [u8],
    /// How many distinct symbols there are: 2 to 256.
    pub(super) alphabet: usize,
}

/// Why samples cannot be assessed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SamplesError {
    /// A width that no symbol has.
    #[error("bits: must be from 1 to 8 (got {bits})")]
    Bits {
        /// The width asked for.
        bits: u8,
    },
    /// Too few for any estimate.
    #[error("samples: at least {LEAST_SAMPLES} are needed (got {samples})")]
    TooShort {
        /// How many there are.
        samples: usize,
    },
    /// More than can be counted.
    #[error("samples: at most {MOST_BITS} bits can be assessed (got {samples} samples of {bits})")]
    TooLong {
        /// How many there are.
        samples: usize,
        /// Bits a sample.
        bits: u8,
    },
    /// A symbol that is wider than the samples are said to be.
    #[error("sample {at}: must be below {} for samples of {bits} bits (got {value})", 1_u16 << bits)]
    OutOfRange {
        /// Its place, from 0.
        at: usize,
        /// The symbol.
        value: u8,
        /// Bits a sample.
        bits: u8,
    },
    /// No entropy at all.
    #[error("samples: all {samples} are {value}; a constant has no entropy")]
    Constant {
        /// How many there are.
        samples: usize,
        /// The one symbol.
        value: u8,
    },
}

impl Samples {
    /// Takes one sample a byte, of `bits` bits: the low ones, and the others must be zero. With no
    /// width given it is that of the largest sample, as in the reference program.
    ///
    /// # Errors
    /// Says which rule the samples break.
    pub fn new(raw: Vec<u8>, bits: Option<u8>) -> Result<Self, SamplesError> {
        let mut raw = Zeroizing::new(raw);
        if let Some(bits) = bits.filter(|bits| !(1..=8).contains(bits)) {
            return Err(SamplesError::Bits { bits });
        }
        if raw.len() < LEAST_SAMPLES {
            return Err(SamplesError::TooShort { samples: raw.len() });
        }
        let used = width(&raw);
        let bits = bits.unwrap_or(used.max(1));
        if raw.len() > MOST_BITS / usize::from(bits) {
            return Err(SamplesError::TooLong { samples: raw.len(), bits });
        }
        if used > bits {
            let (at, &value) = raw
                .iter()
                .enumerate()
                .find(|(_, value)| **value >> bits != 0)
                .expect("a wider sample was seen");
            return Err(SamplesError::OutOfRange { at, value, bits });
        }
        let ranks = Ranks::of(&raw);
        if ranks.alphabet == 1 {
            return Err(SamplesError::Constant { samples: raw.len(), value: raw[0] });
        }
        // The bitstring has the samples' own bits; the symbols are then numbered without gaps
        // (reference program; SP 800-90B §6.3 asks for the latter only where k is needed).
        let bitstring = (ranks.alphabet > 2).then(|| unpack(&raw, bits));
        for symbol in raw.iter_mut() {
            *symbol = ranks.rank[usize::from(*symbol)];
        }
        Ok(Self { bits, alphabet: ranks.alphabet, symbols: raw, values: ranks.values, bitstring })
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Never: [`Self::new`] refuses to make an empty one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Bits a sample, 1 to 8.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// How many distinct samples there are, 2 to 256.
    #[must_use]
    pub fn alphabet(&self) -> usize {
        self.alphabet
    }

    /// The symbols. Samples of one bit have none: they are a bitstring.
    pub(super) fn literal(&self) -> Option<Sequence<'_>> {
        (self.bits > 1).then_some(self.symbols())
    }

    /// The bits, high ones first. Samples of more bits but only two values have none: the reference
    /// program then leaves the bitstring out.
    pub(super) fn bitstring(&self) -> Option<Sequence<'_>> {
        match &self.bitstring {
            Some(bits) => Some(Sequence { symbols: bits, alphabet: 2 }),
            None => (self.bits == 1).then_some(self.symbols()),
        }
    }

    /// The sample of each symbol, rising.
    pub(super) fn values(&self) -> &[u8] {
        &self.values
    }

    /// The symbols, whatever their width.
    pub(super) fn symbols(&self) -> Sequence<'_> {
        Sequence { symbols: &self.symbols, alphabet: self.alphabet }
    }
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Samples")
            .field("samples", &self.symbols.len())
            .field("bits", &self.bits)
            .field("alphabet", &self.alphabet)
            .finish_non_exhaustive()
    }
}

impl Sequence<'_> {
    /// Whether the estimators for bits apply.
    pub(super) fn is_binary(&self) -> bool {
        self.alphabet == 2
    }
}

/// Each value's place among those that occur.
struct Ranks {
    rank: [u8; 256],
    values: Vec<u8>,
    alphabet: usize,
}

impl Ranks {
    fn of(raw: &[u8]) -> Self {
        let mut occurs = [false; 256];
        for value in raw {
            occurs[usize::from(*value)] = true;
        }
        let values: Vec<u8> = (0..=u8::MAX).filter(|value| occurs[usize::from(*value)]).collect();
        let mut rank = [0; 256];
        for (place, value) in (0..=u8::MAX).zip(&values) {
            rank[usize::from(*value)] = place;
        }
        Self { rank, alphabet: values.len(), values }
    }
}

/// Bits the largest sample takes.
fn width(raw: &[u8]) -> u8 {
    let all = raw.iter().fold(0, |all, value| all | value);
    u8::try_from(u8::BITS - all.leading_zeros()).expect("at most 8")
}

fn unpack(raw: &[u8], bits: u8) -> Zeroizing<Vec<u8>> {
    // Room first: what grows while it holds noise leaves a copy behind.
    let mut all = Zeroizing::new(Vec::with_capacity(raw.len() * usize::from(bits)));
    all.extend(raw.iter().flat_map(|value| (0..bits).rev().map(move |bit| value >> bit & 1)));
    all
}
