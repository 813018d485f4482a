//! Signatures and keys for MACs alone over the served program, as clients of Vault use them.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ED25519, Ed25519KeyPair, UnparsedPublicKey,
};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::running::{Running, get};
use crate::vault::{admin, call, create, errors};
use crate::{ONE_KIND, TWO_KINDS};

/// "hello"
const HELLO: &str = "aGVsbG8=";

const KINDS: [&str; 2] = ["ed25519", "ecdsa-p256"];

/// A service, the token of its administrator, and the calls with that.
struct Vault {
    service: Running,
    token: String,
}

impl Vault {
    fn start() -> Self {
        let service = Running::start(TWO_KINDS);
        Self { token: admin(&service), service }
    }

    fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        call(&self.service, &self.token, "POST", &format!("transit/{path}"), &body.to_string())
    }

    /// The data of a call that succeeds.
    fn data(&self, path: &str, body: &Value) -> Value {
        let (status, mut answer) = self.ask(path, body);
        assert_eq!(status, 200, "{path} {body}: {answer}");
        answer["data"].take()
    }

    fn read(&self, path: &str) -> (u16, Value) {
        let (status, mut answer) =
            call(&self.service, &self.token, "GET", &format!("transit/{path}"), "");
        (status, if status == 200 { answer["data"].take() } else { answer })
    }

    /// Makes a key of a type, named as the type.
    fn make(&self, kind: &str, more: &Value) {
        let mut body = json!({ "type": kind });
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("more"));
        self.data(&format!("keys/{kind}"), &body);
    }

    fn signed(&self, name: &str, more: &Value) -> String {
        let mut body = json!({ "input": HELLO });
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("more"));
        let signed = self.data(&format!("sign/{name}"), &body);
        signed["signature"].as_str().expect("a signature").to_owned()
    }

    fn verified(&self, name: &str, signature: &str) -> (u16, Value) {
        let body = json!({ "input": HELLO, "signature": signature });
        let (status, mut answer) = self.ask(&format!("verify/{name}"), &body);
        (status, if status == 200 { answer["data"]["valid"].take() } else { answer })
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The bytes of a signature of a version.
fn signature_bytes(signature: &str, version: u32) -> Vec<u8> {
    let text = signature.strip_prefix(&format!("vault:v{version}:")).expect("of this version");
    BASE64.decode(text.as_bytes()).expect("base64")
}

/// The point in PEM of a `SubjectPublicKeyInfo`: its last 65 bytes.
fn point(pem: &str) -> Vec<u8> {
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64.decode(text.as_bytes()).expect("base64");
    der[der.len() - 65..].to_vec()
}

#[test]
fn keys_that_sign_are_made_shown_rotated_set_trimmed_and_deleted_as_in_openbao() {
    let vault = Vault::start();
    for (kind, name, derivation) in [("ed25519", "ed25519", true), ("ecdsa-p256", "P-256", false)] {
        let path = format!("keys/{kind}");
        let made = vault.data(&path, &json!({ "type": kind }));
        let version = &made["keys"]["1"];
        let (public, at) = (text(&version["public_key"]), text(&version["creation_time"]));
        let expected = json!({
            "allow_plaintext_backup": false, "auto_rotate_period": 0, "deletion_allowed": false,
            "derived": false, "exportable": false, "imported_key": false,
            "keys": { "1": {
                "certificate_chain": "", "creation_time": at, "name": name, "public_key": public,
            } },
            "latest_version": 1, "min_available_version": 0, "min_decryption_version": 1,
            "min_encryption_version": 0, "name": kind, "soft_deleted": false,
            "supports_decryption": false, "supports_derivation": derivation,
            "supports_encryption": false, "supports_signing": true, "type": kind,
        });
        assert_eq!(made, expected);
        assert!(at.parse::<jiff::Timestamp>().is_ok(), "{at}");
        assert_eq!(vault.read(&path), (200, expected));
        if kind == "ed25519" {
            assert_eq!(BASE64.decode(public.as_bytes()).map(|key| key.len()), Ok(32));
        } else {
            assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{public}");
            assert!(public.ends_with("\n-----END PUBLIC KEY-----\n"), "{public}");
        }
        let rotated = vault.data(&format!("{path}/rotate"), &json!({}));
        assert_ne!(rotated["keys"]["2"]["public_key"], rotated["keys"]["1"]["public_key"]);
        let set = json!({ "min_decryption_version": 2, "min_encryption_version": 2 });
        let set = vault.data(&format!("{path}/config"), &set);
        assert_eq!(set["keys"].as_object().map(serde_json::Map::len), Some(1));
        vault.data(&format!("{path}/trim"), &json!({ "min_available_version": 2 }));
        vault.data(&format!("{path}/config"), &json!({ "deletion_allowed": true }));
        let deleted = call(&vault.service, &vault.token, "DELETE", &format!("transit/{path}"), "");
        assert_eq!(deleted.0, 204);
        assert_eq!(vault.read(&path).0, 404);
    }
}

#[test]
fn others_verify_our_signatures_under_the_public_key_that_is_shown() {
    let vault = Vault::start();
    for kind in KINDS {
        vault.make(kind, &json!({}));
        let shown = vault.read(&format!("keys/{kind}")).1;
        let public = text(&shown["keys"]["1"]["public_key"]).to_owned();
        let signature = signature_bytes(&vault.signed(kind, &json!({})), 1);
        let jws = vault.signed(kind, &json!({ "marshaling_algorithm": "jws" }));
        let jws = BASE64URL_NOPAD.decode(&jws.as_bytes()["vault:v1:".len()..]).expect("base64url");
        if kind == "ed25519" {
            let public = BASE64.decode(public.as_bytes()).expect("base64");
            let public = UnparsedPublicKey::new(&ED25519, public);
            assert!(public.verify(b"hello", &signature).is_ok());
            assert!(public.verify(b"hello", &jws).is_ok());
            assert!(public.verify(b"hella", &signature).is_err());
        } else {
            let public = point(&public);
            let asn1 = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &public);
            assert!(asn1.verify(b"hello", &signature).is_ok());
            assert!(asn1.verify(b"hella", &signature).is_err());
            let fixed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public);
            assert!(fixed.verify(b"hello", &jws).is_ok());
        }
        assert_eq!(vault.signed(kind, &json!({})), vault.signed(kind, &json!({})), "RFC 6979");
    }
}

