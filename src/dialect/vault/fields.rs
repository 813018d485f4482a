//! The members of a body as clients of Vault send them: numbers and switches may be text, and what is not
//! known is left aside.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use crate::api::bounded_list::{BoundedList, TOO_MANY};
use crate::api::json::without_mark;
use crate::http::body_reading::BodyLimits;
use crate::http::refusal::Refusal;

/// Limits of a body of settings.
pub(crate) const SETTINGS: BodyLimits = BodyLimits { bytes: 64 * 1024, copies: 2 };

/// Limits of a body of texts: Vault's own size, and the memory for text, sealed text and answer.
pub(crate) const TEXTS: BodyLimits = BodyLimits { bytes: 32 << 20, copies: 6 };

/// The most items of a batch.
const ITEMS_MOST: usize = 10_000;

/// The known members of one JSON object. Of a member that is there twice, the last counts.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(&'static str, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads a body: an object, `null`, or nothing. Of its members those of these names are kept.
    pub(crate) fn read(body: &'a [u8], names: &[&'static str]) -> Result<Self, Refusal> {
        let body = without_mark(body).trim_ascii();
        if body.is_empty() {
            return Ok(Self::default());
        }
        let kind = match body[0] {
            b'[' => "array",
            b'"' => "string",
            b't' | b'f' => "bool",
            b'-' | b'0'..=b'9' => "number",
            _ => "",
        };
        if !kind.is_empty() {
            return Err(Refusal::invalid(format!(
                "failed to decode JSON input: json: cannot unmarshal {kind} into Go value of type \
                 map[string]interface {{}}"
            )));
        }
        Self::object(body, names).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Refusal::invalid(format!("failed to decode JSON input: line {line}, column {column}"))
        })
    }

    fn object(body: &'a [u8], names: &[&'static str]) -> serde_json::Result<Self> {
        let mut from = serde_json::Deserializer::from_slice(body);
        let fields = Known(names).deserialize(&mut from)?;
        from.end()?;
        Ok(fields)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().rev().find(|(known, _)| *known == name)?;
        Some(value.get()).filter(|text| *text != "null")
    }

    /// Whether a member is there, and not `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A text; a number counts as its digits.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if let Ok(Text(text)) = serde_json::from_str(value) {
            return Ok(Some(text));
        }
        match value.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => Ok(Some(Cow::Borrowed(value))),
            _ => Err(invalid(name, "'' expected type 'string'")),
        }
    }

    /// A whole number, as such or as text.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let fault = "'' cannot parse value as 'int': strconv.ParseInt: invalid syntax";
        let text = text.trim();
        // Go counts an empty text as zero.
        let number = if text.is_empty() { Ok(0) } else { text.parse() };
        number.map(Some).map_err(|_| invalid(name, fault))
    }

    /// Yes or no, as such, as text or as a number.
    pub(crate) fn switch(&self, name: &'static str) -> Result<Option<bool>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.trim_matches('"') {
            "true" | "1" | "t" | "T" | "TRUE" | "True" => Ok(Some(true)),
            "false" | "0" | "" | "f" | "F" | "FALSE" | "False" => Ok(Some(false)),
            _ => {
                let fault = "'' cannot parse value as 'bool': strconv.ParseBool: invalid syntax";
                Err(invalid(name, fault))
            }
        }
    }

    /// A time in seconds: a number, or a text such as `24h`.
    pub(crate) fn seconds(&self, name: &'static str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let text = text.trim();
        let negative =
            |value: &str| invalid(name, &format!("cannot provide negative value '{value}'"));
        match text.parse::<i64>() {
            _ if text.is_empty() => Ok(Some(0)),
            Ok(seconds) => u64::try_from(seconds).map(Some).map_err(|_| negative(text)),
            Err(_) if text.starts_with('-') => Err(negative("-1")),
            Err(_) => match humantime::parse_duration(text) {
                Ok(time) => Ok(Some(time.as_secs())),
                Err(_) => Err(invalid(name, "'' is not a duration")),
            },
        }
    }

    /// The objects of a list, each with its members of these names.
    pub(crate) fn items(
        &self,
        name: &'static str,
        names: &[&'static str],
    ) -> Result<Option<Vec<Fields<'a>>>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let faulty =
            |fault: &str| Refusal::invalid(format!("failed to parse batch input: {fault}"));
        if !text.starts_with('[') {
            return Err(faulty("source data must be an array or slice"));
        }
        let items: BoundedList<&'a RawValue, ITEMS_MOST> =
            serde_json::from_str(text).map_err(|error| {
                let text = error.to_string();
                let is_long = text.starts_with(TOO_MANY);
                faulty(if is_long { text.split(" at line").next().unwrap_or(TOO_MANY) } else { "" })
            })?;
        let items = items.0.into_iter().map(|item| Self::read(item.get().as_bytes(), names));
        items.collect::<Result<_, _>>().map(Some)
    }
}

