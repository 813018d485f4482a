//! Keys by name over the served program: what clients of Vault do with them, and who may.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::TWO_KINDS;
use crate::clock::shifted;
use crate::running::{Running, get};
use crate::vault::{admin, call, create, errors};

/// "hello"
const HELLO: &str = "aGVsbG8=";

/// A call of this service with a token, whose answer must be a 200; its data.
fn data(service: &Running, token: &str, path: &str, body: &str) -> Value {
    let (status, mut answer) = call(service, token, "POST", path, body);
    assert_eq!(status, 200, "{path} {body}: {answer}");
    answer["data"].take()
}

fn encrypted(service: &Running, token: &str, name: &str, text: &str) -> String {
    let body = json!({ "plaintext": text }).to_string();
    let data = data(service, token, &format!("transit/encrypt/{name}"), &body);
    data["ciphertext"].as_str().expect("a text").to_owned()
}

fn decrypted(service: &Running, token: &str, name: &str, text: &str) -> (u16, Value) {
    let body = json!({ "ciphertext": text }).to_string();
    let (status, mut answer) =
        call(service, token, "PUT", &format!("transit/decrypt/{name}"), &body);
    let member =
        if status == 200 { &mut answer["data"]["plaintext"] } else { &mut answer["errors"][0] };
    (status, member.take())
}

#[test]
fn a_key_is_made_read_rotated_set_trimmed_listed_and_deleted_as_in_openbao() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let made = data(&service, &token, "transit/keys/a", "{}");
    let at = made["keys"]["1"].as_u64().expect("a time");
    let expected = json!({
        "allow_plaintext_backup": false, "auto_rotate_period": 0, "deletion_allowed": false,
        "derived": false, "exportable": false, "imported_key": false, "keys": {"1": at},
        "latest_version": 1, "min_available_version": 0, "min_decryption_version": 1,
        "min_encryption_version": 0, "name": "a", "soft_deleted": false, "supports_decryption": true,
        "supports_derivation": true, "supports_encryption": true, "supports_signing": false,
        "type": "aes256-gcm96",
    });
    assert_eq!(made, expected);
    assert_eq!(
        data(&service, &token, "transit/keys/a", "{\"derived\":true}"),
        expected,
        "as it is"
    );
    assert_eq!(call(&service, &token, "GET", "transit/keys/a", "").1["data"], expected);
    let derived = data(
        &service,
        &token,
        "transit/keys/b-c.d_1",
        "{\"type\":\"chacha20-poly1305\",\"derived\":\"true\",\"exportable\":true,\
         \"auto_rotate_period\":\"24h\"}",
    );
    assert_eq!((&derived["derived"], &derived["kdf"]), (&true.into(), &"hkdf_sha256".into()));
    assert_eq!(derived["auto_rotate_period"], 86400);
    for (method, path) in
        [("LIST", "transit/keys"), ("GET", "transit/keys?list=true"), ("LIST", "transit/keys/")]
    {
        let (status, answer) = call(&service, &token, method, path, "");
        assert_eq!((status, &answer["data"]["keys"]), (200, &json!(["a", "b-c.d_1"])), "{method}");
    }
    let old = encrypted(&service, &token, "a", HELLO);
    for version in [2, 3] {
        let rotated = data(&service, &token, "transit/keys/a/rotate", "");
        assert_eq!(rotated["latest_version"], version);
    }
    assert_eq!(decrypted(&service, &token, "a", &old), (200, HELLO.into()));
    let set = |body: &str| data(&service, &token, "transit/keys/a/config", body);
    assert_eq!(
        set("{\"min_decryption_version\":2}")["keys"].as_object().map(serde_json::Map::len),
        Some(2)
    );
    let too_old = "ciphertext or signature version is disallowed by policy (too old)";
    assert_eq!(decrypted(&service, &token, "a", &old), (400, too_old.into()));
    set("{\"min_decryption_version\":1}");
    assert_eq!(decrypted(&service, &token, "a", &old), (200, HELLO.into()));
    set("{\"min_decryption_version\":2,\"min_encryption_version\":3}");
    let trimmed = data(&service, &token, "transit/keys/a/trim", "{\"min_available_version\":2}");
    assert_eq!(trimmed["min_available_version"], 2);
    let refused =
        call(&service, &token, "POST", "transit/keys/a/config", "{\"min_decryption_version\":1}");
    let text = "min decryption version should not be less then min available version";
    assert_eq!(refused, (400, errors(text)));
    set("{\"deletion_allowed\":true}");
    assert_eq!(call(&service, &token, "DELETE", "transit/keys/a", ""), (204, Value::Null));
    assert_eq!(call(&service, &token, "GET", "transit/keys/a", ""), (404, errors("")));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of errors")]
