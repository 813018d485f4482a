//! Many clients, large bodies and slow ones: the memory of the service stays within `kv.memory`, and no
//! caller stalls another.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::BASE64;
use h2::RecvStream;
use h2::client::SendRequest;

use crate::TWO_KINDS;
use crate::running::{NAMESPACES, PATIENCE, Running, get};
use crate::tls::Access;

/// `kv.memory` in these tests, in MiB; the page cache is 16 of them.
const MEMORY_MIB: u64 = 160;

/// What of it one call can have: without the page cache, 68 for rows and 12 for small calls.
const CALL_BYTES: usize = (160 - 16 - 68 - 12) << 20;

/// The largest value.
const VALUE_BYTES: usize = 25 << 20;

/// The largest value that one call can read in bulk.
const BULK_VALUE_BYTES: usize = CALL_BYTES / 3 - (64 << 10);

/// Their values together are twice the ceiling.
const CLIENTS: usize = 13;

/// The store's memory.
fn memory() -> String {
    format!("[kv]\nmemory = \"{MEMORY_MIB}MiB\"\ncache = \"16MiB\"\nopened-cache = \"0B\"\n")
}

fn start(http: &str) -> (Running, String) {
    let service = Running::start(&format!("[http]\n{http}\n{}{TWO_KINDS}", memory()));
    let id = namespace(&service);
    (service, id)
}

/// Makes a namespace; gives its path.
pub(crate) fn namespace(service: &Running) -> String {
    let body = service.made_namespace("first");
    let made: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    format!("/{}", made["result"]["id"].as_str().expect("an id"))
}

/// The head of a call with a body of a known length.
fn head(service: &Running, method: &str, path: &str, length: usize) -> String {
    let token = fs::read_to_string(service.token_file()).expect("a token");
    format!(
        "{method} {NAMESPACES}{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         authorization: Bearer {}\r\ncontent-length: {length}\r\n\r\n",
        token.trim()
    )
}

/// Sends a call; the answer is still to be read.
fn send(service: &Running, method: &str, path: &str, body: &[u8]) -> TcpStream {
    let mut stream = patient(service);
    stream.write_all(head(service, method, path, body.len()).as_bytes()).expect("sent");
    // A call that is refused may not be read to its end.
    let _ = stream.write_all(body);
    stream
}

/// A connection of a client that waits for its turn as long as it takes.
fn patient(service: &Running) -> TcpStream {
    let stream = service.connect();
    stream.set_read_timeout(Some(Duration::from_mins(10))).expect("a timeout");
    stream
}

/// The answer: its status, its head and its body.
fn answer(mut stream: impl Read) -> (u16, String, Vec<u8>) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let body = bytes.split_off(end + 4);
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, head, body)
}

/// Reads answers at the same time: which of them has begun is the service's to choose.
fn read_all(streams: Vec<TcpStream>) -> Vec<(u16, Vec<u8>)> {
    let readers: Vec<_> =
        streams.into_iter().map(|stream| thread::spawn(move || answer(stream))).collect();
    let read = readers.into_iter().map(|reader| reader.join().expect("an answer"));
    read.map(|(status, _, body)| (status, body)).collect()
}

fn call(service: &Running, method: &str, path: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    answer(send(service, method, path, body))
}

/// A bulk write of pairs, as long as `bytes` at the most.
fn pairs(bytes: usize, pair: impl Fn(usize) -> String) -> Vec<u8> {
    let mut body = b"[".to_vec();
    for number in 0.. {
        let next = pair(number);
        if body.len() + next.len() + 2 > bytes {
            break;
        }
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(next.as_bytes());
    }
    body.push(b']');
    body
}

