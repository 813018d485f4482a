//! JSON as it was written: without white space between its parts, every number to its last digit.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Error, from_slice};

/// U+FEFF in UTF-8. Some programs begin a file or a body with it, and a parser may ignore it (RFC 8259 §8.1).
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text after a byte order mark.
pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Text that is one JSON value. Members keep their order, and numbers their digits.
///
/// A `serde_json::Value` would hold numbers of more than 64 bits as the nearest ones of 53, and take many
/// times its text in memory.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Reads all of it: a parser that only skips a value accepts more than one that keeps it. A byte order
    /// mark before it is skipped.
    ///
    /// # Errors
    /// When it is not JSON in UTF-8, is nested deeper than 127, or has a number beyond a double's range.
    pub fn read(json: &[u8]) -> Result<Self, Error> {
        let json = without_mark(json);
        from_slice::<Readable>(json)?;
        let text = std::str::from_utf8(json).map_err(Error::custom)?;
        RawValue::from_string(compact(text)?).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        Self::read(raw.get().as_bytes()).map_err(D::Error::custom)
    }
}

impl JsonSchema for Json {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    /// Any value.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.text().len())
    }
}

/// JSON without white space between its parts, and with no escape that is not needed. No string is in memory
/// besides: one can be as long as the text.
fn compact(json: &str) -> Result<String, Error> {
    let mut compact = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((parts, string)) = rest.split_once('"') {
        compact.extend(parts.split_ascii_whitespace());
        compact.push('"');
        rest = string;
        while let Some(at) = rest.find(['"', '\\']) {
            let (plain, other) = rest.split_at(at);
            compact.push_str(plain);
            if let Some(behind) = other.strip_prefix('"') {
                compact.push('"');
                rest = behind;
                break;
            }
            let (escape, behind) = other.split_at(escape_length(other));
            match escape.as_bytes() {
                [_, b'/'] => compact.push('/'),
                [_, b'u', ..] => {
                    let text: String = serde_json::from_str(&format!("\"{escape}\""))?;
                    let shortest = serde_json::to_string(&text)?;
                    compact.push_str(&shortest[1..shortest.len() - 1]);
                }
                _ => compact.push_str(escape),
            }
            rest = behind;
        }
    }
    compact.extend(rest.split_ascii_whitespace());
    Ok(compact)
}

/// The length in bytes of the escape that the text begins with: of a character's both halves where it has two.
fn escape_length(text: &str) -> usize {
    let is_half = |half: &str| {
        matches!(
            half.as_bytes(),
            [b'\\', b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'b' | b'A'..=b'B', ..]
        )
    };
    let length = match text.as_bytes() {
        [_, b'u', ..] if is_half(text) && text[6..].starts_with("\\u") => 12,
        [_, b'u', ..] => 6,
        _ => 2,
    };
    length.min(text.len())
}

/// Any JSON value, fully parsed and dropped.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Self, S::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self, M::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, from_str};

    #[test]
    fn numbers_keep_their_digits_and_members_their_order() {
        for json in [
            "18446744073709551616",
            "-123456789012345678901234567890",
            "0.1000000000000000055511151231257827",
            "1.0",
            "-0",
            "1E5",
            r#"{"b":1e-7,"a":[2.50,{"$serde_json::private::RawValue":"1"}]}"#,
            "null",
            r#""\u001f\" ä""#,
        ] {
            assert_eq!(Json::read(json.as_bytes()).expect("JSON").text(), json);
            assert_eq!(from_str::<Json>(json).expect("JSON").text(), json);
        }
    }

    #[test]
    fn only_space_and_needless_escapes_go() {
        let json = " { \"a b\" :\r\n [ 1 ,\t\"\\u00e4 \\/ \\\\\\\" \" ] } ";
        assert_eq!(Json::read(json.as_bytes()).expect("JSON").text(), r#"{"a b":[1,"ä / \\\" "]}"#);
        let json = r#""\u0041\ud83c\uDF0B\u0008\u001f\u2028\\u0041\u0022\b\f\n\r\t\"""#;
        let shortest = "\"A🌋\\b\\u001f\u{2028}\\\\u0041\\\"\\b\\f\\n\\r\\t\\\"\"";
        assert_eq!(Json::read(json.as_bytes()).expect("JSON").text(), shortest);
    }

    #[test]
    fn json_that_a_full_parser_refuses_is_refused() {
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Json::read(deep(127).as_bytes()).is_ok() && Json::read(b"1e308").is_ok());
        for json in [
            b"".as_slice(),
            b"{} {}",
            b"{\"a\":1e309}",
            deep(128).as_bytes(),
            b"\"\xff\"",
            b"[\"\\ud800\"]",
            b"\"\n\"",
            b"01",
            b"1 2",
            b"\x0c1",
        ] {
            assert!(Json::read(json).is_err(), "{}", String::from_utf8_lossy(json));
        }
    }

    proptest! {
        /// As strict as a parser that keeps every value, and the kept text parses to the same value.
        #[test]
        fn it_is_read_as_before(json in r#"[\[\]{},:" \\ntu0-9e.ä-]{0,12}|\[[ 0-9a-z".,-]{0,9}\]"#) {
            let expected = from_str::<Value>(&json).ok();
            let read = Json::read(json.as_bytes()).ok();
            let reread = read.map(|read| from_str::<Value>(read.text()).expect("JSON still"));
            prop_assert_eq!(reread, expected);
        }
    }
}
