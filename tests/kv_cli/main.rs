//! `lavawall kv` against a served binary: what an operator types, and what comes of it.

#[path = "../service/running.rs"]
#[allow(dead_code, reason = "shared with the service's tests, which use all of it")]
mod running;

mod command;
#[cfg(feature = "export")]
mod export;

use std::fs;

use command::Kv;
use serde_json::{Value, json};

/// Names of every kind, and values of every kind.
const NAMES: [&str; 5] = ["plain", "a/b c", "\u{e4}\u{2603}", "%3A+?&#", "line\nbreak"];

#[test]
fn namespaces_are_made_listed_renamed_and_deleted_only_when_meant() {
    let kv = Kv::start();
    let id = kv.ok(&["namespaces", "create", "first"]);
    assert_eq!(id.trim_end().len(), 32);
    assert_eq!(kv.ok(&["namespaces"]), format!("{}  first\n", id.trim_end()));
    assert_eq!(kv.fails(&["namespaces", "create", "first"], b"").0, 65);
    kv.ok(&["namespaces", "rename", "first", "second"]);
    let listed: Value = serde_json::from_str(&kv.ok(&["namespaces", "--json"])).expect("JSON");
    assert_eq!(listed, json!({ "id": id.trim_end(), "title": "second" }));
    for (list, shown) in [
        (["namespaces", "list"].as_slice(), kv.ok(&["namespaces"])),
        (&["namespaces", "list", "--json"], kv.ok(&["namespaces", "--json"])),
    ] {
        assert_eq!(kv.ok(list), shown);
    }
    let (code, said) = kv.fails(&["namespaces", "create", "third\u{1b}[2J"], b"");
    assert_eq!(code, 65);
    assert!(said.contains("title: must have no control characters"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    kv.ok(&["put", "second", "a", "1"]);
    // Named by its id as well as by its title.
    assert_eq!(kv.ok(&["get", id.trim_end(), "a"]), "1");
    for typed in ["", "first\n", "yes\n"] {
        let (code, said) = kv.fails(&["namespaces", "delete", "second"], typed.as_bytes());
        assert_eq!(code, 1);
        assert!(said.contains("nothing was deleted"), "{said}");
    }
    assert_eq!(kv.ok(&["get", "second", "a"]), "1");
    kv.ok_with(&["namespaces", "delete", "second"], b"second\n");
    assert_eq!(kv.fails(&["get", "second", "a"], b"").0, 1);
    kv.ok(&["namespaces", "create", "third"]);
    kv.ok(&["namespaces", "delete", "third", "--yes"]);
    assert_eq!(kv.ok(&["namespaces"]), "");
}

#[test]
fn a_title_that_is_the_id_of_another_is_said() {
    let kv = Kv::start();
    let id = kv.ok(&["namespaces", "create", "first"]);
    kv.ok(&["namespaces", "create", id.trim_end()]);
    let (code, said) = kv.fails(&["put", id.trim_end(), "a", "1"], b"");
    assert_eq!(code, 64);
    assert!(said.contains("the id of another"), "{said}");
    kv.ok(&["put", "first", "a", "1"]);
}

#[test]
fn values_come_back_byte_by_byte_from_wherever_they_were_put() {
    let kv = Kv::start();
    kv.ok(&["namespaces", "create", "n"]);
    let bytes: Vec<u8> = (0..=255).collect();
    for name in NAMES {
        for value in [bytes.as_slice(), b"", b"text\n"] {
            kv.ok_with(&["put", "n", name], value);
            assert_eq!(kv.bytes(&["get", "n", name]), value, "{name:?}");
        }
    }
    let file = kv.path("value");
    fs::write(&file, &bytes).expect("written");
    kv.ok(&["put", "n", "file", "--file", &file]);
    assert_eq!(kv.bytes(&["get", "n", "file"]), bytes);
    let out = kv.path("out");
    kv.ok(&["get", "n", "file", "-o", &out]);
    assert_eq!(fs::read(&out).expect("written"), bytes);
    kv.ok_with(&["put", "n", "dash", "-"], b"from standard input");
    assert_eq!(kv.ok(&["get", "n", "dash"]), "from standard input");
    let (code, said) = kv.fails(&["get", "n", "absent"], b"");
    assert_eq!(code, 1);
    assert!(said.contains("there is no record absent in namespace n"), "{said}");
    kv.ok(&["delete", "n", "file", "dash", "absent"]);
    assert_eq!(kv.fails(&["get", "n", "file"], b"").0, 1);
    assert_eq!(kv.ok(&["list", "n"]).lines().count(), NAMES.len());
}

#[test]
fn metadata_and_lives_are_kept_and_bad_ones_refused() {
    let kv = Kv::start();
    kv.ok(&["namespaces", "create", "n"]);
    let metadata = r#"{"a":[1,"ä"]}"#;
    // What would end a form that chose its boundary badly.
    kv.ok_with(
        &["put", "n", "a", "--metadata", metadata, "--ttl", "2h"],
        b"x\r\n--lavawall-0--\r\n",
    );
    assert_eq!(kv.bytes(&["get", "n", "a"]), b"x\r\n--lavawall-0--\r\n");
    assert_eq!(kv.ok(&["get", "n", "a", "--metadata"]), format!("{metadata}\n"));
    kv.ok(&["put", "n", "b", "v", "--expires", "2099-01-01T00:00:00Z"]);
    let listed = kv.ok(&["list", "n", "--json"]);
    let listed: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(listed[0]["metadata"], serde_json::from_str::<Value>(metadata).expect("JSON"));
    assert!(listed[0]["expiration"].is_u64());
    assert_eq!(listed[1], json!({ "name": "b", "expiration": 4_070_908_800_u64 }));
    for (arguments, code) in [
        (["--ttl", "59"], 64),
        (["--expires", "1000"], 64),
        (["--expires", "soon"], 64),
        (["--metadata", "{"], 64),
    ] {
        let put = [&["put", "n", "c", "v"], arguments.as_slice()].concat();
        assert_eq!(kv.fails(&put, b"").0, code, "{arguments:?}");
    }
    assert_eq!(kv.fails(&["get", "n", "c"], b"").0, 1);
}

#[test]
fn lists_follow_the_cursor_to_the_end_or_to_the_limit() {
    let kv = Kv::start();
    kv.ok(&["namespaces", "create", "n"]);
    let pairs: Vec<_> =
        (0..2500).map(|n| json!({ "key": format!("k{n:04}"), "value": "v" })).collect();
    let file = kv.path("pairs");
    fs::write(&file, Value::from(pairs).to_string()).expect("written");
    kv.ok(&["bulk", "n", "put", &file]);
    kv.ok(&["put", "n", "other", "v"]);
    let names: Vec<_> = (0..2500).map(|n| format!("k{n:04}")).collect();
    let expected = names.join("\n") + "\n";
    assert_eq!(kv.ok(&["list", "n", "--prefix", "k"]), expected);
    assert_eq!(kv.ok(&["list", "n", "--limit", "1500"]), expected[..1500 * 6]);
    kv.ok_with(&["put", "n", "k\u{1b}[2J"], b"v");
    assert!(kv.ok(&["list", "n", "--prefix", "k\u{1b}"]).contains("k\\u{1b}[2J"));
}

#[test]
fn bulk_calls_are_split_by_the_limits_and_checked_before_anything_is_written() {
    let kv = Kv::start();
    kv.ok(&["namespaces", "create", "n"]);
    let line = |n: u32| format!("{{\"key\":\"k{n:05}\",\"value\":\"v{n}\"}}\n");
    let lines: String = (0..10_050).map(line).collect();
    kv.ok_with(&["bulk", "n", "put", "-"], lines.as_bytes());
    assert_eq!(kv.ok(&["list", "n"]).lines().count(), 10_050);
    let names: Vec<_> = (0..150).map(|n| format!("k{n:05}")).collect();
    let names = Value::from(names).to_string();
    let read: Value =
        serde_json::from_str(&kv.ok_with(&["bulk", "n", "get", "-"], names.as_bytes()))
            .expect("JSON");
    assert_eq!(read["values"].as_object().expect("values").len(), 150);
    assert_eq!(read["values"]["k00149"], "v149");
    let all: Vec<_> = (0..10_050).map(|n| format!("k{n:05}")).collect();
    kv.ok_with(&["bulk", "n", "delete", "-"], Value::from(all).to_string().as_bytes());
    assert_eq!(kv.ok(&["list", "n"]), "");
    assert_eq!(kv.ok_with(&["bulk", "n", "get", "-"], b"[]"), "{\"values\":{}}\n");

    let file = kv.path("bad");
    fs::write(&file, format!("{lines}{{\"key\":\"..\",\"value\":\"\"}}")).expect("written");
    let (code, said) = kv.fails(&["bulk", "n", "put", &file], b"");
    assert_eq!(code, 65);
    assert!(said.contains("item 10051: key: must not be"), "{said}");
    assert_eq!(kv.ok(&["list", "n"]), "", "none was written");
}

#[test]
fn an_address_is_asked_with_the_token_of_the_state_directory_or_the_one_named() {
    let kv = Kv::start();
    let url = kv.service.url();
    let state = kv.service.state_dir();
    let ask = |extra: &[&str]| {
        let arguments = ["kv", "namespaces", "--url", url.as_str()];
        running::run(&[arguments.as_slice(), extra].concat())
    };
    let state = state.to_str().expect("a path");
    assert_eq!(ask(&["--state-dir", state]).code, 0);
    assert_eq!(ask(&["--token-file", &format!("{state}/admin.token")]).code, 0);
    let wrong = kv.path("wrong");
    fs::write(&wrong, "wrong").expect("written");
    let refused = ask(&["--token-file", &wrong]);
    assert_eq!(refused.code, 77, "{}", refused.err);
    assert!(refused.err.contains("Authentication error"), "{}", refused.err);
}

#[test]
fn the_administrators_token_is_shown_unasked_to_this_machine_alone_and_to_no_proxy() {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("admin.token"), "secret-token\n").expect("written");
    let listener = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let shown_to = |host: &str| {
        let mut command = std::process::Command::new(running::lavawall());
        command.args(["kv", "namespaces", "--url", &format!("http://{host}:{port}")]);
        command.arg("--state-dir").arg(folder.path()).env_clear();
        for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env(proxy, format!("http://127.0.0.1:{port}"));
        }
        let mut child = command.stderr(std::process::Stdio::null()).spawn().expect("the program");
        let (mut asked, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            std::io::Read::read_exact(&mut asked, &mut byte).expect("a head");
            head.push(byte[0]);
        }
        drop(asked);
        child.wait().expect("an end");
        let head = String::from_utf8_lossy(&head);
        assert!(head.starts_with("GET /client/v4/"), "asked for itself, not for a proxy: {head}");
        head.contains("secret-token")
    };
    assert!(shown_to("127.0.0.1"));
    // It leads to this machine too, and does not say so.
    assert!(!shown_to("0.0.0.0"));
}
