//! Sizes in the configuration: `"16 MiB"`, or a number of bytes.

use std::fmt;

use bytesize::ByteSize;
use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Writes a size in its largest unit if that is exact, else in bytes.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
pub(crate) fn serialize<S: Serializer>(size: &ByteSize, to: S) -> Result<S::Ok, S::Error> {
    let text = size.to_string();
    if text.parse() == Ok(*size) {
        to.serialize_str(&text)
    } else {
        to.serialize_u64(size.as_u64())
    }
}

/// Reads a size; the error shows the format.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ByteSize, D::Error> {
    from.deserialize_any(Size)
}

struct Size;

fn wrong<E: Error>(got: impl fmt::Debug) -> E {
    E::custom(format!("must be a size such as \"16 MiB\", or a number of bytes (got {got:?})"))
}

impl Visitor<'_> for Size {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"16 MiB\", or a number of bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(|_| wrong(text))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<ByteSize, E> {
        u64::try_from(bytes).map(ByteSize::b).map_err(|_| wrong(bytes))
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize::b(bytes))
    }
}
