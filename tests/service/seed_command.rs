//! `lavawall seed` against real services, and against others that do what an attacker would.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use data_encoding::BASE64;
use ed25519_dalek::{Signer, SigningKey};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::UnwrapErr;
use hpke::{Deserializable, Kem, OpModeS, Serializable, setup_sender_with_rng};
use serde_json::{Value, json};

use crate::TWO_KINDS;
use crate::running::{Output, Running, ended, lavawall, run};
use crate::tls::Access;

const UNAVAILABLE: i32 = 69;
const USAGE: i32 = 64;
const CONFIGURATION: i32 = 78;
const REFUSED: i32 = 77;

/// The file of the command, in a directory of its own.
struct Servers {
    folder: tempfile::TempDir,
    text: String,
}

impl Servers {
    fn new() -> Self {
        let text = "timeout-seconds = 60\n".to_owned();
        Self { folder: tempfile::tempdir().expect("a directory"), text }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn add(&mut self, name: &str, url: &str, identity: &str) -> &mut Self {
        let table =
            format!("[[server]]\nname = {name:?}\nurl = {url:?}\nidentity = {identity:?}\n");
        self.text.push_str(&table);
        self
    }

    /// Runs the command with these arguments besides the file.
    fn run(&self, arguments: &[&str]) -> Output {
        let path = self.path("seeds.toml");
        fs::write(&path, &self.text).expect("written");
        run(&[&["seed", "--servers", path.to_str().expect("text")], arguments].concat())
    }

    /// The seed that the command writes, and what it remarks.
    fn seed(&self, arguments: &[&str]) -> (Vec<u8>, String) {
        let to = self.path("seed");
        let to = to.to_str().expect("text");
        let output = self.run(&[&["--to", to], arguments].concat());
        assert_eq!((output.code, output.out.as_str()), (0, ""), "{}", output.err);
        (fs::read(to).expect("a seed"), output.err)
    }
}

fn identity(service: &Running) -> String {
    service.token_file();
    service.done(&["seed", "--identity"], "").trim().to_owned()
}

/// Answers each request to `/seed` as `answer` does, until the test ends.
struct Stub {
    address: SocketAddr,
}

impl Stub {
    fn new(answer: impl Fn(&Value) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(&stream);
                let mut length = 0;
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok() && !line.trim().is_empty() {
                    let lower = line.to_lowercase();
                    if let Some(text) = lower.strip_prefix("content-length: ") {
                        length = text.trim().parse().expect("a number");
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("a body");
                let (status, text) = answer(&serde_json::from_slice(&body).expect("JSON"));
                let length = text.len();
                // A client that is gone is none of its business.
                let _ = write!(
                    &stream,
                    "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
                );
            }
        });
        Self { address }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// What a real service answers to a request.
fn forwarded(service: SocketAddr, request: &Value) -> String {
    let mut stream = TcpStream::connect(service).expect("a connection");
    let body = request.to_string();
    write!(
        stream,
        "POST /seed HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let answer = std::io::read_to_string(stream).expect("an answer");
    answer.split_once("\r\n\r\n").expect("a head").1.to_owned()
}

fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32])
}

fn public(key: &SigningKey) -> String {
    BASE64.encode(key.verifying_key().as_bytes())
}

/// Seals a seed as a service with this key would that chooses it.
fn forged(key: &SigningKey, request: &Value, seed: &[u8]) -> String {
    let member = |name: &str| {
        BASE64.decode(request[name].as_str().expect("text").as_bytes()).expect("base64")
    };
    let (public_key, nonce) = (member("public_key"), member("nonce"));
    let identity = key.verifying_key();
    let info = [b"lavawall v1 seed".as_slice(), identity.as_bytes(), &nonce].concat();
    let recipient = <XWing as Kem>::PublicKey::from_bytes(&public_key).expect("a key");
    let (enc, mut context) = setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &recipient,
        &info,
        &mut UnwrapErr(getrandom::SysRng),
    )
    .expect("a context");
    let enc = enc.to_bytes().to_vec();
    let ciphertext = context.seal(seed, b"").expect("sealed");
    let mut message =
        [b"lavawall v1 seed signature".as_slice(), &[0x64, 0x7a, 0, 1, 0, 3]].concat();
    for part in [&public_key, &info, &enc, &ciphertext] {
        message.extend(u16::try_from(part.len()).expect("short").to_be_bytes());
        message.extend(part);
    }
    json!({
        "suite": "x-wing",
        "enc": BASE64.encode(&enc),
        "ciphertext": BASE64.encode(&ciphertext),
        "identity": public(key),
        "signature": BASE64.encode(&key.sign(&message).to_bytes()),
    })
    .to_string()
}

