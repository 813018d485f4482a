//! `lavawall assess`: output, errors, exit codes.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

#[test]
fn json_has_every_figure_under_its_name() {
    let noise = Noise::of(&noise(8));
    let answer = json(&noise.assess(&["--json", "--bits", "8"]));
    assert_eq!((&answer["samples"], &answer["bits"]), (&Value::from(8000), &Value::from(8)));
    let names: Vec<_> = rows(&answer).iter().map(|row| row["name"].clone()).collect();
    assert_eq!(
        names,
        [
            "most-common-value",
            "collision",
            "markov",
            "compression",
            "t-tuple",
            "lrs",
            "multi-mcw",
            "lag",
            "multi-mmc",
            "lz78y"
        ]
    );
    for row in rows(&answer) {
        let for_bits =
            ["collision", "markov", "compression"].contains(&row["name"].as_str().expect("text"));
        assert_eq!(row["literal"].is_null(), for_bits, "{row}");
        assert!(row["bitstring"].is_f64(), "{row}");
    }
    let [original, bitstring, least] =
        ["h_original", "h_bitstring", "min_entropy"].map(|key| answer[key].as_f64().expect(key));
    assert!((original.min(8.0 * bitstring) - least).abs() < 1e-12);
}

#[test]
fn samples_of_one_bit_count_as_a_bitstring() {
    let answer = json(&Noise::of(&noise(1)).assess(&["--json", "--bits", "1"]));
    assert!(answer["h_original"].is_null() && answer["h_bitstring"].is_f64(), "{answer}");
    assert_eq!(answer["min_entropy"], answer["h_bitstring"]);
    assert!(rows(&answer).iter().all(|row| row["literal"].is_null()), "{answer}");
}

#[test]
fn a_person_reads_a_table_that_says_what_decides() {
    let output = Noise::of(&noise(4)).assess(&["--threads", "1"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("8000 samples of 4 bits, 16 distinct"), "{text}");
    assert_eq!(text.matches("decides").count(), 1, "{text}");
    assert!(text.contains("min-entropy "), "{text}");
    // Standard error is no terminal here: a remark, and no progress bar.
    let remarks = String::from_utf8_lossy(&output.stderr);
    assert!(remarks.contains("1000000 samples") && !remarks.contains('\r'), "{remarks}");
}

#[test]
fn the_exit_code_tells_whether_the_claim_is_met() {
    let noise = Noise::of(&noise(8));
    let h = json(&noise.assess(&["--json"]))["min_entropy"].as_f64().expect("a number");
    let below = format!("{}", h - 0.001);
    let above = format!("{}", h + 0.001);
    assert_eq!(noise.assess(&["--claim", &below]).status.code(), Some(0));
    let missed = noise.assess(&["--claim", &above]);
    assert_eq!(missed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missed.stderr).contains("not met"), "{missed:?}");
}

#[test]
fn a_reader_that_goes_away_hides_no_verdict() {
    let noise = Noise::of(&noise(8));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let missed = Command::new(env!("CARGO_BIN_EXE_lavawall"))
        .args(["assess", noise.0.path().join("raw.bin").to_str().expect("plain"), "--claim", "8"])
        .stdout(writer)
        .stderr(Stdio::null())
        .status();
    assert_eq!(missed.expect("the program").code(), Some(1));
}

#[test]
fn standard_input_is_a_file_as_well() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lavawall"))
        .args(["assess", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    child.stdin.take().expect("a pipe").write_all(&noise(8)).expect("a reader");
    let piped = json(&child.wait_with_output().expect("an end"));
    assert_eq!(piped, json(&Noise::of(&noise(8)).assess(&["--json", "--threads", "1"])));
}

#[test]
fn what_cannot_be_assessed_is_refused_with_the_reason() {
    for (raw, arguments, code, reason) in [
        (noise(8)[..4095].to_vec(), vec![], 65, "at least 4096 are needed (got 4095)"),
        (vec![], vec![], 65, "(got 0)"),
        (noise(8), vec!["--bits", "4"], 65, "must be below 16 for samples of 4 bits"),
        (vec![9; 9000], vec!["--bits", "8"], 65, "a constant has no entropy"),
        (noise(8), vec!["--bits", "9"], 64, "9"),
        (noise(8), vec!["--bits", "0"], 64, "0"),
        (noise(4), vec!["--claim", "4.1"], 64, "must be from 0 to 4"),
        (noise(8), vec!["--claim", "nonsense"], 64, "a number from 0 to 8"),
        (noise(8), vec!["--threads", "0"], 64, "0"),
    ] {
        let output = Noise::of(&raw).assess(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(reason), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let missing = assess("nowhere.bin", &[]);
    assert_eq!(missing.status.code(), Some(74), "{missing:?}");
}

/// A file of samples.
struct Noise(TempDir);

impl Noise {
    fn of(raw: &[u8]) -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("raw.bin"), raw).expect("a file");
        Self(folder)
    }

    fn assess(&self, arguments: &[&str]) -> Output {
        assess(self.0.path().join("raw.bin").to_str().expect("plain"), arguments)
    }
}

fn assess(file: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lavawall"))
        .args(["assess", file])
        .args(arguments)
        .output()
        .expect("the program")
}

/// 8,000 samples from a linear congruential generator.
fn noise(bits: u8) -> Vec<u8> {
    noise_of(8000, bits)
}

fn noise_of(samples: usize, bits: u8) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8 >> (8 - bits)
    };
    (0..samples).map(|_| next()).collect()
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn rows(answer: &Value) -> &Vec<Value> {
    answer["estimators"].as_array().expect("a list")
}