fn errors_of_keys_and_texts_are_those_of_openbao_word_for_word() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let text = |text: &str| errors(text);
    assert_eq!(call(&service, &token, "LIST", "transit/keys", ""), (404, errors("")));
    data(&service, &token, "transit/keys/a", "");
    data(&service, &token, "transit/keys/a/rotate", "");
    data(&service, &token, "transit/keys/a/rotate", "");
    data(&service, &token, "transit/keys/a/config", "{\"min_decryption_version\":2}");
    data(&service, &token, "transit/keys/d", "{\"derived\":true}");
    let no_context = "missing 'context' for key derivation; the key was created using a derived key, which \
                      means additional, per-request information must be included in order to perform \
                      operations with the key";
    let too_old = "ciphertext or signature version is disallowed by policy (too old)";
    let below = "cannot set min encryption/decryption values; min encryption version of 1 must be greater \
                 than or equal to min decryption version of 2";
    let period = "auto rotate period must be 0 to disable or at least an hour";
    let zeros = format!("{{\"ciphertext\":\"vault:v3:{}\"}}", "A".repeat(48));
    for (path, body, said) in [
        ("keys/b", "{\"type\":\"foo\"}", "unknown key type foo"),
        ("keys/b", "{\"auto_rotate_period\":\"10m\"}", period),
        (
            "keys/b",
            "{\"convergent_encryption\":true}",
            "convergent encryption requires derivation to be enabled",
        ),
        ("keys/none/rotate", "", "key not found"),
        ("keys/none/config", "{}", "no existing key named none could be found"),
        (
            "keys/a/config",
            "{\"min_decryption_version\":9}",
            "cannot set min decryption version of 9, latest key version is 3",
        ),
        (
            "keys/a/config",
            "{\"min_encryption_version\":9}",
            "cannot set min encryption version of 9, latest key version is 3",
        ),
        ("keys/a/config", "{\"min_encryption_version\":1}", below),
        (
            "keys/a/config",
            "{\"min_decryption_version\":-1}",
            "min decryption version cannot be negative",
        ),
        (
            "keys/a/config",
            "{\"min_encryption_version\":-1}",
            "min encryption version cannot be negative",
        ),
        ("keys/a/config", "{\"auto_rotate_period\":\"10m\"}", period),
        ("keys/a/trim", "{}", "missing min_available_version"),
        (
            "keys/a/trim",
            "{\"min_available_version\":0}",
            "minimum available version should be positive",
        ),
        (
            "keys/a/trim",
            "{\"min_available_version\":2}",
            "minimum available version cannot be set when minimum encryption version is not set",
        ),
        ("keys/none/trim", "{\"min_available_version\":1}", "invalid key name"),
        ("encrypt/a", "{}", "missing plaintext to encrypt"),
        ("encrypt/a", "{\"plaintext\":\"!!\"}", "illegal base64 data at input byte 0"),
        (
            "encrypt/a",
            "{\"plaintext\":\"aGVsbG8=\",\"key_version\":9}",
            "requested version for encryption is higher than the latest key version",
        ),
        ("encrypt/a", "{\"plaintext\":\"aGVsbG8=\",\"key_version\":1}", "no such key version"),
        ("datakey/wrapped/a", "{\"key_version\":1}", "no such key version"),
        ("hmac/a", "{\"input\":\"aGVsbG8=\",\"key_version\":1}", "no such key version"),
        ("encrypt/a", "{\"batch_input\":[]}", "missing batch input to process"),
        ("encrypt/a", "{\"plaintext\":\"YQ==YQ==\"}", "illegal base64 data at input byte 4"),
        ("encrypt/d", "{\"plaintext\":\"aGVsbG8=\"}", no_context),
        (
            "encrypt/d",
            "{\"plaintext\":\"aGVsbG8=\",\"context\":\"!!\"}",
            "illegal base64 data at input byte 0",
        ),
        ("decrypt/a", "{}", "missing ciphertext to decrypt"),
        ("decrypt/a", "{\"ciphertext\":\"foo\"}", "invalid ciphertext: no prefix"),
        (
            "decrypt/a",
            "{\"ciphertext\":\"vault:v1\"}",
            "invalid ciphertext: wrong number of fields",
        ),
        (
            "decrypt/a",
            "{\"ciphertext\":\"vault:vx:AAAA\"}",
            "invalid ciphertext: version number could not be decoded",
        ),
        (
            "decrypt/a",
            "{\"ciphertext\":\"vault:v9:AAAA\"}",
            "invalid ciphertext: version is too new",
        ),
        ("decrypt/a", "{\"ciphertext\":\"vault:v-1:AAAA\"}", too_old),
        ("decrypt/a", "{\"ciphertext\":\"vault:v1:AAAA\"}", too_old),
        (
            "decrypt/a",
            "{\"ciphertext\":\"vault:v3:!!\"}",
            "invalid ciphertext: could not decode base64",
        ),
        ("decrypt/a", "{\"ciphertext\":\"vault:v3:AAAA\"}", "invalid ciphertext length"),
        ("decrypt/a", &zeros, "cipher: message authentication failed"),
        ("decrypt/none", "{\"ciphertext\":\"vault:v1:AAAA\"}", "encryption key not found"),
        ("rewrap/a", "{}", "missing ciphertext to decrypt"),
        ("rewrap/none", "{\"ciphertext\":\"vault:v1:AAAA\"}", "encryption key not found"),
        ("datakey/foo/a", "", "Invalid path, must be 'plaintext' or 'wrapped'"),
        ("datakey/plaintext/a", "{\"bits\":100}", "invalid bit length"),
        ("datakey/plaintext/none", "", "encryption key not found"),
        ("datakey/plaintext/d", "", no_context),
        ("hmac/a", "{}", "missing input for HMAC"),
        (
            "hmac/a",
            "{\"input\":\"!!\"}",
            "unable to decode input as base64: illegal base64 data at input byte 0",
        ),
        ("hmac/a/foo", "{\"input\":\"aGVsbG8=\"}", "unsupported algorithm '\\x00'"),
        ("hmac/none", "{\"input\":\"aGVsbG8=\"}", "encryption key not found"),
        (
            "verify/a",
            "{\"input\":\"aGVsbG8=\"}",
            "neither a 'signature' nor an 'hmac' were given to verify",
        ),
        (
            "verify/a",
            "{\"input\":\"aGVsbG8=\",\"hmac\":\"foo\"}",
            "invalid HMAC to verify: no prefix",
        ),
        ("hash", "{}", "input missing"),
        ("hash/foo", "{\"input\":\"aGVsbG8=\"}", "unsupported algorithm foo"),
    ] {
        let path = format!("transit/{path}");
        assert_eq!(call(&service, &token, "POST", &path, body), (400, text(said)), "{path} {body}");
    }
    for (method, path, status, said) in [
        (
            "DELETE",
            "transit/keys/a",
            400,
            "error deleting policy a: deletion is not allowed for this key",
        ),
        (
            "DELETE",
            "transit/keys/none",
            400,
            "error deleting policy none: could not delete key; not found",
        ),
        ("GET", "transit/keys/none", 404, ""),
        ("GET", "transit/keys", 405, "1 error occurred:\n\t* unsupported operation\n\n"),
        ("GET", "transit/encrypt/a", 405, "1 error occurred:\n\t* unsupported operation\n\n"),
        ("POST", "transit/keys/x%20y", 404, "1 error occurred:\n\t* unsupported path\n\n"),
        ("GET", "transit/export/encryption-key/a", 400, "private key material is not exportable"),
        ("GET", "transit/export/foo/a", 400, "invalid export type: foo"),
        ("GET", "transit/export/encryption-key/none", 404, ""),
    ] {
        assert_eq!(
            call(&service, &token, method, path, ""),
            (status, errors(said)),
            "{method} {path}"
        );
    }
}

