//! The keyset: the keys of every namespace, and their bytes in the keyring's file.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::audit::Chain;
use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::crypto::key::Key;
use crate::keyring::error::KeyringError;
use crate::keyring::id::NamespaceId;
use crate::keyring::key_version::{KeyVersion, VersionState, read_key};
use crate::keyring::provenance::KeyProvenance;
use crate::keyring::transit::transit_key::{TransitKey, TransitName};

/// The most namespaces; the limit of Workers KV.
pub(super) const NAMESPACES_LIMIT: usize = 1000;

/// The most key versions of one namespace, destroyed ones included: a daily rotation for more than ten
/// years.
pub(crate) const VERSIONS_LIMIT: usize = 4096;

/// The most tombstones; of more, the oldest is dropped. Its rows are long gone, unless an old copy of the store
/// is restored: then they are kept aside, sealed under keys that are destroyed.
pub(super) const TOMBSTONES_LIMIT: usize = 4096;

/// The most bytes of a title.
pub(super) const TITLE_LIMIT: usize = 512;

/// The keys of one namespace. A clone shares the keys, and copies none.
#[derive(Clone)]
pub(crate) struct NamespaceKeyset {
    /// Its title, as its owner wrote it.
    pub(crate) title: Zeroizing<String>,
    /// When it was made, in seconds since 1970.
    pub(crate) created_at: u64,
    /// Keys of record ids and of the multiset hash are derived from it. The same for all versions.
    pub(crate) index_key: Arc<Key>,
    /// Oldest first; the last one is active.
    pub(crate) versions: Vec<KeyVersion>,
}

/// All namespaces, and the provenance of the root key.
///
/// ```text
/// …   provenance of the root key
/// 32  store key
/// 4   number of namespaces, then for each, in the order of their ids:
///     16  id
///     2+n title
///     8   made at, seconds since 1970
///     32  index key
///     4   number of versions, then for each, oldest first:
///         4   number
///         1   state
///         …   provenance
///         32  key, unless it is destroyed
/// 8   number of the last line that the audit log had, and   ┐ not in format 1
/// 32  its SHA-256                                           ┘
/// 4   number of tombstones, then for each, oldest first:    ┐ not in formats 1 and 2
///     16  id of a deleted namespace                         ┘
/// 4   number of keys that callers use by name, then each    ┐ not in formats 1 to 3
///     as a `TransitKey`, in the order of their names        ┘
/// ```
#[derive(Clone)]
pub(crate) struct Keyset {
    /// The provenance of the root key.
    pub(crate) root_provenance: KeyProvenance,
    /// Seals the store's commit count.
    pub(crate) store_key: Arc<Key>,
    /// By id.
    pub(crate) namespaces: BTreeMap<NamespaceId, NamespaceKeyset>,
    /// The end of the audit log when this was written; absent in format 1.
    pub(crate) logged: Option<Chain>,
    /// Tombstones: the deleted namespaces, the oldest first. Only their rows may be removed from the store.
    pub(crate) tombstones: VecDeque<NamespaceId>,
    /// The keys that callers use by name.
    pub(crate) transit: BTreeMap<TransitName, Arc<TransitKey>>,
}

impl NamespaceKeyset {
    /// The version that seals.
    #[must_use]
    pub(crate) fn active(&self) -> &KeyVersion {
        self.versions.last().expect("a namespace always has a version")
    }

    /// Adds a version that seals from now on; the previous one only opens.
    pub(crate) fn rotate(&mut self, key: Key, provenance: KeyProvenance) -> u32 {
        let number = self.versions.last().map_or(1, |last| last.number + 1);
        if let Some(last) =
            self.versions.last_mut().filter(|last| last.state == VersionState::Active)
        {
            last.state = VersionState::Retired;
        }
        self.versions.push(KeyVersion {
            number,
            state: VersionState::Active,
            provenance,
            key: Some(Arc::new(key)),
        });
        number
    }

    fn write(&self, to: &mut Writer) {
        to.short(self.title.as_bytes()).u64(self.created_at).bytes(self.index_key.expose());
        to.u32(u32::try_from(self.versions.len()).expect("versions are limited"));
        for version in &self.versions {
            version.write(to);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let title = Zeroizing::new(from.text()?.to_owned());
        let created_at = from.u64()?;
        let index_key = Arc::new(read_key(from)?);
        let count = from.u32()?;
        let versions: Vec<_> =
            (0..count).map(|_| KeyVersion::read(from)).collect::<Result<_, _>>()?;
        let is_sound = versions.last().is_some_and(|last| last.state == VersionState::Active);
        if !is_sound {
            return Err(Malformed);
        }
        Ok(Self { title, created_at, index_key, versions })
    }
}

impl Keyset {
    /// A namespace that is to be changed.
    pub(crate) fn namespace_mut(
        &mut self,
        id: NamespaceId,
    ) -> Result<&mut NamespaceKeyset, KeyringError> {
        self.namespaces.get_mut(&id).ok_or(KeyringError::UnknownNamespace(id))
    }

