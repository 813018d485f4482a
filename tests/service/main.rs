//! The real program over real sockets: what an operator, a caller and a service manager see.

mod access_log;
mod aws_kms;
mod aws_signature;
mod calibration;
mod clock;
mod cors;
mod credential;
mod degraded_keys;
mod devices;
mod egd;
#[cfg(feature = "etcd")]
mod etcd;
#[cfg(feature = "etcd")]
mod etcd_members;
mod host;
mod keys;
mod kms;
mod kms_client;
mod limits;
mod listeners;
mod load;
mod log;
mod permissions;
mod plaintext;
mod pollen;
mod quotas;
mod report;
mod revocation;
mod rooms;
mod running;
mod seed_command;
mod seeds;
#[path = "../../crates/entropy/tests/rooms/simulated.rs"]
mod simulated;
mod spent_keys;
mod start;
mod state_files;
mod tenants;
mod tls;
mod vault;
mod vault_description;
mod vault_signing;
mod vault_transit;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use running::{Running, get, lavawall, run};
use rustix::process::Signal;

/// Sources every machine has.
const TWO_KINDS: &str = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n";

/// The most memory that a service may have had, in KiB, after clients asked for much and took nothing: two
/// pieces of 64 KiB for each of them, and twice what it has `without` them, which is the program for the
/// most part.
fn most_stalled_kib(without: u64, clients: u64) -> u64 {
    2 * without + clients * 2 * 64
}

const ONE_KIND: &str = "[[source]]\ntype = \"os\"\n";

#[test]
fn it_answers_once_the_ready_file_is_there() {
    let service = Running::start(TWO_KINDS);
    let answer = get(&service, "/random?bytes=32");
    assert_eq!((answer.status, answer.body.len()), (200, 32));
    let answer = get(&service, "/random?bytes=16&format=hex");
    assert_eq!(answer.body.len(), 33);
    assert!(answer.text().trim_end().bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_ne!(get(&service, "/random").body, get(&service, "/random").body);
    assert!(!service.log().contains('\x1b'), "no colours in a file: {}", service.log());
}

#[test]
fn a_gigabyte_is_streamed_in_constant_memory() {
    let service = Running::start(TWO_KINDS);
    assert_eq!(service.drain("/random?bytes=1073741824"), 1 << 30);
    let peak = service.peak_memory_kib();
    assert!(peak < 64 * 1024, "{peak} KiB at the most");
}

#[test]
fn with_one_kind_of_two_it_starts_and_refuses_with_the_reason() {
    let service = Running::start(ONE_KIND);
    // It is up at once, and its source some moments later.
    let end = Instant::now() + Duration::from_mins(1);
    while !get(&service, "/random").text().contains("operating-system") {
        assert!(Instant::now() < end, "no source: {}", service.log());
        std::thread::yield_now();
    }
    let answer = get(&service, "/random");
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains("retry-after:"), "{}", answer.headers);
    let text = answer.text();
    for part in ["operating-system", "1 of 2", "\"needed\":2"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(get(&service, "/health/ready").status, 503);
    assert_eq!(get(&service, "/health/live").status, 200);
    let status = run(&["status", "--url", &service.url()]);
    assert_eq!(status.code, 1, "{}", status.err);
    assert!(status.out.contains("starting"), "{}", status.out);
}

#[test]
fn bad_requests_name_the_field_the_limit_and_the_value() {
    let service = Running::start(TWO_KINDS);
    for (path, parts) in [
        ("/random?bytes=0", ["\"field\":\"bytes\"", "\"value\":\"0\""]),
        ("/random?byte=4", ["\"field\":\"byte\"", "bytes"]),
        ("/random?bytes=99999999999999999999", ["\"field\":\"bytes\"", "1073741824"]),
        ("/random?format=xml", ["\"field\":\"format\"", "xml"]),
    ] {
        let answer = get(&service, path);
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.headers.contains("application/problem+json"), "{}", answer.headers);
        for part in parts {
            assert!(answer.text().contains(part), "{path}: {part} in {}", answer.text());
        }
    }
}

