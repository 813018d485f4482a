//! Raw noise reduced to a report: frequencies, first bits, autocorrelation, estimates.

use std::num::NonZeroUsize;

use lavawall_assess as assess;
use lavawall_assess::{Assessment, Samples};

/// Distances of the autocorrelation: those of the lag estimator (SP 800-90B §6.3.8).
pub(super) const LAGS: usize = 128;

/// Symbols that are pictured bit by bit: 256 rows of 256.
pub(super) const PICTURED: usize = 1 << 16;

/// Raw noise of one source, reduced to a report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Noise {
    /// Number of symbols.
    pub symbols: usize,
    /// Bits per symbol, 1 to 8.
    pub bits: u8,
    /// Symbols are differences in two's complement.
    pub signed: bool,
    /// Occurrences of each value.
    pub counts: [u64; 256],
    /// The first symbols in order: at most [`PICTURED`].
    pub first: Vec<u8>,
    /// The correlation of a symbol with the one 1, 2, … [`LAGS`] places on; empty when all symbols
    /// are equal.
    pub correlation: Vec<f64>,
    /// The estimates of SP 800-90B §6.3, or the reason why there are none.
    pub assessment: Result<Assessment, String>,
}

impl Noise {
    /// Analyses symbols of `bits` bits, or as wide as the widest, one per byte.
    ///
    /// `progress` receives the finished share of the work, from 0 to 1.
    #[must_use]
    pub(crate) fn of(
        symbols: Vec<u8>,
        bits: Option<u8>,
        signed: bool,
        threads: NonZeroUsize,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Self {
        let mut counts = [0; 256];
        for symbol in &symbols {
            counts[usize::from(*symbol)] += 1;
        }
        let widest = symbols.iter().fold(0, |all, symbol| all | symbol);
        let used = u8::try_from(u8::BITS - widest.leading_zeros()).expect("a byte has eight bits");
        let (count, first) = (symbols.len(), symbols[..symbols.len().min(PICTURED)].to_vec());
        let correlation = correlation(&symbols, signed);
        let assessment = Samples::new(symbols, bits)
            .map(|samples| assess::assess(&samples, threads, progress))
            .map_err(|error| error.to_string());
        Self {
            symbols: count,
            bits: bits.unwrap_or(used.max(1)).clamp(1, 8),
            signed,
            counts,
            first,
            correlation,
            assessment,
        }
    }

    /// The value of a symbol.
    #[must_use]
    pub(crate) fn value(&self, symbol: u8) -> i32 {
        value(symbol, self.signed)
    }
}

/// The value of a symbol, in two's complement or not.
fn value(symbol: u8, signed: bool) -> i32 {
    if signed { i32::from(symbol.cast_signed()) } else { i32::from(symbol) }
}

/// The sample autocorrelation, Σ (xₜ − m)(xₜ₊ₖ − m) / Σ (xₜ − m)², for k from 1 to [`LAGS`].
fn correlation(symbols: &[u8], signed: bool) -> Vec<f64> {
    let values: Vec<f64> = symbols.iter().map(|symbol| value(*symbol, signed).into()).collect();
    let mean = values.iter().sum::<f64>() / real(values.len().max(1));
    let values: Vec<f64> = values.into_iter().map(|value| value - mean).collect();
    let all: f64 = values.iter().map(|value| value * value).sum();
    if all <= 0.0 {
        return Vec::new();
    }
    let at = |lag: usize| {
        let later = values.iter().skip(lag);
        values.iter().zip(later).map(|(now, then)| now * then).sum::<f64>() / all
    };
    (1..=LAGS.min(values.len().saturating_sub(1))).map(at).collect()
}

/// A count as a real number.
pub(crate) fn real(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 symbols")]
    let real = count as f64;
    real
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(symbols: Vec<u8>, signed: bool) -> Noise {
        Noise::of(symbols, None, signed, NonZeroUsize::MIN, &|_| ())
    }

    #[test]
    fn a_period_correlates_at_its_multiples_and_nowhere_as_much() {
        let noise = look((0..10_000_u32).map(|n| u8::from(n % 5 == 0)).collect(), false);
        for (lag, correlation) in (1..).zip(&noise.correlation) {
            let expected = if lag % 5 == 0 { 1.0 } else { -0.25 };
            assert!((correlation - expected).abs() < 0.02, "lag {lag}: {correlation}");
        }
        assert_eq!(noise.correlation.len(), LAGS);
    }

    #[test]
    fn a_constant_has_no_correlation_and_no_entropy() {
        let noise = look(vec![7; 5000], false);
        assert!(noise.correlation.is_empty());
        assert!(noise.assessment.expect_err("a constant").contains("constant"));
        assert_eq!((noise.counts[7], noise.bits), (5000, 3));
    }

    #[test]
    fn a_step_up_and_a_step_down_are_neighbours_when_symbols_are_differences() {
        // 1, 0, −1, 0, …: as unsigned bytes the mean would lie far from all of them.
        let wave: Vec<u8> = [1, 0, 255, 0].repeat(2000);
        let noise = look(wave.clone(), true);
        assert!((noise.correlation[1] + 1.0).abs() < 0.01, "{}", noise.correlation[1]);
        assert_eq!((noise.value(255), look(wave, false).value(255)), (-1, 255));
    }

    #[test]
    fn every_symbol_is_counted_and_the_first_are_kept_in_order() {
        let symbols: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        let noise = look(symbols.clone(), false);
        assert_eq!(noise.counts.iter().sum::<u64>(), 100_000);
        assert_eq!(noise.first, symbols[..PICTURED]);
    }

    #[test]
    fn too_few_symbols_are_shown_and_said_not_to_be_enough() {
        for count in [0, 1, 2, 100] {
            let noise = look((0..count).collect(), false);
            assert_eq!(noise.first.len(), usize::from(count));
            assert!(noise.assessment.expect_err("too few").contains("at least"));
        }
    }
}
