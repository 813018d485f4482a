//! Pages of other origins over the served program.

use crate::TWO_KINDS;
use crate::running::{Answer, Running, run};
use crate::tenants::{create, header};

const ORIGIN: &str = "https://app.example";

fn service() -> Running {
    Running::start(&format!(
        "[http]\ncors-origins = [\"{ORIGIN}\", 'http://localhost:3000']\n{TWO_KINDS}"
    ))
}

fn ask(service: &Running, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = service.connect();
    let mut ask = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        ask.extend([name, ": ", value, "\r\n"]);
    }
    std::io::Write::write_all(&mut stream, format!("{ask}\r\n").as_bytes()).expect("sent");
    Answer::read(stream)
}

/// As a browser sends a request of a page of another site.
fn of_page<'a>(origin: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("origin", origin), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")], more]
        .concat()
}

#[test]
fn pages_of_named_origins_read_random_bytes_and_nothing_else() {
    let service = service();
    for path in ["/random", "/random?bytes=100000", "/random/uuids", "/random?bytes=0"] {
        for origin in [ORIGIN, "http://localhost:3000"] {
            let answer = ask(&service, "GET", path, &of_page(origin, &[]));
            assert_eq!(answer.status, if path.ends_with("=0") { 400 } else { 200 }, "{path}");
            assert_eq!(header(&answer, "access-control-allow-origin"), Some(origin));
            assert_eq!(header(&answer, "vary"), Some("origin"));
            let exposed = header(&answer, "access-control-expose-headers").expect("some");
            assert_eq!(exposed, "ratelimit, ratelimit-policy, retry-after, x-request-id");
            assert_eq!(header(&answer, "access-control-allow-credentials"), None);
        }
    }
    for path in [
        "/status",
        "/metrics",
        "/",
        "/docs",
        "/health/live",
        "/tenants/me/usage",
        "/randomness",
        "/none",
        "/client/v4/user",
        "/client/v4/accounts/default/storage/kv/namespaces",
        "/admin/keys",
    ] {
        for method in ["GET", "OPTIONS", "POST"] {
            let asked = [("access-control-request-method", "GET")];
            let answer = ask(&service, method, path, &of_page(ORIGIN, &asked));
            assert_eq!(answer.status, 403, "{method} {path}");
            assert_eq!(header(&answer, "access-control-allow-origin"), None, "{method} {path}");
        }
    }
    for origin in [
        "https://evil.example",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil",
        "https://sub.app.example",
        "HTTPS://APP.EXAMPLE",
        "null",
        "*",
    ] {
        for method in ["GET", "OPTIONS"] {
            let asked = [("access-control-request-method", "GET")];
            let answer = ask(&service, method, "/random", &of_page(origin, &asked));
            assert_eq!(answer.status, 403, "{method} {origin}");
            assert_eq!(header(&answer, "access-control-allow-origin"), None, "{origin}");
            assert_eq!(header(&answer, "vary"), Some("origin"), "{origin}");
        }
    }
    let two = of_page(ORIGIN, &[("origin", "https://evil.example")]);
    assert_eq!(ask(&service, "GET", "/random", &two).status, 403);
    // Sent without CORS, as by an image.
    let embedded = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
    assert_eq!(ask(&service, "GET", "/random", &embedded).status, 403);
    let elsewhere = of_page(ORIGIN, &[]);
    assert_eq!(ask(&service, "POST", "/random", &elsewhere).status, 405);
    let plain = ask(&service, "GET", "/random", &[]);
    assert_eq!((plain.status, header(&plain, "vary")), (200, Some("origin")));
    assert_eq!(header(&plain, "access-control-allow-origin"), None);
}

#[test]
fn a_browser_may_ask_before_it_sends_the_token_of_a_page() {
    let folder = tempfile::tempdir().expect("a directory");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, format!("ci {}\n", lavawall::hash_token("ci"))).expect("written");
    let service = Running::start(&format!(
        "[http]\ntokens = '{}'\ncors-origins = [\"{ORIGIN}\"]\n{TWO_KINDS}",
        tokens.display()
    ));
    let token = create(&service, "page", &[]);
    service.done(&["tenant", "limit", "page", "--rate", "1/h"], "");
    let asked = [
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let answer = ask(&service, "OPTIONS", "/random", &of_page(ORIGIN, &asked));
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    for (name, value) in [
        ("access-control-allow-origin", ORIGIN),
        ("access-control-allow-methods", "get, head"),
        ("access-control-allow-headers", "authorization, x-request-id"),
        ("access-control-max-age", "600"),
        ("vary", "origin"),
    ] {
        assert_eq!(header(&answer, name), Some(value));
    }
    // No preflight: it needs a token as any call.
    assert_eq!(ask(&service, "OPTIONS", "/random", &of_page(ORIGIN, &[])).status, 401);
    let credentials = format!("Bearer {token}");
    let call = of_page(ORIGIN, &[("authorization", &credentials)]);
    let statuses = [(); 2].map(|()| {
        let answer = ask(&service, "GET", "/random", &call);
        assert_eq!(header(&answer, "access-control-allow-origin"), Some(ORIGIN));
        assert!(header(&answer, "ratelimit").is_some());
        answer.status
    });
    assert_eq!(statuses, [200, 429], "the page can read why");
}

#[test]
fn without_the_key_no_origin_may_read_anything() {
    let service = Running::start(TWO_KINDS);
    let asked = [("access-control-request-method", "GET")];
    for method in ["GET", "OPTIONS"] {
        let answer = ask(&service, method, "/random", &of_page(ORIGIN, &asked));
        assert_eq!((answer.status, header(&answer, "vary")), (403, None), "{method}");
    }
    let host = ask(&service, "GET", "/random", &[]);
    assert_eq!((host.status, header(&host, "vary")), (200, None));
}

#[test]
fn origins_that_are_none_are_refused_with_the_key() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("lavawall.toml");
    for origin in ["*", "null", "https://app.example/", "http://app.example", "app.example"] {
        std::fs::write(&file, format!("[http]\ncors-origins = ['{origin}']\n")).expect("written");
        let refused = run(&["check", "--config", file.to_str().expect("a path")]);
        let said = "http.cors-origins: must be origins as browsers write them";
        assert!(refused.code == 78 && refused.err.contains(said), "{origin}: {}", refused.err);
    }
}
