//! What a start needs, as `serve` and `check` find it, and how it is told.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::running::{Output, PATIENCE, Running, ended, get, lavawall, run};

/// Two sources that every machine has.
const TWO_KINDS: &str = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n";

/// A folder with a configuration in it.
struct Place(tempfile::TempDir);

impl Place {
    fn of(configuration: &str) -> Self {
        let place = Self(tempfile::tempdir().expect("a directory"));
        fs::write(place.path("lavawall.toml"), configuration).expect("written");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a command that must end, with the configuration and this state directory.
    fn run(&self, name: &str, state: &Path) -> Output {
        let mut command = Command::new("timeout");
        command.arg("60").arg(lavawall()).arg(name).arg("--state-dir").arg(state);
        ended(command.arg("--config").arg(self.path("lavawall.toml")))
    }
}

#[test]
fn check_refuses_what_serve_refuses_with_the_same_words_and_exit_code() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let service = Running::start(TWO_KINDS);
    let in_use = service.state_dir();
    let free = |place: &Place| place.path("state");
    for (http, state, code) in [
        (format!("listen = \"127.0.0.1:{port}\""), None, 77),
        ("listen = \"127.0.0.1:0\"".to_owned(), Some(in_use), 77),
        ("tls-certificate = \"none.pem\"\ntls-key = \"none.key\"".to_owned(), None, 78),
        ("tokens = \"/nowhere/tokens\"".to_owned(), None, 78),
        ("listen = \"127.0.0.1:0\"".to_owned(), Some("/proc/lavawall".into()), 73),
    ] {
        let place = Place::of(&format!("[http]\n{http}\n{TWO_KINDS}"));
        let state = state.unwrap_or_else(|| free(&place));
        let (check, serve) = (place.run("check", &state), place.run("serve", &state));
        assert_eq!((check.code, serve.code), (code, code), "{http}: {}{}", check.err, serve.err);
        let last = |output: &Output| output.err.lines().last().map(str::to_owned);
        assert_eq!(last(&check), last(&serve), "{http}");
    }
}

#[test]
fn check_leaves_nothing_behind() {
    let place = Place::of(&format!("[http]\nlisten = \"127.0.0.1:0\"\n{TWO_KINDS}"));
    let checked = place.run("check", &place.path("deep/state"));
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(!place.path("deep").exists());
    let state = place.path("state");
    fs::create_dir(&state).expect("made");
    fs::set_permissions(&state, PermissionsExt::from_mode(0o700)).expect("changed");
    assert_eq!(place.run("check", &state).code, 0);
    assert_eq!(fs::read_dir(&state).expect("there").count(), 0);
    // What was there stays, and is refused by both.
    let link = state.join("lock");
    std::os::unix::fs::symlink(place.path("nowhere"), &link).expect("made");
    for command in ["check", "serve"] {
        let refused = place.run(command, &state);
        assert_eq!(refused.code, 73, "{command}: {}", refused.err);
        assert!(refused.err.contains("a symbolic link"), "{command}: {}", refused.err);
    }
    assert!(link.is_symlink() && !place.path("nowhere").exists());
}

