//! A real OpenBao server that unseals itself by a key of this service, and its command line.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::running::Running;
use crate::{CONFIGURATION, python};

/// Longer than a server takes to open its store on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// The pause between two questions.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// `bao`, from `PyPI`.
fn bao() -> PathBuf {
    python().with_file_name("bao")
}

/// A server of its own folder, and its address.
struct OpenBao {
    folder: tempfile::TempDir,
    address: String,
    /// Where it would meet others.
    cluster: String,
    child: Option<Child>,
}

impl OpenBao {
    fn new() -> Self {
        // Both at once: they must be two.
        let free = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let [address, cluster] =
            free.each_ref().map(|it| it.local_addr().expect("an address").to_string());
        Self { folder: tempfile::tempdir().expect("a directory"), address, cluster, child: None }
    }

    /// Starts it with a seal of this service.
    fn start(&mut self, service: &Running, token: &str) {
        let (folder, address, url) = (self.folder.path(), &self.address, service.url());
        let cluster = &self.cluster;
        let configuration = format!(
            "storage \"raft\" {{ path = \"{}/data\"\n node_id = \"one\" }}\n\
             listener \"tcp\" {{ address = \"{address}\"\n tls_disable = true }}\n\
             api_addr = \"http://{address}\"\n\
             cluster_addr = \"http://{cluster}\"\n\
             seal \"transit\" {{ address = \"{url}\"\n token = \"{token}\"\n key_name = \"unseal\"\n \
             mount_path = \"transit/\" }}\n",
            folder.display()
        );
        fs::create_dir_all(folder.join("data")).expect("a directory");
        let file = folder.join("bao.hcl");
        fs::write(&file, configuration).expect("written");
        let log = fs::File::create(folder.join("log")).expect("a log");
        let mut command = Command::new(bao());
        command.arg("server").arg("-config").arg(&file);
        command.stdout(log.try_clone().expect("the log")).stderr(log).stdin(Stdio::null());
        self.child = Some(command.spawn().expect("bao starts"));
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Runs `bao` against it.
    fn run(&self, token: &str, arguments: &[&str]) -> Output {
        run(&format!("http://{}", self.address), token, arguments)
    }

    /// Waits until its state is this.
    fn wait_until(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let output = self.run("", &["status", "-format=json"]);
            if serde_json::from_slice(&output.stdout).is_ok_and(|status| is_so(&status)) {
                return;
            }
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "not {what}: {output:?}\n{}", log());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn wait_until_unsealed(&self) {
        self.wait_until("unsealed", |status| status["sealed"] == false);
    }

    /// The secret, which opens only when the store does.
    fn secret(&self, root: &str) -> String {
        let output = self.run(root, &["read", "-field=value", "cubbyhole/secret"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(address: &str, token: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(bao());
    command.args(arguments).env("BAO_ADDR", address).env("BAO_TOKEN", token);
    command.env("HOME", env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command.output().expect("bao runs")
}

/// The standard output of `bao` against this service, which must succeed.
fn done(service: &Running, token: &str, arguments: &[&str]) -> String {
    let output = run(&service.url(), token, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}\n{}", service.log());
    String::from_utf8(output.stdout).expect("text")
}

fn token_of(service: &Running) -> String {
    fs::read_to_string(service.token_file()).expect("a token").trim().to_owned()
}

#[test]
#[ignore = "needs python3-venv and a package registry: make clients"]
fn openbao_unseals_itself_across_restarts_a_rotation_of_our_key_and_a_kill() {
    let mut service = Running::start(CONFIGURATION);
    let token = token_of(&service);
    let mut server = OpenBao::new();
    server.start(&service, &token);
    server.wait_until("up", |status| status["initialized"] == false);
    let made = server.run(
        "",
        &["operator", "init", "-format=json", "-recovery-shares=1", "-recovery-threshold=1"],
    );
    assert!(made.status.success(), "{made:?}");
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let root = made["root_token"].as_str().expect("a token").to_owned();
    server.wait_until_unsealed();
    let written = server.run(&root, &["write", "cubbyhole/secret", "value=kept"]);
    assert!(written.status.success(), "{written:?}");

    // It was made at the first use, without the operator.
    let key = done(&service, &token, &["read", "-format=json", "transit/keys/unseal"]);
    assert!(key.contains("\"latest_version\": 1"), "{key}");
    server.stop();
    server.start(&service, &token);
    server.wait_until_unsealed();
    assert_eq!(server.secret(&root), "kept", "after a restart");

    done(&service, &token, &["write", "-f", "transit/keys/unseal/rotate"]);
    server.stop();
    server.start(&service, &token);
    server.wait_until_unsealed();
    assert_eq!(server.secret(&root), "kept", "after a rotation of our key");

    server.stop();
    service.signal(Signal::KILL);
    service.wait();
    service.start_again();
    server.start(&service, &token);
    server.wait_until_unsealed();
    assert_eq!(server.secret(&root), "kept", "after a kill of this service");

    // Without this service it stays sealed.
    server.stop();
    service.done(&["seal"], "");
    server.start(&service, &token);
    let log = server.folder.path().join("log");
    let end = Instant::now() + PATIENCE;
    while !says_sealed(&log) {
        assert!(Instant::now() < end, "{:?}", fs::read_to_string(&log));
        std::thread::sleep(LOOK_EVERY);
    }
}

fn says_sealed(log: &Path) -> bool {
    fs::read_to_string(log).is_ok_and(|text| text.contains("Vault is sealed"))
}

#[test]
#[ignore = "needs python3-venv and a package registry: make clients"]
fn the_command_line_of_openbao_runs_unchanged() {
    let service = Running::start(CONFIGURATION);
    let token = token_of(&service);
    let bao = |arguments: &[&str]| done(&service, &token, arguments).trim().to_owned();
    assert!(bao(&["status"]).contains("Sealed"));
    assert_eq!(bao(&["write", "-f", "-field=random_bytes", "transit/random/32"]).len(), 44);
    assert_eq!(
        bao(&["write", "-field=random_bytes", "sys/tools/random/8", "format=hex"]).len(),
        16
    );
    bao(&["write", "-f", "transit/keys/k"]);
    let sealed = bao(&["write", "-field=ciphertext", "transit/encrypt/k", "plaintext=aGVsbG8="]);
    assert!(sealed.starts_with("vault:v1:"), "{sealed}");
    let given = format!("ciphertext={sealed}");
    assert_eq!(bao(&["write", "-field=plaintext", "transit/decrypt/k", &given]), "aGVsbG8=");
    bao(&["write", "-f", "transit/keys/k/rotate"]);
    let sealed = bao(&["write", "-field=ciphertext", "transit/rewrap/k", &given]);
    assert!(sealed.starts_with("vault:v2:"), "{sealed}");
    assert!(bao(&["list", "transit/keys"]).ends_with('k'));
    assert!(bao(&["token", "lookup"]).contains("operator"));
    bao(&["write", "transit/keys/k/config", "deletion_allowed=true"]);
    bao(&["delete", "transit/keys/k"]);
    let missing = run(&service.url(), &token, &["read", "transit/keys/k"]);
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("No value found at transit/keys/k"));
}
