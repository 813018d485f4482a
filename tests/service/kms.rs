//! Kubernetes KMS v2, over its socket.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kms_client::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, KmsClient, Refused,
    StatusResponse,
};
use crate::running::{PATIENCE, Running, ended, get, lavawall};
use crate::{ONE_KIND, TWO_KINDS};

const CONFIGURATION: i32 = 78;

/// Codes of gRPC (doc/statuscodes.md).
const INVALID_ARGUMENT: u32 = 3;
const DEADLINE_EXCEEDED: u32 = 4;
const NOT_FOUND: u32 = 5;
const PERMISSION_DENIED: u32 = 7;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNIMPLEMENTED: u32 = 12;
const UNAVAILABLE: u32 = 14;

/// A service with a `[[kms]]` of these keys at a socket in its folder, and the rest of its configuration.
pub(crate) fn start_with(keys: &str, rest: &str) -> Running {
    let folder = tempfile::tempdir().expect("a directory").keep();
    Running::start(&format!("{}{rest}", table(&folder.join("kms.sock"), keys)))
}

pub(crate) fn table(socket: &Path, keys: &str) -> String {
    format!("[[kms]]\nlisten = \"unix:{}\"\nkey = \"cluster\"\n{keys}", socket.display())
}

fn start(keys: &str) -> Running {
    start_with(keys, TWO_KINDS)
}

/// The socket of the service's last listener.
pub(crate) fn socket(service: &Running) -> PathBuf {
    let addresses = service.addresses();
    let address = addresses.last().expect("an address");
    address.strip_prefix("unix:").expect("a unix socket").into()
}

pub(crate) fn connect(service: &Running) -> KmsClient {
    KmsClient::connect(&socket(service))
}

/// The state once the key can be used: readiness waits only so long.
pub(crate) fn healthy(service: &Running) -> StatusResponse {
    service.wait_until("it is not healthy", |it| connect(it).status().healthz == "ok");
    connect(service).status()
}

fn stop(service: &mut Running) {
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0, "{}", service.log());
}

pub(crate) fn code<A: std::fmt::Debug>(answer: Result<A, Refused>) -> u32 {
    answer.expect_err("refused").code
}

/// The keys by name that the operator sees.
fn named_keys(service: &Running) -> Vec<Value> {
    let text = service.done(&["keys", "--json"], "");
    let keys = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    keys.filter(|key| key["purpose"] == "kms").collect()
}

#[test]
fn a_text_is_sealed_and_opened_and_its_key_is_made_at_the_first_use() {
    let service = start("");
    let status = healthy(&service);
    assert_eq!((status.version.as_str(), status.healthz.as_str()), ("v2", "ok"));
    assert_eq!(status.key_id.len(), 64, "{status:?}");
    let client = connect(&service);
    let sealed = client.encrypt(b"a seed of a data key").expect("sealed");
    assert_eq!(sealed.key_id, status.key_id);
    assert_eq!(sealed.ciphertext.len(), 20 + 28);
    let text = |name: &str| String::from_utf8_lossy(&sealed.annotations[name]).into_owned();
    assert_eq!(sealed.annotations.len(), 2);
    assert_eq!(text("version.kms.lavawall.internal"), "1");
    let provenance = text("provenance.kms.lavawall.internal");
    assert!(provenance.contains("; made_while=ready; kinds=operating-system,"), "{provenance}");
    let again = client.encrypt(b"a seed of a data key").expect("sealed");
    assert_ne!(sealed.ciphertext, again.ciphertext);
    for sealed in [sealed, again] {
        let opened = client.decrypt(&sealed.into_request()).expect("opened");
        assert_eq!(opened, b"a seed of a data key");
    }
    let keys = named_keys(&service);
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_eq!((&keys[0]["name"], &keys[0]["owner"]), (&json!("cluster"), &Value::Null));
    assert_eq!((&keys[0]["version"], &keys[0]["state"]), (&json!(1), &json!("active")));
    let shown = service.done(&["keys"], "");
    assert!(shown.contains("kms cluster"), "{shown}");
    assert_eq!(connect(&service).status(), status, "stable");
}