#[test]
fn a_byte_order_mark_in_files_of_access_is_skipped_and_a_key_that_cannot_be_read_is_named() {
    let place = Place::of("");
    let marked = |name: &str, text: &str| {
        fs::write(place.path(name), format!("\u{feff}{text}")).expect("written");
    };
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("made");
    let key = certified.signing_key.serialize_pem();
    marked("certificate", &certified.cert.pem());
    marked("key", &key);
    marked("encrypted", &key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
    marked("cut", &certified.cert.pem()[..200]);
    let made = run(&["token", "tester"]).err;
    marked("tokens", &made);
    marked("twice", &format!("{made}{made}"));
    let check = |certificate: &str, key: &str, tokens: &str| {
        let [certificate, key, tokens] = [certificate, key, tokens].map(|it| place.path(it));
        let config = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\ntls-certificate = {certificate:?}\ntls-key = {key:?}\n\
             tokens = {tokens:?}\n{TWO_KINDS}"
        );
        fs::write(place.path("lavawall.toml"), config).expect("written");
        place.run("check", &place.path("state"))
    };
    let checked = check("certificate", "key", "tokens");
    assert_eq!(checked.code, 0, "{}", checked.err);
    for (certificate, key, tokens, part) in [
        // The mark would be a part of the first name.
        ("certificate", "key", "twice", "line 2: this name is on an earlier line too"),
        ("certificate", "encrypted", "tokens", "the private key is encrypted"),
        ("cut", "key", "tokens", "the file is cut short, or not PEM"),
        ("key", "key", "tokens", "the file has no certificate"),
        ("certificate", "certificate", "tokens", "the file has no private key"),
    ] {
        let refused = check(certificate, key, tokens);
        assert_eq!(refused.code, 78, "{part}: {}", refused.err);
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
}

#[test]
fn a_service_manager_with_an_abstract_socket_is_notified() {
    let name = format!("lavawall-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let manager = UnixDatagram::bind_addr(&address).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let _service = Running::start_with(TWO_KINDS, |_| {
        let mut command = Command::new(lavawall());
        command.env("NOTIFY_SOCKET", format!("@{name}")).env("WATCHDOG_USEC", "1000000");
        command
    });
    let mut message = [0; 1024];
    let mut wait_for = |part| loop {
        let length = manager.recv(&mut message).expect("a message");
        if String::from_utf8_lossy(&message[..length]).contains(part) {
            return;
        }
    };
    wait_for("READY=1\n");
    // The unit has a watchdog: without these it would end a service that works.
    wait_for("WATCHDOG=1\n");
    wait_for("WATCHDOG=1\n");
    let unit = include_str!("../../hardware/systemd/lavawall.service");
    for line in ["Type=notify", "WatchdogSec=30", "DynamicUser=yes", "Restart=on-failure"] {
        assert!(unit.lines().any(|it| it == line), "{line}");
    }
}

#[test]
fn a_path_too_long_for_a_socket_is_told_and_another_can_be_configured() {
    let place = Place::of("");
    let deep = place.path(&"d".repeat(110));
    let other = place.path("operator.sock");
    let configuration = format!("admin-socket = {:?}\n{TWO_KINDS}", other.display().to_string());
    let service = Running::start(&configuration);
    assert!(!service.state_dir().join("admin.sock").exists());
    let config = service.state_dir().with_file_name("lavawall.toml");
    let config = config.to_str().expect("a path");
    let keys = run(&["keys", "--config", config]);
    assert_eq!(keys.code, 0, "{}", keys.err);
    let deep_text = deep.to_str().expect("a path");
    for arguments in [["keys", "--state-dir", deep_text], ["keys", "--socket", deep_text]] {
        let refused = run(&arguments);
        assert_eq!(refused.code, 69, "{}", refused.err);
        assert!(refused.err.contains("that of a socket at most 107"), "{}", refused.err);
    }
    // The socket of a service that runs is not taken from it, and a file that is none is not removed.
    let file = place.path("a file");
    fs::write(&file, "kept").expect("written");
    for (path, part) in [
        (other, "another program listens on it"),
        (file.clone(), "it exists and is no socket"),
        (deep, "that of a socket at most 107: set admin-socket"),
    ] {
        let configuration = format!("admin-socket = {:?}\n{TWO_KINDS}", path.display().to_string());
        let second = Running::start(&configuration);
        second.wait_for_log(part);
        assert_eq!(get(&second, "/random").status, 200, "randomness goes on");
    }
    assert_eq!(fs::read_to_string(file).expect("there"), "kept");
    assert_eq!(run(&["keys", "--config", config]).code, 0);
}

#[test]
fn a_relative_xdg_state_home_is_ignored() {
    let home = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(lavawall());
    command.arg("keys").env("HOME", home.path()).env("XDG_STATE_HOME", "relative");
    let keys = ended(command.current_dir(home.path()));
    let socket = home.path().join(".local/state/lavawall/admin.sock");
    assert!(keys.err.contains(&socket.display().to_string()), "{}", keys.err);
}

