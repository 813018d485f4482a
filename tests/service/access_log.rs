//! The access log of the served program, and the ids of requests.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::TWO_KINDS;
use crate::running::{NAMESPACES, Running, get};

const CONFIG: i32 = 78;

/// The lines, once there are as many.
fn lines(service: &Running, log: &Path, count: usize) -> Vec<Value> {
    let read = || fs::read_to_string(log).unwrap_or_default();
    service.wait_until("the lines are not written", |_| read().lines().count() >= count);
    read().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn every_answer_repeats_the_id_of_its_request() {
    let service = Running::start(TWO_KINDS);
    let id_of = |path: &str, headers: &[(&str, &str)]| {
        let answer = service.get_with(path, headers);
        let line = answer.headers.lines().find_map(|it| it.strip_prefix("x-request-id: "));
        line.unwrap_or_else(|| panic!("{path}: {}", answer.headers)).to_owned()
    };
    let paths = ["/random", "/status", "/", "/nowhere", "/random?bytes=x", NAMESPACES];
    for path in paths {
        assert_eq!(id_of(path, &[("x-request-id", "mine-1")]), "mine-1", "{path}");
    }
    let mut made: Vec<_> =
        paths.iter().map(|path| id_of(path, &[("x-request-id", "a b")])).collect();
    made.sort_unstable();
    made.dedup();
    assert_eq!(made.len(), paths.len(), "{made:?}");
}

#[test]
fn the_access_log_names_callers_and_no_query_string_and_no_record() {
    let folder = tempfile::tempdir().expect("a directory");
    let log = folder.path().join("access.log");
    let service = Running::start(&format!("[http]\naccess-log = '{}'\n{TWO_KINDS}", log.display()));
    let token = service.done(&["tenant", "create", "acme"], "");
    let token = format!("Bearer {}", token.trim());
    let admin = fs::read_to_string(service.token_file()).expect("a token");
    let admin = format!("Bearer {}", admin.trim());
    let before = lines(&service, &log, 1).len();
    let asked = [("authorization", token.as_str()), ("x-request-id", "mine")];
    assert_eq!(service.get_with("/random?bytes=48", &asked).status, 200);
    let record = format!("{NAMESPACES}/00112233445566778899aabbccddeeff/values/a-secret-name");
    assert_eq!(service.get_with(&record, &[("authorization", &admin)]).status, 404);
    assert_eq!(get(&service, "/random?alphabet=a-secret-query").status, 400);
    let all = lines(&service, &log, before + 3);
    let of = |line: &Value| {
        json!(["caller", "dialect", "method", "endpoint", "status"].map(|it| &line[it]))
    };
    assert_eq!(of(&all[before]), json!(["tenant acme", "native", "GET", "/random", 200]));
    assert_eq!(json!([all[before]["id"], all[before]["bytes"]]), json!(["mine", 48]));
    let of_record = json!(["token admin", "workers-kv", "GET", "/client/v4", 404]);
    assert_eq!(of(&all[before + 1]), of_record);
    assert_eq!(of(&all[before + 2]), json!(["", "native", "GET", "/random", 400]));
    let text = fs::read_to_string(&log).expect("a log");
    assert!(!text.contains("secret") && !text.contains(&token[7..]));
    // Rotated: the next line is in a new file.
    fs::rename(&log, folder.path().join("access.log.1")).expect("renamed");
    service.signal(Signal::HUP);
    service.wait_for_log("reloaded sources");
    assert_eq!(get(&service, "/health/live").status, 200);
    assert_eq!(lines(&service, &log, 1)[0]["endpoint"], "/health/live");
}

#[test]
fn an_access_log_that_cannot_be_opened_ends_the_start_and_is_named() {
    let folder = tempfile::tempdir().expect("a directory");
    let configuration = folder.path().join("lavawall.toml");
    let log = folder.path().join("none/access.log");
    let text = format!("[http]\naccess-log = '{}'\n{TWO_KINDS}", log.display());
    fs::write(&configuration, text).expect("written");
    let state = folder.path().join("state");
    let run = |command: &str| {
        let mut run = std::process::Command::new(crate::running::lavawall());
        run.args([command, "--state-dir"]).arg(&state).arg("--config").arg(&configuration);
        if command == "serve" {
            run.args(["--listen", "127.0.0.1:0"]);
        }
        run.output().expect("the program")
    };
    for command in ["serve", "check"] {
        let output = run(command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(CONFIG), "{command}: {said}");
        assert!(said.contains("http.access-log = ") && said.contains("none/access.log"), "{said}");
    }
}
