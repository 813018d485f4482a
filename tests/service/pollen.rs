//! The protocol of pollen over the served program, as `pollinate` speaks it.

use std::io::Write;

use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest, Sha512};

use crate::running::{Answer, Running, get};
use crate::tenants::{call, create, usage};
use crate::{ONE_KIND, TWO_KINDS};

/// As curl sends it with `--data`.
fn post(service: &Running, path: &str, body: &str) -> Answer {
    let mut stream = service.connect();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: pollinate/4.33\r\naccept: */*\r\nconnection: \
         close\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .expect("sent");
    Answer::read(stream)
}

/// A service whose generator has a seed.
fn started(configuration: &str) -> Running {
    let service = Running::start(configuration);
    service.token_file();
    service
}

/// The seed of an answer to this challenge.
fn seed(answer: &Answer, challenge: &str) -> String {
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text}");
    assert!(answer.headers.contains("content-type: text/plain"), "{}", answer.headers);
    assert!(answer.headers.contains("cache-control: no-store"), "{}", answer.headers);
    assert!(answer.headers.contains("entropy-generation: "), "{}", answer.headers);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], HEXLOWER.encode(&Sha512::digest(challenge)), "of the text as it was sent");
    assert_eq!(HEXLOWER.decode(lines[1].as_bytes()).expect("digits").len(), 64);
    assert_eq!((lines.len(), text.len()), (2, 258));
    lines[1].to_owned()
}

#[test]
fn every_form_of_a_challenge_has_its_hash_and_a_seed_of_its_own() {
    let service = started(TWO_KINDS);
    let mut seeds = std::collections::BTreeSet::new();
    for path in ["/", "/pollen"] {
        for challenge in ["00ff", "a b+c", &"9f".repeat(64)] {
            let form: String = form_urlencoded::byte_serialize(challenge.as_bytes()).collect();
            let form = format!("challenge={form}");
            for answer in [
                post(&service, path, &form),
                post(&service, path, &format!("x=1&{form}&challenge=other")),
                post(&service, &format!("{path}?{form}"), ""),
                get(&service, &format!("{path}?{form}")),
            ] {
                assert!(seeds.insert(seed(&answer, challenge)), "a seed is given once");
            }
        }
    }
    // The dashboard is there as before.
    assert!(get(&service, "/").headers.contains("content-type: text/html"));
}

#[test]
fn no_answer_but_a_seed_has_the_status_200() {
    let service = started(TWO_KINDS);
    for answer in [
        // As `pollinate --no-challenge` asks.
        post(&service, "/", ""),
        post(&service, "/", "challenge="),
        post(&service, "/", "x=1"),
        post(&service, "/pollen", "Challenge=x"),
        get(&service, "/?challenge="),
        get(&service, "/pollen"),
        post(&service, "/pollen", &"x".repeat(5000)),
        call(&service, "", "DELETE", "/pollen?challenge=x", ""),
    ] {
        assert!((400..500).contains(&answer.status), "{}", answer.status);
        assert!(answer.headers.contains("content-type: text/plain"), "{}", answer.headers);
        assert!(!answer.text().is_empty());
    }
    let service = Running::start(ONE_KIND);
    for answer in [post(&service, "/", "challenge=x"), get(&service, "/?challenge=x")] {
        assert_eq!(answer.status, 503);
        assert!(answer.headers.contains("retry-after: "), "{}", answer.headers);
        assert!(answer.text().contains("kinds of source"), "{}", answer.text());
    }
}

#[test]
fn challenges_are_permitted_charged_and_counted() {
    let service = started(TWO_KINDS);
    let token = create(&service, "acme", &["--allow", "random"]);
    let other = create(&service, "stranger", &["--allow", "status:read"]);
    let ask = |token: &str| call(&service, token, "POST", "/", "challenge=x");
    let refused = ask(&other);
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert_eq!(call(&service, &other, "GET", "/?challenge=x", "").status, 403);
    assert_eq!(ask("unknown").status, 401);
    service.done(&["tenant", "limit", "acme", "--bytes", "300B/day"], "");
    seed(&ask(&token), "x");
    let refused = ask(&token);
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.headers.contains("retry-after: "), "{}", refused.headers);
    let total = &usage(&service, "acme")["total"]["pollen"];
    assert_eq!((&total["bytes"], &total["requests"]), (&json!(258), &json!(1)), "{total}");
}

#[test]
fn a_listener_may_serve_it_and_nothing_else() {
    let listen = "[[listen]]\naddress = \"127.0.0.1:0\"\nserves = [\"pollen\"]\n";
    let service = started(&format!(
        "{listen}[[listen]]\naddress = \"127.0.0.1:0\"\nserves = \
                                           [\"random\"]\n{TWO_KINDS}"
    ));
    let addresses = service.addresses();
    let ask = |address: &str, path: &str| {
        let mut stream = std::net::TcpStream::connect(address).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .expect("sent");
        Answer::read(stream)
    };
    let [pollen, random] = [&addresses[addresses.len() - 2], &addresses[addresses.len() - 1]];
    seed(&ask(pollen, "/?challenge=x"), "x");
    for path in ["/", "/random", "/seed", "/status"] {
        assert_eq!(ask(pollen, path).status, 404, "{path}");
    }
    for path in ["/?challenge=x", "/pollen?challenge=x", "/seed"] {
        assert_eq!(ask(random, path).status, 404, "{path}");
    }
}
