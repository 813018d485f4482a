//! One running service, and what it answers.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

/// How long anything is waited for before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// How often the service is looked at while something is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The exit code of a call that the service refuses for now.
const UNAVAILABLE: i32 = 69;

/// Where the namespaces of Workers KV are.
pub(crate) const NAMESPACES: &str = "/client/v4/accounts/default/storage/kv/namespaces";

/// The program under test.
pub(crate) fn lavawall() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_lavawall"))
}

/// What a command printed and how it ended.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    ended(Command::new(lavawall()).args(arguments))
}

/// The same of a command that wraps the program.
pub(crate) fn ended(command: &mut Command) -> Output {
    let output = quiet(command).output().expect("the program");
    Output {
        code: output.status.code().expect("it was not killed"),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Takes away what the machine's own settings could change.
fn quiet(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LAVAWALL_")) {
        command.env_remove(name);
    }
    command
}

/// A service, and the directory it runs in.
pub(crate) struct Running {
    child: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

/// One answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads the only answer on a connection.
    pub(crate) fn read(mut stream: impl Read) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an answer");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("headers");
        let headers = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let status = headers.split(' ').nth(1).and_then(|code| code.parse().ok());
        Self { status: status.expect("a status"), body: bytes.split_off(end + 4), headers }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks for a path.
pub(crate) fn get(service: &Running, path: &str) -> Answer {
    service.get_with(path, &[])
}

impl Running {
    /// Starts the service with this configuration and waits until it is ready.
    pub(crate) fn start(configuration: &str) -> Self {
        Self::start_with(configuration, |_| Command::new(lavawall()))
    }

    /// As `start`, by a command that may wrap the program.
    pub(crate) fn start_with(configuration: &str, command: impl FnOnce(&Path) -> Command) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        fs::write(folder.path().join("lavawall.toml"), configuration).expect("written");
        let command = command(&folder.path().join("state"));
        Self::started(folder, command, Stdio::null())
    }

    /// As `start`, by a command that gets this standard input.
    pub(crate) fn start_with_input(configuration: &str, command: Command, input: Stdio) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        fs::write(folder.path().join("lavawall.toml"), configuration).expect("written");
        Self::started(folder, command, input)
    }

    fn started(folder: tempfile::TempDir, command: Command, input: Stdio) -> Self {
        let child = spawn(command, folder.path(), input);
        let mut running = Self { child, folder, address: ([127, 0, 0, 1], 0).into() };
        running.address = running.wait_for_address();
        running
    }

    /// Starts it again after it has ended, with the same directory.
    pub(crate) fn start_again(&mut self) {
        self.start_again_with(Command::new(lavawall()));
    }

    /// As `start_again`, by a command that may wrap the program.
    pub(crate) fn start_again_with(&mut self, command: Command) {
        fs::remove_file(self.folder.path().join("ready")).expect("it was ready before");
        self.child = spawn(command, self.folder.path(), Stdio::null());
        self.address = self.wait_for_address();
    }

    /// Writes another configuration.
    pub(crate) fn configure(&self, configuration: &str) {
        fs::write(self.folder.path().join("lavawall.toml"), configuration).expect("written");
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The addresses of all listeners; that of `http.listen` first.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("ready")).expect("it is ready");
        text.lines().map(str::to_owned).collect()
    }

    /// The directory of its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// Asks for a path with these headers.
    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = self.connect();
        let mut ask = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in headers {
            ask.extend([name, ": ", value, "\r\n"]);
        }
        stream.write_all(format!("{ask}\r\n").as_bytes()).expect("sent");
        Answer::read(stream)
    }

    /// The file with the administrator's token, once it is there: it takes a seed, for which readiness waits
    /// only so long.
    pub(crate) fn token_file(&self) -> PathBuf {
        let path = self.state_dir().join("admin.token");
        let end = Instant::now() + PATIENCE;
        while !path.exists() {
            assert!(Instant::now() < end, "there is no token: {}", self.log());
            std::thread::yield_now();
        }
        path
    }

    /// Makes a call of Workers KV below its namespaces, with the administrator's token; gives status and
    /// body.
    pub(crate) fn namespaces(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let token = fs::read_to_string(self.token_file()).expect("a token");
        let mut connection = self.connect();
        let ask = format!(
            "{method} {NAMESPACES}{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             authorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
            token.trim(),
            body.len()
        );
        connection.write_all(ask.as_bytes()).expect("sent");
        let answer = std::io::read_to_string(connection).expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        (status, body.to_owned())
    }

    /// Makes a namespace, and gives the answer. On a busy machine the service is ready before its keyring is
    /// made: a call that is refused until then is repeated.
    pub(crate) fn made_namespace(&self, title: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let ask = format!("{{\"title\":\"{title}\"}}");
            let (status, body) = self.namespaces("POST", "", &ask);
            if status == 200 {
                return body;
            }
            assert!(status == 503 && Instant::now() < until, "{status} {body}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Asks for a path and counts the bytes of the body, without keeping them.
    pub(crate) fn drain(&self, path: &str) -> u64 {
        let mut stream = self.connect();
        let ask = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).expect("sent");
        let mut reader = BufReader::with_capacity(1 << 20, stream);
        let mut last = [0; 4];
        let mut byte = [0];
        while &last != b"\r\n\r\n" {
            reader.read_exact(&mut byte).expect("headers");
            last.rotate_left(1);
            last[3] = byte[0];
        }
        std::io::copy(&mut reader, &mut std::io::sink()).expect("a body")
    }

    /// The most memory the service has had, in KiB.
    pub(crate) fn peak_memory_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    /// The memory that the service has, in KiB.
    pub(crate) fn resident_memory_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    fn memory_kib(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the service runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Limits its address space to this much more than it has now, in bytes; `None` lifts the limit.
    pub(crate) fn limit_memory(&self, more: Option<u64>) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the service runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("a size");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        let limit = Rlimit { current: more.map(|more| kib * 1024 + more), maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::As, limit).expect("allowed");
    }

    /// Lets it map no more memory, however much it frees.
    pub(crate) fn map_no_more_memory(&self) {
        let limit = Rlimit { current: Some(0), maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::As, limit).expect("allowed");
    }

    /// Waits until the service has used no processor time for a while: it can do nothing more for
    /// those who have asked.
    pub(crate) fn wait_until_idle(&self) {
        let end = Instant::now() + PATIENCE;
        let mut before = self.processor_ticks();
        loop {
            std::thread::sleep(LOOK_EVERY);
            let now = self.processor_ticks();
            if now <= before + 1 {
                return;
            }
            assert!(Instant::now() < end, "it is never idle");
            before = now;
        }
    }

    /// The processor time it has used, in hundredths of a second.
    pub(crate) fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("the service runs");
        // proc(5): fields 14 and 15, counted from the command in parentheses, which is field 2.
        let fields = stat.rsplit_once(')').expect("a command").1.split(' ');
        fields.skip(12).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    }

    /// Runs a command of the operator's with these lines on its standard input.
    pub(crate) fn operate(&self, arguments: &[&str], lines: &str) -> Output {
        let mut command = Command::new(lavawall());
        quiet(&mut command).args(arguments).env("LAVAWALL_STATE_DIR", self.state_dir());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // A command that refuses does not read.
        let _ = child.stdin.take().expect("piped").write_all(lines.as_bytes());
        let output = child.wait_with_output().expect("an end");
        Output {
            code: output.status.code().expect("it was not killed"),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// As `operate`, into a pipe that is closed already; gives the exit code.
    pub(crate) fn operate_unread(&self, arguments: &[&str]) -> i32 {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(lavawall());
        quiet(&mut command).args(arguments).env("LAVAWALL_STATE_DIR", self.state_dir());
        let status = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null()).status();
        status.expect("the program").code().expect("it was not killed")
    }

    /// As `operate`, for what must succeed; gives what it printed. On a busy machine the service is ready
    /// before its first seed: a call that is refused until then is repeated.
    pub(crate) fn done(&self, arguments: &[&str], lines: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut output = self.operate(arguments, lines);
        while output.code == UNAVAILABLE && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
            output = self.operate(arguments, lines);
        }
        assert_eq!(output.code, 0, "{arguments:?}: {}", output.err);
        output.out
    }

    /// The process of the service.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// A number in the status.
    pub(crate) fn status_number(&self, field: &str) -> u64 {
        let status = get(self, "/status");
        let status: serde_json::Value = serde_json::from_slice(&status.body).expect("JSON");
        status[field].as_u64().unwrap_or_else(|| panic!("{field} in {status}"))
    }

    /// Waits until this is so, and asks again and again.
    pub(crate) fn wait_until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < end, "{what}: {}", self.log());
            std::thread::yield_now();
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the service runs");
    }

    /// Waits for the end and gives the exit code, or -1 when it was killed.
    pub(crate) fn wait(&mut self) -> i32 {
        self.child.wait().expect("an end").code().unwrap_or(-1)
    }

    /// Waits for the end as long as anything is waited for; `None` when it does not come.
    pub(crate) fn wait_patiently(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::sleep(LOOK_EVERY);
        }
        None
    }

    /// What was logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("a log")
    }

    /// Waits until the log says this.
    pub(crate) fn wait_for_log(&self, part: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.log().contains(part) {
            assert!(Instant::now() < end, "{part} is not in the log: {}", self.log());
            std::thread::yield_now();
        }
    }

    fn wait_for_address(&mut self) -> SocketAddr {
        let ready = self.folder.path().join("ready");
        let end = Instant::now() + PATIENCE;
        loop {
            if let Ok(address) = fs::read_to_string(&ready) {
                let first = address.lines().next().expect("an address");
                return first.parse().expect("an address");
            }
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "it ended with {ended:?}: {}", self.log());
            assert!(Instant::now() < end, "it is not ready: {}", self.log());
            std::thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(mut command: Command, folder: &Path, input: Stdio) -> Child {
    let log = fs::File::create(folder.join("log")).expect("a log file");
    quiet(&mut command)
        .args(["serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(folder.join("lavawall.toml"))
        .arg("--state-dir")
        .arg(folder.join("state"))
        .arg("--ready-file")
        .arg(folder.join("ready"))
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the program starts")
}
