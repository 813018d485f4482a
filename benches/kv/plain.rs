//! The peer: the same rows by the same engine, in clear.

use std::ops::Range;
use std::path::Path;

use lavawall::{Change, RedbStorage, Storage, Table};

use crate::home::{CACHE, VALUE, name};

/// Records by name: a row with the value, and a row for what is listed.
pub(crate) struct Plain(RedbStorage);

impl Plain {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self(RedbStorage::open(&folder.join("plain"), CACHE).expect("opened"))
    }

    /// Writes the records of these numbers in one batch.
    pub(crate) fn write(&self, numbers: Range<usize>) {
        let both = |number| {
            let key = name(number).into_bytes();
            [
                Change::Put(Table::Values, key.clone(), VALUE.to_vec()),
                Change::Put(Table::Entries, key.clone(), key),
            ]
        };
        let mut changes = numbers.flat_map(both).map(Ok);
        self.0.commit(&mut changes).expect("written");
    }

    pub(crate) fn read(&self, number: usize) -> Vec<u8> {
        let row = self.0.get(Table::Values, name(number).as_bytes());
        row.expect("readable").expect("there")
    }
}
