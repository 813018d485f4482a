//! The Workers KV dialect, over real sockets and a store in memory.

use std::collections::BTreeSet;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use lavawall::Actor;
use lavawall::SealChoice;
use lavawall::Store;
use lavawall::{Change, Changes, Row, Snapshot, Storage, StorageError, StorageSize, Table};
use lavawall::{Fault, MemoryStorage};
use lavawall::{Keyring, Places};
use lavawall::{ReloadableTokens, Tokens, hash_token};
use lavawall_entropy::{Generator, LeaseLimits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::appliance::{Appliance, config, seed};
use crate::client::{Answer, Client, get};

const NAMESPACES: &str = "/client/v4/accounts/default/storage/kv/namespaces";

struct Kv {
    appliance: Appliance,
    store: Arc<Store>,
    memory: MemoryStorage,
    folder: tempfile::TempDir,
}

impl Kv {
    fn start() -> Self {
        Self::over(config(), |memory| Box::new(memory))
    }

    /// With the storage that is made around this one.
    fn over(
        config: lavawall::HttpConfig,
        around: impl FnOnce(MemoryStorage) -> Box<dyn Storage>,
    ) -> Self {
        let limits = LeaseLimits {
            reseed_interval: Duration::from_mins(1),
            grace_period: Duration::from_mins(15),
        };
        let generator =
            Arc::new(Generator::new(2, limits, lavawall::this_machine()).expect("memory"));
        seed(&generator, 1);
        let folder = tempfile::tempdir().expect("a directory");
        let places = Places {
            keyring: folder.path().join("keyring"),
            seal_file: folder.path().join("seal-key"),
            audit: folder.path().join("audit.log"),
            anchor: None,
        };
        let keyring = Arc::new(Keyring::load(places, Arc::clone(&generator)).expect("none yet"));
        keyring.init(&Actor::SERVICE, &SealChoice::File).expect("made");
        let memory = MemoryStorage::default();
        let storage = around(memory.clone());
        let store = Store::new(keyring, Arc::clone(&generator), storage, BTreeSet::new());
        store.open().expect("opened");
        let store = Arc::new(store);
        let tokens = ReloadableTokens::default();
        tokens.set(
            Tokens::parse(&format!("admin {}", hash_token("it"))).expect("a token").of_operators(),
        );
        let fresh: lavawall::Fresh = Arc::new(|| Box::pin(std::future::pending()));
        let kept = Some((Arc::clone(&store), Arc::new(tokens)));
        let appliance = Appliance::with_store(generator, config, fresh, kept);
        Self { appliance, store, memory, folder }
    }

    fn call(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> Answer {
        let mut client = Client::connect(self.appliance.address);
        client.send(&format!(
            "{method} {NAMESPACES}{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer it\r\n\
             Content-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        // A server that refuses early may have closed by now.
        let _ = client.stream.get_mut().write_all(body);
        client.read(method)
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.call(method, path, "application/json", body.to_string().as_bytes())
    }

    /// Asks, and expects success.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.json(method, path, body);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        let envelope = answer.json();
        assert_eq!(envelope["success"], true);
        assert_eq!(envelope["errors"], json!([]));
        envelope
    }

    /// Asks, and expects this status and code.
    fn is_refused(&self, method: &str, path: &str, body: &Value, status: u16, code: u32) {
        let answer = self.json(method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        let envelope = answer.json();
        assert_eq!(envelope["success"], false);
        assert_eq!(envelope["errors"][0]["code"], code, "{envelope}");
        assert!(envelope["errors"][0]["message"].as_str().is_some_and(|it| !it.is_empty()));
    }

    fn namespace(&self, title: &str) -> String {
        let made = self.ask("POST", "", &json!({ "title": title }));
        format!("/{}", made["result"]["id"].as_str().expect("an id"))
    }

    fn put(&self, namespace: &str, name: &str, value: &[u8]) {
        let path = format!("{namespace}/values/{name}");
        let answer = self.call("PUT", &path, "application/octet-stream", value);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[test]
fn every_described_call_is_served_and_no_other() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    let description = get(kv.appliance.address, "/openapi.json").json();
    let mut calls = 0;
    for (template, item) in description["paths"].as_object().expect("paths") {
        let path = template.replace("{account_id}", "default").replace("{key_name}", "a");
        let path = path.replace("/{namespace_id}", &id);
        let Some(path) = path.strip_prefix(NAMESPACES) else { continue };
        // The answer to another method names those that are served (RFC 9110 §15.5.6).
        let refused = kv.json("PATCH", path, &Value::Null);
        assert_eq!(refused.status, 405, "{template}");
        let allow = refused.header("allow").expect("the methods").to_lowercase();
        let served: BTreeSet<_> = allow.split(", ").filter(|method| *method != "head").collect();
        let described: BTreeSet<_> =
            item.as_object().expect("methods").keys().map(String::as_str).collect();
        assert_eq!(described, served, "{template}");
        calls += described.len();
    }
    assert_eq!(calls, 14);
}

#[test]
fn namespaces_are_made_listed_renamed_and_deleted() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    assert_eq!(id.len(), 33);
    let got = kv.ask("GET", &id, &Value::Null);
    assert_eq!(got["result"]["title"], "first");
    assert_eq!(got["result"]["supports_url_encoding"], true);
    kv.is_refused("POST", "", &json!({ "title": "first" }), 400, 10_014);
    for body in [json!({ "name": "x" }), json!({ "title": "" }), json!({ "title": null })]
        .into_iter()
        .chain([
            json!({ "title": 1 }),
            json!({ "title": "a\nb" }),
            json!({ "title": "x".repeat(9999) }),
        ])
    {
        kv.is_refused("POST", "", &body, 400, 10_019);
        kv.is_refused("PUT", &id, &body, 400, 10_019);
    }
    kv.is_refused("POST", "", &json!("no object"), 400, 90_400);
    let second = kv.namespace("second");
    let page = kv.ask("GET", "?per_page=1&page=2&order=title", &Value::Null);
    assert_eq!(page["result"][0]["title"], "second");
    assert_eq!(page["result_info"]["total_count"], 2);
    assert_eq!(kv.ask("GET", "?page=9", &Value::Null)["result"], json!([]));
    assert_eq!(kv.ask("PUT", &id, &json!({ "title": "third" }))["result"]["title"], "third");
    kv.ask("DELETE", &id, &Value::Null);
    kv.is_refused("GET", &id, &Value::Null, 404, 10_013);
    kv.is_refused("GET", &format!("{id}/values/a"), &Value::Null, 404, 10_013);
    for malformed in ["/nonsense", "/nonsense/values/a", &id[..32], &format!("{id}0")] {
        kv.is_refused("GET", malformed, &Value::Null, 400, 10_011);
    }
    for (query, code) in [("order=size", 10_043), ("order=Title", 10_043), ("direction=up", 10_044)]
    {
        kv.is_refused("GET", &format!("?{query}"), &Value::Null, 400, code);
    }
    kv.ask("GET", "?order=id&direction=asc", &Value::Null);
    kv.ask("GET", &second, &Value::Null);
}

#[test]
fn values_come_back_byte_by_byte_under_any_name() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    let bytes: Vec<u8> = (0..=255).collect();
    for (name, value) in [
        ("plain", bytes.as_slice()),
        ("a%2Fb%3Fc", b"slash"),
        ("%C3%A4%E2%98%83", b"snow"),
        ("empty", b""),
        ("%3A%21%25", b"signs"),
    ] {
        kv.put(&id, name, value);
        let answer = kv.call("GET", &format!("{id}/values/{name}"), "x", b"");
        assert_eq!((answer.status, answer.body.as_slice()), (200, value), "{name}");
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("expiration"), None);
    }
    kv.is_refused("GET", &format!("{id}/values/absent"), &Value::Null, 404, 10_009);
    kv.is_refused("GET", &format!("{id}/metadata/absent"), &Value::Null, 404, 10_009);
    kv.ask("DELETE", &format!("{id}/values/plain"), &Value::Null);
    kv.is_refused("GET", &format!("{id}/values/plain"), &Value::Null, 404, 10_009);
    kv.ask("DELETE", &format!("{id}/values/plain"), &Value::Null);
}

#[test]
fn a_form_carries_metadata_and_the_query_an_expiry() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    let form = "--x\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{\"a\": [1]}\r\n\
                --x\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\nhello\r\n--x--\r\n";
    let path = format!("{id}/values/k");
    let media_type = "multipart/form-data; boundary=x";
    let put = |query: &str| kv.call("PUT", &format!("{path}{query}"), media_type, form.as_bytes());
    assert_eq!(put("?expiration_ttl=3600").status, 200);
    let answer = kv.call("GET", &path, "x", b"");
    assert_eq!(answer.text(), "hello");
    assert!(answer.header("expiration").is_some());
    assert_eq!(
        kv.ask("GET", &format!("{id}/metadata/k"), &Value::Null)["result"],
        json!({"a": [1]})
    );
    for (query, code) in [
        ("?expiration_ttl=59", 10_034),
        ("?expiration_ttl=59.9", 10_034),
        ("?expiration_ttl=soon", 10_034),
        ("?expiration_ttl=-60", 10_034),
        ("?expiration=1000", 10_033),
        ("?expiration=never", 10_033),
        ("?expiration=99999999999", 10_033),
    ] {
        let answer = put(query);
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.json()["errors"][0]["code"], code, "{query}");
    }
    assert_eq!(put("?expiration_ttl=3600.75").status, 200);
    assert_eq!(put("?expiration=4102444800.5").status, 200, "a fraction is dropped");
    assert_eq!(kv.call("GET", &path, "x", b"").header("expiration"), Some("4102444800"));
    assert_eq!(put("?expiration=1000&expiration_ttl=3600").status, 200, "the life counts");
    assert!(kv.call("GET", &path, "x", b"").header("expiration").is_some_and(|it| it > "1000"));
    let broken = kv.call("PUT", &path, "multipart/form-data", form.as_bytes());
    assert_eq!(broken.status, 400, "no boundary");
    for (name, content) in [("value", "other"), ("metadata", "{}")] {
        let part =
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n");
        let twice = kv.call("PUT", &path, media_type, format!("{part}{form}").as_bytes());
        assert_eq!(twice.status, 400);
        assert!(twice.text().contains(&format!("two parts named {name}")), "{}", twice.text());
    }
    assert_eq!(kv.call("GET", &path, "x", b"").text(), "hello", "as it was");
    kv.put(&id, "plain", b"x");
    let none = kv.ask("GET", &format!("{id}/metadata/plain"), &Value::Null);
    assert_eq!(none["result"], Value::Null);
}

