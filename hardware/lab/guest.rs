//! The virtual machine: a stock kernel under emulation, with a hardware generator, a TPM and a USB
//! host controller, and the release build of the service as all that runs in it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything is waited for: a start takes 10 to 30 s, more on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(4);

/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long one request to the service may take.
const REQUEST: Duration = Duration::from_secs(20);

/// The most of the console that a failed test shows, in lines.
const CONSOLE_LINES: usize = 60;

/// Words that the kernel says when a driver of its own is at fault.
const KERNEL_FAULTS: [&str; 4] = ["BUG:", "Oops", "WARNING:", "Call Trace"];

/// The machine's memory. Half of it is its file system: the program with its line numbers, libraries, and the disk
/// of the state directory.
const MEMORY_MIB: &str = "768";

/// No ACPI, and the TPM by name: when it boots an unpacked kernel with a TPM, this QEMU lays the initial
/// file system over the firmware's tables.
const KERNEL_PARAMETERS: &str = "console=ttyS0 loglevel=5 panic=-1 mitigations=off nokaslr \
                                 acpi=off tpm_tis.force=1 tpm_tis.interrupts=0";

/// A running virtual machine. Ends when dropped.
pub(crate) struct Guest {
    machine: Child,
    tpm: Child,
    folder: tempfile::TempDir,
    http: SocketAddr,
    usb: SocketAddr,
    shell: SocketAddr,
    agent: ureq::Agent,
}

/// What a machine is made of.
#[derive(Default)]
struct Setup<'a> {
    /// A file of `hardware/lab/configurations`.
    configuration: &'a str,
    /// Files in the machine's root: name and text.
    files: &'a [(String, String)],
    /// The kind of image, if not that of every machine.
    kind: Option<&'a str>,
    /// The socket of the host behind the hardware generator; by default it is the host's own.
    egd: Option<&'a Path>,
    /// Whether the host's own is there as a second one.
    has_second: bool,
}

/// One answer of the service.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The header `Entropy-Sources`.
    pub(crate) sources: String,
    pub(crate) body: Vec<u8>,
}

impl Guest {
    /// Boots, with the service configured by this file of `hardware/lab/configurations`, and waits
    /// until the service answers.
    pub(crate) fn boot(configuration: &str) -> Self {
        let guest = Self::start(&Setup { configuration, ..Setup::default() });
        guest.wait_for("the service to answer", || guest.get("/health/live").is_some());
        guest
    }

    /// Boots with the networks of two tenants, and these files, by name, in the machine's root. The
    /// service is reached from the tenants' machines alone. Waits until its store is open.
    pub(crate) fn boot_fabric(configuration: &str, files: &[(String, String)]) -> Self {
        let kind = Some("fabric");
        let guest = Self::start(&Setup { configuration, files, kind, ..Setup::default() });
        guest.wait_for("the store to open", || guest.has_said("opened 0 records"));
        guest
    }

    /// Boots with a hardware generator that gives what the service at this socket of the host gives, and
    /// waits until the service in the machine answers.
    pub(crate) fn boot_with_egd(configuration: &str, socket: &Path) -> Self {
        let egd = Some(socket);
        let guest = Self::start(&Setup { configuration, egd, ..Setup::default() });
        guest.wait_for("the service to answer", || guest.get("/health/live").is_some());
        guest
    }

    /// As [`Self::boot_with_egd`], with the host's own generator as a second one.
    pub(crate) fn boot_with_both(configuration: &str, socket: &Path) -> Self {
        let egd = Some(socket);
        let setup = Setup { configuration, egd, has_second: true, ..Setup::default() };
        let guest = Self::start(&setup);
        guest.wait_for("the service to answer", || guest.get("/health/live").is_some());
        guest
    }