#[test]
fn a_machine_is_seeded_by_two_of_three_services() {
    let services = [Running::start(TWO_KINDS), Running::start(TWO_KINDS)];
    let mut servers = Servers::new();
    for (name, service) in ["a", "b"].iter().zip(&services) {
        servers.add(name, &service.url(), &identity(service));
    }
    let (first, remarks) = servers.seed(&["--need", "2"]);
    let (second, _) = servers.seed(&["--need", "2"]);
    assert_eq!((first.len(), second.len(), remarks.as_str()), (64, 64, ""));
    assert_ne!(first, second);
    let mode = servers.path("seed").metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The third is not there.
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one");
    servers.add("c", &format!("http://{nobody}"), &public(&key(3)));
    let (seed, remarks) = servers.seed(&["--need", "2"]);
    assert_eq!(seed.len(), 64);
    assert!(remarks.starts_with("without c: ") && remarks.lines().count() == 1, "{remarks}");
    // It needs all that the file names unless it says otherwise.
    let refused = servers.run(&["--to", "-"]);
    assert_eq!((refused.code, refused.out.as_str()), (UNAVAILABLE, ""), "{}", refused.err);
    assert!(refused.err.contains("3 services must give a seed, and 2 did"), "{}", refused.err);
    let x25519 = format!("need = 2\nsuite = \"x25519\"\n{}", servers.text);
    servers.text = x25519;
    assert_eq!(servers.seed(&[]).0.len(), 64);
    // Into the kernel, as any user may.
    let output = servers.run(&["--to", "kernel", "--credit", "0"]);
    assert_eq!((output.code, output.out.as_str()), (0, ""), "{}", output.err);
}

#[test]
fn what_no_pinned_service_sealed_for_this_request_counts_for_nothing() {
    let service = Arc::new(Running::start(TWO_KINDS));
    let (own, address) = (identity(&service), service.address());
    let other = Running::start(TWO_KINDS);
    let of_other = identity(&other);
    let recorded = {
        let (_, public) = XWing::derive_keypair(&[1; 32]);
        let request = json!({
            "suite": "x-wing",
            "public_key": BASE64.encode(&public.to_bytes()),
            "nonce": BASE64.encode(&[1; 32]),
            "bytes": 64,
        });
        forwarded(address, &request)
    };
    let (_, thief) = XWing::derive_keypair(&[2; 32]);
    let thief = BASE64.encode(&thief.to_bytes());
    let unsigned = "the signature is not that of the pinned identity";
    let cases: Vec<(&str, Stub, &str, &str)> = vec![
        ("replayed", Stub::new(move |_| (200, recorded.clone())), &own, unsigned),
        // It can seal, and sign as itself.
        ("forged", Stub::new(|asked| (200, forged(&key(1), asked, &[0; 64]))), &own, unsigned),
        // One service cannot answer for two.
        ("swapped", Stub::new(move |asked| (200, forwarded(address, asked))), &of_other, unsigned),
        (
            "read on the way",
            Stub::new(move |asked| {
                let mut asked = asked.clone();
                asked["public_key"] = thief.clone().into();
                (200, forwarded(address, &asked))
            }),
            &own,
            unsigned,
        ),
        (
            "with another nonce",
            Stub::new(move |asked| {
                let mut asked = asked.clone();
                asked["nonce"] = BASE64.encode(&[1; 32]).into();
                (200, forwarded(address, &asked))
            }),
            &own,
            unsigned,
        ),
        (
            "weakened",
            Stub::new(move |asked| {
                let mut asked = asked.clone();
                asked["bytes"] = 32.into();
                (200, forwarded(address, &asked))
            }),
            &own,
            "the seed has 32 bytes",
        ),
        ("no seed", Stub::new(|_| (200, "{}".into())), &own, "the answer is no sealed seed"),
        ("long", Stub::new(|_| (200, "x".repeat(1 << 20))), &own, "more than"),
        ("refusing", Stub::new(|_| (503, "{\"detail\":\"no\"}".into())), &own, "503: no"),
    ];
    for (name, stub, identity, fault) in &cases {
        let mut servers = Servers::new();
        let output = servers.add(name, &stub.url(), identity).run(&["--to", "-"]);
        assert_eq!((output.code, output.out.as_str()), (UNAVAILABLE, ""), "{}", output.err);
        assert!(output.err.contains(&format!("\n  {name}: ")), "{}", output.err);
        assert!(output.err.contains(fault), "{name}: {}", output.err);
    }
}