#[test]
fn names_are_listed_by_prefix_and_by_pages() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    let expected: Vec<_> = (10..35).map(|number| format!("a{number}")).collect();
    for name in expected.iter().map(String::as_str).chain(["b"]) {
        kv.put(&id, name, b"v");
    }
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{id}/keys?prefix=a&limit=10&cursor={cursor}");
        let page = kv.ask("GET", &path, &Value::Null);
        let names = page["result"].as_array().expect("a list");
        found.extend(names.iter().map(|it| it["name"].as_str().expect("a name").to_owned()));
        assert_eq!(page["result_info"]["count"], names.len());
        cursor = page["result_info"]["cursor"].as_str().expect("a cursor").to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(found, expected);
    for (query, code) in [
        ("limit=0", 10_028),
        ("limit=9", 10_028),
        ("limit=1001", 10_028),
        ("limit=10.5", 10_028),
        ("limit=all", 10_028),
        ("cursor=*", 10_041),
        ("cursor=_w", 10_041),
    ] {
        kv.is_refused("GET", &format!("{id}/keys?{query}"), &Value::Null, 400, code);
    }
}

#[test]
fn bulk_calls_write_read_and_delete_many() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    let pairs = json!([
        { "key": "a/b", "value": "1", "metadata": { "m": 1 }, "expiration_ttl": 3600.0 },
        { "key": "raw", "value": "AAEC/w==", "base64": true },
        { "key": "json", "value": "{\"x\":1}" },
    ]);
    let written = kv.ask("PUT", &format!("{id}/bulk"), &pairs);
    assert_eq!(written["result"], json!({ "successful_key_count": 3, "unsuccessful_keys": [] }));
    assert_eq!(kv.call("GET", &format!("{id}/values/raw"), "x", b"").body, [0, 1, 2, 255]);
    let read = kv.ask("POST", &format!("{id}/bulk/get"), &json!({ "keys": ["a/b", "absent"] }));
    assert_eq!(read["result"]["values"], json!({ "a/b": "1", "absent": null }));
    let ask = json!({ "keys": ["json", "a/b"], "type": "json", "withMetadata": true });
    let read = kv.ask("POST", &format!("{id}/bulk/get"), &ask);
    assert_eq!(read["result"]["values"]["json"]["value"], json!({ "x": 1 }));
    assert_eq!(read["result"]["values"]["a/b"]["metadata"], json!({ "m": 1 }));
    assert!(read["result"]["values"]["a/b"]["expiration"].is_u64());
    let ask = json!({ "keys": ["raw"], "type": "base64" });
    let read = kv.ask("POST", &format!("{id}/bulk/get"), &ask);
    assert_eq!(read["result"]["values"], json!({ "raw": "AAEC/w==" }));
    // One bad pair keeps all of them out.
    let bad = json!([{ "key": "new", "value": "1" }, { "key": "..", "value": "2" }]);
    kv.is_refused("PUT", &format!("{id}/bulk"), &bad, 400, 10_042);
    kv.is_refused("GET", &format!("{id}/values/new"), &Value::Null, 404, 10_009);
    kv.is_refused("PUT", &format!("{id}/bulk"), &json!([]), 400, 90_400);
    let both = json!([{ "key": "j", "value": "1", "expiration": 1, "expiration_ttl": 3600 }]);
    kv.ask("PUT", &format!("{id}/bulk"), &both);
    kv.ask("DELETE", &format!("{id}/values/j"), &Value::Null);
    let many: Vec<_> = (0..101).map(|number| number.to_string()).collect();
    kv.is_refused("POST", &format!("{id}/bulk/get"), &json!({ "keys": many }), 400, 90_400);
    kv.ask("POST", &format!("{id}/bulk/delete"), &json!(["a/b", "absent"]));
    kv.ask("DELETE", &format!("{id}/bulk"), &json!(["raw"]));
    let left = kv.ask("GET", &format!("{id}/keys"), &Value::Null);
    assert_eq!(left["result"], json!([{ "name": "json" }]));
}

