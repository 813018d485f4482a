//! A client that says exactly what it is told and reads exactly what comes.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than anything takes on a busy machine; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The one header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as a problem, whose status must be the response's.
    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        for member in ["type", "title", "detail"] {
            assert!(problem[member].is_string(), "{member} in {problem}");
        }
        problem
    }
}

/// A connection.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: BufReader<S>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a duration above zero");
        stream.set_nodelay(true).expect("a TCP socket");
        Self { stream: BufReader::new(stream) }
    }
}

impl<S: Read + Write> Client<S> {
    /// Sends these bytes.
    pub(crate) fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).expect("the server reads");
    }

    /// Sends a request and reads the answer.
    pub(crate) fn call(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        self.send(&format!("{text}\r\n"));
        self.read(method)
    }

    /// Reads the answer to a request of this method.
    pub(crate) fn read(&mut self, method: &str) -> Answer {
        let (status, headers) = self.read_head();
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length: u64 = match answer.header("content-length") {
            Some(length) => length.parse().expect("a number"),
            // RFC 9110 §8.6
            None if answer.status == 204 => 0,
            None => panic!("every answer has a length: {answer:?}"),
        };
        if method != "HEAD" {
            let read =
                (&mut self.stream).take(length).read_to_end(&mut answer.body).expect("a body");
            assert_eq!(read as u64, length, "the body is shorter than announced");
        }
        answer
    }

    /// Reads up to the body.
    pub(crate) fn read_head(&mut self) -> (u16, Vec<(String, String)>) {
        let mut lines = std::iter::repeat_with(|| {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a head");
            assert!(line.ends_with("\r\n"), "the head is cut short: {line:?}");
            line.trim_end().to_owned()
        });
        let first = lines.next().expect("endless");
        let status = first.split(' ').nth(1).expect("a status line").parse().expect("a status");
        let headers = lines
            .take_while(|line| !line.is_empty())
            .map(|line| {
                let (name, value) = line.split_once(": ").expect("a header");
                (name.to_ascii_lowercase(), value.to_owned())
            })
            .collect();
        (status, headers)
    }
}

/// One request on a connection of its own.
pub(crate) fn get(address: SocketAddr, target: &str) -> Answer {
    Client::connect(address).call("GET", target, &[])
}
