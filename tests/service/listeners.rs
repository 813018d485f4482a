//! Several listeners: each serves its tenants and interfaces, over TCP, TLS or a unix socket, on its device.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, Socket, Type};

use crate::TWO_KINDS;
use crate::running::{Answer, NAMESPACES, PATIENCE, Running, ended, get, lavawall, run};

const CONFIGURATION: i32 = 78;
const REFUSED: i32 = 77;

/// Asks over any connection.
fn ask(mut stream: impl Read + Write, path: &str, headers: &[&str]) -> Answer {
    let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    write!(stream, "GET {path} HTTP/1.1\r\nconnection: close\r\n{more}\r\n").expect("sent");
    Answer::read(stream)
}

/// Asks a listener of the service, by its number; that of `http.listen` is 0.
fn ask_at(service: &Running, number: usize, path: &str, token: Option<&str>) -> Answer {
    let token = token.map(|token| format!("authorization: Bearer {token}"));
    let mut headers = vec!["host: localhost"];
    headers.extend(token.as_deref());
    ask(connect(service, number), path, &headers)
}

fn connect(service: &Running, number: usize) -> TcpStream {
    let stream = TcpStream::connect(&service.addresses()[number]).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn create(service: &Running, name: &str) -> String {
    service.done(&["tenant", "create", name], "").trim().to_owned()
}

fn metrics(service: &Running) -> String {
    let token = fs::read_to_string(service.token_file()).expect("a token");
    let token = format!("Bearer {}", token.trim());
    service.get_with("/metrics", &[("authorization", &token)]).text()
}

#[test]
fn a_listener_serves_its_interfaces_and_nothing_else_is_there() {
    let service = Running::start(&format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\nserves = [\"random\"]\n\
         [[listen]]\naddress = \"[::1]:0\"\nserves = [\"kv\", \"pages\"]\n{TWO_KINDS}"
    ));
    let verify = "/client/v4/user/tokens/verify";
    for (path, statuses) in [
        ("/random?bytes=8", [200, 200, 404]),
        ("/random/uuids", [200, 200, 404]),
        ("/status", [200, 404, 404]),
        ("/metrics", [200, 404, 404]),
        ("/nothing", [404, 404, 404]),
        ("/openapi.json", [200, 404, 200]),
        ("/", [200, 404, 200]),
        (verify, [401, 404, 401]),
        (NAMESPACES, [401, 404, 401]),
        ("/admin/keyring", [404, 404, 404]),
        ("/health/live", [200, 200, 200]),
        ("/tenants/me/usage", [401, 401, 401]),
    ] {
        service.token_file();
        let of = |number| ask_at(&service, number, path, None).status;
        assert_eq!([of(0), of(1), of(2)], statuses, "{path}");
        // No credentials are looked at.
        for number in [1, 2].into_iter().filter(|number| statuses[*number] == 404) {
            assert_eq!(ask_at(&service, number, path, Some("wrong")).status, 404, "{path}");
        }
    }
    let log = service.log();
    assert!(log.contains(", serving kv, pages"), "{log}");
}

#[test]
fn a_token_on_the_listener_of_another_tenant_is_refused_like_an_unknown_one_and_counted() {
    let service = Running::start(&format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\ntenants = [\"red\", \"both\"]\n\
         [[listen]]\naddress = \"127.0.0.1:0\"\ntenants = [\"blue\", \"both\"]\n{TWO_KINDS}"
    ));
    let (red, blue) = (create(&service, "red"), create(&service, "blue"));
    let both = create(&service, "both");
    let status = |number, token: &str| ask_at(&service, number, "/random", Some(token)).status;
    for (token, statuses) in [
        (&red, [200, 200, 401]),
        (&blue, [200, 401, 200]),
        (&both, [200, 200, 200]),
        (&"unknown".to_owned(), [401, 401, 401]),
    ] {
        assert_eq!([status(0, token), status(1, token), status(2, token)], statuses);
    }
    // The operator's token is one of a tenant, too, and is not named.
    let admin = fs::read_to_string(service.token_file()).expect("a token");
    assert_eq!(status(1, admin.trim()), 401);
    for path in ["/random", "/status", "/client/v4/user/tokens/verify"] {
        let answers = [Some("unknown"), Some(red.as_str())].map(|token| {
            let answer = ask_at(&service, 2, path, token);
            (answer.status, answer.body)
        });
        assert_eq!(answers[0], answers[1], "{path}");
        assert_eq!(ask_at(&service, 2, path, None).status, 401, "{path}: it names tenants");
    }
    let text = metrics(&service);
    let refused = |listener: &str, count: u64| {
        let line =
            format!("lavawall_listener_foreign_tokens_total{{listener=\"{listener}\"}} {count}\n");
        assert!(text.contains(&line), "{line} in {text}");
    };
    refused("listen[0]", 2);
    refused("listen[1]", 4);
    let shown = ask_at(&service, 0, "/metrics", None).text();
    assert!(!shown.contains("listener"), "tenants are not told: {shown}");
}

#[test]
fn a_unix_socket_serves_callers_of_its_group_and_no_operator() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("random.sock");
    drop(UnixListener::bind(&path).expect("the socket of a dead service"));
    let configuration = format!(
        "[[listen]]\naddress = \"unix:{}\"\nmode = \"0660\"\ngroup = \"{}\"\n{TWO_KINDS}",
        path.display(),
        rustix::process::getegid().as_raw()
    );
    let mut service = Running::start(&configuration);
    assert_eq!(service.addresses()[1], format!("unix:{}", path.display()));
    let mode = path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    let connect = || UnixStream::connect(&path).expect("a connection");
    for host in ["localhost", "random.example", "unix"] {
        let answer = ask(connect(), "/random?bytes=32", &[&format!("host: {host}")]);
        assert_eq!((answer.status, answer.body.len()), (200, 32), "{host}");
    }
    service.token_file();
    assert_eq!(ask(connect(), "/admin/keyring", &["host: x"]).status, 404);
    assert_eq!(ask(connect(), NAMESPACES, &["host: x"]).status, 401);
    let foreign = ["host: x", "origin: https://evil.example"];
    assert_eq!(ask(connect(), "/random", &foreign).status, 403, "a proxy passes it on");
    // The command line speaks to it as to any other.
    let url = format!("unix:{}", path.display());
    let hex = run(&["random", "16", "--format", "hex", "--url", &url]);
    assert_eq!((hex.code, hex.out.trim_end().len()), (0, 32), "{}", hex.err);
    // Another service takes it from no living one.
    let other = service.folder().join("other.toml");
    fs::write(&other, &configuration).expect("written");
    let state = folder.path().join("state");
    let mut second = Command::new(lavawall());
    second.args(["check", "--listen", "127.0.0.1:0", "--config"]).arg(&other);
    let refused = ended(second.arg("--state-dir").arg(&state));
    assert_eq!(refused.code, REFUSED, "{}", refused.err);
    for part in ["listen[0].address: cannot listen on unix:", "another program listens on it"] {
        assert!(refused.err.contains(part), "{}", refused.err);
    }
    assert_eq!(ask(connect(), "/random", &["host: x"]).status, 200);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    assert!(!path.exists(), "it is removed at the end");
    fs::write(&path, "a file of someone").expect("written");
    let mut third = Command::new(lavawall());
    third.args(["check", "--listen", "127.0.0.1:0", "--config"]).arg(&other);
    let refused = ended(third.arg("--state-dir").arg(&state));
    assert!(refused.err.contains("it exists and is no socket"), "{}", refused.err);
    assert_eq!(fs::read_to_string(&path).expect("kept"), "a file of someone");
}

