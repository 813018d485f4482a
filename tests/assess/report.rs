//! `lavawall report`: what is on the page for files of noise, and the PDF.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use clap::CommandFactory;
use lavawall::requirements;
use serde_json::{Value, json};
use tempfile::TempDir;

/// One source that every machine has.
const OS: &str = "[[source]]\ntype = \"os\"\n";

#[test]
fn noise_and_restarts_from_files_are_on_the_page() {
    let place = Place::of(OS);
    place.noise("raw.bin", 5000, &Value::Null);
    let matrix = json!({"rows": 1000, "columns": 1000, "meaning": "a test"});
    place.noise("restarts.bin", 1_000_000, &matrix);
    let output = place.report(&["--noise", "raw.bin", "--restart", "restarts.bin"]);
    assert!(output.status.success(), "{}", said(&output));
    let page = place.page();
    for part in ["5,000 symbols", ">decides<", "1000 rows of 1000: a test", ">raw.bin<", "Passed"] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("data:image/png;base64,").count(), 8);
    assert!(page.contains("it was not asked"), "no service is asked with --no-service");
    // What is named in the table of requirements belongs to this report's version.
    assert!(page.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn without_files_noise_is_captured_and_a_source_that_is_not_there_is_named() {
    let missing = "[[source]]\ntype = \"serial\"\ndevice = \"/dev/lavawall-none\"\n";
    let place = Place::of(&format!("{OS}{missing}"));
    let output = place.report(&["--samples", "4096"]);
    assert!(output.status.success(), "{}", said(&output));
    let page = place.page();
    assert!(page.contains("4,096 symbols"));
    assert!(page.contains("None is shown: serial: "), "why there is no noise of it");
    assert!(said(&output).contains("/dev/lavawall-none"), "{}", said(&output));
    // The report has raw noise in it.
    let mode = fs::metadata(place.path("report.html")).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_source_that_was_calibrated_says_so_and_is_held_to_that() {
    let place = Place::of("[[source]]\ntype = \"jitter\"\n");
    let calibrate = ["calibrate", "--source", "jitter", "--samples", "8192"];
    let mut command = place.lavawall(&calibrate);
    let output = command.args(["--state-dir", "state"]).output().expect("the program runs");
    assert!(output.status.success(), "{}", said(&output));
    let output = place.report(&["--no-capture", "--state-dir", "state"]);
    assert!(output.status.success(), "{}", said(&output));
    for part in [">assessed 20", "half of the estimate", "its setup was not looked at"] {
        assert!(place.page().contains(part), "{part}");
    }
    let output = place.report(&["--samples", "4096", "--state-dir", "state", "--force"]);
    assert!(output.status.success(), "{}", said(&output));
    let page = place.page();
    assert!(page.contains(">assessed 20") && !page.contains("was not looked at"));
}

#[test]
fn a_source_with_a_hostile_name_is_text_on_the_page() {
    let place = Place::of(OS);
    place.noise("raw.bin", 4096, &Value::Null);
    let name = "<script>alert(1)</script>";
    let sidecar = place.path("raw.bin.json");
    let mut beside: Value =
        serde_json::from_slice(&fs::read(&sidecar).expect("there")).expect("it");
    beside["source"] = name.into();
    beside["setup"]["device"] = "\"><img src=http://192.0.2.1/ onerror=alert(1)>".into();
    fs::write(&sidecar, beside.to_string()).expect("written");
    let output = place.report(&["--noise", "raw.bin"]);
    assert!(output.status.success(), "{}", said(&output));
    let page = place.page();
    assert!(!page.contains("<script") && !page.contains("<img src=http"), "it is no markup");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is shown");
    assert!(page.contains("not in this configuration"));
}

#[test]
fn wrong_files_are_refused_before_anything_is_captured_and_nothing_is_written() {
    let place = Place::of(OS);
    place.noise("raw.bin", 4096, &Value::Null);
    place.noise("restarts.bin", 4096, &json!({"rows": 4, "columns": 1024, "meaning": ""}));
    place.noise("short.bin", 4096, &Value::Null);
    fs::write(place.path("short.bin"), [0; 4095]).expect("written");
    place.noise("odd.bin", 4096, &Value::Null);
    fs::write(place.path("odd.bin.json"), "{}").expect("written");
    for (arguments, code, part) in [
        (&["--noise", "none.bin"][..], 64, "none.bin: No such file"),
        (&["--noise", "restarts.bin"], 65, "give it with --restart"),
        (&["--restart", "restarts.bin"], 64, "give it with --noise"),
        (&["--noise", "short.bin"], 65, "4095 symbols, and short.bin.json says 4096"),
        (&["--noise", "odd.bin"], 65, "odd.bin.json: not what `lavawall capture` writes"),
        (&["--pdf", "--output", "report.pdf"], 64, "name it .html"),
        (&["--noise", "raw.bin", "--output", "raw.bin"], 73, "raw.bin: exists"),
    ] {
        let output = place.report(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(part), "{part} in {}", said(&output));
        assert!(!place.path("report.html").exists(), "{arguments:?}");
    }
}

#[test]
fn a_place_that_takes_no_file_is_refused_before_anything_is_captured() {
    let place = Place::of("[[source]]\ntype = \"jitter\"\n");
    fs::create_dir(place.path("folder")).expect("made");
    // Neither takes a file, also of root.
    for output in ["none/report.html", "/proc/report.html", "folder"] {
        let report = place.report(&["--force", "--output", output]);
        assert_eq!(report.status.code(), Some(73), "{output}: {}", said(&report));
        assert!(said(&report).contains(output), "{}", said(&report));
        let mut capture = place.lavawall(&["capture", "--source", "jitter", "--force"]);
        let capture = capture.args(["--output", output]).output().expect("the program runs");
        assert_eq!(capture.status.code(), Some(73), "{output}: {}", said(&capture));
        for output in [report, capture] {
            assert!(!said(&output).contains("captur"), "{}", said(&output));
        }
    }
    assert_eq!(fs::read_dir(place.path("folder")).expect("there").count(), 0);
    assert!(!place.path("folder.new").exists());
}

#[test]
fn a_device_that_gives_too_little_or_nothing_does_not_hold_the_report() {
    // A pipe with a writer that is silent, and one that gives a byte now and then.
    let place = Place::of(
        "[[source]]\ntype = \"serial\"\nid = \"silent\"\ndevice = \"silent\"\n\
         [[source]]\ntype = \"serial\"\nid = \"slow\"\ndevice = \"slow\"\n",
    );
    let held: Vec<_> = ["silent", "slow"].map(|name| place.pipe(name)).into();
    let mut slow = held[1].try_clone().expect("another descriptor");
    std::thread::spawn(move || {
        use std::io::Write;
        let mut byte = 0_u8;
        loop {
            byte = byte.wrapping_mul(73).wrapping_add(41);
            if slow.write_all(&[byte; 1]).is_err() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    });
    let output = place.report(&["--capture-time", "2s"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(place.page().contains("None is shown: silent: "), "{}", said(&output));
    assert!(!place.page().contains("None is shown: slow: "), "{}", said(&output));
    let refused = place.report(&["--force", "--capture-time", "0s"]);
    assert_eq!(refused.status.code(), Some(64), "{}", said(&refused));
    assert!(said(&refused).contains("must be 1s to 24h"), "{}", said(&refused));
}

#[test]
fn without_a_converter_a_pdf_is_refused_at_once_and_those_looked_for_are_named() {
    let place = Place::of(OS);
    let output = place.report_with(place.dir.path().as_os_str(), &["--pdf"]);
    assert_eq!(output.status.code(), Some(69), "{}", said(&output));
    for name in ["weasyprint", "chromium", "chromium-browser", "google-chrome", "PATH"] {
        assert!(said(&output).contains(name), "{name} in {}", said(&output));
    }
    assert!(!place.path("report.html").exists());
}

#[test]
fn the_first_converter_on_the_path_makes_the_pdf() {
    let place = Place::of(OS);
    place.noise("raw.bin", 4096, &Value::Null);
    // The double of a converter tells what it was given.
    place.program("weasyprint", "#!/bin/sh\n{ echo PDF of; /bin/cat \"$1\"; } > \"$2\"\n");
    place.program("chromium", "#!/bin/sh\nexit 1\n");
    let output = place.report_with(place.dir.path().as_os_str(), &["--noise", "raw.bin", "--pdf"]);
    assert!(output.status.success(), "{}", said(&output));
    let pdf = fs::read_to_string(place.path("report.pdf")).expect("made");
    assert_eq!(pdf, format!("PDF of\n{}", place.page()));
}

#[test]
fn a_converter_that_fails_is_named_with_what_it_said() {
    let place = Place::of(OS);
    place.noise("raw.bin", 4096, &Value::Null);
    place.program("chromium", "#!/bin/sh\necho no display >&2\nexit 3\n");
    let output = place.report_with(place.dir.path().as_os_str(), &["--noise", "raw.bin", "--pdf"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for part in ["chromium made no PDF", "no display"] {
        assert!(said(&output).contains(part), "{part} in {}", said(&output));
    }
    assert!(place.path("report.html").exists() && !place.path("report.pdf").exists());
}

#[test]
fn every_place_in_the_requirements_is_a_file_a_command_or_a_test_that_there_is() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = String::new();
    code(&root.join("src"), &mut all);
    code(&root.join("crates"), &mut all);
    code(&root.join("tests"), &mut all);
    for requirement in requirements() {
        for place in &requirement.places {
            let is_there = match (place.split_once(": "), place.strip_prefix("lavawall ")) {
                (Some((_, test)), _) => all.contains(&format!("fn {test}(")),
                (_, Some(command)) => is_command(command),
                _ => root.join(place).exists(),
            };
            assert!(is_there, "{}: {place}", requirement.clause);
        }
    }
}

/// Whether there is such a command, with such options.
fn is_command(words: &str) -> bool {
    let mut words = words.split(' ');
    let program = lavawall::Cli::command();
    let command = program.find_subcommand(words.next().unwrap_or_default());
    command.is_some_and(|command| {
        let options: Vec<_> = command
            .get_arguments()
            .filter_map(|it| Some(format!("--{}", it.get_long()?)))
            .collect();
        words.all(|word| options.iter().any(|option| option == word))
    })
}

/// All Rust code below a folder.
fn code(folder: &std::path::Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            code(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).expect("a source file"));
        }
    }
}

/// A folder with a configuration.
struct Place {
    dir: TempDir,
}

impl Place {
    fn of(configuration: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("lavawall.toml"), configuration).expect("written");
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file as `lavawall capture --source os` writes it, of a generator that is not random at all.
    fn noise(&self, name: &str, symbols: usize, restarts: &Value) {
        let mut state = 7_u64;
        let raw: Vec<u8> = (0..symbols)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        fs::write(self.path(name), raw).expect("written");
        let sidecar = json!({
            "source": "os", "kind": "operating-system", "credited-nothing": null, "virtual-device": false, "refusals": 0,
            "setup": {
                "type": "os", "device": null, "format": "bytes", "resolution": null,
                "settings": "", "grid": null, "symbol": "one byte as the device gave it",
            },
            "bits": 8, "samples": symbols, "restarts": restarts, "alarms": 0, "last-alarm": null,
            "at": "2025-01-02T03:04:05Z", "lavawall": "0.0.0",
        });
        fs::write(self.path(&format!("{name}.json")), sidecar.to_string()).expect("written");
    }

    /// A pipe in the folder, open for writing.
    fn pipe(&self, name: &str) -> fs::File {
        let made = Command::new("mkfifo").arg(self.path(name)).status().expect("mkfifo runs");
        assert!(made.success());
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).open(self.path(name)).expect("opened")
    }

    /// A program in the folder.
    fn program(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path(name), mode).expect("made a program");
    }

    fn report(&self, arguments: &[&str]) -> Output {
        self.report_with(&std::env::var_os("PATH").unwrap_or_default(), arguments)
    }

    fn report_with(&self, path: &OsStr, arguments: &[&str]) -> Output {
        let mut command = self.lavawall(&["report"]);
        command.arg("--no-service").args(arguments);
        if !arguments.contains(&"--output") {
            command.args(["--output", "report.html"]);
        }
        command.env("PATH", path).output().expect("the program runs")
    }

    /// A command in the folder, with its configuration.
    fn lavawall(&self, command: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_lavawall"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LAVAWALL_")) {
            program.env_remove(name);
        }
        program.args(command).args(["--config", "lavawall.toml"]).current_dir(self.dir.path());
        program
    }

    fn page(&self) -> String {
        fs::read_to_string(self.path("report.html")).expect("a report")
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
