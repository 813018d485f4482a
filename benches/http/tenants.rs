//! Tenants whose calls have a token, limits and a meter: one of them, and one among ten thousand.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use super::load;
use super::servers::Server;
use super::stores::retried;

/// Limits that no round reaches.
const LIMITS: &str = r#"{"rate":"1000000000/s","bytes":"1TiB/day","long_answers":"1000"}"#;

/// A service with a number of tenants, all with limits.
pub(crate) struct Tenants {
    server: Server,
    token: String,
}

impl Tenants {
    pub(crate) fn new(count: u32) -> Self {
        let server = Server::lavawall();
        load::first_byte(&server.url("/random"));
        let socket = server.folder().join("state/admin.sock");
        let mut calls = retried(|| UnixStream::connect(&socket).ok().map(BufReader::new));
        // The store is opened a moment after the first seed.
        let list = |calls: &mut _| call(calls, "GET", "/admin/tenants", "").contains("tenants\":");
        retried(|| list(&mut calls).then_some(()));
        let mut token = String::new();
        for number in 0..count {
            let name = format!("t{number}");
            let made =
                call(&mut calls, "POST", "/admin/tenants", &format!("{{\"name\":\"{name}\"}}"));
            made.split('"').rev().nth(1).expect("a token").clone_into(&mut token);
            call(&mut calls, "POST", &format!("/admin/tenants/{name}/limits"), LIMITS);
        }
        Self { server, token }
    }

    /// Requests of the last tenant.
    pub(crate) fn requests_a_second(&self) -> f64 {
        load::requests_a_second_with(&self.server.url("/random?bytes=32"), &self.token)
    }

    /// The memory it has now, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.server.resident_kib()
    }
}

/// The body of an answer over the operator's socket.
fn call(calls: &mut BufReader<UnixStream>, method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}");
    calls.get_mut().write_all(format!("{head}\r\n\r\n{body}").as_bytes()).expect("sent");
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        calls.read_line(&mut line).expect("a head");
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut bytes = vec![0; length];
    calls.read_exact(&mut bytes).expect("a body");
    String::from_utf8(bytes).expect("text")
}
