use data_encoding::HEXLOWER;
use hex_literal::hex;
use serde_json::Value;

use super::*;
use crate::crypto::key::Key;

/// Published vectors; the file says whose.
fn vectors(text: &str) -> impl Fn(&str) -> Vec<u8> {
    let vectors: Value = serde_json::from_str(text).expect("JSON");
    move |name| {
        let text = vectors.pointer(&format!("/{name}")).and_then(Value::as_str).expect("a member");
        HEXLOWER.decode(text.as_bytes()).expect("hexadecimal digits")
    }
}

fn rfc_9180() -> impl Fn(&str) -> Vec<u8> {
    vectors(include_str!("../../../fixtures/hpke/x25519.json"))
}

fn service(byte: u8) -> ServiceKey {
    ServiceKey::of(&Key::take(&mut [byte; 32]))
}

fn randomness() -> [u8; RANDOMNESS_BYTES] {
    std::array::from_fn(|at| u8::try_from(at).expect("small") + 1)
}

const NONCE: [u8; 32] = [9; 32];
const SEED: [u8; 32] = [0x5e; 32];

/// A recipient's key, and a seed sealed to it.
fn sealed(suite: SeedSuite) -> (RecipientKey, SealedSeed) {
    let key = RecipientKey::derive(suite, &[7; 32]);
    let recipient = Recipient { suite, public_key: &key.public_key(), nonce: &NONCE };
    let sealed = seal(&service(1), &recipient, &SEED, &mut randomness()).expect("a public key");
    (key, sealed)
}

#[test]
fn a_text_is_sealed_and_opened_as_rfc_9180_has_it() {
    let of = rfc_9180();
    let recipient = Recipient { suite: SeedSuite::X25519, public_key: &of("pkRm"), nonce: &[] };
    let mut drawn = of("ikmE");
    let mut drawn = DrawnBytes { rest: &mut drawn };
    let key = RecipientKey::derive(SeedSuite::X25519, &of("ikmR"));
    assert_eq!(key.public_key(), of("pkRm"));
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(recipient.public_key);
    let (enc, mut context) = hpke::setup_sender_with_rng::<
        ChaCha20Poly1305,
        HkdfSha256,
        X25519HkdfSha256,
    >(&OpModeS::Base, &public.expect("a key"), &of("info"), &mut drawn)
    .expect("a key");
    assert_eq!(enc.to_bytes().to_vec(), of("enc"));
    let ciphertext = context.seal(&of("encryption/pt"), &of("encryption/aad")).expect("sealed");
    assert_eq!(ciphertext, of("encryption/ct"));
}

#[test]
fn the_key_that_is_encapsulated_is_that_of_the_vectors() {
    // DHKEM takes 32 bytes, as RFC 9180's ikmE; the rest stays.
    let of = rfc_9180();
    let mut randomness = [0; RANDOMNESS_BYTES];
    randomness[..32].copy_from_slice(&of("ikmE"));
    let recipient = Recipient { suite: SeedSuite::X25519, public_key: &of("pkRm"), nonce: &NONCE };
    let sealed = seal(&service(1), &recipient, &SEED, &mut randomness).expect("a public key");
    assert_eq!(sealed.enc, of("enc"));
    assert_eq!(randomness, [0; RANDOMNESS_BYTES], "zeroized");

    let of = vectors(include_str!("../../../fixtures/hpke/x-wing.json"));
    let mut randomness = of("eseed").try_into().expect("64 bytes");
    let recipient = Recipient { suite: SeedSuite::XWing, public_key: &of("pk"), nonce: &NONCE };
    let sealed = seal(&service(1), &recipient, &SEED, &mut randomness).expect("a public key");
    assert_eq!(sealed.enc, of("ct"));
    let key = <XWing as Kem>::PrivateKey::from_bytes(&of("sk")).expect("a private key");
    let key = RecipientKey::XWing(Box::new(key));
    assert_eq!(key.public_key(), of("pk"));
    let opened = key.open(service(1).identity(), &NONCE, &sealed).expect("its answer");
    assert_eq!(*opened, SEED);
}

#[test]
fn a_seed_opens_for_its_recipient_from_its_service_to_its_request_only() {
    let identity = service(1).identity();
    for (suite, _) in SeedSuite::ALL {
        let (key, sealed) = sealed(suite);
        assert_eq!(*key.open(identity, &NONCE, &sealed).expect("right"), SEED);
        // An answer to an earlier request.
        assert_eq!(key.open(identity, &[8; 32], &sealed).err(), Some(OpenSeedError::Signature));
        // Another service than the pinned one.
        let other = service(2).identity();
        assert_eq!(key.open(other, &NONCE, &sealed).err(), Some(OpenSeedError::Signature));
        // An answer to another client.
        let stranger = RecipientKey::derive(suite, &[8; 32]);
        assert_eq!(stranger.open(identity, &NONCE, &sealed).err(), Some(OpenSeedError::Signature));
        // Any bit that is changed.
        for part in 0..3 {
            let mut changed = sealed.clone();
            let bytes = match part {
                0 => &mut changed.enc,
                1 => &mut changed.ciphertext,
                _ => &mut changed.signature,
            };
            *bytes.last_mut().expect("not empty") ^= 1;
            assert!(key.open(identity, &NONCE, &changed).is_err(), "{suite:?} {part}");
        }
    }
}