#[test]
fn an_address_that_lacks_a_part_is_told_what_is_missing() {
    for (listen, part) in [
        (":8080", "the address is missing"),
        ("8080", "an address and a port"),
        ("::1:8080", "needs brackets"),
        ("::1", "the port is missing: \"[::1]:8080\""),
        ("http://127.0.0.1:8080", "without a scheme"),
    ] {
        for command in ["serve", "check"] {
            let refused = run(&[command, "--listen", listen]);
            assert_eq!(refused.code, 64, "{listen}: {}", refused.err);
            assert!(refused.err.contains(part), "{listen}: {}", refused.err);
        }
        let place = Place::of(&format!("[http]\nlisten = {listen:?}\n"));
        let refused = place.run("serve", &place.path("state"));
        assert_eq!(refused.code, 78, "{listen}: {}", refused.err);
        assert!(refused.err.contains(part), "{listen}: {}", refused.err);
    }
    let local = Running::start(&format!("[http]\nlisten = \"localhost:0\"\n{TWO_KINDS}"));
    assert_eq!(get(&local, "/health/live").status, 200);
}

#[test]
fn a_command_whose_output_is_lost_says_so() {
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").expect("the device");
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["help", "serve"],
        &["serve", "--help"],
        &["completions", "bash"],
        &["token", "caller"],
        &["random", "8", "--local"],
        &["check", "--listen", "127.0.0.1:0"],
    ] {
        let state = tempfile::tempdir().expect("a directory");
        let mut command = Command::new(lavawall());
        command.args(arguments).env("HOME", state.path()).env_remove("XDG_STATE_HOME");
        let output = command.stdout(full()).stderr(Stdio::piped()).output().expect("the program");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(74), "{arguments:?}: {said}");
        assert!(said.contains("standard output: No space left"), "{arguments:?}: {said}");
    }
    // A limit on the size of files is a full disk, too.
    let folder = tempfile::tempdir().expect("a directory");
    let limited = "ulimit -f 0; exec \"$0\" completions bash > file";
    let mut command = Command::new("sh");
    command.args(["-c", limited]).arg(lavawall()).current_dir(folder.path());
    let output = command.stderr(Stdio::piped()).output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{said}");
    assert!(said.contains("standard output: File too large"), "{said}");
    // The hash of a token is output too, on standard error.
    let status = Command::new(lavawall()).args(["token", "caller"]).stderr(full()).output();
    let output = status.expect("the program");
    assert_eq!(output.status.code(), Some(74));
    assert!(output.stdout.is_empty(), "a token without its hash is good for nothing");
}

/// Gives users access to a file by an access list, as systemd does where the file system has them; false
/// where it has none. The mode then shows the list's mask for the group.
fn give_by_list(file: &Path, users: &[u32]) -> bool {
    let none = u32::MAX;
    let users = users.iter().map(|user| (0x02_u16, 4_u16, *user));
    let entries = std::iter::once((0x01, 4, none)).chain(users);
    let entries = entries.chain([(0x04, 0, none), (0x10, 4, none), (0x20, 0, none)]);
    let list = entries.fold(2_u32.to_le_bytes().to_vec(), |list, (tag, permissions, user)| {
        [&list[..], &tag.to_le_bytes(), &permissions.to_le_bytes(), &user.to_le_bytes()].concat()
    });
    let flags = rustix::fs::XattrFlags::empty();
    match rustix::fs::setxattr(file, "system.posix_acl_access", &list, flags) {
        Err(rustix::io::Errno::OPNOTSUPP) => false,
        set => set.map(|()| true).expect("the owner may"),
    }
}

fn stop(service: &mut Running) {
    service.signal(rustix::process::Signal::TERM);
    assert_eq!(service.wait(), 0, "{}", service.log());
}

#[test]
fn a_seal_file_that_a_list_gives_to_the_service_alone_opens_the_keyring() {
    let place = Place::of("");
    let seal = place.path("credential");
    let configuration = format!("[keyring]\nseal-file = {seal:?}\n{TWO_KINDS}");
    let mut service = Running::start(&configuration);
    service.wait_for_log("made a keyring");
    let (own, other) = (rustix::process::geteuid().as_raw(), 12_345);
    if !give_by_list(&seal, &[own]) {
        return;
    }
    assert_eq!(fs::metadata(&seal).expect("there").permissions().mode() & 0o777, 0o440);
    stop(&mut service);
    service.start_again();
    service.done(&["keys"], "");
    stop(&mut service);
    give_by_list(&seal, &[own, other]);
    service.start_again();
    service.wait_for_log("has mode 440: others can read it");
}

