//! A real systemd that loads a credential for a unit.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::CONFIGURATION;

/// Longer than a first seed takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[test]
#[ignore = "needs systemd and unshare: make clients"]
fn systemd_loads_a_credential_and_the_audit_log_names_the_unit() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = |name: &str| folder.path().join(name);
    let table = "[credential]\nlisten = \"unix:/run/lavawall/credential.sock\"\n";
    fs::write(path("lavawall.toml"), format!("{table}{CONFIGURATION}")).expect("written");
    fs::create_dir(path("state")).expect("a directory");
    fs::set_permissions(path("state"), PermissionsExt::from_mode(0o700)).expect("changed");
    let output = fs::File::create(path("output")).expect("a file");
    let mut systemd = Command::new("unshare")
        .args(["--map-root-user", "--fork", "--kill-child", "--pid", "--mount-proc"])
        .args(["--mount", "--cgroup", "--uts", "--ipc", "--net", "sh"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/systemd.sh"))
        .args([env!("CARGO_BIN_EXE_lavawall").as_ref(), folder.path()])
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("the file"))
        .stderr(output)
        .spawn()
        .expect("unshare runs");
    let end = Instant::now() + PATIENCE;
    while !path("length").exists() && Instant::now() < end {
        std::thread::sleep(LOOK_EVERY);
    }
    // The whole namespace ends with it.
    systemd.kill().expect("it runs");
    systemd.wait().expect("an end");
    let said = |name| fs::read_to_string(path(name)).unwrap_or_default();
    assert_eq!(said("length").trim(), "32", "{}\n{}", said("output"), said("log"));
    let audit = said("state/audit.log");
    assert!(audit.contains("\"detail\":\"asks.service, credential host-seed\""), "{audit}");
}
