//! One record as bytes on disk.
//!
//! ```text
//! key of both rows:  16  namespace        16  record id
//!
//! value row                                   entry row
//! 1   format, 1                               1   format, 1
//! 4   key version                             4   key version
//! 8   record version                          8   record version
//! 60  record key, sealed under the            …   sealed under the entry key:
//!     key version                                 8    expiry, seconds since 1970, 0 for never
//! …   value, sealed under the record key          2+n  name
//!                                                 …    metadata, to the end
//! ```
//! The record version is the number of the commit that wrote it. Resealing under a new key version changes
//! the heads, the sealed record key and the entry, and copies the sealed value.

use zeroize::Zeroizing;

use crate::crypto::aead;
use crate::crypto::aead::{AssociatedData, OVERHEAD_BYTES, OpenError, SEALED_KEY_BYTES};
use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::crypto::key::{KEY_BYTES, Key};
use crate::crypto::key_material::{KeyMaterial, NONCE_BYTES};
use crate::crypto::label;
use crate::keyring::NamespaceId;
use crate::kv::edit::Edit;
use crate::kv::engine::PAIR_BYTES;
use crate::kv::name::RecordName;
use crate::kv::record_id::RecordId;
use lavawall_entropy::NotReady;

/// The format that is written.
const FORMAT: u8 = 1;

/// The size of a row's head in bytes: format, key version, record version.
const HEAD_BYTES: usize = 1 + 4 + 8;

/// A salvage pairs the rows of a record by their heads.
const _: () = assert!(HEAD_BYTES == PAIR_BYTES);

/// The key material of one record in bytes: its key, and nonces for the key, the value and the entry.
pub(crate) const DRAWN_BYTES: usize = KEY_BYTES + 3 * NONCE_BYTES;

/// The address of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RecordAddress {
    pub(crate) namespace: NamespaceId,
    pub(crate) id: RecordId,
}

/// The head of a row. Trusted only once the row has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowHeader {
    pub(crate) key_version: u32,
    pub(crate) version: u64,
}

/// The content of a record except its value.
pub(crate) struct Entry {
    pub(crate) name: RecordName,
    /// Seconds since 1970; 0 for never.
    pub(crate) expiry: u64,
    /// Empty when there is none.
    pub(crate) metadata: Zeroizing<Vec<u8>>,
}

impl RecordAddress {
    /// The key of its rows.
    pub(crate) fn key(&self) -> Vec<u8> {
        [self.namespace.0, self.id.0].concat()
    }

    fn data(&self, label: &str, head: RowHeader) -> AssociatedData {
        AssociatedData::of(label)
            .and(&self.namespace.0)
            .and(&self.id.0)
            .and_number(u64::from(head.key_version))
            .and_number(head.version)
    }
}

impl RowHeader {
    /// The head of a row, and the rest of the row.
    pub(crate) fn read(row: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let mut from = Reader::of(row);
        if from.byte()? != FORMAT {
            return Err(Malformed);
        }
        Ok((Self { key_version: from.u32()?, version: from.u64()? }, from.rest()))
    }

    fn write(self, to: &mut Vec<u8>) {
        to.push(FORMAT);
        to.extend_from_slice(&self.key_version.to_be_bytes());
        to.extend_from_slice(&self.version.to_be_bytes());
    }
}

/// The value row: a record key of its own, under `key`, and the value under that.
pub(crate) fn seal_value(
    material: &mut KeyMaterial<'_>,
    key: &Key,
    address: RecordAddress,
    head: RowHeader,
    entry: &Entry,
    value: &[u8],
) -> Result<Vec<u8>, NotReady> {
    let len = HEAD_BYTES + SEALED_KEY_BYTES + value.len() + OVERHEAD_BYTES;
    let mut row = Vec::with_capacity(len);
    head.write(&mut row);
    let record_key = material.key()?;
    let data = address.data(label::RECORD_KEY, head);
    aead::seal_onto(material, key, &data, record_key.expose(), &mut row)?;
    let data = value_data(address, head, entry.name.as_str(), entry.expiry);
    aead::seal_onto(material, &record_key, &data, value, &mut row)?;
    Ok(row)
}

