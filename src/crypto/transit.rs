//! Ciphers and hashes of keys that callers use by name.
//!
//! ```text
//! aes256-gcm96        nonce ‖ AES-256-GCM-SIV(key, nonce, label ‖ associated data, text) ‖ tag   RFC 8452
//! chacha20-poly1305   nonce ‖ ChaCha20-Poly1305(key, nonce, associated data, text) ‖ tag        RFC 8439
//!                     nonce = HMAC-SHA-256(nonce key, drawn ‖ len ‖ associated data ‖ text), 96 bits
//! derived keys        HKDF-SHA-256(key, info = context)                                         RFC 5869
//! nonce keys          HKDF-SHA-256(salt = label, key)
//! MAC keys            HKDF-SHA-256(salt = label, key), 32 bytes, or as many as a key for HMAC alone has
//! ```
//! ChaCha20-Poly1305 breaks when a nonce is used twice: its nonce depends on all that is sealed, so that a
//! generator that repeats itself, as after the restore of a snapshot, repeats the same text at most.

use hkdf::Hkdf;
use hkdf::hmac::{Hmac, KeyInit, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::crypto::aead;
use crate::crypto::aead::{AssociatedData, OVERHEAD_BYTES, OpenError, TAG_BYTES};
use crate::crypto::key::{KEY_BYTES, Key};
use crate::crypto::key_material::NONCE_BYTES;
use crate::crypto::label;
use lavawall_entropy::{Generator, NotReady, Secret, on_scrubbed_stack};

/// The ciphers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransitCipher {
    /// Called `aes256-gcm96` by clients of Vault.
    Aes256GcmSiv,
    /// RFC 8439.
    ChaCha20Poly1305,
}

/// The hashes, for sums and HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sha2 {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// Seals `text` with a nonce of the generator.
///
/// # Errors
/// When the generator refuses.
pub(crate) fn seal(
    generator: &Generator,
    cipher: TransitCipher,
    key: &Key,
    data: &[u8],
    text: &[u8],
) -> Result<Vec<u8>, NotReady> {
    match cipher {
        TransitCipher::Aes256GcmSiv => aead::seal(generator, key, &associated(data), text),
        TransitCipher::ChaCha20Poly1305 => {
            let mut drawn = Zeroizing::new([0; 32]);
            generator.fill(drawn.as_mut_slice())?;
            Ok(seal_chacha(hedged_nonce(key, &drawn, data, text), key, data, text))
        }
    }
}

/// Opens what [`seal`] made under the same key with the same associated data.
///
/// # Errors
/// [`OpenError`]; then nothing of the text is given.
pub(crate) fn open(
    cipher: TransitCipher,
    key: &Key,
    data: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    match cipher {
        TransitCipher::Aes256GcmSiv => aead::open(key, &associated(data), sealed),
        TransitCipher::ChaCha20Poly1305 => {
            let (nonce, rest) = sealed.split_first_chunk().ok_or(OpenError)?;
            let mut text = Zeroizing::new(rest.to_vec());
            let opened = on_scrubbed_stack(|| {
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let opened = chacha(key).open_in_place(nonce, Aad::from(data), &mut text);
                opened.map(|text| text.len()).map_err(|_| OpenError)
            })?;
            text.truncate(opened);
            Ok(text)
        }
    }
}

/// The key of a context.
#[must_use]
pub(crate) fn derived(key: &Key, context: &[u8]) -> Key {
    expanded(None, key, context)
}

/// The key for HMAC of a key version, of up to 512 bytes.
#[must_use]
pub(crate) fn mac_key(key: &Key, bytes: usize) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![0; bytes]);
    expand(Some(label::TRANSIT_MAC), key, &[], &mut out);
    out
}

/// The hash of `text`.
#[must_use]
pub(crate) fn hash(sha2: Sha2, text: &[u8]) -> Vec<u8> {
    match sha2 {
        Sha2::Sha224 => Sha224::digest(text).to_vec(),
        Sha2::Sha256 => Sha256::digest(text).to_vec(),
        Sha2::Sha384 => Sha384::digest(text).to_vec(),
        Sha2::Sha512 => Sha512::digest(text).to_vec(),
    }
}

