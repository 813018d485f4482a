//! Calls of the store's dialect, and bodies of every kind, to a server in this process: an answer of its
//! own form, never a failure of the server.
#![no_main]

#[path = "../home.rs"]
mod home;
#[path = "../service.rs"]
mod service;

use std::io::ErrorKind;
use std::sync::LazyLock;

use arbitrary::Arbitrary;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use service::TOKEN;

/// One call.
#[derive(Debug, Arbitrary)]
struct Call<'a> {
    way: Way,
    media_type: MediaType,
    /// A name in the path, or a query.
    text: &'a str,
    body: &'a [u8],
}

#[derive(Debug, Arbitrary)]
enum Way {
    Create,
    Rename,
    ListNamespaces,
    Put,
    Get,
    Metadata,
    Delete,
    List,
    BulkPut,
    BulkGet,
    BulkDelete,
}

#[derive(Debug, Arbitrary)]
enum MediaType {
    Json,
    Form,
    Bytes,
}

struct Server {
    agent: ureq::Agent,
    spaces: String,
    space: String,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let spaces = format!("{}/client/v4/accounts/default/storage/kv/namespaces", service::start());
    let agent = service::agent();
    let request = agent.post(&spaces).header("authorization", format!("Bearer {TOKEN}"));
    let answer = request.send(br#"{"title":"first"}"#.as_slice()).expect("an answer");
    let text = answer.into_body().read_to_string().expect("text");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    let space = format!("{spaces}/{}", answer["result"]["id"].as_str().expect("an id"));
    Server { agent, spaces, space }
});

fuzz_target!(|call: Call| {
    let Server { agent, spaces, space } = &*SERVER;
    let text: String = call.text.bytes().take(1024).map(|byte| format!("%{byte:02x}")).collect();
    let (method, url) = match call.way {
        Way::Create => ("POST", spaces.clone()),
        Way::Rename => ("PUT", space.clone()),
        Way::ListNamespaces => ("GET", format!("{spaces}?{}", query(call.text))),
        Way::Put => ("PUT", format!("{space}/values/{text}")),
        Way::Get => ("GET", format!("{space}/values/{text}")),
        Way::Metadata => ("GET", format!("{space}/metadata/{text}")),
        Way::Delete => ("DELETE", format!("{space}/values/{text}")),
        Way::List => ("GET", format!("{space}/keys?{}", query(call.text))),
        Way::BulkPut => ("PUT", format!("{space}/bulk")),
        Way::BulkGet => ("POST", format!("{space}/bulk/get")),
        Way::BulkDelete => ("POST", format!("{space}/bulk/delete")),
    };
    let media_type = match call.media_type {
        MediaType::Json => "application/json",
        MediaType::Form => "multipart/form-data; boundary=x",
        MediaType::Bytes => "application/octet-stream",
    };
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(url)
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", media_type);
    let body = if method == "GET" { &[] } else { call.body };
    let Ok(request) = request.body(body) else { return };
    let answer = match agent.run(request) {
        // The fuzzer's own alarm.
        Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::Interrupted => return,
        answer => answer.expect("an answer"),
    };
    let status = answer.status().as_u16();
    let bytes = answer.into_body().read_to_vec().expect("all of it");
    assert!(status < 500, "{status}: {}", String::from_utf8_lossy(&bytes));
    if status >= 400 {
        let answer: Value = serde_json::from_slice(&bytes).expect("the dialect's envelope");
        assert_eq!(answer["success"], Value::Bool(false));
    }
});

/// A query of this text, as far as it can stand in one.
fn query(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_graphic() && *letter != '#').take(1024).collect()
}
