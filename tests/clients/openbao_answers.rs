//! Calls about signatures to this service and to a real OpenBao server: both answer the same.
//!
//! What differs by design is made alike before: signatures and times, and the 500 that OpenBao says to faults of
//! the caller.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::running::Running;
use crate::{CONFIGURATION, python};

/// Longer than a server takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// The pause between two questions.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const TOKEN: &str = "root";

/// "hello"
const HELLO: &str = "aGVsbG8=";

/// A server that keeps its keys in memory.
struct DevelopmentServer {
    url: String,
    child: Child,
}

impl DevelopmentServer {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address").to_string();
        drop(free);
        let mut command = Command::new(python().with_file_name("bao"));
        command.args(["server", "-dev", "-dev-no-store-token"]);
        command.arg(format!("-dev-root-token-id={TOKEN}"));
        command.arg(format!("-dev-listen-address={address}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("bao starts");
        let server = Self { url: format!("http://{address}"), child };
        let end = Instant::now() + PATIENCE;
        // The engine is there, also where the server does not mount it by itself.
        while !matches!(mount(&server.url), Ok(200 | 204 | 400)) {
            assert!(Instant::now() < end, "the server does not start");
            std::thread::sleep(LOOK_EVERY);
        }
        server
    }
}

impl Drop for DevelopmentServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mount(url: &str) -> Result<u16, ureq::Error> {
    let body = json!({ "type": "transit" }).to_string();
    let request = agent().post(format!("{url}/v1/sys/mounts/transit"));
    Ok(request.header("x-vault-token", TOKEN).send(body.as_bytes())?.status().as_u16())
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().new_agent()
}

/// A call of the transit engine: its status and its answer.
fn ask(url: &str, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{url}/v1/transit/{path}"))
        .header("x-vault-token", token)
        .body(body)
        .expect("a request");
    let mut answer = agent().run(request).expect("an answer");
    let text = answer.body_mut().read_to_string().expect("a text");
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
}

/// An answer without what cannot be the same.
fn alike((status, answer): (u16, Value)) -> (u16, Value) {
    if status < 400 {
        return (status, masked("", &answer["data"]));
    }
    let error = answer["errors"][0].as_str().unwrap_or_default();
    let error = error.strip_prefix("1 error occurred:\n\t* ").unwrap_or(error).trim_end();
    (if status == 500 { 400 } else { status }, error.into())
}

fn masked(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), masked(name, value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(|item| masked(name, item)).collect(),
        Value::String(text) if text.starts_with("vault:v") => {
            text.splitn(3, ':').take(2).collect::<Vec<_>>().join(":").into()
        }
        Value::String(text) if name == "creation_time" => (!text.is_empty()).into(),
        Value::String(text) if text.starts_with("-----BEGIN") => {
            let lines: Vec<_> = text.split('\n').map(|line| line.len().min(64)).collect();
            json!([text.split('\n').next(), lines])
        }
        Value::String(text) if name == "public_key" || name.parse::<u32>().is_ok() => {
            text.len().into()
        }
        value => value.clone(),
    }
}

