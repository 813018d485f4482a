//! The pairs of a bulk write, decoded in the buffer that received them: each value is in memory once.
//!
//! ```text
//! received   [{"key":"a\u0062","value":"aGVsbG8=","base64":true}, …
//! decoded    [{"key":"abu0062","value":"helloG8=","base64":true}, …
//!                     └┴ name           └┴┴┴┴ value
//! ```
//! An escaped string is longer than its text, base64 longer than its bytes, and JSON longer than the same
//! without spaces.

use std::ops::{Range, RangeInclusive};

use data_encoding::BASE64;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::api::bounded_list::BoundedList;
use crate::api::json::Json;
use crate::api::store::{BULK_RECORDS, BulkPut};
use crate::dialect::workers_kv::values::{check_new_name, expirations, lives};
use crate::http::body_reading::{ReceivedBody, read_json};
use crate::http::refusal::{Class, Part, Refusal, Subject};
use crate::kv::{METADATA_LIMIT, Put};

/// The most bytes of one pair's metadata as it is sent, spaces and escapes included.
const METADATA_TEXT_LIMIT: usize = 64 * METADATA_LIMIT;

/// Base64 that is decoded at a time, in bytes.
const BASE64_CHUNK: usize = 4096;

/// The names under which records may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Those of new records ([`check_new_name`]).
    New,
    /// All that a record can have.
    Any,
}

/// A bulk write, decoded.
pub(crate) struct BulkBody {
    body: ReceivedBody,
    pairs: Vec<DecodedPair>,
}

/// One record as it is sent: its parts are decoded later, in their places.
type SentPair<'a> = BulkPut<&'a RawValue, &'a RawValue>;

/// Where in the buffer the parts of a record are.
struct DecodedPair {
    name: Range<usize>,
    value: Range<usize>,
    metadata: Option<Range<usize>>,
    is_base64: bool,
    expiry: Option<u64>,
}

impl BulkBody {
    /// Decodes a body at the time `now`.
    ///
    /// # Errors
    /// When it is not a list of pairs, has too many of them, or one with a name that is not allowed.
    pub(crate) fn decode(mut body: ReceivedBody, names: Names, now: u64) -> Result<Self, Refusal> {
        let mut pairs = read_pairs(&body.bytes, now)?;
        for (pair, number) in pairs.iter_mut().zip(1..) {
            decode_pair(&mut body.bytes, pair, number)?;
        }
        let decoded = Self { body, pairs };
        if names == Names::New {
            for (put, number) in decoded.puts().iter().zip(1..) {
                check_new_name(put.name).map_err(|why| {
                    Refusal::invalid_part(Part::Name, format!("pair {number}: {}", why.message))
                })?;
            }
        }
        Ok(decoded)
    }

    /// The number of records.
    pub(crate) fn count(&self) -> usize {
        self.pairs.len()
    }

    /// The records.
    pub(crate) fn puts(&self) -> Vec<Put<'_>> {
        let bytes = &self.body.bytes;
        let put = |pair: &DecodedPair| Put {
            name: str::from_utf8(&bytes[pair.name.clone()]).expect("JSON strings are UTF-8"),
            value: &bytes[pair.value.clone()],
            metadata: pair.metadata.clone().map(|place| &bytes[place]),
            expiry: pair.expiry,
        };
        self.pairs.iter().map(put).collect()
    }
}

/// The places of the pairs, still encoded.
fn read_pairs(body: &[u8], now: u64) -> Result<Vec<DecodedPair>, Refusal> {
    let BoundedList(sent) = read_json::<BoundedList<SentPair<'_>, BULK_RECORDS>>(body)?;
    if sent.is_empty() {
        let message = format!("the list must have 1 to {BULK_RECORDS} items (got 0)");
        return Err(Refusal::invalid(message));
    }
    let place = |raw: &RawValue| {
        let start = raw.get().as_ptr().addr() - body.as_ptr().addr();
        start..start + raw.get().len()
    };
    let pairs = sent.iter().zip(1..).map(|(pair, number)| {
        let metadata = pair.metadata.map(place);
        let length = metadata.as_ref().map_or(0, Range::len);
        if length > METADATA_TEXT_LIMIT {
            let why =
                format!("pair {number}: metadata: at most {METADATA_LIMIT} bytes (got {length})");
            return Err(Refusal::new(Class::TooLarge, Subject::Part(Part::Metadata), why));
        }
        let expiry = match seconds(number, Part::TimeToLive, pair.expiration_ttl, lives())? {
            Some(ttl) => Some(now.saturating_add(ttl)),
            // Ignored beside a time to live, as the service does.
            None => seconds(number, Part::Expiration, pair.expiration, expirations(now))?,
        };
        let (name, value) = (place(pair.key), place(pair.value));
        Ok(DecodedPair { name, value, metadata, is_base64: pair.base64, expiry })
    });
    pairs.collect()
}