#[test]
fn texts_are_sealed_opened_rewrapped_and_bound_to_their_data_and_context() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    for (name, kind) in [("a", "aes256-gcm96"), ("c", "chacha20-poly1305")] {
        data(
            &service,
            &token,
            &format!("transit/keys/{name}"),
            &json!({ "type": kind }).to_string(),
        );
        let path = |call: &str| format!("transit/{call}/{name}");
        let first = encrypted(&service, &token, name, HELLO);
        assert_eq!(first.len(), "vault:v1:".len() + (12 + 5 + 16_usize).div_ceil(3) * 4);
        assert_eq!(decrypted(&service, &token, name, &first), (200, HELLO.into()));
        // A nonce of the caller is never taken.
        let with_nonce = json!({ "plaintext": HELLO, "nonce": "AAAAAAAAAAAAAAAA" }).to_string();
        let twice = [0; 2].map(|_| data(&service, &token, &path("encrypt"), &with_nonce));
        assert_ne!(twice[0]["ciphertext"], twice[1]["ciphertext"]);
        assert!(!twice[0]["ciphertext"].as_str().is_some_and(|it| it.contains(":AAAAAAAA")));
        let bound = json!({ "plaintext": HELLO, "associated_data": "ZGF0YQ==" }).to_string();
        let bound = data(&service, &token, &path("encrypt"), &bound)["ciphertext"].clone();
        let opens = |data: &str| {
            let body = json!({ "ciphertext": bound, "associated_data": data }).to_string();
            call(&service, &token, "POST", &path("decrypt"), &body).0
        };
        assert_eq!((opens("ZGF0YQ=="), opens("ZGF0YS4="), opens("")), (200, 400, 400));
        data(&service, &token, &format!("transit/keys/{name}/rotate"), "");
        let rewrapped =
            data(&service, &token, &path("rewrap"), &json!({ "ciphertext": first }).to_string());
        assert_eq!(rewrapped["key_version"], 2);
        let rewrapped = rewrapped["ciphertext"].as_str().expect("a text").to_owned();
        assert!(rewrapped.starts_with("vault:v2:"));
        for text in [&first, &rewrapped] {
            assert_eq!(decrypted(&service, &token, name, text), (200, HELLO.into()));
        }
        let by_first = json!({ "plaintext": HELLO, "key_version": 1 }).to_string();
        assert_eq!(data(&service, &token, &path("encrypt"), &by_first)["key_version"], 1);
        let other = rewrapped.replace("vault:v2:", "vault:v1:");
        assert_eq!(decrypted(&service, &token, name, &other).0, 400, "sealed by another version");
        assert_eq!(
            decrypted(&service, &token, name, &encrypted(&service, &token, name, "")),
            (200, "".into())
        );
    }
    let foreign = encrypted(&service, &token, "a", HELLO);
    assert_eq!(decrypted(&service, &token, "c", &foreign).0, 400, "sealed by another key");
    data(&service, &token, "transit/keys/d", "{\"derived\":true}");
    let with = |context: &str, member: &str, text: &Value| {
        json!({ member: text, "context": context }).to_string()
    };
    let sealed =
        data(&service, &token, "transit/encrypt/d", &with("YQ==", "plaintext", &HELLO.into()));
    for (context, status) in [("YQ==", 200), ("Yg==", 400)] {
        let body = with(context, "ciphertext", &sealed["ciphertext"]);
        assert_eq!(
            call(&service, &token, "POST", "transit/decrypt/d", &body).0,
            status,
            "{context}"
        );
    }
}

