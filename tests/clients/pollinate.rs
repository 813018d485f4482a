//! Debian's `pollinate` and `check_pollen`, as they are in its package.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::CONFIGURATION;
use crate::debian::unpacked;
use crate::running::Running;

/// A folder with a certificate, `ca.pem`, and its key, `key.pem`.
fn certificate() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    fs::write(folder.path().join("ca.pem"), made.cert.pem()).expect("written");
    fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    folder
}

/// The keys of `[http]` for it.
fn tls(folder: &Path) -> String {
    let folder = folder.display();
    format!("tls-certificate = '{folder}/ca.pem'\ntls-key = '{folder}/key.pem'\n")
}

/// A service over TLS, and the folder with its certificate.
fn over_tls(more: &str) -> (Running, tempfile::TempDir) {
    let folder = certificate();
    let tls = tls(folder.path());
    (Running::start(&format!("[http]\n{tls}{more}{CONFIGURATION}")), folder)
}

/// `pollinate` in its own mode for tests, which writes the seed to standard output and needs no user of its own.
fn pollinate(service: &Running, authority: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(unpacked().join("usr/bin/pollinate"));
    let url = service.url().replace("http://", "https://");
    command.args(["--testing", "--binary", "--strict", "--server", &url, "--curl-opts"]);
    command.arg(format!("--cacert {}", authority.display())).args(more);
    command.output().expect("pollinate runs")
}

#[test]
#[ignore = "needs apt-get, curl, xxd and Debian's registry: make clients"]
fn pollinate_takes_its_seed_over_tls_with_a_pinned_certificate_and_no_other() {
    let (service, folder) = over_tls("");
    service.token_file();
    let authority = folder.path().join("ca.pem");
    let mut seeds = Vec::new();
    for _ in 0..2 {
        let output = pollinate(&service, &authority, &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{}", service.log());
        assert_eq!(output.stdout.len(), 64, "{said}");
        seeds.push(output.stdout);
    }
    assert_ne!(seeds[0], seeds[1]);
    let (_other, foreign) = over_tls("");
    let refused = pollinate(&service, &foreign.path().join("ca.pem"), &[]);
    assert!(!refused.status.success() && refused.stdout.is_empty());
}

#[test]
#[ignore = "needs apt-get, curl, xxd and Debian's registry: make clients"]
fn pollinate_takes_no_refusal_for_a_seed() {
    // Without a quorum.
    let (service, folder) = over_tls("[pool]\nquorum = 6\n");
    let refused = pollinate(&service, &folder.path().join("ca.pem"), &[]);
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
}

#[test]
#[ignore = "needs apt-get, curl, ip, unshare, xxd and Debian's registry: make clients"]
fn check_pollen_finds_nothing_wrong() {
    let root = unpacked();
    let folder = certificate();
    // It asks port 443 of localhost, and looks for lines of pollen under /var/log: both of a namespace.
    let configuration = format!(
        "[http]\nlisten = '127.0.0.1:443'\n{}access-log = '/var/log/pollen/pollen.log'\n{CONFIGURATION}",
        tls(folder.path())
    );
    fs::write(folder.path().join("lavawall.toml"), configuration).expect("written");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "--net", "sh"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/check_pollen.sh"))
        .args([env!("CARGO_BIN_EXE_lavawall").as_ref(), root, folder.path()])
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.contains("OK - pollen server is online"), "{said}{complained}");
}
