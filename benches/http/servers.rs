//! The servers that are compared, each on the first core.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};

/// The core that servers run on.
const CORE: &str = "0";

/// The argument that makes this program the bare hyper server; its port follows.
pub(crate) const FIXED: &str = "answer-fixed-bytes";

/// The size of the file that nginx sends, in GiB.
pub(crate) const FILE_GIB: u64 = 2;

/// A running server. Ends when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    /// What it runs in; gone when this is dropped.
    folder: tempfile::TempDir,
}

impl Server {
    /// The service, with the sources of any machine.
    pub(crate) fn lavawall() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let configuration = folder.path().join("lavawall.toml");
        fs::write(
            &configuration,
            "[http]\nmax-bytes = \"10GiB\"\nthreads = 1\n\
             [[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n",
        )
        .expect("written");
        let address = free_address();
        let mut command = pinned(Path::new(env!("CARGO_BIN_EXE_lavawall")));
        command.args(["serve", "--log", "error", "--listen", &address.to_string(), "--config"]);
        command.arg(&configuration).arg("--state-dir").arg(folder.path().join("state"));
        Self::start(&mut command, address, folder)
    }

    /// hyper and nothing else.
    pub(crate) fn fixed() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let address = free_address();
        let mut command = pinned(&std::env::current_exe().expect("this program"));
        command.args([FIXED, &address.port().to_string()]);
        Self::start(&mut command, address, folder)
    }

    /// nginx with a file in memory, as fast as its manual says.
    pub(crate) fn nginx() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").expect("memory as a directory");
        let file = fs::File::create(folder.path().join("body")).expect("a file");
        fill(&file);
        Self::nginx_in(folder)
    }

    /// nginx with 32 bytes in memory: at `/plain`, and at `/limited` with a rate for each token, which no round
    /// reaches.
    pub(crate) fn nginx_with_limits() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").expect("memory as a directory");
        for name in ["plain", "limited"] {
            fs::write(folder.path().join(name), [7; 32]).expect("written");
        }
        Self::nginx_in(folder)
    }

    fn nginx_in(folder: tempfile::TempDir) -> Self {
        let address = free_address();
        let mut text = String::new();
        write!(
            text,
            "daemon off; worker_processes 1; pid {0}/pid; error_log {0}/error; user root;\n\
             events {{}}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000;\n\
             limit_req_zone $http_authorization zone=tokens:10m rate=1000000r/s;\n\
             server {{ listen {address}; root {0};\n\
             location /limited {{ limit_req zone=tokens burst=1000000 nodelay; }} }} }}\n",
            folder.path().display()
        )
        .expect("writing to a string cannot fail");
        let configuration = folder.path().join("nginx.conf");
        fs::write(&configuration, text).expect("written");
        let mut command = pinned(Path::new("nginx"));
        command.arg("-p").arg(folder.path()).arg("-c").arg(&configuration);
        Self::start(&mut command, address, folder)
    }

    /// Redis, which answers a write when it is on the disk.
    pub(crate) fn redis() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let address = free_address();
        let mut command = pinned(Path::new("redis-server"));
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--dir"]);
        command.arg(folder.path());
        Self::start(&mut command, address, folder)
    }

    /// A cluster of one, which answers a write when it is on the disk: etcd knows no other way.
    pub(crate) fn etcd() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let address = free_address();
        let [clients, peers] = [address, free_address()].map(|address| format!("http://{address}"));
        let mut command = pinned(Path::new("etcd"));
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.arg(format!("--initial-cluster=default={peers}"));
        command
            .args(["--logger", "zap", "--log-level", "error", "--data-dir"])
            .arg(folder.path().join("data"));
        Self::start(&mut command, address, folder)
    }

    pub(crate) fn start(
        command: &mut Command,
        address: SocketAddr,
        folder: tempfile::TempDir,
    ) -> Self {
        let child = command.stdout(Stdio::null()).spawn().expect("the server starts");
        let server = Self { child, address, folder };
        while TcpStream::connect(address).is_err() {
            std::thread::yield_now();
        }
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The memory it has now, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's worker ends with its master only when that is told nicely.
        // It may have ended by itself.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Serves 32 fixed bytes on the port in the second argument, for ever.
pub(crate) fn answer_fixed_bytes() {
    let port: u16 = std::env::args().nth(2).expect("a port").parse().expect("a number");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.expect("a free port");
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            // As the service does.
            let _ = socket.set_nodelay(true);
            let answer = service_fn(async |_: Request<_>| {
                let body = Full::new(Bytes::from_static(&[7; 32]));
                Ok::<_, Infallible>(Response::new(body))
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
            tokio::task::spawn_local(connection);
        }
    });
}

pub(crate) fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", CORE]).arg(program);
    command
}

fn fill(mut file: &fs::File) {
    use std::io::Write;
    let piece = vec![7; 1 << 20];
    for _ in 0..FILE_GIB << 10 {
        file.write_all(&piece).expect("enough memory");
    }
}

pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address")
}
