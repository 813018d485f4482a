//! `lavawall report` about a running service: its alarms are in it, and its secrets are not.

use std::fs;
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};

use crate::running::{Running, run};

#[test]
fn the_report_has_the_states_and_alarms_of_a_running_service_and_none_of_its_secrets() {
    let folder = tempfile::tempdir().expect("a directory");
    let made = run(&["token", "tester"]);
    let token = made.out.trim_end().to_owned();
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, &made.err).expect("written");
    let configuration = format!(
        "[http]\ntokens = {:?}\n# a password in a comment\n\
         [[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n\
         [[source]]\ntype = \"serial\"\nid = \"gone\"\ndevice = \"/dev/lavawall-none\"\n",
        tokens.display().to_string()
    );
    let service = Running::start(&configuration);
    wait_for_alarm(&service);
    let page = report(&service, folder.path());
    for part in ["ready", ">healthy<", ">absent<", "running for", "open, seal: file", "unreadable"]
    {
        assert!(page.contains(part), "{part}");
    }
    let state = service.state_dir();
    let read = |name: &str| fs::read(state.join(name)).expect(name);
    let text = |name: &str| String::from_utf8_lossy(&read(name)).trim().to_owned();
    let hash = made.err.split_once("sha256:").expect("a hash").1.trim().to_owned();
    for secret in [token, hash, text("admin.token"), "a password".to_owned()] {
        assert!(!secret.is_empty() && !page.contains(&secret), "a secret is in the report");
    }
    for name in ["seal-key", "boot-seed", "keyring"] {
        let bytes = read(name);
        for coded in [HEXLOWER.encode(&bytes), BASE64.encode(&bytes), text(name)] {
            assert!(!page.contains(&coded), "{name} is in the report");
        }
    }
    assert!(page.contains(&tokens.display().to_string()), "the file is named, not read");
}

#[test]
fn the_report_is_about_the_configuration_that_the_service_runs_with() {
    let folder = tempfile::tempdir().expect("a directory");
    let sources = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n";
    let service = Running::start(&format!("[http]\nmax-connections = 77\n{sources}"));
    let config = service.state_dir().with_file_name("lavawall.toml");
    let changed = "[http]\nmax-connections = 88\n[[source]]\ntype = \"os\"\nid = \"stranger\"\n";
    fs::write(&config, changed).expect("written");
    let page = report(&service, folder.path());
    assert!(page.contains("The running service has it."), "whose it is");
    assert!(page.contains(">77<") && !page.contains(">88<"), "its limit");
    assert!(page.contains("[[source]] jitter") && !page.contains("stranger"), "its sources");
    let differ = page.split("this command differ:").nth(1).expect("the difference");
    let differ = differ.split("</p>").next().expect("a paragraph");
    assert!(differ.contains("http.max-connections") && differ.contains("source."), "{differ}");
}

/// Waits until the status has the alarm of the source that is not there.
fn wait_for_alarm(service: &Running) {
    let socket = format!("unix:{}", service.state_dir().join("admin.sock").display());
    let status = || service.operate(&["status", "--json", "--url", &socket], "").out;
    let seen = std::iter::repeat_with(status).take(1000).any(|it| it.contains("unreadable"));
    assert!(seen, "no alarm of a device that is not there");
}

/// The page that a report makes, with the service asked through its socket.
fn report(service: &Running, folder: &Path) -> String {
    let page = folder.join("report.html");
    let config = service.state_dir().with_file_name("lavawall.toml");
    let text = |path: &Path| path.to_str().expect("a path").to_owned();
    let arguments = ["report", "--no-capture", "--config", &text(&config), "-o", &text(&page)];
    let said = service.operate(&arguments, "");
    assert_eq!(said.code, 0, "{}", said.err);
    fs::read_to_string(page).expect("a page")
}