/// Decodes the parts of a pair in their places.
fn decode_pair(body: &mut [u8], pair: &mut DecodedPair, number: usize) -> Result<(), Refusal> {
    let wrong = |field, why| Refusal::invalid(format!("pair {number}: {field}: {why}"));
    let wrong_metadata = || {
        let why = format!("pair {number}: metadata: is too deep or large to be read");
        Refusal::invalid_part(Part::Metadata, why)
    };
    pair.name = unescape(body, &pair.name).ok_or_else(|| wrong("key", "is not text"))?;
    pair.value = unescape(body, &pair.value).ok_or_else(|| wrong("value", "is not text"))?;
    if pair.is_base64 {
        let decoded = decode_base64(body, &pair.value);
        pair.value = decoded.ok_or_else(|| wrong("value", "is not base64"))?;
    }
    if let Some(metadata) = &pair.metadata {
        pair.metadata = Some(compact(body, metadata).ok_or_else(wrong_metadata)?);
    }
    Ok(())
}

/// Seconds as clients send them, floating-point numbers; a fraction of a second is dropped.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be within 53 bits; the fraction is to be dropped"
)]
fn seconds(
    number: usize,
    part: Part,
    value: Option<f64>,
    range: RangeInclusive<u64>,
) -> Result<Option<u64>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    if (0.0..9e15).contains(&value) && range.contains(&(value as u64)) {
        return Ok(Some(value as u64));
    }
    let field = if part == Part::TimeToLive { "expiration_ttl" } else { "expiration" };
    let (least, most) = (range.start(), range.end());
    let why = format!("pair {number}: {field}: must be {least} to {most} (got {value})");
    Err(Refusal::invalid_part(part, why))
}

/// Decodes a JSON string, quotes included, in its place; `None` when the value is no string, or has half of a
/// surrogate pair.
fn unescape(body: &mut [u8], string: &Range<usize>) -> Option<Range<usize>> {
    let text = body[string.clone()].strip_prefix(b"\"")?.len();
    let start = string.end - text;
    let text = &mut body[start..string.end - 1];
    let (mut from, mut to) = (0, 0);
    while from < text.len() {
        let plain = text[from..].iter().position(|byte| *byte == b'\\');
        let plain = plain.unwrap_or(text.len() - from);
        text.copy_within(from..from + plain, to);
        (from, to) = (from + plain, to + plain);
        if from == text.len() {
            break;
        }
        let (character, length) = escaped(&text[from..])?;
        from += length;
        to += character.encode_utf8(&mut text[to..from]).len();
    }
    Some(start..start + to)
}

/// The character of an escape sequence, and the bytes of the sequence (RFC 8259 §7).
fn escaped(text: &[u8]) -> Option<(char, usize)> {
    let simple = match text.get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let high = code_unit(text)?;
            if let Some(character) = char::from_u32(u32::from(high)) {
                return Some((character, 6));
            }
            let low = text.get(6..).filter(|rest| rest.starts_with(b"\\u")).and_then(code_unit)?;
            let character = char::decode_utf16([high, low]).next()?.ok()?;
            return Some((character, 12));
        }
        other => char::from(*other),
    };
    Some((simple, 2))
}

