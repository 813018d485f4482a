//! Data keys of Kubernetes under a key for KMS, and the public identity of its versions.
//!
//! ```text
//! key id  = HKDF-SHA-256(version key, info = label ‖ id of the key ‖ number of the version)       RFC 5869
//! sealed  = nonce ‖ AES-256-GCM-SIV(version key, nonce, data, text) ‖ tag                         RFC 8452
//! data    = label ‖ key id ‖ each annotation's name and value, in the order of their names
//! ```
//! A key id is derived from the key itself: two keys have two, also when a keyring is put back from a copy and
//! rotated again, so that none is ever used for another key. It tells nothing of the key.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::crypto::aead;
use crate::crypto::aead::{AssociatedData, OpenError};
use crate::crypto::key::{KEY_BYTES, Key};
use crate::crypto::label;
use lavawall_entropy::{Generator, NotReady, on_scrubbed_stack};

/// Names and values beside a sealed text, in clear.
pub(crate) type Annotations = BTreeMap<String, Vec<u8>>;

/// The public identity of a version: 64 hexadecimal digits.
#[must_use]
pub(crate) fn key_id(key: &Key, id: &[u8; 16], version: u32) -> String {
    let mut derived = [0; KEY_BYTES];
    on_scrubbed_stack(|| {
        Hkdf::<Sha256>::new(None, key.expose())
            .expand_multi_info(
                &[label::KMS_KEY_ID.as_bytes(), id, &version.to_be_bytes()],
                &mut derived,
            )
            .expect("32 bytes are within HKDF's limit");
    });
    HEXLOWER.encode(&derived)
}

/// Seals `text` with a nonce of the generator.
///
/// # Errors
/// When the generator refuses.
pub(crate) fn seal(
    generator: &Generator,
    key: &Key,
    key_id: &str,
    annotations: &Annotations,
    text: &[u8],
) -> Result<Vec<u8>, NotReady> {
    aead::seal(generator, key, &associated(key_id, annotations), text)
}

/// Opens what [`seal`] made under the same key with the same annotations.
///
/// # Errors
/// [`OpenError`]; then nothing of the text is given.
pub(crate) fn open(
    key: &Key,
    key_id: &str,
    annotations: &Annotations,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    aead::open(key, &associated(key_id, annotations), sealed)
}

fn associated(key_id: &str, annotations: &Annotations) -> AssociatedData {
    let data = AssociatedData::of(label::KMS).and(key_id.as_bytes());
    annotations.iter().fold(data, |data, (name, value)| data.and(name.as_bytes()).and(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test_support::{generator, unseeded};
    use lavawall_entropy::Secret;

    fn key(byte: u8) -> Key {
        Secret::take(&mut [byte; KEY_BYTES])
    }

    fn annotations(all: &[(&str, &str)]) -> Annotations {
        all.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn each_version_of_each_key_has_an_id_of_its_own_that_stays() {
        let ids = [
            key_id(&key(1), &[1; 16], 1),
            key_id(&key(2), &[1; 16], 1),
            key_id(&key(1), &[2; 16], 1),
            key_id(&key(1), &[1; 16], 2),
        ];
        for (number, id) in ids.iter().enumerate() {
            assert!(id.len() == 64 && !ids[..number].contains(id), "{id}");
        }
        // The formula, by Python's `hmac` and `hashlib`.
        assert_eq!(ids[0], "6f52aae75160e9ba32ca0fe93f6ee55ec0e7415d2b3f4470063b5047f8d2f7a4");
    }

    #[test]
    fn a_text_opens_with_its_key_its_id_and_all_its_annotations_alone() {
        let two = annotations(&[("a.b", "1"), ("b.c", "2")]);
        let sealed = seal(&generator(), &key(1), "id", &two, b"text").expect("seeded");
        let opened = open(&key(1), "id", &two, &sealed).expect("just sealed");
        assert_eq!(opened.as_slice(), b"text");
        assert!(open(&key(2), "id", &two, &sealed).is_err());
        assert!(open(&key(1), "ie", &two, &sealed).is_err());
        for other in [
            &[][..],
            &[("a.b", "1")],
            &[("a.b", "2"), ("b.c", "1")],
            &[("a.b", "1"), ("b.c", "2"), ("c.d", "")],
            &[("a.b", "1b.c"), ("b.c", "2")],
        ] {
            assert!(open(&key(1), "id", &annotations(other), &sealed).is_err(), "{other:?}");
        }
        for at in 0..sealed.len() {
            let mut tampered = sealed.clone();
            tampered[at] ^= 1;
            assert!(open(&key(1), "id", &two, &tampered).is_err(), "byte {at}");
            assert!(open(&key(1), "id", &two, &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn nothing_is_sealed_when_the_generator_refuses() {
        assert!(seal(&unseeded(), &key(1), "id", &Annotations::new(), b"text").is_err());
    }
}
