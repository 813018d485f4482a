//! Query strings and the header that chooses a form: any text gives values within the limits, or an
//! error that repeats no more of it than it should.
#![no_main]

use lavawall::{List, MOST_ITEMS};
use lavawall::{Invalid, RandomQuery};
use lavawall::{RandomFormat, negotiate};
use libfuzzer_sys::fuzz_target;

/// What `/random` gives at the most, here.
const MOST_BYTES: u64 = 1 << 30;

/// The most characters of anything that an error repeats, and what marks a cut.
const ECHOED: usize = 80;

fuzz_target!(|text: &str| {
    match RandomQuery::parse(text, MOST_BYTES) {
        Ok(query) => assert!((1..=MOST_BYTES).contains(&query.bytes)),
        Err(error) => check(&error),
    }
    for parse in [List::integers, List::uuids, List::strings, List::shuffle] {
        match parse(text) {
            Ok((list, _)) => assert!((1..=MOST_ITEMS).contains(&items(&list))),
            Err(error) => check(&error),
        }
    }
    let _ = negotiate(Some(text), &RandomFormat::OFFERS);
});

fn check(error: &Invalid) {
    assert!(error.field.chars().count() <= ECHOED && error.value.chars().count() <= ECHOED);
    assert!(!error.limit.is_empty());
}

fn items(list: &List) -> u64 {
    match list {
        List::Integers { count, .. } | List::Uuids { count } | List::Strings { count, .. } => {
            *count
        }
        List::Shuffle { n } => *n,
    }
}