#[test]
fn nothing_opens_that_was_changed_or_is_of_another_key() {
    let folder = tempfile::tempdir().expect("a directory");
    let (first, other) = (folder.path().join("first.sock"), folder.path().join("other.sock"));
    let tables =
        format!("{}{}", table(&first, ""), table(&other, "").replace("\"cluster\"", "\"other\""));
    let service = Running::start(&format!("{tables}{TWO_KINDS}"));
    healthy(&service);
    let client = KmsClient::connect(&first);
    let good = client.encrypt(b"text").expect("sealed").into_request();
    assert_eq!(client.decrypt(&good).as_deref(), Ok(b"text".as_slice()));
    let another = connect(&service).encrypt(b"text").expect("sealed");
    let unknown = connect(&service).decrypt(&good);
    assert_eq!(code(unknown), NOT_FOUND, "the key of another socket");
    for key_id in [another.key_id.as_str(), "0", &"0".repeat(64), &good.key_id.to_uppercase()] {
        let asked = DecryptRequest { key_id: key_id.to_owned(), ..good.clone() };
        assert_eq!(code(client.decrypt(&asked)), NOT_FOUND, "{key_id}");
    }
    let mut wrong = Vec::new();
    for at in 0..good.ciphertext.len() {
        let mut asked = good.clone();
        asked.ciphertext[at] ^= 1;
        wrong.push(asked);
    }
    wrong.push(DecryptRequest { ciphertext: good.ciphertext[..20].into(), ..good.clone() });
    wrong.push(DecryptRequest { annotations: BTreeMap::new(), ..good.clone() });
    for name in good.annotations.keys() {
        let mut changed = good.clone();
        changed.annotations.get_mut(name).expect("there").push(b'0');
        let mut without = good.clone();
        without.annotations.remove(name);
        wrong.extend([changed, without]);
    }
    let mut more = good.clone();
    more.annotations.insert("a.b".to_owned(), Vec::new());
    wrong.push(more);
    for asked in wrong {
        let refused = client.decrypt(&asked).expect_err("it was changed");
        assert_eq!(refused.code, INVALID_ARGUMENT, "{asked:?}");
        assert!(refused.message.contains("does not open"), "{refused:?}");
    }
    assert_eq!(client.decrypt(&good).as_deref(), Ok(b"text".as_slice()));
}

#[test]
fn texts_and_ids_are_of_their_lengths_and_the_refusal_names_the_limit() {
    let service = start("");
    healthy(&service);
    let client = connect(&service);
    let longest = vec![7; 996];
    let sealed = client.encrypt(&longest).expect("sealed");
    assert_eq!(sealed.ciphertext.len(), 1024);
    let good = sealed.into_request();
    assert_eq!(client.decrypt(&good), Ok(longest));
    let refused = client.encrypt(&[7; 997]).expect_err("too long");
    assert_eq!(refused.code, INVALID_ARGUMENT);
    assert_eq!(refused.message, "plaintext: must be 1 to 996 bytes (got 997)");
    assert_eq!(code(client.encrypt(b"")), INVALID_ARGUMENT);
    for (asked, said) in [
        (
            DecryptRequest { ciphertext: vec![7; 1025], ..good.clone() },
            "ciphertext: must be 1 to 1024",
        ),
        (
            DecryptRequest { ciphertext: Vec::new(), ..good.clone() },
            "ciphertext: must be 1 to 1024",
        ),
        (DecryptRequest { key_id: "a".repeat(1025), ..good.clone() }, "key_id: must be 1 to 1024"),
        (DecryptRequest { key_id: String::new(), ..good.clone() }, "key_id: must be 1 to 1024"),
    ] {
        let refused = client.decrypt(&asked).expect_err("of no length");
        assert_eq!(refused.code, INVALID_ARGUMENT);
        assert!(refused.message.contains(said), "{refused:?}");
    }
    // A message is bounded as a whole, too: the annotations and the client's own name of the call.
    let uid = "u".repeat(100_000);
    let long: Result<EncryptResponse, _> =
        client.call("Encrypt", &EncryptRequest { plaintext: b"text".into(), uid });
    assert!(long.expect_err("too long").message.contains("8192"));
    let unknown: Result<DecryptResponse, _> = client.call("Rotate", &good);
    assert_eq!(code(unknown), UNIMPLEMENTED);
    // A message that is none, and then one that is.
    let broken: Result<DecryptResponse, _> =
        client.call("Decrypt", &EncryptRequest { plaintext: vec![0xff; 3], uid: "\u{7}".into() });
    broken.expect_err("empty annotations");
    assert!(client.decrypt(&good).is_ok());
}

