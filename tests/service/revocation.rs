//! One version of a key of callers is revoked, over every interface that has such keys.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::TWO_KINDS;
use crate::aws_kms::{self, AccessKey, EVERYTHING};
use crate::kms;
use crate::running::Running;
use crate::vault::{admin, call, create, errors};

/// "hello"
const HELLO: &str = "aGVsbG8=";

const REVOKED: &str = "ciphertext or signature version is disallowed by policy (revoked)";

/// A code of gRPC (doc/statuscodes.md).
const FAILED_PRECONDITION: u32 = 9;

/// A call of the transit engine; its status, and its data or its error.
fn ask(service: &Running, token: &str, path: &str, body: &Value) -> (u16, Value) {
    let (status, mut answer) =
        call(service, token, "POST", &format!("transit/{path}"), &body.to_string());
    (status, if status == 200 { answer["data"].take() } else { answer })
}

fn done(service: &Running, token: &str, path: &str, body: &Value) -> Value {
    let (status, data) = ask(service, token, path, body);
    assert_eq!(status, 200, "{path}: {data}");
    data
}

/// The lines of the audit log about revocations.
fn audited(service: &Running) -> Vec<Value> {
    let text = std::fs::read_to_string(service.state_dir().join("audit.log")).expect("the log");
    let lines = text.lines().filter(|line| line.contains("\"revoke-key\""));
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_revoked_version_seals_nothing_and_opens_only_to_be_sealed_again() {
    let mut service = Running::start(TWO_KINDS);
    let token = admin(&service);
    done(&service, &token, "keys/a", &json!({ "exportable": true }));
    let old = done(&service, &token, "encrypt/a", &json!({ "plaintext": HELLO }));
    let old = json!({ "ciphertext": old["ciphertext"] });
    let active = service.operate(&["keys", "revoke", "a", "1"], "");
    assert!(active.code != 0 && active.err.contains("rotate first"), "{}", active.err);
    assert_eq!(done(&service, &token, "decrypt/a", &old)["plaintext"], HELLO, "nothing changed");
    done(&service, &token, "keys/a/rotate", &json!({}));
    let told = service.operate(&["keys", "revoke", "a", "1"], "");
    assert!(told.code == 0 && told.err.contains("version 1 is revoked"), "{}", told.err);
    assert!(told.err.contains("what depends on it is not known here"), "{}", told.err);
    for signal in [None, Some(Signal::KILL)] {
        if let Some(signal) = signal {
            service.signal(signal);
            service.wait();
            service.start_again();
            // The keyring is open, and the generator has its seed.
            service.wait_until("nothing is sealed", |it| {
                let text = json!({ "plaintext": HELLO });
                ask(it, &token, "encrypt/a", &text).0 == 200
            });
        }
        assert_eq!(ask(&service, &token, "decrypt/a", &old), (400, errors(REVOKED)));
        let sealed = json!({ "plaintext": HELLO, "key_version": 1 });
        assert_eq!(ask(&service, &token, "encrypt/a", &sealed), (400, errors(REVOKED)));
        let mac = json!({ "input": HELLO, "key_version": 1 });
        assert_eq!(ask(&service, &token, "hmac/a", &mac), (400, errors(REVOKED)));
        let to_itself = json!({ "ciphertext": old["ciphertext"], "key_version": 1 });
        assert_eq!(ask(&service, &token, "rewrap/a", &to_itself), (400, errors(REVOKED)));
        let again = done(&service, &token, "rewrap/a", &old);
        let again = json!({ "ciphertext": again["ciphertext"] });
        assert_eq!(done(&service, &token, "decrypt/a", &again)["plaintext"], HELLO);
        let shown = call(&service, &token, "GET", "transit/keys/a", "").1;
        let versions: Vec<_> = shown["data"]["keys"].as_object().expect("keys").keys().collect();
        assert_eq!(versions, ["2"], "{shown}");
        let exported = call(&service, &token, "GET", "transit/export/encryption-key/a", "").1;
        assert_eq!(exported["data"]["keys"].as_object().map(serde_json::Map::len), Some(1));
    }
    assert!(service.done(&["keys"], "").contains("revoked"));
    let lines = audited(&service);
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str()).collect();
    assert_eq!(outcomes, [Some("refused"), Some("done")], "{lines:?}");
    assert!(lines[1]["version"] == 1 && lines[1]["detail"].as_str().is_some(), "{lines:?}");
}

