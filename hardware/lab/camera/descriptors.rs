//! What the camera says it is: USB 2.0 chapter 9, and the USB Video Class 1.0, sections 3.7 and 3.9.
//!
//! ```text
//! configuration ─┬─ interface 0, control:   camera terminal 1 ─► processing unit 2 ─► output 3
//!                └─ interface 1, streaming: bulk endpoint 1 in ─┬─ format 1: YUY2 ── frame 1
//!                                                               └─ format 2: MJPEG ─ frame 1
//! ```

/// Width of every picture in pixels.
pub(crate) const WIDTH: u16 = 640;

/// Height of every picture in pixels.
pub(crate) const HEIGHT: u16 = 360;

/// Times from one frame to the next, in units of 100 ns: 30, 10 and 5 frames a second.
pub(crate) const INTERVALS: [u32; 3] = [333_333, 1_000_000, 2_000_000];

/// The endpoint that gives pictures.
pub(crate) const STREAM_ENDPOINT: u32 = 1;

/// The number of the format with raw pictures.
pub(crate) const YUYV: u8 = 1;

/// The number of the format with compressed ones.
pub(crate) const MJPEG: u8 = 2;

/// The largest picture in bytes: a raw one.
pub(crate) const FRAME_BYTES: u32 = WIDTH as u32 * HEIGHT as u32 * 2;

/// Class, and subclasses, of video interfaces.
const VIDEO: u8 = 0x0e;
const VIDEO_CONTROL: u8 = 1;
const VIDEO_STREAMING: u8 = 2;
const VIDEO_COLLECTION: u8 = 3;

/// The type of a class-specific descriptor of an interface.
const CLASS_SPECIFIC: u8 = 0x24;

/// 1d6b:0102, USB 2.0, an interface association.
pub(crate) const DEVICE: [u8; 18] =
    [18, 1, 0x00, 0x02, 0xef, 2, 1, 64, 0x6b, 0x1d, 0x02, 0x01, 0x00, 0x01, 1, 2, 3, 1];

/// The languages of the strings: English.
const LANGUAGES: [u8; 4] = [4, 3, 0x09, 0x04];

/// The string of this number, or `None`.
pub(crate) fn string(number: u8) -> Option<Vec<u8>> {
    let text = match number {
        0 => return Some(LANGUAGES.to_vec()),
        1 => "lavawall",
        2 => "lab camera",
        3 => "LAB0001",
        _ => return None,
    };
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    Some(with_length(&[&[3], &utf16]))
}

/// The one configuration, with everything in it.
pub(crate) fn configuration() -> Vec<u8> {
    let parts = [
        vec![8, 0x0b, 0, 2, VIDEO, VIDEO_COLLECTION, 0, 0],
        vec![9, 4, 0, 0, 0, VIDEO, VIDEO_CONTROL, 0, 0],
        control_interface(),
        vec![9, 4, 1, 0, 1, VIDEO, VIDEO_STREAMING, 0, 0],
        streaming_interface(),
        // In, bulk, packets of 512 bytes.
        vec![7, 5, 0x81, 2, 0x00, 0x02, 0],
    ]
    .concat();
    let total = short(9 + parts.len());
    // Two interfaces, powered by the bus, 500 mA.
    [vec![9, 2, total[0], total[1], 2, 1, 0, 0x80, 250], parts].concat()
}

fn control_interface() -> Vec<u8> {
    // Automatic exposure mode and exposure time.
    let terminal = class_specific(&[&[2, 1, 0x01, 0x02, 0, 0], &[0; 6], &[3, 0x0a, 0, 0]]);
    // Brightness, gain and the frequency of the mains.
    let processing = class_specific(&[&[5, 2, 1, 0, 0, 2, 0x01, 0x06, 0]]);
    let output = class_specific(&[&[3, 3, 0x01, 0x01, 0, 2, 0]]);
    let entities = [terminal, processing, output].concat();
    let total = short(13 + entities.len());
    let clock_hz = 6_000_000_u32.to_le_bytes();
    let header = class_specific(&[&[1, 0x00, 0x01], &total, &clock_hz, &[1, 1]]);
    [header, entities].concat()
}

fn streaming_interface() -> Vec<u8> {
    let guid = *b"YUY2\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71";
    let formats = [
        class_specific(&[&[4, YUYV, 1], &guid, &[16, 1, 0, 0, 0, 0]]),
        frame(5),
        class_specific(&[&[6, MJPEG, 1, 0, 1, 0, 0, 0, 0]]),
        frame(7),
    ]
    .concat();
    let total = short(15 + formats.len());
    [class_specific(&[&[1, 2], &total, &[0x81, 0, 3, 0, 0, 0, 1, 0, 0]]), formats].concat()
}

/// The one size of a format; `subtype` says of which.
fn frame(subtype: u8) -> Vec<u8> {
    let bits_a_second = FRAME_BYTES * 8 * 30;
    let intervals: Vec<u8> = INTERVALS.iter().flat_map(|interval| interval.to_le_bytes()).collect();
    let count = u8::try_from(INTERVALS.len()).expect("there are three");
    class_specific(&[
        &[subtype, 1, 0],
        &WIDTH.to_le_bytes(),
        &HEIGHT.to_le_bytes(),
        &bits_a_second.to_le_bytes(),
        &bits_a_second.to_le_bytes(),
        &FRAME_BYTES.to_le_bytes(),
        &INTERVALS[0].to_le_bytes(),
        &[count],
        &intervals,
    ])
}

fn class_specific(parts: &[&[u8]]) -> Vec<u8> {
    with_length(&[&[CLASS_SPECIFIC], parts.concat().as_slice()])
}

/// A descriptor: its first byte is its length.
fn with_length(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u8::try_from(1 + body.len()).expect("a descriptor is shorter than 256 bytes");
    [vec![length], body].concat()
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("all descriptors are a few hundred bytes").to_le_bytes()
}
