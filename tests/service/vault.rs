//! The dialect of Vault and OpenBao over the served program: paths, bodies, errors word for word.

use std::io::Write;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

use crate::TWO_KINDS;
use crate::running::{Answer, Running, get};

/// The administrator's token, once it counts: on a busy machine the service answers before.
pub(crate) fn admin(service: &Running) -> String {
    service.wait_until("the keyring", |service| get(service, "/v1/sys/health").status == 200);
    std::fs::read_to_string(service.token_file()).expect("a token").trim().to_owned()
}

/// A call with the header that clients of Vault send.
pub(crate) fn call(
    service: &Running,
    token: &str,
    method: &str,
    path: &str,
    body: &str,
) -> (u16, Value) {
    let answer = send(service, &format!("x-vault-token: {token}\r\n"), method, path, body);
    (answer.status, parsed(&answer))
}

/// A call with these header lines.
fn send(service: &Running, lines: &str, method: &str, path: &str, body: &str) -> Answer {
    let mut stream = service.connect();
    let length = body.len();
    write!(
        stream,
        "{method} /v1/{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{lines}x-vault-request: \
         true\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .expect("sent");
    Answer::read(stream)
}

/// The JSON of an answer; `null` when it has no body.
fn parsed(answer: &Answer) -> Value {
    if answer.body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("JSON: {}", answer.text()))
}

/// The body of a refusal with this text; with none for an object that is not there.
pub(crate) fn errors(text: &str) -> Value {
    if text.is_empty() { json!({ "errors": [] }) } else { json!({ "errors": [text] }) }
}

pub(crate) fn create(service: &Running, name: &str, more: &[&str]) -> String {
    let arguments = [&["tenant", "create", name], more].concat();
    service.done(&arguments, "").trim().to_owned()
}

#[test]
fn every_path_and_body_for_random_bytes_gives_as_many_in_its_form() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    for base in ["sys/tools/random", "transit/random"] {
        for (path, body, bytes, is_hex) in [
            ("", "", 32, false),
            ("", "null", 32, false),
            ("/", "{}", 32, false),
            ("/16", "", 16, false),
            ("/16", "{\"bytes\":4}", 16, false),
            ("/all", "", 32, false),
            ("/seal/1", "", 1, false),
            ("/all/131072", "", 131_072, false),
            ("", "{\"bytes\":7,\"format\":\"hex\"}", 7, true),
            ("", "{\"bytes\":\"131072\",\"format\":\"hex\",\"name\":\"x\"}", 131_072, true),
            ("/seal", "{\"source\":\"all\",\"format\":\"base64\",\"bytes\":9}", 9, false),
            ("", "{\"source\":\"seal\"}", 32, false),
        ] {
            for method in ["POST", "PUT"] {
                let (status, answer) =
                    call(&service, &token, method, &format!("{base}{path}"), body);
                assert_eq!(status, 200, "{base}{path} {body}: {answer}");
                let text = answer["data"]["random_bytes"].as_str().expect("text").as_bytes();
                let decoded = if is_hex { HEXLOWER.decode(text) } else { BASE64.decode(text) };
                assert_eq!(decoded.expect("encoded").len(), bytes, "{base}{path} {body}");
                let mut envelope = answer.clone();
                for member in ["data", "request_id"] {
                    assert!(!envelope[member].take().is_null(), "{answer}");
                }
                let expected = json!({
                    "request_id": null, "lease_id": "", "renewable": false, "lease_duration": 0,
                    "data": null, "wrap_info": null, "warnings": null, "auth": null,
                });
                assert_eq!(envelope, expected);
            }
        }
    }
    let again = || call(&service, &token, "POST", "transit/random", "").1["data"].take();
    assert_ne!(again(), again());
}