#[test]
fn a_revoked_version_signs_and_verifies_nothing() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    for (kind, sign, member) in [
        ("ed25519", "sign", "signature"),
        ("ecdsa-p256", "sign", "signature"),
        ("hmac", "hmac", "hmac"),
    ] {
        let size = if kind == "hmac" { 32 } else { 0 };
        let made = json!({ "type": kind, "key_size": size, "exportable": true });
        done(&service, &token, &format!("keys/{kind}"), &made);
        let sign = format!("{sign}/{kind}");
        let old = done(&service, &token, &sign, &json!({ "input": HELLO }))[member].take();
        done(&service, &token, &format!("keys/{kind}/rotate"), &json!({}));
        let new = done(&service, &token, &sign, &json!({ "input": HELLO }))[member].take();
        service.done(&["keys", "revoke", kind, "1"], "");
        let verify = |text: &Value| {
            ask(
                &service,
                &token,
                &format!("verify/{kind}"),
                &json!({ "input": HELLO, member: text }),
            )
        };
        assert_eq!(verify(&old), (400, errors(REVOKED)), "{kind}");
        assert_eq!(verify(&new), (200, json!({ "valid": true })), "{kind}");
        let by_old = json!({ "input": HELLO, "key_version": 1 });
        assert_eq!(ask(&service, &token, &sign, &by_old), (400, errors(REVOKED)), "{kind}");
        for what in ["signing-key", "public-key", "hmac-key"] {
            let path = format!("transit/export/{what}/{kind}");
            let (status, exported) = call(&service, &token, "GET", &path, "");
            let keys = exported["data"]["keys"].as_object();
            assert!(status != 200 || keys.is_some_and(|it| !it.contains_key("1")), "{exported}");
        }
    }
}

#[test]
fn a_text_of_kubernetes_under_a_revoked_version_is_a_failed_precondition() {
    let service = kms::start_with("", TWO_KINDS);
    kms::healthy(&service);
    let old = kms::connect(&service).encrypt(b"text").expect("sealed").into_request();
    service.done(&["rotate", "key", "cluster"], "");
    let new = kms::connect(&service).encrypt(b"text").expect("sealed").into_request();
    let told = service.operate(&["keys", "revoke", "cluster", "1", "--purpose", "kms"], "");
    assert!(told.err.contains("Kubernetes has what it sealed"), "{}", told.err);
    let client = kms::connect(&service);
    let refused = client.decrypt(&old).expect_err("revoked");
    assert_eq!(refused.code, FAILED_PRECONDITION, "{refused:?}");
    assert_eq!(refused.message, "key_id: is of a revoked version of this key");
    assert_eq!(client.decrypt(&new).as_deref(), Ok(b"text".as_slice()));
    assert_eq!(kms::healthy(&service).healthz, "ok");
}