#[test]
fn independent_samples_are_told_from_others() {
    let answer = json(&Noise::of(&noise(4)).assess(&["--iid", "--json"]));
    assert_eq!(answer["iid"], Value::Bool(true), "{answer}");
    assert_eq!(answer["permutation"].as_array().map(Vec::len), Some(19));
    let counting: Vec<u8> = (0..8000_u32).map(|i| (i % 200) as u8).collect();
    let refuted = Noise::of(&counting).assess(&["--iid"]);
    assert_eq!(refuted.status.code(), Some(1), "{refuted:?}");
    assert!(String::from_utf8_lossy(&refuted.stdout).contains("FAILED"), "{refuted:?}");
}

#[test]
fn too_few_samples_for_a_test_give_no_verdict_and_the_number_that_is_needed() {
    let few = noise_of(8192, 8);
    let answer = Noise::of(&few).assess(&["--iid", "--json"]);
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    let figures: Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    assert_eq!((&figures["iid"], &figures["reference_iid"]), (&Value::Null, &Value::Bool(false)));
    assert_eq!(figures["independence"]["passed"], Value::Null);
    assert!(figures["independence"]["needed"].as_u64().is_some_and(|it| it > 100_000), "{figures}");
    let shown = Noise::of(&few).assess(&["--iid"]);
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(text.contains("no verdict: too few samples") && !text.contains("FAILED"), "{text}");
    assert!(text.contains("the reference program"), "{text}");
    assert!(String::from_utf8_lossy(&shown.stderr).contains("no verdict: a chi-square test needs"));
}

#[test]
fn text_is_assessed_with_a_remark_and_noise_without() {
    let noise = noise_of(8192, 8);
    let remarks = |content: &[u8]| {
        let output = Noise::of(content).assess(&["--bits", "8"]);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let hex = data_encoding::HEXLOWER.encode(&noise);
    assert!(remarks(hex.as_bytes()).contains("text (hexadecimal digits)"));
    let decimal = noise.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(remarks(decimal.as_bytes()).contains("text (decimal digits)"));
    assert!(!remarks(&noise).contains("text"));
}

#[test]
fn an_endless_device_or_pipe_is_read_to_a_limit() {
    let assess = |arguments: &[&str], input: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lavawall"));
        command.arg("assess").args(arguments).args(["--json"]).stdin(input);
        command.output().expect("it runs")
    };
    let device = assess(&["/dev/urandom"], Stdio::null());
    assert_eq!(device.status.code(), Some(0), "{device:?}");
    let figures: Value = serde_json::from_slice(&device.stdout).expect("JSON");
    assert_eq!(figures["samples"], 1_000_000);
    assert!(String::from_utf8_lossy(&device.stderr).contains("is a device and has no end"));
    let few = assess(&["/dev/urandom", "--samples", "5000"], Stdio::null());
    let figures: Value = serde_json::from_slice(&few.stdout).expect("JSON");
    assert_eq!(figures["samples"], 5000);
    // A pipe that never ends, and one that ends too early.
    let zero = || Stdio::from(fs::File::open("/dev/zero").expect("a device"));
    let endless = assess(&["-"], zero());
    assert_eq!(endless.status.code(), Some(65), "{endless:?}");
    assert!(String::from_utf8_lossy(&endless.stderr).contains("give --samples"), "{endless:?}");
    let short = assess(&["-", "--samples", "5000"], Stdio::null());
    assert_eq!(short.status.code(), Some(65), "{short:?}");
    assert!(String::from_utf8_lossy(&short.stderr).contains("5000 were asked for"), "{short:?}");
    assert_eq!(assess(&["-", "--samples", "10"], Stdio::null()).status.code(), Some(64));
}

#[test]
fn restarts_are_held_against_the_initial_estimate() {
    let mut matrix = noise_of(1_000_000, 8);
    let rows = Noise::of(&matrix).assess(&["--restart", "--iid", "--claim", "7", "--json"]);
    let answer = json(&rows);
    assert_eq!((&answer["sane"], &answer["valid"]), (&Value::Bool(true), &Value::Bool(true)));
    matrix[5000..5100].fill(1);
    let stuck = Noise::of(&matrix).assess(&["--restart", "--iid", "--claim", "7"]);
    assert_eq!(stuck.status.code(), Some(1), "{stuck:?}");
    assert!(String::from_utf8_lossy(&stuck.stderr).contains("row or column"), "{stuck:?}");
    // A matrix of another size, and no estimate to compare with.
    let small = Noise::of(&noise(8));
    assert_eq!(small.assess(&["--restart", "--claim", "7"]).status.code(), Some(65));
    assert_eq!(small.assess(&["--restart"]).status.code(), Some(64));
}
