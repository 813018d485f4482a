//! The AEAD and the key derivation against the answers of their standards.

use hex_literal::hex;

use hkdf::Hkdf;
use sha2::Sha256;

use super::*;
use crate::crypto::key::{derive, draw_key};
use crate::crypto::label;
use crate::crypto::test_support::generator;

fn key(byte: u8) -> Key {
    Secret::take(&mut [byte; KEY_BYTES])
}

/// RFC 8452, Appendix C.2 (AES-256): text, associated data, result.
const RFC_8452: [(&[u8], &[u8], &[u8]); 5] = [
    (b"", b"", &hex!("07f5f4169bbf55a8400cd47ea6fd400f")),
    (&hex!("0100000000000000"), b"", &hex!("c2ef328e5c71c83b843122130f7364b761e0b97427e3df28")),
    (
        &hex!("010000000000000000000000"),
        b"",
        &hex!("9aab2aeb3faa0a34aea8e2b18ca50da9ae6559e48fd10f6e5c9ca17e"),
    ),
    (
        &hex!("0200000000000000"),
        &hex!("01"),
        &hex!("1de22967237a813291213f267e3b452f02d01ae33e4ec854"),
    ),
    (
        &hex!("020000000000000000000000"),
        &hex!("01"),
        &hex!("163d6f9cc1b346cd453a2e4cc1a4a19ae800941ccdc57cc8413c277f"),
    ),
];

#[test]
fn sealing_gives_the_answers_of_rfc_8452() {
    let mut bytes = [0; KEY_BYTES];
    bytes[0] = 1;
    let key = Secret::take(&mut bytes);
    let nonce = hex!("030000000000000000000000");
    for (text, associated, result) in RFC_8452 {
        let bound = AssociatedData(Zeroizing::new(associated.to_vec()));
        let mut sealed = Vec::new();
        seal_with(nonce, &key, &bound, text, &mut sealed);
        assert_eq!(sealed, [nonce.as_slice(), result].concat());
        assert_eq!(open(&key, &bound, &sealed).expect("opens").as_slice(), text);
    }
}

#[test]
fn what_is_sealed_opens_only_whole_in_its_place_and_under_its_key() {
    let generator = generator();
    let bound = AssociatedData::of(label::VALUE).and(b"here").and_number(7);
    let sealed = seal(&generator, &key(1), &bound, b"a text").expect("seeded");
    assert_eq!(open(&key(1), &bound, &sealed).expect("opens").as_slice(), b"a text");
    assert_eq!(open(&key(2), &bound, &sealed), Err(OpenError));
    for elsewhere in [
        AssociatedData::of(label::ENTRY).and(b"here").and_number(7),
        AssociatedData::of(label::VALUE).and(b"there").and_number(7),
        AssociatedData::of(label::VALUE).and(b"here").and_number(8),
        AssociatedData::of(label::VALUE).and(b"here"),
    ] {
        assert_eq!(open(&key(1), &elsewhere, &sealed), Err(OpenError));
    }
    for at in 0..sealed.len() {
        let mut flipped = sealed.clone();
        flipped[at] ^= 1;
        assert_eq!(open(&key(1), &bound, &flipped), Err(OpenError), "bit {at} flipped");
        assert_eq!(open(&key(1), &bound, &sealed[..at]), Err(OpenError), "cut at {at}");
    }
}

#[test]
fn where_one_field_ends_and_the_next_begins_matters() {
    let one = AssociatedData::of(label::VALUE).and(b"ab").and(b"c");
    let other = AssociatedData::of(label::VALUE).and(b"a").and(b"bc");
    assert_ne!(one.0, other.0);
}

#[test]
fn the_same_text_sealed_twice_looks_different() {
    let generator = generator();
    let bound = AssociatedData::of(label::VALUE);
    let sealed = || seal(&generator, &key(1), &bound, b"twice").expect("seeded");
    let (first, second) = (sealed(), sealed());
    assert_ne!(first[..NONCE_BYTES], second[..NONCE_BYTES]);
    assert_ne!(first[NONCE_BYTES..], second[NONCE_BYTES..]);
}

#[test]
fn a_generator_that_refuses_seals_nothing_and_makes_no_key() {
    let unseeded = crate::crypto::test_support::unseeded();
    let mut out = b"before".to_vec();
    let bound = AssociatedData::of(label::VALUE);
    assert!(
        seal_onto(&mut KeyMaterial::of(&unseeded, NONCE_BYTES), &key(1), &bound, b"text", &mut out)
            .is_err()
    );
    assert_eq!(out, b"before");
    assert!(draw_key(&unseeded).is_err());
}

#[test]
fn derived_keys_are_those_of_rfc_5869() {
    // With no salt, HKDF-Extract is HMAC under 32 zero bytes (RFC 5869 §2.2).
    let mut expected = [0; KEY_BYTES];
    Hkdf::<Sha256>::new(Some(&[0; 32]), &[7; 32])
        .expand(b"lavawall v1 entry key", &mut expected)
        .expect("32 bytes");
    assert_eq!(derive(&key(7), label::ENTRY_KEY).expose(), &expected);
    assert_ne!(derive(&key(7), label::ENTRY_KEY), derive(&key(7), label::ID_KEY));
}