/// What kube-apiserver does with the answers of a plugin (k8s.io/apiserver, kmsv2): the id of the state is the
/// one that counts, and a new one makes a new seed.
#[derive(Default)]
struct ApiServer {
    /// Every id that the state had, in order.
    seen: Vec<String>,
    /// Each seed, as it was stored, with its text.
    stored: Vec<(DecryptRequest, Vec<u8>)>,
}

impl ApiServer {
    fn poll(&mut self, service: &Running) {
        let client = connect(service);
        let status = client.status();
        assert_eq!((status.version.as_str(), status.healthz.as_str()), ("v2", "ok"));
        if self.seen.last() != Some(&status.key_id) {
            assert!(!self.seen.contains(&status.key_id), "an id is used again: {:?}", self.seen);
            let text = format!("seed {}", self.seen.len()).into_bytes();
            let sealed = client.encrypt(&text).expect("sealed");
            assert_eq!(sealed.key_id, status.key_id, "or the plugin counts as unhealthy");
            self.seen.push(status.key_id);
            self.stored.push((sealed.into_request(), text));
        }
    }

    /// As after its own restart: every seed is opened.
    fn open_all(&self, service: &Running) {
        let client = connect(service);
        for (stored, text) in &self.stored {
            assert_eq!(client.decrypt(stored).as_ref(), Ok(text));
        }
    }
}

#[test]
fn a_rotation_gives_a_new_id_once_and_every_older_text_opens_over_restarts_and_kills() {
    let mut service = start("");
    healthy(&service);
    // Two of them: no node sees another order.
    let mut nodes = [ApiServer::default(), ApiServer::default()];
    for round in 0..4 {
        nodes[0].poll(&service);
        nodes[1].poll(&service);
        service.done(&["rotate", "key", "cluster", "--purpose", "kms"], "");
        nodes[0].poll(&service);
        assert_eq!(nodes[0].seen.len(), round + 2, "told at once");
        service.signal(if round % 2 == 0 { Signal::KILL } else { Signal::TERM });
        service.wait();
        service.start_again();
        healthy(&service);
        for node in &mut nodes {
            node.poll(&service);
            node.open_all(&service);
        }
    }
    assert_eq!(nodes[0].seen.len(), 5);
    assert_eq!(nodes[0].seen, nodes[1].seen);
    service.done(&["keys", "--made-while", "degraded", "--rotate"], "");
    assert_eq!(healthy(&service).key_id, nodes[0].seen[4], "none was made so");
    let states: Vec<_> = named_keys(&service).iter().map(|key| key["state"].clone()).collect();
    assert_eq!(states, ["retired", "retired", "retired", "retired", "active"]);
    service.done(&["keys", "--made-while", "ready", "--rotate"], "");
    nodes[0].poll(&service);
    assert_eq!(nodes[0].seen.len(), 6);
    nodes[0].open_all(&service);
}

#[test]
fn a_keyring_put_back_from_a_copy_and_rotated_uses_no_id_again() {
    let mut service = start("");
    let first = healthy(&service).key_id;
    stop(&mut service);
    let keyring = service.state_dir().join("keyring");
    let copy = std::fs::read(&keyring).expect("the keyring");
    let mut rotated = Vec::new();
    for _ in 0..2 {
        std::fs::write(&keyring, &copy).expect("put back");
        service.start_again();
        assert_eq!(healthy(&service).key_id, first);
        service.done(&["rotate", "key", "cluster"], "");
        rotated.push(healthy(&service).key_id);
        stop(&mut service);
    }
    assert_ne!(rotated[0], rotated[1], "two keys have two ids");
}

#[test]
fn a_key_that_was_told_survives_a_kill_and_many_first_calls_make_one() {
    let mut service = start("");
    service.wait_until("no keyring", |it| it.operate(&["keys"], "").code == 0);
    let client = connect(&service);
    let asked = vec![EncryptRequest { plaintext: b"text".into(), uid: "u".into() }; 100];
    let answers = client.at_once("Encrypt", &asked);
    service.signal(Signal::KILL);
    service.wait();
    service.start_again();
    let now = healthy(&service).key_id;
    let client = connect(&service);
    for (_, answer) in answers {
        let answer = answer.expect("sealed");
        let sealed = <EncryptResponse as prost::Message>::decode(answer).expect("a message");
        assert_eq!(sealed.key_id, now);
        assert_eq!(client.decrypt(&sealed.into_request()).as_deref(), Ok(b"text".as_slice()));
    }
    let log = std::fs::read_to_string(service.state_dir().join("audit.log")).expect("the log");
    assert_eq!(log.matches("create-key").count(), 1, "{log}");
}

