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
//! The record version is the number of the commit that wrote it. A new key version changes the heads
//! and what is sealed under it, and leaves the value as it is.

use zeroize::Zeroizing;

use crate::crypto::aead as formula;
use crate::crypto::aead::{
    Bound, KEY_BYTES, Key, NONCE_BYTES, OVERHEAD_BYTES, SEALED_KEY_BYTES, Unopened, label,
};
use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::crypto::key_material::Draws;
use crate::keyring::NamespaceId;
use crate::kv::name::{Name, RecordId};
use lavawall_entropy::NotReady;

/// The format that is written.
const FORMAT: u8 = 1;

/// What each row begins with: format, key version, record version.
const HEAD_BYTES: usize = 1 + 4 + 8;

/// What sealing one record draws: its key, and nonces for the key, the value and the entry.
pub(crate) const DRAWN_BYTES: usize = KEY_BYTES + 3 * NONCE_BYTES;

/// Where a record belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) namespace: NamespaceId,
    pub(crate) id: RecordId,
}

/// What a row says of itself. Believed once it has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) key_version: u32,
    pub(crate) version: u64,
}

/// What is kept of a record besides its value.
pub(crate) struct Entry {
    pub(crate) name: Name,
    /// Seconds since 1970; 0 for never.
    pub(crate) expiry: u64,
    /// Empty when there is none.
    pub(crate) metadata: Zeroizing<Vec<u8>>,
}

impl Place {
    /// The key of its rows.
    pub(crate) fn key(&self) -> Vec<u8> {
        [self.namespace.0, self.id.0].concat()
    }

    fn bound(&self, label: &str, head: Head) -> Bound {
        Bound::to(label)
            .and(&self.namespace.0)
            .and(&self.id.0)
            .and_number(u64::from(head.key_version))
            .and_number(head.version)
    }
}

impl Head {
    /// The head of a row, and what follows it.
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
    draws: &mut Draws<'_>,
    key: &Key,
    place: Place,
    head: Head,
    entry: &Entry,
    value: &[u8],
) -> Result<Vec<u8>, NotReady> {
    let len = HEAD_BYTES + SEALED_KEY_BYTES + value.len() + OVERHEAD_BYTES;
    let mut row = Vec::with_capacity(len);
    head.write(&mut row);
    let record_key = draws.key()?;
    let bound = place.bound(label::RECORD_KEY, head);
    formula::seal_onto(draws, key, &bound, record_key.expose(), &mut row)?;
    let bound = value_bound(place, head, entry.name.as_str(), entry.expiry);
    formula::seal_onto(draws, &record_key, &bound, value, &mut row)?;
    Ok(row)
}