#[test]
fn a_batch_keeps_its_order_and_references_and_says_which_item_failed() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    data(&service, &token, "transit/keys/a", "");
    let texts: Vec<_> = (0..50_u8).map(|at| data_encoding::BASE64.encode(&[at; 3])).collect();
    let items: Vec<_> = texts
        .iter()
        .zip(0..)
        .map(|(text, at)| json!({ "plaintext": text, "reference": format!("r{at}") }))
        .collect();
    let body = json!({ "batch_input": items }).to_string();
    let mut sealed = data(&service, &token, "transit/encrypt/a", &body);
    let mut sealed = sealed["batch_results"].take();
    for (at, item) in sealed.as_array().expect("a list").iter().enumerate() {
        assert_eq!(
            (&item["reference"], &item["key_version"]),
            (&format!("r{at}").into(), &1.into())
        );
    }
    let body = json!({ "batch_input": sealed }).to_string();
    let opened = data(&service, &token, "transit/decrypt/a", &body);
    for ((at, text), item) in
        texts.iter().enumerate().zip(opened["batch_results"].as_array().expect("a list"))
    {
        assert_eq!(item, &json!({ "plaintext": text, "reference": format!("r{at}") }));
    }
    sealed[1]["ciphertext"] = "foo".into();
    let ask = |path: &str, more: Value, items: &Value| {
        let mut body = json!({ "batch_input": items });
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        let (status, mut answer) = call(&service, &token, "POST", path, &body.to_string());
        (status, answer["data"]["batch_results"].take())
    };
    let failed = json!({ "error": "invalid ciphertext: no prefix", "reference": "r1" });
    for (path, more, status) in [
        ("transit/decrypt/a", json!({}), 400),
        ("transit/decrypt/a", json!({ "partial_failure_response_code": 207 }), 207),
        ("transit/decrypt/a", json!({ "partial_failure_response_code": 204 }), 400),
        ("transit/decrypt/a", json!({ "partial_failure_response_code": 304 }), 400),
        ("transit/rewrap/a", json!({}), 200),
    ] {
        let (got, results) = ask(path, more, &sealed);
        assert_eq!((got, &results[1]), (status, &failed), "{path}");
        assert!(results[0]["error"].is_null() && results[49]["error"].is_null());
    }
    let all_wrong = json!([{ "plaintext": "!!" }, {}]);
    let (status, results) =
        ask("transit/encrypt/a", json!({ "partial_failure_response_code": 207 }), &all_wrong);
    let expected = json!([
        { "error": "illegal base64 data at input byte 0", "reference": "" },
        { "error": "missing plaintext to encrypt", "reference": "" },
    ]);
    assert_eq!((status, results), (400, expected));
    for (body, said) in [
        (
            "{\"batch_input\":\"x\"}".to_owned(),
            "failed to parse batch input: source data must be an array or slice",
        ),
        (
            json!({ "batch_input": vec![0; 10_001] }).to_string(),
            "failed to parse batch input: the list must have 1 to 10000 items (got more)",
        ),
    ] {
        assert_eq!(call(&service, &token, "POST", "transit/encrypt/a", &body), (400, errors(said)));
    }
}