/// A folder as systemd makes it for `LoadCredential=`: the user's own, and closed to it for writing.
#[test]
fn files_of_root_reach_the_service_as_credentials() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::of("");
    let user = 65534;
    let credentials = place.path("credentials");
    fs::create_dir(&credentials).expect("made");
    let made = run(&["token", "tester"]);
    fs::write(credentials.join("tokens"), &made.err).expect("written");
    for (path, mode) in [(credentials.join("tokens"), 0o400), (credentials.clone(), 0o500)] {
        std::os::unix::fs::chown(&path, Some(user), None).expect("given away");
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("changed");
    }
    fs::set_permissions(place.path(""), PermissionsExt::from_mode(0o755)).expect("changed");
    let tokens = credentials.join("tokens");
    let config = format!("[http]\nlisten = \"127.0.0.1:0\"\ntokens = {tokens:?}\n{TWO_KINDS}");
    fs::write(place.path("lavawall.toml"), config).expect("written");
    fs::set_permissions(place.path("lavawall.toml"), PermissionsExt::from_mode(0o644))
        .expect("changed");
    // By another process: a test that forks while this one holds it open for writing would make it busy.
    let program = place.path("lavawall");
    let copied = Command::new("cp").arg(lavawall()).arg(&program).status();
    assert!(copied.expect("cp").success());
    let state = place.path("state");
    fs::create_dir(&state).expect("made");
    std::os::unix::fs::chown(&state, Some(user), None).expect("given away");
    fs::set_permissions(&state, PermissionsExt::from_mode(0o700)).expect("changed");
    let check = |config: &Path| {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(&program);
        command.arg("check").arg("--config").arg(config).arg("--state-dir").arg(&state);
        ended(command.uid(user).gid(user))
    };
    let checked = check(&place.path("lavawall.toml"));
    assert_eq!(checked.code, 0, "{}", checked.err);
    // Without the credential the file is root's.
    std::os::unix::fs::chown(&tokens, Some(0), None).expect("taken back");
    assert_eq!(check(&place.path("lavawall.toml")).code, 78);
}

#[test]
fn variables_of_an_orchestrator_do_not_stop_a_start_and_mistyped_keys_do() {
    let place = Place::of(&format!("[http]\nlisten = \"127.0.0.1:0\"\n{TWO_KINDS}"));
    let check = |variables: &[(&str, &[u8])]| {
        let mut command = Command::new(lavawall());
        command.arg("check").arg("--state-dir").arg(place.path("state"));
        for (name, value) in variables {
            command.env(name, std::ffi::OsStr::from_bytes(value));
        }
        command.arg("--config").arg(place.path("lavawall.toml"));
        command.output().expect("the program")
    };
    let links: [(&str, &[u8]); 9] = [
        ("LAVAWALL_HTTP_SERVICE_HOST", b"fd00::11"),
        ("LAVAWALL_HTTP_SERVICE_PORT", b"8080"),
        ("LAVAWALL_HTTP_SERVICE_PORT_LISTEN", b"8080"),
        ("LAVAWALL_HTTP_PORT", b"tcp://[fd00::11]:8080"),
        ("LAVAWALL_HTTP_PORT_5353_UDP", b"udp://[fd00::11]:5353"),
        ("LAVAWALL_HTTP_PORT_5353_UDP_PROTO", b"udp"),
        ("LAVAWALL_HTTP_PORT_8080_TCP_START", b"tcp://172.17.0.2:8080"),
        ("LAVAWALL_HTTP_PORT_8080_TCP_PORT_END", b"8081"),
        ("LAVAWALL_HTTP_ENV_LANG", b"\xff"),
    ];
    let started = check(&links);
    assert_eq!(started.status.code(), Some(0), "{}", String::from_utf8_lossy(&started.stderr));
    for (name, value, part) in [
        ("LAVAWALL_HTTP_PORT", &b"8080"[..], "port"),
        ("LAVAWALL_HTTP_SERVICE_HOST", b"example.org", "service-host"),
        ("LAVAWALL_POOL_QUORUMS", b"2", "quorums"),
        // Dropped, it would start with another listener.
        ("LAVAWALL_HTTP_LISTEN", b"127.0.0.1:0\xff", "is not UTF-8"),
        ("LAVAWALL_HTTP_LISTEN", b"8080", "an address and a port"),
        ("LAVAWALL_HTTP_LISTEN", b"", "an address and a port"),
    ] {
        let refused = check(&[(name, value)]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(78), "{name}: {said}");
        assert!(said.contains(name) && said.contains(part), "{name}: {said}");
    }
}