/// More digits than 64 bits or a double have, each in its own way.
const NUMBERS: &str =
    r#"{"z":18446744073709551617,"d":0.1000000000000000055511151231257827,"e":1E5,"f":-1.0}"#;

#[test]
fn numbers_in_metadata_come_back_to_the_last_digit_however_they_were_written() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    let spaced = NUMBERS.replace(',', " ,\n ");
    let form = format!(
        "--x\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{spaced}\r\n\
         --x\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\nv\r\n--x--\r\n"
    );
    let media_type = "multipart/form-data; boundary=x";
    let put = kv.call("PUT", &format!("{id}/values/form"), media_type, form.as_bytes());
    assert_eq!(put.status, 200, "{}", put.text());
    let pairs = format!(r#"[{{"key":"bulk","value":"v","metadata":{spaced}}}]"#);
    let put = kv.call("PUT", &format!("{id}/bulk"), "application/json", pairs.as_bytes());
    assert_eq!(put.status, 200, "{}", put.text());
    for name in ["form", "bulk"] {
        let read = kv.call("GET", &format!("{id}/metadata/{name}"), "x", b"");
        assert!(read.text().contains(&format!("\"result\":{NUMBERS}")), "{}", read.text());
        let ask = json!({ "keys": [name], "withMetadata": true });
        let read = kv.json("POST", &format!("{id}/bulk/get"), &ask);
        let member = format!("\"metadata\":{NUMBERS}");
        assert!(read.text().contains(&member), "{}", read.text());
    }
    let listed = kv.call("GET", &format!("{id}/keys"), "x", b"");
    let member = format!("\"metadata\":{NUMBERS}}}");
    assert_eq!(listed.text().matches(&member).count(), 2, "{}", listed.text());
}

