//! Signatures against the answers of their standards and of Wycheproof.

use data_encoding::{BASE64, HEXLOWER};
use hex_literal::hex;

use super::*;
use crate::crypto::key::KEY_BYTES;
use crate::crypto::transit::{Sha2, hash};

const ED25519: SignatureScheme = SignatureScheme::Ed25519;
const P256: SignatureScheme = SignatureScheme::EcdsaP256;

fn key(mut bytes: [u8; KEY_BYTES]) -> Key {
    Key::take(&mut bytes)
}

/// The valid and the invalid cases of a file, all of which must be judged as it says.
fn judged(file: &str, verifies: impl Fn(&[u8], &[u8], &[u8]) -> bool) -> (usize, usize) {
    let hex = |text: &str| match text {
        "-" => Vec::new(),
        digits => HEXLOWER.decode(digits.as_bytes()).expect("digits"),
    };
    let (mut public, mut valid, mut invalid) = (Vec::new(), 0, 0);
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["key", bytes] => public = hex(bytes),
            [result, message, signature] => {
                let is_valid = verifies(&public, &hex(message), &hex(signature));
                assert_eq!(is_valid, result == "valid", "{line}");
                *(if is_valid { &mut valid } else { &mut invalid }) += 1;
            }
            _ => panic!("{line}"),
        }
    }
    (valid, invalid)
}

fn p256_public(bytes: &[u8]) -> PublicKey {
    PublicKey::EcdsaP256(p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).expect("a point"))
}

#[test]
fn every_case_of_wycheproof_for_ed25519_is_judged_as_there() {
    let file = include_str!("../../../fixtures/signatures/ed25519.txt");
    let counts = judged(file, |public, message, signature| {
        let public = public.try_into().expect("32 bytes");
        let public = ed25519_dalek::VerifyingKey::from_bytes(public).expect("a point");
        PublicKey::Ed25519(public).verify(message, signature, SignatureForm::Asn1) == Ok(true)
    });
    assert_eq!(counts, (88, 63));
}

#[test]
fn every_case_of_wycheproof_for_ecdsa_p256_is_judged_as_there_in_both_forms() {
    let asn1 = include_str!("../../../fixtures/signatures/ecdsa-p256-sha256.txt");
    let jws = include_str!("../../../fixtures/signatures/ecdsa-p256-sha256-p1363.txt");
    let judged = |file, form| {
        judged(file, |public, message, signature| {
            let hash = hash(Sha2::Sha256, message);
            p256_public(public).verify(&hash, signature, form) == Ok(true)
        })
    };
    assert_eq!(judged(asn1, SignatureForm::Asn1), (174, 310));
    assert_eq!(judged(jws, SignatureForm::Jws), (173, 89));
}

