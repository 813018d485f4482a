//! `lavawall capture`: what is in the file, and what is said of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A drawn wall that is fast: 256 readings a pair of frames.
const RENDERED: &str = "[[source]]\ntype = \"rendered\"\nwidth = 64\nheight = 64\nfps = 240\n";

/// Width and height of a recording, in pixels: of a small one some readings are set aside, since noise looks like a
/// shake of the camera in it.
const SIDE: usize = 256;

/// Frames before anything is credited; the pair that ends with this one is the first.
const SETTLED: usize = 96;

#[test]
fn what_is_captured_is_what_is_credited_the_differences_of_settled_pairs() {
    let frames = noisy_frames(120);
    let place = Place::of("[[source]]\ntype = \"replay\"\npath = \"noise.y4m\"\nfps = 240\n");
    fs::write(place.dir.path().join("noise.y4m"), y4m(&frames)).expect("written");
    let readings = SIDE * SIDE / 16;
    let all = (120 - SETTLED) / 2 + 1;
    let wanted = (all * readings).to_string();
    let (raw, sidecar) = place.captured(&["--source", "replay", "--samples", &wanted]);
    let differences: Vec<u8> = frames[SETTLED - 2..]
        .chunks_exact(2)
        .flat_map(|pair| grid(&pair[1]).zip(grid(&pair[0])).map(|(new, old)| new.wrapping_sub(old)))
        .collect();
    assert!(raw == differences, "{} symbols, not those of the recording", raw.len());
    assert_eq!(sidecar["alarms"], 0, "{sidecar}");
}

#[test]
fn noise_of_the_timer_is_described_with_the_processor_it_comes_from() {
    let place = Place::of("");
    let (raw, sidecar) = place.captured(&["--source", "jitter", "--samples", "5000"]);
    assert_eq!((raw.len(), &sidecar["samples"]), (5000, &Value::from(5000)));
    assert_eq!((&sidecar["source"], &sidecar["kind"]), (&"jitter".into(), &"cpu-timing".into()));
    assert_eq!(sidecar["setup"]["format"], "deltas");
    let named = fs::read_to_string("/proc/cpuinfo").expect("Linux").contains("model name");
    assert_eq!(sidecar["setup"]["device"].is_string(), named, "{sidecar}");
    assert!(sidecar["credited-nothing"].is_null() && sidecar["restarts"].is_null(), "{sidecar}");
    let at = sidecar["at"].as_str().expect("a time");
    at.parse::<jiff::Timestamp>().expect("RFC 3339");
    // Noise is as secret as what is made of it.
    for name in ["raw.bin", "raw.bin.json"] {
        let mode = fs::metadata(place.dir.path().join(name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn each_row_of_restarts_comes_from_a_start_of_its_own() {
    let place = Place::of(RENDERED);
    let (raw, sidecar) = place.captured(&["--source", "rendered", "--restart", "3x256"]);
    assert_eq!(raw.len(), 3 * 256);
    let rows: Vec<_> = raw.chunks_exact(256).collect();
    assert!(rows[0] != rows[1] && rows[1] != rows[2], "a wall is drawn from a new seed each time");
    let restarts = &sidecar["restarts"];
    assert_eq!((&restarts["rows"], &restarts["columns"]), (&3.into(), &256.into()));
    assert!(restarts["meaning"].as_str().expect("words").contains("new seed"), "{sidecar}");
}

#[test]
fn a_drawing_is_captured_and_said_to_be_credited_nothing() {
    let place = Place::of(RENDERED);
    let output = place.capture(&["--source", "rendered", "--samples", "4096"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("credited 0, whatever its assessment"), "{said}");
    assert!(place.sidecar()["credited-nothing"].is_string());
    // What was captured can be assessed as it is.
    let raw = place.dir.path().join("raw.bin");
    let assess = Command::new(env!("CARGO_BIN_EXE_lavawall")).arg("assess").arg(raw).output();
    assert_eq!(assess.expect("the program").status.code(), Some(0));
}

#[test]
fn what_cannot_be_captured_is_refused_with_the_reason() {
    let mjpeg = "[[source]]\ntype = \"camera\"\nformat = \"mjpeg\"\n";
    let recording = "[[source]]\ntype = \"replay\"\npath = \"nothing.y4m\"\n";
    for (config, arguments, code, reason) in [
        ("", &["--source", "lamp"][..], 64, "no such source; known are camera, os"),
        (RENDERED, &["--source", "os"], 64, "no such source; known are rendered"),
        ("", &["--source", "jitter", "--samples", "0"], 64, "must be from 1 to"),
        ("", &["--source", "jitter", "--restart", "1000"], 64, "must be like 1000x1000"),
        ("", &["--source", "jitter", "--restart", "99999x99999"], 64, "at most"),
        ("", &["--source", "jitter", "--restart", "9x9", "--samples", "9"], 64, "cannot be used"),
        (mjpeg, &["--source", "camera"], 69, "compressed pictures"),
        (recording, &["--source", "replay"], 69, "nothing.y4m"),
    ] {
        let place = Place::of(config);
        let output = place.capture(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(reason), "{arguments:?}: {said}");
        assert!(!place.dir.path().join("raw.bin").exists(), "{arguments:?}");
    }
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_told_so() {
    let place = Place::of("");
    let arguments = ["--source", "jitter", "--samples", "100"];
    let (first, _) = place.captured(&arguments);
    let refused = place.capture(&arguments);
    assert_eq!(refused.status.code(), Some(73), "{refused:?}");
    assert_eq!(place.raw(), first);
    let (second, _) = place.captured(&[&arguments[..], &["--force"]].concat());
    assert_ne!(first, second);
}

/// A folder with a configuration, in which noise is captured to `raw.bin`.
struct Place {
    dir: TempDir,
}

impl Place {
    fn of(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("config.toml"), config).expect("written");
        Self { dir }
    }

    fn capture(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_lavawall"))
            .current_dir(self.dir.path())
            .args(["capture", "--config", "config.toml", "-o", "raw.bin"])
            .args(arguments)
            .output()
            .expect("the program")
    }

    fn captured(&self, arguments: &[&str]) -> (Vec<u8>, Value) {
        let output = self.capture(arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        (self.raw(), self.sidecar())
    }

    fn raw(&self) -> Vec<u8> {
        fs::read(self.dir.path().join("raw.bin")).expect("noise")
    }

    fn sidecar(&self) -> Value {
        let text = fs::read(self.dir.path().join("raw.bin.json")).expect("a sidecar");
        serde_json::from_slice(&text).expect("JSON")
    }
}

/// Grey pictures of a flat wall in the middle of the range, each pixel with noise of its own that is
/// wide enough for all of them to be active.
fn noisy_frames(count: usize) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 56) as u8
    };
    // 0 to 15, σ is 4.6: never so far from the middle that it is taken for an edge and set aside.
    let mut pixel = || 110 + (random() & 15);
    (0..count).map(|_| (0..SIDE * SIDE).map(|_| pixel()).collect()).collect()
}

fn y4m(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = format!("YUV4MPEG2 W{SIDE} H{SIDE} F240:1 Ip A1:1 Cmono\n").into_bytes();
    for frame in frames {
        file.extend(b"FRAME\n");
        file.extend(frame);
    }
    file
}

/// Every 4th pixel each way.
fn grid(frame: &[u8]) -> impl Iterator<Item = u8> + '_ {
    frame.chunks_exact(SIDE).step_by(4).flat_map(|row| row.iter().copied().step_by(4))
}