/// HMAC of `text` (RFC 2104), under [`mac_key`].
#[must_use]
pub(crate) fn mac(sha2: Sha2, key: &[u8], text: &[u8]) -> Vec<u8> {
    match sha2 {
        Sha2::Sha224 => started::<Hmac<Sha224>>(key, text).finalize().into_bytes().to_vec(),
        Sha2::Sha256 => started::<Hmac<Sha256>>(key, text).finalize().into_bytes().to_vec(),
        Sha2::Sha384 => started::<Hmac<Sha384>>(key, text).finalize().into_bytes().to_vec(),
        Sha2::Sha512 => started::<Hmac<Sha512>>(key, text).finalize().into_bytes().to_vec(),
    }
}

/// Whether a MAC is that of `text`, compared in constant time.
#[must_use]
pub(crate) fn is_mac(sha2: Sha2, key: &[u8], text: &[u8], mac: &[u8]) -> bool {
    match sha2 {
        Sha2::Sha224 => started::<Hmac<Sha224>>(key, text).verify_slice(mac).is_ok(),
        Sha2::Sha256 => started::<Hmac<Sha256>>(key, text).verify_slice(mac).is_ok(),
        Sha2::Sha384 => started::<Hmac<Sha384>>(key, text).verify_slice(mac).is_ok(),
        Sha2::Sha512 => started::<Hmac<Sha512>>(key, text).verify_slice(mac).is_ok(),
    }
}

fn started<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> M {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(text);
    mac
}

fn associated(data: &[u8]) -> AssociatedData {
    AssociatedData::of(label::TRANSIT).and(data)
}

fn expanded(salt: Option<&str>, key: &Key, info: &[u8]) -> Key {
    Secret::filled_by(|out: &mut [u8; KEY_BYTES]| expand(salt, key, info, out))
}

fn expand(salt: Option<&str>, key: &Key, info: &[u8], out: &mut [u8]) {
    on_scrubbed_stack(|| {
        Hkdf::<Sha256>::new(salt.map(str::as_bytes), key.expose())
            .expand(info, out)
            .expect("no key has more than the 8160 bytes that HKDF gives");
    });
}

fn hedged_nonce(key: &Key, drawn: &[u8; 32], data: &[u8], text: &[u8]) -> [u8; NONCE_BYTES] {
    let nonce_key = expanded(Some(label::TRANSIT_NONCE), key, &[]);
    let mut mac = started::<Hmac<Sha256>>(nonce_key.expose(), drawn);
    mac.update(&(data.len() as u64).to_be_bytes());
    mac.update(data);
    mac.update(text);
    let tag = mac.finalize().into_bytes();
    *tag.first_chunk().expect("a hash is longer than a nonce")
}

