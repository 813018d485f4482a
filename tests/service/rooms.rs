//! Recordings of ordinary rooms and of filtered feeds, played to the service.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::running::{PATIENCE, Running, get, run};
use crate::simulated::{HEIGHT, Room, WIDTH, ordinary};

/// Frames in a recording: past the 192 after which every test of them judges.
const FRAMES: usize = 260;

/// Writes luma, row by row, as a Y4M file.
fn record(folder: &Path, frames: impl Iterator<Item = Vec<u8>>) -> PathBuf {
    let path = folder.join("room.y4m");
    let mut file = BufWriter::new(File::create(&path).expect("a file"));
    writeln!(file, "YUV4MPEG2 W{WIDTH} H{HEIGHT} F240:1 Ip A1:1 Cmono").expect("written");
    for luma in frames {
        file.write_all(b"FRAME\n").expect("written");
        file.write_all(&luma).expect("written");
    }
    file.flush().expect("written");
    path
}

/// A service that plays this recording, again and again.
fn play(path: &Path) -> Running {
    play_as(path, "")
}

/// As `play`, with further settings.
fn play_as(path: &Path, settings: &str) -> Running {
    let mut text = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"replay\"\n".to_owned();
    writeln!(text, "path = {:?}\nloop = true\n{settings}", path.display().to_string())
        .expect("a string");
    Running::start(&text)
}

/// The report on the recording, once it says this.
fn wait_for(service: &Running, is_so: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let status: Value = serde_json::from_str(&get(service, "/status").text()).expect("JSON");
        let sources = status["sources"].as_array().expect("a list");
        let report = sources.iter().find(|source| source["id"] == "replay").expect("it");
        if is_so(report) {
            return report.clone();
        }
        assert!(Instant::now() < end, "waited in vain: {report}\n{}", service.log());
        std::thread::yield_now();
    }
}

#[test]
fn recordings_of_ordinary_rooms_are_healthy_to_their_end() {
    for (name, room) in ordinary() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = record(folder.path(), room.frames(1).take(FRAMES));
        let service = play(&path);
        let report = wait_for(&service, |report| report["samples"].as_u64() >= Some(FRAMES as u64));
        assert_eq!(report["alarms"], 0, "{name}: {report}");
        assert_eq!(report["state"], "healthy", "{name}: {report}");
    }
}

#[test]
fn recordings_of_filtered_feeds_are_alarmed_in_the_same_rooms() {
    for (name, room) in ordinary().into_iter().step_by(3) {
        let folder = tempfile::tempdir().expect("a directory");
        let path = record(
            folder.path(),
            Room { filter: 0.3, noise: Room::quiet().noise, ..room }.frames(1).take(FRAMES),
        );
        let service = play(&path);
        let report = wait_for(&service, |report| report["state"] == "alarmed");
        assert_eq!(report["last_alarm"]["test"], "denoised", "{name}: {report}");
    }
}

/// A loop of so many frames, played for `frames`, with a clock in the corner and a block whose light
/// changes.
fn played(length: usize, frames: usize) -> impl Iterator<Item = Vec<u8>> {
    let recording: Vec<_> = Room::quiet().frames(3).take(length).collect();
    (0..frames).map(move |number| {
        let mut luma = recording[number % length].clone();
        let shade = |amount: usize| u8::try_from(amount % 160).expect("below 160");
        for (y, row) in luma.chunks_mut(WIDTH).enumerate().take(24) {
            row[..24].fill(40 + shade(number * 7 + y));
        }
        for row in luma.chunks_mut(WIDTH).skip(100).take(32) {
            let block = row[64..96].iter_mut();
            block.for_each(|value| *value = value.saturating_add(shade(number % 5)));
        }
        luma
    })
}

#[test]
fn loops_with_a_running_clock_are_found_when_judged_as_a_camera() {
    for (length, frames) in [(5, 200), (8, 200), (300, 700)] {
        let folder = tempfile::tempdir().expect("a directory");
        let path = record(folder.path(), played(length, frames));
        let service = play_as(&path, "as-camera = true");
        let report = wait_for(&service, |report| report["state"] == "alarmed");
        assert_eq!(report["last_alarm"]["test"], "looped-replay", "{length}: {report}");
        assert_eq!(report["last_alarm"]["severity"], "persistent", "{length}: {report}");
        let samples = report["samples"].as_u64().expect("a number");
        assert!(samples < frames as u64, "before the file itself repeats: {report}");
    }
}

#[test]
fn a_camera_whose_pictures_are_too_small_claims_nothing_and_says_so() {
    let small = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n\
                 [[source]]\ntype = \"camera\"\ndevice = \"/dev/no-such-camera\"\n\
                 width = 96\nheight = 96\n";
    let service = Running::start(small);
    let status = get(&service, "/status").text();
    assert!(status.contains("none claimed: pictures too small to be judged"), "{status}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), small).expect("written");
    let checked = run(&["check", "--config", file.path().to_str().expect("a path")]);
    assert!(checked.out.contains("credit: none claimed: pictures too small"), "{}", checked.out);
}

#[test]
fn a_mains_frequency_that_there_is_not_is_refused_with_the_limit_and_the_value() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "[[source]]\ntype = \"camera\"\npower-line-hz = 55\n")
        .expect("written");
    let checked = run(&["check", "--config", file.path().to_str().expect("a path")]);
    assert_eq!(checked.code, 78, "{}", checked.err);
    assert!(checked.err.contains("power-line-hz: must be 50 or 60 (got 55)"), "{}", checked.err);
}
