//! Samples in the two forms that the estimators take: symbols of a dense alphabet, and a bitstring.

use std::fmt;

use zeroize::Zeroizing;

/// The number of samples that SP 800-90B §3.1.1 asks for. Fewer can be assessed, with wider
/// confidence intervals.
pub const WANTED_SAMPLES: usize = 1_000_000;

/// The fewest samples that can be assessed: the longest window of the multi-MCW predictor, 4,095,
/// and one to predict (SP 800-90B §6.3.7).
pub const LEAST_SAMPLES: usize = 4096;

/// The most bits that can be assessed, samples times bits per sample: the suffix array has 31-bit
/// indices.
pub const MOST_BITS: usize = 0x7fff_ffff;

/// Samples of 1 to 8 bits each, with at least two distinct values.
///
/// # Security
/// They may be the noise of a live source: they are zeroized on drop, and `Debug` shows their
/// number only.
pub struct Samples {
    bits: u8,
    alphabet: usize,
    symbols: Zeroizing<Vec<u8>>,
    /// The sample value of each symbol.
    values: Vec<u8>,
    bitstring: Option<Zeroizing<Vec<u8>>>,
}

/// One sequence of symbols, the input of an estimator.
#[derive(Clone, Copy)]
pub(super) struct Sequence<'a> {
    /// The symbols, each below `alphabet`.
    pub(super) symbols: &'a [u8],
    /// Number of distinct symbols, 2 to 256.
    pub(super) alphabet: usize,
}

/// Why samples cannot be assessed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SamplesError {
    /// The width is not 1 to 8 bits.
    #[error("bits: must be from 1 to 8 (got {bits})")]
    Bits {
        /// The given width.
        bits: u8,
    },
    /// Fewer than [`LEAST_SAMPLES`].
    #[error("samples: at least {LEAST_SAMPLES} are needed (got {samples})")]
    TooShort {
        /// The number of samples.
        samples: usize,
    },
    /// More than [`MOST_BITS`].
    #[error("samples: at most {MOST_BITS} bits can be assessed (got {samples} samples of {bits})")]
    TooLong {
        /// The number of samples.
        samples: usize,
        /// Bits per sample.
        bits: u8,
    },
    /// A sample is wider than the given width.
    #[error("sample {at}: must be below {} for samples of {bits} bits (got {value})", 1_u16 << bits)]
    OutOfRange {
        /// Its position, from 0.
        at: usize,
        /// The sample.
        value: u8,
        /// Bits per sample.
        bits: u8,
    },
    /// All samples are equal: there is no entropy.
    #[error("samples: all {samples} are {value}; a constant has no entropy")]
    Constant {
        /// The number of samples.
        samples: usize,
        /// The value of all samples.
        value: u8,
    },
}

impl Samples {
    /// Takes one sample per byte, in the low `bits` bits; the other bits must be zero. Without a
    /// width, that of the largest sample is used, as in the reference program.
    ///
    /// # Errors
    /// [`SamplesError`] names the rule that the samples break.
    ///
    /// ```rust
    /// use lavawall_assess::{Samples, SamplesError};
    ///
    /// let raw: Vec<u8> = (0..5000_u32).map(|n| (n % 7) as u8).collect();
    /// let samples = Samples::new(raw.clone(), None)?;
    /// assert_eq!((samples.len(), samples.bits(), samples.alphabet()), (5000, 3, 7));
    ///
    /// // The fifth sample, 4, does not fit in two bits.
    /// let refused = Samples::new(raw, Some(2)).unwrap_err();
    /// assert_eq!(refused, SamplesError::OutOfRange { at: 4, value: 4, bits: 2 });
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "sample 4: must be below 4 for samples of 2 bits (got 4)"
    /// );
    /// # Ok::<(), SamplesError>(())
    /// ```
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

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Always false: [`Self::new`] refuses fewer than [`LEAST_SAMPLES`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Bits per sample, 1 to 8.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Number of distinct samples, 2 to 256.
    #[must_use]
    pub fn alphabet(&self) -> usize {
        self.alphabet
    }

    /// The symbols; `None` for samples of one bit, which are a bitstring.
    pub(super) fn literal(&self) -> Option<Sequence<'_>> {
        (self.bits > 1).then_some(self.symbols())
    }

    /// The bits, high bits first. `None` for samples of more bits with only two values: the
    /// reference program then leaves the bitstring out.
    pub(super) fn bitstring(&self) -> Option<Sequence<'_>> {
        match &self.bitstring {
            Some(bits) => Some(Sequence { symbols: bits, alphabet: 2 }),
            None => (self.bits == 1).then_some(self.symbols()),
        }
    }

    /// The sample value of each symbol, ascending.
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

/// The rank of each value among those that occur.
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

/// The width of the largest sample in bits.
fn width(raw: &[u8]) -> u8 {
    let all = raw.iter().fold(0, |all, value| all | value);
    u8::try_from(u8::BITS - all.leading_zeros()).expect("at most 8")
}

fn unpack(raw: &[u8], bits: u8) -> Zeroizing<Vec<u8>> {
    // Reserved first: a vector that grows while it holds noise leaves a copy behind.
    let mut all = Zeroizing::new(Vec::with_capacity(raw.len() * usize::from(bits)));
    all.extend(raw.iter().flat_map(|value| (0..bits).rev().map(move |bit| value >> bit & 1)));
    all
}