#[test]
fn numbers_in_values_read_as_json_come_back_to_the_last_digit() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    kv.put(&id, "json", NUMBERS.replace(',', ",\r\n").as_bytes());
    for (with_metadata, expected) in [
        (false, format!("{{\"json\":{NUMBERS}}}")),
        (true, format!("{{\"json\":{{\"value\":{NUMBERS},\"metadata\":null}}}}")),
    ] {
        let ask = json!({ "keys": ["json"], "type": "json", "withMetadata": with_metadata });
        let read = kv.json("POST", &format!("{id}/bulk/get"), &ask);
        assert!(read.text().contains(&format!("\"values\":{expected}")), "{}", read.text());
    }
    for bad in ["{", "1e309", "\"\\ud800\"", "[".repeat(200).as_str()] {
        kv.put(&id, "json", bad.as_bytes());
        kv.put(&id, "good", b"[1]");
        let path = format!("{id}/bulk/get");
        // It fails alone, and is told from a record that is not there.
        let ask = json!({ "keys": ["json", "good", "absent"], "type": "json" });
        let read = kv.ask("POST", &path, &ask);
        let expected = json!({ "json": null, "good": [1], "absent": null });
        assert_eq!(read["result"]["values"], expected, "{bad}");
        assert_eq!(read["messages"], json!([{ "code": 90400, "message": "json: is not JSON" }]));
        let ask = json!({ "keys": ["json"], "type": "json", "withMetadata": true });
        let read = kv.ask("POST", &path, &ask);
        let expected = json!({ "json": { "value": null, "metadata": null } });
        assert_eq!(read["result"]["values"], expected, "{bad}");
    }
}