#[test]
fn every_hash_and_form_is_signed_and_verified_and_no_other_text_key_or_version() {
    let vault = Vault::start();
    for kind in KINDS {
        vault.make(kind, &json!({}));
        vault.data("keys/other", &json!({ "type": kind }));
        for hash in ["sha2-224", "sha2-256", "sha2-384", "sha2-512"] {
            for form in ["asn1", "jws"] {
                let options = json!({ "marshaling_algorithm": form });
                let signature = vault.signed(&format!("{kind}/{hash}"), &options);
                let mut body = json!({
                    "input": HELLO, "signature": signature, "marshaling_algorithm": form,
                    "hash_algorithm": hash,
                });
                let valid = |name: &str, body: &Value| vault.data(&format!("verify/{name}"), body);
                assert_eq!(valid(kind, &body)["valid"], true, "{kind} {hash} {form}");
                assert_eq!(valid(&format!("{kind}/{hash}"), &body)["valid"], true);
                assert_eq!(valid("other", &body)["valid"], false, "of another key");
                body["input"] = "aGVsbGE=".into();
                assert_eq!(valid(kind, &body)["valid"], false, "of another text");
            }
        }
        let other = call(
            &vault.service,
            &vault.token,
            "POST",
            "transit/keys/other/config",
            "{\"deletion_allowed\":true}",
        );
        assert_eq!(other.0, 200);
        assert_eq!(call(&vault.service, &vault.token, "DELETE", "transit/keys/other", "").0, 204);
        let first = vault.signed(kind, &json!({}));
        vault.data(&format!("keys/{kind}/rotate"), &json!({}));
        let second = vault.signed(kind, &json!({}));
        assert!(second.starts_with("vault:v2:"), "{second}");
        assert_eq!(vault.signed(kind, &json!({ "key_version": 1 })), first);
        for signature in [&first, &second] {
            assert_eq!(vault.verified(kind, signature), (200, true.into()));
        }
        let swapped = second.replace("vault:v2:", "vault:v1:");
        assert_eq!(vault.verified(kind, &swapped), (200, false.into()), "of another version");
    }
    // SHA-256 of "hello", as in FIPS 180-4: a hash that is given is signed as it is.
    let hash = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    let body = json!({ "input": hash, "prehashed": true });
    let prehashed = vault.data("sign/ecdsa-p256", &body)["signature"].take();
    assert_eq!(prehashed, vault.signed("ecdsa-p256", &json!({})));
    let body = json!({ "input": hash, "prehashed": true, "signature": prehashed });
    assert_eq!(vault.data("verify/ecdsa-p256", &body)["valid"], true);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of errors")]
fn errors_of_signatures_are_those_of_openbao_word_for_word() {
    let vault = Vault::start();
    for kind in KINDS {
        vault.make(kind, &json!({}));
        vault.data(&format!("keys/{kind}/rotate"), &json!({}));
    }
    vault.data("keys/aes", &json!({}));
    vault.data("keys/old", &json!({ "type": "ed25519" }));
    for _ in 0..2 {
        vault.data("keys/old/rotate", &json!({}));
    }
    let set = json!({ "min_decryption_version": 2, "min_encryption_version": 3 });
    vault.data("keys/old/config", &set);
    let too_old = "ciphertext or signature version is disallowed by policy (too old)";
    let none = "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15";
    let no_derivation =
        "key derivation and convergent encryption not supported for keys of type ecdsa-p256";
    let neither = "neither a 'signature' nor an 'hmac' were given to verify";
    let mixed = "elements of batch_input must all provide 'signature' or all provide 'hmac'";
    let signature = |text: &str| json!({ "input": HELLO, "signature": text });
    let items = |items: Value| json!({ "batch_input": items });
    for (path, body, said) in [
        ("keys/n", json!({ "type": "ecdsa-p256", "derived": true }), no_derivation),
        (
            "keys/n",
            json!({ "type": "ed25519", "derived": true, "convergent_encryption": true }),
            "convergent encryption not supported for keys of type ed25519",
        ),
        (
            "keys/n",
            json!({ "type": "ed25519", "key_size": 64 }),
            "key_size is not valid for algorithm ed25519",
        ),
        (
            "keys/n",
            json!({ "type": "hmac" }),
            "invalid key size for HMAC key, must be between 32 and 512 bytes",
        ),
        ("keys/n", json!({ "type": "hmac", "key_size": 31 }), "invalid key_size 31"),
        ("keys/n", json!({ "type": "hmac", "key_size": 513 }), "invalid key_size 513"),
        ("sign/none", json!({ "input": HELLO }), "signing key not found"),
        ("verify/none", signature("x"), "signature verification key not found"),
        ("verify/none", json!({ "input": HELLO, "hmac": "x" }), "encryption key not found"),
        ("sign/aes", json!({}), "key type aes256-gcm96 does not support signing"),
        ("verify/aes", signature("x"), "key type aes256-gcm96 does not support verification"),
        (
            "encrypt/ed25519",
            json!({ "plaintext": HELLO }),
            "message encryption not supported for key type ed25519",
        ),
        (
            "decrypt/ed25519",
            json!({ "ciphertext": "x" }),
            "message decryption not supported for key type ed25519",
        ),
        (
            "rewrap/ecdsa-p256",
            json!({ "ciphertext": "x" }),
            "message decryption not supported for key type ecdsa-p256",
        ),
        (
            "datakey/plaintext/ecdsa-p256",
            json!({}),
            "message encryption not supported for key type ecdsa-p256",
        ),
        (
            "encrypt/new",
            json!({ "plaintext": HELLO, "type": "ed25519" }),
            "unknown key type ed25519",
        ),
        ("sign/ed25519/md5", json!({ "input": HELLO }), "invalid hash algorithm \"md5\""),
        (
            "sign/ecdsa-p256",
            json!({ "input": HELLO, "hash_algorithm": "md5" }),
            "invalid hash algorithm \"md5\"",
        ),
        ("sign/ecdsa-p256/none", json!({ "input": HELLO }), none),
        (
            "sign/ed25519",
            json!({ "input": HELLO, "marshaling_algorithm": "x" }),
            "invalid marshaling type \"x\"",
        ),
        (
            "sign/ed25519",
            json!({ "input": HELLO, "marshaling_algorithm": "" }),
            "invalid marshaling type \"\"",
        ),
        (
            "sign/ed25519",
            json!({ "input": "!" }),
            "unable to decode input as base64: illegal base64 data at input byte 0",
        ),
        (
            "sign/ed25519",
            json!({ "input": HELLO, "context": "!" }),
            "failed to base64-decode context",
        ),
        (
            "sign/ecdsa-p256",
            json!({ "input": "", "prehashed": true }),
            "ecdsa: hash cannot be empty",
        ),
        (
            "sign/ed25519",
            json!({ "input": HELLO, "key_version": -1 }),
            "requested version for signing is negative",
        ),
        (
            "sign/ed25519",
            json!({ "input": HELLO, "key_version": 9 }),
            "requested version for signing is higher than the latest key version",
        ),
        (
            "sign/old",
            json!({ "input": HELLO, "key_version": 2 }),
            "requested version for signing is less than the minimum encryption key version",
        ),
        ("sign/ed25519", items(json!([])), "missing batch input to process"),
        ("verify/ed25519", json!({ "input": HELLO }), neither),
        ("verify/ed25519", signature(""), "invalid signature: no prefix"),
        (
            "verify/ed25519",
            json!({ "input": HELLO, "hmac": "" }),
            "invalid HMAC to verify: no prefix",
        ),
        ("verify/ed25519", signature("vault:v1"), "invalid signature: wrong number of fields"),
        (
            "verify/ed25519",
            signature("vault:vx:YQ=="),
            "invalid signature: version number could not be decoded",
        ),
        ("verify/ed25519", signature("vault:v9:YQ=="), "invalid signature: version is too new"),
        ("verify/old", signature("vault:v1:YQ=="), too_old),
        ("verify/ed25519", signature("vault:v0:YQ=="), too_old),
        ("verify/ed25519", signature("vault:v1:!"), "invalid base64 signature value"),
        ("verify/ecdsa-p256", signature("vault:v1:YQ=="), "supplied signature is invalid"),
        (
            "verify/ed25519",
            items(json!([{ "input": HELLO, "signature": "x" }, { "input": HELLO, "hmac": "x" }])),
            mixed,
        ),
        (
            "verify/ed25519",
            items(json!([{ "input": HELLO, "signature": "x" }, { "input": HELLO }])),
            "some elements of batch_input are missing 'signature'",
        ),
        (
            "verify/ed25519",
            items(json!([{ "input": HELLO, "hmac": "x" }, { "input": HELLO }])),
            "some elements of batch_input are missing 'hmac'",
        ),
        (
            "verify/ed25519",
            items(json!([{ "input": HELLO }])),
            "no batch_input elements have 'signature' or 'hmac'",
        ),
    ] {
        assert_eq!(vault.ask(path, &body), (400, errors(said)), "{path} {body}");
    }
    // What has no form of a signature is none.
    for (name, text) in [("ed25519", "vault:v1:"), ("ed25519", "vault:v1:YQ==")] {
        assert_eq!(vault.verified(name, text), (200, false.into()), "{text}");
    }
    let missing = call(&vault.service, &vault.token, "GET", "transit/sign/ed25519", "");
    assert_eq!(missing.0, 405);
}

#[test]
fn a_batch_of_signatures_keeps_its_order_and_references_and_says_which_item_failed() {
    let vault = Vault::start();
    vault.make("ed25519", &json!({}));
    let items = json!([
        { "input": HELLO, "reference": "r" }, {}, { "input": "!" }, { "input": "" },
    ]);
    let signed =
        vault.data("sign/ed25519", &json!({ "batch_input": items }))["batch_results"].take();
    assert_eq!((&signed[0]["reference"], &signed[0]["key_version"]), (&json!("r"), &json!(1)));
    assert_eq!(signed[0]["signature"], vault.signed("ed25519", &json!({})).as_str());
    let failed = json!({ "error": "missing input", "key_version": 0, "reference": "" });
    assert_eq!(signed[1], failed);
    assert!(text(&signed[2]["error"]).starts_with("unable to decode input"), "{signed}");
    let (one, empty) = (&signed[0]["signature"], &signed[3]["signature"]);
    let items = json!([
        { "input": HELLO, "signature": one, "reference": "a" },
        { "input": HELLO, "signature": empty },
        { "input": HELLO, "signature": "x" },
        { "signature": one },
        { "input": "", "signature": empty },
    ]);
    let checked = vault.data("verify/ed25519", &json!({ "batch_input": items }));
    let expected = json!([
        { "valid": true, "reference": "a" },
        { "valid": false, "reference": "" },
        { "valid": false, "reference": "", "error": "invalid signature: no prefix" },
        { "valid": false, "reference": "", "error": "missing input" },
        { "valid": true, "reference": "" },
    ]);
    assert_eq!(checked["batch_results"], expected);
}

#[test]
fn each_context_of_a_derived_key_has_a_key_of_its_own() {
    let vault = Vault::start();
    vault.make("ed25519", &json!({ "derived": true }));
    let shown = vault.read("keys/ed25519").1;
    assert_eq!(shown["keys"]["1"]["public_key"], "", "{shown}");
    let sign =
        |context: &str| vault.data("sign/ed25519", &json!({ "input": HELLO, "context": context }));
    let (one, other) = (sign("YQ=="), sign("Yg=="));
    assert_ne!(one["public_key"], other["public_key"]);
    let public = BASE64.decode(text(&one["public_key"]).as_bytes()).expect("base64");
    let signature = signature_bytes(text(&one["signature"]), 1);
    assert!(UnparsedPublicKey::new(&ED25519, public).verify(b"hello", &signature).is_ok());
    for (context, valid) in [("YQ==", true), ("Yg==", false)] {
        let body = json!({ "input": HELLO, "signature": one["signature"], "context": context });
        assert_eq!(vault.data("verify/ed25519", &body)["valid"], valid);
    }
    let (status, said) = vault.ask("sign/ed25519", &json!({ "input": HELLO }));
    assert!(status == 400 && said.to_string().contains("missing 'context'"), "{said}");
}

#[test]
fn a_private_key_is_read_only_where_it_was_made_exportable_and_signs_elsewhere() {
    let vault = Vault::start();
    for kind in KINDS {
        vault.make(kind, &json!({}));
        let export = |what: &str| vault.read(&format!("export/{what}/{kind}"));
        let refused = errors("private key material is not exportable");
        for what in ["signing-key", "encryption-key", "hmac-key"] {
            assert_eq!(export(what), (400, refused.clone()), "{what}");
        }
        let shown = vault.read(&format!("keys/{kind}")).1["keys"]["1"]["public_key"].take();
        let public = export("public-key").1["keys"]["1"].take();
        assert_eq!(text(&public), text(&shown).trim_end());
        vault.data(&format!("keys/{kind}/config"), &json!({ "exportable": true }));
        assert_eq!(export("encryption-key"), (400, errors("encryption not supported for the key")));
        assert_eq!(export("hmac-key").0, 200);
        let private = export("signing-key").1["keys"]["1"].take();
        if kind == "ed25519" {
            let bytes = BASE64.decode(text(&private).as_bytes()).expect("base64");
            let pair = Ed25519KeyPair::from_seed_and_public_key(&bytes[..32], &bytes[32..]);
            let signature = pair.expect("a pair").sign(b"hello");
            let signature = format!("vault:v1:{}", BASE64.encode(signature.as_ref()));
            assert_eq!(vault.signed(kind, &json!({})), signature);
        } else {
            assert!(text(&private).starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
        }
    }
    vault.data("keys/aes", &json!({ "exportable": true }));
    let no_public = "unknown key type aes256-gcm96 for export type public-key";
    assert_eq!(vault.read("export/public-key/aes"), (400, errors(no_public)));
    let no_signing = "signing not supported for the key";
    assert_eq!(vault.read("export/signing-key/aes"), (400, errors(no_signing)));
}

#[test]
fn a_key_for_macs_alone_has_its_size_and_does_nothing_else() {
    let vault = Vault::start();
    let made =
        vault.data("keys/mac", &json!({ "type": "hmac", "key_size": 100, "exportable": true }));
    assert_eq!((&made["key_size"], &made["keys"]), (&json!(100), &Value::Null), "{made}");
    for work in ["signing", "encryption", "decryption", "derivation"] {
        assert_eq!(made[format!("supports_{work}")], false, "{work}");
    }
    let exported = vault.read("export/hmac-key/mac").1["keys"]["1"].take();
    let secret = BASE64.decode(text(&exported).as_bytes()).expect("base64");
    assert_eq!(secret.len(), 100);
    let body = json!({ "input": HELLO });
    let mac = vault.data("hmac/mac/sha2-512", &body)["hmac"].take();
    let by_hand = ring::hmac::Key::new(ring::hmac::HMAC_SHA512, &secret);
    let by_hand = ring::hmac::sign(&by_hand, b"hello");
    assert_eq!(text(&mac), format!("vault:v1:{}", BASE64.encode(by_hand.as_ref())));
    let body = json!({ "input": HELLO, "hmac": mac });
    assert_eq!(vault.data("verify/mac/sha2-512", &body)["valid"], true);
    for (path, said) in [
        ("encrypt", "message encryption not supported for key type hmac"),
        ("sign", "key type hmac does not support signing"),
    ] {
        let body = json!({ "input": HELLO, "plaintext": HELLO });
        assert_eq!(vault.ask(&format!("{path}/mac"), &body), (400, errors(said)), "{path}");
    }
    for kind in KINDS {
        vault.make(kind, &json!({}));
        assert!(
            vault.data(&format!("hmac/{kind}"), &json!({ "input": HELLO }))["hmac"].is_string()
        );
    }
    let purposes: Vec<_> = vault
        .service
        .done(&["keys", "--json"], "")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|key| !key["name"].is_null())
        .map(|key| (text(&key["name"]).to_owned(), text(&key["purpose"]).to_owned()))
        .collect();
    let expected = [("ecdsa-p256", "sign"), ("ed25519", "sign"), ("mac", "mac")];
    assert_eq!(purposes, expected.map(|(name, purpose)| (name.to_owned(), purpose.to_owned())));
}

#[test]
fn who_signs_needs_the_use_of_the_key_and_each_owner_has_keys_of_its_own() {
    let service = Running::start(TWO_KINDS);
    let acme = create(&service, "acme", &["--allow", "keys:use", "--allow", "keys:manage"]);
    let user = create(&service, "user", &["--allow", "keys:use:release"]);
    let maker = create(&service, "maker", &["--allow", "keys:manage:release"]);
    for token in [&acme, &maker] {
        let made = call(&service, token, "POST", "transit/keys/release", "{\"type\":\"ed25519\"}");
        assert_eq!(made.0, 200);
    }
    let body = json!({ "input": HELLO }).to_string();
    let sign = |token: &str, name: &str| {
        let (status, answer) =
            call(&service, token, "POST", &format!("transit/sign/{name}"), &body);
        (status, answer["errors"][0].as_str().unwrap_or_default().to_owned())
    };
    let denied = (403, "permission denied".to_owned());
    assert_eq!(sign(&acme, "release").0, 200);
    assert_eq!(sign(&user, "release"), (400, "signing key not found".to_owned()));
    assert_eq!((sign(&user, "other"), sign(&maker, "release")), (denied.clone(), denied.clone()));
    assert_eq!(sign("", "release"), denied);
    let usage = service.done(&["tenant", "usage", "acme", "--json"], "");
    let usage: Value = serde_json::from_str(&usage).expect("JSON");
    assert_eq!(usage["total"]["vault"]["key_uses"], 1, "{usage}");
}

#[test]
fn signing_takes_no_randomness_and_without_a_generator_no_key_is_made() {
    let mut vault = Vault::start();
    let mut before = Vec::new();
    for kind in KINDS {
        vault.make(kind, &json!({}));
        before.push(vault.signed(kind, &json!({})));
    }
    vault.service.signal(Signal::KILL);
    vault.service.wait();
    vault.service.configure(ONE_KIND);
    vault.service.start_again();
    vault.service.wait_until("the keyring is not open", |it| {
        get(it, "/status").text().contains("\"state\":\"open\"")
    });
    for (kind, before) in KINDS.iter().zip(before) {
        assert_eq!(vault.signed(kind, &json!({})), before, "after a kill, without a seed");
        assert_eq!(vault.verified(kind, &before), (200, true.into()));
        let refused = |path: &str| vault.ask(path, &json!({ "type": kind })).0;
        assert_eq!(refused("keys/new"), 503);
        assert_eq!(refused(&format!("keys/{kind}/rotate")), 503);
    }
    assert_eq!(vault.ask("keys/new", &json!({ "type": "hmac", "key_size": 32 })).0, 503);
    vault.service.done(&["seal"], "");
    let sealed = vault.ask("sign/ed25519", &json!({ "input": HELLO }));
    assert_eq!(sealed, (503, errors("Vault is sealed")));
}

#[test]
fn no_private_key_is_in_logs_metrics_or_on_the_disk() {
    let mut vault = Vault::start();
    let mut secrets = Vec::new();
    for kind in KINDS {
        vault.make(kind, &json!({ "exportable": true }));
        vault.signed(kind, &json!({}));
        let private = vault.read(&format!("export/signing-key/{kind}")).1["keys"]["1"].take();
        let encoded: String =
            text(&private).lines().filter(|line| !line.starts_with('-')).collect();
        let bytes = BASE64.decode(encoded.as_bytes()).expect("base64");
        // In DER the private key has 7 bytes before it (RFC 5915).
        let start = if kind == "ed25519" { 0 } else { 7 };
        secrets.push(bytes[start..start + 32].to_vec());
        secrets.push(encoded.into_bytes());
    }
    let metrics = get(&vault.service, "/metrics").body;
    vault.service.signal(Signal::TERM);
    vault.service.wait();
    let log = vault.service.log().into_bytes();
    let files = std::fs::read_dir(vault.service.state_dir()).expect("a directory");
    let files = files.filter_map(|file| std::fs::read(file.expect("a file").path()).ok());
    for content in files.chain([metrics, log]) {
        for secret in &secrets {
            assert!(!content.windows(secret.len()).any(|part| part == secret.as_slice()));
        }
    }
}
