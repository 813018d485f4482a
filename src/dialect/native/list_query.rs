//! The queries of the lists: integers, UUIDs, strings, a permutation. Pure, as `query` is.

use crate::http::format::ListFormat;
use crate::http::query::{Invalid, list_format, number, parse};

/// The most items in one list. Longer lists take several calls: each answer is complete before it is
/// sent.
pub const MOST_ITEMS: u64 = 100_000;

/// The longest string, in characters.
pub(crate) const MOST_LENGTH: u64 = 4096;

/// The most characters in all strings of one list.
pub(crate) const MOST_CHARACTERS: u64 = 1_000_000;

/// The named alphabets.
pub(crate) const ALPHABETS: [(&str, &str); 6] = [
    ("alphanumeric", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
    ("letters", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    ("lowercase", "abcdefghijklmnopqrstuvwxyz"),
    ("digits", "0123456789"),
    ("hex", "0123456789abcdef"),
    ("base64url", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
];

/// The most characters in an alphabet that the caller spells out.
const MOST_ALPHABET: usize = 256;

/// The kind of a list and its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum List {
    /// Whole numbers, both ends included.
    Integers {
        /// The least.
        least: i64,
        /// The greatest.
        most: i64,
        /// The number of items, 1 to [`MOST_ITEMS`].
        count: u64,
    },
    /// Version 4 UUIDs (RFC 9562 §5.4).
    Uuids {
        /// The number of items, 1 to [`MOST_ITEMS`].
        count: u64,
    },
    /// Strings of equal length.
    Strings {
        /// Characters in each, 1 to 4096.
        length: u64,
        /// The characters to choose from, 2 to 256 of them, each once.
        alphabet: Vec<char>,
        /// The number of items, 1 to [`MOST_ITEMS`].
        count: u64,
    },
    /// The numbers from 0 to `n` − 1 in random order.
    Shuffle {
        /// The number of items, 1 to [`MOST_ITEMS`].
        n: u64,
    },
}

/// A list and its format; by `Accept` when `None`.
pub(crate) type ListQuery = (List, Option<ListFormat>);

impl List {
    /// Reads the query of `/random/integers`.
    ///
    /// # Errors
    /// Names the invalid parameter.
    pub fn integers(query: &str) -> Result<ListQuery, Invalid> {
        let [least, most, count, format] = parse(query, &["min", "max", "count", "format"])?;
        let any = i64::MIN..=i64::MAX;
        let least = number("min", least.as_deref(), &any, None)?;
        let most = number("max", most.as_deref(), &(least..=i64::MAX), None)?;
        let count = items("count", count.as_deref(), Some(1))?;
        Ok((Self::Integers { least, most, count }, list_format(format.as_deref())?))
    }

    /// Reads the query of `/random/uuids`.
    ///
    /// # Errors
    /// Names the invalid parameter.
    pub fn uuids(query: &str) -> Result<ListQuery, Invalid> {
        let [count, format] = parse(query, &["count", "format"])?;
        let count = items("count", count.as_deref(), Some(1))?;
        Ok((Self::Uuids { count }, list_format(format.as_deref())?))
    }

    /// Reads the query of `/random/strings`.
    ///
    /// # Errors
    /// Names the invalid parameter.
    pub fn strings(query: &str) -> Result<ListQuery, Invalid> {
        let [length, alphabet, count, format] =
            parse(query, &["length", "alphabet", "count", "format"])?;
        let length = number("length", length.as_deref(), &(1..=MOST_LENGTH), None)?;
        let alphabet = characters(alphabet.as_deref())?;
        let most = MOST_ITEMS.min(MOST_CHARACTERS / length);
        let count = number("count", count.as_deref(), &(1..=most), Some(1))?;
        Ok((Self::Strings { length, alphabet, count }, list_format(format.as_deref())?))
    }

    /// Reads the query of `/random/shuffle`.
    ///
    /// # Errors
    /// Names the invalid parameter.
    pub fn shuffle(query: &str) -> Result<ListQuery, Invalid> {
        let [n, format] = parse(query, &["n", "format"])?;
        let n = items("n", n.as_deref(), None)?;
        Ok((Self::Shuffle { n }, list_format(format.as_deref())?))
    }
}

fn items(field: &'static str, value: Option<&str>, default: Option<u64>) -> Result<u64, Invalid> {
    number(field, value, &(1..=MOST_ITEMS), default)
}

/// A named alphabet, or the characters given: a name wins.
fn characters(value: Option<&str>) -> Result<Vec<char>, Invalid> {
    let value = value.unwrap_or(ALPHABETS[0].0);
    if let Some((_, named)) = ALPHABETS.iter().find(|(name, _)| *name == value) {
        return Ok(named.chars().collect());
    }
    let given: Vec<char> = value.chars().collect();
    let limit = || {
        let names: Vec<_> = ALPHABETS.iter().map(|(name, _)| *name).collect();
        format!("{}, or 2 to {MOST_ALPHABET} different characters", names.join(", "))
    };
    let wrong = |reason| Err(Invalid::new("alphabet", reason, limit(), value));
    if !(2..=MOST_ALPHABET).contains(&given.len()) {
        return wrong("too few or too many characters");
    }
    if given.iter().any(|character| character.is_control()) {
        return wrong("a control character");
    }
    let mut sorted = given.clone();
    sorted.sort_unstable();
    sorted.dedup();
    // A repeated character would be drawn twice as often.
    if sorted.len() == given.len() { Ok(given) } else { wrong("a character is there twice") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The field, the limit and the value of the error.
    fn refused(result: Result<ListQuery, Invalid>) -> (String, String, String) {
        let error = result.expect_err("refused");
        (error.field, error.limit, error.value)
    }

    fn is(field: &str, limit: &str, value: &str) -> (String, String, String) {
        (field.to_owned(), limit.to_owned(), value.to_owned())
    }

    #[test]
    fn integers_need_both_ends_in_order() {
        let (list, format) = List::integers("min=-5&max=9&count=3&format=text").expect("valid");
        assert_eq!(list, List::Integers { least: -5, most: 9, count: 3 });
        assert_eq!(format, Some(ListFormat::Text));
        let range = format!("{} to {}", i64::MIN, i64::MAX);
        assert_eq!(refused(List::integers("max=9")), is("min", &range, ""));
        let above = format!("7 to {}", i64::MAX);
        assert_eq!(refused(List::integers("min=7&max=6")), is("max", &above, "6"));
        assert!(List::integers("min=7&max=7").is_ok());
    }

    #[test]
    fn no_list_is_empty_or_longer_than_the_limit() {
        for (count, valid) in [("0", false), ("1", true), ("100000", true), ("100001", false)] {
            assert_eq!(List::uuids(&format!("count={count}")).is_ok(), valid, "{count}");
            assert_eq!(List::shuffle(&format!("n={count}")).is_ok(), valid, "{count}");
            let integers = List::integers(&format!("min=0&max=1&count={count}"));
            assert_eq!(integers.is_ok(), valid, "{count}");
        }
        assert_eq!(refused(List::shuffle("")), is("n", "1 to 100000", ""));
        assert_eq!(List::uuids("").expect("one").0, List::Uuids { count: 1 });
    }

    #[test]
    fn long_strings_are_fewer() {
        assert!(List::strings("length=4096&count=244").is_ok());
        let many = refused(List::strings("length=4096&count=245"));
        assert_eq!(many, is("count", "1 to 244", "245"));
        assert_eq!(refused(List::strings("length=4097")), is("length", "1 to 4096", "4097"));
    }

    #[test]
    fn an_alphabet_is_named_or_spelt_out_with_each_character_once() {
        let alphabet = |query: &str| match List::strings(query) {
            Ok((List::Strings { alphabet, .. }, _)) => alphabet.into_iter().collect::<String>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(alphabet("length=1&alphabet=hex"), "0123456789abcdef");
        assert_eq!(alphabet("length=1&alphabet=01"), "01");
        assert_eq!(alphabet("length=1&alphabet=%C3%A9%E2%82%AC"), "é€");
        assert_eq!(alphabet("length=1").len(), 62);
        for wrong in ["a", "", "abca", "a%00"] {
            let (field, _, _) = refused(List::strings(&format!("length=1&alphabet={wrong}")));
            assert_eq!(field, "alphabet", "{wrong:?}");
        }
    }

    #[test]
    fn every_named_alphabet_has_each_character_once() {
        for (name, characters) in ALPHABETS {
            let mut sorted: Vec<_> = characters.chars().collect();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), characters.len(), "{name}");
        }
    }

    #[test]
    fn unknown_parameters_are_refused() {
        let unknown = refused(List::uuids("n=4"));
        assert_eq!(unknown, is("n", "count, format", "4"));
    }
}