/// The value in a row whose head has been read. It takes the row's place: a value is in memory once.
pub(crate) fn open_value(
    key: &Key,
    address: RecordAddress,
    head: RowHeader,
    name: &str,
    expiry: u64,
    row: Vec<u8>,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut row = Zeroizing::new(row);
    let sealed = row.get_mut(HEAD_BYTES..).ok_or(OpenError)?;
    let (record_key, value) = sealed.split_at_mut_checked(SEALED_KEY_BYTES).ok_or(OpenError)?;
    let record_key = aead::open_key(key, &address.data(label::RECORD_KEY, head), record_key)?;
    let data = value_data(address, head, name, expiry);
    let len = aead::open_in_place(&record_key, &data, value)?.len();
    let start = HEAD_BYTES + SEALED_KEY_BYTES + NONCE_BYTES;
    row.copy_within(start..start + len, 0);
    row.truncate(len);
    Ok(row)
}

/// The value row under another key version, in place of the row: a value is in memory once. `None` when the
/// record key does not open.
pub(crate) fn reseal_value(
    material: &mut KeyMaterial<'_>,
    (old, new): (&Key, &Key),
    address: RecordAddress,
    (head, new_head): (RowHeader, RowHeader),
    mut row: Vec<u8>,
) -> Result<Option<Vec<u8>>, NotReady> {
    let sealed_key = HEAD_BYTES..HEAD_BYTES + SEALED_KEY_BYTES;
    let Some(sealed) = row.get(sealed_key.clone()) else { return Ok(None) };
    let data = address.data(label::RECORD_KEY, head);
    let Ok(record_key) = aead::open_key(old, &data, sealed) else { return Ok(None) };
    let mut start = Vec::with_capacity(sealed_key.end);
    new_head.write(&mut start);
    let data = address.data(label::RECORD_KEY, new_head);
    aead::seal_onto(material, new, &data, record_key.expose(), &mut start)?;
    row[..sealed_key.end].copy_from_slice(&start);
    Ok(Some(row))
}

/// The entry row.
pub(crate) fn seal_entry(
    material: &mut KeyMaterial<'_>,
    entry_key: &Key,
    address: RecordAddress,
    head: RowHeader,
    entry: &Entry,
) -> Result<Vec<u8>, NotReady> {
    let mut text = Writer::default();
    text.u64(entry.expiry).short(entry.name.as_str().as_bytes()).bytes(&entry.metadata);
    let text = text.finish();
    let mut row = Vec::with_capacity(HEAD_BYTES + text.len() + OVERHEAD_BYTES);
    head.write(&mut row);
    aead::seal_onto(material, entry_key, &address.data(label::ENTRY, head), &text, &mut row)?;
    Ok(row)
}

/// The bytes of name, metadata and value of a record whose rows have these lengths.
pub(crate) fn kept_bytes(value_row: usize, entry_row: usize) -> u32 {
    let value = value_row.saturating_sub(HEAD_BYTES + SEALED_KEY_BYTES + OVERHEAD_BYTES);
    // Besides the name and the metadata: the expiry, and the length of the name.
    let entry = entry_row.saturating_sub(HEAD_BYTES + OVERHEAD_BYTES + 8 + 2);
    u32::try_from(value + entry).unwrap_or(u32::MAX)
}

/// The bytes of the rows of a record that an edit writes.
pub(crate) fn rows_bytes(edit: &Edit<'_>) -> usize {
    let Edit::Put(put) = edit else { return 0 };
    let value = HEAD_BYTES + SEALED_KEY_BYTES + put.value.len() + OVERHEAD_BYTES;
    // In the entry: the expiry, and the length of the name.
    let entry = HEAD_BYTES + 8 + 2 + put.name.len() + OVERHEAD_BYTES;
    value + entry + put.metadata.map_or(0, <[u8]>::len)
}

/// The entry in a row whose head has been read.
pub(crate) fn open_entry(
    entry_key: &Key,
    address: RecordAddress,
    head: RowHeader,
    sealed: &[u8],
) -> Result<Entry, OpenError> {
    let text = aead::open(entry_key, &address.data(label::ENTRY, head), sealed)?;
    let read = || -> Result<Entry, Malformed> {
        let mut from = Reader::of(&text);
        let expiry = from.u64()?;
        let name = RecordName::of(from.text()?);
        Ok(Entry { name, expiry, metadata: Zeroizing::new(from.rest().to_vec()) })
    };
    read().map_err(|Malformed| OpenError)
}

/// Without the key version: resealing the record key leaves the value as it is.
fn value_data(address: RecordAddress, head: RowHeader, name: &str, expiry: u64) -> AssociatedData {
    AssociatedData::of(label::VALUE)
        .and(&address.namespace.0)
        .and(name.as_bytes())
        .and_number(head.version)
        .and_number(expiry)
}

#[cfg(test)]
mod tests;
