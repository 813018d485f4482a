//! One service, and commands about its records.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::running::{Running, lavawall};

const CONFIGURATION: &str = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n";

/// The service, asked over its admin socket.
pub(crate) struct Kv {
    pub(crate) service: Running,
    folder: tempfile::TempDir,
}

impl Kv {
    pub(crate) fn start() -> Self {
        let service = Running::start(CONFIGURATION);
        let folder = tempfile::tempdir().expect("a directory");
        Self { service, folder }
    }

    /// A file of the test's own.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a path").to_owned()
    }

    /// `lavawall kv` with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(lavawall());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LAVAWALL_")) {
            command.env_remove(name);
        }
        command.arg("kv").args(arguments);
        command.env("LAVAWALL_STATE_DIR", self.service.state_dir());
        command
    }

    /// Runs `lavawall kv` with this on standard input.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program");
        let mut stdin = child.stdin.take().expect("piped");
        let input = input.to_vec();
        // A program that ends early reads no more.
        let feed = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("it ends");
        feed.join().expect("it does not panic");
        output
    }

    /// What a command printed, which must succeed.
    pub(crate) fn bytes(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.run(arguments, b"");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        output.stdout
    }

    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        self.ok_with(arguments, b"")
    }

    pub(crate) fn ok_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.run(arguments, input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The exit code of a command that must fail, and what it said.
    pub(crate) fn fails(&self, arguments: &[&str], input: &[u8]) -> (i32, String) {
        let output = self.run(arguments, input);
        let code = output.status.code().expect("it was not killed");
        assert_ne!(code, 0, "{arguments:?}");
        (code, String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