#[test]
fn a_name_with_white_space_or_a_control_character_is_not_written_and_an_older_one_stays_in_use() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    for escaped in ["%20", "a%20b", "a%09", "%0Aa", "a%00b", "%7F", "%C2%85", "%C2%A0", "%E2%80%A8"]
    {
        let path = format!("{id}/values/{escaped}");
        kv.is_refused("PUT", &path, &Value::Null, 400, 10_042);
        kv.is_refused("GET", &path, &Value::Null, 404, 10_009);
    }
    for name in [" ", "a\tb", "a\u{0}", "a\u{2003}b"] {
        let pairs = json!([{ "key": "good", "value": "1" }, { "key": name, "value": "2" }]);
        kv.is_refused("PUT", &format!("{id}/bulk"), &pairs, 400, 10_042);
    }
    kv.is_refused("GET", &format!("{id}/values/good"), &Value::Null, 404, 10_009);
    // An export of an earlier version is restored, and its records can be read and deleted.
    kv.ask("PUT", &format!("{id}/bulk?names=any"), &json!([{ "key": "a b\n", "value": "1" }]));
    assert_eq!(kv.call("GET", &format!("{id}/values/a%20b%0A"), "x", b"").text(), "1");
    let listed = kv.ask("GET", &format!("{id}/keys?prefix=a%20"), &Value::Null);
    assert_eq!(listed["result"], json!([{ "name": "a b\n" }]));
    kv.ask("DELETE", &format!("{id}/values/a%20b%0A"), &Value::Null);
    kv.is_refused("GET", &format!("{id}/values/a%20b%0A"), &Value::Null, 404, 10_009);
}

#[test]
fn a_name_or_metadata_that_is_too_long_has_the_code_and_status_of_the_service() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    let long = "n".repeat(513);
    kv.is_refused("PUT", &format!("{id}/values/{long}"), &Value::Null, 414, 10_030);
    kv.is_refused("GET", &format!("{id}/values/{long}"), &Value::Null, 414, 10_030);
    let bulk = format!("{id}/bulk");
    kv.is_refused("PUT", &bulk, &json!([{ "key": long, "value": "" }]), 414, 10_030);
    for name in ["", "."] {
        kv.is_refused("PUT", &bulk, &json!([{ "key": name, "value": "" }]), 400, 10_042);
    }
    for (name, escaped) in [(".", "%2E"), ("..", "%2E%2E")] {
        kv.is_refused("PUT", &format!("{id}/values/{escaped}"), &json!(name), 400, 10_042);
    }
    let put = |metadata: &str| {
        let form = format!(
            "--x\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n\
             --x\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\nv\r\n--x--\r\n"
        );
        let path = format!("{id}/values/k");
        let answer = kv.call("PUT", &path, "multipart/form-data; boundary=x", form.as_bytes());
        (answer.status, answer.json()["errors"][0]["code"].clone())
    };
    assert_eq!(put("{not json"), (400, json!(10_047)));
    let long = format!("\"{}\"", "m".repeat(1024));
    assert_eq!(put(&long), (413, json!(10_047)));
    let pairs = json!([{ "key": "k", "value": "v", "metadata": "m".repeat(1024) }]);
    kv.is_refused("PUT", &bulk, &pairs, 413, 10_047);
    let pairs = json!([{ "key": "k", "value": "x".repeat((25 << 20) + 1) }]);
    kv.is_refused("PUT", &bulk, &pairs, 413, 10_024);
    kv.is_refused("GET", &format!("{id}/values/k"), &Value::Null, 404, 10_009);
}

#[test]
fn members_that_are_null_have_their_default_and_times_may_have_a_fraction() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    let bulk = format!("{id}/bulk");
    let pairs = json!([
        { "key": "a", "value": "1", "base64": null, "metadata": null, "expiration": null,
          "expiration_ttl": null },
        { "key": "b", "value": "2", "expiration": 4_102_444_800.75 },
        { "key": "c", "value": "3", "expiration_ttl": 60.5 },
    ]);
    kv.ask("PUT", &bulk, &pairs);
    assert_eq!(
        kv.call("GET", &format!("{id}/values/b"), "x", b"").header("expiration"),
        Some("4102444800")
    );
    let ask = json!({ "keys": ["a"], "type": null, "withMetadata": null });
    let read = kv.ask("POST", &format!("{bulk}/get"), &ask);
    assert_eq!(read["result"]["values"], json!({ "a": "1" }));
    for (field, value, code) in [
        ("expiration_ttl", 59.9, 10_034),
        ("expiration_ttl", -0.5, 10_034),
        ("expiration_ttl", 1e300, 10_034),
        ("expiration", 1.5, 10_033),
    ] {
        let pairs = json!([{ "key": "k", "value": "v", field: value }]);
        kv.is_refused("PUT", &bulk, &pairs, 400, code);
    }
}

