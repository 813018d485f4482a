//! Limits over the served program: defaults, callers without a token, the ceiling of the service, and fair
//! shares.

use std::io::Read;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::process::Signal;
use serde_json::Value;

use crate::TWO_KINDS;
use crate::running::{Running, get, run};
use crate::tenants::{call, create, header, json, send};

/// A service with this table of limits.
fn limited(limits: &str) -> Running {
    Running::start(&configuration(limits))
}

fn configuration(limits: &str) -> String {
    format!("[limits]\n{limits}\n[http]\nthreads = 1\n{TWO_KINDS}")
}

fn limits_of(service: &Running, tenant: &str) -> Value {
    let text = service.done(&["tenant", "show", tenant, "--json"], "");
    serde_json::from_str::<Value>(&text).expect("JSON")["limits"].clone()
}

#[test]
fn clients_that_wait_for_their_turn_are_not_cut_off_as_idle() {
    // Three clients, two turns each, a second a turn.
    let service = Running::start(&format!(
        "[limits]\nlong-answer-bytes = '64KiB/s'\n[http]\nthreads = 1\nidle-timeout = '1s'\n{TWO_KINDS}"
    ));
    std::thread::scope(|scope| {
        let clients = [(); 3].map(|()| scope.spawn(|| service.drain("/random?bytes=100000")));
        for client in clients {
            assert_eq!(client.join().expect("an answer"), 100_000);
        }
    });
}

#[test]
fn a_tenant_without_limits_has_the_defaults_and_none_lifts_them() {
    let service =
        limited("tenant-rate = '2/h'\ntenant-bytes = '100B/day'\ntenant-long-answers = 0");
    let token = create(&service, "acme", &[]);
    let ask = |bytes: u64| {
        let answer = call(&service, &token, "GET", &format!("/random?bytes={bytes}"), "");
        let field = serde_json::from_slice::<Value>(&answer.body).ok();
        let field = field.and_then(|it| it["field"].as_str().map(str::to_owned));
        (answer.status, field.unwrap_or_default())
    };
    assert_eq!(ask(100), (200, String::new()));
    assert_eq!(ask(1), (429, "bytes".to_owned()));
    assert_eq!(ask(1), (429, "requests".to_owned()));
    let shown = limits_of(&service, "acme");
    assert_eq!((&shown["rate"], &shown["bytes_per_day"]), (&"2/h".into(), &100.into()));
    assert_eq!(shown["defaults"], serde_json::json!(["rate", "bytes_per_day", "long_answers"]));
    let limit = |arguments: &[&str]| {
        service.done(&[&["tenant", "limit", "acme"], arguments].concat(), "");
    };
    limit(&["--rate", "none", "--bytes", "none"]);
    assert_eq!(ask(1000), (200, String::new()));
    assert_eq!(ask(100_000), (429, "long-answers".to_owned()));
    limit(&["--long-answers", "1", "--bytes", "1MiB/day"]);
    assert_eq!(ask(100_000), (200, String::new()));
    limit(&["--bytes", "default"]);
    assert_eq!(ask(1), (429, "bytes".to_owned()), "what was used stays used");
    assert_eq!(limits_of(&service, "acme")["defaults"], serde_json::json!(["bytes_per_day"]));
    let text = service.done(&["tenant", "show", "acme"], "");
    assert!(text.contains("by default: bytes_per_day"), "{text}");
    // The administrator is no tenant by default.
    let admin = std::fs::read_to_string(service.token_file()).expect("a token");
    assert_eq!(call(&service, admin.trim(), "GET", "/random?bytes=1000", "").status, 200);
}

