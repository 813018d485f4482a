//! Tenants over the served program: tokens, permissions, limits, use, and that one does not see another.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::TWO_KINDS;
use crate::running::{Answer, NAMESPACES, Running, get};

const DATA: i32 = 65;
const USAGE: i32 = 64;

/// A call with a token.
pub(crate) fn call(service: &Running, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let mut stream = service.connect();
    send(&mut stream, token, method, path, body);
    Answer::read(stream)
}

pub(crate) fn send(stream: &mut TcpStream, token: &str, method: &str, path: &str, body: &str) {
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer \
         {token}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .expect("sent");
}

pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

pub(crate) fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("JSON: {}", answer.text()))
}

pub(crate) fn create(service: &Running, name: &str, more: &[&str]) -> String {
    let arguments = [&["tenant", "create", name], more].concat();
    service.done(&arguments, "").trim().to_owned()
}

pub(crate) fn usage(service: &Running, name: &str) -> Value {
    let text = service.done(&["tenant", "usage", name, "--json"], "");
    serde_json::from_str(&text).expect("JSON")
}

pub(crate) fn namespace(service: &Running, title: &str) -> String {
    service.done(&["kv", "namespaces", "create", title], "");
    let text = service.done(&["kv", "namespaces", "list", "--json"], "");
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let one = all.flat_map(|it| {
        if it.is_array() { it.as_array().cloned().unwrap_or_default() } else { vec![it] }
    });
    let found = one.into_iter().find(|it| it["title"] == title).expect("it was made");
    found["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_tenant_is_made_limited_counted_and_revoked_from_the_shell() {
    let service = Running::start(TWO_KINDS);
    let token = create(&service, "acme", &[]);
    assert_eq!(token.len(), 43, "32 bytes in base64url, alone on standard output");
    service.done(&["tenant", "limit", "acme", "--rate", "50/s", "--bytes", "1MiB/day"], "");
    let answer = call(&service, &token, "GET", "/random?bytes=32", "");
    assert_eq!((answer.status, answer.body.len()), (200, 32));
    let policy = "\"requests\";q=50;w=1, \"bytes\";q=1048576;w=86400;qu=\"content-bytes\"";
    assert_eq!(header(&answer, "ratelimit-policy"), Some(policy));
    let left = header(&answer, "ratelimit").expect("what is left");
    assert!(left.starts_with("\"requests\";r=49;t=1, \"bytes\";r=1048544;t="), "{left}");
    let refused = call(&service, &token, "GET", "/random?bytes=2097152", "");
    let problem = json(&refused);
    assert_eq!(refused.status, 429, "{problem}");
    assert!(refused.headers.contains("content-type: application/problem+json"));
    assert!(header(&refused, "retry-after").and_then(|it| it.parse::<u64>().ok()) > Some(0));
    assert_eq!(
        (&problem["field"], &problem["limit"], &problem["value"]),
        (&"bytes".into(), &"1048576 per day, of which 1048544 are left".into(), &"2097152".into())
    );
    // A call without a token is answered as before, and counted for no tenant.
    assert_eq!(get(&service, "/random").status, 200);
    let used = usage(&service, "acme");
    let expected = serde_json::json!({ "requests": 1, "bytes": 32, "key_uses": 0 });
    assert_eq!(used["total"]["native"], expected, "{used}");
    let own = json(&call(&service, &token, "GET", "/tenants/me/usage", ""));
    assert_eq!((&own["tenant"], &own["total"]["native"]["bytes"]), (&"acme".into(), &32.into()));
    service.done(&["tenant", "token", "acme", "--revoke", "1"], "");
    assert_eq!(call(&service, &token, "GET", "/random", "").status, 401);
    let shown = service.done(&["tenant", "show", "acme", "--json"], "");
    assert!(!shown.contains(&token) && shown.contains("\"tokens\":[]"), "{shown}");
}

#[test]
fn the_errors_of_the_command_name_the_field_the_limit_and_the_value() {
    let service = Running::start(TWO_KINDS);
    create(&service, "acme", &[]);
    for (arguments, said) in [
        (&["tenant", "create", "acme"][..], "there is a tenant acme already"),
        (&["tenant", "create", "Acme"], "1 to 63 lower-case letters"),
        (&["tenant", "create", "x", "--allow", "everything"], "got \"everything\""),
        (&["tenant", "show", "nobody"], "there is no tenant nobody"),
        (&["tenant", "limit", "acme", "--rate", "0/s"], "rate: must be"),
        (&["tenant", "limit", "acme", "--bytes", "1MiB"], "1MiB/day, or none (got \"1MiB\")"),
        (&["tenant", "limit", "acme", "--burst", "3"], "burst: needs a rate"),
        (&["tenant", "limit", "acme"], "give a limit"),
        (&["tenant", "permit", "acme", "--deny", "operator"], "has not the permission operator"),
        (&["tenant", "token", "acme", "--revoke", "9"], "has no token 9"),
        (&["tenant", "token", "acme", "--expires-in", "0s"], "is past"),
        (&["tenant", "usage", "acme", "--from", "yesterday"], "a date as 2026-01-31"),
        (&["tenant", "show", "a/b"], "there is no tenant"),
    ] {
        let output = service.operate(arguments, "");
        assert!(output.code != 0 && output.err.contains(said), "{arguments:?}: {}", output.err);
        assert_eq!(output.out, "", "{arguments:?}");
    }
    assert_eq!(service.operate(&["tenant", "limit", "acme"], "").code, USAGE);
    assert_eq!(service.operate(&["tenant", "create", "Acme"], "").code, DATA);
}

#[test]
fn a_tenant_may_do_what_it_was_permitted_and_nothing_else() {
    let service = Running::start(TWO_KINDS);
    let (own, other) = (namespace(&service, "acme/own"), namespace(&service, "other"));
    let random = create(&service, "random", &[]);
    let watch = create(&service, "watch", &["--allow", "status:read"]);
    let reader = create(&service, "reader", &["--allow", "kv:read:acme/*"]);
    let writer = create(&service, "writer", &["--allow", "kv:write:acme/*"]);
    let operator = create(&service, "chief", &["--allow", "operator"]);
    let value = |id: &str| format!("{NAMESPACES}/{id}/values/name");
    let (own_value, other_value) = (value(&own), value(&other));
    let titled = |title: &str| format!("{{\"title\":\"{title}\"}}");
    let calls: [(&str, &str, String); 9] = [
        ("GET", "/random", String::new()),
        ("GET", "/random/uuids", String::new()),
        ("GET", "/status", String::new()),
        ("GET", "/metrics", String::new()),
        ("PUT", &own_value, "value".to_owned()),
        ("GET", &own_value, String::new()),
        ("PUT", &other_value, "value".to_owned()),
        ("GET", &other_value, String::new()),
        ("POST", NAMESPACES, titled("acme/new")),
    ];
    for (token, expected) in [
        (&operator, [200, 200, 200, 200, 200, 200, 200, 200, 200]),
        (&random, [200, 200, 403, 403, 404, 404, 404, 404, 403]),
        (&watch, [403, 403, 200, 200, 404, 404, 404, 404, 403]),
        (&reader, [403, 403, 403, 403, 403, 200, 404, 404, 403]),
        // The title is taken.
        (&writer, [403, 403, 403, 403, 200, 403, 404, 404, 400]),
    ] {
        let answers = calls
            .each_ref()
            .map(|(method, path, body)| call(&service, token, method, path, body).status);
        assert_eq!(answers, expected);
    }
    let refused = json(&call(&service, &random, "GET", "/status", ""));
    assert_eq!(
        (&refused["field"], &refused["limit"]),
        (&"permission".into(), &"status:read".into())
    );
    let permit = ["tenant", "permit", "random", "--allow", "status:read", "--deny", "random"];
    service.done(&permit, "");
    let changed =
        ["/status", "/random"].map(|path| call(&service, &random, "GET", path, "").status);
    assert_eq!(changed, [200, 403]);
}

#[test]
fn a_namespace_of_another_tenant_is_not_there() {
    let service = Running::start(TWO_KINDS);
    let red = create(&service, "red", &["--allow", "kv:read:red/*", "--allow", "kv:write:red/*"]);
    let blue =
        create(&service, "blue", &["--allow", "kv:read:blue/*", "--allow", "kv:write:blue/*"]);
    let (mine, theirs) = (namespace(&service, "red/data"), namespace(&service, "blue/data"));
    let nowhere = "0123456789abcdef0123456789abcdef";
    // The tenants' own records are of no caller.
    let tenants = "6c617661".to_owned() + "77616c6c2074656e616e7473";
    let admin = std::fs::read_to_string(service.token_file()).expect("a token");
    for (method, rest, body) in [
        ("GET", "", ""),
        ("DELETE", "", ""),
        ("PUT", "", "{\"title\":\"red/taken\"}"),
        ("GET", "/keys", ""),
        ("GET", "/values/a", ""),
        ("PUT", "/values/a", "x"),
        ("DELETE", "/values/a", ""),
        ("GET", "/metadata/a", ""),
        ("PUT", "/bulk", "[]"),
        ("POST", "/bulk/get", "{\"keys\":[\"a\"]}"),
        ("POST", "/bulk/delete", "[]"),
    ] {
        let ask = |token: &str, id: &str| {
            let answer = call(&service, token, method, &format!("{NAMESPACES}/{id}{rest}"), body);
            (answer.status, answer.text())
        };
        let absent = ask(&red, nowhere);
        assert_eq!(absent.0, 404, "{method} {rest}: {}", absent.1);
        assert_eq!(ask(&red, &theirs), absent, "{method} {rest}");
        assert_eq!(ask(&red, &tenants), absent, "{method} {rest}");
        assert_eq!(ask(admin.trim(), &tenants), absent, "{method} {rest}");
    }
    let listed = |token: &str| {
        let list = json(&call(&service, token, "GET", NAMESPACES, ""));
        let titles = list["result"].as_array().expect("a list").iter();
        let titles = titles.map(|it| it["title"].as_str().expect("a title").to_owned());
        (list["result_info"]["total_count"].clone(), titles.collect::<Vec<_>>())
    };
    assert_eq!(listed(&red), (1.into(), vec!["red/data".to_owned()]));
    assert_eq!(listed(&blue), (1.into(), vec!["blue/data".to_owned()]));
    assert_eq!(listed(admin.trim()).0, 2);
    // No way around by the title.
    let rename = |id: &str, title: &str| {
        let body = format!("{{\"title\":\"{title}\"}}");
        call(&service, &red, "PUT", &format!("{NAMESPACES}/{id}"), &body).status
    };
    assert_eq!(rename(&mine, "blue/mine"), 403);
    assert_eq!(rename(&mine, "red/more"), 200);
}

#[test]
fn use_and_tenants_survive_a_kill() {
    let mut service = Running::start(TWO_KINDS);
    let token = create(&service, "acme", &["--note", "a note that nothing else has"]);
    service.done(&["tenant", "limit", "acme", "--bytes", "100B/day"], "");
    let ask = |service: &Running, bytes| {
        call(service, &token, "GET", &format!("/random?bytes={bytes}"), "").status
    };
    assert_eq!(ask(&service, 60), 200);
    service.wait_until("the use is not written", is_written);
    service.signal(Signal::KILL);
    service.wait();
    service.start_again();
    service.wait_until("the tenants are not read", |it| ask(it, 1) != 503);
    assert_eq!(usage(&service, "acme")["total"]["native"]["bytes"], 61);
    assert_eq!(ask(&service, 40), 429, "39 are left");
    assert_eq!(ask(&service, 39), 200);
    assert_eq!(ask(&service, 1), 429);
    let audit = std::fs::read_to_string(service.state_dir().join("audit.log")).expect("a log");
    for told in ["create-tenant", "limit-tenant"] {
        assert!(audit.contains(told), "{audit}");
    }
    assert!(!audit.contains(&token), "no token");
    service.signal(Signal::TERM);
    service.wait();
    for entry in std::fs::read_dir(service.state_dir()).expect("a directory").flatten() {
        let Ok(bytes) = std::fs::read(entry.path()) else { continue };
        for secret in [token.as_str(), "a note that nothing else has", "bytes-per-day"] {
            let is_there = bytes.windows(secret.len()).any(|it| it == secret.as_bytes());
            assert!(!is_there, "{secret} is in {}", entry.path().display());
        }
    }
}

/// Whether the use of 60 bytes is in the store: the usage record is one record more.
fn is_written(service: &Running) -> bool {
    let text = service.done(&["keys", "--json"], "");
    let keys = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    // tenant/acme, usage/acme/…, uses/acme
    keys.into_iter().any(|it| it["title"] == "lavawall/tenants" && it["records"] == 3)
}

#[test]
fn a_removed_tenant_is_gone_with_its_namespaces_and_no_other() {
    let mut service = Running::start(TWO_KINDS);
    let red = create(&service, "red", &["--allow", "kv:read:red/*", "--allow", "random"]);
    let blue = create(&service, "blue", &["--allow", "random"]);
    for title in ["red/a", "red/b", "redder", "blue/a"] {
        namespace(&service, title);
    }
    let kept = service.operate(&["tenant", "remove", "red"], "");
    assert!(kept.code != 0 && kept.err.contains("has 2 namespaces"), "{}", kept.err);
    assert_eq!(call(&service, &red, "GET", "/random", "").status, 200);
    service.done(&["tenant", "remove", "red", "--shred"], "");
    for _ in 0..2 {
        assert_eq!(call(&service, &red, "GET", "/random", "").status, 401);
        assert_eq!(call(&service, &blue, "GET", "/random", "").status, 200);
        let titles = service.done(&["kv", "namespaces", "list"], "");
        assert!(!titles.contains("red/") && titles.contains("redder") && titles.contains("blue/a"));
        service.signal(Signal::KILL);
        service.wait();
        service.start_again();
        service.wait_until("the tenants are not read", |it| {
            call(it, &blue, "GET", "/random", "").status != 503
        });
    }
    // A new one of the name has nothing of the old one.
    create(&service, "red", &[]);
    assert_eq!(usage(&service, "red")["hours"], serde_json::json!([]));
}

#[test]
fn a_sealed_keyring_takes_no_tenant_its_randomness_until_the_next_start() {
    let mut service = Running::start(TWO_KINDS);
    let token = create(&service, "acme", &[]);
    service.done(&["rekey", "--seal", "passphrase"], "correct horse battery\n");
    service.done(&["seal"], "");
    assert_eq!(call(&service, &token, "GET", "/random", "").status, 200);
    assert_eq!(call(&service, "unknown", "GET", "/random", "").status, 401);
    service.signal(Signal::TERM);
    service.wait();
    service.start_again();
    service.wait_until("it is not ready", |it| get(it, "/health/ready").status == 200);
    let refused = call(&service, &token, "GET", "/random", "");
    assert!(refused.status == 503 && refused.text().contains("keyring"), "{}", refused.text());
    assert!(header(&refused, "retry-after").is_some());
    assert_eq!(get(&service, "/random").status, 200);
    service.done(&["unseal"], "correct horse battery\n");
    service.wait_until("the tenants are not read", |it| {
        call(it, &token, "GET", "/random", "").status == 200
    });
}

#[test]
fn a_long_answer_is_charged_as_far_as_it_was_sent() {
    let service = Running::start(TWO_KINDS);
    let token = create(&service, "acme", &[]);
    let limit = ["--bytes", "100MiB/day", "--long-answers", "1"];
    service.done(&[&["tenant", "limit", "acme"], &limit[..]].concat(), "");
    let ask = |path: &str, method: &str| {
        let mut stream = service.connect();
        send(&mut stream, &token, method, path, "");
        stream
    };
    // Reserved while it is sent: another client cannot have it, and a second long answer must wait.
    let mut first = ask("/random?bytes=83886080", "GET");
    let mut head = vec![0; 1 << 20];
    first.read_exact(&mut head).expect("a megabyte");
    let second = Answer::read(ask("/random?bytes=70000", "GET"));
    assert_eq!((second.status, json(&second)["field"].clone()), (429, "long-answers".into()));
    let short = Answer::read(ask("/random?bytes=30000000&format=raw", "GET"));
    assert_eq!(short.status, 429);
    drop(first);
    service.wait_until("nothing is given back", |it| {
        call(it, &token, "GET", "/random?bytes=65000", "").status == 200 && {
            let answer = Answer::read(ask("/random?bytes=83886080", "HEAD"));
            let left = header(&answer, "ratelimit").expect("what is left").to_owned();
            let left =
                left.split("r=").nth(1).and_then(|it| it.split(';').next()).expect("a number");
            left.parse::<u64>().expect("a number") > 83_886_080
        }
    });
    let used = usage(&service, "acme")["total"]["native"]["bytes"].as_u64().expect("a number");
    assert!((1 << 20..83_886_080).contains(&used), "{used}");
}

#[test]
fn requests_beyond_the_rate_are_refused_over_every_dialect_in_its_own_form() {
    let service = Running::start(TWO_KINDS);
    let token = create(&service, "acme", &["--allow", "random", "--allow", "kv:read:*"]);
    service.done(&["tenant", "limit", "acme", "--rate", "1/h", "--burst", "1"], "");
    assert_eq!(call(&service, &token, "GET", "/random", "").status, 200);
    for (method, path) in [
        ("GET", "/random"),
        ("HEAD", "/random"),
        ("GET", "/random/uuids"),
        ("GET", "/status"),
        ("GET", "/"),
        ("GET", "/tenants/me/usage"),
        ("POST", "/random"),
        ("GET", NAMESPACES),
        ("GET", "/client/v4/user"),
    ] {
        let answer = call(&service, &token, method, path, "");
        assert_eq!(answer.status, 429, "{method} {path}");
        let retry = header(&answer, "retry-after").and_then(|it| it.parse::<u64>().ok());
        assert!((3500..=3600).contains(&retry.expect("seconds")), "{method} {path}");
    }
    let envelope = json(&call(&service, &token, "GET", NAMESPACES, ""));
    assert_eq!(
        (&envelope["success"], &envelope["errors"][0]["code"]),
        (&false.into(), &971.into())
    );
    // Health is nobody's; and it is not counted.
    assert_eq!(call(&service, &token, "GET", "/health/live", "").status, 200);
    assert_eq!(usage(&service, "acme")["total"]["native"]["requests"], 1);
    service.done(&["tenant", "limit", "acme", "--rate", "none", "--burst", "none"], "");
    assert_eq!(call(&service, &token, "GET", "/random", "").status, 200);
}

#[test]
fn a_token_counts_until_it_expires() {
    let service = Running::start(TWO_KINDS);
    create(&service, "acme", &[]);
    let token = service.done(&["tenant", "token", "acme", "--expires-in", "3s"], "");
    service.wait_until("it does not expire", |it| {
        call(it, token.trim(), "GET", "/random", "").status == 401
    });
    let shown = service.done(&["tenant", "show", "acme"], "");
    assert!(shown.contains("token 2") && shown.contains("expires"), "{shown}");
}

#[test]
fn a_line_of_the_token_file_is_a_tenant_that_may_ask_for_randomness_and_the_status() {
    let folder = tempfile::tempdir().expect("a directory");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, format!("ci {}\n", lavawall::hash_token("of-the-file")))
        .expect("written");
    let service = Running::start(&format!("[http]\ntokens = '{}'\n{TWO_KINDS}", tokens.display()));
    let ask = |token: &str, path: &str| call(&service, token, "GET", path, "").status;
    assert_eq!(["/random", "/status", "/metrics"].map(|it| ask("of-the-file", it)), [200; 3]);
    let made = create(&service, "acme", &[]);
    assert_eq!((ask(&made, "/random"), ask("unknown", "/random")), (200, 401));
    let admin = std::fs::read_to_string(service.token_file()).expect("a token");
    assert_eq!((ask(admin.trim(), "/random"), ask(admin.trim(), NAMESPACES)), (200, 200));
    let namespaces = json(&call(&service, "of-the-file", "GET", NAMESPACES, ""));
    assert_eq!(namespaces["result"], serde_json::json!([]));
}

