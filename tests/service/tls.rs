//! Over TLS: the same service, in both versions of HTTP.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::running::{PATIENCE, Running, run};
use crate::{TWO_KINDS, most_stalled_kib};

/// Certificates and tokens of one service, in a directory of their own.
pub(crate) struct Access {
    folder: tempfile::TempDir,
    pub(crate) token: String,
}

impl Access {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let mut access = Self { folder, token: String::new() };
        access.renew();
        access
    }

    /// Makes another certificate and another token.
    fn renew(&mut self) {
        let names = vec!["127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        fs::write(self.certificate(), made.cert.pem()).expect("written");
        fs::write(self.path("key.pem"), made.signing_key.serialize_pem()).expect("written");
        let token = run(&["token", "tester"]);
        fs::write(self.path("tokens"), &token.err).expect("written");
        fs::write(self.token_file(), &token.out).expect("written");
        token.out.trim().clone_into(&mut self.token);
    }

    pub(crate) fn start(&self) -> Running {
        self.start_with("")
    }

    /// Starts a service with more keys of `[http]`.
    pub(crate) fn start_with(&self, http: &str) -> Running {
        self.start_with_tables(http, "")
    }

    /// As `start_with`, with more tables.
    pub(crate) fn start_with_tables(&self, http: &str, tables: &str) -> Running {
        Running::start(&format!(
            "[http]\n{http}tls-certificate = '{}'\ntls-key = '{}'\ntokens = '{}'\n{tables}{TWO_KINDS}",
            self.certificate().display(),
            self.path("key.pem").display(),
            self.path("tokens").display()
        ))
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.path("certificate.pem")
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.path("token")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A client that trusts the certificate as it is now, and speaks this protocol.
    pub(crate) fn client(&self, protocol: &str) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(self.certificate()).expect("a certificate");
        roots.add(certificate).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Arc::new(config)
    }

    pub(crate) fn connect(&self, service: &Running) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let session = ClientConnection::new(self.client("http/1.1"), name).expect("a session");
        StreamOwned::new(session, service.connect())
    }

    /// A session for HTTP/2.
    pub(crate) async fn connect_http_2(
        &self,
        service: &Running,
    ) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        let socket = tokio::net::TcpStream::connect(service.address()).await.expect("a connection");
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let tls = tokio_rustls::TlsConnector::from(self.client("h2"));
        tls.connect(name, socket).await.expect("a session")
    }

    fn ask(&self, path: &str, more: &str) -> String {
        format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n{more}\r\n",
            self.token
        )
    }
}

