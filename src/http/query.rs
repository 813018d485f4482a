//! Query strings: every parameter is known, given once and within its limits, or an error names it.
//! Pure: bytes in, values out.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::http::format::{ListFormat, RandomFormat};

/// The most characters of an invalid name or value that are repeated to the caller.
const ECHO_CHARS: usize = 64;

/// An invalid parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The parameter's name, cut to a bounded length.
    pub field: String,
    /// The fault, in a sentence.
    pub reason: &'static str,
    /// The valid values.
    pub limit: String,
    /// The given value, cut to a bounded length.
    pub value: String,
}

impl Invalid {
    /// `field` was given as `value` and must be within `limit`.
    pub fn new(field: &str, reason: &'static str, limit: impl Into<String>, value: &str) -> Self {
        Self { field: bounded(field), reason, limit: limit.into(), value: bounded(value) }
    }
}

/// The values of the parameters called `names`, in that order.
///
/// # Errors
/// A name that is not among them, a name given twice, or text that is not UTF-8.
pub(crate) fn parse<'q, const N: usize>(
    query: &'q str,
    names: &[&'static str; N],
) -> Result<[Option<Cow<'q, str>>; N], Invalid> {
    let mut values = [const { None }; N];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(at) = names.iter().position(|known| *known == name) else {
            return Err(Invalid::new(
                &name,
                "there is no such parameter",
                names.join(", "),
                &value,
            ));
        };
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Invalid::new(&name, "the value is not UTF-8", "UTF-8 text", &value));
        }
        if values[at].replace(value).is_some() {
            let last = values[at].as_deref().unwrap_or_default();
            return Err(Invalid::new(&name, "the parameter is given more than once", "once", last));
        }
    }
    Ok(values)
}

/// A whole number within `range`, or `default` when the parameter is not there.
///
/// # Errors
/// When it is missing without a default, is not a number, or is out of range.
pub(crate) fn number<T: FromStr + PartialOrd + Display>(
    field: &'static str,
    value: Option<&str>,
    range: &RangeInclusive<T>,
    default: Option<T>,
) -> Result<T, Invalid> {
    let limit = || format!("{} to {}", range.start(), range.end());
    let Some(value) = value else {
        return default.ok_or_else(|| Invalid::new(field, "the parameter is needed", limit(), ""));
    };
    // FromStr also takes "+5": one way to write a number is enough.
    match value.parse().ok().filter(|_| !value.starts_with('+')) {
        Some(number) if range.contains(&number) => Ok(number),
        Some(_) => Err(Invalid::new(field, "the number is out of range", limit(), value)),
        None => Err(Invalid::new(field, "this is not a whole number in range", limit(), value)),
    }
}

