//! Clients in Rust: a workspace of their own, with packages that the service does not have.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::succeed;

/// The program that tests one of them. Built once for all tests.
pub(crate) fn built(program: &str) -> PathBuf {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/rust/Cargo.toml");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients-rust");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["build", "--locked", "--quiet", "--bins", "--manifest-path"]).arg(manifest);
        succeed(cargo.arg("--target-dir").arg(&folder));
        folder.join("debug")
    });
    FOLDER.join(program)
}
