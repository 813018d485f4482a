//! Three members of etcd, which a test kills, stops and starts again.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::running::PATIENCE;

/// A cluster on the loopback; ended when dropped.
pub(crate) struct EtcdMembers {
    folder: tempfile::TempDir,
    members: Vec<Member>,
    arguments: Vec<String>,
    scheme: &'static str,
}

struct Member {
    process: Option<Child>,
    port: u16,
    peers: u16,
}

impl EtcdMembers {
    /// Starts them, and waits until they have a leader.
    pub(crate) fn start() -> Self {
        Self::start_with("http", &[])
    }

    /// As `start`, with more arguments, for clients that speak this scheme.
    pub(crate) fn start_with(scheme: &'static str, arguments: &[&str]) -> Self {
        let ports: Vec<_> = (0..6).map(|_| free_port()).collect();
        let member = |ports: &[u16]| Member { process: None, port: ports[0], peers: ports[1] };
        let mut cluster = Self {
            folder: tempfile::tempdir().expect("a directory"),
            members: ports.chunks(2).map(member).collect(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            scheme,
        };
        (0..3).for_each(|number| cluster.run(number));
        cluster
    }

    /// Starts a member, with what it kept.
    pub(crate) fn run(&mut self, number: usize) {
        let peers = |number: usize| format!("http://127.0.0.1:{}", self.members[number].peers);
        let all: Vec<_> = (0..3).map(|number| format!("m{number}={}", peers(number))).collect();
        let url = self.url(number);
        let process = Command::new("etcd")
            .args(["--name", &format!("m{number}")])
            .arg("--data-dir")
            .arg(self.folder.path().join(number.to_string()))
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &peers(number)])
            .args(["--initial-advertise-peer-urls", &peers(number)])
            .args(["--initial-cluster", &all.join(","), "--heartbeat-interval", "50"])
            .args(["--election-timeout", "500"])
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd is installed: make unit does it");
        self.members[number].process = Some(process);
    }

    /// Waits until a member accepts connections.
    pub(crate) fn wait_for(&self, number: usize) {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.members[number].port)).is_err() {
            assert!(Instant::now() < end, "etcd does not start");
            std::thread::yield_now();
        }
    }

    /// Kills a member.
    pub(crate) fn kill(&mut self, number: usize) {
        let process = self.members[number].process.as_mut().expect("it runs");
        process.kill().expect("it runs");
        process.wait().expect("an end");
    }

    /// Sends a signal to a member.
    pub(crate) fn signal(&self, number: usize, signal: Signal) {
        let process = self.members[number].process.as_ref().expect("it runs");
        kill_process(Pid::from_child(process), signal).expect("it runs");
    }

    fn url(&self, number: usize) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.members[number].port)
    }

    /// The tables of a configuration that keeps the store here.
    pub(crate) fn tables(&self) -> String {
        let urls: Vec<_> = (0..3).map(|number| format!("{:?}", self.url(number))).collect();
        format!("[kv]\nengine = \"etcd\"\n[kv.etcd]\nendpoints = [{}]\n", urls.join(", "))
    }

    /// Where they keep their files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A port that no other test of this process gets, and no outgoing connection: it is below the range of
/// ephemeral ports.
fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).expect("small");
    loop {
        let next = (first + GIVEN.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", 20_000 + next)).is_ok() {
            return 20_000 + next;
        }
    }
}

impl Drop for EtcdMembers {
    fn drop(&mut self) {
        for process in self.members.iter_mut().filter_map(|member| member.process.as_mut()) {
            // One that was killed has ended.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