fn code_unit(escape: &[u8]) -> Option<u16> {
    let digits = str::from_utf8(escape.get(2..6)?).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

/// Decodes base64 in its place; `None` when it is not base64.
fn decode_base64(body: &mut [u8], place: &Range<usize>) -> Option<Range<usize>> {
    let text = &mut body[place.clone()];
    let mut decoded = Zeroizing::new([0; BASE64_CHUNK / 4 * 3]);
    let (mut from, mut to) = (0, 0);
    while from < text.len() {
        let chunk = &text[from..text.len().min(from + BASE64_CHUNK)];
        let room = BASE64.decode_len(chunk.len()).ok()?;
        let length = BASE64.decode_mut(chunk, &mut decoded[..room]).ok()?;
        from += chunk.len();
        text[to..to + length].copy_from_slice(&decoded[..length]);
        to += length;
    }
    Some(place.start..place.start + to)
}

/// Takes the spaces out of metadata in its place.
fn compact(body: &mut [u8], place: &Range<usize>) -> Option<Range<usize>> {
    let json = Json::read(&body[place.clone()]).ok()?;
    let text = json.text().as_bytes();
    let compact = place.start..place.start + text.len();
    body.get_mut(compact.clone()).filter(|_| compact.end <= place.end)?.copy_from_slice(text);
    Some(compact)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use proptest::prelude::*;

    fn unescaped(json: &str) -> Option<String> {
        let mut body = [b"#", json.as_bytes(), b"#"].concat();
        let end = body.len() - 1;
        let text = unescape(&mut body, &(1..end))?;
        assert!(body.starts_with(b"#") && body.ends_with(b"#"), "only its own place is written");
        Some(String::from_utf8(body[text].to_vec()).expect("UTF-8"))
    }

    fn decoded(base64: &[u8]) -> Option<Vec<u8>> {
        let mut body = [b"#", base64, b"#"].concat();
        let end = body.len() - 1;
        let bytes = decode_base64(&mut body, &(1..end))?;
        assert!(body.starts_with(b"#") && body.ends_with(b"#"), "only its own place is written");
        Some(body[bytes].to_vec())
    }

    #[test]
    fn escapes_are_read_as_the_parser_reads_them() {
        for json in [
            r#""""#,
            r#""plain ä""#,
            r#""\"\\\/\b\f\n\r\t""#,
            r#""a\u0041\u00e4\u20ac\ud83d\ude00z""#,
            r#""\uD83D\uDE00\u0000""#,
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            r#""\ud800\n""#,
            r#""\ud800\ud800""#,
            r#""\udc00""#,
            "17",
            "[\"a\"]",
            "null",
        ] {
            assert_eq!(unescaped(json), serde_json::from_str(json).ok(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_however_it_was_escaped(text in any::<String>(), every in 1_usize..4) {
            let plain = serde_json::to_string(&text).expect("text");
            prop_assert_eq!(unescaped(&plain), Some(text.clone()));
            let mut units = String::new();
            for (at, character) in text.chars().enumerate() {
                if at % every == 0 || character.is_control() || "\"\\".contains(character) {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        // Writing to a String cannot fail.
                        let _ = write!(units, "\\u{unit:04x}");
                    }
                } else {
                    units.push(character);
                }
            }
            prop_assert_eq!(unescaped(&format!("\"{units}\"")), Some(text));
        }

        #[test]
        fn any_bytes_come_back_from_base64(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
            let text = BASE64.encode(&bytes);
            prop_assert_eq!(decoded(text.as_bytes()), Some(bytes));
        }
    }

    #[test]
    fn metadata_is_read_only_where_it_may_fit_and_kept_without_spaces() {
        let metadata = |json: String| {
            let mut body = format!(r#"[{{"key":"a","value":"","metadata":{json}}}]"#).into_bytes();
            let mut pairs = read_pairs(&body, 0)?;
            decode_pair(&mut body, &mut pairs[0], 1)?;
            Ok::<_, Refusal>(pairs[0].metadata.clone().map(|place| body[place].to_vec()))
        };
        assert_eq!(metadata("null".into()).expect("none"), None);
        let spaces = " ".repeat(2 * METADATA_LIMIT);
        let kept = metadata(format!("{{ \"b\" :{spaces}[1, \"ä\"] }}")).expect("fits");
        assert_eq!(kept.as_deref(), Some("{\"b\":[1,\"ä\"]}".as_bytes()));
        for bad in ["[".repeat(200) + &"]".repeat(200), "1e999".into()] {
            assert!(metadata(bad).is_err());
        }
        // Never read: it would be no JSON that can be.
        let long = "[".repeat(METADATA_TEXT_LIMIT) + &"]".repeat(METADATA_TEXT_LIMIT);
        let refusal = metadata(long).expect_err("too long");
        assert!(format!("{refusal:?}").contains("at most 1024 bytes (got 131072)"), "{refusal:?}");
    }

    #[test]
    fn seconds_are_within_their_range_and_their_fraction_is_dropped() {
        for (value, expected) in [
            (Some(60.0), Some(Some(60))),
            (None, Some(None)),
            (Some(59.0), None),
            (Some(60.5), Some(Some(60))),
            (Some(59.9), None),
            (Some(100.9), Some(Some(100))),
            (Some(-0.5), None),
            (Some(-1.0), None),
            (Some(f64::NAN), None),
            (Some(1e300), None),
        ] {
            let read = seconds(1, Part::TimeToLive, value, 60..=100).ok();
            assert_eq!(read, expected, "{value:?}");
        }
    }

    #[test]
    fn text_that_is_not_base64_is_refused() {
        for text in ["a", "aGVsbG8", "aGVsbG8*", "aGVsb=8="] {
            assert_eq!(decoded(text.as_bytes()), BASE64.decode(text.as_bytes()).ok(), "{text}");
        }
        assert_eq!(decoded(b"a"), None);
    }
}