    /// A keyset without namespaces.
    #[must_use]
    pub(crate) fn new(root_provenance: KeyProvenance, store_key: Key) -> Self {
        Self {
            root_provenance,
            store_key: Arc::new(store_key),
            namespaces: BTreeMap::new(),
            logged: None,
            tombstones: VecDeque::new(),
            transit: BTreeMap::new(),
        }
    }

    /// Removes a namespace with its keys, and leaves a tombstone.
    pub(crate) fn delete(&mut self, id: NamespaceId) -> Result<(), KeyringError> {
        self.namespaces.remove(&id).ok_or(KeyringError::UnknownNamespace(id))?;
        if self.tombstones.len() >= TOMBSTONES_LIMIT {
            self.tombstones.pop_front();
        }
        self.tombstones.push_back(id);
        Ok(())
    }

    /// The bytes drawn above.
    #[must_use]
    pub(crate) fn write(&self) -> Zeroizing<Vec<u8>> {
        let mut to = Writer::default();
        self.root_provenance.write(&mut to);
        to.bytes(self.store_key.expose());
        to.u32(u32::try_from(self.namespaces.len()).expect("namespaces are limited"));
        for (id, namespace) in &self.namespaces {
            to.bytes(&id.0);
            namespace.write(&mut to);
        }
        if let Some(logged) = &self.logged {
            to.u64(logged.sequence).bytes(&logged.last);
            to.u32(u32::try_from(self.tombstones.len()).expect("tombstones are limited"));
            for id in &self.tombstones {
                to.bytes(&id.0);
            }
            to.u32(u32::try_from(self.transit.len()).expect("keys are limited"));
            for (name, key) in &self.transit {
                key.write(name, &mut to);
            }
        }
        to.finish()
    }

