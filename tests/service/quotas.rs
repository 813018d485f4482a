//! Quotas over the served program: records and bytes at rest, namespaces, and calls that use a key.

use rustix::process::Signal;
use serde_json::Value;

use crate::TWO_KINDS;
use crate::running::{Answer, NAMESPACES, Running};
use crate::tenants::{call, create, header, json, namespace, usage};

const OWN: [&str; 6] =
    ["--allow", "kv:read:acme/*", "--allow", "kv:write:acme/*", "--allow", "status:read"];

/// A service with a tenant that may use its own namespaces, and the path of one of them.
fn service() -> (Running, String, String) {
    let service = Running::start(TWO_KINDS);
    let token = create(&service, "acme", &OWN);
    let id = namespace(&service, "acme/data");
    (service, token, format!("{NAMESPACES}/{id}"))
}

fn limit(service: &Running, arguments: &[&str]) {
    service.done(&[&["tenant", "limit", "acme"], arguments].concat(), "");
}

fn put(service: &Running, token: &str, space: &str, name: &str, value: &str) -> Answer {
    call(service, token, "PUT", &format!("{space}/values/{name}"), value)
}

fn at_rest(service: &Running) -> Value {
    usage(service, "acme")["at_rest"].clone()
}

/// A refusal in the envelope of Workers KV.
fn is_refused(answer: &Answer, said: &str) {
    let envelope = json(answer);
    assert_eq!((answer.status, &envelope["success"]), (429, &false.into()), "{envelope}");
    assert_eq!(envelope["errors"][0]["code"], 971);
    let message = envelope["errors"][0]["message"].as_str().expect("a message");
    assert!(message.contains(said), "{message}");
    assert_eq!(header(answer, "retry-after"), None, "time alone does not help");
}

#[test]
fn records_are_admitted_up_to_the_limit_and_what_is_deleted_is_given_back() {
    let (service, token, space) = service();
    limit(&service, &["--records", "3"]);
    let put = |name: &str| put(&service, &token, &space, name, "x");
    for name in ["a", "b", "c", "a"] {
        assert_eq!(put(name).status, 200, "{name}");
    }
    is_refused(&put("d"), "records: the owner of the namespace may keep at most 3 (would be 4)");
    let bulk = |names: &[&str]| {
        let pairs: Vec<_> =
            names.iter().map(|name| serde_json::json!({ "key": name, "value": "y" })).collect();
        let body = Value::Array(pairs).to_string();
        call(&service, &token, "PUT", &format!("{space}/bulk"), &body)
    };
    is_refused(&bulk(&["a", "d", "e"]), "at most 3 (would be 5)");
    let read = call(&service, &token, "GET", &format!("{space}/values/a"), "");
    assert_eq!(read.text(), "x", "all of a bulk write, or nothing");
    assert_eq!(bulk(&["a", "b", "c"]).status, 200);
    assert_eq!(call(&service, &token, "DELETE", &format!("{space}/values/a"), "").status, 200);
    assert_eq!([put("d").status, put("e").status], [200, 429]);
    // Of all its namespaces together, and whoever writes.
    let other = format!("{NAMESPACES}/{}", namespace(&service, "acme/other"));
    let admin = std::fs::read_to_string(service.token_file()).expect("a token");
    is_refused(&call(&service, admin.trim(), "PUT", &format!("{other}/values/a"), "x"), "records");
    let by_command = service.operate(&["kv", "put", "acme/other", "a", "x"], "");
    assert!(by_command.code != 0 && by_command.err.contains("at most 3"), "{}", by_command.err);
    let guest = create(&service, "guest", &["--allow", "kv:write:acme/*"]);
    is_refused(&call(&service, &guest, "PUT", &format!("{other}/values/a"), "x"), "records");
    // Of no tenant.
    let free = namespace(&service, "free");
    let free = format!("{NAMESPACES}/{free}/values/a");
    assert_eq!(call(&service, admin.trim(), "PUT", &free, "x").status, 200);
    assert_eq!(at_rest(&service)["records"], 3);
    limit(&service, &["--records", "1"]);
    assert_eq!([put("b").status, put("e").status], [200, 429], "what is there stays");
    limit(&service, &["--records", "none"]);
    assert_eq!(put("e").status, 200);
}