#[test]
fn the_caller_and_the_one_account_are_shown_to_the_holder_of_the_token_alone() {
    let kv = Kv::start();
    let call = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let path = format!("/client/v4{path}");
        Client::connect(kv.appliance.address).call(method, &path, headers)
    };
    let token = [("Authorization", "Bearer it")];
    let account = json!({ "id": "default", "name": "lavawall" });
    for (path, at, expected) in [
        ("/user/tokens/verify", "/result/status", json!("active")),
        ("/user", "/result/id", json!("token admin")),
        ("/accounts", "/result", json!([account])),
        ("/accounts?page=1&per_page=50", "/result_info/total_count", json!(1)),
        ("/accounts/default", "/result", account.clone()),
        ("/memberships", "/result/0/account", account.clone()),
        ("/memberships", "/result/0/status", json!("accepted")),
        // A client asks for the next page until one is empty.
        ("/accounts?page=2", "/result", json!([])),
        ("/accounts?page=2&per_page=5", "/result_info/count", json!(0)),
        ("/memberships?page=2", "/result", json!([])),
        ("/memberships?page=3", "/result_info/total_pages", json!(1)),
    ] {
        let answer = call("GET", path, &token);
        assert_eq!(answer.status, 200, "{path}");
        let envelope = answer.json();
        assert_eq!(envelope["success"], true, "{path}");
        assert_eq!(envelope.pointer(at), Some(&expected), "{path}: {envelope}");
        let path = path.split('?').next().expect("split gives one at least");
        assert_eq!(call("GET", path, &[]).status, 401, "{path}");
        let refused = call("DELETE", path, &token);
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")), "{path}");
    }
    assert_eq!(call("GET", "/accounts/other", &token).status, 404);
    let described = get(kv.appliance.address, "/openapi.json").json();
    for path in
        ["/user/tokens/verify", "/user", "/accounts", "/accounts/{account_id}", "/memberships"]
    {
        assert!(described["paths"].get(format!("/client/v4{path}")).is_some(), "{path}");
    }
}

#[test]
fn a_caller_with_the_key_of_an_account_is_told_to_send_a_token() {
    let kv = Kv::start();
    let call = |headers: &[(&str, &str)]| {
        Client::connect(kv.appliance.address).call("GET", NAMESPACES, headers)
    };
    let key = ("X-Auth-Key", "xylophone");
    let email = ("X-Auth-Email", "a@example.com");
    for headers in [&[key, email][..], &[key], &[email], &[("Authorization", "Bearer x"), key]] {
        let answer = call(headers);
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").is_some());
        let error = answer.json()["errors"][0].clone();
        assert_eq!(error["code"], 10_000);
        let message = error["message"].as_str().expect("text");
        assert!(message.contains("Authorization: Bearer"), "{message}");
        assert!(!message.contains("xylophone") && !message.contains("example"), "{message}");
    }
    assert_eq!(call(&[("Authorization", "Bearer it"), key, email]).status, 200);
}

#[test]
fn nobody_is_answered_without_the_token_and_only_once() {
    let kv = Kv::start();
    let with = |headers: &[(&str, &str)]| {
        Client::connect(kv.appliance.address).call("GET", NAMESPACES, headers)
    };
    for headers in [
        &[][..],
        &[("Authorization", "Bearer wrong")],
        &[("Authorization", "Basic it")],
        &[("Authorization", "Bearer it"), ("Authorization", "Bearer it")],
    ] {
        let answer = with(headers);
        assert_eq!(answer.status, 401, "{headers:?}");
        assert_eq!(answer.json()["errors"][0]["code"], 10_000);
    }
    assert_eq!(with(&[("Authorization", "Bearer it")]).status, 200);
    assert_eq!(get(kv.appliance.address, "/random").status, 200, "which needs none here");
}

#[test]
fn calls_without_the_token_are_counted_in_the_audit_log_and_nothing_of_theirs_is_in_it() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    let refused = |method: &str, path: &str| {
        let headers = [("Authorization", "Bearer xylophone-token"), ("Content-Length", "0")];
        let path = format!("{NAMESPACES}{path}");
        Client::connect(kv.appliance.address).call(method, &path, &headers).status
    };
    let counts = || -> Vec<(String, u64)> {
        let log = std::fs::read_to_string(kv.folder.path().join("audit.log")).expect("a log");
        assert!(!log.contains("xylophone"), "{log}");
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let about = lines.filter(|line| line["operation"] == "call");
        about
            .map(|line| {
                let detail = line["detail"].as_str().expect("what it was about").to_owned();
                (detail, line["count"].as_u64().expect("a count"))
            })
            .collect()
    };
    assert_eq!(refused("DELETE", &id), 401);
    assert_eq!(counts(), [("namespaces 1".to_owned(), 1)], "the first is written at once");
    for (method, path) in [
        ("GET", format!("{id}/values/xylophone")),
        ("GET", format!("{id}/keys?prefix=xylophone")),
        ("POST", String::new()),
        ("GET", "/xylophone/xylophone".to_owned()),
    ] {
        assert_eq!(refused(method, &path), 401);
    }
    kv.namespace("second");
    let total: u64 = counts().iter().map(|(_, count)| count).sum();
    assert_eq!(total, 5);
    // On a machine that took a minute for this there would be more lines.
    assert!(counts().iter().any(|(detail, _)| detail.contains("records")), "{:?}", counts());
}

