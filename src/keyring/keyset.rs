//! The keys of every namespace: versions, their states, and what changes them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::audit::Chain;
use crate::crypto::aead::{KEY_BYTES, Key};
use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::keyring::provenance::Origin;
use lavawall_entropy::Secret;

/// The most namespaces, as the dialect's own service has it.
pub const NAMESPACES_LIMIT: usize = 1000;

/// The most key versions one namespace remembers, destroyed ones included: a rotation a day for
/// more than ten years.
pub(crate) const VERSIONS_LIMIT: usize = 4096;

/// The most bytes of a title.
pub const TITLE_LIMIT: usize = 512;

/// Names a namespace; random, and not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceId(pub [u8; 16]);

impl NamespaceId {
    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl Serialize for NamespaceId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl fmt::Debug for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamespaceId({self})")
    }
}

/// What a key version may be used for, by its number on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum VersionState {
    /// Seals what is written, and opens.
    Active = 1,
    /// Opens what it sealed, until that is sealed anew.
    Retired = 2,
    /// Opens for nobody but the rotation that seals anew what it sealed.
    Revoked = 3,
    /// Gone: what it sealed opens nowhere any more.
    Destroyed = 4,
}

/// One key version of a namespace.
#[derive(Clone)]
pub(crate) struct Version {
    /// Counts from 1.
    pub(crate) number: u32,
    /// What it may be used for.
    pub(crate) state: VersionState,
    /// Where it came from.
    pub(crate) origin: Origin,
    /// The key; `None` once it is destroyed.
    pub(crate) key: Option<Arc<Key>>,
}

/// The keys of one namespace. A clone shares the keys, and copies none.
#[derive(Clone)]
pub(crate) struct Namespace {
    /// Its title, as its owner wrote it.
    pub(crate) title: Zeroizing<String>,
    /// When it was made, in seconds since 1970.
    pub(crate) created_at: u64,
    /// Record ids and sums are made with keys below this one. It stays when versions change.
    pub(crate) index_key: Arc<Key>,
    /// Oldest first; the last one is active.
    pub(crate) versions: Vec<Version>,
}

/// All namespaces, and where the root key came from.
///
/// ```text
/// …   origin of the root key
/// 32  store key
/// 4   number of namespaces, then for each, in the order of their ids:
///     16  id
///     2+n title
///     8   made at, seconds since 1970
///     32  index key
///     4   number of versions, then for each, oldest first:
///         4   number
///         1   state
///         …   origin
///         32  key, unless it is destroyed
/// 8   number of the last line that the audit log had, and   ┐ not in format 1
/// 32  its SHA-256                                           ┘
/// ```
#[derive(Clone)]
pub(crate) struct Ring {
    /// Where the root key came from.
    pub(crate) root_origin: Origin,
    /// Seals what the store says of itself.
    pub(crate) store_key: Arc<Key>,
    /// By id.
    pub(crate) namespaces: BTreeMap<NamespaceId, Namespace>,
    /// Where the audit log had come to when this was written; unknown in format 1.
    pub(crate) logged: Option<Chain>,
}

impl Namespace {
    /// The version that seals.
    #[must_use]
    pub(crate) fn active(&self) -> &Version {
        self.versions.last().expect("a namespace has a version from its first moment")
    }

    /// Adds a version that seals from now on; the one before only opens.
    pub(crate) fn rotate(&mut self, key: Key, origin: Origin) -> u32 {
        let number = self.versions.last().map_or(1, |last| last.number + 1);
        if let Some(last) =
            self.versions.last_mut().filter(|last| last.state == VersionState::Active)
        {
            last.state = VersionState::Retired;
        }
        self.versions.push(Version {
            number,
            state: VersionState::Active,
            origin,
            key: Some(Arc::new(key)),
        });
        number
    }

    fn write(&self, to: &mut Writer) {
        to.short(self.title.as_bytes()).u64(self.created_at).bytes(self.index_key.expose());
        to.u32(u32::try_from(self.versions.len()).expect("versions are limited"));
        for version in &self.versions {
            to.u32(version.number).byte(version.state as u8);
            version.origin.write(to);
            if let Some(key) = &version.key {
                to.bytes(key.expose());
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let title = Zeroizing::new(from.text()?.to_owned());
        let created_at = from.u64()?;
        let index_key = Arc::new(read_key(from)?);
        let count = from.u32()?;
        let versions: Vec<_> = (0..count).map(|_| Version::read(from)).collect::<Result<_, _>>()?;
        let is_sound = versions.last().is_some_and(|last| last.state == VersionState::Active);
        if !is_sound {
            return Err(Malformed);
        }
        Ok(Self { title, created_at, index_key, versions })
    }
}

impl Version {
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let number = from.u32()?;
        let state = match from.byte()? {
            1 => VersionState::Active,
            2 => VersionState::Retired,
            3 => VersionState::Revoked,
            4 => VersionState::Destroyed,
            _ => return Err(Malformed),
        };
        let origin = Origin::read(from)?;
        let key = match state {
            VersionState::Destroyed => None,
            _ => Some(Arc::new(read_key(from)?)),
        };
        Ok(Self { number, state, origin, key })
    }
}

impl Ring {
    /// A ring without namespaces.
    #[must_use]
    pub(crate) fn new(root_origin: Origin, store_key: Key) -> Self {
        Self {
            root_origin,
            store_key: Arc::new(store_key),
            namespaces: BTreeMap::new(),
            logged: None,
        }
    }