/// The calls, in their order: keys with two versions, of each type and setting.
fn calls() -> Vec<(&'static str, String, Value)> {
    let mut calls = Vec::new();
    let mut add = |method, path: &str, body: Value| calls.push((method, path.to_owned(), body));
    for kind in ["ed25519", "ecdsa-p256"] {
        add("POST", &format!("keys/{kind}"), json!({ "type": kind }));
        add("GET", &format!("keys/{kind}"), Value::Null);
        add("POST", &format!("keys/{kind}/rotate"), Value::Null);
        add("GET", &format!("keys/{kind}"), Value::Null);
    }
    add("POST", "keys/derived", json!({ "type": "ed25519", "derived": true }));
    add("GET", "keys/derived", Value::Null);
    for size in [json!(null), json!(0), json!(31), json!(32), json!(512), json!(513)] {
        add("POST", &format!("keys/mac{size}"), json!({ "type": "hmac", "key_size": size }));
    }
    for (kind, more) in [
        ("ecdsa-p256", json!({ "derived": true })),
        ("hmac", json!({ "derived": true, "key_size": 32 })),
        ("ed25519", json!({ "derived": true, "convergent_encryption": true })),
        ("ed25519", json!({ "key_size": 64 })),
        ("aes256-gcm96", json!({ "key_size": 64 })),
    ] {
        let mut body = json!({ "type": kind });
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("more"));
        add("POST", "keys/refused", body);
    }
    add("GET", "keys/refused", Value::Null);
    add("POST", "keys/aes", json!({}));
    for name in ["ed25519", "ecdsa-p256", "derived", "aes", "mac32", "missing"] {
        of_one(name, &mut add);
    }
    for name in ["ed25519", "ecdsa-p256"] {
        add("POST", &format!("keys/{name}/config"), json!({ "min_decryption_version": 2 }));
        add("POST", &format!("sign/{name}"), json!({ "input": HELLO, "key_version": 1 }));
        let old = json!({ "input": HELLO, "signature": "vault:v1:YQ==" });
        add("POST", &format!("verify/{name}"), old);
        add("POST", &format!("keys/{name}/rotate"), Value::Null);
        add("POST", &format!("keys/{name}/config"), json!({ "min_encryption_version": 3 }));
        add("POST", &format!("sign/{name}"), json!({ "input": HELLO, "key_version": 2 }));
        add(
            "POST",
            &format!("sign/{name}"),
            json!({ "batch_input": [{ "input": HELLO }], "key_version": 2 }),
        );
        add("POST", &format!("keys/{name}/trim"), json!({ "min_available_version": 2 }));
        add("GET", &format!("keys/{name}"), Value::Null);
        for what in ["signing-key", "public-key", "encryption-key", "hmac-key", "none"] {
            add("GET", &format!("export/{what}/{name}"), Value::Null);
        }
        add("POST", &format!("keys/{name}/config"), json!({ "exportable": true }));
        for what in ["signing-key", "public-key", "public-key", "encryption-key", "hmac-key"] {
            add("GET", &format!("export/{what}/{name}"), Value::Null);
            add("GET", &format!("export/{what}/{name}/latest"), Value::Null);
            add("GET", &format!("export/{what}/{name}/9"), Value::Null);
        }
        add("DELETE", &format!("keys/{name}"), Value::Null);
        add("POST", &format!("keys/{name}/config"), json!({ "deletion_allowed": true }));
        add("DELETE", &format!("keys/{name}"), Value::Null);
        add("GET", &format!("keys/{name}"), Value::Null);
    }
    calls
}