#[test]
fn a_text_of_aws_kms_under_a_revoked_version_is_an_invalid_state_and_can_be_encrypted_again() {
    let service = Running::start(TWO_KINDS);
    let key = AccessKey::of_new(&service, "acme", &EVERYTHING);
    let id = aws_kms::new_key(&service, &key);
    let sealed =
        aws_kms::done(&service, &key, "Encrypt", json!({ "KeyId": id, "Plaintext": HELLO }));
    let old = json!({ "CiphertextBlob": sealed["CiphertextBlob"] });
    aws_kms::done(&service, &key, "RotateKeyOnDemand", json!({ "KeyId": id }));
    service.done(&["keys", "revoke", &id, "1", "--tenant", "acme"], "");
    let (status, said) = aws_kms::call(&service, &key, "Decrypt", old.clone());
    assert_eq!(
        (status, said["__type"].as_str()),
        (400, Some("KMSInvalidStateException")),
        "{said}"
    );
    assert!(said.to_string().contains("Version 1 of "), "{said}");
    let again = json!({ "CiphertextBlob": old["CiphertextBlob"], "DestinationKeyId": id });
    let again = aws_kms::done(&service, &key, "ReEncrypt", again);
    let again = json!({ "CiphertextBlob": again["CiphertextBlob"] });
    assert_eq!(aws_kms::done(&service, &key, "Decrypt", again)["Plaintext"], HELLO);

    let made = json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" });
    let made = aws_kms::done(&service, &key, "CreateKey", made);
    let mac_id = made["KeyMetadata"]["KeyId"].as_str().expect("an id").to_owned();
    let body = json!({ "KeyId": mac_id, "Message": HELLO, "MacAlgorithm": "HMAC_SHA_256" });
    let mac = aws_kms::done(&service, &key, "GenerateMac", body.clone())["Mac"].take();
    assert!(service.done(&["keys"], "").contains(&format!("mac acme/{mac_id}")));
    let mut verify = body;
    verify["Mac"] = mac;
    aws_kms::done(&service, &key, "VerifyMac", verify.clone());
    let purpose = ["--purpose", "mac", "--tenant", "acme"];
    service.done(&[&["rotate", "key", &mac_id], &purpose[..]].concat(), "");
    aws_kms::done(&service, &key, "VerifyMac", verify.clone());
    service.done(&[&["keys", "revoke", &mac_id, "1"], &purpose[..]].concat(), "");
    let (status, said) = aws_kms::call(&service, &key, "VerifyMac", verify);
    assert_eq!((status, said["__type"].as_str()), (400, Some("KMSInvalidMacException")), "{said}");
}

#[test]
fn one_command_revokes_versions_of_namespaces_and_of_keys_and_asks_where_both_have_the_name() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let acme = create(&service, "acme", &["--allow", "keys:use", "--allow", "keys:manage"]);
    service.done(&["kv", "namespaces", "create", "both"], "");
    for token in [&token, &acme] {
        done(&service, token, "keys/both", &json!({ "type": "ed25519" }));
        done(&service, token, "keys/both/rotate", &json!({}));
    }
    let refused = |arguments: &[&str], part: &str| {
        let output = service.operate(&[&["keys", "revoke"], arguments].concat(), "");
        assert!(output.code != 0 && output.err.contains(part), "{arguments:?}: {}", output.err);
    };
    refused(&["both", "1"], "give --purpose");
    refused(&["neither", "1"], "there is no one namespace or key neither");
    refused(&["both", "7", "--purpose", "sign"], "the key has no version 7");
    refused(&["both", "1", "--purpose", "mac"], "there is no key both");
    refused(&["both", "1", "--purpose", "namespace"], "rotate first");
    refused(&["both", "1", "--purpose", "seal"], "invalid value");
    let states = |owner: Option<&str>| -> Vec<String> {
        let keys = service.done(&["keys", "--json"], "");
        let keys = keys.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let keys = keys.filter(|key| key["name"] == "both" && key["owner"].as_str() == owner);
        keys.map(|key| key["state"].as_str().expect("a state").to_owned()).collect()
    };
    service.done(&["keys", "revoke", "both", "1", "--tenant", "acme"], "");
    assert_eq!(
        (states(None), states(Some("acme"))),
        (
            vec!["retired".to_owned(), "active".to_owned()],
            vec!["revoked".to_owned(), "active".to_owned()],
        )
    );
    service.done(&["keys", "revoke", "both", "1", "--purpose", "sign"], "");
    assert_eq!(states(None), ["revoked", "active"]);
    service.done(&["rotate", "namespace", "both"], "");
    service.operate(&["keys", "revoke", "both", "1", "--purpose", "namespace"], "");
}