    /// The bytes drawn above.
    #[must_use]
    pub(crate) fn write(&self) -> Zeroizing<Vec<u8>> {
        let mut to = Writer::default();
        self.root_origin.write(&mut to);
        to.bytes(self.store_key.expose());
        to.u32(u32::try_from(self.namespaces.len()).expect("namespaces are limited"));
        for (id, namespace) in &self.namespaces {
            to.bytes(&id.0);
            namespace.write(&mut to);
        }
        if let Some(logged) = &self.logged {
            to.u64(logged.sequence).bytes(&logged.last);
        }
        to.finish()
    }

    /// Reads the bytes drawn above, as this format has them.
    ///
    /// # Errors
    /// When they are not.
    pub(crate) fn read(format: u8, bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader::of(bytes);
        let origin = Origin::read(&mut from)?;
        let mut ring = Self::new(origin, read_key(&mut from)?);
        for _ in 0..from.u32()? {
            let id = NamespaceId(from.array()?);
            ring.namespaces.insert(id, Namespace::read(&mut from)?);
        }
        if format > 1 {
            ring.logged = Some(Chain { sequence: from.u64()?, last: from.array()? });
        }
        from.end()?;
        Ok(ring)
    }
}

fn read_key(from: &mut Reader<'_>) -> Result<Key, Malformed> {
    let mut bytes = Zeroizing::new(from.array::<KEY_BYTES>()?);
    Ok(Secret::take(&mut bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::keyset::VersionState::{Active, Destroyed, Retired, Revoked};
    use crate::keyring::test_support::generator;

    fn ring() -> Ring {
        let generator = generator();
        let draw = || Origin::draw(&generator).expect("seeded");
        let mut ring = Ring::new(draw().1, draw().0);
        let mut namespace = Namespace {
            title: Zeroizing::new("Ein Titel".to_owned()),
            created_at: 1,
            index_key: Arc::new(draw().0),
            versions: Vec::new(),
        };
        for _ in 0..4 {
            let (key, origin) = draw();
            namespace.rotate(key, origin);
        }
        namespace.versions[0].state = VersionState::Destroyed;
        namespace.versions[0].key = None;
        namespace.versions[1].state = VersionState::Revoked;
        ring.namespaces.insert(NamespaceId([3; 16]), namespace);
        ring.logged = Some(Chain { sequence: 12, last: [5; 32] });
        ring
    }

    #[test]
    fn a_ring_is_read_back_with_every_state() {
        let ring = ring();
        let bytes = ring.write();
        let read = Ring::read(2, &bytes).expect("what was written");
        assert_eq!(read.logged, ring.logged);
        assert_eq!(read.write().as_slice(), bytes.as_slice());
        let states: Vec<_> =
            read.namespaces[&NamespaceId([3; 16])].versions.iter().map(|it| it.state).collect();
        assert_eq!(states, [Destroyed, Revoked, Retired, Active]);
    }

    #[test]
    fn no_part_of_a_ring_is_a_ring() {
        let bytes = ring().write();
        for len in 0..bytes.len() {
            assert!(Ring::read(2, &bytes[..len]).is_err(), "{len} bytes");
        }
        assert!(Ring::read(2, &[bytes.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn a_ring_of_format_1_knows_nothing_of_the_log() {
        let old = Ring { logged: None, ..ring() }.write();
        assert_eq!(Ring::read(1, &old).expect("what was written").logged, None);
        assert!(Ring::read(2, &old).is_err());
        assert!(Ring::read(1, &ring().write()).is_err());
    }

    #[test]
    fn a_destroyed_version_leaves_no_key_in_the_bytes() {
        let mut ring = ring();
        let namespace = ring.namespaces.get_mut(&NamespaceId([3; 16])).expect("there");
        let key = namespace.versions[2].key.clone().expect("retired, and there");
        let holds = |bytes: &[u8]| bytes.windows(KEY_BYTES).any(|part| part == key.expose());
        namespace.versions[2].state = VersionState::Destroyed;
        namespace.versions[2].key = None;
        assert!(!holds(&ring.write()));
    }

    #[test]
    fn ids_are_32_hexadecimal_digits() {
        let id = NamespaceId([0xab; 16]);
        assert_eq!(NamespaceId::parse(&id.to_string()), Some(id));
        for text in ["", "ab", &"AB".repeat(16), &"ab".repeat(17), &"zz".repeat(16)] {
            assert_eq!(NamespaceId::parse(text), None, "{text}");
        }
    }
}