#[test]
fn the_command_line_asks_the_service() {
    let service = Running::start(TWO_KINDS);
    let hex = run(&["random", "32", "--format", "hex", "--url", &service.url()]);
    assert_eq!((hex.code, hex.out.trim_end().len()), (0, 64), "{}", hex.err);
    let status = run(&["status", "--url", &service.url()]);
    assert_eq!(status.code, 0, "{}", status.err);
    assert!(status.out.contains("ready") && status.out.contains("cpu-timing"), "{}", status.out);
    let json = run(&["status", "--json", "--url", &service.url()]);
    assert!(serde_json::from_str::<serde_json::Value>(&json.out).is_ok(), "{}", json.out);
}

#[test]
fn without_a_service_the_command_line_says_how_to_start_one() {
    let answer = run(&["status", "--url", "http://127.0.0.1:1"]);
    assert_eq!(answer.code, 69);
    assert!(answer.err.contains("lavawall serve"), "{}", answer.err);
}

#[test]
fn random_works_alone() {
    let answer = run(&["random", "48", "--local", "--format", "base64"]);
    assert_eq!((answer.code, answer.out.trim_end().len()), (0, 64), "{}", answer.err);
}

#[test]
fn random_alone_leaves_no_core_dump() {
    // It has more to write than the pipe holds, so it is alive when it is looked at.
    let mut command = Command::new(lavawall());
    let command =
        command.args(["random", "100000000", "--local"]).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut first = [0; 1];
    child.stdout.as_mut().expect("piped").read_exact(&mut first).expect("output");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("it runs");
    let _ = child.kill();
    let _ = child.wait();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    let fields: Vec<_> = line.split_whitespace().collect();
    assert_eq!(fields[4..6], ["0", "0"], "{line}");
}

#[test]
fn wrong_configurations_are_refused_with_exit_code_78() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("lavawall.toml");
    for (text, part) in [
        ("[pool]\nquorum = 0\n", "lavawall.toml:2: pool.quorum: must be from 1 to 6 (got 0)"),
        ("[pool]\nquorums = 1\n", "lavawall.toml:2: pool.quorums: unknown field"),
        ("[http]\nlisten = \"0.0.0.0:0\"\n", "lavawall.toml:2: http.listen: "),
        ("[[source]]\ntype = \"camera\"\ndevice = \"x\"\n", "lavawall.toml:3: source[0].device: "),
    ] {
        std::fs::write(&file, text).expect("written");
        let state = folder.path().join("state");
        let answer = run(&[
            "serve",
            "--config",
            file.to_str().expect("a path"),
            "--state-dir",
            state.to_str().expect("a path"),
        ]);
        assert_eq!(answer.code, 78, "{text}{}", answer.err);
        assert!(answer.err.contains(part), "{part} in {}", answer.err);
    }
}

#[test]
fn a_state_directory_that_cannot_be_made_is_exit_code_73() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let below = file.path().join("state");
    let answer =
        run(&["serve", "--listen", "127.0.0.1:0", "--state-dir", below.to_str().expect("a path")]);
    assert_eq!(answer.code, 73, "{}", answer.err);
    assert!(answer.err.contains(below.to_str().expect("a path")), "{}", answer.err);
}

#[test]
fn two_services_do_not_share_a_state_directory() {
    let service = Running::start(TWO_KINDS);
    let state = service.state_dir();
    let answer =
        run(&["serve", "--listen", "127.0.0.1:0", "--state-dir", state.to_str().expect("a path")]);
    assert_eq!(answer.code, 77, "{}", answer.err);
    assert!(answer.err.contains("in use"), "{}", answer.err);
}