#[test]
fn a_check_removes_the_socket_that_it_tried() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("random.sock");
    let checked =
        check(folder.path(), &format!("[[listen]]\naddress = \"unix:{}\"\n", path.display()));
    assert_eq!(checked.0, 0, "{}", checked.1);
    assert!(!path.exists());
}

/// Exit code and errors of `lavawall check` with this configuration.
fn check(folder: &Path, configuration: &str) -> (i32, String) {
    let file = folder.join("lavawall.toml");
    fs::write(&file, format!("{configuration}{TWO_KINDS}")).expect("written");
    let mut command = Command::new(lavawall());
    command.args(["check", "--config"]).arg(&file);
    let output = ended(command.arg("--state-dir").arg(folder.join("state")));
    (output.code, output.err)
}

#[test]
fn a_wrong_listener_is_refused_with_its_key() {
    let folder = tempfile::tempdir().expect("a directory");
    let first = "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\n";
    for (second, said) in [
        ("", "lavawall.toml:3: listen[1]: missing field `address`"),
        ("address = \"random.example:80\"", ":4: listen[1].address: must be an IP address"),
        ("address = \"unix:random.sock\"", ":4: listen[1].address: must be unix: and an absolute"),
        ("address = \"10.1.0.1:80\"", ":4: listen[1].address: is reachable from other machines"),
        ("address = \"0.0.0.0:80\"\ntenants = [\"a\"]", "listen[1].address: is reachable"),
        (
            "address = \"127.0.0.1:0\"\nserves = [\"rendom\"]",
            ":5: listen[1].serves: must be some of random, kv, status, pages (got \"rendom\")",
        ),
        ("address = \"127.0.0.1:0\"\nserve = [\"random\"]", "listen[1].serve: unknown field"),
        ("address = \"127.0.0.1:0\"\ntenants = []", ":5: listen[1].tenants: must name a tenant"),
        ("address = \"127.0.0.1:0\"\ntls-key = \"k\"", ":5: listen[1].tls-key: needs a tls-cert"),
        ("address = \"127.0.0.1:0\"\nmode = \"0660\"", ":5: listen[1].mode: is of a unix socket"),
        ("address = \"unix:/tmp/x\"\nmode = \"0999\"", ":5: listen[1].mode: must be three octal"),
        ("address = \"unix:/tmp/x\"\ndevice = \"lo\"", ":5: listen[1].device: is not of a unix"),
        (
            "address = \"127.0.0.1:0\"\ndevice = \"a-long-interface\"",
            ":5: listen[1].device: must be",
        ),
        (
            "address = \"127.0.0.1:1\"\n[[listen]]\naddress = \"127.0.0.1:1\"",
            ":6: listen[2].address: is that of listen[1] too",
        ),
        (
            "address = \"127.0.0.1:0\"\ndevice = \"no-such-device\"",
            "listen[1].device = \"no-such-device\": No such device",
        ),
        (
            "address = \"unix:/tmp/lavawall-no-group.sock\"\ngroup = \"no-such-group\"",
            "listen[1].group = \"no-such-group\": is not in /etc/group",
        ),
    ] {
        let (code, error) = check(folder.path(), &format!("{first}{second}\n"));
        assert_eq!(code, CONFIGURATION, "{second}: {error}");
        assert!(error.contains(said), "{said} in {error}");
    }
    // An address that this machine does not have.
    let elsewhere = "[[listen]]\naddress = \"192.0.2.1:8080\"\n\
                     beyond-loopback-without-tls-or-tokens = true\n";
    let (code, error) = check(folder.path(), elsewhere);
    assert_eq!(code, REFUSED, "{error}");
    assert!(error.contains("listen[0].address: cannot listen on 192.0.2.1:8080"), "{error}");
}