#[test]
fn limits_are_reloaded_and_what_is_lifted_stays_lifted_over_a_restart() {
    let mut service = limited("");
    let (lifted, token) = (create(&service, "lifted", &[]), create(&service, "acme", &[]));
    service.done(&["tenant", "limit", "lifted", "--bytes", "none"], "");
    let ask =
        |service: &Running, token: &str| call(service, token, "GET", "/random?bytes=64", "").status;
    assert_eq!([ask(&service, &token), ask(&service, &lifted)], [200; 2]);
    service.configure(&configuration("tenant-bytes = '64B/day'\nanonymous-bytes = '0B/day'"));
    service.signal(Signal::HUP);
    service.wait_until("the limits are not reloaded", |it| ask(it, &token) == 429);
    assert_eq!(ask(&service, &lifted), 200);
    service.wait_until("the limits are not reloaded", |it| get(it, "/random").status == 429);
    assert!(!service.log().contains("takes effect at the next start"), "{}", service.log());
    service.signal(Signal::TERM);
    service.wait();
    service.start_again();
    service.wait_until("the tenants are not read", |it| ask(it, &lifted) == 200);
    assert_eq!(ask(&service, &token), 429);
}

#[test]
fn callers_without_a_token_share_their_limits_and_health_has_none() {
    let service = limited("anonymous-rate = '3/h'\nanonymous-bytes = '100B/day'");
    let first = get(&service, "/random?bytes=100");
    assert_eq!(first.status, 200);
    let left = header(&first, "ratelimit").expect("what is left");
    assert!(left.starts_with("\"requests\";r=2;") && left.contains("\"bytes\";r=0;"), "{left}");
    let refused = get(&service, "/random/uuids");
    assert_eq!((refused.status, json(&refused)["field"].clone()), (429, "bytes".into()));
    assert_eq!(get(&service, "/status").status, 200);
    let refused = get(&service, "/status");
    assert_eq!((refused.status, json(&refused)["field"].clone()), (429, "requests".into()));
    for path in ["/health/live", "/health/ready"] {
        let answer = get(&service, path);
        assert_eq!((answer.status, header(&answer, "ratelimit")), (200, None), "{path}");
    }
    let token = create(&service, "acme", &[]);
    assert_eq!(call(&service, &token, "GET", "/random", "").status, 200, "a tenant has its own");
}

#[test]
fn each_line_of_the_token_file_has_the_default_limits_of_a_tenant() {
    let folder = tempfile::tempdir().expect("a directory");
    let tokens = folder.path().join("tokens");
    let line = |name: &str| format!("{name} {}\n", lavawall::hash_token(name));
    std::fs::write(&tokens, line("one") + &line("two")).expect("written");
    let service = Running::start(&format!(
        "[limits]\ntenant-rate = '1/h'\n[http]\ntokens = '{}'\n{TWO_KINDS}",
        tokens.display()
    ));
    for token in ["one", "two"] {
        let statuses = [0; 2].map(|_| call(&service, token, "GET", "/random", "").status);
        assert_eq!(statuses, [200, 429], "{token}");
    }
    // Also one that comes later.
    std::fs::write(&tokens, line("one") + &line("new")).expect("written");
    service.signal(Signal::HUP);
    service.wait_until("the tokens are not reloaded", |it| {
        call(it, "two", "GET", "/random", "").status == 401
    });
    let statuses = ["one", "new", "new"].map(|it| call(&service, it, "GET", "/random", "").status);
    assert_eq!(statuses, [429, 200, 429]);
}

#[test]
fn one_caller_leaves_others_a_half_of_the_long_answers_of_the_service() {
    let service = limited("long-answers = 4");
    let (greedy, modest) = (create(&service, "greedy", &[]), create(&service, "modest", &[]));
    // So many that no buffer of the system has all of it.
    let begin = |token: &str| {
        let mut stream = service.connect();
        send(&mut stream, token, "GET", "/random?bytes=100000000", "");
        let mut head = [0; 12];
        stream.read_exact(&mut head).expect("a status");
        (String::from_utf8_lossy(&head[9..]).into_owned(), stream)
    };
    let open: Vec<_> = (0..3).map(|_| begin(&greedy)).collect();
    assert_eq!(open.iter().map(|it| &*it.0).collect::<Vec<_>>(), ["200", "200", "429"]);
    let (status, last) = begin(&modest);
    assert_eq!(status, "200");
    let refused = call(&service, &greedy, "GET", "/random?bytes=100000", "");
    let problem = json(&refused);
    assert_eq!((refused.status, &problem["field"]), (429, &"long-answers".into()));
    let limit = problem["limit"].as_str().expect("a limit");
    assert!(limit.starts_with("4 of the service at a time, of which 1 are left"), "{limit}");
    assert_eq!(problem["value"], "one more than 2");
    assert_eq!(call(&service, &greedy, "GET", "/random?bytes=1000", "").status, 200, "a short one");
    drop((open, last));
    service.wait_until("no long answer ends", |it| {
        call(it, &greedy, "GET", "/random?bytes=100000", "").status == 200
    });
}

