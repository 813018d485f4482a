//! Sealed seeds over the served program: what the service answers, opened here with the library and not with
//! our own code.

use std::fs;
use std::io::Write;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, VerifyingKey};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, Kem, OpModeR, Serializable, setup_receiver};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::running::{Answer, Running, get};
use crate::tenants::{create, usage};
use crate::{ONE_KIND, TWO_KINDS};

const NONCE: [u8; 32] = [0x4e; 32];

/// A private key, and the request that it opens the answer of.
pub(crate) struct Sealed<K: Kem> {
    key: K::PrivateKey,
    pub(crate) request: Value,
}

impl<K: Kem> Sealed<K> {
    fn to(suite: &str, bytes: u64) -> Self {
        let (key, public) = K::derive_keypair(&[0x6b; 32]);
        let request = json!({
            "suite": suite,
            "public_key": BASE64.encode(&public.to_bytes()),
            "nonce": BASE64.encode(&NONCE),
            "bytes": bytes,
        });
        Self { key, request }
    }

    /// Checks the signature by the text of the interface, and opens the seed.
    fn open(&self, suite: [u8; 6], answer: &Value) -> Vec<u8> {
        let [enc, ciphertext, identity, signature] =
            ["enc", "ciphertext", "identity", "signature"].map(|name| member(answer, name));
        let info = [b"lavawall v1 seed".as_slice(), &identity, &NONCE].concat();
        let mut message = [b"lavawall v1 seed signature".as_slice(), &suite].concat();
        let public = member(&self.request, "public_key");
        for part in [&public, &info, &enc, &ciphertext] {
            message.extend(u16::try_from(part.len()).expect("short").to_be_bytes());
            message.extend(part);
        }
        let key = VerifyingKey::from_bytes(&identity.try_into().expect("32 bytes")).expect("a key");
        let signature = Signature::from_slice(&signature).expect("64 bytes");
        key.verify_strict(&message, &signature).expect("signed");
        let enc = K::EncappedKey::from_bytes(&enc).expect("a key");
        let mut context = setup_receiver::<ChaCha20Poly1305, HkdfSha256, K>(
            &OpModeR::Base,
            &self.key,
            &enc,
            &info,
        )
        .expect("a context");
        context.open(&ciphertext, b"").expect("it opens")
    }
}

/// The bytes of a member in base64.
fn member(value: &Value, name: &str) -> Vec<u8> {
    let text = value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"));
    BASE64.decode(text.as_bytes()).expect("base64")
}

fn x25519(bytes: u64) -> Sealed<X25519HkdfSha256> {
    Sealed::to("x25519", bytes)
}

const X25519: [u8; 6] = [0x00, 0x20, 0x00, 0x01, 0x00, 0x03];
const X_WING: [u8; 6] = [0x64, 0x7a, 0x00, 0x01, 0x00, 0x03];

/// POST with these header lines.
fn post(service: &Running, lines: &str, path: &str, body: &str) -> Answer {
    let mut stream = service.connect();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{lines}content-length: \
         {length}\r\n\r\n{body}"
    )
    .expect("sent");
    Answer::read(stream)
}

fn ask(service: &Running, request: &Value) -> Answer {
    post(service, "", "/seed", &request.to_string())
}

