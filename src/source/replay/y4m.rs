//! YUV4MPEG2 files: reads the luma of each frame.
//!
//! ```text
//! "YUV4MPEG2" (" " tag)* "\n"   ( "FRAME" (" " tag)* "\n" luma, colour )*
//! W width   H height   F fps as a:b   C colour: 420…, 422, 444, mono   others are passed over
//! ```
//! The format is that of `yuv4mpeg(5)` of mjpegtools. Eight bits a reading, progressive only.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use crate::source::frame_settings::{LEAST_SIDE, MOST_HEIGHT, MOST_WIDTH};
use crate::source::replay::recording::Recording;
use lavawall_entropy::{Frame, PixelFormat, Sample, Shape};

/// The longest header line, in bytes.
const MOST_HEADER: u64 = 1024;

/// A file that is played.
pub(super) struct File {
    player: Player<BufReader<std::fs::File>>,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        Ok(Self { player: Player::new(BufReader::new(file))? })
    }
}

impl Recording for File {
    fn next(&mut self, sample: &mut Sample) -> Result<bool, String> {
        self.player.next(sample)
    }

    fn rewind(&mut self) -> Result<(), String> {
        let begin = SeekFrom::Start(self.player.header_bytes);
        self.player.input.seek(begin).map_err(|error| error.to_string())?;
        self.player.sequence = 0;
        Ok(())
    }

    fn interval(&self) -> Option<Duration> {
        self.player.header.interval
    }
}

/// Reads frames from anything.
pub struct Player<R> {
    input: R,
    header: Header,
    header_bytes: u64,
    sequence: u32,
}

impl<R: BufRead> Player<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Names the invalid tag, its limits and its value.
    pub fn new(mut input: R) -> Result<Self, String> {
        let line = line(&mut input)?.ok_or("it is empty")?;
        let header = Header::parse(&line)?;
        Ok(Self { input, header, header_bytes: line.len() as u64 + 1, sequence: 0 })
    }

    /// The luma of the next frame; false at the end.
    ///
    /// # Errors
    /// When the rest is not a whole frame.
    pub fn next(&mut self, sample: &mut Sample) -> Result<bool, String> {
        let Some(line) = line(&mut self.input)? else { return Ok(false) };
        let number = self.sequence;
        if line != "FRAME" && !line.starts_with("FRAME ") {
            return Err(format!("frame {number} does not begin with FRAME"));
        }
        let short = |error: io::Error| format!("frame {number} is not whole: {error}");
        let Header { width, height, colour, .. } = self.header;
        let luma = PixelFormat::Grey.payload_bytes(width, height).ok_or("frames are too large")?;
        self.input.read_exact(sample.resize(luma)).map_err(short)?;
        let colour_bytes = colour.bytes(width, height);
        let passed = io::copy(&mut self.input.by_ref().take(colour_bytes), &mut io::sink());
        if passed.map_err(short)? != colour_bytes {
            return Err(short(io::ErrorKind::UnexpectedEof.into()));
        }
        sample.shape = Shape::Frame(Frame {
            format: PixelFormat::Grey,
            width,
            height,
            sequence: Some(number),
            damaged: false,
        });
        self.sequence = number.wrapping_add(1);
        Ok(true)
    }
}

/// One line without its end; `None` at the end of the input.
fn line(input: &mut impl BufRead) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    input
        .by_ref()
        .take(MOST_HEADER)
        .read_until(b'\n', &mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(format!("a header line does not end within {MOST_HEADER} bytes"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| "a header line is not text".to_owned())
}

/// The first line.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Header {
    width: u32,
    height: u32,
    interval: Option<Duration>,
    colour: Colour,
}

impl Header {
    fn parse(line: &str) -> Result<Self, String> {
        let mut tags = line.split(' ');
        if tags.next() != Some("YUV4MPEG2") {
            return Err("it does not begin with YUV4MPEG2".to_owned());
        }
        let (mut width, mut height, mut interval, mut colour) = (None, None, None, Colour::Half);
        for tag in tags.filter(|tag| !tag.is_empty()) {
            let (letter, value) = tag.split_at_checked(1).ok_or_else(|| format!("tag {tag:?}"))?;
            match letter {
                "W" => width = Some(side("width", value, MOST_WIDTH)?),
                "H" => height = Some(side("height", value, MOST_HEIGHT)?),
                "F" => interval = rate(value)?,
                "C" => colour = Colour::parse(value)?,
                "I" if !matches!(value, "p" | "?") => {
                    return Err(format!("interlaced frames (I{value}) are not played"));
                }
                _ => {}
            }
        }
        let missing = |name: &str| format!("the header gives no {name}");
        Ok(Self {
            width: width.ok_or_else(|| missing("width (W)"))?,
            height: height.ok_or_else(|| missing("height (H)"))?,
            interval,
            colour,
        })
    }
}

fn side(name: &str, value: &str, most: u32) -> Result<u32, String> {
    value
        .parse()
        .ok()
        .filter(|side| (LEAST_SIDE..=most).contains(side))
        .ok_or_else(|| format!("{name} must be from {LEAST_SIDE} to {most} (got {value:?})"))
}

/// Frames a second as a fraction; 0:0 is unknown.
fn rate(value: &str) -> Result<Option<Duration>, String> {
    let wrong = || format!("rate must be A:B, up to 240 frames a second (got {value:?})");
    let (frames, seconds) = value.split_once(':').ok_or_else(wrong)?;
    let frames: u32 = frames.parse().map_err(|_| wrong())?;
    let seconds: u32 = seconds.parse().map_err(|_| wrong())?;
    if frames == 0 && seconds == 0 {
        return Ok(None);
    }
    let is_in_range = seconds > 0 && frames >= seconds && frames / seconds <= 240;
    is_in_range.then(|| Some(Duration::from_secs(seconds.into()) / frames)).ok_or_else(wrong)
}

/// How much colour follows the luma.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Colour {
    None,
    /// 4:2:0: half as many readings each way.
    Half,
    /// 4:2:2: half as many across.
    HalfAcross,
    /// 4:4:4: as many.
    Full,
}

impl Colour {
    fn parse(value: &str) -> Result<Self, String> {
        match value {
            "mono" => Ok(Self::None),
            "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok(Self::Half),
            "422" => Ok(Self::HalfAcross),
            "444" => Ok(Self::Full),
            _ => Err(format!(
                "colour must be mono, 420, 420jpeg, 420mpeg2, 420paldv, 422 or 444 (got {value:?})"
            )),
        }
    }

    /// Bytes of both colour planes.
    fn bytes(self, width: u32, height: u32) -> u64 {
        let (width, height) = (u64::from(width), u64::from(height));
        2 * match self {
            Self::None => 0,
            Self::Half => width.div_ceil(2) * height.div_ceil(2),
            Self::HalfAcross => width.div_ceil(2) * height,
            Self::Full => width * height,
        }
    }
}

#[cfg(test)]
mod tests;