#[test]
fn without_the_audit_log_a_call_without_the_token_is_refused_as_ever_and_randomness_goes_on() {
    let kv = Kv::start();
    let log = kv.folder.path().join("audit.log");
    std::fs::rename(&log, kv.folder.path().join("audit.old")).expect("moved");
    std::fs::create_dir(&log).expect("a directory in the way");
    for _ in 0..3 {
        let answer = Client::connect(kv.appliance.address).call("GET", NAMESPACES, &[]);
        assert_eq!(answer.status, 401);
        assert_eq!(get(kv.appliance.address, "/random").status, 200);
    }
}

#[test]
fn what_is_too_large_is_refused_by_its_announced_length() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    let mut client = Client::connect(kv.appliance.address);
    client.send(&format!(
        "PUT {NAMESPACES}{id}/values/k HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer it\r\n\
         Content-Length: {}\r\n\r\n",
        (25 << 20) + 1
    ));
    assert_eq!(client.read("PUT").status, 413);
    let largest = vec![7; 25 << 20];
    kv.put(&id, "largest", &largest);
    let answer = kv.call("GET", &format!("{id}/values/largest"), "x", b"");
    assert!(answer.body == largest);
}

#[test]
fn a_client_that_sends_too_much_is_heard_out_and_reads_why() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    let body = vec![7; (25 << 20) + 1];
    for (method, path, framing) in [
        ("PUT", "values/k", format!("Content-Length: {}", body.len())),
        ("POST", "values/k", format!("Content-Length: {}", body.len())),
        ("PUT", "values/k", format!("Transfer-Encoding: chunked\r\n\r\n{:x}", body.len())),
    ] {
        let mut client = Client::connect(kv.appliance.address);
        let end = if framing.starts_with('T') { "" } else { "\r\n" };
        client.send(&format!(
            "{method} {NAMESPACES}{id}/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer it\r\n\
             {framing}\r\n{end}"
        ));
        // As most clients do: all of it first, then the answer.
        client.stream.get_mut().write_all(&body).expect("the server reads to the end");
        let expected = if method == "PUT" { 413 } else { 405 };
        assert_eq!(client.read(method).status, expected, "{method} {framing:.20}");
    }
}

#[test]
fn who_asks_whether_to_send_a_body_that_is_refused_is_not_told_to_go_on() {
    let kv = Kv::start();
    let mut client = Client::connect(kv.appliance.address);
    client.send(&format!(
        "POST {NAMESPACES}{}/values/k HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer it\r\n\
         Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
        kv.namespace("first")
    ));
    assert_eq!(client.read_head().0, 405);
}

#[test]
fn a_sealed_keyring_is_503_with_the_reason_and_randomness_goes_on() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    kv.put(&id, "a", b"1");
    kv.store.keyring().seal(&Actor::SERVICE).expect("sealed");
    kv.store.close();
    let answer = kv.call("GET", &format!("{id}/values/a"), "x", b"");
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("sealed"), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    assert_eq!(kv.call("PUT", &format!("{id}/values/a"), "x", b"2").status, 503);
    assert_eq!(kv.json("POST", "", &json!({ "title": "x" })).status, 503);
    assert_eq!(get(kv.appliance.address, "/random").status, 200);
    let status = get(kv.appliance.address, "/status").json();
    assert_eq!(status["keyring"]["state"], "sealed");
    assert_eq!(status["keyring"]["seal"], "file");
    assert!(kv.store.keyring().unseal_stored(&Actor::SERVICE).expect("the file is there"));
    kv.store.open().expect("opened");
    assert_eq!(kv.call("GET", &format!("{id}/values/a"), "x", b"").text(), "1");
}

#[test]
fn a_disk_that_fails_is_503_and_what_was_acknowledged_stays() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    kv.put(&id, "a", b"1");
    kv.memory.fail(Some(Fault::Write));
    let refused = kv.call("PUT", &format!("{id}/values/a"), "x", b"2");
    assert_eq!(refused.status, 503);
    assert_eq!(kv.call("GET", &format!("{id}/values/a"), "x", b"").text(), "1");
    kv.memory.fail(None);
    kv.put(&id, "a", b"3");
    assert_eq!(kv.call("GET", &format!("{id}/values/a"), "x", b"").text(), "3");
}