/// The answer with a seed, once the generator is seeded and the keyring open.
fn sealed(service: &Running, request: &Value) -> Value {
    service.wait_until("a seed", |service| ask(service, request).status == 200);
    let answer = ask(service, request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.headers.contains("entropy-generation: "), "{}", answer.headers);
    assert!(answer.headers.contains("cache-control: no-store"), "{}", answer.headers);
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[test]
fn a_seed_is_sealed_to_its_caller_and_signed_by_an_identity_that_lasts() {
    let mut service = Running::start(TWO_KINDS);
    let mut seeds = std::collections::BTreeSet::new();
    for bytes in [32, 33, 64] {
        let caller = x25519(bytes);
        let seed = caller.open(X25519, &sealed(&service, &caller.request));
        assert_eq!(seed.len() as u64, bytes);
        assert!(seeds.insert(seed));
        let caller = Sealed::<XWing>::to("x-wing", bytes);
        let seed = caller.open(X_WING, &sealed(&service, &caller.request));
        assert_eq!(seed.len() as u64, bytes);
        assert!(seeds.insert(seed));
    }
    let mut caller = x25519(32);
    caller.request.as_object_mut().expect("an object").remove("bytes");
    let answer = sealed(&service, &caller.request);
    assert!(seeds.insert(caller.open(X25519, &answer)), "the same request has another seed");
    let printed = service.done(&["seed", "--identity"], "");
    let told: Value = serde_json::from_slice(&get(&service, "/seed").body).expect("JSON");
    assert_eq!(told, json!({ "identity": printed.trim(), "suites": ["x-wing", "x25519"] }));
    assert_eq!(answer["identity"], told["identity"]);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    service.start_again();
    assert_eq!(sealed(&service, &caller.request)["identity"], told["identity"]);
    let other = Running::start(TWO_KINDS);
    assert_ne!(sealed(&other, &caller.request)["identity"], told["identity"]);
}

#[test]
fn a_request_for_a_seed_that_is_malformed_names_the_field_the_limit_and_the_value() {
    let service = Running::start(TWO_KINDS);
    sealed(&service, &x25519(32).request);
    let b64 = |length| json!(BASE64.encode(&vec![1; length]));
    for (field, value, limit, shown) in [
        ("bytes", json!(31), "32 to 64 bytes", "31"),
        ("bytes", json!(65), "32 to 64 bytes", "65"),
        ("nonce", b64(15), "16 to 64 bytes", "15 bytes"),
        ("nonce", b64(65), "16 to 64 bytes", "65 bytes"),
        ("nonce", json!("!"), "base64 with padding", "!"),
        ("suite", json!("p256"), "x-wing, x25519", "p256"),
        ("public_key", b64(31), "a public key", "31 bytes"),
        // Of small order: anyone could open the answer.
        ("public_key", json!(BASE64.encode(&[0; 32])), "a public key", "32 bytes"),
        ("public_key", json!("AAA"), "base64 with padding", "AAA"),
    ] {
        let mut request = x25519(32).request;
        request[field] = value;
        let answer = ask(&service, &request);
        let problem: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(answer.status, 400, "{request}: {problem}");
        let named = json!([problem["field"], problem["limit"], problem["value"]]);
        assert_eq!(named, json!([field, limit, shown]), "{request}: {problem}");
    }
    for length in [16, 64] {
        let mut request = x25519(32).request;
        request["nonce"] = b64(length);
        assert_eq!(ask(&service, &request).status, 200, "{length} bytes");
    }
    for body in ["", "{}", "[]", "{\"suite\":\"x25519\",\"x\":1}"] {
        assert_eq!(post(&service, "", "/seed", body).status, 400, "{body}");
    }
    assert_eq!(post(&service, "", "/seed", &" ".repeat(5000)).status, 413);
    let mut stream = service.connect();
    stream
        .write_all(b"DELETE /seed HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .expect("sent");
    let answer = Answer::read(stream);
    assert_eq!(answer.status, 405);
    assert!(answer.headers.contains("allow: get,head,post"), "{}", answer.headers);
}

#[test]
fn without_a_quorum_or_an_open_keyring_there_is_no_seed_and_the_reason_is_told() {
    let mut service = Running::start(TWO_KINDS);
    let request = x25519(32).request;
    sealed(&service, &request);
    service.done(&["seal"], "");
    for answer in [ask(&service, &request), get(&service, "/seed")] {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.text().contains("sealed"), "{}", answer.text());
        assert!(answer.headers.contains("retry-after: "), "{}", answer.headers);
    }
    assert_eq!(get(&service, "/random").status, 200, "randomness goes on");
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    // Its keyring opens again, and its generator has no seed.
    service.configure(ONE_KIND);
    service.start_again();
    service.wait_until("the keyring is open", |service| get(service, "/seed").status == 200);
    let answer = ask(&service, &request);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("\"needed\":2"), "{}", answer.text());
}

#[test]
fn seeds_are_permitted_charged_and_counted() {
    let service = Running::start(TWO_KINDS);
    let token = create(&service, "acme", &["--allow", "seed"]);
    let other = create(&service, "stranger", &["--allow", "random"]);
    let ask = |token: &str, bytes| {
        let lines = format!("authorization: Bearer {token}\r\n");
        post(&service, &lines, "/seed", &x25519(bytes).request.to_string())
    };
    assert_eq!(ask(&other, 32).status, 403);
    assert_eq!(ask("unknown", 32).status, 401);
    service.done(&["tenant", "limit", "acme", "--bytes", "100B/day"], "");
    let mut wrong = x25519(64).request;
    wrong["public_key"] = json!(BASE64.encode(&[0; 32]));
    let lines = format!("authorization: Bearer {token}\r\n");
    assert_eq!(post(&service, &lines, "/seed", &wrong.to_string()).status, 400, "charges nothing");
    assert_eq!(ask(&token, 64).status, 200);
    let refused = ask(&token, 64);
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.text().contains("of which 36 are left"), "{}", refused.text());
    assert_eq!(ask(&token, 36).status, 200);
    let total = &usage(&service, "acme")["total"]["native"];
    assert_eq!((&total["bytes"], &total["requests"]), (&json!(100), &json!(3)), "{total}");
}

#[test]
fn no_seed_is_in_a_log_a_metric_or_a_file() {
    let folder = tempfile::tempdir().expect("a directory");
    let log = folder.path().join("access.log");
    let mut service =
        Running::start(&format!("[http]\naccess-log = '{}'\n{TWO_KINDS}", log.display()));
    let caller = x25519(64);
    let mut canaries = vec![caller.open(X25519, &sealed(&service, &caller.request))];
    let answer = get(&service, "/pollen?challenge=00").text();
    let line = answer.lines().nth(1).expect("a seed");
    canaries.push(HEXLOWER.decode(line.as_bytes()).expect("digits"));
    let mut seen: Vec<Vec<u8>> =
        ["/metrics", "/status", "/"].iter().map(|path| get(&service, path).body).collect();
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    seen.push(service.log().into_bytes());
    seen.push(fs::read(&log).expect("a log"));
    for file in fs::read_dir(service.state_dir()).expect("a directory") {
        let path = file.expect("a file").path();
        seen.extend(path.is_file().then(|| fs::read(&path).expect("readable")));
    }
    assert!(seen.len() > 8, "{} places", seen.len());
    for canary in &canaries {
        // Sixteen bytes in any form.
        for part in canary.chunks(16) {
            let forms = [part.to_vec(), HEXLOWER.encode(part).into(), BASE64.encode(part).into()];
            for form in forms {
                let form = &form[..form.len().min(20)];
                let is_in = |place: &Vec<u8>| place.windows(form.len()).any(|it| it == form);
                assert!(!seen.iter().any(is_in), "{form:?}");
            }
        }
    }
}