/// Asks for an endless stream.
fn stream_of(service: &Running, token: &str) -> TcpStream {
    let mut stream = service.connect();
    send(&mut stream, token, "GET", "/random?bytes=1073741824", "");
    stream
}

/// Reads this much; returns how much `other` grew meanwhile.
fn read(stream: &mut TcpStream, bytes: usize, other: &AtomicU64) -> u64 {
    let before = other.load(Ordering::Relaxed);
    let mut buffer = vec![0; 64 << 10];
    for _ in 0..bytes / buffer.len() {
        stream.read_exact(&mut buffer).expect("bytes");
    }
    other.load(Ordering::Relaxed) - before
}

/// Streams of a tenant that asks for as many as it can, at the full load of the service.
const GREEDY: usize = 32;

#[test]
fn a_greedy_tenant_gets_no_more_of_a_full_service_than_a_modest_one() {
    // The service is the bottleneck, not the clients.
    let service = limited("long-answer-bytes = '32MiB/s'");
    let (greedy, modest) = (create(&service, "greedy", &[]), create(&service, "modest", &[]));
    let (taken, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for mut stream in (0..GREEDY).map(|_| stream_of(&service, &greedy)) {
            let (taken, is_over) = (&taken, &is_over);
            scope.spawn(move || {
                let mut buffer = vec![0; 64 << 10];
                while !is_over.load(Ordering::Relaxed) {
                    let read = stream.read(&mut buffer).expect("bytes");
                    taken.fetch_add(read as u64, Ordering::Relaxed);
                }
            });
        }
        let mut stream = stream_of(&service, &modest);
        read(&mut stream, 1 << 20, &taken);
        let modest_bytes = 8 << 20;
        let greedy_bytes = read(&mut stream, modest_bytes, &taken);
        is_over.store(true, Ordering::Relaxed);
        // Alone it would have all, and by connections one of 33 parts.
        assert!(
            greedy_bytes < 2 * modest_bytes as u64,
            "{greedy_bytes} bytes to {GREEDY} streams and {modest_bytes} to one"
        );
        assert!(greedy_bytes > modest_bytes as u64 / 2, "{greedy_bytes}: it is no waste either");
    });
}

#[test]
fn a_client_that_takes_no_turn_holds_up_no_other() {
    let service = limited("");
    let token = create(&service, "stalled", &[]);
    let mut stalled: Vec<_> = (0..16).map(|_| stream_of(&service, &token)).collect();
    for stream in &mut stalled {
        stream.read_exact(&mut [0; 1000]).expect("it has begun");
    }
    assert_eq!(service.drain("/random?bytes=16777216"), 16 << 20);
    drop(stalled);
    assert_eq!(service.drain("/random?bytes=16777216"), 16 << 20);
}

#[test]
fn a_wrong_limit_in_the_configuration_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("lavawall.toml");
    for (line, said) in [
        ("tenant-rate = '0/s'", "limits.tenant-rate: must be a number of requests"),
        ("tenant-bytes = '1MiB'", "limits.tenant-bytes: must be a size"),
        ("tenant-burst = 3", "limits.tenant-burst: needs a rate"),
        (
            "anonymous-rate = '1/s'\nanonymous-burst = 0",
            "limits.anonymous-burst: must be 1 or more",
        ),
        ("long-answers = 0", "limits.long-answers: must be 1 or more (got 0)"),
        ("long-answer-bytes = '0B/s'", "limits.long-answer-bytes: must be a size"),
        ("tenant-rat = '1/s'", "limits.tenant-rat: unknown field"),
    ] {
        std::fs::write(&file, format!("[limits]\n{line}\n")).expect("written");
        let refused = run(&["check", "--config", file.to_str().expect("a path")]);
        assert!(refused.code == 78 && refused.err.contains(said), "{line}: {}", refused.err);
    }
}