#[test]
fn data_keys_hashes_and_macs_are_what_they_say() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    data(&service, &token, "transit/keys/a", "");
    for (bits, bytes) in [(None, 32), (Some(128), 16), (Some(256), 32), (Some(512), 64)] {
        let body = bits.map_or_else(|| "{}".to_owned(), |bits| json!({ "bits": bits }).to_string());
        let shown = data(&service, &token, "transit/datakey/plaintext/a", &body);
        let text = shown["plaintext"].as_str().expect("a key");
        assert_eq!(data_encoding::BASE64.decode(text.as_bytes()).map(|key| key.len()), Ok(bytes));
        let sealed = shown["ciphertext"].as_str().expect("a text");
        assert_eq!(decrypted(&service, &token, "a", sealed), (200, text.into()));
        let wrapped = data(&service, &token, "transit/datakey/wrapped/a", &body);
        assert!(wrapped["plaintext"].is_null() && wrapped["ciphertext"].is_string());
    }
    // FIPS 180-4, of "hello".
    let sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    for path in ["transit/hash", "transit/hash/sha2-256", "sys/tools/hash"] {
        assert_eq!(data(&service, &token, path, "{\"input\":\"aGVsbG8=\"}")["sum"], sum);
    }
    let body = "{\"input\":\"aGVsbG8=\",\"format\":\"base64\",\"algorithm\":\"sha2-224\"}";
    let short = data(&service, &token, "transit/hash", body);
    assert_eq!(short["sum"].as_str().map(str::len), Some(40));
    assert_eq!(call(&service, "", "POST", "transit/hash", "{\"input\":\"\"}").0, 403);
    for algorithm in ["sha2-224", "sha2-256", "sha2-384", "sha2-512"] {
        let path = |call: &str| format!("transit/{call}/a/{algorithm}");
        let mac = data(&service, &token, &path("hmac"), "{\"input\":\"aGVsbG8=\"}")["hmac"].clone();
        for (input, valid) in [(HELLO, true), ("aGVsbG9v", false)] {
            let body = json!({ "input": input, "hmac": mac }).to_string();
            assert_eq!(data(&service, &token, &path("verify"), &body)["valid"], valid);
        }
        for member in ["hash_algorithm", "algorithm"] {
            let body = json!({ "input": HELLO, "hmac": mac, member: algorithm }).to_string();
            assert_eq!(
                data(&service, &token, "transit/verify/a", &body)["valid"],
                true,
                "{member}"
            );
        }
    }
    let body = json!({ "batch_input": [{ "input": HELLO, "reference": "r" }, { "input": "!!" }] });
    let results =
        data(&service, &token, "transit/hmac/a", &body.to_string())["batch_results"].take();
    assert!(results[0]["hmac"].is_string() && results[0]["reference"] == "r");
    assert!(results[1]["error"].is_string());
}

#[test]
fn a_key_is_read_only_where_it_was_made_exportable_and_the_log_says_so() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let name = "canary-of-a-key-name";
    data(&service, &token, &format!("transit/keys/{name}"), "{\"type\":\"chacha20-poly1305\"}");
    let export = |kind: &str, version: &str| {
        call(&service, &token, "GET", &format!("transit/export/{kind}/{name}{version}"), "")
    };
    assert_eq!(export("encryption-key", "").0, 400);
    data(&service, &token, &format!("transit/keys/{name}/rotate"), "");
    data(&service, &token, &format!("transit/keys/{name}/config"), "{\"exportable\":true}");
    let again =
        data(&service, &token, &format!("transit/keys/{name}/config"), "{\"exportable\":false}");
    assert_eq!(again["exportable"], true, "never taken back");
    let (status, all) = export("encryption-key", "");
    assert_eq!((status, &all["data"]["type"]), (200, &"chacha20-poly1305".into()));
    let (one, two) = (&all["data"]["keys"]["1"], &all["data"]["keys"]["2"]);
    assert!(one.is_string() && two.is_string() && one != two, "{all}");
    assert_eq!(export("encryption-key", "/latest").1["data"]["keys"], json!({ "2": two }));
    assert_eq!(export("encryption-key", "/1").1["data"]["keys"], json!({ "1": one }));
    let missing = "version does not exist or cannot be found";
    for version in ["/3", "/x"] {
        assert_eq!(export("encryption-key", version), (400, errors(missing)));
    }
    assert_ne!(&export("hmac-key", "/1").1["data"]["keys"]["1"], one);
    encrypted(&service, &token, name, HELLO);
    let configure = format!("transit/keys/{name}/config");
    data(
        &service,
        &token,
        &configure,
        "{\"min_decryption_version\":2,\"min_encryption_version\":2}",
    );
    data(&service, &token, &format!("transit/keys/{name}/trim"), "{\"min_available_version\":2}");
    data(&service, &token, &configure, "{\"deletion_allowed\":true}");
    assert_eq!(call(&service, &token, "DELETE", &format!("transit/keys/{name}"), "").0, 204);
    let audit = std::fs::read_to_string(service.state_dir().join("audit.log")).expect("the log");
    let count = |operation: &str, outcome: &str| {
        let lines = audit.lines().filter(|line| {
            line.contains(&format!("\"{operation}\"")) && line.contains(&format!("\"{outcome}\""))
        });
        lines.count()
    };
    assert_eq!((count("export-key", "refused"), count("export-key", "done")), (1, 6), "{audit}");
    for (operation, times) in [
        ("create-key", 1),
        ("rotate-key", 1),
        ("configure-key", 4),
        ("trim-key", 1),
        ("delete-key", 1),
    ] {
        assert_eq!(count(operation, "done"), times, "{operation}: {audit}");
    }
    assert!(!audit.contains(name), "a name is the caller's");
    assert!(!audit.contains("encrypt"), "the meter counts uses");
    let checked = service.done(&["audit"], "");
    assert!(!checked.is_empty());
}