#[test]
fn a_service_cannot_pass_off_a_seed_that_another_one_sealed() {
    let other = service(2);
    for (suite, _) in SeedSuite::ALL {
        let (key, mut taken) = sealed(suite);
        let public_key = key.public_key();
        let recipient = Recipient { suite, public_key: &public_key, nonce: &NONCE };
        let info = recipient.info(other.identity());
        taken.signature =
            other.sign(&recipient.signed(&info, &taken.enc, &taken.ciphertext)).to_vec();
        let opened = key.open(other.identity(), &NONCE, &taken);
        assert_eq!(opened.err(), Some(OpenSeedError::Sealed));
    }
}

#[test]
fn a_signature_of_one_suite_is_none_of_the_other() {
    let message =
        |suite| Recipient { suite, public_key: b"k", nonce: b"n" }.signed(b"info", b"enc", b"text");
    assert_ne!(message(SeedSuite::X25519), message(SeedSuite::XWing));
    // Where one part ends and the next begins is signed.
    let recipient = Recipient { suite: SeedSuite::X25519, public_key: b"k", nonce: b"n" };
    assert_ne!(recipient.signed(b"i", b"ab", b"c"), recipient.signed(b"i", b"a", b"bc"));
}

#[test]
fn what_is_no_public_key_is_refused() {
    let zero = [0; 32];
    // Of order 4: every private key gives the same secret with it (RFC 7748 §6.1, RFC 9180 §7.1.4).
    let of_small_order = {
        let mut point = [0; 32];
        point[0] = 1;
        point
    };
    let (_, sealed) = sealed(SeedSuite::X25519);
    for (suite, public_key) in [
        (SeedSuite::X25519, &[][..]),
        (SeedSuite::X25519, &[9; 31]),
        (SeedSuite::X25519, &[9; 33]),
        (SeedSuite::X25519, &zero),
        (SeedSuite::X25519, &of_small_order),
        (SeedSuite::XWing, &[9; 32]),
        // Coefficients of ML-KEM are less than 3329 (FIPS 203 §7.2).
        (SeedSuite::XWing, &[0xff; 1216]),
    ] {
        let recipient = Recipient { suite, public_key, nonce: &NONCE };
        let refused = seal(&service(1), &recipient, &SEED, &mut randomness());
        assert_eq!(refused, Err(PublicKeyError), "{suite:?} {} bytes", public_key.len());
    }
    let long = SealedSeed { enc: vec![0; 1 << 16], ..sealed };
    let key = RecipientKey::derive(SeedSuite::X25519, &[7; 32]);
    let opened = key.open(service(1).identity(), &NONCE, &long);
    assert_eq!(opened.err(), Some(OpenSeedError::Signature));
}

#[test]
fn the_same_bytes_of_the_generator_seal_the_same_and_others_not() {
    let of = |randomness: &mut [u8; 64], suite| {
        let key = RecipientKey::derive(suite, &[7; 32]).public_key();
        let recipient = Recipient { suite, public_key: &key, nonce: &NONCE };
        seal(&service(1), &recipient, &SEED, randomness).expect("a key")
    };
    for (suite, _) in SeedSuite::ALL {
        let sealed = of(&mut randomness(), suite);
        assert_eq!(of(&mut randomness(), suite), sealed, "nothing else is drawn");
        let mut other = randomness();
        other[31] ^= 1;
        let other = of(&mut other, suite);
        assert!(other.enc != sealed.enc && other.ciphertext != sealed.ciphertext);
    }
}

#[test]
fn what_is_signed_and_sealed_stays_as_it_is() {
    let (key, sealed) = sealed(SeedSuite::X25519);
    let public_key = key.public_key();
    let recipient = Recipient { suite: SeedSuite::X25519, public_key: &public_key, nonce: &NONCE };
    let identity = service(1).identity();
    let info = recipient.info(identity);
    assert_eq!(info[..16], *b"lavawall v1 seed");
    assert_eq!(info[16..48], identity.to_bytes());
    assert_eq!(info[48..], NONCE);
    let message = recipient.signed(&info, &sealed.enc, &sealed.ciphertext);
    assert_eq!(message[..26], *b"lavawall v1 seed signature");
    assert_eq!(message[26..34], hex!("0020 0001 0003 0020"));
    assert!(identity.has_signed(&message, &sealed.signature));
}
