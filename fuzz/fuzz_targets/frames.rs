//! Frames as a camera or a driver could send them: any bytes under any description are judged, and a
//! frame that is not whole is never credited.
#![no_main]

use lavawall_entropy::{Frame, FrameTests, FramesConfig, Inspect, PixelFormat, Sample, Shape};
use libfuzzer_sys::fuzz_target;

/// Bytes that describe a frame: format and flags, width, height, sequence.
const DESCRIPTION: usize = 4;

/// The most that two frames are credited, in bits.
const MOST_BITS: u32 = 256;

fuzz_target!(|bytes: &[u8]| {
    let mut frames = FrameTests::new(FramesConfig { credited: true, remember: true }, &[]);
    let mut rest = bytes;
    while let Some((description, after)) = rest.split_first_chunk::<DESCRIPTION>() {
        let frame = describe(*description);
        let whole = frame.format.payload_bytes(frame.width, frame.height);
        // Most payloads have their right length, or nothing behind the first check would be seen.
        let length = whole.filter(|_| description[0] & 8 == 0).unwrap_or(description[3].into());
        let (payload, later) = after.split_at(length.min(after.len()));
        rest = later;
        let inspection =
            frames.inspect(&Sample::of(Shape::Frame(frame), payload, std::time::Instant::now()));
        assert!(inspection.credit_bits <= MOST_BITS);
        let is_whole = whole == Some(payload.len()) && !frame.damaged;
        assert!(is_whole || inspection.credit_bits == 0, "{frame:?}");
        if description[0] & 16 != 0 {
            frames.reset();
        }
    }
});

fn describe([flags, width, height, sequence]: [u8; DESCRIPTION]) -> Frame {
    let format = match flags & 3 {
        0 | 1 => PixelFormat::Yuyv,
        2 => PixelFormat::Grey,
        _ => PixelFormat::Mjpeg,
    };
    Frame {
        format,
        width: u32::from(width) * 2,
        height: height.into(),
        sequence: (flags & 32 != 0).then_some(sequence.into()),
        damaged: flags & 4 != 0,
    }
}