#[test]
fn a_tenant_has_keys_of_its_own_and_does_with_them_what_it_was_permitted() {
    let service = Running::start(TWO_KINDS);
    let operator = admin(&service);
    let both = &["--allow", "keys:use", "--allow", "keys:manage"];
    let acme = create(&service, "acme", both);
    let rival = create(&service, "rival", both);
    let user = create(&service, "user", &["--allow", "keys:use:un*"]);
    let maker = create(&service, "maker", &["--allow", "keys:manage:unseal"]);
    let random = create(&service, "random", &[]);
    let denied = (403, errors("permission denied"));
    let seal = |token: &str, name: &str| {
        let body = json!({ "plaintext": HELLO }).to_string();
        call(&service, token, "PUT", &format!("transit/encrypt/{name}"), &body)
    };
    // The first use makes the key, for those who may make it.
    let sealed = encrypted(&service, &acme, "unseal", HELLO);
    assert_eq!(decrypted(&service, &acme, "unseal", &sealed), (200, HELLO.into()));
    assert_eq!(seal(&user, "unseal"), (400, errors("encryption key not found")));
    assert_eq!(seal(&user, "other"), denied);
    assert_eq!((seal(&random, "unseal"), seal(&maker, "unseal")), (denied.clone(), denied.clone()));
    for (token, path) in [(&user, "keys/unseal"), (&maker, "keys/other"), (&random, "keys/unseal")]
    {
        assert_eq!(call(&service, token, "POST", &format!("transit/{path}"), ""), denied, "{path}");
    }
    data(&service, &maker, "transit/keys/unseal", "{\"exportable\":true}");
    assert_eq!(call(&service, &maker, "GET", "transit/export/encryption-key/unseal", "").0, 200);
    assert_eq!(call(&service, &user, "GET", "transit/export/encryption-key/unseal", ""), denied);
    assert_eq!(call(&service, "", "POST", "transit/keys/k", ""), denied, "no one without a token");
    // The same name of another owner is another key.
    data(&service, &rival, "transit/keys/unseal", "");
    data(&service, &operator, "transit/keys/unseal", "");
    for token in [&rival, &operator] {
        assert_eq!(decrypted(&service, token, "unseal", &sealed).0, 400);
        let (_, list) = call(&service, token, "LIST", "transit/keys", "");
        assert_eq!(list["data"]["keys"], json!(["unseal"]));
    }
    // The operator enters the namespace of a tenant, and no other tenant does.
    let within = |token: &str| format!("{token}\r\nx-vault-namespace: acme");
    assert_eq!(decrypted(&service, &within(&operator), "unseal", &sealed), (200, HELLO.into()));
    let outside = (404, "namespace not found".into());
    assert_eq!(decrypted(&service, &within(&rival), "unseal", &sealed), outside);
    let usage = service.done(&["tenant", "usage", "acme", "--json"], "");
    let usage: Value = serde_json::from_str(&usage).expect("JSON");
    assert_eq!(usage["total"]["vault"]["key_uses"], 2, "{usage}");
    let output = service.operate(&["tenant", "remove", "acme"], "");
    assert!(output.code != 0 && output.err.contains("has 1 keys"), "{}", output.err);
    service.done(&["tenant", "remove", "acme", "--shred"], "");
    assert_eq!(seal(&acme, "unseal"), denied);
    let again = create(&service, "acme", both);
    assert_eq!(call(&service, &again, "LIST", "transit/keys", ""), (404, errors("")));
    assert_eq!(
        decrypted(&service, &again, "unseal", &sealed),
        (400, "encryption key not found".into())
    );
}

