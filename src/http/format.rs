//! The formats of randomness, and content negotiation by `Accept`.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::header::ACCEPT;

/// A format of `/random`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RandomFormat {
    /// The bytes themselves.
    Raw,
    /// Lower-case hexadecimal digits and a newline.
    Hex,
    /// RFC 4648 §4 with padding, and a newline.
    Base64,
    /// RFC 4648 §5 without padding, and a newline.
    Base64Url,
    /// An object with the bytes in hexadecimal.
    Json,
}

impl RandomFormat {
    /// Every format, as `format=` names it.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("raw", Self::Raw),
        ("hex", Self::Hex),
        ("base64", Self::Base64),
        ("base64url", Self::Base64Url),
        ("json", Self::Json),
    ];

    /// The offers of `/random` for `Accept`, the preferred one first.
    pub const OFFERS: [(&'static str, Self); 3] =
        [(OCTETS, Self::Raw), (PLAIN, Self::Hex), (JSON, Self::Json)];

    /// The media type of an answer in this format.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Raw => OCTETS,
            Self::Hex | Self::Base64 | Self::Base64Url => PLAIN,
            Self::Json => JSON,
        }
    }
}

/// A format of lists: integers, UUIDs, strings, permutations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListFormat {
    /// One JSON object.
    Json,
    /// One item per line.
    Text,
}

impl ListFormat {
    /// Every format, as `format=` names it.
    pub const NAMES: [(&'static str, Self); 2] = [("json", Self::Json), ("text", Self::Text)];

    /// The offers of lists for `Accept`, the preferred one first.
    pub const OFFERS: [(&'static str, Self); 2] = [(JSON, Self::Json), (PLAIN, Self::Text)];

    /// The media type of an answer in this format.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Text => PLAIN,
        }
    }
}

const OCTETS: &str = "application/octet-stream";
const PLAIN: &str = "text/plain";
const JSON: &str = "application/json";

/// The value of `Accept`, of all its lines (RFC 9110 §5.3); `None` without any. What is not text accepts
/// nothing.
pub(crate) fn accept(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut lines = headers.get_all(ACCEPT).iter().map(|line| line.to_str().unwrap_or("?"));
    let first = Cow::Borrowed(lines.next()?);
    Some(lines.fold(first, |all, line| Cow::Owned(format!("{all}, {line}"))))
}

/// The most media ranges read from one `Accept` header; browsers send fewer than ten.
const MAX_RANGES: usize = 32;

/// The offer that `accept` prefers (RFC 9110 §12.5.1), the first one without a preference, or `None`
/// when it accepts none of them.
#[must_use]
pub fn negotiate<T: Copy>(accept: Option<&str>, offers: &[(&str, T)]) -> Option<T> {
    let Some(accept) = accept.filter(|accept| !matches!(accept.trim(), "" | "*/*")) else {
        return offers.first().map(|(_, value)| *value);
    };
    let mut best: Option<(u16, T)> = None;
    for (media_type, value) in offers {
        let quality = quality_of(media_type, accept);
        if quality > 0 && best.is_none_or(|(so_far, _)| quality > so_far) {
            best = Some((quality, *value));
        }
    }
    best.map(|(_, value)| value)
}

/// The weight of `media_type` in thousandths, by the most specific matching range.
fn quality_of(media_type: &str, accept: &str) -> u16 {
    let kind = media_type.split('/').next().unwrap_or_default();
    let mut found = (0, 0);
    for range in accept.split(',').take(MAX_RANGES) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let specificity = if name.eq_ignore_ascii_case(media_type) {
            3
        } else if name.strip_suffix("/*").is_some_and(|of| of.eq_ignore_ascii_case(kind)) {
            2
        } else if name == "*/*" {
            1
        } else {
            continue;
        };
        let quality = parts
            .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .map_or(1000, thousandths);
        if specificity > found.0 {
            found = (specificity, quality);
        }
    }
    found.1
}

/// A weight such as `0.5` in thousandths; other text counts as zero.
fn thousandths(weight: &str) -> u16 {
    let weight = weight.trim();
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return 0;
    }
    match whole {
        "1" => 1000,
        "0" => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(accept: &str) -> Option<RandomFormat> {
        negotiate(Some(accept), &RandomFormat::OFFERS)
    }

    #[test]
    fn no_preference_gets_the_first_offer() {
        assert_eq!(negotiate(None, &RandomFormat::OFFERS), Some(RandomFormat::Raw));
        assert_eq!(random("*/*"), Some(RandomFormat::Raw));
        assert_eq!(random(""), Some(RandomFormat::Raw));
        assert_eq!(negotiate(None, &ListFormat::OFFERS), Some(ListFormat::Json));
    }

    #[test]
    fn a_named_type_is_given() {
        assert_eq!(random("application/octet-stream"), Some(RandomFormat::Raw));
        assert_eq!(random("text/plain"), Some(RandomFormat::Hex));
        assert_eq!(random("Application/JSON"), Some(RandomFormat::Json));
        assert_eq!(random("text/*"), Some(RandomFormat::Hex));
        assert_eq!(random("text/html, application/json;charset=utf-8"), Some(RandomFormat::Json));
    }

    #[test]
    fn weights_decide_and_the_most_specific_range_gives_the_weight() {
        assert_eq!(random("text/plain;q=0.5, application/json;q=0.501"), Some(RandomFormat::Json));
        assert_eq!(random("*/*;q=0.1, text/plain"), Some(RandomFormat::Hex));
        assert_eq!(random("application/octet-stream;q=0, */*"), Some(RandomFormat::Hex));
        assert_eq!(random("text/plain; q=1.0, application/json; q=1"), Some(RandomFormat::Hex));
    }

    #[test]
    fn nothing_acceptable_is_none() {
        assert_eq!(random("text/html"), None);
        assert_eq!(random("*/*;q=0"), None);
        assert_eq!(random("text/plain;q=2"), None);
        assert_eq!(random("text/plain;q=0.1234"), None);
    }
}