#[test]
fn errors_of_random_bytes_are_those_of_openbao_word_for_word() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let unmarshal = "failed to decode JSON input: json: cannot unmarshal array into Go value of type \
                     map[string]interface {}";
    for (method, path, body, status, text) in [
        (
            "POST",
            "transit/random/hello",
            "",
            400,
            "error parsing url-set byte count: strconv.Atoi: parsing \"hello\": invalid syntax",
        ),
        (
            "POST",
            "transit/random/8/9/10",
            "",
            400,
            "error parsing url-set byte count: strconv.Atoi: parsing \"9/10\": invalid syntax",
        ),
        ("POST", "transit/random/0", "", 400, "'bytes' cannot be less than 1"),
        ("POST", "transit/random/-1", "", 400, "'bytes' cannot be less than 1"),
        ("POST", "transit/random/131073", "", 400, "'bytes' should be less than 131072"),
        ("PUT", "sys/tools/random", "{\"bytes\":0}", 400, "'bytes' cannot be less than 1"),
        (
            "POST",
            "transit/random",
            "{\"bytes\":\"abc\"}",
            400,
            "Field validation failed: error converting input for field \"bytes\": '' cannot parse value \
             as 'int': strconv.ParseInt: invalid syntax",
        ),
        (
            "POST",
            "transit/random",
            "{\"format\":\"x\"}",
            400,
            "unsupported encoding format \"x\"; must be \"hex\" or \"base64\"",
        ),
        (
            "POST",
            "transit/random/foo/8",
            "",
            400,
            "unsupported entropy source \"foo\"; must be \"platform\" or \"seal\", or \"all\"",
        ),
        ("POST", "transit/random", "[1]", 400, unmarshal),
        ("GET", "transit/random", "", 405, "1 error occurred:\n\t* unsupported operation\n\n"),
        ("POST", "transit/nowhere", "", 404, "1 error occurred:\n\t* unsupported path\n\n"),
        ("GET", "sys/nowhere", "", 404, "1 error occurred:\n\t* unsupported path\n\n"),
        ("GET", "nowhere", "", 404, "no handler for route \"nowhere\". route entry not found."),
        ("PUT", "auth/token/renew-self", "{\"increment\":0}", 400, "lease is not renewable"),
    ] {
        let answer = call(&service, &token, method, path, body);
        assert_eq!(answer, (status, errors(text)), "{method} {path} {body}");
    }
}

#[test]
fn the_operating_system_alone_is_refused_unless_the_configuration_allows_it() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    for (path, body) in
        [("transit/random/platform", ""), ("sys/tools/random", "{\"source\":\"platform\"}")]
    {
        let (status, answer) = call(&service, &token, "POST", path, body);
        let text = answer["errors"][0].as_str().expect("a reason");
        assert!(status == 400 && text.contains("http.vault-platform-random"), "{answer}");
    }
    let service = Running::start(&format!("[http]\nvault-platform-random = true\n{TWO_KINDS}"));
    let token = admin(&service);
    let (status, answer) = call(&service, &token, "POST", "transit/random/platform/9", "");
    assert_eq!((status, answer["data"]["random_bytes"].as_str().map(str::len)), (200, Some(12)));
}

#[test]
fn a_token_is_read_from_both_headers_and_its_permissions_count() {
    let service = Running::start(TWO_KINDS);
    let random = create(&service, "acme", &[]);
    let watch = create(&service, "watch", &["--allow", "status:read"]);
    let status = |lines: &str| {
        let answer = send(&service, lines, "POST", "transit/random/8", "");
        (answer.status, parsed(&answer)["errors"].clone())
    };
    let denied = (403, json!(["permission denied"]));
    let answered = (200, Value::Null);
    assert_eq!(status(""), answered, "as /random is, on loopback");
    assert_eq!(status(&format!("x-vault-token: {random}\r\n")), answered);
    assert_eq!(status(&format!("authorization: Bearer {random}\r\n")), answered);
    assert_eq!(status(&format!("x-vault-token: {random}\r\nx-vault-token: {random}\r\n")), denied);
    assert_eq!(status(&format!("x-vault-token: {watch}\r\n")), denied);
    assert_eq!(status("x-vault-token: unknown\r\n"), denied);
    assert_eq!(status("x-vault-token: \r\n"), denied);
    let named =
        |name: &str| status(&format!("x-vault-token: {random}\r\nx-vault-namespace: {name}\r\n"));
    assert_eq!(
        (named("acme"), named("acme/"), named("")),
        (answered.clone(), answered.clone(), answered)
    );
    assert_eq!(named("other"), (404, json!(["namespace not found"])));
    let foreign =
        send(&service, "origin: http://elsewhere.example\r\n", "POST", "transit/random", "");
    assert_eq!(foreign.status, 403);
    assert!(parsed(&foreign)["errors"][0].is_string(), "{}", foreign.text());
    assert_eq!(call(&service, "unknown", "GET", "auth/token/lookup-self", "").0, 403);
    let (status, own) = call(&service, &random, "GET", "auth/token/lookup-self", "");
    assert_eq!((status, &own["data"]["display_name"]), (200, &"acme".into()));
    assert_eq!((&own["data"]["policies"], &own["data"]["ttl"]), (&json!(["random"]), &0.into()));
    assert!(!own.to_string().contains(&random), "a token is not repeated");
    let usage = service.done(&["tenant", "usage", "acme", "--json"], "");
    let usage: Value = serde_json::from_str(&usage).expect("JSON");
    assert_eq!(usage["total"]["vault"]["bytes"], 12 * 5, "8 bytes in base64: {usage}");
}

