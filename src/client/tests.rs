use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::JoinHandle;

use super::*;
use crate::exitcode::Exit;

/// A service that gives these answers, one per request, and returns the requests.
fn service(answers: Vec<String>) -> (tempfile::TempDir, PathBuf, JoinHandle<Vec<String>>) {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let asked = std::thread::spawn(move || {
        let mut asked = Vec::new();
        let mut answers = answers.into_iter();
        let mut next = answers.next();
        while next.is_some() {
            let (stream, _) = listener.accept().expect("a connection");
            let mut stream = BufReader::new(stream);
            while let Some(answer) = next.take() {
                asked.push(request(&mut stream));
                stream.get_mut().write_all(answer.as_bytes()).expect("it reads");
                next = answers.next();
                if answer.contains("connection: close") {
                    break;
                }
            }
        }
        asked
    });
    (folder, path, asked)
}

/// One request, head and body, as text.
fn request(stream: &mut impl BufRead) -> String {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut text).expect("a line"), 0, "{text}");
    }
    let lower = text.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    text + &String::from_utf8_lossy(&body)
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn requests_go_over_one_connection_to_the_socket_and_show_no_token() {
    let (_folder, path, asked) = service(vec![
        answer(200, "", "one"),
        answer(201, "connection: close\r\n", "two"),
        answer(200, "", ""),
    ]);
    let url = format!("unix:{}", path.display());
    let credentials = Credentials { token_file: Some("/nonexistent".into()), ca_file: None };
    let client = Client::new(&url, &credentials).expect("no token is needed");
    let one = client.call("GET", "/a", None).expect("an answer");
    assert_eq!(one.read(3).expect("a body").to_vec(), b"one");
    let payload = Payload { media_type: "text/x".into(), bytes: b"secret".to_vec().into() };
    let two = client.call("POST", "/b", Some(payload)).expect("an answer");
    assert_eq!(two.status(), 201);
    let two = two.accepted(&[200, 201]).expect("accepted");
    assert_eq!(two.read(10).expect("a body").to_vec(), b"two");
    client.call("DELETE", "/c", None).expect("on a new connection");
    let asked = asked.join().expect("it ended");
    assert!(asked[0].starts_with("GET /a HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[1].contains("content-type: text/x") && asked[1].ends_with("\r\n\r\nsecret"));
    assert!(asked[2].starts_with("DELETE /c "), "{asked:?}");
    assert!(asked.iter().all(|it| !it.to_lowercase().contains("authorization")), "{asked:?}");
}

#[test]
fn an_error_says_what_the_service_said_in_either_form() {
    let problem = r#"{"detail":"too many","limit":"3"}"#;
    let envelope = r#"{"errors":[{"code":1,"message":"no"},{"code":2,"message":"ne\u001bver"}]}"#;
    for (status, body, expected, exit) in [
        (400, problem, "400: too many (3)", Exit::Data),
        (404, envelope, "404: no; never", Exit::Failure),
        (503, "sealed", "503: sealed", Exit::Unavailable),
        (401, envelope, "401: no; never", Exit::Refused),
    ] {
        let (_folder, path, _) = service(vec![answer(status, "", body)]);
        let client = Client::over_socket(&path).expect("a client");
        let error = client.call("GET", "/", None).expect("an answer").accepted(&[200]);
        let error = error.err().expect("refused");
        assert_eq!(error.to_string(), format!("unix:{}: {expected}", path.display()));
        assert_eq!(error.exit(), exit);
    }
}

#[test]
fn an_answer_longer_than_its_limit_or_shorter_than_announced_is_an_error() {
    for (head, body, limit) in [
        ("content-length: 4", "four", 3),
        ("transfer-encoding: chunked", "4\r\nfour\r\n0\r\n\r\n", 3),
        ("connection: close\r\ncontent-length: 5", "four", 10),
    ] {
        let (_folder, path, _) = service(vec![format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}")]);
        let client = Client::over_socket(&path).expect("a client");
        let answer = client.call("GET", "/", None).expect("an answer");
        assert!(matches!(answer.read(limit), Err(ClientError::BrokenOff { .. })), "{head}");
    }
    let long = "x".repeat(100_000);
    let chunked = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let (_folder, path, _) = service(vec![format!("{head}{chunked}")]);
    let client = Client::over_socket(&path).expect("a client");
    let answer = client.call("GET", "/", None).expect("an answer");
    assert_eq!(answer.read(100_000).expect("just so long").to_vec(), long.as_bytes());
}

#[test]
fn a_socket_that_is_not_there_or_not_served_is_named() {
    let folder = tempfile::tempdir().expect("a directory");
    let absent = folder.path().join("admin.sock");
    let refused = folder.path().join("left.sock");
    drop(UnixListener::bind(&refused).expect("a socket"));
    for path in [absent, refused] {
        let client = Client::over_socket(&path).expect("a client");
        let error = client.call("GET", "/", None).err().expect("nobody");
        let text = error.to_string();
        assert!(text.contains(path.to_str().expect("a path")), "{text}");
        assert!(text.contains("is the service running?"), "{text}");
        assert_eq!(error.exit(), Exit::Unavailable);
    }
}

#[test]
fn addresses_of_other_kinds_are_refused() {
    for url in ["127.0.0.1:8080", "ftp://x", ""] {
        let error = Client::new(url, &Credentials::default()).err().expect("refused");
        assert_eq!(error.exit(), Exit::Usage, "{url}");
    }
    for url in ["https://user:canary@example.org", "http://canary@127.0.0.1:8080/", "canary@host"] {
        let error = Client::new(url, &Credentials::default()).err().expect("refused");
        assert!(matches!(error, ClientError::UserInfo) && !error.to_string().contains("canary"));
    }
}

#[test]
fn a_refusal_is_read_while_the_body_is_still_being_sent() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let body = vec![7; 16 << 20];
    let length = body.len();
    let served = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while !line.ends_with("\r\n\r\n") {
            stream.read_line(&mut line).expect("a line");
        }
        let refusal = answer(413, "connection: close\r\n", "too large");
        stream.get_mut().write_all(refusal.as_bytes()).expect("it reads");
        let mut chunk = vec![0; 1 << 16];
        let mut drained = 0;
        while drained < length {
            match stream.read(&mut chunk).expect("the body") {
                0 => break,
                read => drained += read,
            }
        }
    });
    let client = Client::over_socket(&path).expect("a client");
    let payload = Payload { media_type: "text/x".into(), bytes: body.into() };
    let refused = client.call("PUT", "/", Some(payload)).expect("an answer").accepted(&[200]);
    let refused = refused.err().expect("refused");
    assert!(refused.to_string().ends_with(": 413: too large"), "{refused}");
    drop(client);
    served.join().expect("it ended");
}

#[test]
fn a_connection_that_was_closed_while_idle_is_replaced() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let (closed, is_closed) = std::sync::mpsc::channel();
    let served = std::thread::spawn(move || {
        for body in ["one", "two"] {
            let (stream, _) = listener.accept().expect("a connection");
            let mut stream = BufReader::new(stream);
            request(&mut stream);
            stream.get_mut().write_all(answer(200, "", body).as_bytes()).expect("it reads");
            drop(stream);
            closed.send(()).expect("the test waits");
        }
    });
    let client = Client::over_socket(&path).expect("a client");
    for expected in ["one", "two"] {
        let answer = client.call("GET", "/", None).expect("an answer");
        assert_eq!(answer.read(10).expect("a body").to_vec(), expected.as_bytes());
        is_closed.recv().expect("closed");
        // Time for the worker thread to notice.
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    served.join().expect("it ended");
}
