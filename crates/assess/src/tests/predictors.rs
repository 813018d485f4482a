//! The fast predictors against the plain ones, on sequences made to meet every branch.

use proptest::prelude::*;

use super::plain;
use crate::contexts::LONGEST;
use crate::prediction::Tally;
use crate::samples::Sequence;
use crate::{lag, lz78y, multi_mcw, multi_mmc};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn windows_predict_as_the_standard_spells_out(symbols in sequence(4096..4800)) {
        let plain = plain::multi_mcw(&symbols.symbols, &[63, 255, 1023, 4095]);
        prop_assert_eq!(multi_mcw::tally(symbols.sequence()), tally(&plain));
    }

    #[test]
    fn lags_predict_as_the_standard_spells_out(symbols in sequence(200..2000)) {
        let plain = plain::lag(&symbols.symbols, 128);
        prop_assert_eq!(lag::tally(symbols.sequence()), tally(&plain));
    }

    #[test]
    fn models_predict_as_the_standard_spells_out(
        symbols in sequence(20..400),
        room in 20_u32..2000,
    ) {
        // For bits the only model that can be full is the last.
        let room = if symbols.alphabet == 2 { 1000 } else { room };
        let plain = plain::multi_mmc(&symbols.symbols, LONGEST, room as usize);
        prop_assert_eq!(multi_mmc::tally(symbols.sequence(), room), tally(&plain));
    }

    #[test]
    fn dictionaries_predict_as_the_standard_spells_out(
        symbols in sequence(20..400),
        room in 16_usize..2000,
    ) {
        let plain = plain::lz78y(&symbols.symbols, LONGEST, room);
        prop_assert_eq!(lz78y::tally(symbols.sequence(), room), tally(&plain));
    }
}

#[derive(Debug, Clone)]
struct Symbols {
    symbols: Vec<u8>,
    alphabet: usize,
}

impl Symbols {
    fn sequence(&self) -> Sequence<'_> {
        Sequence { symbols: &self.symbols, alphabet: self.alphabet }
    }
}

/// Symbols of 2 to 8 values, often the one some places before, so that there is something to
/// predict.
fn sequence(len: std::ops::Range<usize>) -> impl Strategy<Value = Symbols> {
    (2_u8..=8, 1_usize..9, prop::collection::vec((any::<u8>(), 0_u8..10), len), 0_u8..10).prop_map(
        |(alphabet, period, raw, regular)| {
            let mut symbols: Vec<u8> = Vec::with_capacity(raw.len());
            for (at, (value, chance)) in raw.into_iter().enumerate() {
                symbols.push(match at.checked_sub(period) {
                    Some(before) if chance < regular => symbols[before],
                    _ => value % alphabet,
                });
            }
            Symbols { symbols, alphabet: usize::from(alphabet) }
        },
    )
}

fn tally(correct: &[bool]) -> Tally {
    let mut tally = Tally::default();
    for correct in correct {
        tally.count(*correct);
    }
    tally
}
