//! A log that cannot be written: lines are lost and counted, and nothing else changes.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, prlimit};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::TWO_KINDS;
use crate::running::{Running, get, lavawall};

/// Starts the service from a shell. The script has the path of a file of its own in `$LOG`.
fn start_from(script: &str) -> Running {
    Running::start_with(TWO_KINDS, |state| {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(lavawall());
        command.env("LOG", state.with_file_name("other-log"));
        command
    })
}

/// Answers, counts what is lost, and ends well.
fn goes_on(mut service: Running) {
    service.signal(Signal::HUP);
    service.wait_until("no line is lost", |service| service.status_number("log_lines_lost") > 0);
    assert_eq!(get(&service, "/random").status, 200);
    let metrics = get(&service, "/metrics").text();
    let lost = metrics.lines().find_map(|line| line.strip_prefix("lavawall_log_lines_lost_total "));
    assert!(lost.expect("the metric").parse::<u64>().expect("a number") > 0, "{metrics}");
    service.signal(Signal::TERM);
    assert_eq!(service.wait_patiently(), Some(0), "it ends as with a log");
}

#[test]
fn a_log_whose_reader_is_gone_loses_lines_and_nothing_else() {
    goes_on(start_from(r#"mkfifo "$LOG"; exec 3<> "$LOG" 2> "$LOG"; exec 3<&-; exec "$@""#));
}

#[test]
fn a_log_whose_reader_has_stopped_loses_lines_and_nothing_else() {
    // A pipe takes 64 KiB; each reload is several lines.
    let script = r#"mkfifo "$LOG"; exec 3<> "$LOG" 2> "$LOG"; exec "$@""#;
    let service = start_from(script);
    service.wait_until("no line is lost", |service| {
        service.signal(Signal::HUP);
        service.status_number("log_lines_lost") > 0
    });
    goes_on(service);
}

#[test]
fn a_log_on_a_full_disk_loses_lines_and_nothing_else() {
    goes_on(start_from(r#"exec "$@" 2> /dev/full"#));
}

#[test]
fn a_log_that_may_not_be_written_loses_lines_and_nothing_else() {
    goes_on(start_from(r#"exec "$@" 2< /dev/null"#));
}

#[test]
fn a_log_on_a_closed_terminal_loses_lines_and_nothing_else() {
    let terminal =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&terminal).expect("granted");
    unlockpt(&terminal).expect("unlocked");
    let name = ptsname(&terminal, Vec::new()).expect("a name").into_string().expect("text");
    let service = start_from(&format!(r#"exec "$@" 2> {name}"#));
    drop::<OwnedFd>(terminal);
    goes_on(service);
}

#[test]
fn a_limit_on_the_size_of_files_loses_lines_until_it_is_raised() {
    // 16 MiB, in blocks of 512 bytes: the log is full from the start, the store is not.
    let script = r#"head -c 16M /dev/zero > "$LOG"; ulimit -S -f 32768; exec "$@" 2>> "$LOG""#;
    let service = start_from(script);
    service.signal(Signal::HUP);
    service.wait_until("no line is lost", |service| service.status_number("log_lines_lost") > 0);
    assert_eq!(get(&service, "/random").status, 200);
    let limit = getrlimit(Resource::Fsize);
    let raised = Rlimit { current: limit.maximum, ..limit };
    prlimit(Some(service.pid()), Resource::Fsize, raised).expect("a process of the same user");
    let log = service.state_dir().with_file_name("other-log");
    service.signal(Signal::HUP);
    service.wait_until("the log does not tell how many lines were lost", |_| {
        text_after_zeros(&log).contains("lines of it were lost since the start")
    });
}

#[test]
fn a_start_that_fails_with_no_log_has_the_same_exit_code() {
    for script in [
        r#"exec "$0" serve --config /nonexistent 2> /dev/full"#,
        r#"exec "$0" serve --config /nonexistent 2>&-"#,
        r#"ulimit -f 0; exec "$0" serve --config /nonexistent 2> "$LOG""#,
    ] {
        let folder = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(lavawall()).env("LOG", folder.path().join("log"));
        assert_eq!(crate::running::ended(&mut command).code, 78, "{script}");
    }
}

/// The text of a log that begins with zeros.
fn text_after_zeros(log: &Path) -> String {
    let bytes = std::fs::read(log).expect("a log");
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[start..]).into_owned()
}
