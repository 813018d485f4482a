//! An etcd of one member, for tests of its contract.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{EtcdStorage, SharedStorage};
use crate::kv::etcd_config::EtcdConfig;

/// A running etcd; ended when dropped.
pub(crate) struct EtcdServer {
    process: Child,
    _folder: TempDir,
    url: String,
}

impl EtcdServer {
    pub(crate) fn start() -> Self {
        // Another process may take a port between its choice and its use.
        for _ in 0..5 {
            let mut server = Self::spawn();
            let storage = server.storage("ready", 1);
            while server.process.try_wait().expect("a child").is_none() {
                if storage.revision().is_ok() {
                    return server;
                }
            }
        }
        panic!("etcd does not start");
    }

    fn spawn() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let [url, peers] =
            ports.map(|port| format!("http://{}", port.local_addr().expect("bound")));
        let process = Command::new("etcd")
            .arg("--data-dir")
            .arg(folder.path())
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .args(["--initial-cluster", &format!("default={peers}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd is installed: make unit does it");
        Self { process, _folder: folder, url }
    }

    /// A storage of a node in it, below a prefix.
    pub(crate) fn storage(&self, prefix: &str, node: u16) -> EtcdStorage {
        let config = EtcdConfig {
            endpoints: vec![self.url.clone()],
            prefix: format!("{prefix}/"),
            ..EtcdConfig::default()
        };
        EtcdStorage::new(&config, node).expect("valid")
    }
}

impl Drop for EtcdServer {
    fn drop(&mut self) {
        // One that has ended needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