#[test]
fn a_sealed_keyring_is_told_closes_the_calls_and_random_goes_on() {
    let service = start("");
    let before = healthy(&service);
    let old = connect(&service);
    let sealed = old.encrypt(b"text").expect("sealed").into_request();
    let shares =
        service.done(&["rekey", "--seal", "shares", "--threshold", "2", "--shares", "2"], "");
    service.done(&["seal"], "");
    // Its buffers hold what went through it last.
    service.wait_until("the connection stays", |_| {
        old.try_call::<StatusResponse>("Status", &crate::kms_client::StatusRequest {}).is_none()
    });
    let client = connect(&service);
    let status = client.status();
    assert_eq!(status.healthz, "the keyring is sealed");
    assert_eq!(status.key_id, before.key_id, "the last one that was known");
    assert_eq!(code(client.encrypt(b"text")), UNAVAILABLE);
    assert_eq!(code(client.decrypt(&sealed)), UNAVAILABLE);
    assert_eq!(get(&service, "/random").status, 200);
    for share in shares.lines() {
        assert_eq!(connect(&service).status().healthz, "the keyring is sealed");
        service.done(&["unseal"], share);
    }
    assert_eq!(connect(&service).status(), before);
    assert_eq!(connect(&service).decrypt(&sealed).as_deref(), Ok(b"text".as_slice()));
}

#[test]
fn nothing_is_sealed_while_the_generator_refuses_and_what_was_sealed_opens() {
    let pool = |quorum| {
        let pool = format!("[pool]\nquorum = {quorum}\nreseed-interval = \"1s\"\n");
        format!("{pool}grace-period = \"0s\"\n{ONE_KIND}")
    };
    let service = start_with("", &pool(1));
    let before = healthy(&service);
    let client = connect(&service);
    let sealed = client.encrypt(b"text").expect("sealed").into_request();
    let kms = table(&socket(&service), "");
    service.configure(&format!("{kms}{}", pool(2)));
    service.signal(Signal::HUP);
    service.wait_until("it answers on", |it| get(it, "/random").status == 503);
    let status = client.status();
    assert!(status.healthz.starts_with("the generator refuses: "), "{status:?}");
    assert_eq!(status.key_id, before.key_id);
    let refused = client.encrypt(b"text").expect_err("no nonce");
    assert_eq!(refused.code, UNAVAILABLE, "{refused:?}");
    assert_eq!(client.decrypt(&sealed).as_deref(), Ok(b"text".as_slice()), "it needs no nonce");
}

#[test]
fn without_a_seed_there_is_no_key_and_no_healthy_state() {
    let service = start_with("", &format!("[pool]\nquorum = 6\n{TWO_KINDS}"));
    let client = connect(&service);
    let status = client.status();
    assert_eq!((status.healthz.as_str(), status.key_id.as_str()), ("there is no keyring", ""));
    assert_eq!(code(client.encrypt(b"text")), UNAVAILABLE);
    assert_eq!(get(&service, "/random").status, 503);
}