#[test]
fn a_byte_order_mark_before_json_is_skipped() {
    let kv = Kv::start();
    let id = kv.namespace("first");
    let marked = |json: &str| format!("\u{feff}{json}").into_bytes();
    let pairs = marked(r#"[{"key":"a","value":"MQ==","base64":true}]"#);
    assert_eq!(kv.call("PUT", &format!("{id}/bulk"), "application/json", &pairs).status, 200);
    let names = marked(r#"{"keys":["a"]}"#);
    let read = kv.call("POST", &format!("{id}/bulk/get"), "application/json", &names);
    assert_eq!(read.json()["result"]["values"]["a"], "1", "{}", read.text());
    // In a value that is read as JSON, and in the metadata of a form.
    let form = "--x\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\n\u{feff}[1]\r\n--x\r\n\
                Content-Disposition: form-data; name=\"metadata\"\r\n\r\n\u{feff}{\"b\": 2}\r\n--x--\r\n";
    let multipart = "multipart/form-data; boundary=x";
    let written = kv.call("PUT", &format!("{id}/values/a"), multipart, form.as_bytes());
    assert_eq!(written.status, 200, "{}", written.text());
    let names = br#"{"keys":["a"],"type":"json","withMetadata":true}"#;
    let read = kv.call("POST", &format!("{id}/bulk/get"), "application/json", names);
    let expected = json!({ "value": [1], "metadata": { "b": 2 } });
    assert_eq!(read.json()["result"]["values"]["a"], expected, "{}", read.text());
}

/// A storage that writes only while its gate is open.
struct GatedStorage {
    memory: MemoryStorage,
    gate: Gate,
}

/// Shut, and whether a writer waits.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<(bool, bool)>, Condvar)>);

impl Gate {
    fn set_shut(&self, is_shut: bool) {
        let (state, changed) = &*self.0;
        *state.lock().expect("no panic") = (is_shut, false);
        changed.notify_all();
    }

    fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().expect("no panic");
        state.1 = true;
        changed.notify_all();
        drop(changed.wait_while(state, |(is_shut, _)| *is_shut).expect("no panic"));
    }

    fn wait_for_a_writer(&self) {
        let (state, changed) = &*self.0;
        let state = state.lock().expect("no panic");
        drop(changed.wait_while(state, |(_, is_waiting)| !*is_waiting).expect("no panic"));
    }
}

impl Storage for GatedStorage {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.memory.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        self.memory.scan(table, prefix, after, limit)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StorageError> {
        self.memory.snapshot()
    }

    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError> {
        let changes: Vec<Change> = batch.collect::<Result<_, _>>()?;
        self.gate.pass();
        self.memory.commit(&mut changes.into_iter().map(Ok))
    }

    fn size(&self) -> Option<StorageSize> {
        self.memory.size()
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.memory.compact()
    }
}

#[test]
fn readers_are_answered_while_hundreds_of_writers_wait_for_the_disk() {
    // Both ends of each connection are in this process.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("allowed");
    let gate = Gate::default();
    let one_worker = lavawall::HttpConfig { threads: NonZeroUsize::new(1), ..config() };
    let kv = Kv::over(one_worker, |memory| Box::new(GatedStorage { memory, gate: gate.clone() }));
    let id = kv.namespace("first");
    kv.put(&id, "a", b"1");
    gate.set_shut(true);
    let put = |number: usize| {
        let mut client = Client::connect(kv.appliance.address);
        client.send(&format!(
            "PUT {NAMESPACES}{id}/values/{number} HTTP/1.1\r\nhost: localhost\r\n\
             authorization: Bearer it\r\ncontent-length: 1\r\n\r\n1"
        ));
        client
    };
    // A runtime has 512 threads that may wait.
    let mut writers: Vec<_> = (0..300).map(put).collect();
    gate.wait_for_a_writer();
    writers.extend((300..600).map(put));
    for _ in 0..3 {
        assert_eq!(kv.call("GET", &format!("{id}/values/a"), "x", b"").text(), "1");
        assert_eq!(kv.call("GET", &format!("{id}/keys"), "x", b"").status, 200);
    }
    gate.set_shut(false);
    for mut writer in writers {
        assert_eq!(writer.read("PUT").status, 200);
    }
}

#[test]
fn nothing_a_user_wrote_is_in_status_or_metrics() {
    let kv = Kv::start();
    let id = kv.namespace("xylophone-title");
    kv.put(&id, "xylophone-name", b"xylophone-value");
    for path in ["/status", "/metrics"] {
        let answer = get(kv.appliance.address, path);
        assert_eq!(answer.status, 200);
        assert!(!answer.text().contains("xylophone"), "{path}");
    }
    let status = get(kv.appliance.address, "/status").json();
    assert_eq!(status["keyring"]["records"], 1);
    let metrics = get(kv.appliance.address, "/metrics");
    assert!(metrics.text().contains("/client/v4"), "requests are counted");
}
