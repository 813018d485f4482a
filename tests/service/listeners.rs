//! Several listeners: each serves its tenants and interfaces, over TCP, TLS or a unix socket, on its device.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, Socket, Type};

use crate::TWO_KINDS;
use crate::aws_kms::{AccessKey, Sent};
use crate::running::{Answer, NAMESPACES, PATIENCE, Running, ended, get, lavawall, run};

const CONFIGURATION: i32 = 78;
const REFUSED: i32 = 77;

/// Starts the service and waits for its first seed, and for the administrator's token.
fn start(configuration: &str) -> Running {
    seeded(Running::start(configuration))
}

fn seeded(service: Running) -> Running {
    service.wait_until("there is no seed", |it| get(it, "/health/ready").status == 200);
    service.wait_until("there are no tokens", |it| get(it, NAMESPACES).status == 401);
    service
}

/// Asks over any connection.
fn ask(mut stream: impl Read + Write, path: &str, headers: &[&str]) -> Answer {
    let more: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
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
    let service = start(&format!(
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
fn no_listener_takes_the_place_of_the_operators_socket_or_of_a_file_of_the_state() {
    let folder = tempfile::tempdir().expect("a directory");
    let state = folder.path().join("state");
    let operators = folder.path().join("operator.sock");
    for (table, key, more) in
        [("listen", "address", ""), ("egd", "listen", ""), ("kms", "listen", "key = 'k'\n")]
    {
        for place in [&operators, &state.join("store"), &state.join("admin.sock")] {
            let configuration = folder.path().join("lavawall.toml");
            let text = format!(
                "state-dir = '{}'\nadmin-socket = '{}'\n[[{table}]]\n{key} = 'unix:{}'\n{more}",
                state.display(),
                operators.display(),
                place.display()
            );
            fs::write(&configuration, text).expect("written");
            for verb in ["serve", "check"] {
                let mut command = Command::new(lavawall());
                let refused = ended(command.arg(verb).arg("--config").arg(&configuration));
                assert_eq!(refused.code, CONFIGURATION, "{verb}: {}", refused.err);
                let named = format!("{table}[0].{key} = \"unix:{}\"", place.display());
                assert!(refused.err.contains(&named), "{named}: {}", refused.err);
            }
        }
    }
}

#[test]
fn a_token_on_the_listener_of_another_tenant_is_refused_like_an_unknown_one_and_counted() {
    let service = start(&format!(
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
    let mut service = start(&configuration);
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
    fs::write(&file, format!("{configuration}{TWO_KINDS}[pool]\nquorum = 1\n")).expect("written");
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
            ":5: listen[1].serves: must be some of random, seed, kv, vault, aws, pollen, status, pages (got \"rendom\")",
        ),
        ("address = \"127.0.0.1:0\"\nserve = [\"random\"]", "listen[1].serve: unknown field"),
        ("address = \"127.0.0.1:0\"\ntenants = []", ":5: listen[1].tenants: must name a tenant"),
        ("address = \"127.0.0.1:0\"\ntls-key = \"k\"", ":5: listen[1].tls-key: needs a tls-cert"),
        (
            "address = \"127.0.0.1:0\"\nclient-ca = \"c\"",
            ":5: listen[1].client-ca: needs a tls-cert",
        ),
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
        (
            "address = \"127.0.0.1:0\"\ntls-certificate = \"/no/c.pem\"\ntls-key = \"/no/k.pem\"",
            "listen[1].tls-certificate = /no/c.pem: No such file",
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
    let service = start(&format!("{alone}{TWO_KINDS}"));
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
    tls_of(service, number, certificate, None)
}

/// As [`tls`], of a client with a certificate of its own.
fn tls_of(
    service: &Running,
    number: usize,
    certificate: &str,
    client: Option<&Client>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes());
    roots.add(certificate.expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(Client { certificate, key }) => {
            let chain = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
            builder.with_client_auth_cert(vec![chain], key).expect("a client")
        }
    };
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
    let service = start(&format!("{}{}{TWO_KINDS}", tables[0], tables[1]));
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
    let service = start(&format!(
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
    let configuration =
        format!("{}{}{TWO_KINDS}", listener("red", "random"), listener("blue", "status"));
    let service = Running::start_with(&configuration, |_| {
        let mut command = Command::new("unshare");
        command.args(["-Urn", "sh", "-c", script, "sh"]).arg(lavawall());
        command
    });
    let log = service.log();
    assert!(log.contains("10.1.0.1:8080 on device blue, serving status"), "{log}");
    for (device, path, status) in [
        ("red", "/random?bytes=8&format=hex", "HTTP/1.1 200"),
        ("blue", "/random?bytes=8&format=hex", "HTTP/1.1 404"),
        ("red", "/status", "HTTP/1.1 404"),
        ("blue", "/status", "HTTP/1.1 200"),
    ] {
        let mut answer = ask_over_device(&service, device, path);
        while answer.contains("HTTP/1.1 503") {
            answer = ask_over_device(&service, device, path);
        }
        assert!(answer.contains(status), "{device} {path}: {answer}");
    }
    // A device that is deleted takes no other listener with it.
    let deleted = inside(&service).args(["ip", "link", "del", "red"]).status();
    assert!(deleted.expect("nsenter").success());
    assert!(ask_over_device(&service, "blue", "/status").contains("HTTP/1.1 200"));
}

/// Variables for [`client_on_a_device`].
const DEVICE: &str = "TEST_DEVICE";
const DEVICE_PATH: &str = "TEST_DEVICE_PATH";

/// A command in the network namespace of the service, without its own name and arguments.
fn inside(service: &Running) -> Command {
    let pid = service.pid().as_raw_nonzero().to_string();
    let mut command = Command::new("nsenter");
    command.args(["--preserve-credentials", "-U", "-n", "-t", &pid]);
    command
}

/// Asks 10.1.0.1:8080 over a device in the network namespace of the service: this program runs there, as
/// its own client.
fn ask_over_device(service: &Running, device: &str, path: &str) -> String {
    let mut command = inside(service);
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
    let service =
        start(&format!("[[listen]]\naddress = \"127.0.0.1:0\"\ndevice = \"lo\"\n{TWO_KINDS}"));
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

/// An authority, and certificates of clients that it has issued.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).expect("a certificate").pem();
        Self { issuer: rcgen::Issuer::new(parameters, key), pem }
    }

    /// A client with these DNS names and this common name.
    fn client(&self, names: &[&str], common_name: &str) -> Client {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = rcgen::CertificateParams::new(names).expect("parameters");
        parameters.distinguished_name.push(rcgen::DnType::CommonName, common_name);
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        Client { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

struct Client {
    certificate: String,
    key: String,
}

#[test]
fn a_client_certificate_says_which_tenant_calls() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = certify(folder.path());
    let (ours, other) = (Authority::new(), Authority::new());
    fs::write(folder.path().join("ca.pem"), &ours.pem).expect("written");
    let path = folder.path().display();
    let table = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\ntls-certificate = \"{path}/cert.pem\"\n\
         tls-key = \"{path}/key.pem\"\nclient-ca = \"{path}/ca.pem\"\n"
    );
    let named = "tenants = [\"red\"]\n";
    let service = start(&format!("{table}{table}{named}{TWO_KINDS}"));
    assert!(service.log().contains(" with client certificates"), "{}", service.log());
    let (red, blue) = (create(&service, "red"), create(&service, "blue"));
    let call = |number: usize, client: Option<&Client>, path: &str, token: Option<&str>| {
        let stream = tls_of(&service, number, &server, client);
        let token = token.map(|token| format!("authorization: Bearer {token}"));
        let mut headers = vec!["host: localhost"];
        headers.extend(token.as_deref());
        status_over(stream, path, &headers)
    };
    let certificate = ours.client(&["red"], "blue");
    // By the DNS name, not the common name, and as that tenant: it may not read the status.
    assert_eq!(call(1, Some(&certificate), "/random", None), Some(200));
    assert_eq!(call(1, Some(&certificate), "/status", None), Some(403));
    assert_eq!(call(1, Some(&certificate), "/random", Some(&red)), Some(200));
    for token in [blue.as_str(), "unknown"] {
        assert_eq!(call(1, Some(&certificate), "/random", Some(token)), Some(401), "{token}");
    }
    let usage = service.done(&["tenant", "usage", "red", "--json"], "");
    assert!(usage.contains("\"requests\":3"), "{usage}");
    // So it is for requests that are signed with an access key.
    let [of_red, of_blue] = ["red", "blue"].map(|tenant| AccessKey::of(&service, tenant));
    let signed = |key: &AccessKey| {
        let stream = tls_of(&service, 1, &server, Some(&certificate));
        Sent::new("ListKeys", &serde_json::json!({})).over(stream, key).status
    };
    assert_eq!([signed(&of_red), signed(&of_blue)], [200, 400]);
    for (names, common_name) in
        [(&["green"][..], "red"), (&[], "red"), (&["red", "blue"], "red"), (&["*.red"], "red")]
    {
        let stranger = ours.client(names, common_name);
        assert_eq!(call(1, Some(&stranger), "/random", None), Some(401), "{names:?}");
        assert_eq!(call(1, Some(&stranger), "/random", Some(&red)), Some(401), "{names:?}");
        assert_eq!(call(1, Some(&stranger), "/health/live", None), Some(200), "{names:?}");
    }
    // No certificate, or of another authority: no session.
    assert_eq!(call(1, None, "/health/live", Some(&red)), None);
    assert_eq!(call(1, Some(&other.client(&["red"], "red")), "/health/live", Some(&red)), None);
    // A listener may serve some of the authority's tenants alone.
    assert_eq!(call(2, Some(&certificate), "/random", None), Some(200));
    assert_eq!(call(2, Some(&ours.client(&["blue"], "blue")), "/random", None), Some(401));
    service.done(&["tenant", "remove", "red"], "");
    assert_eq!(call(1, Some(&certificate), "/random", None), Some(401), "it is removed");
}

/// The status of an answer; `None` when there is no session.
fn status_over(mut stream: impl Read + Write, path: &str, headers: &[&str]) -> Option<u16> {
    let more: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
    let ask = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{more}\r\n");
    stream.write_all(ask.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // A session may end without a notice.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

/// A header of the PROXY protocol, version 2, for this client.
fn proxy_header(client: &str) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    match client.parse().expect("an address") {
        std::net::IpAddr::V4(client) => {
            header.extend([0x11, 0, 17]);
            header.extend(client.octets());
            header.extend([10, 0, 0, 1, 0xc0, 0, 0x1f, 0x90]);
        }
        std::net::IpAddr::V6(client) => {
            header.extend([0x21, 0, 41]);
            header.extend(client.octets());
            header.extend([0; 20]);
        }
    }
    // A value of an unknown type.
    header.extend([0xee, 0, 2, 1, 2]);
    header
}

/// The answer to a call behind these bytes; `None` when the connection is closed without one.
fn behind(mut stream: TcpStream, header: &[u8], path: &str, token: Option<&str>) -> Option<Answer> {
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let ask = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{token}\r\n");
    // One that is refused may be closed before all is sent.
    let _ = stream.write_all(&[header, ask.as_bytes()].concat());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    (!answer.is_empty()).then(|| Answer::read(answer.as_slice()))
}

#[test]
fn a_proxy_tells_the_address_of_its_client_and_no_stranger_does() {
    let folder = tempfile::tempdir().expect("a directory");
    let certificate = certify(folder.path());
    let log = folder.path().join("access.log");
    let path = folder.path().display();
    let ours =
        "[[listen]]\naddress = \"127.0.0.1:0\"\nproxy-from = [\"192.0.2.0/24\", \"127.0.0.0/8\"]\n";
    let service = start(&format!(
        "[http]\nidle-timeout = \"2s\"\naccess-log = \"{}\"\n{ours}\
         [[listen]]\naddress = \"127.0.0.1:0\"\nproxy-from = [\"192.0.2.7\"]\n\
         {ours}tls-certificate = \"{path}/cert.pem\"\ntls-key = \"{path}/key.pem\"\n{TWO_KINDS}",
        log.display()
    ));
    let at = |number| connect(&service, number);
    for client in ["198.51.100.9", "2001:db8::9"] {
        let header = proxy_header(client);
        let answer = behind(at(1), &header, "/random?bytes=8", None).expect("an answer");
        assert_eq!((answer.status, answer.body.len()), (200, 8));
        service.wait_until("the log has no line", |_| {
            let lines = fs::read_to_string(&log).unwrap_or_default();
            lines.contains(&format!("\"listener\":\"listen[0]\",\"peer\":\"{client}\""))
        });
    }
    // The proxy's own connection.
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    assert_eq!(behind(at(1), local, "/health/live", None).expect("an answer").status, 200);
    // Before TLS.
    let mut stream = tls_of(&service, 3, &certificate, None);
    stream.sock.write_all(&proxy_header("198.51.100.10")).expect("sent");
    assert_eq!(status_over(stream, "/random", &["host: localhost"]), Some(200));
    // No header, half a header that never ends, version 1, too long a one, or UDP.
    let oversized = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x08\x01";
    let udp = b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c";
    let first = b"PROXY TCP4 198.51.100.9 10.0.0.1 49152 8080\r\n";
    for header in [&b""[..], &oversized[..], &udp[..], &first[..]] {
        assert!(behind(at(1), header, "/random", None).is_none(), "{header:?}");
    }
    let mut half = at(1);
    half.write_all(&proxy_header("198.51.100.9")[..20]).expect("sent");
    let _ = half.read_to_end(&mut Vec::new());
    // From other addresses than those that are named.
    for header in [&proxy_header("192.0.2.7")[..], b""] {
        assert!(behind(at(2), header, "/random", None).is_none(), "{header:?}");
    }
    // Where no proxy is named, a header is no request.
    let answer = behind(at(0), &proxy_header("198.51.100.9"), "/random", None);
    assert!(answer.is_none_or(|answer| answer.status == 400));
    let text = metrics(&service);
    for (listener, count) in [("listen[0]", 5), ("listen[1]", 2), ("listen[2]", 0)] {
        let line =
            format!("lavawall_listener_refused_headers_total{{listener=\"{listener}\"}} {count}\n");
        assert!(text.contains(&line), "{line} in {text}");
    }
}

#[test]
fn wrong_tokens_slow_their_address_down_and_no_other() {
    let listener = "[[listen]]\naddress = \"127.0.0.1:0\"\nproxy-from = [\"127.0.0.1\"]\n";
    let service = start(&format!("{listener}{TWO_KINDS}"));
    let (known, late) = (create(&service, "known"), create(&service, "late"));
    service.token_file();
    let call = |client: &str, path: &str, token: Option<&str>| {
        let header = proxy_header(client);
        behind(connect(&service, 1), &header, path, token).expect("an answer")
    };
    let (guesser, neighbour) = ("2001:db8::1", "2001:db8::ffff:2");
    let status = |client: &str, token: &str| call(client, "/random", Some(token)).status;
    assert_eq!(status(guesser, "wrong"), 401);
    assert_eq!(status(neighbour, &known), 200, "a neighbour behind the same network");
    for number in 1..20 {
        assert_eq!(status(guesser, &format!("guess-{number}")), 401);
    }
    let refused = call(guesser, "/random", Some("guess"));
    assert_eq!(refused.status, 429, "{}", refused.text());
    let wait = refused.headers.lines().find_map(|line| line.strip_prefix("retry-after: "));
    let wait: u64 = wait.expect("a time").parse().expect("seconds");
    assert!((1..=10).contains(&wait), "{wait}");
    for part in ["\"field\":\"authorization\"", "20 wrong tokens in 10 s"] {
        assert!(refused.text().contains(part), "{}", refused.text());
    }
    let refused = call(guesser, NAMESPACES, Some("guess"));
    assert_eq!(refused.status, 429);
    assert!(refused.text().contains("\"code\":971"), "{}", refused.text());
    // A token that was right before goes on, and one that was not is not looked up.
    assert_eq!([status(neighbour, &known), status(neighbour, &late)], [200, 429]);
    assert_eq!(call(guesser, "/random", None).status, 200, "without a token there is no guess");
    for other in ["2001:db8:0:1::1", "192.0.2.1"] {
        assert_eq!([status(other, &late), status(other, "wrong")], [200, 401], "{other}");
    }
    for _ in 0..30 {
        assert_eq!(ask_at(&service, 0, "/random", Some("wrong")).status, 401, "loopback");
    }
    let text = metrics(&service);
    for line in ["lavawall_wrong_tokens_total 22\n", "lavawall_slowed_token_calls_total 3\n"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    service.wait_until("it is refused for ever", |_| status(neighbour, &late) == 200);
}

/// A command that passes its standard input as a socket named `api`, as systemd does.
fn passing() -> Command {
    let script =
        "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=api; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(lavawall());
    command
}

#[test]
fn the_service_manager_may_pass_a_listening_socket() {
    let table = "[[listen]]\naddress = \"systemd:api\"\nserves = [\"random\"]\n";
    let configuration = format!("{table}{TWO_KINDS}");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = tcp.local_addr().expect("an address");
    // It waits in the socket until the service is there.
    let early = TcpStream::connect(address).expect("a connection");
    let passed = tcp.try_clone().expect("the same socket");
    let service =
        seeded(Running::start_with_input(&configuration, passing(), OwnedFd::from(passed).into()));
    assert_eq!(service.addresses()[1], address.to_string());
    assert_eq!(ask(early, "/random", &["host: localhost"]).status, 200);
    assert_eq!(ask_at(&service, 1, "/status", None).status, 404);
    drop(service);
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let unix = UnixListener::bind(&path).expect("a socket");
    let mut service =
        seeded(Running::start_with_input(&configuration, passing(), OwnedFd::from(unix).into()));
    let local = || UnixStream::connect(&path).expect("a connection");
    assert_eq!(ask(local(), "/random", &["host: any.example"]).status, 200);
    service.token_file();
    assert_eq!(ask(local(), "/admin/keyring", &["host: x"]).status, 404);
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    assert!(path.exists(), "it is not the service's to remove");
    // By the rules of any listener.
    let file = folder.path().join("lavawall.toml");
    let check = |table: &str, socket: Option<OwnedFd>| {
        fs::write(&file, format!("{table}{TWO_KINDS}")).expect("written");
        let mut command = socket.map_or_else(
            || Command::new(lavawall()),
            |socket| {
                let mut command = passing();
                command.stdin(socket);
                command
            },
        );
        command.args(["check", "--config"]).arg(&file);
        let output = ended(command.arg("--state-dir").arg(folder.path().join("state")));
        assert_eq!(output.code, CONFIGURATION, "{}", output.err);
        output.err
    };
    let open = TcpListener::bind("0.0.0.0:0").expect("a socket");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let other = "[[listen]]\naddress = \"systemd:other\"\n";
    for (table, socket, said) in [
        (table, None, "the service manager must pass one socket of this name"),
        (other, Some(tcp.into()), "passed: api)"),
        (table, Some(OwnedFd::from(open)), "is reachable from other machines"),
        (table, Some(udp.into()), "does not listen to streams"),
    ] {
        let error = check(table, socket);
        assert!(error.contains("listen[0].address = \"systemd:"), "{error}");
        assert!(error.contains(said), "{said} in {error}");
    }
    let open = TcpListener::bind("0.0.0.0:0").expect("a socket");
    let error = check("[[egd]]\nlisten = \"systemd:api\"\n", Some(open.into()));
    assert!(error.contains("egd[0].listen = \"systemd:api\""), "{error}");
    assert!(error.contains("only the network of a tenant is served"), "{error}");
    let loopback = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let kms = "[[kms]]\nlisten = \"systemd:api\"\nkey = \"k\"\n";
    let error = check(kms, Some(loopback.into()));
    assert!(error.contains("kms[0].listen = \"systemd:api\": must be a unix socket"), "{error}");
    let loopback = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let error = check("[credential]\nlisten = \"systemd:api\"\n", Some(loopback.into()));
    let said = "credential.listen = \"systemd:api\": must be a unix socket";
    assert!(error.contains(said), "{error}");
    let both = format!("{table}device = \"lo\"\n");
    assert!(check(&both, None).contains("listen[0].device: is set where the service manager"));
}

#[test]
fn half_a_header_of_a_proxy_does_not_hold_up_a_stop() {
    // Waiting for either would fail the test.
    let patient = "[http]\nidle-timeout = \"1h\"\ndrain-timeout = \"1h\"\n";
    let listener = "[[listen]]\naddress = \"127.0.0.1:0\"\nproxy-from = [\"127.0.0.1\"]\n";
    let mut service = Running::start(&format!("{patient}{listener}{TWO_KINDS}"));
    let mut half = connect(&service, 1);
    half.write_all(&proxy_header("192.0.2.1")[..20]).expect("sent");
    service.signal(Signal::TERM);
    assert_eq!(service.wait_patiently(), Some(0));
}
