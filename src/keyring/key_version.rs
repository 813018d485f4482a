//! One key version of a namespace, and its bytes in the keyring's file.

use std::sync::Arc;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::crypto::key::{KEY_BYTES, Key};
use crate::keyring::provenance::KeyProvenance;
use lavawall_entropy::Secret;

/// The use of a key version, by its number on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum VersionState {
    /// Seals new records, and opens.
    Active = 1,
    /// Opens records that it sealed, until they are resealed.
    Retired = 2,
    /// Opens only for the rotation that reseals its records.
    Revoked = 3,
    /// Its key is deleted: no record that it sealed can be opened.
    Destroyed = 4,
}

/// One key version of a namespace.
#[derive(Clone)]
pub(crate) struct KeyVersion {
    /// Counts from 1.
    pub(crate) number: u32,
    /// Its use.
    pub(crate) state: VersionState,
    /// Where it came from.
    pub(crate) provenance: KeyProvenance,
    /// The key; `None` once it is destroyed.
    pub(crate) key: Option<Arc<Key>>,
}

impl KeyVersion {
    pub(crate) fn write(&self, to: &mut Writer) {
        to.u32(self.number).byte(self.state as u8);
        self.provenance.write(to);
        if let Some(key) = &self.key {
            to.bytes(key.expose());
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let number = from.u32()?;
        let state = match from.byte()? {
            1 => VersionState::Active,
            2 => VersionState::Retired,
            3 => VersionState::Revoked,
            4 => VersionState::Destroyed,
            _ => return Err(Malformed),
        };
        let provenance = KeyProvenance::read(from)?;
        let key = match state {
            VersionState::Destroyed => None,
            _ => Some(Arc::new(read_key(from)?)),
        };
        Ok(Self { number, state, provenance, key })
    }
}

/// Reads a key.
pub(crate) fn read_key(from: &mut Reader<'_>) -> Result<Key, Malformed> {
    let mut bytes = Zeroizing::new(from.array::<KEY_BYTES>()?);
    Ok(Secret::take(&mut bytes))
}
