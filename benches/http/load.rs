//! The client's side: wrk, curl, and a bare socket, on the second core.

use std::process::Command;
use std::time::Instant;

/// The core that clients run on.
const CORE: &str = "1";

/// How long one round of requests lasts.
const ROUND: &str = "4s";

/// Asks over 64 connections, as fast as answers come.
pub(crate) fn requests_a_second(url: &str) -> f64 {
    let text = run(&["wrk", "--threads", "1", "--connections", "64", "--duration", ROUND, url]);
    assert!(!text.contains("Non-2xx"), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    line.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("{text}"))
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

fn run(command: &[&str]) -> String {
    let output = Command::new("taskset").args(["--cpu-list", CORE]).args(command).output();
    let output = output.expect("taskset of util-linux");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}
