//! The format of the store as a whole, in a row that is read before any other.
//!
//! ```text
//! 4  format        4  format, each bit inverted
//! ```
//! The row is not sealed: a later version may seal rows in another way, and is still recognized.

use std::iter;

use crate::kv::engine::{Change, Table};
use crate::kv::error::KvError;
use crate::kv::store::Store;

/// The key of the row with the format.
pub(crate) const FORMAT_KEY: &[u8] = b"format";

/// The format of a store that one process writes. A store without the row has it.
const FORMAT: u32 = 1;

/// The format of a store that several nodes write: rows of each node beside those of a node alone.
const SHARED_FORMAT: u32 = 2;

/// The row of a format. Every commit of a process that writes alone has it.
pub(crate) fn format_row(format: u32) -> Change {
    let row = [format.to_be_bytes(), (!format).to_be_bytes()].concat();
    Change::Put(Table::Store, FORMAT_KEY.to_vec(), row)
}

impl Store {
    /// The format that is written, and the latest that is read.
    pub(crate) fn format(&self) -> u32 {
        if self.follower.is_some() { SHARED_FORMAT } else { FORMAT }
    }

    /// Marks a shared storage as such, so that no program takes it for one that it may write alone. An error of
    /// an earlier version names the format.
    pub(crate) fn mark_shared(&self) -> Result<(), KvError> {
        let row = self.storage.get(Table::Store, FORMAT_KEY)?;
        if row.as_deref().and_then(parse) == Some(SHARED_FORMAT) {
            return Ok(());
        }
        Ok(self.storage.commit(&mut iter::once(Ok(format_row(SHARED_FORMAT))))?)
    }

    /// Refuses a store that a later version wrote. Returns a finding when the row is damaged: then the
    /// other rows show by themselves whether they are of this format.
    pub(crate) fn check_format(&self) -> Result<Option<String>, KvError> {
        let Some(row) = self.storage.get(Table::Store, FORMAT_KEY)? else { return Ok(None) };
        match parse(&row) {
            Some(found) if (FORMAT..=self.format()).contains(&found) => Ok(None),
            Some(found) if found > self.format() => {
                Err(KvError::LaterFormat { found, known: self.format() })
            }
            _ => Ok(Some("the row with the store's format is damaged".to_owned())),
        }
    }
}

/// The format in a row; `None` when the row is damaged.
fn parse(row: &[u8]) -> Option<u32> {
    let (format, inverted) = row.split_first_chunk()?;
    let format = u32::from_be_bytes(*format);
    (inverted == (!format).to_be_bytes()).then_some(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_any_flipped_bit_has_no_format() {
        let Change::Put(_, _, row) = format_row(FORMAT) else { panic!("it is written") };
        assert_eq!(parse(&row), Some(FORMAT));
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&flipped), None, "bit {bit}");
        }
        for length in 0..row.len() {
            assert_eq!(parse(&row[..length]), None, "{length} bytes");
        }
    }
}