/// One of `choices`, or `None` when the parameter is not there.
///
/// # Errors
/// When it is another value.
pub(crate) fn choice<T: Copy>(
    field: &'static str,
    value: Option<&str>,
    choices: &[(&'static str, T)],
) -> Result<Option<T>, Invalid> {
    let Some(value) = value else { return Ok(None) };
    choices.iter().find(|(name, _)| *name == value).map(|(_, choice)| Some(*choice)).ok_or_else(
        || {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            Invalid::new(field, "there is no such choice", names.join(", "), value)
        },
    )
}

/// The query of `/random`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomQuery {
    /// The number of bytes.
    pub bytes: u64,
    /// The format; by `Accept` when `None`.
    pub format: Option<RandomFormat>,
    /// Whether only samples taken after the request count.
    pub fresh: bool,
}

/// The values of `fresh=`.
const FLAG: [(&str, bool); 2] = [("true", true), ("false", false)];

impl RandomQuery {
    /// The parameters of `/random`.
    pub const NAMES: [&'static str; 3] = ["bytes", "format", "fresh"];

    /// The default of `bytes=`: one key.
    pub const DEFAULT_BYTES: u64 = 32;

    /// Reads the query of `/random`.
    ///
    /// # Errors
    /// Names the invalid parameter.
    pub fn parse(query: &str, max_bytes: u64) -> Result<Self, Invalid> {
        let [bytes, format, fresh] = parse(query, &Self::NAMES)?;
        let default = Self::DEFAULT_BYTES.min(max_bytes);
        Ok(Self {
            bytes: number("bytes", bytes.as_deref(), &(1..=max_bytes), Some(default))?,
            format: choice("format", format.as_deref(), &RandomFormat::NAMES)?,
            fresh: choice("fresh", fresh.as_deref(), &FLAG)?.unwrap_or(false),
        })
    }
}

/// Reads `format=` of a list.
///
/// # Errors
/// When the format is unknown.
pub(crate) fn list_format(value: Option<&str>) -> Result<Option<ListFormat>, Invalid> {
    choice("format", value, &ListFormat::NAMES)
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 1 << 30;

    fn random(query: &str) -> Result<RandomQuery, Invalid> {
        RandomQuery::parse(query, MAX)
    }

    #[test]
    fn nothing_asked_is_32_bytes() {
        let expected = RandomQuery { bytes: 32, format: None, fresh: false };
        assert_eq!(random(""), Ok(expected));
        assert_eq!(RandomQuery::parse("", 16).map(|query| query.bytes), Ok(16));
    }

    #[test]
    fn everything_asked_is_understood() {
        let expected = RandomQuery { bytes: 7, format: Some(RandomFormat::Base64Url), fresh: true };
        assert_eq!(random("format=base64url&fresh=true&bytes=7"), Ok(expected));
        assert_eq!(random("%62ytes=%37&format=base64url&fresh=true"), Ok(expected));
    }

    #[test]
    fn both_ends_of_the_range_are_held() {
        for (value, valid) in
            [("0", false), ("1", true), ("1073741824", true), ("1073741825", false)]
        {
            assert_eq!(random(&format!("bytes={value}")).is_ok(), valid, "{value}");
        }
        let error = random("bytes=0").expect_err("none");
        assert_eq!(error.field, "bytes");
        assert_eq!(error.limit, "1 to 1073741824");
        assert_eq!(error.value, "0");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for value in ["", "-1", "+1", "1e3", "0x10", "1.0", " 1", "99999999999999999999", "١"] {
            let error = random(&format!("bytes={value}")).expect_err(value);
            assert_eq!(error.field, "bytes", "{value}");
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        let error = random("byte=4").expect_err("unknown");
        assert_eq!((error.field.as_str(), error.value.as_str()), ("byte", "4"));
        assert_eq!(error.limit, "bytes, format, fresh");
        let error = random("bytes=4&bytes=4").expect_err("twice");
        assert_eq!((error.field.as_str(), error.limit.as_str()), ("bytes", "once"));
        let error = random("Bytes=4").expect_err("names have one spelling");
        assert_eq!(error.field, "Bytes");
    }

    #[test]
    fn a_wrong_choice_names_the_right_ones() {
        let error = random("format=octal").expect_err("no such form");
        assert_eq!(error.limit, "raw, hex, base64, base64url, json");
        assert_eq!(random("fresh=1").expect_err("a flag").limit, "true, false");
    }

    #[test]
    fn hostile_text_comes_back_bounded() {
        let long = "é".repeat(10_000);
        let error = random(&format!("{long}={long}")).expect_err("unknown");
        assert_eq!(error.field.chars().count(), ECHO_CHARS + 1);
        assert_eq!(error.value.chars().count(), ECHO_CHARS + 1);
        assert_eq!(random("bytes=%ff").expect_err("bad UTF-8").reason, "the value is not UTF-8");
    }

    proptest::proptest! {
        #[test]
        fn any_query_is_answered_or_refused_without_panic(query in ".{0,200}") {
            if let Err(error) = random(&query) {
                assert!(error.field.chars().count() <= ECHO_CHARS + 1);
                assert!(error.value.chars().count() <= ECHO_CHARS + 1);
            }
        }
    }
}