#[test]
fn listeners_take_the_place_of_the_default_and_stand_beside_one_that_is_given() {
    let folder = tempfile::tempdir().expect("a directory");
    let alone = "[[listen]]\naddress = \"127.0.0.1:0\"\n[http]\n";
    let with_certificate = format!("{alone}tls-certificate = \"c\"\ntls-key = \"k\"\n");
    let (code, error) = check(folder.path(), &with_certificate);
    assert_eq!(code, CONFIGURATION, "{error}");
    assert!(error.contains("http.tls-certificate: is of http.listen, which is not"), "{error}");
    // The default's port is free, or another's: it is not asked for.
    let (code, error) = check(folder.path(), alone);
    assert_eq!(code, 0, "{error}");
    let service = Running::start(&format!("{alone}{TWO_KINDS}"));
    assert_eq!(service.addresses().len(), 2, "--listen is one more");
    for number in [0, 1] {
        assert_eq!(ask_at(&service, number, "/random", None).status, 200);
    }
}

/// A certificate for 127.0.0.1 in a folder, and a connection that trusts it.
fn certify(folder: &Path) -> String {
    let names = vec!["127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    fs::write(folder.join("cert.pem"), made.cert.pem()).expect("written");
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    made.cert.pem()
}

fn tls(
    service: &Running,
    number: usize,
    certificate: &str,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let certificate = rustls::pki_types::CertificateDer::from_pem_slice(certificate.as_bytes());
    roots.add(certificate.expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    StreamOwned::new(session, connect(service, number))
}

#[test]
fn each_listener_has_a_certificate_of_its_own_that_is_reloaded() {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let mut certificates = folders.each_ref().map(|folder| certify(folder.path()));
    let tables = folders.each_ref().map(|folder| {
        let path = folder.path().display();
        format!(
            "[[listen]]\naddress = \"127.0.0.1:0\"\ntls-certificate = \"{path}/cert.pem\"\n\
             tls-key = \"{path}/key.pem\"\n"
        )
    });
    let service = Running::start(&format!("{}{}{TWO_KINDS}", tables[0], tables[1]));
    let over = |number: usize, certificate: &str| {
        let mut stream = tls(&service, number, certificate);
        let request = b"GET /random HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).map(|()| {
            let mut answer = Vec::new();
            // A session may end without a notice.
            let _ = stream.read_to_end(&mut answer);
            answer.starts_with(b"HTTP/1.1 200")
        })
    };
    assert!(over(1, &certificates[0]).expect("trusted") && over(2, &certificates[1]).expect("too"));
    over(1, &certificates[1]).expect_err("the certificate of the other");
    assert_eq!(get(&service, "/random").status, 200, "http.listen is in the clear");
    certificates[1] = certify(folders[1].path());
    service.signal(Signal::HUP);
    service.wait_until("it is not reloaded", |_| over(2, &certificates[1]).is_ok());
    assert!(over(1, &certificates[0]).expect("unchanged"));
    // A bad one changes neither.
    certify(folders[0].path());
    fs::write(folders[1].path().join("key.pem"), "no key").expect("written");
    service.signal(Signal::HUP);
    service.wait_for_log("the old certificates and tokens stay");
    for number in [1, 2] {
        assert!(over(number, &certificates[number - 1]).expect("the old one"));
    }
}

