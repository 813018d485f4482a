//! After `seal` no memory of the served program holds anything of a record: values, names, metadata, and the
//! JSON that carried them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use h2::client::SendRequest;
use serde_json::json;

use crate::TWO_KINDS;
use crate::load::namespace;
use crate::running::{NAMESPACES, PATIENCE, Running};
use crate::tls::Access;
use crate::vault::{admin, call};

/// What is looked for at a time, in bytes.
const WINDOW: usize = 16;

/// Connections are not closed for being idle while anything is waited for.
const KEPT_OPEN: &str = "idle-timeout = \"1h\"\n";

/// A large value.
const VALUE_BYTES: usize = 3 << 20;

/// The contents of the records, which nothing else in the process has.
struct Plaintext {
    value: Vec<u8>,
    /// Text in names, metadata and values of small records.
    names: Vec<String>,
    metadata: Vec<String>,
    texts: Vec<String>,
}

impl Plaintext {
    fn new() -> Self {
        let text = |bytes| HEXLOWER.encode(&random(bytes));
        let texts = |bytes| (0..8).map(|_| text(bytes)).collect();
        Self {
            value: random(VALUE_BYTES),
            names: texts(40),
            metadata: texts(100),
            texts: texts(3000),
        }
    }

    /// The calls that carry it: method, path below the namespaces, media type, body.
    fn calls(&self, id: &str) -> Vec<(&'static str, String, &'static str, Vec<u8>)> {
        let json = "application/json";
        let metadata = |number: usize| json!({ "note": self.metadata[number] });
        let place = |number: usize| format!("{id}/values/{}", self.names[number]);
        let form = format!(
            "--x\r\ncontent-disposition: form-data; name=\"value\"\r\n\r\n{}\r\n--x\r\n\
             content-disposition: form-data; name=\"metadata\"\r\n\r\n{}\r\n--x--\r\n",
            self.texts[1],
            metadata(1)
        );
        let pair = |number: usize| {
            json!({ "key": self.names[number], "value": self.texts[number],
                    "metadata": metadata(number) })
        };
        let base64 =
            json!({ "key": "base64", "value": BASE64.encode(&self.value), "base64": true });
        let pairs: Vec<_> = (2..8).map(pair).chain([base64]).collect();
        let all = |form: &str| json!({ "keys": self.names, "type": form, "withMetadata": true });
        vec![
            ("PUT", place(0), "application/octet-stream", self.value.clone()),
            ("PUT", place(1), "multipart/form-data; boundary=x", form.into_bytes()),
            ("PUT", format!("{id}/bulk"), json, json!(pairs).to_string().into_bytes()),
            ("GET", place(0), "", Vec::new()),
            ("GET", place(2), "", Vec::new()),
            ("GET", place(2), "", Vec::new()),
            ("GET", format!("{id}/metadata/{}", self.names[3]), "", Vec::new()),
            ("GET", format!("{id}/keys"), "", Vec::new()),
            ("POST", format!("{id}/bulk/get"), json, all("text").to_string().into_bytes()),
            ("POST", format!("{id}/bulk/get"), json, all("base64").to_string().into_bytes()),
            ("DELETE", place(4), "", Vec::new()),
            ("POST", format!("{id}/bulk/delete"), json, json!([self.names[5]]).to_string().into()),
        ]
    }

    /// Its windows at every sixteenth byte: a copy of 31 bytes or more has one of them.
    fn windows(&self) -> HashSet<[u8; WINDOW]> {
        let base64 = BASE64.encode(&self.value);
        let texts = [&self.names, &self.metadata, &self.texts].into_iter().flatten();
        let texts = texts.map(String::as_bytes).chain([self.value.as_slice(), base64.as_bytes()]);
        texts.flat_map(|text| text.as_chunks().0.iter().copied()).collect()
    }
}

fn random(bytes: usize) -> Vec<u8> {
    let mut random = vec![0; bytes];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).expect("bytes");
    random
}

/// Copies in the memory of a service: the mapping, and the number of windows in it.
fn copies(service: &Running, windows: &HashSet<[u8; WINDOW]>) -> Vec<(String, usize)> {
    // The lookup of most windows ends here.
    let mut begins = vec![false; 1 << 16];
    for window in windows {
        begins[begin(window)] = true;
    }
    let is_long = windows.len() > 60_000;
    let pid = service.pid().as_raw_nonzero();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the map, as root");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("the memory, as root");
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let hex = |text| u64::from_str_radix(text, 16).expect("an address");
        let (start, end) = range.map(|(start, end)| (hex(start), hex(end))).expect("a range");
        let mut bytes = vec![0; usize::try_from(end - start).expect("64 bits")];
        let Ok(read) = memory.read_at(&mut bytes, start) else { continue };
        let is_copy = |window: &&[u8]| {
            let window: &[u8; WINDOW] = window.first_chunk().expect("16 bytes");
            (is_long || begins[begin(window)]) && windows.contains(window)
        };
        let is_empty = |window: &&[u8]| window.iter().all(|byte| *byte == 0);
        let at = bytes[..read].windows(WINDOW).filter(|window| !is_empty(window)).filter(is_copy);
        let count = at.count();
        if count > 0 {
            found.push((line.to_owned(), count));
        }
    }
    found
}

fn begin(window: &[u8; WINDOW]) -> usize {
    usize::from(u16::from_le_bytes([window[0], window[1]]))
}

