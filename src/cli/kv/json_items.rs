//! A streaming reader of JSON: the items of an array, or values one after the other. A file may be
//! larger than memory.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;

use serde::Deserializer as _;
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde_json::{Deserializer, Error};

use crate::api::json::BYTE_ORDER_MARK;
use crate::cli::error::CommandError;
use crate::exitcode::Exit;

/// Calls `act` with every item and its number, from 1. Returns the number of items.
pub(crate) fn each<T: DeserializeOwned>(
    from: impl Read,
    named: &str,
    act: impl FnMut(usize, T) -> Result<(), CommandError>,
) -> Result<usize, CommandError> {
    let mut from = BufReader::with_capacity(1 << 18, from);
    let first = after_mark(&mut from)
        .map_err(|error| CommandError::new(Exit::Io, format!("{named}: {error}")))?;
    let mut walk = Walk { act, number: 0, error: None, item: PhantomData };
    let walked = if first == Some(b'[') {
        let mut json = Deserializer::from_reader(from);
        json.deserialize_seq(&mut walk).and_then(|()| json.end())
    } else {
        let mut items = Deserializer::from_reader(from).into_iter::<T>();
        items.try_for_each(|item| walk.step(item?))
    };
    match (walk.error, walked) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => Ok(walk.number),
        (None, Err(error)) => {
            let number = walk.number + 1;
            Err(CommandError::data(format!("{named}: item {number}: {error}")))
        }
    }
}

/// The first byte that is not white space; it is not consumed.
/// The first byte of JSON, after a byte order mark, which some editors write.
fn after_mark(from: &mut impl BufRead) -> std::io::Result<Option<u8>> {
    if from.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        from.consume(BYTE_ORDER_MARK.len());
    }
    first(from)
}

fn first(from: &mut impl BufRead) -> std::io::Result<Option<u8>> {
    loop {
        let buffer = from.fill_buf()?;
        match buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
            Some(at) => return Ok(Some(buffer[at])),
            None if buffer.is_empty() => return Ok(None),
            None => {
                let skipped = buffer.len();
                from.consume(skipped);
            }
        }
    }
}

struct Walk<A, T> {
    act: A,
    number: usize,
    error: Option<CommandError>,
    item: PhantomData<T>,
}

impl<T, A: FnMut(usize, T) -> Result<(), CommandError>> Walk<A, T> {
    fn step(&mut self, item: T) -> Result<(), Error> {
        let done = (self.act)(self.number + 1, item);
        self.number += 1;
        done.map_err(|error| {
            self.error = Some(error);
            Error::custom("stopped")
        })
    }
}

impl<'de, T: DeserializeOwned, A: FnMut(usize, T) -> Result<(), CommandError>> Visitor<'de>
    for &mut Walk<A, T>
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<(), S::Error> {
        while let Some(item) = items.next_element()? {
            self.step(item).map_err(S::Error::custom)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, CommandError> {
        let mut found = Vec::new();
        each(text.as_bytes(), "x", |number, item: String| {
            assert_eq!(number, found.len() + 1);
            found.push(item);
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn an_array_and_a_row_of_objects_are_read_alike() {
        for text in [" [\"a\", \"b\"] ", "\n\"a\"\n\"b\"\n", "\"a\" \"b\""] {
            assert_eq!(read(text).expect("items"), ["a", "b"], "{text}");
        }
        assert!(read("").expect("none").is_empty() && read(" [] ").expect("none").is_empty());
        for text in ["[\"a\"", "[\"a\"] x", "[1]", "\"a", "{\"a\":1}"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