fn seal_chacha(nonce: [u8; NONCE_BYTES], key: &Key, data: &[u8], text: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(text.len() + OVERHEAD_BYTES);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(text);
    let tag = on_scrubbed_stack(|| {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let text = &mut sealed[NONCE_BYTES..];
        let tag = chacha(key).seal_in_place_separate_tag(nonce, Aad::from(data), text);
        tag.expect("texts are shorter than 256 GiB (RFC 8439 §2.8)")
    });
    debug_assert_eq!(tag.as_ref().len(), TAG_BYTES);
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

fn chacha(key: &Key) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.expose());
    LessSafeKey::new(key.expect("a key has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER_PERMISSIVE;
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::test_support::{generator, unseeded};

    const CIPHERS: [TransitCipher; 2] =
        [TransitCipher::Aes256GcmSiv, TransitCipher::ChaCha20Poly1305];

    fn key(byte: u8) -> Key {
        Secret::take(&mut [byte; 32])
    }

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).expect("digits")
    }

    #[test]
    fn chacha20_poly1305_is_that_of_rfc_8439() {
        // RFC 8439 §2.8.2.
        let key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
        let mut key: [u8; 32] = key.try_into().expect("32 bytes");
        let key = Secret::take(&mut key);
        let nonce = hex("070000004041424344454647").try_into().expect("12 bytes");
        let data = hex("50515253c0c1c2c3c4c5c6c7");
        let text =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
                     the future, sunscreen would be it.";
        let sealed = seal_chacha(nonce, &key, &data, text);
        assert_eq!(sealed[12..20], hex("d31a8d34648e60db"));
        assert_eq!(sealed[sealed.len() - 16..], hex("1ae10b594f09e26a7e902ecbd0600691"));
        let opened = open(TransitCipher::ChaCha20Poly1305, &key, &data, &sealed);
        assert_eq!(opened.expect("just sealed").as_slice(), text);
    }

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        // RFC 4231 §4.2 has a key of 20 bytes; HMAC pads it with zeros.
        let mut padded = [0; 32];
        padded[..20].fill(0x0b);
        let key = padded.as_slice();
        for (sha2, begin) in [
            (Sha2::Sha224, "896fb1128abbdf19"),
            (Sha2::Sha256, "b0344c61d8db3853"),
            (Sha2::Sha384, "afd03944d8489562"),
            (Sha2::Sha512, "87aa7cdea5ef619d"),
        ] {
            let tag = mac(sha2, key, b"Hi There");
            assert_eq!(tag[..8], hex(begin), "{sha2:?}");
            assert!(is_mac(sha2, key, b"Hi There", &tag));
            assert!(!is_mac(sha2, key, b"Hi there", &tag));
            assert!(!is_mac(sha2, key, b"Hi There", &tag[..8]));
        }
        assert_eq!(hash(Sha2::Sha256, b"abc")[..4], hex("ba7816bf"), "FIPS 180-4");
    }

    #[test]
    fn a_nonce_that_is_drawn_twice_seals_two_texts_under_two_nonces() {
        let nonce = |data: &[u8], text: &[u8]| hedged_nonce(&key(1), &[7; 32], data, text);
        assert_eq!(nonce(b"a", b"text"), nonce(b"a", b"text"));
        assert_ne!(nonce(b"a", b"text"), nonce(b"a", b"texu"));
        assert_ne!(nonce(b"at", b"ext"), nonce(b"a", b"text"));
        assert_ne!(nonce(b"a", b"text"), hedged_nonce(&key(1), &[8; 32], b"a", b"text"));
    }

    #[test]
    fn keys_for_contexts_macs_and_nonces_are_different_keys() {
        let of = |key: &Key| *key.expose();
        let keys = [
            of(&key(1)),
            of(&derived(&key(1), b"a")),
            of(&derived(&key(1), b"b")),
            of(&derived(&key(1), &[])),
            mac_key(&key(1), KEY_BYTES).as_slice().try_into().expect("32 bytes"),
            of(&expanded(Some(label::TRANSIT_NONCE), &key(1), &[])),
        ];
        for (at, one) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn no_nonce_comes_from_elsewhere_when_the_generator_refuses() {
        for cipher in CIPHERS {
            assert!(seal(&unseeded(), cipher, &key(1), b"", b"text").is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_with_its_key_and_data_and_with_no_change(
            text in proptest::collection::vec(any::<u8>(), 0..200),
            data in proptest::collection::vec(any::<u8>(), 0..50),
            at in any::<proptest::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let generator = generator();
            for cipher in CIPHERS {
                let sealed = seal(&generator, cipher, &key(1), &data, &text).expect("seeded");
                prop_assert_eq!(sealed.len(), text.len() + OVERHEAD_BYTES);
                let opened = open(cipher, &key(1), &data, &sealed).expect("just sealed");
                prop_assert_eq!(opened.as_slice(), &text);
                let again = seal(&generator, cipher, &key(1), &data, &text).expect("seeded");
                prop_assert_ne!(&again, &sealed);
                prop_assert!(open(cipher, &key(2), &data, &sealed).is_err());
                let other = [data.as_slice(), b"x"].concat();
                prop_assert!(open(cipher, &key(1), &other, &sealed).is_err());
                let mut tampered = sealed.clone();
                tampered[at.index(sealed.len())] ^= 1 << bit;
                prop_assert!(open(cipher, &key(1), &data, &tampered).is_err());
                prop_assert!(open(cipher, &key(1), &data, &sealed[..at.index(sealed.len())]).is_err());
            }
        }
    }
}