#[test]
fn the_memory_for_many_large_calls_stays_within_the_ceiling_and_goes_back() {
    let (service, id) = start("idle-timeout = \"10min\"");
    let idle = service.resident_memory_kib();
    let check = |what: &str| {
        let more = service.peak_memory_kib().saturating_sub(idle) / 1024;
        assert!(more <= MEMORY_MIB * 12 / 10, "{what}: {more} MiB more than idle");
    };
    let value = vec![0x5a; VALUE_BYTES];
    let all_at_once = |work: &(dyn Fn(usize) -> u16 + Sync)| {
        thread::scope(|scope| {
            let calls: Vec<_> =
                (0..CLIENTS).map(|number| scope.spawn(move || work(number))).collect();
            for call in calls {
                assert_eq!(call.join().expect("an answer"), 200);
            }
        });
    };
    let place = |number: usize| format!("{id}/values/{}", number % 4);
    all_at_once(&|number| call(&service, "PUT", &place(number), &value).0);
    check("values written");

    // Clients that do not read: what has begun waits in the service.
    let unread: Vec<_> =
        (0..CLIENTS).map(|number| send(&service, "GET", &place(number), b"")).collect();
    service.wait_until_idle();
    check("values read by none");
    for (status, body) in read_all(unread) {
        assert!(status == 200 && body == value, "{status}: {} bytes", body.len());
    }
    check("values read");

    // A bulk read takes three times its values.
    let value = &value[..BULK_VALUE_BYTES];
    assert_eq!(call(&service, "PUT", &format!("{id}/values/bulk"), value).0, 200);
    let names = br#"{"keys":["bulk"],"type":"base64"}"#;
    let read = format!("{id}/bulk/get");
    let unread: Vec<_> = (0..CLIENTS / 2).map(|_| send(&service, "POST", &read, names)).collect();
    service.wait_until_idle();
    check("a bulk read by none");
    for (status, body) in read_all(unread) {
        assert!(status == 200 && body.len() > BULK_VALUE_BYTES / 3 * 4, "{status}: {}", body.len());
    }

    let bulk = format!("{id}/bulk");
    let text = BASE64.encode(&value[..6000]);
    let many = pairs(CALL_BYTES, |number| {
        format!("{{\"key\":\"{number}\",\"value\":\"{text}\",\"base64\":true}}")
    });
    let few = pairs(CALL_BYTES, |number| {
        format!("{{\"key\":\"{number}\",\"value\":\"{}\"}}", "\\u0041".repeat(4 << 20))
    });
    thread::scope(|scope| {
        let calls = [&many, &few].map(|body| scope.spawn(|| call(&service, "PUT", &bulk, body).0));
        for call in calls {
            assert_eq!(call.join().expect("an answer"), 200);
        }
    });
    check("bulks written");

    let tiny = pairs(CALL_BYTES, |_| "{\"key\":\"a\",\"value\":\"\"}".to_owned());
    let (status, _, body) = call(&service, "PUT", &bulk, &tiny);
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(status == 400 && body.contains("1 to 10000 items"), "{status}: {body}");
    let names = pairs(24 << 20, |_| "\"\"".to_owned());
    let (status, _, body) = call(&service, "POST", &format!("{id}/bulk/delete"), &names);
    assert_eq!(status, 400, "{}", String::from_utf8_lossy(&body));
    check("lists that are too long");

    service.wait_until_idle();
    // The page cache, and what a small call may leave.
    let more = service.resident_memory_kib().saturating_sub(idle) / 1024;
    assert!(more <= 16 + 32, "{more} MiB are kept after the last call");
}

#[test]
fn a_mix_of_large_reads_writes_lists_and_bulks_stays_within_the_ceiling() {
    let (service, id) = start("idle-timeout = \"10min\"");
    let idle = service.resident_memory_kib();
    let value = vec![0x5a; VALUE_BYTES];
    let place = |number: usize| format!("{id}/values/{}", number % 2);
    for number in 0..2 {
        assert_eq!(call(&service, "PUT", &place(number), &value).0, 200);
    }
    // One string with one escape, which is as long as a bulk read can be.
    let mut json = vec![b'a'; BULK_VALUE_BYTES];
    json[0] = b'"';
    json[BULK_VALUE_BYTES - 3..].copy_from_slice(b"\\n\"");
    assert_eq!(call(&service, "PUT", &format!("{id}/values/json"), &json).0, 200);
    let bulk = pairs(CALL_BYTES, |number| {
        format!("{{\"key\":\"bulk/{number}\",\"value\":\"{}\"}}", "b".repeat(200 << 10))
    });
    let small = vec![0x5a; 1 << 20];
    let wanted = br#"{"keys":["json"],"type":"json"}"#;
    let calls: [&(dyn Fn(usize) -> u16 + Sync); 6] = [
        &|number| call(&service, "PUT", &place(number), &value).0,
        &|number| call(&service, "GET", &place(number), b"").0,
        &|_| call(&service, "POST", &format!("{id}/bulk/get"), wanted).0,
        &|_| call(&service, "PUT", &format!("{id}/bulk"), &bulk).0,
        &|number| call(&service, "PUT", &format!("{id}/values/small/{number}"), &small).0,
        &|_| call(&service, "GET", &format!("{id}/keys"), b"").0,
    ];
    thread::scope(|scope| {
        for (work, kind) in calls.iter().flat_map(|work| [(work, 0), (work, 1)]) {
            scope.spawn(move || {
                for number in 0..5 {
                    assert_eq!(work(number + kind), 200);
                }
            });
        }
    });
    let more = service.peak_memory_kib().saturating_sub(idle) / 1024;
    assert!(more <= MEMORY_MIB * 12 / 10, "{more} MiB more than idle");
}

