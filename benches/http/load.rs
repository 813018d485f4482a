//! The client's side: wrk, curl, and a bare socket, on the second core.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

/// The core that clients run on.
const CORE: &str = "1";

/// How long one round of requests lasts.
const ROUND: &str = "4s";

/// Asks over 64 connections, as fast as answers come.
pub(crate) fn requests_a_second(url: &str) -> f64 {
    rate(&["wrk", "-t", "1", "-c", "64", "-d", ROUND, url])
}

/// As [`requests_a_second`], with a token.
pub(crate) fn requests_a_second_with(url: &str, token: &str) -> f64 {
    let header = format!("authorization: Bearer {token}");
    rate(&["wrk", "-t", "1", "-c", "64", "-d", ROUND, "-H", &header, url])
}

fn rate(command: &[&str]) -> f64 {
    let text = run(command);
    assert!(!text.contains("Non-2xx"), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    line.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

/// Asks as a script of wrk says, over 64 connections.
pub(crate) fn scripted_requests_a_second(url: &str, script: &Path) -> f64 {
    let script = script.to_str().expect("a temporary directory's name");
    rate(&["wrk", "-t", "1", "-c", "64", "-d", ROUND, "-s", script, url])
}

/// Sets or gets 1 KiB in Redis, over 64 connections.
pub(crate) fn redis(port: u16, test: &str, names: u32) -> f64 {
    let (port, names) = (port.to_string(), names.to_string());
    let csv = run(&[
        "redis-benchmark",
        "-p",
        &port,
        "-t",
        test,
        "-d",
        "1024",
        "-c",
        "64",
        "-n",
        "100000",
        "-r",
        &names,
        "--csv",
    ]);
    // "SET","81234.77",…
    let line = csv.lines().last().expect("a line of figures");
    line.split('"').nth(3).and_then(|rate| rate.parse().ok()).unwrap_or_else(|| panic!("{csv}"))
}

/// Fetches `url` so many times over one connection, `gib` in all.
pub(crate) fn gigabytes_a_second(url: &str, times: u64, gib: u64) -> f64 {
    let mut command = vec!["curl", "--silent", "--fail", "--write-out", "%{size_download}\n"];
    for _ in 0..times {
        command.extend(["--output", "/dev/null", url]);
    }
    let start = Instant::now();
    let text = run(&command);
    let seconds = start.elapsed().as_secs_f64();
    let bytes: u64 = text.lines().map(|size| size.parse::<u64>().expect("a size")).sum();
    assert_eq!(bytes, gib << 30);
    bytes as f64 / seconds / 1e9
}

/// Asks again and again until there is an answer with randomness in it.
pub(crate) fn first_byte(url: &str) {
    while !ureq::get(url).call().is_ok_and(|response| response.status() == 200) {
        std::thread::yield_now();
    }
}

/// Whether a command succeeds; its output is nobody's.
pub(crate) fn succeeds(command: &[&str]) -> bool {
    pinned(command).status.success()
}

fn pinned(command: &[&str]) -> Output {
    let output = Command::new("taskset").args(["--cpu-list", CORE]).args(command).output();
    output.expect("taskset of util-linux")
}

fn run(command: &[&str]) -> String {
    let output = pinned(command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}
