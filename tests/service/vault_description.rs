//! `/openapi.json` about Vault's paths: what it says is what the service does.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::TWO_KINDS;
use crate::running::{Running, get};
use crate::tenants::create;
use crate::vault::{admin, call};

/// Methods of a path, as far as they can be described.
const METHODS: [&str; 3] = ["get", "post", "delete"];

/// The paths that answer any caller, in a form of their own.
const WITHOUT_ENVELOPE: &str = "/v1/sys/";

#[test]
fn every_call_of_vault_is_answered_as_it_is_described_and_no_other_method_is() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let description: Value =
        serde_json::from_slice(&get(&service, "/openapi.json").body).expect("JSON");
    let settings = r#"{"exportable":true}"#;
    assert_eq!(call(&service, &token, "POST", "transit/keys/app", settings).0, 200);
    let settings = r#"{"deletion_allowed":true,"min_encryption_version":1}"#;
    assert_eq!(call(&service, &token, "POST", "transit/keys/app/config", settings).0, 200);
    let signer = r#"{"type":"ed25519"}"#;
    assert_eq!(call(&service, &token, "POST", "transit/keys/signer", signer).0, 200);
    let made = |path: &str, body: &str, member: &str| {
        call(&service, &token, "POST", path, body).1["data"][member].clone()
    };
    let input = r#"{"plaintext":"aGVsbG8=","input":"aGVsbG8="}"#;
    let sealed = made("transit/encrypt/app", input, "ciphertext");
    let mac = made("transit/hmac/app", input, "hmac");

    let paths = description["paths"].as_object().expect("paths");
    let of_vault = paths.iter().filter(|(path, _)| path.starts_with("/v1/"));
    // What destroys the key comes last.
    let (last, first): (Vec<_>, Vec<_>) = of_vault
        .flat_map(|(path, item)| METHODS.map(|method| (path.as_str(), item, method)))
        .partition(|(_, _, method)| *method == "delete");
    for (path, item, method) in [first, last].concat() {
        let operation = &item[method];
        let parameters = METHODS.iter().filter_map(|method| item[method]["parameters"].as_array());
        let target = target(&description, path, parameters.flatten());
        let mut body = operation["requestBody"]["content"]["application/json"]["example"].clone();
        for (member, real) in [("ciphertext", &sealed), ("hmac", &mac)] {
            if body[member].is_string() {
                body[member] = real.clone();
            }
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = call(
            &service,
            &token,
            &method.to_uppercase(),
            target.trim_start_matches("/v1/"),
            &body,
        );
        let told = format!("{method} {target} {body}: {status} {answer}");
        if operation.is_null() {
            assert_eq!(status, 405, "{told}");
            continue;
        }
        let responses = operation["responses"].as_object().expect("responses");
        // Only a refusal is described of what is always refused.
        let described = responses.get(&status.to_string()).unwrap_or_else(|| {
            assert!(responses.len() == 1 && status == 400, "{told}");
            &responses["default"]
        });
        let schema = &resolved(&description, described)["content"]["application/json"]["schema"];
        check(&answer, schema, &told);
        let is_enveloped = status == 200 && !path.starts_with(WITHOUT_ENVELOPE);
        assert!(!is_enveloped || schema["properties"]["data"].is_object(), "{told}");
    }
}

#[test]
fn every_call_of_vault_that_is_described_needs_its_permission() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let nothing = create(&service, "nothing", &["--allow", "status:read"]);
    let description: Value =
        serde_json::from_slice(&get(&service, "/openapi.json").body).expect("JSON");
    for (name, kind) in [("app", "aes256-gcm96"), ("signer", "ed25519")] {
        let path = format!("transit/keys/{name}");
        let body = json!({ "type": kind }).to_string();
        assert_eq!(call(&service, &token, "POST", &path, &body).0, 200);
    }
    let paths = description["paths"].as_object().expect("paths");
    for (path, item) in paths.iter().filter(|(path, _)| path.starts_with("/v1/")) {
        for method in METHODS.iter().filter(|method| !item[**method].is_null()) {
            let operation = &item[*method];
            let parameters = operation["parameters"].as_array();
            let target = target(&description, path, parameters.into_iter().flatten());
            let body = &operation["requestBody"]["content"]["application/json"]["example"];
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let ask = target.trim_start_matches("/v1/");
            let (status, answer) = call(&service, &nothing, &method.to_uppercase(), ask, &body);
            let is_free = match path.as_str() {
                // Of the keys that the caller may use or manage, which are none.
                "/v1/transit/keys" => status == 404,
                "/v1/sys/health" | "/v1/sys/seal-status" | "/v1/sys/init" | "/v1/sys/leader" => {
                    true
                }
                path => path.starts_with("/v1/auth/token/"),
            };
            assert_eq!(status == 403, !is_free, "{method} {target}: {status} {answer}");
        }
    }
}

/// A path with the examples of its parameters.
fn target<'d>(
    description: &'d Value,
    path: &str,
    parameters: impl Iterator<Item = &'d Value>,
) -> String {
    let mut target = path.to_owned();
    for parameter in parameters {
        let parameter = resolved(description, parameter);
        let name = parameter["name"].as_str().expect("a name");
        let example = match &parameter["example"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match parameter["in"].as_str() {
            Some("path") => target = target.replace(&format!("{{{name}}}"), &example),
            _ if parameter["required"] == true => target = format!("{target}?{name}={example}"),
            _ => {}
        }
    }
    target
}

fn resolved<'d>(description: &'d Value, node: &'d Value) -> &'d Value {
    let reference = node["$ref"].as_str().and_then(|it| it.strip_prefix('#'));
    reference.map_or(node, |at| description.pointer(at).expect("within the document"))
}

/// Checks that an object has all members that its schema requires, none that it does not name, and values of
/// their types.
fn check(value: &Value, schema: &Value, told: &str) {
    if let Some(expected) = schema.get("const") {
        return assert_eq!(value, expected, "{told}");
    }
    let (Some(members), Some(described)) = (value.as_object(), schema["properties"].as_object())
    else {
        return assert!(is_of(value, &schema["type"]), "{value} for {schema}: {told}");
    };
    let names = |of: &Map<String, Value>| of.keys().cloned().collect::<BTreeSet<_>>();
    let unknown: Vec<_> = names(members).difference(&names(described)).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}: {told}");
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(members.contains_key(name.as_str().expect("a name")), "{name}: {told}");
    }
    for (name, value) in members {
        check(value, &described[name], told);
    }
}

fn is_of(value: &Value, kind: &Value) -> bool {
    let kinds = if kind.is_array() { kind.clone() } else { json!([kind]) };
    kinds.as_array().expect("a list").iter().any(|kind| match kind.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("null") | None => value.is_null(),
        Some(_) => false,
    })
}
