//! Recordings of ordinary rooms and of filtered feeds, played to the service.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::running::{PATIENCE, Running, get};
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
    let mut text = "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"replay\"\n".to_owned();
    writeln!(text, "path = {:?}\nloop = true", path.display().to_string()).expect("a string");
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