/// The text of OpenBao for a member of another type. Does not show the value.
fn invalid(name: &str, fault: &str) -> Refusal {
    Refusal::invalid(format!(
        "Field validation failed: error converting input for field \"{name}\": {fault}"
    ))
}

/// Reads the members of these names.
struct Known<'n>(&'n [&'static str]);

impl<'de> DeserializeSeed<'de> for Known<'_> {
    type Value = Fields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Fields<'de>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Known<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<Fields<'de>, E> {
        Ok(Fields::default())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut from: M) -> Result<Fields<'de>, M::Error> {
        let mut fields = Fields::default();
        while let Some(Text(name)) = from.next_key()? {
            match self.0.iter().find(|known| **known == name) {
                Some(known) => {
                    fields.0.retain(|(earlier, _)| earlier != known);
                    fields.0.push((known, from.next_value()?));
                }
                None => drop(from.next_value::<IgnoredAny>()?),
            }
        }
        Ok(fields)
    }
}

/// A text that is borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> de::Visitor<'de> for Any {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["bytes", "text", "on"];

    fn fields(body: &str) -> Fields<'_> {
        Fields::read(body.as_bytes(), &NAMES).expect(body)
    }

    #[test]
    fn an_object_null_and_nothing_are_bodies_and_the_rest_is_named() {
        for body in ["", " ", "null", "{}", "\u{feff}{}", "{\"other\":[1,{}]}"] {
            assert!(fields(body).0.is_empty(), "{body}");
        }
        for (body, kind) in
            [("[1]", "array"), ("\"x\"", "string"), ("1", "number"), ("true", "bool")]
        {
            let refused = Fields::read(body.as_bytes(), &NAMES).expect_err(body);
            assert!(refused.message.contains(&format!("unmarshal {kind} into")), "{refused:?}");
        }
        for body in ["{", "{}x", "nul", "{\"bytes\":}", "{\"secret\":1"] {
            let refused = Fields::read(body.as_bytes(), &NAMES).expect_err(body);
            assert!(refused.message.starts_with("failed to decode JSON input: line 1, column "));
            assert!(!refused.message.contains("secret"));
        }
    }

    #[test]
    fn numbers_and_switches_may_be_text_and_the_last_of_two_counts() {
        let it = fields(r#"{"bytes":1,"bytes":"16","text":5,"on":"true"}"#);
        assert_eq!(it.number("bytes").ok(), Some(Some(16)));
        assert_eq!(it.text("text").expect("digits").as_deref(), Some("5"));
        assert_eq!(it.switch("on").ok(), Some(Some(true)));
        let it = fields(r#"{"bytes":null,"text":"a\/b","on":1}"#);
        assert_eq!(it.number("bytes").ok(), Some(None));
        assert_eq!(it.text("text").expect("a text").as_deref(), Some("a/b"));
        assert_eq!(it.switch("on").ok(), Some(Some(true)));
        let it = fields(r#"{"bytes":"secret","text":{},"on":"secret"}"#);
        for refused in [it.number("bytes").err(), it.text("text").err(), it.switch("on").err()] {
            let message = refused.expect("another type").message;
            assert!(message.starts_with("Field validation failed") && !message.contains("secret"));
        }
    }
}