/// Calls to sign and verify by one key.
fn of_one(name: &str, add: &mut impl FnMut(&'static str, &str, Value)) {
    let (sign, verify) = (format!("sign/{name}"), format!("verify/{name}"));
    for more in [
        json!({}),
        json!({ "input": HELLO }),
        json!({ "input": "!" }),
        json!({ "input": HELLO, "context": "YQ==" }),
        json!({ "input": HELLO, "context": "!" }),
        json!({ "input": HELLO, "context": "YQ==", "hash_algorithm": "sha2-512" }),
        json!({ "input": HELLO, "context": "YQ==", "hash_algorithm": "none" }),
        json!({ "input": HELLO, "context": "YQ==", "marshaling_algorithm": "jws" }),
        json!({ "input": HELLO, "context": "YQ==", "prehashed": true }),
        json!({ "input": "", "context": "YQ==", "prehashed": "true" }),
        json!({ "input": HELLO, "context": "YQ==", "signature_algorithm": "pss" }),
        json!({ "input": HELLO, "context": "YQ==", "key_version": -1 }),
        json!({ "input": HELLO, "context": "YQ==", "key_version": 1 }),
        json!({ "input": HELLO, "context": "YQ==", "key_version": "2" }),
        json!({ "input": HELLO, "key_version": 9 }),
    ] {
        add("POST", &sign, more);
    }
    // Of two faults it is not compared which is told.
    if !matches!(name, "aes" | "mac32" | "missing") {
        add("POST", &format!("{sign}/md5"), json!({}));
        for more in [
            json!({ "input": HELLO, "hash_algorithm": "md5" }),
            json!({ "input": HELLO, "marshaling_algorithm": "x" }),
            json!({ "input": HELLO, "marshaling_algorithm": "" }),
            json!({ "input": HELLO, "key_version": "x" }),
            json!({ "batch_input": [] }),
        ] {
            add("POST", &sign, more);
        }
    }
    if name != "derived" {
        let items = json!([{ "input": HELLO, "reference": "r" }, {}, { "input": "!" }]);
        add("POST", &sign, json!({ "batch_input": items }));
    }
    add("POST", &format!("{sign}/sha2-256"), json!({ "input": HELLO, "context": "YQ==" }));
    add("GET", &sign, Value::Null);
    add("DELETE", &sign, Value::Null);
    for text in [
        "",
        "x",
        "vault:x",
        "vault:v1",
        "vault:v1:",
        "vault:vx:YQ==",
        "vault:v9:YQ==",
        "vault:v-1:YQ==",
        "vault:v1:!",
        "vault:v1:YQ==",
        "vault:v1:YQ==:x",
    ] {
        add("POST", &verify, json!({ "input": HELLO, "signature": text, "context": "YQ==" }));
    }
    for text in ["vault:v1:YQ==", "vault:v1:YQ"] {
        let body = json!({
            "input": HELLO, "signature": text, "context": "YQ==", "marshaling_algorithm": "jws",
        });
        add("POST", &verify, body);
    }
    let one = json!({ "input": HELLO, "signature": "vault:v1:!" });
    for body in [
        json!({ "input": HELLO }),
        json!({ "input": HELLO, "hmac": "" }),
        json!({ "batch_input": [] }),
        json!({ "batch_input": [one, { "signature": "x" }, { "input": "!", "signature": "x" }] }),
        json!({ "batch_input": [one, { "input": HELLO, "hmac": "x" }] }),
        json!({ "batch_input": [one, { "input": HELLO }] }),
        json!({ "batch_input": [{ "input": HELLO, "hmac": "x" }, { "input": HELLO }] }),
        json!({ "batch_input": [{ "input": HELLO }] }),
    ] {
        add("POST", &verify, body);
    }
    if name != "missing" && name != "aes" {
        for (path, body) in [
            ("encrypt", json!({ "plaintext": HELLO })),
            ("decrypt", json!({ "ciphertext": "vault:v1:YQ==" })),
            ("rewrap", json!({ "ciphertext": "vault:v1:YQ==" })),
            ("datakey/plaintext", json!({})),
            ("hmac", json!({ "input": HELLO })),
        ] {
            add("POST", &format!("{path}/{name}"), body);
        }
    }
}

#[test]
#[ignore = "needs python3-venv and a package registry: make clients"]
fn calls_about_signatures_are_answered_as_openbao_answers_them() {
    let service = Running::start(CONFIGURATION);
    let token = std::fs::read_to_string(service.token_file()).expect("a token").trim().to_owned();
    service.done(&["seed", "--identity"], "");
    let server = DevelopmentServer::start();
    let mut differences = Vec::new();
    for (method, path, body) in calls() {
        let ours = alike(ask(&service.url(), &token, method, &path, &body));
        let theirs = alike(ask(&server.url, TOKEN, method, &path, &body));
        if ours != theirs {
            differences
                .push(format!("{method} {path} {body}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
#[ignore = "needs python3-venv and a package registry: make clients"]
fn an_exported_signature_of_openbao_is_verified_and_its_own_bytes_are_ours() {
    // The same key cannot be in both: what can be compared is what anyone computes from an export.
    let service = Running::start(CONFIGURATION);
    let token = std::fs::read_to_string(service.token_file()).expect("a token").trim().to_owned();
    service.done(&["seed", "--identity"], "");
    let server = DevelopmentServer::start();
    for (url, token) in [(service.url(), token.as_str()), (server.url.clone(), TOKEN)] {
        let data = |method: &str, path: &str, body: &Value| {
            let (status, mut answer) = ask(&url, token, method, path, body);
            assert_eq!(status, 200, "{path}: {answer}");
            answer["data"].take()
        };
        data("POST", "keys/e", &json!({ "type": "ed25519", "exportable": true }));
        let exported = data("GET", "export/signing-key/e", &Value::Null)["keys"]["1"].take();
        let bytes = data_encoding::BASE64.decode(exported.as_str().expect("a key").as_bytes());
        let bytes = bytes.expect("base64");
        let pair =
            ring::signature::Ed25519KeyPair::from_seed_and_public_key(&bytes[..32], &bytes[32..]);
        let by_hand = pair.expect("a pair").sign(b"hello");
        let signed = data("POST", "sign/e", &json!({ "input": HELLO }))["signature"].take();
        let by_hand = format!("vault:v1:{}", data_encoding::BASE64.encode(by_hand.as_ref()));
        assert_eq!(signed, by_hand.as_str(), "{url}");
    }
}