#[test]
fn connections_of_all_listeners_together_are_limited() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("random.sock");
    let service = Running::start(&format!(
        "[http]\nmax-connections = 3\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
         [[listen]]\naddress = \"unix:{}\"\n{TWO_KINDS}",
        path.display()
    ));
    let live = "GET /health/live HTTP/1.1\r\nhost: x.localhost\r\n\r\n";
    let mut open: Vec<Box<dyn Connection>> = vec![
        Box::new(connect(&service, 0)),
        Box::new(connect(&service, 1)),
        Box::new(UnixStream::connect(&path).expect("a connection")),
    ];
    for stream in &mut open {
        stream.write_all(live.as_bytes()).expect("sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    for number in [0, 1] {
        let refused = ask_at(&service, number, "/health/live", None);
        assert_eq!(refused.status, 503, "{number}");
    }
    let local = UnixStream::connect(&path).expect("a connection");
    assert_eq!(ask(local, "/health/live", &["host: x"]).status, 503);
}

trait Connection: Read + Write {}
impl<C: Read + Write> Connection for C {}

#[test]
fn one_address_on_two_devices_is_two_listeners() {
    // Two devices with one address, in a network namespace of the service's own.
    let script = "set -e; ip link set lo up; for it in red blue; do ip link add $it type veth peer name \
                  $it-far; ip addr add 10.1.0.1/24 dev $it; ip link set $it up; ip link set $it-far up; \
                  done; exec \"$@\"";
    let can = Command::new("unshare").args(["-Urn", "sh", "-c", script, "sh", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        // Needs a user namespace and veth; the lab of virtual machines has both.
        return;
    }
    let listener = |device: &str, interface: &str| {
        format!(
            "[[listen]]\naddress = \"10.1.0.1:8080\"\ndevice = \"{device}\"\nserves = [\"{interface}\"]\n\
             beyond-loopback-without-tls-or-tokens = true\n"
        )
    };
    let service = Running::start_with(
        &format!("{}{}{TWO_KINDS}", listener("red", "random"), listener("blue", "status")),
        |_| {
            let mut command = Command::new("unshare");
            command.args(["-Urn", "sh", "-c", script, "sh"]).arg(lavawall());
            command
        },
    );
    let log = service.log();
    assert!(log.contains("10.1.0.1:8080 on device blue, serving status"), "{log}");
    for (device, path, status) in [
        ("red", "/random?bytes=8&format=hex", "HTTP/1.1 200"),
        ("blue", "/random?bytes=8&format=hex", "HTTP/1.1 404"),
        ("red", "/status", "HTTP/1.1 404"),
        ("blue", "/status", "HTTP/1.1 200"),
    ] {
        let answer = ask_over_device(&service, device, path);
        assert!(answer.contains(status), "{device} {path}: {answer}");
    }
}

/// Variables for [`client_on_a_device`].
const DEVICE: &str = "TEST_DEVICE";
const DEVICE_PATH: &str = "TEST_DEVICE_PATH";

/// Asks 10.1.0.1:8080 over a device in the network namespace of the service: this program runs there, as
/// its own client.
fn ask_over_device(service: &Running, device: &str, path: &str) -> String {
    let pid = service.pid().as_raw_nonzero().to_string();
    let mut command = Command::new("nsenter");
    command.args(["--preserve-credentials", "-U", "-n", "-t", &pid]);
    command.arg(std::env::current_exe().expect("this program"));
    command.args(["listeners::client_on_a_device", "--exact", "--ignored", "--nocapture"]);
    let output = command.env(DEVICE, device).env(DEVICE_PATH, path).output().expect("nsenter");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "the client of another test, in a network namespace"]
fn client_on_a_device() {
    let (Ok(device), Ok(path)) = (std::env::var(DEVICE), std::env::var(DEVICE_PATH)) else {
        return;
    };
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind_device(Some(device.as_bytes())).expect("bound");
    let address: std::net::SocketAddr = "10.1.0.1:8080".parse().expect("an address");
    socket.connect(&address.into()).expect("a connection");
    let answer = ask(TcpStream::from(socket), &path, &["host: localhost"]);
    // Not through the test's own macros: the parent reads it.
    writeln!(std::io::stdout(), "{}", answer.headers.to_uppercase()).expect("written");
}

#[test]
fn a_device_is_where_a_listener_is_reached() {
    // Every machine has this one, and no permission is needed.
    let service = Running::start(&format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\ndevice = \"lo\"\n{TWO_KINDS}"
    ));
    assert_eq!(ask_at(&service, 1, "/random", None).status, 200);
    assert!(service.log().contains(" on device lo"), "{}", service.log());
    // The socket that looks whether the address is taken is bound to the device, too: another device has
    // it free.
    let taken = &service.addresses()[1];
    let folder = tempfile::tempdir().expect("a directory");
    let table = format!("[[listen]]\naddress = \"{taken}\"\ndevice = \"lo\"\n");
    let (code, error) = check(folder.path(), &table);
    assert_eq!(code, REFUSED, "{error}");
    assert!(error.contains(&format!("listen[0].address: cannot listen on {taken}")), "{error}");
}
