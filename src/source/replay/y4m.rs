//! YUV4MPEG2 files: reads the luma of each frame.
//!
//! ```text
//! "YUV4MPEG2" (" " tag)* "\n"   ( "FRAME" (" " tag)* "\n" luma, colour )*
//! W width   H height   F fps as a:b   C colour: 420…, 422, 444, mono   others are passed over
//! ```
//! The format is that of `yuv4mpeg(5)` of mjpegtools. Eight bits a reading, progressive only.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::source::frame_settings::{LEAST_SIDE, MOST_HEIGHT, MOST_WIDTH};
use crate::source::replay::recording::{Recording, SLOWEST_SECONDS};
use lavawall_entropy::{Frame, PixelFormat, Sample, Shape};

/// The most frames a second, as the configuration has it.
const FASTEST: u64 = 240;

/// The longest header line, in bytes.
const MOST_HEADER: u64 = 1024;

/// A file that is played.
pub(super) struct File {
    path: PathBuf,
    player: Player<BufReader<std::fs::File>>,
    /// The truncated frame is in the log.
    is_told: bool,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        let player = Player::new(BufReader::new(file))?;
        Ok(Self { path: path.to_owned(), player, is_told: false })
    }
}

impl Recording for File {
    fn next(&mut self, sample: &mut Sample) -> Result<bool, String> {
        let is_frame = self.player.next(sample)?;
        if let Some(number) = self.player.truncated.filter(|_| !self.is_told) {
            self.is_told = true;
            let path = self.path.display();
            tracing::warn!("{path}: frame {number} is truncated: it is left out");
        }
        Ok(is_frame)
    }

    fn rewind(&mut self) -> Result<(), String> {
        let begin = SeekFrom::Start(self.player.header_bytes);
        self.player.input.seek(begin).map_err(|error| error.to_string())?;
        self.player.sequence = 0;
        self.player.truncated = None;
        Ok(())
    }

    fn interval(&self) -> Result<Option<Duration>, String> {
        self.player.header.rate.clone()?.interval()
    }
}

/// Reads frames from anything.
pub struct Player<R> {
    input: R,
    header: Header,
    header_bytes: u64,
    sequence: u32,
    /// The number of the last frame, if it is not whole.
    truncated: Option<u32>,
}

impl<R: BufRead> Player<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Names the invalid tag, its limits and its value.
    pub fn new(mut input: R) -> Result<Self, String> {
        let Line::Whole(line) = line(&mut input)? else {
            return Err("it ends within its header line".to_owned());
        };
        let header = Header::parse(&line)?;
        let header_bytes = line.len() as u64 + 1;
        Ok(Self { input, header, header_bytes, sequence: 0, truncated: None })
    }

    /// The luma of the next frame; false at the end, and at a last frame that is truncated.
    ///
    /// # Errors
    /// When the rest is no frame.
    pub fn next(&mut self, sample: &mut Sample) -> Result<bool, String> {
        let number = self.sequence;
        let line = match line(&mut self.input)? {
            Line::Whole(line) => line,
            Line::End => return Ok(false),
            Line::Truncated => return Ok(self.truncated(number)),
        };
        if line != "FRAME" && !line.starts_with("FRAME ") {
            return Err(format!("frame {number} does not begin with FRAME"));
        }
        let failed = |error: io::Error| format!("frame {number}: {error}");
        let Header { width, height, colour, .. } = self.header;
        let luma = PixelFormat::Grey.payload_bytes(width, height).ok_or("frames are too large")?;
        match self.input.read_exact(sample.resize(luma)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(self.truncated(number));
            }
            read => read.map_err(failed)?,
        }
        let colour_bytes = colour.bytes(width, height);
        let passed = io::copy(&mut self.input.by_ref().take(colour_bytes), &mut io::sink());
        if passed.map_err(failed)? != colour_bytes {
            return Ok(self.truncated(number));
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

    /// Notes that this frame is not whole; that it is no frame.
    fn truncated(&mut self, number: u32) -> bool {
        self.truncated = Some(number);
        false
    }
}

/// A header line.
enum Line {
    /// Without its end.
    Whole(String),
    /// The input ends within it.
    Truncated,
    /// The input ends before it.
    End,
}

/// Reads a header line.
fn line(input: &mut impl BufRead) -> Result<Line, String> {
    let mut bytes = Vec::new();
    input
        .by_ref()
        .take(MOST_HEADER)
        .read_until(b'\n', &mut bytes)
        .map_err(|error| error.to_string())?;
    let length = bytes.len() as u64;
    match bytes.pop() {
        None => return Ok(Line::End),
        Some(b'\n') => {}
        Some(_) if length < MOST_HEADER => return Ok(Line::Truncated),
        Some(_) => return Err(format!("a header line does not end within {MOST_HEADER} bytes")),
    }
    String::from_utf8(bytes).map(Line::Whole).map_err(|_| "a header line is not text".to_owned())
}

/// The first line.
#[derive(Debug, Clone, PartialEq)]
struct Header {
    width: u32,
    height: u32,
    /// Judged only where the configuration gives no rate.
    rate: Result<Rate, String>,
    colour: Colour,
}

impl Header {
    fn parse(line: &str) -> Result<Self, String> {
        let mut tags = line.split(' ');
        if tags.next() != Some("YUV4MPEG2") {
            return Err("it does not begin with YUV4MPEG2".to_owned());
        }
        let (mut width, mut height, mut rate, mut colour) =
            (None, None, Ok(Rate::UNKNOWN), Colour::Half);
        for tag in tags.filter(|tag| !tag.is_empty()) {
            let (letter, value) = tag.split_at_checked(1).ok_or_else(|| format!("tag {tag:?}"))?;
            match letter {
                "W" => width = Some(side("width", value, MOST_WIDTH)?),
                "H" => height = Some(side("height", value, MOST_HEIGHT)?),
                "F" => rate = Rate::parse(value),
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
            rate,
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

/// So many frames in so many seconds; 0:0 is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    frames: u32,
    seconds: u32,
}

impl Rate {
    const UNKNOWN: Self = Self { frames: 0, seconds: 0 };

    fn parse(value: &str) -> Result<Self, String> {
        let parts = value.split_once(':').and_then(|(frames, seconds)| {
            Some(Self { frames: frames.parse().ok()?, seconds: seconds.parse().ok()? })
        });
        parts.ok_or_else(|| {
            format!("its rate must be A:B, two whole numbers (got {value:?}); fps sets another")
        })
    }

    /// The time between frames. Only asked for where the configuration gives no rate.
    fn interval(self) -> Result<Option<Duration>, String> {
        if self == Self::UNKNOWN {
            return Ok(None);
        }
        let Self { frames, seconds } = self;
        let (all_frames, all_seconds) = (u64::from(frames), u64::from(seconds));
        if all_frames > all_seconds * FASTEST || all_seconds > all_frames * SLOWEST_SECONDS {
            return Err(format!(
                "its rate must be from one frame in {SLOWEST_SECONDS} s to {FASTEST} a second (got \
                 {frames} in {seconds} s); fps sets another"
            ));
        }
        Ok(Some(Duration::from_secs(all_seconds) / frames))
    }
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