#[test]
fn a_thousand_connections_are_all_answered() {
    let service = Running::start(TWO_KINDS);
    let mut open: Vec<_> = (0..1000).map(|_| service.connect()).collect();
    for connection in &mut open {
        connection
            .write_all(
                b"GET /random?bytes=32 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            )
            .expect("sent");
    }
    let mut bodies = std::collections::HashSet::new();
    for mut connection in open {
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        assert!(bodies.insert(answer[answer.len() - 32..].to_vec()), "no two alike");
    }
}

#[test]
fn clients_that_vanish_or_never_read_harm_nobody() {
    let service = Running::start(TWO_KINDS);
    let without = service.peak_memory_kib();
    let ask = b"GET /random?bytes=1073741824 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut stalled = Vec::new();
    for number in 0..100 {
        let mut connection = service.connect();
        connection.write_all(ask).expect("sent");
        let mut some = [0; 1000];
        connection.read_exact(&mut some).expect("it has begun");
        // Half of them vanish here, the others stay and read no more.
        if number % 2 == 0 {
            stalled.push(connection);
        }
    }
    assert_eq!(get(&service, "/random").status, 200);
    let peak = service.peak_memory_kib();
    let most = most_stalled_kib(without, 100);
    assert!(peak < most, "{peak} of {most} KiB for a hundred stalled gigabytes");
}

#[test]
fn sigterm_finishes_the_answers_that_have_begun_and_takes_no_more() {
    let mut service = Running::start(TWO_KINDS);
    let total = 64 << 20;
    let mut connection = service.connect();
    let ask = format!(
        "GET /random?bytes={total} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(ask.as_bytes()).expect("sent");
    let mut head = [0; 4096];
    connection.read_exact(&mut head).expect("it has begun");
    service.signal(Signal::TERM);
    // No new connection is taken once the listener is closed.
    let end = Instant::now() + Duration::from_mins(1);
    while TcpStream::connect(service.address()).is_ok() {
        assert!(Instant::now() < end, "still accepting");
        std::thread::yield_now();
    }
    let mut rest = Vec::new();
    connection.read_to_end(&mut rest).expect("the rest");
    let start = head.windows(4).position(|four| four == b"\r\n\r\n").expect("headers") + 4;
    assert_eq!(head.len() - start + rest.len(), total);
    assert_eq!(service.wait(), 0);
}

#[test]
fn half_a_request_does_not_hold_up_a_stop() {
    // Waiting for either would fail the test.
    let patient = "[http]\nidle-timeout = \"1h\"\ndrain-timeout = \"1h\"\n";
    let mut service = Running::start(&format!("{patient}{TWO_KINDS}"));
    let mut connection = service.connect();
    connection.write_all(b"GET / HT").expect("sent");
    service.signal(Signal::TERM);
    assert_eq!(service.wait_patiently(), Some(0));
}

#[test]
fn killed_at_any_moment_it_starts_again_and_uses_no_boot_seed_twice() {
    let mut service = Running::start(TWO_KINDS);
    let mut seeds = std::collections::HashSet::new();
    for _ in 0..5 {
        let path = service.state_dir().join("boot-seed");
        let end = Instant::now() + Duration::from_mins(1);
        while std::fs::metadata(&path).map_or(0, |file| file.len()) != 64 {
            assert!(Instant::now() < end, "no boot seed was left");
            std::thread::yield_now();
        }
        service.signal(Signal::KILL);
        service.wait();
        assert!(seeds.insert(std::fs::read(&path).expect("a boot seed")));
        service.start_again();
        assert_eq!(get(&service, "/random").status, 200);
    }
}

#[test]
fn a_full_disk_stops_nothing_and_is_said() {
    // A disk of one page, in a mount namespace of the service's own.
    let can = Command::new("unshare")
        .args([
            "--map-root-user",
            "--mount",
            "mount",
            "-t",
            "tmpfs",
            "-o",
            "size=4k",
            "tmpfs",
            "/mnt",
        ])
        .output();
    if !can.is_ok_and(|output| output.status.success()) {
        // Needs a user namespace or root; elsewhere the library's own tests must do.
        return;
    }
    let script = "mount -t tmpfs -o size=16k,mode=700 tmpfs \"$STATE\" && \
                  head -c 64 /dev/zero > \"$STATE/boot-seed\" && : > \"$STATE/lock\" && \
                  { head -c 64k /dev/zero > \"$STATE/filler\" || true; } 2> /dev/null; exec \"$@\"";
    let service = Running::start_with(TWO_KINDS, |state| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        command.arg(lavawall()).env("STATE", state);
        std::fs::create_dir_all(state).expect("a mount point");
        command
    });
    assert_eq!(get(&service, "/random").status, 200);
    let status = get(&service, "/status").text();
    assert!(status.contains("the boot seed cannot be replaced, and so is not used"), "{status}");
}

#[test]
fn sighup_takes_over_new_sources_and_drops_no_connection() {
    let service = Running::start(ONE_KIND);
    let mut connection = service.connect();
    service.configure(TWO_KINDS);
    service.signal(Signal::HUP);
    let end = Instant::now() + Duration::from_mins(1);
    while get(&service, "/health/ready").status != 200 {
        assert!(Instant::now() < end, "the new source was not taken over");
        std::thread::yield_now();
    }
    connection
        .write_all(b"GET /random HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .expect("the old connection lives");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn a_reload_that_changes_the_quorum_holds_from_the_next_seed() {
    let with_quorum = |quorum| {
        let pool = format!("[pool]\nquorum = {quorum}\nreseed-interval = \"1s\"\n");
        format!("{pool}grace-period = \"0s\"\n{ONE_KIND}")
    };
    let service = Running::start(&with_quorum(2));
    assert_eq!(get(&service, "/random").status, 503, "one kind of two");
    service.configure(&with_quorum(1));
    service.signal(Signal::HUP);
    service.wait_until("it never answers", |it| get(it, "/random").status == 200);
    service.configure(&with_quorum(2));
    service.signal(Signal::HUP);
    service.wait_until("it answers on", |it| get(it, "/random").status == 503);
    assert!(get(&service, "/random").text().contains("1 of 2"));
}

#[test]
fn a_reload_of_a_wrong_configuration_changes_nothing() {
    let service = Running::start(TWO_KINDS);
    service.configure("[pool]\nquorum = 0\n");
    service.signal(Signal::HUP);
    service.wait_for_log("the old configuration stays");
    assert_eq!(get(&service, "/random").status, 200);
}

#[test]
fn a_required_source_that_is_not_there_is_missed_also_without_any_source_configured() {
    // No machine that tests run on has a TPM under this name, and where one has, nothing is missed.
    if std::path::Path::new("/dev/tpmrm0").exists() {
        return;
    }
    let service = Running::start("[pool]\nrequired = [\"tpm\"]\n");
    let answer = get(&service, "/random?fresh=true");
    assert_eq!(answer.status, 503, "at once, and not after the time for a fresh seed");
    let text = get(&service, "/status").text();
    assert!(text.contains("\"missing_required\":[\"tpm\"]"), "{text}");
}

#[test]
fn a_reload_says_what_needs_a_restart() {
    let service = Running::start(TWO_KINDS);
    service.configure(&format!(
        "[http]\nmax-bytes = \"1MiB\"\n[pool]\ngrace-period = \"1s\"\n{TWO_KINDS}"
    ));
    service.signal(Signal::HUP);
    service.wait_for_log("http.max-bytes has changed, and takes effect at the next start");
    service.wait_for_log("pool.grace-period has changed");
    service.wait_for_log("reloaded sources");
    assert!(!service.log().contains("http.listen has changed"), "{}", service.log());
}

#[test]
fn fresh_answers_come_from_a_new_generation() {
    let service = Running::start(TWO_KINDS);
    let generation = |headers: &str| -> u64 {
        let line = headers.lines().find_map(|line| line.strip_prefix("entropy-generation: "));
        line.and_then(|number| number.trim().parse().ok()).expect("a generation")
    };
    let before = generation(&get(&service, "/random").headers);
    let after = generation(&get(&service, "/random?fresh=true").headers);
    assert!(after > before, "{after} after {before}");
}

#[test]
fn completions_and_help_are_there_for_every_command() {
    let help = run(&["--help"]);
    assert_eq!(help.code, 0);
    for command in
        ["serve", "random", "status", "cameras", "check", "report", "token", "completions"]
    {
        assert!(help.out.contains(command), "{command} in {}", help.out);
        assert!(run(&[command, "--help"]).out.len() > 100, "{command}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).out.contains("lavawall"), "{shell}");
    }
    assert_eq!(run(&["nonsense"]).code, 64);
}

#[test]
fn secrets_stay_out_of_what_can_be_read() {
    // The token is made, used rightly and wrongly, and then looked for everywhere.
    let folder = tempfile::tempdir().expect("a directory");
    let made = run(&["token", "tester"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let token = made.out.trim_end().to_owned();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, &made.err).expect("written");
    let service = Running::start(&format!(
        "[http]\ntokens = {:?}\n{TWO_KINDS}",
        tokens.display().to_string()
    ));
    assert_eq!(get(&service, "/random").status, 401);
    let with = |token: &str, path: &str| {
        let answer = service.get_with(path, &[("authorization", &format!("Bearer {token}"))]);
        (answer.status, answer.text())
    };
    assert_eq!(with(&token, "/health/ready").0, 200);
    assert_eq!(with(&format!("{token}x"), "/status").0, 401);
    for path in ["/status", "/metrics", "/"] {
        let (status, text) = with(&token, path);
        assert_eq!(status, 200, "{path}");
        assert!(!text.contains(&token), "{path}");
    }
    assert!(!service.log().contains(&token));
}
