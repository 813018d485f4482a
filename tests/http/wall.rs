//! `/wall.png`: recorded and drawn walls in every format, and never a live one.

use std::io::Cursor;

use lavawall_entropy::{Kind, PixelFormat};

use crate::appliance::Appliance;
use crate::board::{frame, report, show};
use crate::client::get;

#[test]
fn every_pixel_format_becomes_a_png_of_the_right_size_and_brightness() {
    let appliance = Appliance::ready();
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 90)
        .encode(&[128; 64 * 48 * 3], 64, 48, jpeg_encoder::ColorType::Rgb)
        .expect("a small picture");
    for (format, bytes) in [
        (PixelFormat::Grey, vec![128; 64 * 48]),
        (PixelFormat::Yuyv, [126, 128].repeat(64 * 48)),
        (PixelFormat::Mjpeg, jpeg),
    ] {
        show(&appliance, "replay", Kind::None, frame(format, 64, 48), bytes);
        let answer = get(appliance.address, "/wall.png");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/png")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let reader =
            image::ImageReader::with_format(Cursor::new(answer.body), image::ImageFormat::Png);
        let picture = reader.decode().expect("a PNG").into_rgb8();
        assert_eq!(picture.dimensions(), (64, 48), "{format:?}");
        let is_grey = |value: &u8| (126..=130).contains(value);
        assert!(picture.as_raw().iter().all(is_grey), "{format:?}");
        assert_eq!(get(appliance.address, "/status").json()["picture"], "replay");
    }
}

#[test]
fn a_new_picture_is_shown_and_the_old_one_is_not_made_again() {
    let appliance = Appliance::ready();
    let grey = |value: u8| vec![value; 16 * 16];
    show(&appliance, "replay", Kind::None, frame(PixelFormat::Grey, 16, 16), grey(50));
    let first = get(appliance.address, "/wall.png").body;
    assert_eq!(get(appliance.address, "/wall.png").body, first);
    show(&appliance, "replay", Kind::None, frame(PixelFormat::Grey, 16, 16), grey(60));
    assert_ne!(get(appliance.address, "/wall.png").body, first);
}

#[test]
fn without_a_picture_there_is_none() {
    let appliance = Appliance::ready();
    assert_no_wall(&appliance);
    appliance.board.set_sources(vec![report("camera", Kind::PhysicalCamera)]);
    assert_no_wall(&appliance);
}

#[test]
fn a_live_frame_is_never_shown_even_if_it_gets_on_the_board() {
    let appliance = Appliance::ready();
    for kind in [
        Kind::PhysicalCamera,
        Kind::OperatingSystem,
        Kind::CpuInstruction,
        Kind::CpuTiming,
        Kind::Device,
        Kind::Tpm,
    ] {
        show(&appliance, "wall", kind, frame(PixelFormat::Grey, 8, 8), vec![90; 64]);
        assert_no_wall(&appliance);
    }
    show(&appliance, "wall", Kind::None, frame(PixelFormat::Grey, 8, 8), vec![90; 64]);
    assert_eq!(get(appliance.address, "/wall.png").status, 200);
    // The recording is replaced by a camera of the same name; then by nothing.
    appliance.board.set_sources(vec![report("wall", Kind::PhysicalCamera)]);
    assert_no_wall(&appliance);
    appliance.board.set_sources(Vec::new());
    assert_no_wall(&appliance);
}

#[test]
fn a_damaged_picture_is_a_404_and_no_crash() {
    let appliance = Appliance::ready();
    for (format, bytes) in [
        (PixelFormat::Grey, vec![0; 63]),
        (PixelFormat::Yuyv, vec![0; 64]),
        (PixelFormat::Mjpeg, vec![0xff, 0xd8, 0xff]),
    ] {
        show(&appliance, "replay", Kind::None, frame(format, 8, 8), bytes);
        for _ in 0..2 {
            assert_eq!(get(appliance.address, "/wall.png").problem()["status"], 404);
        }
    }
}

/// The page has no picture, and says so.
fn assert_no_wall(appliance: &Appliance) {
    let answer = get(appliance.address, "/wall.png");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.problem()["type"], "/docs#problem-not-found");
    assert!(get(appliance.address, "/status").json()["picture"].is_null());
}
