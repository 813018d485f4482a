//! The format of the store as a whole, in a row that is read before any other.
//!
//! ```text
//! 4  format        4  format, each bit inverted
//! ```
//! The row is not sealed: a later version may seal rows in another way, and is still recognized.

use crate::kv::engine::{Change, Table};
use crate::kv::error::KvError;
use crate::kv::store::Store;

/// The key of the row with the format.
const FORMAT_KEY: &[u8] = b"format";

/// The format that is read and written. A store without the row has format 1.
const FORMAT: u32 = 1;

/// The row of this format, which every commit writes.
pub(crate) fn format_row() -> Change {
    let row = [FORMAT.to_be_bytes(), (!FORMAT).to_be_bytes()].concat();
    Change::Put(Table::Store, FORMAT_KEY.to_vec(), row)
}

impl Store {
    /// Refuses a store that a later version wrote. Returns a finding when the row is damaged: then the
    /// other rows show by themselves whether they are of this format.
    pub(crate) fn check_format(&self) -> Result<Option<String>, KvError> {
        let Some(row) = self.storage.get(Table::Store, FORMAT_KEY)? else { return Ok(None) };
        match parse(&row) {
            Some(FORMAT) => Ok(None),
            Some(format) if format > FORMAT => {
                Err(KvError::LaterFormat { found: format, known: FORMAT })
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
        let Change::Put(_, _, row) = format_row() else { panic!("it is written") };
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