#[test]
fn a_call_that_could_never_fit_is_refused_by_its_announced_length_with_the_key_that_limits_it() {
    let (service, id) = start("");
    for (length, status) in [(CALL_BYTES + 1, 413), (95_000_000, 413), (100_000_001, 413)] {
        let mut stream = patient(&service);
        let head = head(&service, "PUT", &format!("{id}/bulk"), length);
        stream.write_all(head.as_bytes()).expect("sent");
        let (given, _, body) = answer(stream);
        let body = String::from_utf8_lossy(&body);
        assert_eq!(given, status, "{body}");
        assert_eq!(body.contains("kv.memory"), length <= 100_000_000, "{body}");
    }
}

#[test]
fn a_small_call_is_answered_while_large_ones_are_half_sent() {
    let (service, id) = start("");
    let large = |bytes: usize| {
        let mut stream = patient(&service);
        let head = head(&service, "PUT", &format!("{id}/bulk"), bytes);
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(b"[{\"key\":\"a\",\"value\":\"").expect("sent");
        stream
    };
    let half_sent = [large(60 << 20), large(60 << 20), large(60 << 20)];
    for (name, bytes) in [("one", 1), ("some", 50_000), ("more", 900_000)] {
        let value = vec![0x5a; bytes];
        let place = format!("{id}/values/{name}");
        assert_eq!(call(&service, "PUT", &place, &value).0, 200, "{bytes} bytes are written");
        let (status, _, read) = call(&service, "GET", &place, b"");
        assert!(status == 200 && read == value, "{bytes} bytes are read");
    }
    // Of unknown length: it counts by what has come.
    let mut chunked = patient(&service);
    let head = head(&service, "PUT", &format!("{id}/values/chunked"), 0)
        .replace("content-length: 0", "transfer-encoding: chunked");
    chunked.write_all(format!("{head}1\r\nx\r\n0\r\n\r\n").as_bytes()).expect("sent");
    assert_eq!(answer(chunked).0, 200);
    assert_eq!(call(&service, "GET", &format!("{id}/keys"), b"").0, 200, "names are listed");
    for mut stream in half_sent {
        stream.set_nonblocking(true).expect("a socket");
        let error = stream.read(&mut [0; 1]).expect_err("it is not answered yet");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_body_that_comes_drop_by_drop_is_refused_however_small_the_gaps_are() {
    let (service, id) = start("idle-timeout = \"1s\"");
    let mut stream = patient(&service);
    let head = head(&service, "PUT", &format!("{id}/values/slow"), 20_000);
    stream.write_all(head.as_bytes()).expect("sent");
    let mut sent = 0;
    // Until the answer: one byte at a time, far less than the least rate, and never idle.
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    let mut first = [0; 12];
    while stream.read_exact(&mut first).is_err() {
        assert!(sent < 20_000, "all of it was taken");
        // Refused already: the answer is next.
        let _ = stream.write_all(b"x");
        sent += 1;
    }
    assert_eq!(&first, b"HTTP/1.1 408");
}

/// Opens a connection of HTTP/2 whose streams get 1 KiB before some of it is taken.
async fn connect_narrow(access: &Access, service: &Running) -> SendRequest<Bytes> {
    let socket = access.connect_http_2(service).await;
    let mut client = h2::client::Builder::new();
    client.initial_window_size(1024);
    let (requests, connection) = client.handshake(socket).await.expect("HTTP/2");
    // Its end is seen by the streams.
    tokio::spawn(async move { drop(connection.await) });
    requests
}

async fn ask(requests: &mut SendRequest<Bytes>, url: &str, token: &str) -> RecvStream {
    let request = hyper::Request::get(url).header("authorization", format!("Bearer {token}"));
    let request = request.body(()).expect("a request");
    let (answer, _) = requests.send_request(request, true).expect("sent");
    answer.await.expect("an answer").into_body()
}

/// Takes half a window fifty times per second, far less than the least rate and never idle, until the
/// answer ends or the connection is closed. Counts the bytes.
async fn read_slowly(mut body: RecvStream) -> usize {
    let mut read = 0;
    while let Some(Ok(piece)) = body.data().await {
        read += piece.len();
        tokio::time::sleep(Duration::from_millis(20)).await;
        body.flow_control().release_capacity(piece.len()).expect("taken");
    }
    read
}

#[test]
fn clients_that_read_drop_by_drop_keep_no_memory_from_others() {
    let access = Access::new();
    let service = access.start_with_tables("idle-timeout = \"1s\"\n", &memory());
    let file = fs::read_to_string(service.token_file()).expect("a token");
    let token = file.trim();
    let call = |method: &str, path: &str, body: &[u8]| {
        let mut stream = access.connect(&service);
        stream.write_all(head(&service, method, path, body.len()).as_bytes()).expect("sent");
        stream.write_all(body).expect("sent");
        answer(stream)
    };
    let (_, _, made) = call("POST", "", b"{\"title\":\"first\"}");
    let made: serde_json::Value = serde_json::from_slice(&made).expect("JSON");
    let place = format!("/{}/values/large", made["result"]["id"].as_str().expect("an id"));
    let value = vec![0x5a; VALUE_BYTES];
    assert_eq!(call("PUT", &place, &value).0, 200);

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let url = format!("https://127.0.0.1{NAMESPACES}{place}");
    let random = "https://127.0.0.1/random?bytes=1073741824";
    let (slow, endless) = runtime.block_on(async {
        let mut slow = Vec::new();
        // As many as there is memory for; the second does not read the value at all, and another answer
        // meanwhile.
        let mut first = connect_narrow(&access, &service).await;
        slow.push(tokio::spawn(read_slowly(ask(&mut first, &url, token).await)));
        let mut second = connect_narrow(&access, &service).await;
        let unread = ask(&mut second, &url, token).await;
        let other = ask(&mut second, random, &access.token).await;
        slow.push(tokio::spawn(async move {
            let read = read_slowly(other).await;
            drop(unread);
            read
        }));
        let mut third = connect_narrow(&access, &service).await;
        let endless = tokio::spawn(read_slowly(ask(&mut third, random, &access.token).await));
        (slow, endless)
    });
    let end = Instant::now() + PATIENCE;
    loop {
        let (status, _, body) = call("GET", &place, b"");
        if status == 200 {
            assert!(body == value, "{} bytes", body.len());
            break;
        }
        assert!(status == 503 && Instant::now() < end, "{status}");
    }
    for reader in slow {
        let read = runtime.block_on(reader).expect("its connection is closed");
        assert!(read < VALUE_BYTES, "{read} bytes were read");
    }
    assert!(!endless.is_finished(), "a long answer of /random takes no memory");
}

#[test]
fn a_large_body_is_parsed_while_others_are_served() {
    let (service, id) = start("threads = 1");
    // Every value is text with escapes, and the last pair is invalid: nothing is written.
    let mut body = pairs(CALL_BYTES - 100, |number| {
        format!("{{\"key\":\"{number}\",\"value\":\"{}\"}}", "\\n".repeat(4000))
    });
    body.pop();
    body.extend_from_slice(b",{\"key\":\"last\",\"value\":\"*\",\"base64\":true}]");
    let is_answered = AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        let large = send(&service, "PUT", &format!("{id}/bulk"), &body);
        scope.spawn(|| {
            let (status, _, body) = answer(large);
            is_answered.store(true, Ordering::SeqCst);
            assert_eq!(status, 400, "{}", String::from_utf8_lossy(&body));
        });
        let mut answers = 0;
        while !is_answered.load(Ordering::SeqCst) {
            assert_eq!(get(&service, "/random").status, 200);
            answers += 1;
        }
        answers
    });
    // On the thread that parses, one request could be answered before and one after.
    assert!(answers > 4, "{answers} answers while the body was parsed");
}
