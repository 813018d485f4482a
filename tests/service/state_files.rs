//! What stands in the place of a file of the service's own, and is none.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use crate::running::{Running, ended, get, lavawall};

/// With every file that there can be without a camera.
const EVERYTHING: &str = "[keyring]\nanchor = \"ANCHOR\"\n[[source]]\ntype = \"os\"\n\
                          [[source]]\ntype = \"jitter\"\n";

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
}

#[test]
fn a_pipe_or_a_link_in_the_place_of_any_state_file_is_named_and_random_goes_on() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let anchor = elsewhere.path().join("anchor");
    let mut service = Running::start(&EVERYTHING.replace("ANCHOR", anchor.to_str().expect("text")));
    service.wait_for_log("opened 0 records");
    let state = service.state_dir();
    let files = ["admin.token", "keyring", "seal-key", "audit.log", "store", "boot-seed"];
    let files = files.map(|name| state.join(name)).into_iter().chain([anchor]);
    let moved = elsewhere.path().join("moved");
    for (file, is_link) in files.flat_map(|file| [(file.clone(), false), (file, true)]) {
        service.signal(Signal::TERM);
        assert_eq!(service.wait(), 0);
        fs::rename(&file, &moved).expect("it was there");
        let what = if is_link {
            // To what was there: it would be read and written in its stead.
            std::os::unix::fs::symlink(&moved, &file).expect("a link");
            "a symbolic link"
        } else {
            pipe(&file);
            "a pipe"
        };
        service.start_again();
        service.wait_for_log(&format!("{} is {what}", file.display()));
        assert_eq!(get(&service, "/random").status, 200, "{}", file.display());
        fs::rename(&moved, &file).expect("put back");
    }
}

#[test]
fn a_pipe_for_the_lock_or_a_file_of_the_operators_ends_the_start_and_names_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let text = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let (config, state, given) = (text("lavawall.toml"), text("state"), text("pipe"));
    pipe(Path::new(&given));
    let serve = |config: &str| {
        // A service that starts, or waits for the pipe, ends with 124.
        let mut command = Command::new("timeout");
        command.arg("60").arg(lavawall()).args(["serve", "--listen", "127.0.0.1:0"]);
        ended(command.args(["--config", config, "--state-dir", &state]))
    };
    let answer = serve(&given);
    assert_eq!(answer.code, 78, "{}", answer.err);
    assert!(answer.err.contains(&format!("{given} is a pipe")), "{}", answer.err);
    for key in ["tokens", "tls-certificate"] {
        let other = if key == "tokens" { "" } else { "tls-key = \"/nowhere\"\n" };
        fs::write(&config, format!("[http]\n{key} = \"{given}\"\n{other}")).expect("written");
        let answer = serve(&config);
        assert_ne!(answer.code, 0);
        assert!(answer.err.contains(&format!("{given} is a pipe")), "{}", answer.err);
    }
    fs::write(&config, "").expect("written");
    fs::remove_file(folder.path().join("state/lock")).unwrap_or_default();
    fs::create_dir_all(&state).expect("made");
    pipe(&folder.path().join("state/lock"));
    let answer = serve(&config);
    assert_eq!(answer.code, 73, "{}", answer.err);
    assert!(answer.err.contains("state/lock is a pipe"), "{}", answer.err);
}

#[test]
fn files_that_the_operator_gives_may_be_links_as_mounted_secrets_are() {
    let folder = tempfile::tempdir().expect("a directory");
    let data = folder.path().join("..data");
    fs::create_dir(&data).expect("made");
    let token = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    fs::write(data.join("tokens"), format!("one {token}\n")).expect("written");
    let tokens = folder.path().join("tokens");
    std::os::unix::fs::symlink("..data/tokens", &tokens).expect("a link");
    let service = Running::start_with(
        &format!(
            "[http]\ntokens = \"{}\"\n[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n",
            tokens.display()
        ),
        |_| Command::new(lavawall()),
    );
    assert_eq!(get(&service, "/random").status, 401);
    let answer = service.get_with("/random", &[("authorization", "Bearer abc")]);
    assert_eq!(answer.status, 200);
}

#[test]
fn a_token_that_could_be_guessed_is_refused_and_named() {
    let service = Running::start("[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n");
    let path = service.token_file();
    let mut service = service;
    for (token, is_enough) in [
        ("x\n", false),
        ("  123456789012345678901 \n", false),
        ("", false),
        ("\n  1234567890123456789012 \r\n", true),
    ] {
        service.signal(Signal::TERM);
        assert_eq!(service.wait(), 0);
        fs::write(&path, token).expect("written");
        service.start_again();
        if is_enough {
            service.wait_until("the token is not taken", |service| {
                service.namespaces("GET", "", "").0 == 200
            });
            continue;
        }
        let length = token.trim().len();
        service.wait_for_log(&format!("admin.token has {length} characters"));
        service.wait_for_log("22 or more; remove it to have another made");
        assert_eq!(get(&service, "/random").status, 200);
        assert_ne!(service.namespaces("GET", "", "").0, 200, "{token:?}");
    }
}

/// Starts a second service on this directory; it must end.
fn second(state: &Path) -> crate::running::Output {
    let mut command = Command::new("timeout");
    command.arg("60").arg(lavawall()).args(["serve", "--listen", "127.0.0.1:0", "--state-dir"]);
    ended(command.arg(state))
}

#[test]
fn a_removed_lock_lets_no_second_service_in_and_is_an_incident() {
    let service = Running::start("[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n");
    let state = service.state_dir();
    for replace in [false, true] {
        fs::remove_file(state.join("lock")).expect("it was there");
        if replace {
            fs::write(state.join("lock"), "").expect("written");
        }
        let other = second(&state);
        assert_eq!(other.code, 77, "{}", other.err);
        assert!(other.err.contains("in use"), "{}", other.err);
        // The second one made the file again.
        let _ = fs::write(state.join("lock"), "");
    }
    service.wait_until("no incident", |service| {
        get(service, "/status").text().contains("was removed or replaced while the service runs")
    });
}

#[test]
fn a_state_directory_that_others_can_use_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a directory");
    let state = folder.path().join("state");
    fs::create_dir(&state).expect("made");
    for mode in [0o755, 0o750, 0o701, 0o777] {
        let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(mode);
        fs::set_permissions(&state, mode).expect("own directory");
        let refused = second(&state);
        assert_eq!(refused.code, 78, "{}", refused.err);
        let remedy = format!("chmod 700 {}", state.display());
        assert!(refused.err.contains(&remedy), "{}", refused.err);
    }
}