#[test]
fn concurrent_writers_get_as_many_records_as_are_left_and_no_more() {
    let (service, token, space) = service();
    limit(&service, &["--records", "10"]);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let (service, token, space) = (&service, &token, &space);
        let write = |number| move || put(service, token, space, &format!("n{number}"), "x").status;
        let writes: Vec<_> = (0..24).map(|number| scope.spawn(write(number))).collect();
        writes.into_iter().map(|it| it.join().expect("no panic")).collect()
    });
    let of = |status| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((of(200), of(429)), (10, 14), "{statuses:?}");
    assert_eq!(at_rest(&service)["records"], 10);
}

#[test]
fn bytes_at_rest_are_limited_to_the_byte_also_after_a_restart() {
    let (mut service, token, space) = service();
    limit(&service, &["--stored", "1000B"]);
    let write = |service: &Running, name: &str, length: usize| {
        put(service, &token, &space, name, &"v".repeat(length)).status
    };
    // A name, a value.
    assert_eq!(write(&service, "a", 599), 200);
    assert_eq!([write(&service, "b", 400), write(&service, "b", 399)], [429, 200]);
    assert_eq!(write(&service, "c", 0), 429);
    let metadata = "--bound\r\ncontent-disposition: form-data; name=\"value\"\r\n\r\nv\r\n--bound\r\n\
                    content-disposition: form-data; name=\"metadata\"\r\n\r\n{\"a\":1}\r\n--bound--\r\n";
    assert_eq!(at_rest(&service)["stored_bytes"], 1000);
    service.signal(Signal::KILL);
    service.wait();
    service.start_again();
    service.wait_until("the tenants are not read", |it| {
        call(it, &token, "GET", "/tenants/me/usage", "").status == 200
    });
    assert_eq!(write(&service, "c", 0), 429);
    assert_eq!([write(&service, "a", 600), write(&service, "a", 599)], [429, 200]);
    assert_eq!(write(&service, "a", 590), 200);
    // A name, a value, and metadata of seven bytes.
    let multipart = |name: &str| {
        let mut stream = service.connect();
        let length = metadata.len();
        let text = format!(
            "PUT {space}/values/{name} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: \
             Bearer {token}\r\ncontent-type: multipart/form-data; boundary=bound\r\ncontent-length: \
             {length}\r\n\r\n{metadata}"
        );
        std::io::Write::write_all(&mut stream, text.as_bytes()).expect("sent");
        Answer::read(stream).status
    };
    assert_eq!([multipart("de"), multipart("d")], [429, 200]);
    assert_eq!(
        at_rest(&service),
        serde_json::json!({"namespaces":1,"records":3,"stored_bytes":1000})
    );
    assert_eq!(call(&service, &token, "DELETE", &format!("{space}/values/b"), "").status, 200);
    assert_eq!([write(&service, "c", 400), write(&service, "c", 399)], [429, 200]);
    let own = json(&call(&service, &token, "GET", "/tenants/me/usage", ""));
    assert_eq!(own["at_rest"]["stored_bytes"], 1000);
    let admin = std::fs::read_to_string(service.token_file()).expect("a token");
    let metrics = |token: &str| call(&service, token, "GET", "/metrics", "").text();
    let shown = metrics(admin.trim());
    for line in [
        "lavawall_tenant_records{tenant=\"acme\"} 3\n",
        "lavawall_tenant_stored_bytes{tenant=\"acme\"} 1000\n",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert!(!metrics(&token).contains("lavawall_tenant_"));
    let text = service.done(&["tenant", "usage", "acme"], "");
    assert!(text.contains("at rest: 1 namespaces, 3 records, 1000 bytes"), "{text}");
}

#[test]
fn what_is_at_rest_without_a_limit_is_counted_after_a_start() {
    let (mut service, token, space) = service();
    for name in ["a", "b"] {
        assert_eq!(put(&service, &token, &space, name, "12345678").status, 200);
    }
    service.signal(Signal::TERM);
    service.wait();
    service.start_again();
    service.wait_until("the bytes are not counted", |it| {
        let text = it.operate(&["tenant", "usage", "acme", "--json"], "").out;
        serde_json::from_str::<Value>(&text).is_ok_and(|it| it["at_rest"]["stored_bytes"] == 18)
    });
}

#[test]
fn namespaces_are_limited_whoever_makes_them() {
    let (service, token, _) = service();
    limit(&service, &["--namespaces", "2", "--records", "1"]);
    let titled = |title: &str| format!("{{\"title\":\"{title}\"}}");
    let make = |title: &str| call(&service, &token, "POST", NAMESPACES, &titled(title));
    assert_eq!(make("acme/second").status, 200);
    is_refused(&make("acme/third"), "namespaces: the owner of the namespace may keep at most 2");
    let by_command = service.operate(&["kv", "namespaces", "create", "acme/third"], "");
    assert!(by_command.code != 0 && by_command.err.contains("at most 2"), "{}", by_command.err);
    service.done(&["kv", "namespaces", "create", "free"], "");
    let renamed = |from: &str, to: &str| {
        service.operate(&["kv", "namespaces", "rename", from, to], "").code == 0
    };
    assert!(!renamed("free", "acme/third"), "a rename makes one of its own, too");
    assert!(renamed("acme/second", "acme/other"), "it has it already");
    assert!(renamed("acme/other", "gone") && renamed("gone", "acme/other"));
    service.done(&["kv", "namespaces", "delete", "acme/other", "--yes"], "");
    // What a namespace brings along counts.
    service.done(&["kv", "put", "free", "a", "x"], "");
    service.done(&["kv", "put", "acme/data", "a", "x"], "");
    assert!(!renamed("free", "acme/third"));
    service.done(&["kv", "delete", "acme/data", "a"], "");
    assert!(renamed("free", "acme/third"));
    assert_eq!(at_rest(&service)["namespaces"], 2);
}

#[test]
fn calls_that_use_a_key_are_limited_by_the_day_also_after_a_restart() {
    let (mut service, token, space) = service();
    limit(&service, &["--key-uses", "4/day"]);
    let value = format!("{space}/values/a");
    let keys = format!("{space}/keys");
    let ask = |service: &Running, method: &str, path: &str| {
        call(service, &token, method, path, "").status
    };
    assert_eq!(put(&service, &token, &space, "a", "x").status, 200);
    assert_eq!([ask(&service, "GET", &value), ask(&service, "HEAD", &value)], [200; 2]);
    service.wait_until("the use is not written", |it| {
        it.done(&["keys", "--json"], "").lines().any(|line| {
            let key: Value = serde_json::from_str(line).expect("JSON");
            key["title"] == "lavawall/tenants" && key["records"] == 3
        })
    });
    service.signal(Signal::TERM);
    service.wait();
    service.start_again();
    service.wait_until("the tenants are not read", |it| ask(it, "GET", "/status") == 200);
    assert_eq!(ask(&service, "GET", &keys), 200);
    let all = [
        ("GET", value.clone()),
        ("HEAD", value.clone()),
        ("PUT", value.clone()),
        ("DELETE", value.clone()),
        ("GET", keys),
        ("GET", format!("{space}/metadata/a")),
        ("PUT", format!("{space}/bulk")),
        ("POST", format!("{space}/bulk/get")),
        ("POST", format!("{space}/bulk/delete")),
        ("GET", space.clone()),
        ("PUT", space.clone()),
        ("DELETE", space.clone()),
    ];
    for (method, path) in &all {
        let refused = call(&service, &token, method, path, "");
        assert_eq!(refused.status, 429, "{method} {path}");
        let retry = header(&refused, "retry-after").and_then(|it| it.parse::<u64>().ok());
        assert!((1..=24 * 3600).contains(&retry.expect("seconds")), "{method} {path}");
    }
    assert_eq!(usage(&service, "acme")["total"]["workers-kv"]["key_uses"], 4);
    assert_eq!(ask(&service, "GET", "/status"), 200, "it uses no key");
    limit(&service, &["--key-uses", "5/day"]);
    assert_eq!([ask(&service, "GET", &value), ask(&service, "GET", &value)], [200, 429]);
}