#[test]
fn random_bytes_are_charged_in_the_form_that_is_sent() {
    let service = Running::start(TWO_KINDS);
    let token = create(&service, "acme", &[]);
    let charged = || {
        let usage = service.done(&["tenant", "usage", "acme", "--json"], "");
        let usage: Value = serde_json::from_str(&usage).expect("JSON");
        usage["total"]["vault"]["bytes"].as_u64().expect("a number")
    };
    let ask = |body: &str| call(&service, &token, "POST", "transit/random", body).0;
    assert_eq!((ask("{\"bytes\":30}"), charged()), (200, 40));
    assert_eq!((ask("{\"bytes\":30,\"format\":\"hex\"}"), charged()), (200, 40 + 60));
    service.done(&["tenant", "limit", "acme", "--bytes", "150B/day"], "");
    assert_eq!(ask("{\"bytes\":30,\"format\":\"hex\"}"), 429, "60 more than the 50 that are left");
    assert_eq!(ask("{\"bytes\":30}"), 200);
}

#[test]
fn an_answer_that_is_asked_for_wrapped_is_refused_and_nothing_is_done() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let ask = |ttl: &str, method: &str, path: &str, body: &str| {
        let lines = format!("x-vault-token: {token}\r\nx-vault-wrap-ttl: {ttl}\r\n");
        let answer = send(&service, &lines, method, path, body);
        (answer.status, parsed(&answer))
    };
    let refused = (400, errors("response wrapping is not supported"));
    let text = "{\"plaintext\":\"aGVsbG8=\",\"input\":\"aGVsbG8=\"}";
    for (method, path, body) in [
        ("POST", "transit/random/8", ""),
        ("POST", "sys/tools/random", "{\"bytes\":8}"),
        ("POST", "transit/keys/a", ""),
        ("POST", "transit/encrypt/a", text),
        ("POST", "transit/datakey/plaintext/a", ""),
        ("POST", "transit/hash", text),
        ("GET", "transit/keys/a", ""),
        ("LIST", "transit/keys", ""),
        ("GET", "transit/export/encryption-key/a", ""),
        ("GET", "auth/token/lookup-self", ""),
    ] {
        for ttl in ["60", "5m", "x"] {
            assert_eq!(ask(ttl, method, path, body), refused, "{method} {path}");
        }
    }
    assert_eq!(call(&service, &token, "GET", "transit/keys/a", ""), (404, errors("")));
    for ttl in ["0", ""] {
        assert_eq!(ask(ttl, "POST", "transit/random/8", "").0, 200, "{ttl:?}");
    }
    assert_eq!(ask("60", "GET", "sys/health", "").0, 200);
}

#[test]
fn limits_of_a_tenant_are_429_in_the_form_of_vault() {
    let service = Running::start(TWO_KINDS);
    let token = create(&service, "acme", &[]);
    service.done(&["tenant", "limit", "acme", "--rate", "1/h", "--bytes", "40B/day"], "");
    let path = "transit/random";
    let first = call(&service, &token, "POST", path, "{\"bytes\":64}");
    assert_eq!(first.0, 429, "the bytes of a day");
    assert!(first.1["errors"][0].as_str().is_some_and(|it| it.starts_with("bytes: the limit")));
    let token_line = format!("x-vault-token: {token}\r\n");
    let answer = send(&service, &token_line, "PUT", path, "");
    assert_eq!(answer.status, 429);
    let text = "request path \"transit/random\": rate limit quota exceeded";
    assert_eq!(parsed(&answer), errors(text));
    assert!(answer.headers.contains("retry-after: "), "{}", answer.headers);
}

#[test]
fn health_and_the_seal_are_told_to_anyone_with_the_codes_that_the_query_chooses() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    let ask = |method: &str, path: &str| send(&service, "", method, path, "");
    let health = ask("GET", "sys/health");
    let told = parsed(&health);
    assert_eq!(
        (health.status, &told["initialized"], &told["sealed"]),
        (200, &true.into(), &false.into())
    );
    assert_eq!(ask("HEAD", "sys/health?standbyok=true").status, 200);
    assert_eq!(ask("GET", "sys/health?activecode=299&sealedcode=298").status, 299);
    for wrong in ["99", "600", "x", ""] {
        assert_eq!(ask("GET", &format!("sys/health?activecode={wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(parsed(&ask("GET", "sys/seal-status"))["sealed"], false);
    assert_eq!(parsed(&ask("GET", "sys/leader"))["ha_enabled"], false);
    assert_eq!(parsed(&ask("GET", "sys/init")), json!({ "initialized": true }));
    assert_eq!(ask("PUT", "sys/init").status, 405, "a keyring is made by the operator");
    service.done(&["seal"], "");
    assert_eq!(ask("GET", "sys/health").status, 503);
    assert_eq!(ask("HEAD", "sys/health?sealedcode=298").status, 298);
    assert_eq!(parsed(&ask("GET", "sys/health"))["sealed"], true);
    assert_eq!(parsed(&ask("GET", "sys/seal-status"))["sealed"], true);
    assert_eq!(call(&service, &token, "POST", "transit/random", "").0, 200, "randomness goes on");
}
