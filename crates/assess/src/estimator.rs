//! The ten estimators by name, in the order of the standard.

use std::fmt;

/// An estimator of SP 800-90B §6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Estimator {
    /// §6.3.1: the share of the most common symbol.
    MostCommonValue,
    /// §6.3.2: the distance until a symbol repeats. Bits only.
    Collision,
    /// §6.3.3: a first-order Markov chain. Bits only.
    Markov,
    /// §6.3.4: Maurer's universal statistic. Bits only.
    Compression,
    /// §6.3.5: the share of the most common tuples.
    TTuple,
    /// §6.3.6: the longest repeated substrings.
    Lrs,
    /// §6.3.7: prediction by the most common symbol of four windows.
    MultiMcw,
    /// §6.3.8: prediction by the symbol at a lag of 1 to 128.
    Lag,
    /// §6.3.9: prediction by Markov models of up to 16 symbols.
    MultiMmc,
    /// §6.3.10: prediction by a dictionary of past strings.
    Lz78y,
}

impl Estimator {
    /// All estimators, in the order of the standard.
    pub const ALL: [Self; 10] = [
        Self::MostCommonValue,
        Self::Collision,
        Self::Markov,
        Self::Compression,
        Self::TTuple,
        Self::Lrs,
        Self::MultiMcw,
        Self::Lag,
        Self::MultiMmc,
        Self::Lz78y,
    ];

    /// The name in output, in kebab case: `most-common-value`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MostCommonValue => "most-common-value",
            Self::Collision => "collision",
            Self::Markov => "markov",
            Self::Compression => "compression",
            Self::TTuple => "t-tuple",
            Self::Lrs => "lrs",
            Self::MultiMcw => "multi-mcw",
            Self::Lag => "lag",
            Self::MultiMmc => "multi-mmc",
            Self::Lz78y => "lz78y",
        }
    }
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
