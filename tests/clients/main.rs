//! Clients that other people wrote, unchanged, against the real program.
//!
//! They come from a package registry: `make clients` runs them.

#[path = "../service/running.rs"]
#[allow(dead_code, reason = "shared with the service's tests, which use all of it")]
mod running;

use std::path::{Path, PathBuf};
use std::process::Command;

use running::Running;

const CONFIGURATION: &str = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n";

#[test]
#[ignore = "needs python3-venv and a package registry: make clients"]
fn the_python_client_of_workers_kv_runs_unchanged() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let python = environment(&folder.join("requirements.txt"));
    let service = Running::start(CONFIGURATION);
    let output = Command::new(python)
        .arg(folder.join("workers_kv.py"))
        .arg(service.url())
        .arg(service.state_dir().join("admin.token"))
        .output()
        .expect("python");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}\n{}", service.log());
}

/// The Python of an environment that has these packages.
fn environment(requirements: &Path) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    let python = folder.join("bin/python");
    let run = |command: &mut Command| {
        let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(status.success(), "{command:?}: {status}");
    };
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(&python).args(pip).arg(requirements));
    python
}