/// Sends a request that ends the connection; gives the status line.
fn status_line(mut connection: impl Read + Write, ask: &str) -> std::io::Result<String> {
    connection.write_all(ask.as_bytes())?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

const CLOSE: &str = "connection: close\r\n";

#[test]
fn the_command_line_speaks_tls_and_shows_its_token() {
    let access = Access::new();
    let service = access.start();
    let url = service.url().replace("http:", "https:");
    let text = |path: &Path| path.to_str().expect("a path").to_owned();
    let (ca, token) = (text(&access.certificate()), text(&access.token_file()));
    let with_both = ["--url", &url, "--ca-file", &ca, "--token-file", &token];
    let hex = run(&[&["random", "16", "--format", "hex"], with_both.as_slice()].concat());
    assert_eq!((hex.code, hex.out.trim_end().len()), (0, 32), "{}", hex.err);
    let status = run(&[&["status", "--json"], with_both.as_slice()].concat());
    assert!(status.out.contains("\"tls\":true"), "{}", status.out);
    // As some editors write the files.
    let marked = |name: &str, file: &str| {
        let path = access.certificate().with_file_name(name);
        let content = format!("\u{feff}{}", fs::read_to_string(file).expect("there"));
        fs::write(&path, content).expect("written");
        text(&path)
    };
    let (marked_ca, marked_token) = (marked("marked.pem", &ca), marked("marked", &token));
    let with_marks = ["--url", &url, "--ca-file", &marked_ca, "--token-file", &marked_token];
    let hex = run(&[&["random", "16", "--format", "hex"], with_marks.as_slice()].concat());
    assert_eq!((hex.code, hex.out.trim_end().len()), (0, 32), "{}", hex.err);
    let no_token = run(&["random", "16", "--url", &url, "--ca-file", &ca]);
    assert!(no_token.code != 0 && no_token.err.contains("401"), "{}", no_token.err);
    let no_authority = run(&["random", "16", "--url", &url, "--token-file", &token]);
    assert_eq!(no_authority.code, 69, "{}", no_authority.err);
}

#[test]
fn a_reload_takes_new_certificates_and_tokens_and_drops_no_connection() {
    let mut access = Access::new();
    let service = access.start();
    let mut old = access.connect(&service);
    let old_ask = access.ask("/random", CLOSE);
    // The handshake is done before the reload.
    old.write_all(access.ask("/health/live", "").as_bytes()).expect("sent");
    let mut some = [0; 12];
    old.read_exact(&mut some).expect("an answer");
    assert_eq!(&some, b"HTTP/1.1 200");

    access.renew();
    service.signal(Signal::HUP);
    service.wait_for_log("reloaded certificates and tokens");
    let fresh = status_line(access.connect(&service), &access.ask("/random", CLOSE));
    assert_eq!(fresh.expect("the new certificate is shown"), "HTTP/1.1 200 OK");
    let revoked = status_line(access.connect(&service), &old_ask);
    assert_eq!(revoked.expect("an answer"), "HTTP/1.1 401 Unauthorized");
    old.write_all(access.ask("/random", CLOSE).as_bytes()).expect("the old connection lives");
    let mut rest = Vec::new();
    old.read_to_end(&mut rest).expect("an answer");
    assert!(String::from_utf8_lossy(&rest).contains("HTTP/1.1 200 OK"));
}

#[test]
fn clients_that_never_read_cost_no_memory_over_tls_either() {
    let access = Access::new();
    let service = access.start();
    let without = service.peak_memory_kib();
    let mut stalled = Vec::new();
    for _ in 0..50 {
        let mut connection = access.connect(&service);
        let ask = access.ask("/random?bytes=1073741824", "");
        connection.write_all(ask.as_bytes()).expect("sent");
        connection.read_exact(&mut [0; 1000]).expect("it has begun");
        stalled.push(connection);
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let answers = runtime.block_on(many_streams(&access, &service));
    assert_eq!(answers.len(), 100);
    service.wait_until_idle();
    let fresh = status_line(access.connect(&service), &access.ask("/random", CLOSE));
    assert_eq!(fresh.expect("others are served"), "HTTP/1.1 200 OK");
    let peak = service.peak_memory_kib();
    let most = most_stalled_kib(without, 150);
    assert!(peak < most, "{peak} of {most} KiB for 150 stalled gigabytes");
}

#[test]
fn strangers_cannot_fill_the_log() {
    let access = Access::new();
    let service = access.start();
    // A warning: no_renegotiation (RFC 5246 §7.2), a log line of the TLS library for each.
    let alert = [0x15, 3, 3, 0, 2, 1, 100];
    for _ in 0..200 {
        let mut stranger = service.connect();
        stranger.write_all(&alert).expect("sent");
        stranger.shutdown(std::net::Shutdown::Write).expect("half closed");
        // It is disconnected.
        let _ = stranger.read_to_end(&mut Vec::new());
    }
    let lines = service.log().lines().filter(|line| line.contains("TLS alert")).count();
    assert!((1..10).contains(&lines), "{lines} lines: {}", service.log());
    let mut status = access.connect(&service);
    status.write_all(access.ask("/status", CLOSE).as_bytes()).expect("sent");
    let mut answer = Vec::new();
    status.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer);
    let count = answer.split("\"log_lines_suppressed\":").nth(1).expect("the count");
    let count: u64 = count.split(',').next().expect("a number").parse().expect("a number");
    assert!(count >= 150, "{count}");
}

#[test]
fn a_client_that_only_pings_is_idle() {
    let access = Access::new();
    let service = access.start_with("idle-timeout = \"1s\"\n");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ended = runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(service.address()).await.expect("a connection");
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let tls = tokio_rustls::TlsConnector::from(access.client("h2"));
        let socket = tls.connect(name, socket).await.expect("a session");
        let (_requests, mut connection) = h2::client::handshake::<_>(socket).await.expect("HTTP/2");
        let mut pings = connection.ping_pong().expect("not taken yet");
        tokio::spawn(async move { drop(connection.await) });
        let ping = async { while pings.ping(h2::Ping::opaque()).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, ping).await
    });
    assert!(ended.is_ok(), "it is still connected");
}

