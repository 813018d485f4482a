//! Servers from `PyPI`, in an environment of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::servers::{Server, free_address, pinned};

/// The token of OpenBao's root.
pub(crate) const ROOT: &str = "root";

/// OpenBao in memory, unsealed, with one processor.
pub(crate) fn openbao() -> Server {
    let folder = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let mut command = pinned(&program("bao"));
    command.args(["server", "-dev", "-dev-no-store-token", "-log-level=error"]);
    command.arg(format!("-dev-root-token-id={ROOT}"));
    command.arg(format!("-dev-listen-address={address}"));
    Server::start(command.env("HOME", folder.path()), address, folder)
}

/// The AWS of moto, in memory. It checks no signature.
pub(crate) fn moto() -> Server {
    let folder = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let mut command = pinned(&program("moto_server"));
    command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
    Server::start(command.stderr(Stdio::null()), address, folder)
}

/// A program of the requirements. Installed once.
fn program(name: &str) -> PathBuf {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-python");
        let python = folder.join("bin/python");
        if !python.exists() {
            done(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        }
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/http/requirements.txt");
        let pip =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        done(Command::new(&python).args(pip).arg(list));
        folder.join("bin")
    });
    FOLDER.join(name)
}

fn done(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