#[test]
fn metrics_count_each_tenant_for_the_operator_and_show_no_tenant_to_another() {
    let service = Running::start(&format!("[http]\nmetrics-tenants = 1\n{TWO_KINDS}"));
    let admin = std::fs::read_to_string(service.token_file()).expect("a token");
    let first = create(&service, "a-first", &["--allow", "random", "--allow", "status:read"]);
    let second = create(&service, "b-second", &[]);
    for token in [&first, &second, &second] {
        assert_eq!(call(&service, token, "GET", "/random?bytes=8", "").status, 200);
    }
    let metrics = |token: &str| call(&service, token, "GET", "/metrics", "").text();
    let shown = metrics(admin.trim());
    for line in [
        "lavawall_tenant_requests_total{tenant=\"a-first\",dialect=\"native\"} 1\n",
        "lavawall_tenant_answer_bytes_total{tenant=\"a-first\",dialect=\"native\"} 8\n",
        "lavawall_tenant_requests_total{tenant=\"other\",dialect=\"native\"} 2\n",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert!(!shown.contains("b-second"));
    for text in [metrics(&first), get(&service, "/metrics").text()] {
        assert!(text.contains("lavawall_up") && !text.contains("tenant"), "{text}");
    }
}

#[test]
fn a_kill_at_any_time_leaves_a_change_of_tenants_done_or_not_done() {
    let mut service = Running::start(TWO_KINDS);
    let kept = create(&service, "kept", &[]);
    for round in 0..12_u64 {
        let name = format!("t{round}");
        let token = create(&service, &name, &[]);
        let title = format!("{name}/records");
        namespace(&service, &title);
        std::thread::scope(|scope| {
            scope.spawn(|| service.operate(&["tenant", "remove", &name, "--shred"], ""));
            // From before the call to after its answer.
            std::thread::sleep(Duration::from_millis(4 * round));
            service.signal(Signal::KILL);
        });
        service.wait();
        service.start_again();
        service.wait_until("the tenants are not read", |it| {
            call(it, &kept, "GET", "/random", "").status == 200
        });
        let is_there = call(&service, &token, "GET", "/random", "").status == 200;
        let listed = service.done(&["tenant", "list", "--json"], "");
        assert_eq!(listed.contains(&format!("\"{name}\"")), is_there, "{round}: {listed}");
        // A removal that has begun goes on after the start.
        service.wait_until("its namespace is neither kept nor destroyed", |it| {
            it.done(&["kv", "namespaces", "list"], "").contains(&title) == is_there
        });
    }
}

#[test]
fn no_change_of_many_at_a_time_is_lost() {
    let service = Running::start(TWO_KINDS);
    create(&service, "acme", &[]);
    std::thread::scope(|scope| {
        for number in 0..12 {
            let permission = format!("kv:read:n{number}");
            let service = &service;
            scope.spawn(move || {
                service.done(&["tenant", "permit", "acme", "--allow", &permission], "");
            });
        }
    });
    let shown = service.done(&["tenant", "show", "acme", "--json"], "");
    assert_eq!(shown.matches("kv:read:n").count(), 12, "{shown}");
}

#[test]
fn a_rename_makes_nothing_readable() {
    let service = Running::start(TWO_KINDS);
    let (logs, app) = (namespace(&service, "logs/audit"), namespace(&service, "app/data"));
    let allow = ["kv:write:logs/*", "kv:read:app/*", "kv:write:app/*"];
    let allow: Vec<_> = allow.iter().flat_map(|it| ["--allow", it]).collect();
    let token = create(&service, "acme", &allow);
    let rename = |id: &str, title: &str| {
        let body = format!("{{\"title\":\"{title}\"}}");
        let answer = call(&service, &token, "PUT", &format!("{NAMESPACES}/{id}"), &body);
        (answer.status, answer.text())
    };
    assert_eq!(rename(&logs, "app/audit").0, 403);
    assert_eq!(rename(&logs, "logs/more").0, 200);
    assert_eq!(rename(&app, "app/more").0, 200);
    // The service's own titles are of no caller.
    let admin = std::fs::read_to_string(service.token_file()).expect("a token");
    let body = "{\"title\":\"lavawall/tenants\"}";
    let own = call(&service, admin.trim(), "POST", NAMESPACES, body);
    assert!(own.status == 400 && own.text().contains("must not begin with lavawall/"));
}

#[test]
fn what_a_tenant_may_do_is_checked_again_after_a_slow_body() {
    let service = Running::start(TWO_KINDS);
    let allow = ["--allow", "kv:read:red/*", "--allow", "kv:write:red/*"];
    let red = create(&service, "red", &allow);
    let id = namespace(&service, "red/data");
    // All but the last byte.
    let begin = |method: &str, path: &str, body: &str| {
        let mut stream = service.connect();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close");
        let start = &body[..length - 1];
        write!(
            stream,
            "{head}\r\nauthorization: Bearer {red}\r\ncontent-length: {length}\r\n\r\n{start}"
        )
        .expect("sent");
        stream
    };
    let place = format!("{NAMESPACES}/{id}");
    let slow = [
        begin("PUT", &format!("{place}/values/a"), "x!"),
        begin("PUT", &format!("{place}/bulk"), "[{\"key\":\"b\",\"value\":\"x\"}]"),
        begin("POST", &format!("{place}/bulk/get"), "{\"keys\":[\"a\"]}"),
        begin("POST", &format!("{place}/bulk/delete"), "[\"a\"]"),
        begin("PUT", &place, "{\"title\":\"red/other\"}"),
    ];
    let ends = ["!", "]", "}", "]", "}"];
    let late = begin("POST", NAMESPACES, "{\"title\":\"red/late\"}");
    // Both are checked before their bodies.
    service.wait_until_idle();
    service.done(&["kv", "namespaces", "rename", "red/data", "secret"], "");
    for (mut stream, end) in slow.into_iter().zip(ends) {
        stream.write_all(end.as_bytes()).expect("sent");
        let answer = Answer::read(stream);
        assert_eq!(answer.status, 404, "{}", answer.text());
    }
    service.done(&["tenant", "remove", "red"], "");
    let mut late = late;
    late.write_all(b"}").expect("sent");
    assert_eq!(Answer::read(late).status, 401);
    let titles = service.done(&["kv", "namespaces", "list"], "");
    assert!(titles.contains("secret") && !titles.contains("red/"), "{titles}");
    assert_eq!(service.done(&["kv", "list", "secret"], "").trim(), "");
}

#[test]
fn bytes_of_records_are_limited_and_what_gives_none_goes_on() {
    let service = Running::start(TWO_KINDS);
    let allow = ["--allow", "random", "--allow", "kv:read:data", "--allow", "kv:write:data"];
    let token = create(&service, "acme", &allow);
    let id = namespace(&service, "data");
    service.done(&["tenant", "limit", "acme", "--bytes", "100kB/day"], "");
    let value = |name: &str| format!("{NAMESPACES}/{id}/values/{name}");
    let ask =
        |method: &str, path: &str, body: &str| call(&service, &token, method, path, body).status;
    assert_eq!(ask("PUT", &value("large"), &"x".repeat(90_000)), 200);
    assert_eq!(ask("PUT", &value("small"), "x"), 200);
    // At a time: no more than fit.
    let statuses: Vec<_> = std::thread::scope(|scope| {
        let asks: Vec<_> =
            (0..8).map(|_| scope.spawn(|| ask("GET", &value("large"), ""))).collect();
        asks.into_iter().map(|it| it.join().expect("no panic")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    assert_eq!(ask("GET", "/random?bytes=20000", ""), 429);
    assert_eq!(ask("GET", "/random?bytes=1000", ""), 200, "they are left");
    // Nothing but the rest of the day is given to the tenant by these.
    assert_eq!(ask("HEAD", &value("small"), ""), 200);
    assert_eq!(ask("HEAD", "/random?bytes=20000", ""), 200);
    assert_eq!(ask("PUT", &value("small"), "y"), 200);
    assert_eq!(ask("GET", "/tenants/me/usage", ""), 200);
    let used = usage(&service, "acme")["total"]["workers-kv"].clone();
    assert_eq!(used["key_uses"], 2 + 8 + 2, "{used}");
    assert_eq!(ask("GET", "/client/v4/user", ""), 200);
    assert_eq!(usage(&service, "acme")["total"]["workers-kv"]["key_uses"], used["key_uses"]);
    assert_eq!(usage(&service, "acme")["total"]["workers-kv"]["bytes"], used["bytes"]);
}

#[test]
fn a_token_is_revoked_and_use_is_kept_also_around_a_sealed_keyring() {
    let mut service = Running::start(TWO_KINDS);
    let token = create(&service, "acme", &[]);
    service.done(&["tenant", "limit", "acme", "--bytes", "100B/day"], "");
    assert_eq!(call(&service, &token, "GET", "/random?bytes=60", "").status, 200);
    service.done(&["seal"], "");
    let revoked = service.operate(&["tenant", "token", "acme", "--revoke", "1"], "");
    assert!(revoked.code != 0 && revoked.err.contains("sealed"), "{}", revoked.err);
    assert_eq!(call(&service, &token, "GET", "/random", "").status, 401);
    service.signal(Signal::TERM);
    service.wait();
    service.start_again();
    service.wait_until("the tenants are not read", |it| {
        call(it, &token, "GET", "/random?bytes=41", "").status == 429
    });
    assert_eq!(usage(&service, "acme")["total"]["native"]["bytes"], 60);
}

#[test]
fn the_status_tells_a_tenant_nothing_of_what_others_keep() {
    let folder = tempfile::tempdir().expect("a directory");
    let service = Running::start(TWO_KINDS);
    namespace(&service, "other/data");
    service.done(&["kv", "put", "other/data", "a", "x"], "");
    let status = |token: &str| {
        let answer = if token.is_empty() {
            get(&service, "/status")
        } else {
            call(&service, token, "GET", "/status", "")
        };
        json(&answer)
    };
    assert_eq!(status("")["keyring"]["records"], 1, "without tenants there is no other");
    // An incident that names what others have.
    std::fs::remove_file(service.state_dir().join("lock")).expect("removed");
    service.wait_for_log("the file `lock` in the state directory was removed");
    let watch = create(&service, "watch", &["--allow", "status:read"]);
    let metrics = |token: &str| call(&service, token, "GET", "/metrics", "").text();
    for token in [&*watch, ""] {
        let status = status(token);
        let keyring = &status["keyring"];
        assert_eq!(keyring["state"], "open");
        for member in ["namespaces", "records", "damaged", "scrubbed", "store"] {
            assert_eq!(keyring[member], Value::Null, "{member}");
        }
        assert_eq!(keyring["rotations"], serde_json::json!([]));
        let incidents = status["incidents"].to_string();
        assert!(incidents.contains("the operator sees the reason"), "{incidents}");
        assert!(!incidents.contains("lock"), "{incidents}");
    }
    let shown = metrics(&watch);
    for name in ["store_records", "store_damaged_records", "store_live", "store_file"] {
        assert!(!shown.contains(&format!("lavawall_{name}")), "{name} in {shown}");
    }
    let admin = std::fs::read_to_string(service.token_file()).expect("a token");
    assert!(status(admin.trim())["keyring"]["records"].as_u64() >= Some(2));
    assert!(status(admin.trim())["incidents"].to_string().contains("lock"));
    assert!(metrics(admin.trim()).contains("lavawall_store_records "));
    // A monitor of the token file.
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, format!("ci {}\n", lavawall::hash_token("of-the-file")))
        .expect("written");
    let guarded = Running::start(&format!("[http]\ntokens = '{}'\n{TWO_KINDS}", tokens.display()));
    create(&guarded, "acme", &[]);
    let shown = json(&call(&guarded, "of-the-file", "GET", "/status", ""));
    assert!(shown["keyring"]["records"].as_u64() >= Some(1));
}

#[test]
fn tenants_of_one_name_are_told_apart() {
    let folder = tempfile::tempdir().expect("a directory");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, format!("acme {}\n", lavawall::hash_token("of-the-file")))
        .expect("written");
    let service = Running::start(&format!("[http]\ntokens = '{}'\n{TWO_KINDS}", tokens.display()));
    let stored = create(&service, "acme", &["--allow", "random"]);
    for token in [&*stored, "of-the-file", "of-the-file"] {
        assert_eq!(call(&service, token, "GET", "/random", "").status, 200);
    }
    let admin = std::fs::read_to_string(service.token_file()).expect("a token");
    let shown = call(&service, admin.trim(), "GET", "/metrics", "").text();
    for line in [
        "lavawall_tenant_requests_total{tenant=\"acme\",dialect=\"native\"} 1\n",
        "lavawall_tenant_requests_total{tenant=\"token acme\",dialect=\"native\"} 2\n",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
}

#[test]
fn the_membership_of_a_tenant_says_what_it_may_do() {
    let service = Running::start(TWO_KINDS);
    let token = create(&service, "acme", &["--allow", "random", "--allow", "kv:read:acme/*"]);
    let role = |token: &str| {
        let answer = call(&service, token, "GET", "/client/v4/memberships", "");
        json(&answer)["result"][0]["roles"].clone()
    };
    assert_eq!(role(&token), serde_json::json!(["Tenant - random, kv:read:acme/*"]));
    let admin = std::fs::read_to_string(service.token_file()).expect("a token");
    let all = serde_json::json!(["Super Administrator - All Privileges"]);
    assert_eq!(role(admin.trim()), all);
}
