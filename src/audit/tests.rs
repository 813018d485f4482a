//! The lines of the audit log, and the changes that it detects.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

fn socket() -> Actor {
    Actor::named("socket, uid 0")
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).expect("the log");
    text.lines().map(|line| serde_json::from_str(line).expect("one object per line")).collect()
}

fn three_lines(path: &Path) {
    let log = AuditLog::at(path.to_owned());
    log.done(&AuditEvent::new(&Actor::SERVICE, "init")).expect("written");
    log.done(&AuditEvent::new(&Actor::SERVICE, "rotate").on("00ff").version(2)).expect("written");
    log.refused(&AuditEvent::new(&Actor::SERVICE, "unseal"), &"this is not the passphrase")
        .expect("written");
}

#[test]
fn each_line_says_who_did_what_and_how_it_went() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("audit.log");
    let log = AuditLog::at(path.clone());
    log.done(&AuditEvent::new(&socket(), "rotate").on("00ff").version(2)).expect("written");
    let event = AuditEvent::new(&Actor::SERVICE, "rekey").detail("shares, 2 of 3");
    log.done(&event).expect("written");
    log.refused(&event, &"disk full").expect("written");
    let lines = lines(&path);
    let first = &lines[0];
    assert_eq!(
        (first["actor"].as_str(), first["outcome"].as_str()),
        (Some("socket, uid 0"), Some("done"))
    );
    assert_eq!((first["namespace"].as_str(), first["version"].as_u64()), (Some("00ff"), Some(2)));
    assert_eq!(first["previous"].as_str().map(str::len), Some(64));
    assert_eq!(lines[1]["actor"], "service", "who acted before is forgotten");
    assert_eq!(
        (&lines[2]["outcome"], &lines[2]["reason"]),
        (&"failed".into(), &"disk full".into())
    );
    assert_eq!(lines[2]["sequence"], 3);
}

#[test]
fn the_log_is_its_owners_alone_and_goes_on_where_it_stopped() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("audit.log");
    three_lines(&path);
    three_lines(&path);
    assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    let read = check(File::open(&path).expect("there"), None).expect("readable");
    assert_eq!((read.chain.sequence, read.unfinished), (6, 0));
    assert!(read.findings.is_empty(), "{:?}", read.findings);
}

#[test]
fn a_line_changed_taken_out_put_in_or_moved_is_noticed() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("audit.log");
    three_lines(&path);
    let text = std::fs::read_to_string(&path).expect("the log");
    let lines: Vec<_> = text.lines().collect();
    let changed = text.replacen("\"version\":2", "\"version\":3", 1);
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    for (what, text) in [
        ("changed", changed),
        ("taken out", joined(&[lines[0], lines[2]])),
        ("the first taken out", joined(&[lines[1], lines[2]])),
        ("put in", joined(&[lines[0], lines[0], lines[1], lines[2]])),
        ("moved", joined(&[lines[1], lines[0], lines[2]])),
        ("something else", joined(&[lines[0], "hello", lines[1], lines[2]])),
        ("too long", joined(&[lines[0], &"x".repeat(200_000), lines[1], lines[2]])),
    ] {
        let read = check(text.as_bytes(), None).expect("readable");
        assert!(!read.findings.is_empty(), "{what}");
        assert_eq!(read.whole, text.len() as u64, "{what}: nothing of it is cut off");
        std::fs::write(&path, &text).expect("writable");
        let log = AuditLog::at(path.clone());
        log.done(&AuditEvent::new(&Actor::SERVICE, "rotate")).expect("it goes on");
        assert!(!log.findings().expect("open").is_empty(), "{what}");
        assert!(std::fs::read_to_string(&path).expect("the log").starts_with(&text), "{what}");
    }
}

#[test]
fn half_a_line_of_a_crash_is_cut_off() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("audit.log");
    three_lines(&path);
    let whole = std::fs::read(&path).expect("the log");
    std::fs::write(&path, [&whole[..], b"{\"sequence\":4,\"at"].concat()).expect("writable");
    let log = AuditLog::at(path.clone());
    log.done(&AuditEvent::new(&Actor::SERVICE, "rotate")).expect("written");
    let read = check(File::open(&path).expect("there"), None).expect("readable");
    assert_eq!((read.chain.sequence, read.findings.len()), (4, 0));
}

#[test]
fn what_cannot_be_written_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().expect("a directory");
    let log = AuditLog::at(folder.path().to_owned());
    let error =
        log.done(&AuditEvent::new(&Actor::SERVICE, "rotate")).expect_err("a directory is no file");
    assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
    // A device would be read for ever.
    let log = AuditLog::at("/dev/zero".into());
    assert!(log.done(&AuditEvent::new(&Actor::SERVICE, "rotate")).is_err());
}

#[test]
fn a_head_that_was_kept_tells_when_lines_are_missing_at_the_end() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("audit.log");
    three_lines(&path);
    let text = std::fs::read_to_string(&path).expect("the log");
    let head = check(text.as_bytes(), None).expect("readable").chain.head();
    assert!(is_found(&text, &head));
    three_lines(&path);
    let longer = std::fs::read_to_string(&path).expect("the log");
    assert!(is_found(&longer, &head), "it has gone on");
    let end = text.trim_end().rfind('\n').expect("three lines");
    let read = check(&text.as_bytes()[..=end], Some(&head)).expect("readable");
    assert!(
        read.head == HeadFound::Absent && read.findings.is_empty(),
        "the chain alone cannot tell"
    );
}

