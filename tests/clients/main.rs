//! Clients that other people wrote, unchanged, against the real program.
//!
//! They come from a package registry: `make clients` runs them.

#[path = "../service/running.rs"]
#[allow(dead_code, reason = "shared with the service's tests, which use all of it")]
mod running;

mod debian;
mod initramfs;
mod openbao;
mod openbao_answers;
mod pollinate;
mod systemd;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use running::Running;

const CONFIGURATION: &str = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n";

#[test]
#[ignore = "needs python3-venv and a package registry: make clients"]
fn the_python_client_of_workers_kv_runs_unchanged() {
    works(Command::new(python()).arg(scripts().join("workers_kv.py")));
}

#[test]
#[ignore = "needs python3-venv and a package registry: make clients"]
fn the_python_client_of_vault_runs_unchanged() {
    works(Command::new(python()).arg(scripts().join("vault.py")));
}

#[test]
#[ignore = "needs python3-venv and a package registry: make clients"]
fn the_grpc_client_of_kubernetes_kms_runs_unchanged_with_the_authority_of_its_own() {
    let folder = tempfile::tempdir().expect("a directory");
    let socket = folder.path().join("a socket's folder: kms").join("kms.sock");
    fs::create_dir(socket.parent().expect("a folder")).expect("a directory");
    let listen = format!("[[kms]]\nlisten = \"unix:{}\"\nkey = \"cluster\"\n", socket.display());
    let service = Running::start(&format!("{listen}{CONFIGURATION}"));
    service.token_file();
    let mut client = Command::new(python());
    client.arg(scripts().join("kms.py")).arg(&socket).current_dir(scripts());
    client.arg(running::lavawall()).args(["rotate", "key", "cluster"]);
    succeeds(client.env("LAVAWALL_STATE_DIR", service.state_dir()), &service);
}

#[test]
#[ignore = "needs python3-venv and a package registry: make clients"]
fn pyhpke_opens_what_is_sealed() {
    works(Command::new(python()).arg(scripts().join("hpke.py")));
}

#[test]
#[ignore = "needs nodejs, npm and a package registry: make clients"]
fn hpke_of_javascript_opens_what_is_sealed_by_both_suites() {
    works(Command::new("node").arg(modules().join("hpke.mjs")));
}

#[test]
#[ignore = "needs nodejs, npm and a package registry: make clients"]
fn the_javascript_client_of_workers_kv_runs_unchanged() {
    works(Command::new("node").arg(modules().join("workers_kv.mjs")));
}

#[test]
#[ignore = "needs nodejs, npm and a package registry: make clients"]
fn the_javascript_client_of_vault_runs_unchanged() {
    works(Command::new("node").arg(modules().join("vault.mjs")));
}

#[test]
#[ignore = "needs nodejs, npm and a package registry: make clients"]
fn the_command_line_of_cloudflare_runs_unchanged() {
    works(Command::new("node").arg(modules().join("wrangler.mjs")));
}

#[test]
#[ignore = "needs python3-venv and a package registry: make clients"]
fn the_python_client_of_aws_kms_runs_unchanged() {
    let service = Running::start(CONFIGURATION);
    let allow = ["--allow", "random", "--allow", "keys:use:*", "--allow", "keys:manage:*"];
    service.done(&[&["tenant", "create", "acme"], &allow[..]].concat(), "");
    service.done(&["clock", "--confirm"], "");
    let text = service.done(&["tenant", "token", "acme", "--aws"], "");
    let values: Vec<_> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)] = values[..] else {
        panic!("two lines: {text}")
    };
    let mut client = Command::new(python());
    client.arg(scripts().join("aws_kms.py")).args([&service.url(), id, secret]);
    let output = client.output().expect("it runs");
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complained}\n{}", service.log());
}

/// Runs a client's script against a service of its own.
fn works(client: &mut Command) {
    let service = Running::start(CONFIGURATION);
    let token = service.token_file();
    // Once it succeeds the keyring is open.
    service.done(&["seed", "--identity"], "");
    client.env("LAVAWALL", running::lavawall()).env("LAVAWALL_STATE_DIR", service.state_dir());
    succeeds(client.arg(service.url()).arg(token), &service);
}

/// Runs a client's script to its end.
fn succeeds(client: &mut Command, service: &Running) {
    let output = client.output();
    let output = output.unwrap_or_else(|error| panic!("{client:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}\n{}", service.log());
}

/// The folder of the scripts, beside the packages that the lock file names. Installed once for all
/// tests.
fn modules() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients-npm");
        fs::create_dir_all(&folder).expect("a directory");
        for file in [
            "package.json",
            "package-lock.json",
            "hpke.mjs",
            "vault.mjs",
            "workers_kv.mjs",
            "wrangler.mjs",
        ] {
            fs::copy(from.join(file), folder.join(file)).expect("copied");
        }
        let quiet = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"];
        succeed(Command::new("npm").args(quiet).current_dir(&folder));
        folder
    });
    &FOLDER
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// The Python of an environment that has the packages of the requirements. Installed once for all tests.
fn python() -> &'static Path {
    static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
        let python = folder.join("bin/python");
        if !python.exists() {
            succeed(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        }
        let pip =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        succeed(Command::new(&python).args(pip).arg(scripts().join("requirements.txt")));
        python
    });
    &PYTHON
}

fn succeed(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