#[test]
fn a_tenants_socket_uses_its_own_key_within_its_permission_and_limits() {
    let service = start("tenant = \"acme\"\n");
    service.wait_until("it is not open", |it| it.operate(&["tenant", "list"], "").code == 0);
    let client = connect(&service);
    let refused = client.encrypt(b"text").expect_err("there is no such tenant");
    assert_eq!(refused.code, PERMISSION_DENIED);
    service.done(&["tenant", "create", "acme"], "");
    assert_eq!(code(client.encrypt(b"text")), PERMISSION_DENIED, "it was not permitted");
    let status = client.status();
    assert!(status.healthz.contains("may not use the key"), "{status:?}");
    assert!(named_keys(&service).is_empty(), "a refused call makes no key");
    service.done(&["tenant", "permit", "acme", "--allow", "keys:use:cluster"], "");
    let sealed = client.encrypt(b"text").expect("sealed").into_request();
    assert_eq!(named_keys(&service)[0]["owner"], "acme");
    assert_eq!(client.decrypt(&sealed).as_deref(), Ok(b"text".as_slice()));
    assert_eq!(client.status().healthz, "ok");
    let usage = || {
        let shown = service.done(&["tenant", "usage", "acme", "--json"], "");
        serde_json::from_str::<Value>(&shown).expect("JSON")["total"]["kms"].clone()
    };
    assert_eq!(usage(), json!({ "requests": 2, "bytes": 32 + 4, "key_uses": 2 }));
    service.done(&["tenant", "limit", "acme", "--key-uses", "3/day"], "");
    client.decrypt(&sealed).expect("the third");
    for refused in [client.decrypt(&sealed).map(drop), client.encrypt(b"text").map(drop)] {
        let refused = refused.expect_err("the fourth");
        assert_eq!(refused.code, RESOURCE_EXHAUSTED, "{refused:?}");
        assert!(refused.message.contains("key-uses: the limit is 3 per day"), "{refused:?}");
    }
    assert!(client.status().healthz.contains("key-uses"), "the key cannot be used now");
    service.done(&["tenant", "limit", "acme", "--key-uses", "none", "--bytes", "43B/day"], "");
    let refused = client.decrypt(&sealed).expect_err("three bytes are left");
    assert_eq!(refused.code, RESOURCE_EXHAUSTED);
    service.done(&["tenant", "limit", "acme", "--bytes", "none", "--rate", "1/h"], "");
    client.decrypt(&sealed).expect("the first");
    assert_eq!(code(client.decrypt(&sealed)), RESOURCE_EXHAUSTED);
    service.done(&["tenant", "limit", "acme", "--rate", "none"], "");
    service.done(&["tenant", "permit", "acme", "--deny", "keys:use:cluster"], "");
    assert_eq!(code(client.decrypt(&sealed)), PERMISSION_DENIED);
    // Its key is destroyed with it, and a new tenant of the name has another.
    let kept = service.operate(&["tenant", "remove", "acme"], "");
    assert_ne!(kept.code, 0, "it has a key");
    service.done(&["tenant", "remove", "acme", "--shred"], "");
    service.wait_until("its key stays", |it| named_keys(it).is_empty());
    service.done(&["tenant", "create", "acme", "--allow", "keys:use:cluster"], "");
    assert_eq!(code(client.decrypt(&sealed)), NOT_FOUND);
    assert_eq!(client.status().healthz, "ok");
    assert_eq!(code(client.decrypt(&sealed)), NOT_FOUND);
}

#[test]
fn a_key_for_kms_is_not_there_for_the_transit_engine() {
    let service = start("");
    healthy(&service);
    let token = std::fs::read_to_string(service.token_file()).expect("a token");
    let ask = |path: &str| {
        let token = ("x-vault-token", token.trim());
        service.get_with(&format!("/v1/transit/{path}"), &[token]).status
    };
    assert_eq!(ask("keys/cluster"), 404);
    assert_eq!(ask("keys?list=true"), 404, "it has none");
    assert_eq!(ask("export/encryption-key/cluster"), 404);
    let sealed = connect(&service).encrypt(b"text").expect("sealed");
    assert_eq!(service.done(&["keys"], "").matches("cluster").count(), 1, "and none was made");
    assert!(connect(&service).decrypt(&sealed.into_request()).is_ok());
}

#[test]
fn a_call_without_its_message_is_ended_and_the_others_go_on() {
    let service = start("");
    healthy(&service);
    let client = connect(&service);
    let refused = client.half("Encrypt").expect("a refusal");
    assert_eq!(refused.code, DEADLINE_EXCEEDED, "{refused:?}");
    assert!(client.encrypt(b"text").is_ok());
}

#[test]
fn a_thousand_texts_are_opened_at_once() {
    let service = start("");
    healthy(&service);
    let client = connect(&service);
    let asked: Vec<_> = (0..1000_u32)
        .map(|number| client.encrypt(&number.to_be_bytes()).expect("sealed").into_request())
        .collect();
    let answers = client.at_once("Decrypt", &asked);
    for (number, (_, answer)) in (0..1000_u32).zip(answers) {
        let opened = <DecryptResponse as prost::Message>::decode(answer.expect("opened"));
        assert_eq!(opened.expect("a message").plaintext, number.to_be_bytes());
    }
}

