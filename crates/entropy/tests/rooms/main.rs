//! Cameras in ordinary rooms are credited for the whole run; feeds that are no live camera's are not.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers of a simulation"
)]

mod simulated;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lavawall_entropy::{
    Frame, FrameTests, FramesConfig, Inspect, PixelFormat, Sample, Severity, Shape,
};
use simulated::{HEIGHT, Room, WIDTH, ordinary};

/// The alarms of a camera that takes these pictures, each with its last detail, and the pairs of
/// frames that are credited.
fn judge(frames: impl Iterator<Item = Vec<u8>>) -> (BTreeMap<&'static str, String>, usize) {
    let mut tests = FrameTests::new(FramesConfig { credited: true, remember: true }, &[]);
    let start = Instant::now();
    let (mut alarms, mut credited) = (BTreeMap::new(), 0);
    for (number, luma) in (0..).zip(frames) {
        let frame = Frame {
            format: PixelFormat::Grey,
            width: WIDTH as u32,
            height: HEIGHT as u32,
            sequence: Some(number),
            damaged: false,
        };
        let taken = start + Duration::from_millis(100) * number;
        let inspection = tests.inspect(&Sample::of(Shape::Frame(frame), &luma, taken));
        credited += usize::from(inspection.credit_bits > 0);
        let findings = inspection.findings.into_iter();
        let grave = findings.filter(|finding| finding.severity > Severity::Notice);
        alarms.extend(grave.map(|finding| (finding.test.name(), finding.detail)));
    }
    (alarms, credited)
}

#[test]
fn a_camera_in_an_ordinary_room_is_credited_for_the_whole_run() {
    for (name, room) in ordinary() {
        let frames = 400;
        let (alarms, credited) = judge(room.frames(1).take(frames));
        assert_eq!(alarms, BTreeMap::new(), "{name}");
        // Nothing is credited before frame 96; then every pair.
        assert_eq!(credited, (frames - 96) / 2 + 1, "{name}");
    }
}

#[test]
fn a_filter_in_time_is_found_in_every_room() {
    for (name, room) in ordinary() {
        let (alarms, credited) =
            judge(Room { filter: 0.3, noise: Room::quiet().noise, ..room }.frames(2).take(150));
        assert!(alarms.contains_key("denoised"), "{name}: {alarms:?}");
        assert_eq!(credited, 0, "{name}");
    }
}