#[test]
fn a_key_that_was_answered_survives_kill_and_a_sealed_keyring_uses_none() {
    let mut service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let sealed = encrypted(&service, &token, "unseal", HELLO);
    let rotated = data(&service, &token, "transit/keys/unseal/rotate", "");
    assert_eq!(rotated["latest_version"], 2);
    let newer = encrypted(&service, &token, "unseal", HELLO);
    service.signal(Signal::KILL);
    service.wait();
    service.start_again();
    for text in [&sealed, &newer] {
        assert_eq!(decrypted(&service, &token, "unseal", text), (200, HELLO.into()));
    }
    service.done(&["seal"], "");
    let closed = (503, errors("Vault is sealed"));
    for (method, path) in [
        ("PUT", "transit/encrypt/unseal"),
        ("PUT", "transit/decrypt/unseal"),
        ("GET", "transit/keys/unseal"),
        ("LIST", "transit/keys"),
        ("POST", "transit/keys/new"),
        ("DELETE", "transit/keys/unseal"),
        ("GET", "transit/export/encryption-key/unseal"),
    ] {
        assert_eq!(call(&service, &token, method, path, ""), closed, "{method} {path}");
    }
    assert_eq!(call(&service, &token, "POST", "transit/random", "").0, 200, "randomness goes on");
    service.done(&["unseal"], "");
    assert_eq!(decrypted(&service, &token, "unseal", &sealed), (200, HELLO.into()));
}

#[test]
fn nothing_of_a_text_a_context_or_a_key_is_in_logs_metrics_or_on_the_disk() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let canary = "CanaryCanaryCanaryCanary";
    let (name, text) = ("canary-name-of-a-key", data_encoding::BASE64.encode(canary.as_bytes()));
    let made = data(
        &service,
        &token,
        &format!("transit/keys/{name}"),
        "{\"derived\":true,\"exportable\":true}",
    );
    assert_eq!(made["derived"], true);
    let body = json!({
        "plaintext": text, "context": text, "associated_data": text, "reference": canary, "nonce": canary,
        "type": canary, "key_version": canary,
    });
    call(&service, &token, "POST", &format!("transit/encrypt/{name}"), &body.to_string());
    let body = json!({ "plaintext": text, "context": text, "associated_data": text }).to_string();
    let sealed =
        data(&service, &token, &format!("transit/encrypt/{name}"), &body)["ciphertext"].clone();
    let body =
        json!({ "ciphertext": sealed, "context": text, "associated_data": text }).to_string();
    let opened = data(&service, &token, &format!("transit/decrypt/{name}"), &body);
    assert_eq!(opened["plaintext"], text);
    let body = json!({ "input": text, "context": text }).to_string();
    data(&service, &token, &format!("transit/hmac/{name}"), &body);
    let (_, exported) =
        call(&service, &token, "GET", &format!("transit/export/encryption-key/{name}"), "");
    let key = exported["data"]["keys"]["1"].as_str().expect("a key").to_owned();
    let key_bytes = data_encoding::BASE64.decode(key.as_bytes()).expect("base64");
    let mut places = vec![
        ("log".to_owned(), service.log().into_bytes()),
        ("metrics".to_owned(), get(&service, "/metrics").body),
        ("status".to_owned(), get(&service, "/status").body),
    ];
    for entry in std::fs::read_dir(service.state_dir()).expect("the state directory") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            places.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
        }
    }
    for (place, bytes) in places {
        for secret in
            [canary.as_bytes(), text.as_bytes(), name.as_bytes(), key.as_bytes(), &key_bytes]
        {
            let is_there = bytes.windows(secret.len()).any(|part| part == secret);
            assert!(!is_there, "{place} has {}", String::from_utf8_lossy(secret));
        }
    }
}

#[test]
fn a_key_is_rotated_by_the_age_of_its_last_version() {
    let folder = tempfile::tempdir().expect("a directory");
    let shift = folder.path().join("shift");
    let leap = |by: &str| std::fs::write(&shift, by).expect("written");
    leap("+0s");
    let service = Running::start_with(TWO_KINDS, |_| shifted(&shift));
    let token = admin(&service);
    data(&service, &token, "transit/keys/aged", "{\"auto_rotate_period\":\"1h\"}");
    data(&service, &token, "transit/keys/kept", "{}");
    let sealed = encrypted(&service, &token, "aged", HELLO);
    let latest = |name: &str| {
        let (_, shown) = call(&service, &token, "GET", &format!("transit/keys/{name}"), "");
        shown["data"]["latest_version"].as_u64()
    };
    assert_eq!(latest("aged"), Some(1));
    let confirm = || service.done(&["clock", "--confirm"], "");
    // After the start the clock is in doubt, unless this machine's is synchronized.
    confirm();
    leap("+2h");
    service.wait_until("the doubt", |_| service.operate(&["clock"], "").code == 1);
    assert_eq!(latest("aged"), Some(1), "no key has an age while the clock is in doubt");
    confirm();
    service.wait_until("a second version", |_| latest("aged") == Some(2));
    assert_eq!(latest("kept"), Some(1));
    assert_eq!(decrypted(&service, &token, "aged", &sealed), (200, HELLO.into()));
    // Its last version is now of the future.
    leap("+0s");
    service.wait_until("the doubt", |_| service.operate(&["clock"], "").code == 1);
    assert_eq!(latest("aged"), Some(2));
    confirm();
    service.wait_until("a third version", |_| latest("aged") == Some(3));
    assert_eq!(latest("kept"), Some(1));
}

