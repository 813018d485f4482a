//! Paths and bodies of the Vault dialect, to a server in this process: an answer of Vault's form, never a failure
//! of the server, and no signature or MAC that was made up is valid.
#![no_main]

#[path = "../home.rs"]
mod home;
#[path = "../service.rs"]
mod service;

use std::io::ErrorKind;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use data_encoding::BASE64;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use service::TOKEN;

/// The keys that are there at the start, by their types.
const KEYS: [&str; 5] = ["aes256-gcm96", "chacha20-poly1305", "ed25519", "ecdsa-p256", "hmac"];

/// Paths with the name of a key at their end.
const WORKS: [&str; 13] = [
    "keys",
    "encrypt",
    "decrypt",
    "rewrap",
    "datakey/plaintext",
    "datakey/wrapped",
    "hmac",
    "sign",
    "verify",
    "export/signing-key",
    "export/public-key",
    "export/hmac-key",
    "export/encryption-key",
];

/// Names of members that the dialect knows.
const MEMBERS: [&str; 24] = [
    "plaintext",
    "ciphertext",
    "input",
    "hmac",
    "signature",
    "context",
    "associated_data",
    "key_version",
    "reference",
    "hash_algorithm",
    "algorithm",
    "prehashed",
    "marshaling_algorithm",
    "bits",
    "batch_input",
    "partial_failure_response_code",
    "type",
    "derived",
    "exportable",
    "convergent_encryption",
    "key_size",
    "min_available_version",
    "min_decryption_version",
    "auto_rotate_period",
];

const METHODS: [&str; 5] = ["POST", "PUT", "GET", "DELETE", "LIST"];

/// One call.
#[derive(Debug, Arbitrary)]
struct Call<'a> {
    method: u8,
    path: Path<'a>,
    body: Body<'a>,
}

#[derive(Debug, Arbitrary)]
enum Path<'a> {
    /// Below the prefix.
    Any(&'a str),
    /// Of a key, with what follows its name.
    Key { work: u8, key: u8, rest: Rest<'a> },
}

#[derive(Debug, Arbitrary)]
enum Rest<'a> {
    Nothing,
    Rotate,
    Config,
    Trim,
    Any(&'a str),
}

#[derive(Debug, Arbitrary)]
enum Body<'a> {
    Bytes(&'a [u8]),
    One(Vec<Member<'a>>),
    Batch(Vec<Member<'a>>, Vec<Vec<Member<'a>>>),
}

#[derive(Debug, Arbitrary)]
struct Member<'a> {
    name: u8,
    value: Shape<'a>,
}

#[derive(Debug, Arbitrary)]
enum Shape<'a> {
    Text(&'a str),
    /// The same bytes in base64.
    Encoded(&'a [u8]),
    /// The same behind the prefix of a version.
    Versioned(u8, &'a [u8]),
    Number(i64),
    Switch(bool),
    Null,
}

static SERVER: LazyLock<(ureq::Agent, String)> = LazyLock::new(|| {
    let (agent, url) = (service::agent(), service::start());
    for kind in KEYS {
        let size = if kind == "hmac" { 32 } else { 0 };
        let body = json!({ "type": kind, "key_size": size, "exportable": true }).to_string();
        let request =
            agent.post(format!("{url}/v1/transit/keys/{kind}")).header("x-vault-token", TOKEN);
        let answer = request.send(body.as_bytes()).expect("an answer");
        assert_eq!(answer.status().as_u16(), 200, "{kind}");
    }
    (agent, url)
});

fuzz_target!(|call: Call| {
    let (agent, url) = &*SERVER;
    let method = at(&METHODS, call.method);
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{url}/v1/{}", path(&call.path)))
        .header("x-vault-token", TOKEN);
    let body = if matches!(method, "GET" | "LIST") { Vec::new() } else { bytes(&call.body) };
    let Ok(request) = request.body(body) else { return };
    let answer = match agent.run(request) {
        // The fuzzer's own alarm.
        Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::Interrupted => return,
        answer => answer.expect("an answer"),
    };
    let status = answer.status().as_u16();
    let bytes = answer.into_body().read_to_vec().expect("all of it");
    let text = || String::from_utf8_lossy(&bytes);
    // A health check may choose any code, and asks for nothing here.
    assert!(status < 500 || matches!(call.path, Path::Any(_)), "{status}: {}", text());
    if status >= 400 {
        let answer: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert!(
            answer["errors"].is_array()
                || answer["data"]["batch_results"].is_array()
                || matches!(call.path, Path::Any(_)),
            "{}",
            text()
        );
        return;
    }
    if status == 200 && !bytes.is_empty() {
        let answer: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_ne!(answer["data"]["valid"], true, "{call:?}");
        for item in answer["data"]["batch_results"].as_array().into_iter().flatten() {
            assert_ne!(item["valid"], true, "{call:?}");
        }
    }
});

fn at<'t>(all: &[&'t str], index: u8) -> &'t str {
    all[usize::from(index) % all.len()]
}

fn path(path: &Path) -> String {
    let shown = |text: &str| -> String {
        let kept = |letter: &char| {
            letter.is_ascii_graphic()
                && !matches!(letter, '#' | '"' | '<' | '>' | '`' | '{' | '}' | '\\' | '^' | '|')
        };
        text.chars().filter(kept).take(512).collect()
    };
    match path {
        Path::Any(text) => shown(text),
        Path::Key { work, key, rest } => {
            let rest = match rest {
                Rest::Nothing => String::new(),
                Rest::Rotate => "/rotate".to_owned(),
                Rest::Config => "/config".to_owned(),
                Rest::Trim => "/trim".to_owned(),
                Rest::Any(text) => format!("/{}", shown(text)),
            };
            format!("transit/{}/{}{rest}", at(&WORKS, *work), at(&KEYS, *key))
        }
    }
}

fn bytes(body: &Body) -> Vec<u8> {
    let value = match body {
        Body::Bytes(bytes) => return bytes.to_vec(),
        Body::One(members) => Value::Object(object(members)),
        Body::Batch(members, items) => {
            let mut all = object(members);
            let items = items.iter().take(64).map(|item| Value::Object(object(item)));
            all.insert("batch_input".to_owned(), items.collect());
            Value::Object(all)
        }
    };
    value.to_string().into_bytes()
}

fn object(members: &[Member]) -> Map<String, Value> {
    let value = |shape: &Shape| match shape {
        Shape::Text(text) => json!(text),
        Shape::Encoded(bytes) => json!(BASE64.encode(bytes)),
        Shape::Versioned(version, bytes) => {
            json!(format!("vault:v{version}:{}", BASE64.encode(bytes)))
        }
        Shape::Number(number) => json!(number),
        Shape::Switch(is_on) => json!(is_on),
        Shape::Null => Value::Null,
    };
    let members = members.iter().take(64);
    members.map(|it| (at(&MEMBERS, it.name).to_owned(), value(&it.value))).collect()
}
