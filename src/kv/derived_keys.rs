//! The keys of one namespace, with those that are derived from them.

use std::sync::Arc;

use hkdf::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::crypto::aead;
use crate::crypto::aead::{AssociatedData, OpenError};
use crate::crypto::codec::Reader;
use crate::crypto::key::{self, Key};
use crate::crypto::label;
use crate::keyring::{NamespaceId, NamespaceKeys, VersionState};
use crate::kv::multiset_hash::MultisetHash;
use crate::kv::node_number::NodeNumber;
use crate::kv::record_id::RecordId;
use lavawall_entropy::{Generator, NotReady};

/// The keys that a namespace's records are sealed with.
pub(crate) struct DerivedKeys {
    pub(crate) active: u32,
    id_key: Hmac<Sha256>,
    term_key: Hmac<Sha256>,
    sum_key: Key,
    versions: Vec<DerivedVersion>,
}

/// One key version.
pub(crate) struct DerivedVersion {
    number: u32,
    pub(crate) state: VersionState,
    pub(crate) key: Arc<Key>,
    pub(crate) entry_key: Key,
}

impl DerivedKeys {
    pub(crate) fn new(keys: &NamespaceKeys) -> Self {
        let mac = |label| {
            let key = key::derive(&keys.index_key, label);
            Hmac::new_from_slice(key.expose()).expect("HMAC takes keys of any length")
        };
        let versions = keys.versions.iter().map(|(number, state, key)| DerivedVersion {
            number: *number,
            state: *state,
            key: Arc::clone(key),
            entry_key: key::derive(key, label::ENTRY_KEY),
        });
        Self {
            active: keys.active,
            id_key: mac(label::ID_KEY),
            term_key: mac(label::TERM_KEY),
            sum_key: key::derive(&keys.index_key, label::SUM_KEY),
            versions: versions.collect(),
        }
    }

    /// The version that seals.
    pub(crate) fn active(&self) -> &DerivedVersion {
        self.get(self.active).expect("the active version is there")
    }

    /// Whether a key version is later than all that the keyring has: they are numbered in order, and keep their
    /// place when they are destroyed.
    pub(crate) fn is_unknown(&self, number: u32) -> bool {
        number > self.active
    }

    /// A key version that is not destroyed.
    pub(crate) fn get(&self, number: u32) -> Option<&DerivedVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// `HMAC-SHA-256(id key, name)[..16]`
    pub(crate) fn record_id(&self, name: &str) -> RecordId {
        let mac = self.id_key.clone().chain_update(name.as_bytes()).finalize().into_bytes();
        RecordId(*mac.first_chunk().expect("SHA-256 gives 32 bytes"))
    }

    /// `HMAC-SHA-256(term key, record id ‖ record version ‖ expiry)`
    pub(crate) fn term(&self, id: RecordId, version: u64, expiry: u64) -> [u8; 32] {
        let mac = self.term_key.clone().chain_update(id.0);
        let mac = mac.chain_update(version.to_be_bytes()).chain_update(expiry.to_be_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The row of the multiset hash: eight bytes of commits and the hash, sealed.
    pub(crate) fn seal_hash(
        &self,
        generator: &Generator,
        of: (NamespaceId, NodeNumber),
        commits: u64,
        hash: MultisetHash,
    ) -> Result<Vec<u8>, NotReady> {
        let text = [commits.to_be_bytes().as_slice(), &hash.to_bytes()].concat();
        aead::seal(generator, &self.sum_key, &sum_data(of), &text)
    }

    /// The commits and the hash of a row.
    pub(crate) fn open_hash(
        &self,
        of: (NamespaceId, NodeNumber),
        row: &[u8],
    ) -> Result<(u64, [u8; 32]), OpenError> {
        let text = aead::open(&self.sum_key, &sum_data(of), row)?;
        let mut from = Reader::of(&text);
        let read = from.u64().and_then(|commits| Ok((commits, from.array()?)));
        read.map_err(|_| OpenError)
    }
}

fn sum_data((id, node): (NamespaceId, NodeNumber)) -> AssociatedData {
    node.bound_to(AssociatedData::of(label::SUM).and(&id.0))
}
