//! Keys that were made while too few sources were there, found and replaced by one command.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::aws_kms::{self, AccessKey, EVERYTHING};
use crate::running::{Running, get};
use crate::vault::{admin, call};
use crate::{ONE_KIND, kms};

/// A service of one kind of source that needs as many as this.
fn pool(quorum: u8) -> String {
    format!("[pool]\nquorum = {quorum}\nreseed-interval = \"1s\"\n{ONE_KIND}")
}

fn keys(service: &Running) -> Vec<Value> {
    let text = service.done(&["keys", "--json"], "");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Purpose, state and the generator's state of each version but the root key.
fn told(service: &Running) -> Vec<[String; 3]> {
    let of = |key: &Value| {
        ["purpose", "state", "made_while"].map(|it| key[it].as_str().expect("text").to_owned())
    };
    let keys = keys(service);
    let mut told: Vec<_> = keys.iter().filter(|key| key["purpose"] != "root").map(of).collect();
    told.sort();
    told
}

#[test]
fn keys_of_every_purpose_made_while_degraded_are_rotated_and_told_when_it_is_degraded_again() {
    let service = kms::start_with("", &pool(1));
    kms::healthy(&service);
    let table = kms::table(&kms::socket(&service), "");
    let until = |quorum, state: &str| {
        service.configure(&format!("{table}{}", pool(quorum)));
        service.signal(Signal::HUP);
        service.wait_until(state, |it| {
            get(it, "/status").text().contains(&format!("\"state\":\"{state}\""))
                && get(it, "/status").text().contains("\"open\"")
        });
    };
    // The key of the socket, for `kms`.
    until(2, "degraded");
    service.done(&["rotate", "key", "cluster"], "");
    let token = admin(&service);
    for (name, body) in [
        ("seals", json!({})),
        ("signs", json!({ "type": "ecdsa-p256" })),
        ("macs", json!({ "type": "hmac", "key_size": 32 })),
    ] {
        let path = format!("transit/keys/{name}");
        assert_eq!(call(&service, &token, "POST", &path, &body.to_string()).0, 200, "{name}");
    }
    let access = AccessKey::of_new(&service, "acme", &EVERYTHING);
    aws_kms::new_key(&service, &access);
    service.done(&["kv", "namespaces", "create", "first"], "");
    // The tenants are records, too, in a namespace of their own.
    let all = ["aws-kms", "kms", "mac", "namespace", "namespace", "sign", "transit"];
    let degraded = |service: &Running| -> Vec<String> {
        let made = told(service).into_iter();
        let active = made.filter(|[_, state, made]| state == "active" && made == "degraded");
        active.map(|[purpose, ..]| purpose).collect()
    };
    assert_eq!(degraded(&service), all, "{:?}", told(&service));

    let rotate = ["keys", "--made-while", "degraded", "--rotate"];
    let again = service.operate(&rotate, "");
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(degraded(&service), all, "each once again");
    assert_eq!(
        again.err.matches("was made while degraded again").count(),
        all.len(),
        "{}",
        again.err
    );

    until(1, "ready");
    let output = service.operate(&rotate, "");
    assert_eq!(output.code, 0, "{}", output.err);
    assert!(!output.err.contains("degraded again"), "{}", output.err);
    assert_eq!(degraded(&service), [""; 0], "{:?}", told(&service));
    let ready = told(&service).into_iter().filter(|[_, state, _]| state == "active");
    assert_eq!(ready.map(|[purpose, ..]| purpose).collect::<Vec<_>>(), all);
}