#[test]
fn calls_that_were_received_are_answered_before_a_stop() {
    let mut service = start("");
    healthy(&service);
    let client = connect(&service);
    let sealed = client.encrypt(b"text").expect("sealed").into_request();
    service.signal(Signal::STOP);
    let answers = client.at_once_after("Decrypt", &vec![sealed; 50], || {
        service.signal(Signal::TERM);
        service.signal(Signal::CONT);
    });
    assert!(answers.iter().all(|(_, answer)| answer.is_ok()));
    assert_eq!(service.wait(), 0);
    assert!(!service.log().contains("drain timeout"), "{}", service.log());
}

#[test]
fn a_socket_has_its_mode_and_is_gone_after_the_service() {
    let mut service = start("mode = \"0640\"\n");
    let path = socket(&service);
    let mode = std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o640);
    let configuration = service.folder().join("second.toml");
    std::fs::write(&configuration, table(&path, "")).expect("written");
    let mut second = Command::new(lavawall());
    second.arg("serve").args(["--listen", "127.0.0.1:0"]).arg("--config").arg(&configuration);
    let refused = ended(second.arg("--state-dir").arg(service.folder().join("second")));
    assert_ne!(refused.code, 0);
    assert!(refused.err.contains("another program listens on it"), "{}", refused.err);
    stop(&mut service);
    assert!(std::fs::metadata(&path).is_err());
}

#[test]
fn a_wrong_table_is_refused_with_its_key() {
    let folder = tempfile::tempdir().expect("a directory");
    let configuration = folder.path().join("lavawall.toml");
    for (keys, key) in [
        ("listen = \"127.0.0.1:0\"\nkey = \"k\"", "kms[0].listen: must be a unix socket"),
        ("listen = \"[::1]:1\"\nkey = \"k\"", "kms[0].listen: must be a unix socket"),
        ("listen = \"unix:x\"\nkey = \"k\"", "kms"),
        ("listen = \"unix:/x\"", "key"),
        ("listen = \"unix:/x\"\nkey = \"a/b\"", "kms[0].key"),
        ("listen = \"unix:/x\"\nkey = \"\"", "kms[0].key"),
        ("listen = \"unix:/x\"\nkey = \"k\"\ndevice = \"lo\"", "device"),
        ("listen = \"unix:/x\"\nkey = \"k\"\ntenant = \"Not a name\"", "kms[0].tenant"),
        ("listen = \"unix:/x\"\nkey = \"k\"\nidle-timeout = \"0s\"", "kms[0].idle-timeout"),
        ("listen = \"systemd:x\"\nkey = \"k\"\nmode = \"0600\"", "kms[0].mode"),
        (
            "listen = \"unix:/x\"\nkey = \"k\"\n[[kms]]\nlisten = \"unix:/x\"\nkey = \"l\"",
            "kms[1].listen: is that of kms[0] too",
        ),
    ] {
        std::fs::write(&configuration, format!("[[kms]]\n{keys}\n")).expect("written");
        let mut command = Command::new(lavawall());
        let refused = ended(command.arg("check").arg("--config").arg(&configuration));
        assert_eq!(refused.code, CONFIGURATION, "{keys}: {}", refused.err);
        assert!(refused.err.contains(key), "{keys}: {}", refused.err);
    }
}

#[test]
fn a_client_without_calls_is_disconnected_and_so_is_one_too_many() {
    let service = start("idle-timeout = \"1s\"\n");
    healthy(&service);
    let path = socket(&service);
    let mut silent = UnixStream::connect(&path).expect("a connection");
    silent.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut sent = Vec::new();
    silent.read_to_end(&mut sent).expect("an end");
    let service = start("");
    healthy(&service);
    let path = socket(&service);
    let mut held = Vec::new();
    // Connections of before give their permits back.
    service.wait_until("there are fewer permits", |_| {
        held.extend(greeted(&path));
        held.len() == 64
    });
    assert!(greeted(&path).is_none());
    service.wait_for_log("64 clients are connected, another is refused");
    drop(held);
    service.wait_until("no permit comes back", |_| greeted(&path).is_some());
}

