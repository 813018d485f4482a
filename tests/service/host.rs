//! Which hosts are answered, and which pages may ask, over both versions of HTTP.

use std::io::{Read, Write};

use crate::TWO_KINDS;
use crate::running::Running;
use crate::tls::Access;

/// Sends a request with these headers; gives status, head and body.
fn ask(service: &Running, method: &str, target: &str, headers: &str) -> (u16, String, String) {
    let mut stream = service.connect();
    let ask = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(ask.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
    (status, head.to_lowercase(), body.to_owned())
}

#[test]
fn only_addresses_loopback_names_and_configured_names_are_answered() {
    let service = Running::start(&format!("[http]\nhosts = [\"Lava.Example\"]\n{TWO_KINDS}"));
    let port = service.address().port();
    for host in [
        format!("127.0.0.1:{port}"),
        "[::1]".into(),
        "192.0.2.1".into(),
        "localhost".into(),
        "LOCALHOST:80".into(),
        "app.localhost".into(),
        "lava.example:8080".into(),
        "LAVA.EXAMPLE.".into(),
    ] {
        for path in ["/random", "/status"] {
            let (status, ..) = ask(&service, "GET", path, &format!("host: {host}\r\n"));
            assert_eq!(status, 200, "{host} {path}");
        }
    }
    for host in [
        "evil.example",
        "evil.example:8080",
        "lava.example.evil.example",
        "localhost.evil.example",
        "x@127.0.0.1",
        "127.0.0.1.evil.example",
        "",
    ] {
        for path in ["/random", "/status", "/metrics", "/", "/health/live", "/client/v4/x", "/none"]
        {
            let (status, _, body) = ask(&service, "GET", path, &format!("host: {host}\r\n"));
            assert_eq!(status, 421, "{host} {path}");
            for part in ["http.hosts", "\"field\":\"Host\"", &format!("\"value\":\"{host}\"")] {
                assert!(body.contains(part), "{part} in {body}");
            }
        }
    }
    let target = "http://evil.example/random";
    assert_eq!(ask(&service, "GET", target, "host: evil.example\r\n").0, 421);
    assert_eq!(ask(&service, "GET", target, "host: localhost\r\n").0, 400, "two different hosts");
}

#[test]
fn over_the_operators_socket_any_host_is_right() {
    let service = Running::start(TWO_KINDS);
    let path = service.state_dir().join("admin.sock");
    let mut socket = std::os::unix::net::UnixStream::connect(path).expect("a socket");
    let ask = b"GET /status HTTP/1.1\r\nhost: any.example\r\nconnection: close\r\n\r\n";
    socket.write_all(ask).expect("sent");
    let answer = std::io::read_to_string(socket).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_page_of_another_site_gets_no_answer() {
    let service = Running::start(&format!("[http]\nhosts = [\"lava.example\"]\n{TWO_KINDS}"));
    let own = format!("127.0.0.1:{}", service.address().port());
    let navigation = "sec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n";
    let cross = "sec-fetch-site: cross-site\r\n";
    for (method, path, headers, expected) in [
        ("GET", "/random", String::new(), 200),
        ("GET", "/random", "sec-fetch-site: same-origin\r\n".into(), 200),
        ("GET", "/random", "sec-fetch-site: none\r\n".into(), 200),
        ("GET", "/random", cross.into(), 403),
        ("GET", "/status", "sec-fetch-site: same-site\r\n".into(), 403),
        ("GET", "/none", cross.into(), 403),
        ("GET", "/", format!("{cross}{navigation}"), 200),
        ("GET", "/docs", format!("{cross}{navigation}"), 200),
        ("GET", "/", format!("{cross}sec-fetch-mode: navigate\r\nsec-fetch-dest: iframe\r\n"), 403),
        ("GET", "/", format!("{cross}sec-fetch-mode: no-cors\r\n"), 403),
        ("GET", "/status", format!("{cross}{navigation}"), 403),
        ("POST", "/", format!("{cross}{navigation}content-length: 0\r\n"), 403),
        ("GET", "/random", format!("origin: http://{own}\r\n"), 200),
        ("GET", "/random", "origin: https://lava.example\r\n".into(), 200),
        ("GET", "/random", "origin: https://evil.example\r\n".into(), 403),
        ("GET", "/random", "origin: http://127.0.0.1:1\r\n".into(), 403),
        ("GET", "/random", "origin: null\r\n".into(), 403),
        ("OPTIONS", "/client/v4/x", "origin: https://evil.example\r\n".into(), 403),
    ] {
        let headers = format!("host: {own}\r\n{headers}");
        let (status, _, body) = ask(&service, method, path, &headers);
        assert_eq!(status, expected, "{method} {path} {headers}");
        if expected == 403 {
            assert!(body.contains("a page of another site sent this request"), "{body}");
        }
    }
}

#[test]
fn every_answer_says_that_it_is_of_its_type_and_for_this_site() {
    let service = Running::start(TWO_KINDS);
    for (method, path, host) in [
        ("GET", "/random", "localhost"),
        ("GET", "/random?bytes=100000", "localhost"),
        ("GET", "/random?bytes=0", "localhost"),
        ("HEAD", "/status", "localhost"),
        ("GET", "/metrics", "localhost"),
        ("GET", "/", "localhost"),
        ("GET", "/docs", "localhost"),
        ("GET", "/openapi.json", "localhost"),
        ("GET", "/health/live", "localhost"),
        ("GET", "/none", "localhost"),
        ("DELETE", "/random", "localhost"),
        ("GET", "/client/v4/accounts/default/storage/kv/namespaces", "localhost"),
        ("GET", "/random", "evil.example"),
    ] {
        let (_, head, _) = ask(&service, method, path, &format!("host: {host}\r\n"));
        for header in
            ["x-content-type-options: nosniff", "cross-origin-resource-policy: same-origin"]
        {
            let count = head.lines().filter(|line| *line == header).count();
            assert_eq!(count, 1, "{header} for {method} {path}: {head}");
        }
    }
}

#[test]
fn over_http_2_the_host_is_checked_as_over_http_1() {
    let access = Access::new();
    let service = access.start();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let cross = ("sec-fetch-site", "cross-site");
    for (authority, headers, expected) in [
        ("https://127.0.0.1", vec![], 200),
        ("https://localhost:8080", vec![], 200),
        ("https://127.0.0.1", vec![("host", "127.0.0.1")], 200),
        ("", vec![("host", "127.0.0.1")], 200),
        ("", vec![], 400),
        ("https://127.0.0.1", vec![("host", "localhost")], 400),
        ("https://127.0.0.1", vec![("host", "127.0.0.1"), ("host", "127.0.0.1")], 400),
        ("", vec![("host", "127.0.0.1"), ("host", "127.0.0.1")], 400),
        ("https://evil.example", vec![], 421),
        ("", vec![("host", "evil.example")], 421),
        ("https://127.0.0.1", vec![cross], 403),
        ("https://127.0.0.1", vec![("origin", "https://evil.example")], 403),
        ("https://127.0.0.1", vec![("origin", "https://127.0.0.1")], 200),
    ] {
        let answer = runtime.block_on(async {
            let (requests, _driver) = access.http2(&service).await;
            let mut request = hyper::Request::get(format!("{authority}/status"))
                .header("authorization", format!("Bearer {}", access.token));
            for (name, value) in &headers {
                request = request.header(*name, *value);
            }
            let mut requests = requests.ready().await.expect("room for a stream");
            let request = request.body(()).expect("a request");
            let (answer, _) = requests.send_request(request, true).expect("sent");
            answer.await.expect("an answer")
        });
        assert_eq!(answer.status(), expected, "{authority:?} {headers:?}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers()["cross-origin-resource-policy"], "same-origin");
    }
}