#[test]
fn ed25519_signs_as_rfc_8032() {
    // RFC 8032 §7.1, TEST 1 to TEST 3.
    for (secret, public, message, signature) in [
        (
            hex!("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
            hex!("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
            &[][..],
            hex!(
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            hex!("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
            hex!("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
            &[0x72],
            hex!(
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
        (
            hex!("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"),
            hex!("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"),
            &[0xaf, 0x82],
            hex!(
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
            ),
        ),
    ] {
        let key = key(secret);
        assert_eq!(ED25519.public_key(&key).text(), BASE64.encode(&public));
        assert_eq!(ED25519.sign(&key, message, SignatureForm::Asn1), signature);
        assert_eq!(ED25519.sign(&key, message, SignatureForm::Jws), signature);
        let ExportedKey::Bytes(exported) = ED25519.exported(&key) else { panic!("no PEM") };
        assert_eq!(exported.as_slice(), [secret, public].concat());
    }
}

/// RFC 6979 A.2.5: the private key.
const RFC_6979: [u8; 32] = hex!("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");

#[test]
fn ecdsa_p256_signs_as_rfc_6979_and_verifies_its_signatures_by_every_hash() {
    // RFC 6979 A.2.5: by SHA-256.
    let public = p256_public(&hex!(
        "04"
        "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
        "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
    ));
    let key = key(RFC_6979);
    assert_eq!(P256.public_key(&key), public);
    for (text, signature) in [
        (
            b"sample".as_slice(),
            hex!(
                "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
                "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
            ),
        ),
        (
            b"test",
            hex!(
                "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
                "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"
            ),
        ),
    ] {
        let hash = hash(Sha2::Sha256, text);
        assert_eq!(P256.sign(&key, &hash, SignatureForm::Jws), signature);
        let der = P256.sign(&key, &hash, SignatureForm::Asn1);
        assert_eq!(public.verify(&hash, &der, SignatureForm::Asn1), Ok(true));
        assert_eq!(public.verify(&hash, &signature, SignatureForm::Asn1), Err(MalformedSignature));
        assert_eq!(public.verify(&hash, &der, SignatureForm::Jws), Ok(false));
    }
    // The same, "sample" by the other hashes.
    for (sha2, signature) in [
        (
            Sha2::Sha224,
            hex!(
                "53b2fff5d1752b2c689df257c04c40a587fababb3f6fc2702f1343af7ca9aa3f"
                "b9afb64fdc03dc1a131c7d2386d11e349f070aa432a4acc918bea988bf75c74c"
            ),
        ),
        (
            Sha2::Sha384,
            hex!(
                "0eafea039b20e9b42309fb1d89e213057cbf973dc0cfc8f129edddc800ef7719"
                "4861f0491e6998b9455193e34e7b0d284ddd7149a74b95b9261f13abde940954"
            ),
        ),
        (
            Sha2::Sha512,
            hex!(
                "8496a60b5e9b47c825488827e0495b0e3fa109ec4568fd3f8d1097678eb97f00"
                "2362ab1adbe2b8adf9cb9edab740ea6049c028114f2460f96554f61fae3302fe"
            ),
        ),
    ] {
        let hash = hash(sha2, b"sample");
        assert_eq!(public.verify(&hash, &signature, SignatureForm::Jws), Ok(true), "{sha2:?}");
    }
}

#[test]
fn a_private_key_of_p256_is_from_1_to_the_order_less_1() {
    // The order n: FIPS 186-5's SP 800-186 §3.2.1.3.
    let order = hex!("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let (mut last, mut one) = (order, [0; KEY_BYTES]);
    (last[31], one[31]) = (0x50, 1);
    for (bytes, is_key) in
        [([0; 32], false), (one, true), (last, true), (order, false), ([0xff; 32], false)]
    {
        assert_eq!(P256.is_private_key(&key(bytes)), is_key, "{bytes:02x?}");
        assert!(ED25519.is_private_key(&key(bytes)));
    }
}

#[test]
fn a_signature_is_of_its_key_its_text_and_none_of_its_bits_can_change() {
    for (scheme, form) in
        [(ED25519, SignatureForm::Asn1), (P256, SignatureForm::Asn1), (P256, SignatureForm::Jws)]
    {
        let (one, other) = (key([7; KEY_BYTES]), key([8; KEY_BYTES]));
        let text = hash(Sha2::Sha256, b"text");
        let signature = scheme.sign(&one, &text, form);
        assert_eq!(signature, scheme.sign(&one, &text, form), "no randomness");
        let is_valid = |key: &Key, text: &[u8], signature: &[u8]| {
            scheme.public_key(key).verify(text, signature, form) == Ok(true)
        };
        assert!(is_valid(&one, &text, &signature));
        assert!(!is_valid(&other, &text, &signature));
        assert!(!is_valid(&one, &text[1..], &signature));
        assert!(!is_valid(&one, &[], &signature) && !is_valid(&one, &text, &[]));
        for at in 0..signature.len() {
            for bit in 0..8 {
                let mut changed = signature.clone();
                changed[at] ^= 1 << bit;
                assert!(!is_valid(&one, &text, &changed), "{scheme:?}: bit {bit} of byte {at}");
            }
            assert!(!is_valid(&one, &text, &signature[..at]));
        }
    }
}

#[test]
fn keys_of_p256_are_shown_and_exported_in_pem() {
    // Of the key of RFC 6979 A.2.5, by Python's `cryptography`.
    let public = P256.public_key(&key(RFC_6979)).text();
    assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"));
    assert!(public.ends_with("\n-----END PUBLIC KEY-----"));
    let ExportedKey::Pem(private) = P256.exported(&key(RFC_6979)) else { panic!("PEM") };
    assert_eq!(private.as_str(), EXPORTED);
}

const EXPORTED: &str = "-----BEGIN EC PRIVATE KEY-----\n\
    MHcCAQEEIMmvqdhFunUWa1whV2ex1pNOUMPbNuibEnuKYisSD2choAoGCCqGSM49\n\
    AwEHoUQDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8\n\
    maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==\n\
    -----END EC PRIVATE KEY-----";
