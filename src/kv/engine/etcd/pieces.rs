//! Rows of values that are longer than etcd takes, in pieces.
//!
//! ```text
//! row in one    1  0        the row
//! in pieces     1  1     8  its length      16  id of the pieces
//! ```

use sha2::{Digest, Sha256};

/// The most bytes of a piece. Rows of up to 1 MiB are what etcd's limits allow; half of that leaves room.
pub(super) const PIECE_BYTES: usize = 512 << 10;

/// The first byte of a row in one.
pub(super) const WHOLE: u8 = 0;

const IN_PIECES: u8 = 1;

/// Where the pieces of a row are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pieces {
    /// Their bytes together.
    pub(super) bytes: usize,
    /// The first half of the row's SHA-256. Each write of a record has another row: it is sealed under fresh
    /// keys.
    pub(super) id: [u8; 16],
}

impl Pieces {
    pub(super) fn of(row: &[u8]) -> Self {
        let id = *Sha256::digest(row).first_chunk().expect("SHA-256 gives 32 bytes");
        Self { bytes: row.len(), id }
    }

    /// Reads the row that names them; `None` for a row in one.
    pub(super) fn parse(row: &[u8]) -> Option<Self> {
        let (length, id) = row.strip_prefix(&[IN_PIECES])?.split_first_chunk()?;
        let bytes = usize::try_from(u64::from_be_bytes(*length)).ok()?;
        Some(Self { bytes, id: id.try_into().ok()? })
    }

    /// The row that names them.
    pub(super) fn to_row(&self) -> Vec<u8> {
        [&[IN_PIECES], (self.bytes as u64).to_be_bytes().as_slice(), &self.id].concat()
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.bytes.div_ceil(PIECE_BYTES)).unwrap_or(u32::MAX)
    }
}

/// The pieces of a row, with their numbers.
pub(super) fn split(row: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    (0..).zip(row.chunks(PIECE_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_that_names_pieces_is_read_as_written_and_a_row_in_one_names_none() {
        for (length, count) in [(PIECE_BYTES + 1, 2), (2 * PIECE_BYTES, 2), (26 << 20, 52)] {
            let row = vec![7; length];
            let pieces = Pieces::of(&row);
            assert_eq!(Pieces::parse(&pieces.to_row()), Some(pieces.clone()));
            assert_eq!(pieces.count(), count);
            assert_eq!(split(&row).count(), usize::try_from(count).expect("few"));
            assert_eq!(split(&row).flat_map(|(_, piece)| piece).count(), length);
        }
        for row in [[WHOLE].as_slice(), &[], &[WHOLE; 25], &[IN_PIECES; 24], &[IN_PIECES; 26]] {
            assert_eq!(Pieces::parse(row), None);
        }
    }
}
