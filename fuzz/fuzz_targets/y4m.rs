//! Y4M files: any bytes give whole frames or an error, and never more memory than a frame needs.
#![no_main]

use lavawall::Player;
use lavawall_entropy::{Sample, Shape};
use libfuzzer_sys::fuzz_target;

/// Frames played of one input.
const FRAMES: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut player) = Player::new(bytes) else { return };
    let mut sample = Sample::new(std::time::Instant::now());
    for _ in 0..FRAMES {
        match player.next(&mut sample) {
            Ok(true) => check(&sample),
            Ok(false) | Err(_) => return,
        }
    }
});

fn check(sample: &Sample) {
    let Shape::Frame(frame) = sample.shape else { panic!("this is no frame") };
    let whole = frame.format.payload_bytes(frame.width, frame.height);
    assert_eq!(whole, Some(sample.bytes().len()));
}
