//! The program and the machine it runs on.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::report::Fact;
use crate::source::processor;

/// Versions of whatever the figures depend on.
pub(crate) fn versions() -> Vec<Fact> {
    let kernel = rustix::system::uname();
    let part = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let unknown = || "not known".to_owned();
    vec![
        Fact::new("lavawall", env!("CARGO_PKG_VERSION")),
        Fact::new("SHA-256 of the program", program().unwrap_or_else(unknown)),
        Fact::new(
            "kernel",
            format!(
                "{} {} {}",
                part(kernel.sysname()),
                part(kernel.release()),
                part(kernel.machine())
            ),
        ),
        Fact::new("operating system", system().unwrap_or_else(unknown)),
        Fact::new("processor", processor::identity().unwrap_or_else(unknown)),
    ]
}

fn program() -> Option<String> {
    let bytes = std::fs::read(std::env::current_exe().ok()?).ok()?;
    Some(HEXLOWER.encode(&Sha256::digest(bytes)))
}

/// The name in `/etc/os-release`.
fn system() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}