#[test]
fn an_encrypt_that_is_refused_for_its_texts_makes_no_key() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let mixed = "context should be set either in all the request blocks or in none";
    let with = json!({ "plaintext": HELLO, "context": "YQ==" });
    let without = json!({ "plaintext": HELLO });
    let orders = [json!([with, without]), json!([without, with])];
    let [one, other] = orders.map(|items| json!({ "batch_input": items }));
    for (body, said) in [
        (one.clone(), mixed),
        (other, mixed),
        (json!({ "batch_input": [] }), "missing batch input to process"),
        (
            json!({ "batch_input": "x" }),
            "failed to parse batch input: source data must be an array or slice",
        ),
        (json!({ "batch_input": [{}, {}] }), "missing plaintext to encrypt"),
        (json!({}), "missing plaintext to encrypt"),
        (json!({ "plaintext": "!!" }), "illegal base64 data at input byte 0"),
    ] {
        let answer = call(&service, &token, "POST", "transit/encrypt/new", &body.to_string());
        assert_eq!(answer, (400, errors(said)), "{body}");
        assert_eq!(call(&service, &token, "GET", "transit/keys/new", ""), (404, errors("")));
    }
    let body = json!({ "batch_input": [{}, without] }).to_string();
    let (status, answer) = call(&service, &token, "POST", "transit/encrypt/new", &body);
    let results = &answer["data"]["batch_results"];
    assert_eq!((status, &results[0]["error"]), (400, &"missing plaintext to encrypt".into()));
    assert!(results[1]["ciphertext"].is_string(), "{answer}");
    assert_eq!(call(&service, &token, "GET", "transit/keys/new", "").0, 200);
    for path in ["encrypt", "decrypt", "rewrap"] {
        let path = format!("transit/{path}/new");
        let answer = call(&service, &token, "POST", &path, &one.to_string());
        assert_eq!(answer, (400, errors(mixed)), "{path}");
    }
}

#[test]
fn a_version_that_opens_nothing_seals_nothing() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    data(&service, &token, "transit/keys/a", "");
    for _ in 0..2 {
        data(&service, &token, "transit/keys/a/rotate", "");
    }
    let sealed = encrypted(&service, &token, "a", HELLO);
    let set = |body: &str| data(&service, &token, "transit/keys/a/config", body);
    set("{\"min_decryption_version\":2}");
    let ask = |path: &str, version: u32| {
        let body = json!({
            "plaintext": HELLO, "input": HELLO, "ciphertext": sealed, "key_version": version,
        });
        call(&service, &token, "POST", &format!("transit/{path}/a"), &body.to_string())
    };
    for path in ["encrypt", "rewrap", "hmac", "datakey/plaintext"] {
        assert_eq!(ask(path, 1), (400, errors("no such key version")), "{path}");
        assert_eq!((ask(path, 2).0, ask(path, 3).0, ask(path, 0).0), (200, 200, 200), "{path}");
    }
    set("{\"min_encryption_version\":3}");
    let below = "requested version for encryption is less than the minimum encryption key version";
    assert_eq!(ask("encrypt", 2), (400, errors(below)));
    let too_old = "cannot generate HMAC: version is too old (disallowed by policy)";
    assert_eq!(ask("hmac", 2), (400, errors(too_old)));
}

#[test]
fn base64_with_line_breaks_is_read_as_without_them() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let sealed = encrypted(&service, &token, "a", "aGVs\r\nbG8=\n");
    assert_eq!(decrypted(&service, &token, "a", &sealed), (200, HELLO.into()));
    let (head, tail) = sealed.split_at(20);
    let broken = format!("{head}\n{tail}");
    assert_eq!(decrypted(&service, &token, "a", &broken), (200, HELLO.into()));
}

#[test]
fn a_hash_needs_the_permission_for_random_bytes() {
    let service = Running::start(TWO_KINDS);
    let random = create(&service, "random", &[]);
    let watch = create(&service, "watch", &["--allow", "status:read"]);
    let keys = create(&service, "keys", &["--allow", "keys:use"]);
    for path in ["transit/hash", "transit/hash/sha2-512", "sys/tools/hash"] {
        let ask = |token: &str| call(&service, token, "POST", path, "{\"input\":\"aGVsbG8=\"}");
        assert_eq!(ask(&random).0, 200, "{path}");
        for token in [&watch, &keys] {
            assert_eq!(ask(token), (403, errors("permission denied")), "{path}");
        }
    }
}
