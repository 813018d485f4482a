//! A unix socket in front of the service's TCP port: it adds the administrator's token, and passes on
//! everything else as it is.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

pub(crate) struct Socket(PathBuf);

impl Socket {
    pub(crate) fn open(folder: &Path, to: SocketAddr, token: &str) -> Self {
        let path = folder.join("test.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let token = token.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, token) = (stream.expect("a connection"), token.clone());
                std::thread::spawn(move || pass(stream, to, &token));
            }
        });
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// Requests one after the other, until either side has enough.
fn pass(from: UnixStream, to: SocketAddr, token: &str) {
    let mut answers = from.try_clone().expect("a socket");
    let mut asked = BufReader::new(from);
    let mut service = TcpStream::connect(to).expect("the service listens");
    service.set_nodelay(true).expect("a TCP socket");
    let mut back = service.try_clone().expect("a socket");
    let done = std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut answers);
        let _ = answers.shutdown(Shutdown::Both);
    });
    while let Some((head, length)) = head(&mut asked, token) {
        let sent = service.write_all(head.as_bytes()).and_then(|()| {
            std::io::copy(&mut std::io::Read::take(&mut asked, length), &mut service)
        });
        if sent.is_err() {
            break;
        }
    }
    let _ = service.shutdown(Shutdown::Both);
    let _ = done.join();
}

/// The head of one request with the token in it, and the length of the body that follows.
fn head(asked: &mut impl BufRead, token: &str) -> Option<(String, u64)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if asked.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    assert!(!lower.contains("authorization"), "a token was shown to a socket: {head}");
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a number"));
    let end = head.len() - 2;
    head.insert_str(end, &format!("authorization: Bearer {token}\r\n"));
    Some((head, length))
}