/// The value in a row whose head has been read.
pub(crate) fn open_value(
    key: &Key,
    place: Place,
    head: Head,
    name: &str,
    expiry: u64,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Unopened> {
    let (record_key, value) = sealed.split_at_checked(SEALED_KEY_BYTES).ok_or(Unopened)?;
    let record_key = formula::open_key(key, &place.bound(label::RECORD_KEY, head), record_key)?;
    formula::open(&record_key, &value_bound(place, head, name, expiry), value)
}

/// The value row under another key version. The value is copied, and not opened.
pub(crate) fn reseal_value(
    draws: &mut Draws<'_>,
    (old, new): (&Key, &Key),
    place: Place,
    (head, new_head): (Head, Head),
    sealed: &[u8],
) -> Result<Option<Vec<u8>>, NotReady> {
    let Some((record_key, value)) = sealed.split_at_checked(SEALED_KEY_BYTES) else {
        return Ok(None);
    };
    let bound = place.bound(label::RECORD_KEY, head);
    let Ok(record_key) = formula::open_key(old, &bound, record_key) else { return Ok(None) };
    let mut row = Vec::with_capacity(HEAD_BYTES + sealed.len());
    new_head.write(&mut row);
    let bound = place.bound(label::RECORD_KEY, new_head);
    formula::seal_onto(draws, new, &bound, record_key.expose(), &mut row)?;
    row.extend_from_slice(value);
    Ok(Some(row))
}

/// The entry row.
pub(crate) fn seal_entry(
    draws: &mut Draws<'_>,
    entry_key: &Key,
    place: Place,
    head: Head,
    entry: &Entry,
) -> Result<Vec<u8>, NotReady> {
    let mut text = Writer::default();
    text.u64(entry.expiry).short(entry.name.as_str().as_bytes()).bytes(&entry.metadata);
    let text = text.finish();
    let mut row = Vec::with_capacity(HEAD_BYTES + text.len() + OVERHEAD_BYTES);
    head.write(&mut row);
    formula::seal_onto(draws, entry_key, &place.bound(label::ENTRY, head), &text, &mut row)?;
    Ok(row)
}

/// The entry in a row whose head has been read.
pub(crate) fn open_entry(
    entry_key: &Key,
    place: Place,
    head: Head,
    sealed: &[u8],
) -> Result<Entry, Unopened> {
    let text = formula::open(entry_key, &place.bound(label::ENTRY, head), sealed)?;
    let read = || -> Result<Entry, Malformed> {
        let mut from = Reader::of(&text);
        let expiry = from.u64()?;
        let name = Name::of(from.text()?);
        Ok(Entry { name, expiry, metadata: Zeroizing::new(from.rest().to_vec()) })
    };
    read().map_err(|Malformed| Unopened)
}

/// The key version is not among these: a value stays as it is when its record key is sealed anew.
fn value_bound(place: Place, head: Head, name: &str, expiry: u64) -> Bound {
    Bound::to(label::VALUE)
        .and(&place.namespace.0)
        .and(name.as_bytes())
        .and_number(head.version)
        .and_number(expiry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::test_support::generator;
    use lavawall_entropy::{Generator, Secret};

    const PLACE: Place = Place { namespace: NamespaceId([1; 16]), id: RecordId([2; 16]) };
    const HEAD: Head = Head { key_version: 3, version: 4 };

    fn draws(generator: &Generator) -> Draws<'_> {
        Draws::of(generator, DRAWN_BYTES)
    }

    fn key(byte: u8) -> Key {
        Secret::take(&mut [byte; 32])
    }

    fn entry(metadata: &[u8]) -> Entry {
        Entry { name: Name::of("a name"), expiry: 5, metadata: Zeroizing::new(metadata.to_vec()) }
    }

    #[test]
    fn a_value_opens_only_with_its_own_place_name_versions_and_expiry() {
        let row =
            seal_value(&mut draws(&generator()), &key(9), PLACE, HEAD, &entry(b""), b"a value");
        let row = row.expect("seeded");
        let (head, sealed) = Head::read(&row).expect("whole");
        assert_eq!(head, HEAD);
        let open = |place, head, name, expiry| {
            open_value(&key(9), place, head, name, expiry, sealed).map(|value| value.to_vec())
        };
        assert_eq!(open(PLACE, HEAD, "a name", 5), Ok(b"a value".to_vec()));
        let elsewhere = Place { namespace: NamespaceId([7; 16]), ..PLACE };
        let renamed = Place { id: RecordId([7; 16]), ..PLACE };
        let other_key = Head { key_version: 7, ..HEAD };
        let older = Head { version: 3, ..HEAD };
        for refused in [
            open(elsewhere, HEAD, "a name", 5),
            open(renamed, HEAD, "a name", 5),
            open(PLACE, other_key, "a name", 5),
            open(PLACE, older, "a name", 5),
            open(PLACE, HEAD, "b name", 5),
            open(PLACE, HEAD, "a name", 0),
        ] {
            assert_eq!(refused, Err(Unopened));
        }
    }

    #[test]
    fn each_write_has_a_record_key_of_its_own() {
        let generator = generator();
        let record_key = || {
            let row =
                seal_value(&mut draws(&generator), &key(9), PLACE, HEAD, &entry(b""), b"the same");
            let row = row.expect("seeded");
            let (head, sealed) = Head::read(&row).expect("whole");
            let bound = PLACE.bound(label::RECORD_KEY, head);
            formula::open_key(&key(9), &bound, &sealed[..SEALED_KEY_BYTES]).expect("opens")
        };
        assert_ne!(record_key(), record_key());
    }

    #[test]
    fn the_value_alone_is_bound_to_all_of_it_too() {
        // As if the record's key were known, or had been opened elsewhere.
        let bound =
            |place, head, name, expiry| format!("{:?}", value_bound(place, head, name, expiry));
        let all = [
            bound(PLACE, HEAD, "a name", 5),
            bound(Place { namespace: NamespaceId([7; 16]), ..PLACE }, HEAD, "a name", 5),
            bound(PLACE, Head { version: 3, ..HEAD }, "a name", 5),
            bound(PLACE, HEAD, "b name", 5),
            bound(PLACE, HEAD, "a name", 0),
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(bound(PLACE, Head { key_version: 7, ..HEAD }, "a name", 5), all[0]);
    }

    #[test]
    fn an_entry_opens_only_in_its_own_place() {
        let row = seal_entry(&mut draws(&generator()), &key(9), PLACE, HEAD, &entry(b"{}"))
            .expect("seeded");
        let (head, sealed) = Head::read(&row).expect("whole");
        let Ok(read) = open_entry(&key(9), PLACE, head, sealed) else { panic!("it opens") };
        assert_eq!(
            (read.name.as_str(), read.expiry, read.metadata.as_slice()),
            ("a name", 5, &b"{}"[..])
        );
        for (place, head) in [
            (Place { namespace: NamespaceId([7; 16]), ..PLACE }, HEAD),
            (Place { id: RecordId([7; 16]), ..PLACE }, HEAD),
            (PLACE, Head { key_version: 7, ..HEAD }),
            (PLACE, Head { version: 3, ..HEAD }),
        ] {
            assert!(open_entry(&key(9), place, head, sealed).is_err());
        }
    }

    #[test]
    fn a_value_sealed_anew_opens_under_the_new_key_version_alone() {
        let generator = generator();
        let row = seal_value(&mut draws(&generator), &key(9), PLACE, HEAD, &entry(b""), b"a value");
        let row = row.expect("seeded");
        let (_, sealed) = Head::read(&row).expect("whole");
        let new_head = Head { key_version: 4, ..HEAD };
        let (old_key, new_key) = (key(9), key(8));
        let keys = (&old_key, &new_key);
        let again = reseal_value(&mut draws(&generator), keys, PLACE, (HEAD, new_head), sealed);
        let again = again.expect("seeded").expect("opens");
        let (head, sealed_again) = Head::read(&again).expect("whole");
        assert_eq!(head, new_head);
        let open = |key| open_value(key, PLACE, head, "a name", 5, sealed_again);
        assert_eq!(open(&new_key).expect("opens").as_slice(), b"a value");
        assert!(open(&old_key).is_err());
        let wrong = reseal_value(
            &mut draws(&generator),
            (&new_key, &new_key),
            PLACE,
            (HEAD, new_head),
            sealed,
        );
        assert!(wrong.expect("seeded").is_none(), "what does not open is not sealed anew");
    }
}