#[test]
fn a_mistyped_head_is_told_from_one_whose_lines_are_missing() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("audit.log");
    three_lines(&path);
    let text = std::fs::read_to_string(&path).expect("the log");
    let look = |head: &str| check(text.as_bytes(), Some(head)).expect("readable").head;
    let end = text.find('\n').expect("three lines");
    let first = check(&text.as_bytes()[..=end], None).expect("readable").chain.head();
    assert_eq!(look(&first), HeadFound::Found);
    assert_eq!(look(&"0".repeat(64)), HeadFound::Found, "that of a log without lines");
    let mut digits = first.clone().into_bytes();
    for number in 0..64 {
        digits[number] = if digits[number] == b'0' { b'1' } else { b'0' };
        let mistyped = String::from_utf8(digits.clone()).expect("digits");
        let expected = match number + 1 {
            digits @ ..=8 => HeadFound::Mistyped { line: 1, digits },
            _ => HeadFound::Absent,
        };
        assert_eq!(look(&mistyped), expected, "{} digits", number + 1);
    }
}

fn is_found(text: &str, head: &str) -> bool {
    check(text.as_bytes(), Some(head)).expect("readable").head == HeadFound::Found
}

/// Counts of all lines about calls that were turned away.
fn counts(path: &Path) -> Vec<u64> {
    let lines = lines(path);
    let about_calls = lines.iter().filter(|line| line["operation"] == "call");
    about_calls.map(|line| line["count"].as_u64().expect("a count")).collect()
}

#[test]
fn ten_thousand_calls_that_were_turned_away_are_a_line_a_minute_and_all_are_counted() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("audit.log");
    let log = AuditLog::at(path.clone());
    let begun = Instant::now();
    let mut due = 0;
    for number in 0..10_000 {
        // A hundred a second.
        let now = begun + Duration::from_millis(10 * number);
        let asked = if number % 4 == 0 { Asked::Namespaces } else { Asked::Records };
        if log.turn_away(asked, now) {
            due += 1;
            log.write_turned_away(now).expect("written");
        }
    }
    assert_eq!((due, counts(&path)), (2, vec![1, 6000]), "at once, and after a minute");
    log.write_turned_away(begun + Duration::from_secs(119)).expect("it is not time yet");
    assert_eq!(counts(&path).len(), 2);
    log.finish().expect("written");
    log.finish().expect("nothing is left");
    assert_eq!(counts(&path), [1, 6000, 3999]);
    let lines = lines(&path);
    assert_eq!(lines[0]["detail"], "namespaces 1");
    assert_eq!(lines[1]["detail"], "namespaces 1500, records 4500");
    for line in &lines {
        assert_eq!((&line["outcome"], &line["actor"]), (&"refused".into(), &"unknown".into()));
    }
    let read = check(File::open(&path).expect("there"), None).expect("readable");
    assert_eq!(read.findings, Vec::<String>::new());
}

#[test]
fn after_a_quiet_minute_a_call_that_is_turned_away_is_written_at_once_again() {
    let folder = tempfile::tempdir().expect("a directory");
    let log = AuditLog::at(folder.path().join("audit.log"));
    let begun = Instant::now();
    let at = |seconds| begun + Duration::from_secs(seconds);
    for (seconds, is_due) in [(0, true), (59, false), (60, true), (61, false), (1000, true)] {
        assert_eq!(log.turn_away(Asked::Elsewhere, at(seconds)), is_due, "{seconds}");
        log.write_turned_away(at(seconds)).expect("written");
    }
}

#[test]
fn what_was_turned_away_stands_before_the_next_operation_whoever_does_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("audit.log");
    let log = AuditLog::at(path.clone());
    let now = Instant::now();
    for _ in 0..3 {
        log.turn_away(Asked::Socket, now);
    }
    let chain = log.done(&AuditEvent::new(&socket(), "rotate")).expect("written");
    assert_eq!(chain.sequence, 2, "the end is that of the operation's own line");
    let lines = lines(&path);
    assert_eq!((&lines[0]["detail"], &lines[0]["actor"]), (&"socket 3".into(), &"unknown".into()));
    assert_eq!(lines[1]["actor"], "socket, uid 0");
}

#[test]
fn calls_turned_away_while_the_log_cannot_be_written_stay_counted_and_are_tried_once_a_minute() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("audit.log");
    std::fs::create_dir(&path).expect("a directory in the way");
    let log = AuditLog::at(path.clone());
    let begun = Instant::now();
    assert!(log.turn_away(Asked::Records, begun));
    assert!(log.write_turned_away(begun).is_err());
    assert!(!log.turn_away(Asked::Records, begun), "a disk that fails is left alone");
    log.write_turned_away(begun).expect("it is not tried");
    std::fs::remove_dir(&path).expect("out of the way");
    let later = begun + Duration::from_mins(1);
    assert!(log.turn_away(Asked::Records, later));
    log.write_turned_away(later).expect("written");
    assert_eq!(counts(&path), [3]);
}