    fn start(setup: &Setup<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let image = folder.path().join("image");
        make_image(setup, folder.path());
        let ports = free_ports();
        let tpm = start_tpm(folder.path());
        let machine = start_machine(folder.path(), &image, ports, setup);
        let [http, usb, shell] = ports;
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(REQUEST));
        let agent = config.build().new_agent();
        Self { machine, tpm, folder, http, usb, shell, agent }
    }

    /// Where a USB device is plugged in.
    pub(crate) fn usb(&self) -> SocketAddr {
        self.usb
    }

    /// Asks the service, from outside. `None` when it cannot be reached.
    pub(crate) fn get(&self, path: &str) -> Option<Answer> {
        let response = self.agent.get(format!("http://{}{path}", self.http)).call().ok()?;
        let status = response.status().as_u16();
        let header = response.headers().get("entropy-sources");
        let sources = header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let body = response.into_body().read_to_vec().ok()?;
        Some(Answer { status, sources, body })
    }

    /// Calls the service with a token, and a body if there is one; gives status and body.
    pub(crate) fn call(
        &self,
        (method, path): (&str, &str),
        token: &str,
        body: Option<&str>,
    ) -> (u16, String) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.http))
            .header("authorization", format!("Bearer {token}"));
        let answered = match body {
            Some(body) => request.body(body.to_owned()).map(|request| self.agent.run(request)),
            None => request.body(()).map(|request| self.agent.run(request)),
        };
        let answered = answered.expect("a request").unwrap_or_else(|error| {
            panic!("{method} {path}: {error}\n{}", self.console());
        });
        let status = answered.status().as_u16();
        (status, answered.into_body().read_to_string().expect("text"))
    }

    /// Has the machine's shell do this, as root; gives what it printed.
    pub(crate) fn shell(&self, commands: &str) -> String {
        let mut shell = TcpStream::connect(self.shell).expect("a shell in the machine");
        shell.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        shell.write_all(format!("exec 2>&1\n{commands}\nexit\n").as_bytes()).expect("sent");
        shell.shutdown(Shutdown::Write).expect("sent");
        let mut printed = String::new();
        shell.read_to_string(&mut printed).expect("an end");
        printed
    }

    /// Whether the console has shown this: the log of the service goes there.
    pub(crate) fn has_said(&self, words: &str) -> bool {
        // It is not there before QEMU has begun.
        fs::read_to_string(self.console_path()).unwrap_or_default().contains(words)
    }

    /// What was on the console from a few lines before these words on.
    pub(crate) fn said_from(&self, words: &str) -> String {
        let text = fs::read_to_string(self.console_path()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let at = lines.iter().position(|line| line.contains(words)).unwrap_or(0);
        lines[at.saturating_sub(5)..]
            .iter()
            .take(CONSOLE_LINES)
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The service's `/status`.
    pub(crate) fn status(&self) -> Value {
        let answer = self.get("/status").unwrap_or_else(|| panic!("no status\n{}", self.console()));
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// What `/status` says of one source.
    pub(crate) fn source(&self, id: &str) -> Value {
        let status = self.status();
        let sources = status["sources"].as_array().expect("a list of sources");
        let found = sources.iter().find(|source| source["id"] == id);
        found.unwrap_or_else(|| panic!("no source {id} in {status}")).clone()
    }

    /// Waits until something holds.
    pub(crate) fn wait_for(&self, what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < end, "waited in vain for {what}\n{}", self.console());
            thread::sleep(LOOK_EVERY);
        }
        println!("lab: {what}");
    }

    /// Panics when the kernel has complained of itself.
    pub(crate) fn check_kernel(&self) {
        let console = fs::read_to_string(self.console_path()).expect("a console");
        let fault = KERNEL_FAULTS.iter().find(|words| console.contains(**words));
        assert_eq!(fault, None, "{console}");
    }

    /// The end of what the console has shown.
    pub(crate) fn console(&self) -> String {
        let text = fs::read_to_string(self.console_path()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n")
    }

    fn console_path(&self) -> PathBuf {
        self.folder.path().join("console")
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        for child in [&mut self.machine, &mut self.tpm] {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Makes `image` below the folder.
fn make_image(setup: &Setup<'_>, folder: &Path) {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("hardware/lab");
    let root = folder.join("root");
    fs::create_dir(&root).expect("a directory");
    fs::copy(lab.join("configurations").join(setup.configuration), root.join("lavawall.toml"))
        .expect("a configuration");
    for (name, text) in setup.files {
        fs::write(root.join(name), text).expect("a file");
    }
    let made = Command::new(lab.join("image"))
        .arg(folder.join("image"))
        .arg(release_build())
        .arg(&root)
        .args(setup.kind)
        .status()
        .expect("a shell");
    assert!(made.success(), "no image was made: run the tests of the lab with `make lab`");
}

fn start_tpm(folder: &Path) -> Child {
    let state = folder.join("tpm");
    fs::create_dir(&state).expect("a directory");
    let mut command = unpacked("usr/bin/swtpm");
    command
        .args(["socket", "--tpm2", "--flags", "startup-clear,not-need-init", "--tpmstate"])
        .arg(format!("dir={}", state.display()))
        .arg("--ctrl")
        .arg(format!("type=unixio,path={}", tpm_socket(folder).display()));
    let mut tpm = command.spawn().expect("swtpm");
    let end = Instant::now() + PATIENCE;
    while !tpm_socket(folder).exists() {
        let ended = tpm.try_wait().expect("a child");
        assert!(ended.is_none() && Instant::now() < end, "swtpm does not listen: {ended:?}");
        thread::sleep(LOOK_EVERY);
    }
    tpm
}

/// Software emulation alone, so that it runs where nothing can be accelerated; one processor, which
/// is faster so than two; only forwarded ports lead in, and none leads out.
fn start_machine(
    folder: &Path,
    image: &Path,
    [http, usb, shell]: [SocketAddr; 3],
    setup: &Setup<'_>,
) -> Child {
    let root = target().join("lab/root/usr/share");
    let network = format!(
        "user,id=net,restrict=on,hostfwd=tcp:{http}-:8080,hostfwd=tcp:{usb}-:3240,\
         hostfwd=tcp:{shell}-:2323"
    );
    let socket = format!("socket,id=tpm,path={}", tpm_socket(folder).display());
    let console = format!("file:{}", folder.join("console").display());
    let mut command = unpacked("usr/bin/qemu-system-x86_64");
    command
        .arg("-L")
        .arg(root.join("qemu"))
        .arg("-L")
        .arg(root.join("seabios"))
        .args(["-accel", "tcg", "-machine", "q35", "-cpu", "qemu64", "-smp", "1", "-m", MEMORY_MIB])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .args(["-serial", &console, "-netdev", &network])
        .args(["-device", "virtio-net-pci,netdev=net,romfile="])
        .args(["-device", "virtio-rng-pci,rng=rng"])
        .args(["-chardev", &socket, "-tpmdev", "emulator,id=tpm,chardev=tpm"])
        .args(["-device", "tpm-tis,tpmdev=tpm"])
        .arg("-kernel")
        .arg(target().join("lab/kernel/vmlinux"))
        .arg("-initrd")
        .arg(image)
        .args(["-append", KERNEL_PARAMETERS]);
    match setup.egd {
        None => command.args(["-object", "rng-random,id=rng,filename=/dev/urandom"]),
        Some(socket) => command
            .args(["-object", "rng-egd,id=rng,chardev=egd", "-chardev"])
            .arg(format!("socket,id=egd,path={},reconnect=1", socket.display())),
    };
    if setup.has_second {
        command.args(["-device", "virtio-rng-pci,rng=second"]);
        command.args(["-object", "rng-random,id=second,filename=/dev/urandom"]);
    }
    command.stdin(Stdio::null()).spawn().expect("QEMU")
}

/// A program of `target/lab/root`, with the libraries it was unpacked with.
fn unpacked(program: &str) -> Command {
    let root = target().join("lab/root");
    let folders =
        ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/swtpm"];
    let folders = folders.map(|folder| root.join(folder));
    let mut command = Command::new(root.join(program));
    command.env("LD_LIBRARY_PATH", std::env::join_paths(folders).expect("paths without colons"));
    command
}

fn tpm_socket(folder: &Path) -> PathBuf {
    folder.join("tpm.socket")
}

/// The program that is tested.
pub(crate) fn release_build() -> PathBuf {
    target().join("release/lavawall")
}

/// Where cargo builds.
fn target() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Ports of the loopback that are free now.
fn free_ports() -> [SocketAddr; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address"))
}