impl Access {
    /// Opens a connection of HTTP/2.
    pub(crate) async fn http2(
        &self,
        service: &Running,
    ) -> (h2::client::SendRequest<bytes::Bytes>, tokio::task::JoinHandle<()>) {
        let socket = tokio::net::TcpStream::connect(service.address()).await.expect("a connection");
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let tls = tokio_rustls::TlsConnector::from(self.client("h2"));
        let socket = tls.connect(name, socket).await.expect("a session");
        let (requests, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
        // Its end is seen by the requests.
        let driver = tokio::spawn(async move { drop(connection.await) });
        (requests, driver)
    }
}

/// Asks for a gigabyte a hundred times over one HTTP/2 connection, and reads no more once it has all
/// heads, though it promised to.
async fn many_streams(access: &Access, service: &Running) -> Vec<h2::RecvStream> {
    let socket = access.connect_http_2(service).await;
    let mut client = h2::client::Builder::new();
    client.initial_window_size(1 << 30).initial_connection_window_size(1 << 30);
    let (mut requests, connection) =
        client.handshake::<_, bytes::Bytes>(socket).await.expect("HTTP/2");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut connection = connection;
        tokio::select! {
            ended = &mut connection => ended.expect("the service keeps the connection"),
            _ = stopped => {}
        }
        // Still open, but nobody reads.
        std::future::pending::<()>().await;
    });
    let mut answers = Vec::new();
    for _ in 0..100 {
        let request = hyper::Request::get("https://127.0.0.1/random?bytes=1073741824")
            .header("authorization", format!("Bearer {}", access.token))
            .body(())
            .expect("a request");
        requests = requests.ready().await.expect("room for a stream");
        let (answer, _) = requests.send_request(request, true).expect("sent");
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status(), 200, "an authority is as good as a Host");
        answers.push(answer.into_body());
    }
    stop.send(()).expect("the connection is still there");
    answers
}

#[test]
fn a_head_over_http_2_has_the_length_and_no_body() {
    let access = Access::new();
    let service = access.start();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for path in ["/health/ready", "/status", "/random?bytes=8", "/random?bytes=100000", "/nothing"]
    {
        let (status, length, ended) = runtime.block_on(head(&access, &service, path));
        let is_there = path != "/nothing";
        assert_eq!(status, if is_there { 200 } else { 404 }, "{path}");
        assert!(length.is_some_and(|length| length > 0) && ended, "{path}: {length:?}, {ended}");
    }
}

/// Status and length of an answer to HEAD, and whether it ends with its headers.
async fn head(access: &Access, service: &Running, path: &str) -> (u16, Option<u64>, bool) {
    let socket = tokio::net::TcpStream::connect(service.address()).await.expect("a connection");
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let tls = tokio_rustls::TlsConnector::from(access.client("h2"));
    let socket = tls.connect(name, socket).await.expect("a session");
    let (requests, connection) = h2::client::handshake::<_>(socket).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let request = hyper::Request::head(format!("https://127.0.0.1{path}"))
        .header("authorization", format!("Bearer {}", access.token))
        .body(())
        .expect("a request");
    let mut requests = requests.ready().await.expect("room for a stream");
    let (answer, _) = requests.send_request(request, true).expect("sent");
    let answer = answer.await.expect("an answer");
    let length =
        answer.headers().get("content-length").and_then(|it| it.to_str().ok()?.parse().ok());
    let ended = answer.body().is_end_stream();
    connection.abort();
    (answer.status().as_u16(), length, ended)
}