    /// Reads the bytes drawn above, in this format.
    ///
    /// # Errors
    /// When they are malformed.
    pub(crate) fn read(format: u8, bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader::of(bytes);
        let provenance = KeyProvenance::read(&mut from)?;
        let mut keyset = Self::new(provenance, read_key(&mut from)?);
        for _ in 0..from.u32()? {
            let id = NamespaceId(from.array()?);
            keyset.namespaces.insert(id, NamespaceKeyset::read(&mut from)?);
        }
        if format > 1 {
            keyset.logged = Some(Chain { sequence: from.u64()?, last: from.array()? });
        }
        if format > 2 {
            for _ in 0..from.u32()? {
                keyset.tombstones.push_back(NamespaceId(from.array()?));
            }
        }
        if format > 3 {
            for _ in 0..from.u32()? {
                let (name, key) = TransitKey::read(format, &mut from)?;
                keyset.transit.insert(name, Arc::new(key));
            }
        }
        from.end()?;
        Ok(keyset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::key::KEY_BYTES;
    use crate::crypto::test_support::generator;
    use crate::keyring::format::FORMAT;
    use crate::keyring::key_version::VersionState::{Active, Destroyed, Retired, Revoked};
    use crate::keyring::transit::transit_key::{KeyPurpose, TransitSettings, TransitType};

    fn keyset() -> Keyset {
        let generator = generator();
        let draw = || KeyProvenance::draw(&generator).expect("seeded");
        let mut keyset = Keyset::new(draw().1, draw().0);
        let mut namespace = NamespaceKeyset {
            title: Zeroizing::new("Ein Titel".to_owned()),
            created_at: 1,
            index_key: Arc::new(draw().0),
            versions: Vec::new(),
        };
        for _ in 0..4 {
            let (key, provenance) = draw();
            namespace.rotate(key, provenance);
        }
        namespace.versions[0].state = VersionState::Destroyed;
        namespace.versions[0].key = None;
        namespace.versions[1].state = VersionState::Revoked;
        keyset.namespaces.insert(NamespaceId([3; 16]), namespace);
        keyset.logged = Some(Chain { sequence: 12, last: [5; 32] });
        keyset.tombstones.extend([NamespaceId([7; 16]), NamespaceId([4; 16])]);
        let settings = TransitSettings { derived: true, exportable: true, ..Default::default() };
        let mut transit = TransitKey::new([6; 16], TransitType::ChaCha20Poly1305, settings, draw());
        transit.rotate(draw());
        keyset.transit.insert(name(KeyPurpose::Transit), Arc::new(transit));
        let kind = TransitType::Aes256Gcm96;
        let kms = TransitKey::new([8; 16], kind, TransitSettings::default(), draw());
        keyset.transit.insert(name(KeyPurpose::Kms), Arc::new(kms));
        keyset
    }

    fn name(purpose: KeyPurpose) -> TransitName {
        TransitName { purpose, owner: "acme".to_owned(), name: "unseal".to_owned() }
    }

    #[test]
    fn a_keyset_is_read_back_with_every_state() {
        let keyset = keyset();
        let bytes = keyset.write();
        let read = Keyset::read(FORMAT, &bytes).expect("what was written");
        assert_eq!(read.logged, keyset.logged);
        assert_eq!(read.tombstones, keyset.tombstones);
        assert_eq!(read.write().as_slice(), bytes.as_slice());
        let states: Vec<_> =
            read.namespaces[&NamespaceId([3; 16])].versions.iter().map(|it| it.state).collect();
        assert_eq!(states, [Destroyed, Revoked, Retired, Active]);
    }

    #[test]
    fn no_part_of_a_keyset_is_a_keyset() {
        let bytes = keyset().write();
        for len in 0..bytes.len() {
            assert!(Keyset::read(FORMAT, &bytes[..len]).is_err(), "{len} bytes");
        }
        assert!(Keyset::read(FORMAT, &[bytes.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn a_keyset_of_format_1_knows_nothing_of_the_log() {
        let old = Keyset { logged: None, ..keyset() }.write();
        assert_eq!(Keyset::read(1, &old).expect("what was written").logged, None);
        assert!(Keyset::read(FORMAT, &old).is_err());
        assert!(Keyset::read(1, &keyset().write()).is_err());
    }

    /// The bytes of a keyset before its keys with names.
    fn without_transit(bytes: &[u8]) -> &[u8] {
        let none = Keyset { transit: BTreeMap::new(), ..keyset() }.write().len() - 4;
        &bytes[..none]
    }

    #[test]
    fn a_keyset_of_format_3_has_no_keys_with_names() {
        let keyset = keyset();
        let bytes = keyset.write();
        let read = Keyset::read(3, without_transit(&bytes)).expect("as format 3 was written");
        assert!(read.transit.is_empty() && read.tombstones == keyset.tombstones);
        assert!(Keyset::read(FORMAT, without_transit(&bytes)).is_err());
        assert!(Keyset::read(3, &bytes).is_err());
    }

    #[test]
    fn a_key_with_a_name_is_read_back_with_its_purpose() {
        let keyset = keyset();
        let read = Keyset::read(FORMAT, &keyset.write()).expect("what was written");
        let names: Vec<_> = read.transit.keys().cloned().collect();
        assert_eq!(names, [name(KeyPurpose::Transit), name(KeyPurpose::Kms)]);
        let key = &read.transit[&name(KeyPurpose::Transit)];
        assert_eq!((key.latest(), key.id, key.kind), (2, [6; 16], TransitType::ChaCha20Poly1305));
        let expected = &keyset.transit[&name(KeyPurpose::Transit)];
        assert_eq!(key.settings, expected.settings);
        let keys = |key: &TransitKey| -> Vec<[u8; 32]> {
            let keys = key.versions.iter().filter_map(|it| it.key.as_ref());
            keys.map(|key| *key.expose()).collect()
        };
        assert_eq!(keys(key), keys(expected));
        assert_eq!(read.transit[&name(KeyPurpose::Kms)].id, [8; 16]);
    }

    #[test]
    fn the_keys_with_names_of_format_4_are_for_transit_and_written_so() {
        let mut keyset = keyset();
        keyset.transit.remove(&name(KeyPurpose::Kms));
        let now = keyset.write();
        // The purpose is the byte after the number of keys.
        let mut then = now.to_vec();
        assert_eq!(then.remove(without_transit(&now).len() + 4), KeyPurpose::Transit as u8);
        let read = Keyset::read(4, &then).expect("as format 4 was written");
        assert_eq!(read.write().as_slice(), now.as_slice());
        assert!(Keyset::read(FORMAT, &then).is_err() && Keyset::read(4, &now).is_err());
        for unknown in [0, 4] {
            let mut later = now.to_vec();
            later[without_transit(&now).len() + 4] = unknown;
            assert!(Keyset::read(FORMAT, &later).is_err(), "purpose {unknown}");
        }
    }

    #[test]
    fn keys_that_sign_or_make_macs_alone_are_read_back_and_in_no_format_before_6() {
        for kind in [TransitType::Ed25519, TransitType::EcdsaP256, TransitType::Hmac] {
            let mut keyset = Keyset { transit: BTreeMap::new(), ..keyset() };
            let mac_key_bytes = if kind == TransitType::Hmac { 64 } else { 0 };
            let settings = TransitSettings { mac_key_bytes, ..TransitSettings::default() };
            let draw = || kind.draw(&generator()).expect("seeded");
            let mut key = TransitKey::new([9; 16], kind, settings, draw());
            key.rotate(draw());
            key.versions[0].state = VersionState::Revoked;
            keyset.transit.insert(name(KeyPurpose::Transit), Arc::new(key));
            let bytes = keyset.write();
            let read = Keyset::read(FORMAT, &bytes).expect("what was written");
            assert_eq!(read.write().as_slice(), bytes.as_slice());
            let read = &read.transit[&name(KeyPurpose::Transit)];
            assert_eq!((read.kind, read.settings.mac_key_bytes), (kind, mac_key_bytes));
            assert!(read.is_revoked(1) && read.usable(1).is_none() && read.usable(2).is_some());
            assert!(Keyset::read(5, &bytes).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn a_key_for_macs_of_no_size_and_a_key_that_cannot_sign_are_damage() {
        let written = |kind, mac_key_bytes, mut secret: [u8; KEY_BYTES]| {
            let mut keyset = Keyset { transit: BTreeMap::new(), ..keyset() };
            let settings = TransitSettings { mac_key_bytes, ..TransitSettings::default() };
            let provenance = keyset.root_provenance.clone();
            let key =
                TransitKey::new([9; 16], kind, settings, (Key::take(&mut secret), provenance));
            keyset.transit.insert(name(KeyPurpose::Transit), Arc::new(key));
            keyset.write()
        };
        for (kind, size, secret, is_sound) in [
            (TransitType::Hmac, 31, [1; KEY_BYTES], false),
            (TransitType::Hmac, 32, [1; KEY_BYTES], true),
            (TransitType::Hmac, 512, [1; KEY_BYTES], true),
            (TransitType::Hmac, 513, [1; KEY_BYTES], false),
            (TransitType::EcdsaP256, 0, [1; KEY_BYTES], true),
            (TransitType::EcdsaP256, 0, [0xff; KEY_BYTES], false),
            (TransitType::Ed25519, 0, [0xff; KEY_BYTES], true),
        ] {
            let bytes = written(kind, size, secret);
            assert_eq!(Keyset::read(FORMAT, &bytes).is_ok(), is_sound, "{kind:?} {size}");
        }
    }

    #[test]
    fn a_keyset_of_format_2_has_no_tombstones() {
        let mut bytes = keyset().write().to_vec();
        bytes.truncate(without_transit(&bytes).len() - 4 - 2 * 16);
        let read = Keyset::read(2, &bytes).expect("as format 2 was written");
        assert!(read.tombstones.is_empty() && read.logged.is_some());
        assert!(Keyset::read(FORMAT, &bytes).is_err());
        assert!(Keyset::read(2, &keyset().write()).is_err());
    }

    #[test]
    fn a_deleted_namespace_leaves_a_tombstone_and_the_oldest_goes_first() {
        let mut keyset = keyset();
        keyset.delete(NamespaceId([3; 16])).expect("it is there");
        assert_eq!(keyset.tombstones.back(), Some(&NamespaceId([3; 16])));
        assert!(keyset.delete(NamespaceId([3; 16])).is_err(), "it is gone");
        let template = self::keyset();
        let namespace = &template.namespaces[&NamespaceId([3; 16])];
        for number in 0..TOMBSTONES_LIMIT {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            keyset.namespaces.insert(NamespaceId(id), namespace.clone());
            keyset.delete(NamespaceId(id)).expect("it is there");
        }
        assert_eq!(keyset.tombstones.len(), TOMBSTONES_LIMIT);
        assert_eq!(keyset.tombstones.front(), Some(&NamespaceId([0; 16])));
    }

    #[test]
    fn a_destroyed_version_leaves_no_key_in_the_bytes() {
        let mut keyset = keyset();
        let namespace = keyset.namespaces.get_mut(&NamespaceId([3; 16])).expect("there");
        let key = namespace.versions[2].key.clone().expect("retired, and there");
        let holds = |bytes: &[u8]| bytes.windows(KEY_BYTES).any(|part| part == key.expose());
        namespace.versions[2].state = VersionState::Destroyed;
        namespace.versions[2].key = None;
        assert!(!holds(&keyset.write()));
    }
}