#[test]
fn all_services_but_one_may_be_hostile() {
    let service = Running::start(TWO_KINDS);
    let mut servers = Servers::new();
    // They are pinned, and choose what they give.
    let hostile = [key(1), key(2)].map(|key| {
        let identity = public(&key);
        (Stub::new(move |asked| (200, forged(&key, asked, &[0; 64]))), identity)
    });
    for (name, (stub, identity)) in ["x", "y"].iter().zip(&hostile) {
        servers.add(name, &stub.url(), identity);
    }
    servers.add("honest", &service.url(), &identity(&service));
    let (first, remarks) = servers.seed(&["--need", "3"]);
    assert_eq!((first.len(), remarks.as_str()), (64, ""));
    assert_ne!(servers.seed(&["--need", "3"]).0, first);
    // One that says nothing for ever does not keep the others' seeds back.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    servers.add("silent", &url, &public(&key(4)));
    servers.text = servers.text.replace("timeout-seconds = 60", "timeout-seconds = 15");
    let (_, remarks) = servers.seed(&["--need", "3"]);
    assert_eq!(remarks, "without silent: no answer within 15 s\n");
    drop(silent);
}

#[test]
fn it_asks_over_tls_with_a_pinned_authority_and_a_token() {
    let access = Access::new();
    let service = access.start();
    let identity = identity(&service);
    let url = service.url().replace("http://", "https://");
    let mut servers = Servers::new();
    servers.add("a", &url, &identity);
    let refused = servers.run(&["--to", "-"]);
    assert_eq!(refused.code, UNAVAILABLE, "no public authority: {}", refused.err);
    let ca_file = format!("ca-file = '{}'\n", access.certificate().display());
    servers.text.push_str(&ca_file);
    let refused = servers.run(&["--to", "-"]);
    assert!(refused.err.contains("401: "), "{}", refused.err);
    let token_file = format!("token-file = '{}'\n", access.token_file().display());
    servers.text.push_str(&token_file);
    let (seed, remarks) = servers.seed(&[]);
    assert_eq!((seed.len(), remarks.as_str()), (64, ""));
    // Another authority than the pinned one.
    let other = Access::new();
    let ca_file = access.certificate().display().to_string();
    servers.text = servers.text.replace(&ca_file, &other.certificate().display().to_string());
    assert_eq!(servers.run(&["--to", "-"]).code, UNAVAILABLE);
}

#[test]
fn what_the_command_cannot_do_it_says_before_it_asks() {
    let mut servers = Servers::new();
    servers.add("a", "http://127.0.0.1:1", &public(&key(1)));
    for (arguments, code, part) in [
        (&["--need", "0"][..], USAGE, "need: must be 1 to 1, the number of servers (got 0)"),
        (&["--need", "2"], USAGE, "(got 2)"),
        (&["--credit", "257"], USAGE, "--credit: must be 0 to 256 bits (got 257)"),
        (&["--credit", "1", "--to", "-"], USAGE, "only the kernel counts entropy"),
        (&["--identity"], USAGE, "--identity"),
    ] {
        let refused = servers.run(arguments);
        assert_eq!(refused.code, code, "{arguments:?}: {}", refused.err);
        assert!(refused.err.contains(part), "{arguments:?}: {}", refused.err);
    }
    let text = servers.text.clone();
    servers.add("b", "http://127.0.0.1:2", &public(&key(1)));
    let refused = servers.run(&[]);
    assert_eq!(refused.code, CONFIGURATION, "{}", refused.err);
    assert!(refused.err.contains("seeds.toml: server.identity: "), "{}", refused.err);
    // Entropy is counted for root alone.
    servers.text = format!("credit = 8\n{text}");
    let place = tempfile::tempdir().expect("a directory");
    fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).expect("changed");
    let program = place.path().join("lavawall");
    assert!(Command::new("cp").arg(lavawall()).arg(&program).status().expect("cp").success());
    let file = place.path().join("seeds.toml");
    fs::write(&file, &servers.text).expect("written");
    let mut command = Command::new(&program);
    command.args(["seed", "--servers"]).arg(&file);
    if rustix::process::geteuid().is_root() {
        std::os::unix::process::CommandExt::uid(&mut command, 65534);
    }
    let refused = ended(&mut command);
    assert_eq!(refused.code, REFUSED, "{}", refused.err);
    assert!(
        refused.err.contains("only root") && refused.err.contains("(got 8)"),
        "{}",
        refused.err
    );
}