/// A connection that has a permit: the service has sent its settings.
fn greeted(path: &Path) -> Option<UnixStream> {
    let mut stream = UnixStream::connect(path).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // One without a permit is closed before, or at once.
    let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    stream.read_exact(&mut [0; 9]).ok().map(|()| stream)
}

/// A request of gRPC's C library, as `grpcio` 1.85.3 (`PyPI`) sends it for a socket at `/run/lavawall/kms.sock`: the
/// headers are literals that enter the table of the connection.
const PERCENT_ENCODED: &[u8] = b"@\x05:path\x1f/v2.KeyManagementService/Status\
    @\n:authority\x19run%2Flavawall%2Fkms.sock\x83\x86@\x0ccontent-type\x10application/grpc\
    @\x02te\x08trailers@\x14grpc-accept-encoding\x17identity, deflate, gzip";

/// Its next one: only indexes of that table.
const INDEXED: &[u8] = b"\xc2\xc1\x83\x86\xc0\xbf\xbe";

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

#[test]
fn a_client_whose_authority_is_a_percent_encoded_path_is_served() {
    let service = start("");
    healthy(&service);
    for size in [1, 7, 1000] {
        let mut stream = UnixStream::connect(socket(&service)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let message = frame(0, 1, 1, &[0; 5]);
        let second = frame(0, 1, 3, &[0; 5]);
        let sent = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(),
            &frame(4, 0, 0, &[]),
            &frame(1, 4, 1, PERCENT_ENCODED),
            &message,
            &frame(1, 4, 3, INDEXED),
            &second,
        ]
        .concat();
        for piece in sent.chunks(size) {
            stream.write_all(piece).expect("sent");
        }
        let mut answered = Vec::new();
        while answered.len() < 2 {
            let mut header = [0; 9];
            stream.read_exact(&mut header).expect("a frame");
            let mut payload = vec![0; usize::from(header[1]) << 8 | usize::from(header[2])];
            stream.read_exact(&mut payload).expect("its payload");
            assert_ne!(header[3], 3, "the stream {} is reset: {payload:?}", header[8]);
            assert_ne!(header[3], 7, "the connection is given up: {payload:?}");
            if header[3] == 0 && !payload.is_empty() {
                assert_eq!(payload[5..11], *b"\x0a\x02v2\x12\x02", "{payload:?}");
                answered.push(header[8]);
            }
        }
        answered.sort_unstable();
        assert_eq!(answered, [1, 3], "{size} bytes at a time");
    }
}

#[test]
fn nothing_of_a_text_a_call_or_a_key_is_in_logs_metrics_or_on_the_disk() {
    let service = start("");
    healthy(&service);
    let client = connect(&service);
    let canary = "CanaryCanaryCanaryCanary";
    let asked = EncryptRequest { plaintext: canary.into(), uid: canary.into() };
    let sealed: EncryptResponse = client.call("Encrypt", &asked).expect("sealed");
    let good = sealed.clone().into_request();
    assert_eq!(client.decrypt(&good).as_deref(), Ok(canary.as_bytes()));
    let wrong = DecryptRequest {
        ciphertext: canary.into(),
        uid: canary.into(),
        key_id: canary.into(),
        annotations: BTreeMap::from([(canary.to_owned(), canary.into())]),
    };
    let mut said = vec![client.decrypt(&wrong).expect_err("unknown").message];
    let wrong = DecryptRequest { key_id: good.key_id.clone(), ..wrong };
    said.push(client.decrypt(&wrong).expect_err("it does not open").message);
    let long = EncryptRequest { plaintext: canary.repeat(100).into(), uid: canary.into() };
    let long: Result<EncryptResponse, _> = client.call("Encrypt", &long);
    said.push(long.expect_err("too long").message);
    let mut places = vec![
        ("refusals".to_owned(), said.concat().into_bytes()),
        ("answers".to_owned(), format!("{sealed:?}").into_bytes()),
        ("log".to_owned(), service.log().into_bytes()),
        ("metrics".to_owned(), get(&service, "/metrics").body),
        ("status".to_owned(), get(&service, "/status").body),
    ];
    for entry in std::fs::read_dir(service.state_dir()).expect("the state directory") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            places.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
        }
    }
    assert!(places.len() > 8, "the files of the service are there");
    for (place, bytes) in places {
        let is_there = bytes.windows(canary.len()).any(|part| part == canary.as_bytes());
        assert!(!is_there, "the canary is in {place}");
    }
}
