//! Cameras in ordinary rooms are credited for the whole run; feeds that are no live camera's are not.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers of a simulation"
)]

mod simulated;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lavawall_entropy::{
    Frame, FrameTests, FramesConfig, Inspect, PixelFormat, Sample, Severity, Shape,
};
use simulated::{HEIGHT, Room, WIDTH, ordinary};

/// The alarms of a camera that takes these pictures, each with its last detail, and the pairs of
/// frames that are credited.
fn judge(frames: impl Iterator<Item = Vec<u8>>) -> (BTreeMap<&'static str, String>, usize) {
    judge_sized([WIDTH, HEIGHT], 10, frames)
}

fn judge_sized(
    [width, height]: [usize; 2],
    rate: u32,
    frames: impl Iterator<Item = Vec<u8>>,
) -> (BTreeMap<&'static str, String>, usize) {
    let mut tests = FrameTests::new(FramesConfig { credited: true, remember: true }, &[]);
    let start = Instant::now();
    let (mut alarms, mut credited) = (BTreeMap::new(), 0);
    for (number, luma) in (0..).zip(frames) {
        let frame = Frame {
            format: PixelFormat::Grey,
            width: width as u32,
            height: height as u32,
            sequence: Some(number),
            damaged: false,
        };
        let taken = start + Duration::from_secs(1) * number / rate;
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

/// A loop of so many frames in which a clock in the corner differs, and the light of one block.
fn played(length: usize, frames: usize) -> impl Iterator<Item = Vec<u8>> {
    let recording: Vec<_> = Room::quiet().frames(3).take(length).collect();
    (0..frames).map(move |number| {
        let mut luma = recording[number % length].clone();
        for (y, row) in luma.chunks_mut(WIDTH).enumerate().take(24) {
            row[..24].fill((40 + (number * 7 + y) % 160) as u8);
        }
        for row in luma.chunks_mut(WIDTH).skip(100).take(32) {
            row[64..96]
                .iter_mut()
                .for_each(|value| *value = value.saturating_add((number % 5) as u8));
        }
        luma
    })
}

#[test]
fn a_recording_with_a_changing_clock_is_found_and_earns_nothing_once_it_repeats() {
    // Blocks of the first twenty frames, whose variances are not known yet, are not remembered.
    let once = (320 - 96) / 2 + 1;
    for (length, before) in [(2, 0), (5, 0), (8, 0), (64, 0), (300, once)] {
        let (alarms, credited) = judge(played(length, 2 * length + 400));
        assert!(alarms.keys().any(|test| ["looped-replay", "denoised"].contains(test)), "{length}");
        assert!(credited <= before, "{length}: {credited} pairs, {alarms:?}");
    }
}

/// What a player does to a frame, by the number of the round.
type Change<'a> = &'a dyn Fn(&mut Vec<u8>, u8);

/// A recording of 200 frames that is played six times.
fn played_again(change: Change<'_>) -> impl Iterator<Item = Vec<u8>> {
    let recording: Vec<_> = Room::quiet().frames(7).take(200).collect();
    (0..6).flat_map(move |round| {
        let frames = recording.clone().into_iter();
        frames.map(move |mut luma| {
            change(&mut luma, round);
            luma
        })
    })
}

fn light(luma: &mut [u8], gain: f32) {
    for value in luma {
        *value = (f32::from(*value) * gain).round() as u8;
    }
}

#[test]
fn a_recording_that_is_played_again_brighter_darker_moved_or_noisier_is_found() {
    // The odds that no kept frame is met again are below 2⁻²⁰.
    let noise = RefCell::new(simulated::Random(8));
    let changes: [(&str, Change<'_>); 4] = [
        ("brighter", &|luma, round| light(luma, 1.0 + 0.04 * f32::from(round))),
        ("darker", &|luma, round| light(luma, 1.0 - 0.06 * f32::from(round))),
        ("moved there and back", &|luma, round| {
            luma.rotate_right((2 + 9 * WIDTH) * usize::from(round % 2));
            light(luma, 1.0 + 0.04 * f32::from(round));
        }),
        ("noisier", &|luma, _| {
            for value in luma {
                *value = (f32::from(*value) + noise.borrow_mut().gauss()).max(0.0).round() as u8;
            }
        }),
    ];
    for (name, change) in changes {
        let (alarms, _) = judge(played_again(change));
        let found = alarms.get("looped-replay").unwrap_or_else(|| panic!("{name}: {alarms:?}"));
        assert!(found.contains("the noise correlates by"), "{name}: {found}");
    }
}

#[test]
fn a_pattern_that_alternates_is_denoised() {
    let alternating = Room::quiet().frames(4).zip(0..300).map(|(luma, number)| {
        let mut pattern = simulated::Random(9);
        let sign = if number % 2 == 0 { 1.0 } else { -1.0 };
        let light = |value: u8| f32::from(value) + sign * pattern.gauss() * 2.0;
        luma.into_iter().map(light).map(|value| value.round() as u8).collect()
    });
    let (alarms, credited) = judge(alternating);
    assert!(!alarms.is_empty() && credited == 0, "{credited} pairs, {alarms:?}");
}

#[test]
fn a_picture_too_small_to_judge_is_credited_nothing() {
    assert!(!FrameTests::can_judge(96, 96) && !FrameTests::can_judge(127, 96));
    assert!(FrameTests::can_judge(128, 96));
    let cut =
        |luma: Vec<u8>| luma.chunks(WIDTH).take(96).flat_map(|row| row[..96].to_vec()).collect();
    let (_, credited) = judge_sized([96, 96], 10, Room::quiet().frames(5).take(300).map(cut));
    assert_eq!(credited, 0);
}

#[test]
fn an_alarm_in_flickering_light_names_the_beat_and_the_rates_that_avoid_it() {
    let mains = Room { rate: 15.0, flicker: (0.02, 100.0), filter: 0.3, ..Room::quiet() };
    let named = |room: Room| {
        let (alarms, _) = judge_sized([WIDTH, HEIGHT], 15, room.frames(6).take(150));
        alarms.get("denoised").expect("a filter").contains(
            "at 15 frames a second, 100 Hz beats at 5 Hz and 120 Hz at 0 Hz; \
             a rate that divides 100 or 120 avoids it",
        )
    };
    assert!(named(mains));
    assert!(!named(Room { flicker: (0.0, 100.0), ..mains }));
}