/// Seals the keyring of a service whose clients are still connected, and looks until nothing is left.
fn nothing_is_left_after_seal(service: &Running, plaintext: &Plaintext) {
    let windows = plaintext.windows();
    assert!(!copies(service, &windows).is_empty(), "names are held while the store is open");
    service.done(&["seal"], "");
    // Connections are closed after the answer.
    let end = Instant::now() + PATIENCE;
    loop {
        let found = copies(service, &windows);
        if found.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "left after sealing: {found:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Makes calls on one connection, which stays open.
fn call_all<S: Read + Write>(
    stream: S,
    token: &str,
    calls: &[(&'static str, String, &'static str, Vec<u8>)],
) -> BufReader<S> {
    let mut stream = BufReader::new(stream);
    for (method, path, media_type, body) in calls {
        let head = format!(
            "{method} {NAMESPACES}{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer \
             {token}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.get_mut().write_all(head.as_bytes()).expect("sent");
        stream.get_mut().write_all(body).expect("sent");
        stream.get_mut().flush().expect("sent");
        let mut length = 0;
        let mut line = String::new();
        stream.read_line(&mut line).expect("an answer");
        assert!(line.contains(" 200 "), "{method} {path}: {line}");
        while !line.trim().is_empty() {
            line.clear();
            stream.read_line(&mut line).expect("a head");
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        stream.read_exact(&mut vec![0; length]).expect("a body");
    }
    stream
}

fn token(service: &Running) -> String {
    fs::read_to_string(service.token_file()).expect("a token").trim().to_owned()
}

#[test]
fn nothing_of_a_record_is_left_after_seal_with_connections_kept_open() {
    if !rustix::process::geteuid().is_root() {
        return; // others may not read the memory of the service
    }
    let service = Running::start(&format!("[http]\n{KEPT_OPEN}{TWO_KINDS}"));
    let id = namespace(&service);
    let plaintext = Plaintext::new();
    let calls = plaintext.calls(&id);
    let (token, half_sent) = (token(&service), plaintext.calls(&id));
    // One connection for all calls, one for each, and one that stops in the middle of a body.
    let mut kept = vec![call_all(service.connect(), &token, &calls)];
    for call in calls.chunks(1).take(9) {
        kept.push(call_all(service.connect(), &token, call));
    }
    let mut broken = service.connect();
    let head = format!(
        "PUT {NAMESPACES}{id}/values/half HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer \
         {token}\r\ncontent-length: {VALUE_BYTES}\r\n\r\n"
    );
    broken.write_all(head.as_bytes()).expect("sent");
    broken.write_all(&half_sent[0].3[..VALUE_BYTES / 2]).expect("sent");
    drop(broken);
    nothing_is_left_after_seal(&service, &plaintext);
    drop(kept);
}

#[test]
fn nothing_of_a_record_is_left_after_seal_over_tls_either() {
    if !rustix::process::geteuid().is_root() {
        return; // others may not read the memory of the service
    }
    let access = Access::new();
    let service = access.start_with(KEPT_OPEN);
    let plaintext = Plaintext::new();
    let token = token(&service);
    let titled = br#"{"title":"first"}"#.to_vec();
    let made = call_all(access.connect(&service), &token, &[("POST", String::new(), "", titled)]);
    drop(made);
    let id = service.done(&["kv", "namespaces", "list", "--json"], "");
    let id = id.split('"').find(|part| part.len() == 32).expect("an id").to_owned();
    let calls = plaintext.calls(&format!("/{id}"));
    let kept = call_all(access.connect(&service), &token, &calls);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let multiplexed = runtime.block_on(call_all_over_http_2(&access, &service, &token, &calls));
    nothing_is_left_after_seal(&service, &plaintext);
    drop((kept, multiplexed));
}

async fn call_all_over_http_2(
    access: &Access,
    service: &Running,
    token: &str,
    calls: &[(&'static str, String, &'static str, Vec<u8>)],
) -> SendRequest<Bytes> {
    let socket = access.connect_http_2(service).await;
    let (mut requests, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
    // The service closes it.
    tokio::spawn(connection);
    for (method, path, media_type, body) in calls {
        let request = hyper::Request::builder()
            .method(*method)
            .uri(format!("https://127.0.0.1{NAMESPACES}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", *media_type)
            .body(())
            .expect("a request");
        requests = requests.ready().await.expect("room for a stream");
        let (answer, mut stream) = requests.send_request(request, false).expect("sent");
        stream.send_data(Bytes::from(body.clone()), true).expect("sent");
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status(), 200, "{method} {path}");
        let mut body = answer.into_body();
        while let Some(data) = body.data().await {
            let length = data.expect("a body").len();
            body.flow_control().release_capacity(length).expect("taken");
        }
    }
    requests
}

#[test]
fn a_short_text_of_a_caller_is_nowhere_once_it_was_answered() {
    let service = Running::start(TWO_KINDS);
    let token = admin(&service);
    assert_eq!(call(&service, &token, "POST", "transit/keys/k", "{}").0, 200);
    let text = random(300);
    let encoded = BASE64.encode(&text);
    let windows: HashSet<[u8; WINDOW]> =
        [&text, encoded.as_bytes()].iter().flat_map(|it| it.as_chunks().0).copied().collect();
    let body = json!({ "plaintext": encoded }).to_string();
    let sealed = call(&service, &token, "POST", "transit/encrypt/k", &body).1;
    let body = json!({ "ciphertext": sealed["data"]["ciphertext"] }).to_string();
    let opened = call(&service, &token, "POST", "transit/decrypt/k", &body).1;
    assert_eq!(opened["data"]["plaintext"], encoded);
    // Until the end of the connection its buffers hold it.
    service.wait_until("no copy is left", |service| copies(service, &windows).is_empty());
}
